"""The phases of a connection on an event loop: one table.

phase     | what runs                         | handler          | the deadline ends
READING   | nothing: a request is awaited     | none             | the wait, with 408 or in silence
RUNNING   | the ASGI app; its body is read    | AsgiHandler      | a body that does not come, a
          |                                   |                  | client that stalls, or that ended
          |                                   |                  | its side and is sent nothing
THREAD    | a WSGI app or folder, on a thread | ThreadHandler    | nothing: the thread may wait
WRITING   | nothing: the rest of its response | ThreadHandler    | a client that stalls
WEBSOCKET | an open WebSocket                 | WebSocketSession | a client that stalls, or answers
          |                                   |                  | no ping
LINGERING | nothing: a last reading           | none             | the connection
CLOSED    | nothing                           | none             | -

`TRANSITIONS` says which phase may follow which; `LoopConnection.enter` is the only place that
changes it. A phase that follows itself is the next request of a client that has sent it ahead.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

NEVER_NS: Final = 1 << 62


class Phase(IntEnum):
    """The state of a connection; the module's head says what ends each."""

    READING = 0
    RUNNING = 1
    THREAD = 2
    WRITING = 3
    WEBSOCKET = 4
    LINGERING = 5
    CLOSED = 6


_READING, _RUNNING, _THREAD, _WRITING = Phase.READING, Phase.RUNNING, Phase.THREAD, Phase.WRITING
_ENDS: Final = frozenset((Phase.LINGERING, Phase.CLOSED))

TRANSITIONS: Final[dict[Phase, frozenset[Phase]]] = {
    _READING: _ENDS | {_READING, _RUNNING, _THREAD, _WRITING},
    _RUNNING: _ENDS | {_READING, _RUNNING, Phase.WEBSOCKET},
    _THREAD: frozenset((_WRITING,)),
    _WRITING: _ENDS | {_READING, _THREAD, _WRITING},
    Phase.WEBSOCKET: _ENDS,
    Phase.LINGERING: frozenset((Phase.CLOSED,)),
    Phase.CLOSED: frozenset(),
}
"""From WRITING to THREAD: the next part of a file, or the next request. While a thread has the
connection, nobody else may change its phase."""

BUSY: Final = frozenset((_RUNNING, _THREAD, _WRITING))
"""A request is being answered."""

"""The phases of a connection on an event loop, and what it needs of the model that keeps it.

phase    | what runs                           | the deadline ends
READING  | nothing: a request is awaited       | the wait, with 408 or in silence
RUNNING  | the ASGI app; its body is read      | a body that does not come; a client that stalls, or
         |                                     | has ended its side while the app sends nothing
THREAD   | a WSGI app or a folder, on a thread | -
WRITING  | nothing: the rest of its response   | a client that stalls
SOCKET   | an open WebSocket                   | a client that answers no ping, or stalls
LINGER   | nothing: a last reading             | the connection
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from servescope.hosting.asgi.host import AsgiHost
    from servescope.hosting.asgi.http import HttpCall
    from servescope.hosting.asgi.websocket import WebSocketCall
    from servescope.serving.models.asyncio.coroutine_driver import CoroutineDriver
    from servescope.serving.models.asyncio.threaded import ThreadedAnswers

NEVER_NS: Final = 1 << 62
PING_NS: Final = 20_000_000_000
"""A WebSocket that is silent this long is asked whether it is there; as long again: it is not."""

CLOSE_NS: Final = 2_000_000_000
"""How long the client may take to answer our Close."""


HALF_CLOSED_NS: Final = 2_000_000_000
"""How long an app may send nothing to a client that has ended its side before the app is told that
it has gone. Whoever only ended its side and reads on gets its answer; what an app sends to one that
has gone for good is answered with a reset."""

LEAVING_NS: Final = 5_000_000_000
"""How long later its connection is closed; and how long an app whose connection was closed, by a
reset or by this, has to learn of it (by `receive`, `send` or itself) before it is cancelled."""


class Phase(Enum):
    """What a connection does; the module's head says what ends each."""

    READING = auto()
    RUNNING = auto()
    THREAD = auto()
    WRITING = auto()
    SOCKET = auto()
    LINGER = auto()


class Keeper(Protocol):
    """What a connection needs of the model that keeps it."""

    loop: asyncio.AbstractEventLoop
    host: AsgiHost | None  # None: the application runs on threads
    driver: CoroutineDriver
    body_ns: int  # how long a body may keep us waiting
    is_stopping: bool

    def run_on_thread(self, connection: ThreadedAnswers, act: Callable[[], None]) -> None:
        """Do something on a thread, then let the loop take the connection back."""

    def guard(self, connection: ThreadedAnswers, act: Callable[[], None]) -> None:
        """Do something with a connection; a fault costs this connection only."""

    def give_up(self, connection: ThreadedAnswers) -> None:
        """Log the exception at hand, a fault of ours, and close its connection."""

    def cancel_if_unaware(self, call: HttpCall | WebSocketCall) -> None:
        """The client of a call has gone: cancel the call unless it knows by `LEAVING_NS` later."""

    def forget(self, connection: ThreadedAnswers) -> None:
        """The connection is closed."""

"""A listener restarted in place: a new generation at the same listening socket.

The new generation begins to accept at a duplicate of the socket's descriptor, so the accept queue
lives on and no connection is refused. Then the old one retires: it accepts no more, answers the
requests in flight, and closes each kept connection after one more request (`Connection: close`
announces it). A connection that stays idle is closed in the end, like any idle connection.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from servescope.errors import ListenerError
from servescope.serving.listener import GRACE_SECONDS, RunningListener, start_listener

if TYPE_CHECKING:
    from servescope.recording.recorder import Recorder
    from servescope.records.listeners import ListenerSpec

READY_S: Final = 15.0
"""How long the new generation's processes may take to come up."""

RETIRE_S: Final = 5.0
"""How long kept connections may take to send one more request."""

QUIET_S: Final = 0.6
"""How long it must have had nothing to do: it leaves the socket a moment after the order, workers
report their load every quarter of a second, and a connection accepted last has yet to send."""

_STEP_S: Final = 0.02


def succeed(old: RunningListener, spec: ListenerSpec, recorder: Recorder) -> RunningListener:
    """Start a new generation with other options, model or app, at the old one's socket.

    Call `retire` with the old one next. Raises ListenerError when the new one does not come up;
    then the old one serves on.
    """
    sock = old.duplicate_socket()
    try:
        new = start_listener(spec, recorder, sock, sources=old.sources)
    except BaseException:
        sock.close()
        raise
    if not wait_until_serving(new):
        failure = new.load().failure
        new.stop(0)
        raise ListenerError(failure or f"the new workers did not start within {READY_S:.0f} s")
    new.inherit_socket_file(old)
    return new


def wait_until_serving(listener: RunningListener, seconds: float = READY_S) -> bool:
    """Wait until the processes of a listener are up; True at once where it has none.

    False as soon as one says that it cannot serve.
    """
    give_up = time.monotonic() + seconds
    while not (load := listener.load()).is_serving:
        if load.failure or time.monotonic() >= give_up:
            return False
        time.sleep(_STEP_S)
    return True


def retire(old: RunningListener) -> threading.Thread:
    """Let the old generation finish, on a thread of its own, which ends when it has."""
    old.retire()

    def finish() -> None:
        began = busy_at = now = time.monotonic()
        while old.is_running and now - began < RETIRE_S and now - busy_at < QUIET_S:
            time.sleep(_STEP_S)
            now = time.monotonic()
            if _is_busy(old):
                busy_at = now
        old.stop(GRACE_SECONDS)

    thread = threading.Thread(target=finish, name=f"{old.spec.name}-retiring", daemon=True)
    thread.start()
    return thread


def _is_busy(listener: RunningListener) -> bool:
    load = listener.load()
    return load.open_connections > 0 or load.active_requests > 0

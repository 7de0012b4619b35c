"""The lifespan of an ASGI app: startup before the first request, shutdown after the last one."""

from __future__ import annotations

from enum import IntEnum
from traceback import format_exception_only
from typing import TYPE_CHECKING, Any, Final

from servescope.hosting.asgi.host import DONE, Waiters
from servescope.hosting.unfailing_log import UnfailingLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from servescope.hosting.asgi.host import AsgiHost, Message, Scope, Waiter

_log = UnfailingLogger(__name__)


SPEC_VERSION: Final = "2.0"
"""Of the lifespan protocol."""


class LifespanState(IntEnum):
    """Where the app stands."""

    STARTING = 0
    UP = 1
    FAILED = 2  # the app said that it cannot start
    ABSENT = 3  # the app knows no lifespan: it is served all the same
    STOPPING = 4
    DOWN = 5


LIFESPAN_SENDS: Final = {
    (LifespanState.STARTING, "lifespan.startup.complete"): LifespanState.UP,
    (LifespanState.STARTING, "lifespan.startup.failed"): LifespanState.FAILED,
    (LifespanState.STOPPING, "lifespan.shutdown.complete"): LifespanState.DOWN,
    (LifespanState.STOPPING, "lifespan.shutdown.failed"): LifespanState.DOWN,
}
"""Legal messages of an app by state, and their effect; others raise RuntimeError in the app."""


class Lifespan:
    """The app's side of its lifespan. The host's `state` is set once the app is up."""

    def __init__(self, host: AsgiHost, listener: str, make_waiter: Callable[[], Waiter]) -> None:
        self._host = host
        self._listener = listener
        self._shared: dict[str, Any] = {}
        self._is_startup_told = self._is_shutdown_told = False
        self._waiters = Waiters(make_waiter)
        self.state = LifespanState.STARTING
        self.message = ""
        """Why the startup failed."""
        self.scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
            "state": self._shared,
        }

    async def started(self) -> None:
        """Wait until the app is up, has failed, or turned out to have no lifespan."""
        while self.state is LifespanState.STARTING:
            await self._waiters.wait()

    async def stop(self) -> None:
        """Ask the app to shut down, and wait until it has."""
        if self.state is LifespanState.UP:
            self.state = LifespanState.STOPPING
            self._waiters.wake()
            while self.state is LifespanState.STOPPING:
                await self._waiters.wait()

    async def receive(self) -> Message:
        """`lifespan.startup`, and when it is time `lifespan.shutdown`."""
        if not self._is_startup_told:
            self._is_startup_told = True
            return {"type": "lifespan.startup"}
        while self.state is not LifespanState.STOPPING or self._is_shutdown_told:
            await self._waiters.wait()
        self._is_shutdown_told = True
        return {"type": "lifespan.shutdown"}

    def send(self, message: Message) -> Coroutine[Any, Any, None]:
        """Take a message of the app. Raises RuntimeError for one out of turn."""
        kind = message["type"]
        state = LIFESPAN_SENDS.get((self.state, kind))
        if state is None:
            raise RuntimeError(f"the app may not send {kind} when its lifespan is {self.state!r}")
        if state is LifespanState.UP:
            self._host.state = self._shared
        elif state is LifespanState.FAILED:
            self.message = str(message.get("message", ""))
        elif kind == "lifespan.shutdown.failed":
            _log.error(
                "listener %s: the application failed to shut down: %s",
                self._listener,
                message.get("message", ""),
            )
        self.state = state
        self._waiters.wake()
        return DONE

    def finish(self, error: BaseException | None) -> None:
        """The app has left its lifespan, in turn or not."""
        if self.state is LifespanState.STARTING:
            # ASGI: one that raises here has no lifespan, and is served all the same.
            self.state = LifespanState.ABSENT
            if isinstance(error, Exception):
                _log.info(
                    "listener %s: the application has no lifespan: %s",
                    self._listener,
                    "".join(format_exception_only(error)).rstrip(),
                )
            elif error is not None:
                # `sys.exit()` while it starts: this is not how an app says that it has no lifespan.
                _log.error(
                    "listener %s: the application's startup failed; it is served all the same",
                    self._listener,
                    exc_info=error,
                )
        elif self.state is not LifespanState.FAILED:
            if error is not None:
                _log.error(
                    "listener %s: the application's lifespan failed", self._listener, exc_info=error
                )
            self.state = LifespanState.DOWN
        self._waiters.wake()

"""Responses of an event loop that are written together, when its turn is over.

Theory of operation. A write to a process on this machine wakes it if it sleeps: on another core by
an interrupt, which on a busy virtual machine took a fifth of a request's CPU (perf on
`benchmarks/serving.py`, plain: `sock_def_readable`). A client that holds many connections, a
reverse proxy say, goes back to sleep after each response that comes alone, and is woken once for
those that come together. uvloop's own transports write at the end of a turn, too.

Only whole responses on kept connections are held, and only those that are ready within `CLOSE_NS`
of one on another connection: the first one after a pause leaves at once, and so do those of a
client that is alone. A response is held until the turn is over, or for `LONGEST_NS` and the step of
an app that is running then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

CLOSE_NS: Final = 50_000
"""A response that is ready so soon after one on another connection is held."""

LONGEST_NS: Final = 200_000
"""How long after the first response of a batch the next one ends it."""


class Writer(Protocol):
    """The holder of a response."""

    def write_held(self) -> None:
        """Write the response; raises nothing."""


class WriteBatch:
    """The held responses of one loop; used on its thread only.

    `call_soon` is the loop's: a function given to it runs when the turn is over. `is_due` says that
    the batch has lasted long enough: `write` is to be called once no app is running.
    """

    __slots__ = ("_began_ns", "_call_soon", "_latest", "_ready_ns", "_writers", "is_due")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._writers: list[Writer] = []
        self._began_ns = 0
        self._latest = 0  # id() of the latest response's writer, which is not kept alive by us
        self._ready_ns = 0  # when that was ready
        self.is_due = False

    def take(self, writer: Writer, ready_ns: int) -> bool:
        """Whether a response that is ready at this moment of the loop's clock is to be held.

        Then the writer is called at the end of the turn, or earlier.
        """
        follows = ready_ns - self._ready_ns < CLOSE_NS and id(writer) != self._latest
        self._ready_ns, self._latest = ready_ns, id(writer)
        if self._writers:
            self.is_due = ready_ns - self._began_ns >= LONGEST_NS
        elif follows:
            self._began_ns = ready_ns
            self._call_soon(self.write)
        if follows:
            self._writers.append(writer)
        return follows

    def write(self) -> None:
        """Write all that is held."""
        writers, self._writers = self._writers, []
        self.is_due = False
        for writer in writers:
            writer.write_held()

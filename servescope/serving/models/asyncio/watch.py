"""Whether an event loop reports that a socket can be read, or written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_DESCRIPTOR: Final = -1


def _ignore() -> None:
    """Report to nobody."""


class Watch:
    """One direction of one socket. `add` and `remove` are the loop's, `add_reader` say."""

    __slots__ = ("_add", "_descriptor", "_remove", "_report", "is_on")

    def __init__(
        self,
        descriptor: int,
        add: Callable[..., Any],
        remove: Callable[[int], Any],
        report: Callable[[], None],
    ) -> None:
        self._descriptor = descriptor
        self._add = add
        self._remove = remove
        self._report = report
        self.is_on = False

    def on(self) -> None:
        """Let the loop report; nothing once the watch has ended."""
        if not self.is_on and self._descriptor != _NO_DESCRIPTOR:
            self.is_on = True
            self._add(self._descriptor, self._report)

    def off(self) -> None:
        """Let the loop report no more, not even what it has found already."""
        if self.is_on:
            self.is_on = False
            self._remove(self._descriptor)

    def renew(self) -> None:
        """Stay on after a part of something was read.

        A reset may have come with the data. asyncio would report it again; uvloop closes the poll
        handle of a descriptor once it has reported an error (`UVPoll._fatal_error`), and only a new
        one reports what is left.
        """
        self.off()
        self.on()

    def end(self) -> None:
        """Be off for good: the descriptor's number may belong to another connection soon."""
        self.off()
        self._descriptor = _NO_DESCRIPTOR
        self._report = _ignore  # it knows who has us

    def disown(self) -> None:
        """The same in a forked child, which leaves the loop's set of descriptors alone."""
        self.is_on = False
        self._descriptor = _NO_DESCRIPTOR

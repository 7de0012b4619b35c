"""The accept queue of a listening socket, for models that hear when a connection waits in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from servescope.serving.acceptor import ACCEPTS_PER_TURN, Acceptor, C
from servescope.serving.connection import now_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servescope.serving.model import Assignment


class AcceptQueue(Generic[C]):
    """Takes turns of connections, and is watched except while none can be taken.

    `watch` and `unwatch` are given the socket's descriptor, the same one even if somebody else has
    closed the socket in between.
    """

    def __init__(
        self,
        assignment: Assignment,
        acceptor: Acceptor[C],
        watch: Callable[[int], object],
        unwatch: Callable[[int], object],
        per_turn: int = ACCEPTS_PER_TURN,
    ) -> None:
        self._listening = assignment.listening
        self._most = assignment.options.backlog + 1  # the kernel keeps one more than it was told
        self._acceptor = acceptor
        self._watch, self._unwatch = watch, unwatch
        self._per_turn = per_turn
        self.watched: int | None = None
        """The descriptor, while it is watched."""

    @property
    def is_open(self) -> bool:
        """Whether the socket was not left yet."""
        return self._listening.fileno() >= 0

    def watch(self) -> None:
        """Watch for a waiting connection; nothing once the socket was left."""
        if self.watched is None and self.is_open:
            self.watched = self._listening.fileno()
            self._watch(self.watched)

    def unwatch(self) -> None:
        """Stop reporting waiting connections."""
        if self.watched is not None:
            self._unwatch(self.watched)
            self.watched = None

    def resume(self, now: int) -> None:
        """Watch again when the pause of the acceptor is over."""
        if now >= self._acceptor.paused_until_ns:
            self.watch()

    def leave(self) -> None:
        """Accept no more."""
        self.unwatch()
        self._listening.close()

    def take(self, *, is_last: bool = False) -> Iterator[C]:
        """A turn's connections; in the last one all that wait, who know that they are connected."""
        for _ in range(self._most if is_last else self._per_turn):
            connection = self._acceptor.accept()
            if connection is None:
                if self._acceptor.paused_until_ns > now_ns():
                    self.unwatch()
                return
            yield connection

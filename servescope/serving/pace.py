"""Which requests are quick: these are answered where they were read, without a second thread.

To hand a request from thread to thread costs as much as many an app takes. So a route, or a whole
listener, is handed over only once it has been slow: twice within some answers (once may be the
scheduler's doing), or so slow that another thread had to lead on.
"""

from __future__ import annotations

from typing import Final

from servescope.hosting.routes import fold_path

QUICK_NS: Final = 200_000
"""Longest answer that counts as quick: a hand-over costs a tenth of it."""

SLOW_WEIGHT: Final = 40
"""How many quick answers make up for a slow one."""

STUCK_WEIGHT: Final = 100
"""The same for one that held up the leader; no score goes beyond it."""

THRESHOLD: Final = 50
"""Score above which requests are handed over."""

MOST_SLOW_ROUTES: Final = 512


class Pace:
    """What a listener's requests took. Threads may race: the worst is a hand-over more or less."""

    __slots__ = ("_score", "_scores")

    def __init__(self) -> None:
        self._score = 0
        self._scores: dict[str, int] = {}  # by route, those above zero

    def is_quick(self, target: str) -> bool:
        """Whether the request is likely to be answered at once."""
        if self._score > THRESHOLD:
            return False
        scores = self._scores
        return not scores or scores.get(fold_path(target), 0) <= THRESHOLD

    def note(self, target: str, took_ns: int) -> None:
        """Learn from an answer."""
        if took_ns > QUICK_NS:
            self._add(target, SLOW_WEIGHT)
        elif self._score or self._scores:
            self._add(target, -1)

    def note_stuck(self, target: str) -> None:
        """Learn from an answer that is not there yet and has held up the leader."""
        self._add(target, STUCK_WEIGHT)

    def _add(self, target: str, weight: int) -> None:
        self._score = min(max(self._score + weight, 0), STUCK_WEIGHT)
        route, scores = fold_path(target), self._scores
        score = min(scores.get(route, 0) + weight, STUCK_WEIGHT)
        if score <= 0:
            scores.pop(route, None)
            return
        if len(scores) >= MOST_SLOW_ROUTES:
            scores.clear()
        scores[route] = score

"""The choice of quick requests: these are answered where they were read, without a second thread.

To hand a request from thread to thread costs as much as many an app takes. So a route, or a whole
listener, is handed over only once it has been slow: twice within some answers (once may be the
scheduler's doing), or so slow that another thread had to lead on.

A thread that a request was handed to shares the interpreter with the leader, so that its answer may
seem slow however quick the app is: by such answers alone a route would stay slow for good. So the
leader tries one itself now and then. Some quick ones in a row prove the route quick, whatever the
others of its listener are; each slow one makes the pause to the next trial twice as long, and so
does a route that is slow again soon after it was proven.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from servescope.recording.routes import fold_path

T = TypeVar("T")

QUICK_NS: Final = 200_000
"""Longest answer that counts as quick: a hand-over costs a tenth of it."""

SLOW_WEIGHT: Final = 40
"""How many quick answers make up for a slow one."""

STUCK_WEIGHT: Final = 100
"""The same for one that held up the leader; no score goes beyond it."""

THRESHOLD: Final = 50
"""Score above which requests are handed over."""

MOST_SLOW_ROUTES: Final = 512

TRIAL_NS: Final = 100_000_000
"""From one trial to the next, of a route at first and of a listener at least: a slow one holds up
the leader for two ticks of the watchdog (`leader_followers`), 4 % of this."""

LONGEST_PAUSE_NS: Final = 60_000_000_000

ENOUGH_TRIALS: Final = 4
"""Quick ones in a row that prove a route: of one that is slow every other time, 1 in 16 passes."""


@dataclass(slots=True)
class _Trials:
    """How a slow route does when the leader answers it."""

    due_ns: int
    pause_ns: int = TRIAL_NS
    quick: int = 0  # in a row
    proven_ns: int = 0  # when they were enough


class HandoffPolicy:
    """Learns how long requests take. Threads may race: the worst is a hand-over more or less.

    Moments are those of a monotonic clock, in nanoseconds.
    """

    __slots__ = ("_next_trial_ns", "_proven", "_score", "_scores", "_trials")

    def __init__(self) -> None:
        self._score = 0
        self._scores: dict[str, int] = {}  # by route, those above zero
        self._trials: dict[str, _Trials] = {}  # by route, those under way
        self._proven: dict[str, _Trials] = {}  # by route, those that were enough
        self._next_trial_ns = 0

    def is_quick(self, target: str, now_ns: int) -> bool:
        """Whether the request is likely to be answered at once, or to be tried."""
        scores = self._scores
        if self._score > THRESHOLD and fold_path(target) not in self._proven:
            return self._is_tried(target, now_ns)
        return (
            not scores
            or scores.get(fold_path(target), 0) <= THRESHOLD
            or self._is_tried(target, now_ns)
        )

    def note(self, target: str, took_ns: int, now_ns: int, *, by_leader: bool) -> None:
        """Learn from an answer that the leader gave, or a thread it was handed to."""
        is_quick = took_ns <= QUICK_NS
        if not is_quick:
            self._add(target, SLOW_WEIGHT)
        elif self._score or self._scores:
            self._add(target, -1)
        if by_leader and self._trials:
            self._note_trial(target, now_ns, is_quick=is_quick)

    def note_stuck(self, target: str, now_ns: int) -> None:
        """Learn from an answer that is not there yet and has held up the leader."""
        self._add(target, STUCK_WEIGHT)
        self._note_trial(target, now_ns, is_quick=False)

    def _is_tried(self, target: str, now_ns: int) -> bool:
        """Whether the leader answers this one of a slow route, or listener, to see how long it is.

        Begins the pause to the next one.
        """
        route = fold_path(target)
        trials = self._trials.get(route)
        if trials is None:
            self._begin_trials(route, now_ns)
            return False
        if now_ns < trials.due_ns or now_ns < self._next_trial_ns:
            return False
        trials.due_ns = now_ns + trials.pause_ns
        self._next_trial_ns = now_ns + TRIAL_NS
        return True

    def _begin_trials(self, route: str, now_ns: int) -> None:
        proven, pause_ns = self._proven.pop(route, None), TRIAL_NS
        if proven is not None and now_ns - proven.proven_ns < LONGEST_PAUSE_NS:
            pause_ns = _longer(proven.pause_ns)
        _bounded(self._trials)[route] = _Trials(now_ns + pause_ns, pause_ns)

    def _note_trial(self, target: str, now_ns: int, *, is_quick: bool) -> None:
        """Learn from an answer the leader gave itself; nothing while its route is not on trial."""
        route = fold_path(target)
        trials = self._trials.get(route)
        if trials is None:
            return
        if not is_quick:
            trials.quick = 0
            trials.pause_ns = _longer(trials.pause_ns)
            trials.due_ns = now_ns + trials.pause_ns
            return
        trials.quick += 1
        trials.due_ns = now_ns + TRIAL_NS
        if trials.quick >= ENOUGH_TRIALS:
            trials.proven_ns = now_ns
            _bounded(self._proven)[route] = trials
            self._trials.pop(route, None)
            self._scores.pop(route, None)

    def _add(self, target: str, weight: int) -> None:
        self._score = min(max(self._score + weight, 0), STUCK_WEIGHT)
        route, scores = fold_path(target), self._scores
        score = min(scores.get(route, 0) + weight, STUCK_WEIGHT)
        if score <= 0:
            scores.pop(route, None)
            return
        _bounded(scores)[route] = score


def _bounded(by_route: dict[str, T]) -> dict[str, T]:
    """The same dict, emptied when it is full: its entries are soon learnt again."""
    if len(by_route) >= MOST_SLOW_ROUTES:
        by_route.clear()
    return by_route


def _longer(pause_ns: int) -> int:
    return min(2 * pause_ns, LONGEST_PAUSE_NS)

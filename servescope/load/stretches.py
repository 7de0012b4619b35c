"""A run cut into stretches of whole seconds: how much its latency varied while it went on.

The latencies of a run are kept in the order in which the requests ended, so the counts at each
second are all it takes: nothing is added to a request's cost.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from servescope.load.report import LatencySummary, Stretch

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence

MOST_STRETCHES: Final = 30
LEAST_REQUESTS: Final = 100
"""Of a stretch: so that its percentiles hardly depend on the stretch before it."""

_LATE_S: Final = 0.25
"""By how much a boundary may be missed: the loop was late to its tick, or there was none."""


class _Counts(NamedTuple):
    """Counts of a run up to a tick."""

    latencies: tuple[int, ...]  # of each row
    ended: int
    failed: int


class SecondMarks:
    """How many latencies each row had at each tick of the run, and how many requests failed."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, _Counts]] = []

    def mark(self, elapsed_s: float, latencies: Sequence[int], ended: int, failed: int) -> None:
        """The run is so old, its rows have so many latencies, so many requests ended and failed."""
        self._marks.append((elapsed_s, _Counts(tuple(latencies), ended, failed)))

    def stretches(
        self,
        latencies_ns: Sequence[array[int]],
        schedule_s: float,
        per_s: float,
        *,
        ended: int,
        failed: int,
    ) -> tuple[Stretch, ...]:
        """The run in stretches of the same length, which the schedule alone decides.

        `per_s` is the rate at which requests were due; `ended` and `failed` count those of the run.
        A stretch whose boundaries no tick came to is left out, and so are those that no whole
        number of seconds makes.
        """
        length = stretch_seconds(schedule_s, per_s)
        found = []
        for begin in range(0, int(schedule_s) - length + 1, length):
            first, last = self._at(begin), self._at(begin + length)
            if last is None and begin + length > schedule_s - 1:
                # All was answered before the tick at the schedule's end.
                last = _Counts(tuple(map(len, latencies_ns)), ended, failed)
            if first is None or last is None:
                continue
            parts = [
                np.array(values[low:high], np.int64)
                for values, low, high in zip(
                    latencies_ns, first.latencies, last.latencies, strict=True
                )
            ]
            durations = np.concatenate([np.empty(0, np.int64), *parts])
            of_stretch = last.ended - first.ended
            if durations.size or of_stretch:
                found.append(
                    Stretch(
                        begin,
                        begin + length,
                        int(durations.size),
                        LatencySummary.of(durations),
                        of_stretch,
                        last.failed - first.failed,
                    )
                )
        return tuple(found)

    def _at(self, second: int) -> _Counts | None:
        near = [one for one in self._marks if abs(one[0] - second) <= _LATE_S]
        return min(near, key=lambda one: abs(one[0] - second))[1] if near else None


def stretch_seconds(schedule_s: float, per_s: float) -> int:
    """The length of a stretch: the same for all runs of a schedule."""
    enough_s = LEAST_REQUESTS / per_s if per_s > 0 else schedule_s
    return max(math.ceil(schedule_s / MOST_STRETCHES), math.ceil(enough_s - 1e-9), 1)

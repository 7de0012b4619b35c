"""The growth of sampled counters, spread over the seconds between two readings.

A reading that comes late covers more than one second. Counted in one second, its growth would look
like a peak beside seconds of nothing, and the next second would get too little. Nobody knows when
within that time the counter grew, so the growth is spread evenly.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from servescope.collecting.aggregation import Second

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servescope.store.base import SeriesKey

_NS_PER_S: Final = 1_000_000_000
_LATE_FROM_S: Final = 0.1
"""A reading that comes so long after the end of its second is late. Less shifts no more than a
tenth of a second's growth, and leaves it whole."""

CLOCK_TOLERANCE_S: Final = 1.5
"""Wall clock and monotonic clock that part by more have not counted the same time."""


class Moment(NamedTuple):
    """A moment by the wall clock, in epoch seconds, and by the monotonic one."""

    wall_s: float
    monotonic_s: float

    @classmethod
    def of_reading(cls, now_ns: int, monotonic_s: float) -> Moment:
        """When counters were read: at the end of a second, unless it was late."""
        late_s = now_ns % _NS_PER_S / _NS_PER_S
        return cls(now_ns // _NS_PER_S + (late_s if late_s >= _LATE_FROM_S else 0), monotonic_s)

    def last_boundary(self) -> Moment:
        """The end of the last whole second before it."""
        boundary = math.floor(self.wall_s)
        return Moment(boundary, self.monotonic_s - (self.wall_s - boundary))

    def passed_since(self, earlier: Moment) -> float:
        """Seconds that were lived: in a suspend the monotonic clock stands still."""
        by_wall = self.wall_s - earlier.wall_s
        lived = self.monotonic_s - earlier.monotonic_s
        return by_wall if abs(by_wall - lived) < CLOCK_TOLERANCE_S else lived


class Growth:
    """The growth of counters since a moment, None for the first reading's: that of one second."""

    def __init__(self, since: Moment | None = None) -> None:
        self._since = since
        self._grown: dict[SeriesKey, float] = {}

    def add(self, key: SeriesKey, increase: float) -> None:
        """Add what a counter grew by since it was read before."""
        self._grown[key] = self._grown.get(key, 0.0) + increase

    def divide(self, seconds: Mapping[int, Second], read: Moment) -> Growth:
        """Count it in `seconds`; the answer has what came after the last of them.

        A second that is missing there is a gap, and loses its part. Whole numbers stay whole.
        """
        passed = read.wall_s - math.floor(read.wall_s) + 1
        if self._since is not None:
            passed = read.passed_since(self._since)
        rest = Growth(read.last_boundary())
        for ts in seconds:
            begin, end = (_share(edge, read.wall_s, passed) for edge in (ts, ts + 1))
            if end > begin:
                for key, grown in self._grown.items():
                    seconds[ts].count(key, _part(grown, end) - _part(grown, begin))
        counted = _share(max(seconds, default=-1) + 1, read.wall_s, passed)
        if counted < 1:
            rest._grown = {key: grown - _part(grown, counted) for key, grown in self._grown.items()}
        return rest

    def divide_from(self, first: int, last: int, seconds: dict[int, Second]) -> None:
        """Count it in whole seconds, `first` to `last`, in `seconds`, where it makes those."""
        first = min(first, last)
        several = {ts: seconds.setdefault(ts, Second()) for ts in range(first, last + 1)}
        self._since = Moment(first, first)
        self.divide(several, Moment(last + 1, last + 1))


def _share(edge_s: float, end_s: float, passed_s: float) -> float:
    """The share of the time before `end_s` that had passed at an edge of a second."""
    return min(max(1 - (end_s - edge_s) / passed_s, 0.0), 1.0) if passed_s > 0 else 1.0


def _part(grown: float, share: float) -> float:
    return float(round(grown * share)) if grown.is_integer() else grown * share

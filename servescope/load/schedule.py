"""When requests are due: arrival times as pure, seeded functions, so that a run can be repeated."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

_NS: Final = 1_000_000_000


def constant(rate: float, seconds: float, seed: int) -> array[int]:
    """Evenly spaced: arrival i is due at i / rate, rounded down to a nanosecond.

    round(rate * seconds) arrivals, at least one, all within [0, seconds). Nothing is drawn, so
    `seed` changes nothing.
    """
    del seed
    count = max(round(rate * seconds), 1)
    offsets = np.floor(np.arange(count, dtype=np.float64) * (_NS / rate)).astype(np.int64)
    return array("q", offsets.tobytes())


SCHEDULES: Final[dict[str, Callable[[float, float, int], array[int]]]] = {
    "constant": constant,
}
"""Name → function of (rate, seconds, seed) that gives due times in ns from the start, ascending."""


def arrivals_ns(rate: float, seconds: float, seed: int, schedule: str = "constant") -> array[int]:
    """Due times in nanoseconds from the start of the run, ascending, as an array of type 'q'.

    The same arguments always give the same times. Raises ValueError for an unknown schedule.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"no schedule {schedule!r}; known are {', '.join(SCHEDULES)}")
    return SCHEDULES[schedule](rate, seconds, seed)

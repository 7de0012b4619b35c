"""When flows are due: arrival times as pure, seeded functions, so that a run can be repeated."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.errors import LoadRefusedError
from servescope.records.scenarios import Constant

if TYPE_CHECKING:
    from servescope.records.scenarios import Scenario

_NS: Final = 1_000_000_000


def constant(schedule: Constant) -> array[int]:
    """Evenly spaced: arrival i is due at i / rate, rounded down to a nanosecond.

    round(rate * seconds) arrivals, at least one, all within [0, seconds).
    """
    count = max(round(schedule.rate * schedule.seconds), 1)
    spacing_ns = _NS / schedule.rate
    offsets = np.floor(np.arange(count, dtype=np.float64) * spacing_ns).astype(np.int64)
    return array("q", offsets.tobytes())


def arrivals_ns(scenario: Scenario) -> array[int]:
    """Due times in nanoseconds from the start of the run, ascending, as an array of type 'q'.

    The same scenario always gives the same times. Raises LoadRefusedError for a schedule that
    cannot be run.
    """
    schedule = scenario.schedule
    if not isinstance(schedule, Constant):
        raise LoadRefusedError(f"the schedule {schedule.kind!r} cannot be run yet")
    return constant(schedule)

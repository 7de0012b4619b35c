"""Tiers: how finely the past is kept, and for how long.

Seconds become minutes, minutes become rows of ten minutes; each tier keeps the average, lowest and
highest of gauges, the increases of counters and whole histograms, and outlives the finer ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from servescope.settings import Settings

FINE: Final = 1
MINUTE: Final = 60
TEN_MINUTES: Final = 600
TIERS: Final = (FINE, MINUTE, TEN_MINUTES)
"""Seconds a row of each tier spans, finest first; each divides the next."""

COARSER: Final = dict(pairwise(TIERS))
FINER: Final = {coarser: finer for finer, coarser in COARSER.items()}


def whole_minutes(step: int) -> int:
    """The step an answer has: from a minute on it is rounded up to whole minutes."""
    return step if step < MINUTE else -(-step // MINUTE) * MINUTE


_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR


@dataclass(frozen=True, slots=True)
class Retention:
    """Seconds for which each tier is kept, and how many requests are kept in detail.

    A coarser tier is never dropped before a finer one.
    """

    fine_s: int = _DAY
    minute_s: int = 90 * _DAY
    ten_minutes_s: int = 730 * _DAY
    requests: int = 100_000

    @classmethod
    def from_settings(cls, settings: Settings) -> Retention:
        """As the operator set it."""
        return cls(
            settings.keep_1s_hours * _HOUR,
            settings.keep_60s_days * _DAY,
            settings.keep_600s_days * _DAY,
            settings.keep_requests,
        )

    def kept_s(self, tier: int) -> int:
        """How long the tier is kept, in seconds."""
        kept = {FINE: self.fine_s, MINUTE: self.minute_s, TEN_MINUTES: self.ten_minutes_s}
        return max(seconds for finer, seconds in kept.items() if finer <= tier)

"""The mean of paired differences, with an interval that may be looked at after each pair.

Theory of operation. Somebody who adds pairs until a usual 95 % interval excludes zero is wrong far
more often than 5 % of the time, since each look is another chance. The interval here is a
*confidence sequence*: with probability at least 1 - alpha it contains the true mean after every
number of pairs at once. So one may look after each pair, stop for any reason, and go on later.

It inverts the sequential t-test whose evidence against the mean m, after n differences, is

    E = (1 + n g)^(-1/2) * ((1 + t^2 / (n-1)) / (1 + t^2 / ((n-1) (1 + n g))))^(n/2),

where t is Student's statistic of x - m: the likelihood ratio of a normal prior of variance g on
(mean - m) / deviation, with the right Haar prior on the deviation. For normal differences of any
unknown deviation it is a martingale that begins at 1, so that it ever reaches 1 / alpha with
probability at most alpha (Ville's inequality). |t| stays below `critical_t` exactly while E stays
below 1 / alpha.

Sources: T. L. Lai, On confidence sequences, Annals of Statistics 4 (1976) 265-280. H. Wang and
A. Ramdas, Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance,
arXiv:2310.03722. A. Hendriksen, R. de Heide, P. Grünwald, Optional stopping with Bayes factors,
Bayesian Analysis 16 (2021) 961-989.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

PRIOR_VARIANCE: Final = 1.0
"""The prior's g. Any value keeps the promise; this one makes intervals of 8 to 40 pairs narrow."""

POWER: Final = 0.8
"""The share of comparisons that shall find a difference of the size that is stated."""

MOST_PAIRS_FORESEEN: Final = 1_000


@cache
def critical_t(count: int, alpha: float) -> float:
    """The bound on |t| of `count` differences; infinite while these are too few for any.

    With probability 1 - alpha it holds for all counts at once.
    """
    if count < 2:  # noqa: PLR2004 - one difference has no deviation
        return math.inf
    information = 1 + count * PRIOR_VARIANCE
    growth = (information / alpha**2) ** (1 / count)
    if growth >= information:
        return math.inf
    return math.sqrt((count - 1) * (growth - 1) / (1 - growth / information))


def least_pairs(alpha: float) -> int:
    """How many differences it takes until the interval is bounded at all."""
    return next(
        count for count in range(2, MOST_PAIRS_FORESEEN) if critical_t(count, alpha) < math.inf
    )


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """A mean with its confidence sequence's present interval; all in the unit of the values."""

    count: int
    mean: float
    deviation: float  # the sample's, of one value; NaN of fewer than two
    half_width: float  # infinite while there are too few values

    @property
    def low(self) -> float:
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        return self.mean + self.half_width


def mean_interval(values: ArrayLike, alpha: float) -> MeanInterval:
    """The mean of independent, roughly normal values. Raises ValueError when there is none."""
    sample = np.asarray(values, dtype=np.float64)
    if not sample.size:
        raise ValueError("no value has no mean")
    count, mean = int(sample.size), float(sample.mean())
    deviation = float(sample.std(ddof=1)) if count > 1 else math.nan
    bound = critical_t(count, alpha)
    half_width = bound * deviation / math.sqrt(count) if math.isfinite(bound) else math.inf
    return MeanInterval(count, mean, deviation, half_width)


def detectable_difference(
    deviation: float, count: int, alpha: float, power: float = POWER
) -> float:
    """The smallest difference that `count` pairs of this deviation find with this power.

    Found means that the interval excludes the value that the difference is counted from. Student's
    t is taken for normal: of ten pairs or more the power is within a few percent.
    """
    bound = critical_t(count, alpha) + NormalDist().inv_cdf(power)
    return bound * deviation / math.sqrt(count)


def pairs_needed(
    deviation: float, difference: float, alpha: float, power: float = POWER
) -> int | None:
    """How many pairs of this deviation find this difference; None when MOST_PAIRS_FORESEEN do not.

    See `detectable_difference`.
    """
    counts = range(least_pairs(alpha), MOST_PAIRS_FORESEEN + 1)
    found = bisect_left(
        counts,
        True,
        key=lambda count: detectable_difference(deviation, count, alpha, power) <= difference,
    )
    return counts[found] if found < len(counts) else None

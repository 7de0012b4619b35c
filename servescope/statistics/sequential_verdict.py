"""Whether one server is slower than another: pairs of runs, judged after each of them.

Theory of operation. The latencies of one run depend on each other: a request that waits makes the
next one wait. A test that takes them for independent (Mann-Whitney, Kolmogorov-Smirnov, a plain
bootstrap) sees differences where there are none. So nothing is concluded within a run: a pair of
short runs, one on each server, gives one number a quantile, the logarithm of the ratio of both, and
the pairs alone are taken for independent. In a pair both get the same arrivals, so that what chance
there is in these cancels; and the server that goes first alternates, so that a machine that grows
slower harms both alike.

The mean of the logarithms has an interval that may be looked at after each pair
(`paired_test`). Several quantiles share its error probability (Bonferroni: it holds whatever their
dependence), so that all intervals together contain all true ratios, after each pair, with
probability 1 - ALPHA. The verdict follows from the intervals, and from nothing else.

`SequentialVerdict` knows no clock and no server: whoever drives it measures what `next_pair` asks
for, and hands it to `add` until `next_pair` asks for nothing more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from servescope.statistics.paired_test import (
    detectable_difference,
    least_pairs,
    mean_interval,
    pairs_needed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALPHA: Final = 0.05
"""Probability that any interval of a comparison, at any look, misses the truth."""

MOST_PAIRS: Final = 30
JUDGED: Final = (0.5, 0.9)
WATCHED: Final = (0.99,)


class Side(StrEnum):
    """Of a comparison."""

    BEFORE = "before"
    AFTER = "after"

    @property
    def other(self) -> Side:
        return Side.AFTER if self is Side.BEFORE else Side.BEFORE


class VerdictKind(StrEnum):
    """A verdict, of one quantile or of all."""

    NOT_SLOWER = "not slower"  # certainly by less than the tolerance
    SLOWER = "slower"  # certainly by more than the tolerance
    FASTER = "faster"  # certainly faster at all
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class PairOrder:
    """The pair of runs to measure next: `first`, then the other side, with the same arrivals."""

    number: int  # from 1
    seed: int  # of the arrivals, for both
    first: Side

    @property
    def sides(self) -> tuple[Side, Side]:
        """In the order in which they are measured."""
        return self.first, self.first.other


@dataclass(frozen=True, slots=True)
class QuantileVerdict:
    """The ratio after / before of one latency quantile, as far as the pairs tell it.

    With probability 1 - ALPHA the ratios of all quantiles are within their bounds. `high` is
    infinite, and `low` 0, while there are too few pairs.
    """

    quantile: float
    ratio: float  # geometric mean of the pairs
    low: float
    high: float
    deviation: float  # of the logarithm of one pair's ratio; NaN of a single pair
    kind: VerdictKind
    is_judged: bool  # else it can tell of a slower server, and is not waited for
    more_pairs: int | None  # that would decide, see `paired_test.POWER`; 0: decided, None: hopeless
    detectable_ratio: float  # least slowdown that all pairs allowed find, with that power

    @property
    def differs(self) -> bool:
        """Whether there certainly is a difference, however small."""
        return self.low > 1 or self.high < 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict after so many pairs."""

    kind: VerdictKind
    tolerance: float  # 0.05: up to 5 % slower is not slower
    pairs: int
    discarded: int
    quantiles: tuple[QuantileVerdict, ...]

    @property
    def is_certain(self) -> bool:
        return self.kind is not VerdictKind.UNDECIDED

    @property
    def more_pairs(self) -> int | None:
        """How many more pairs would decide it; 0: it is decided; None: no number in reach."""
        if self.is_certain:
            return 0
        needed = [one.more_pairs for one in self.quantiles if one.is_judged]
        return None if None in needed else max((one or 0 for one in needed), default=None)


class SequentialVerdict:
    """Asks for pairs and judges them, until it is certain or has had `most_pairs`.

    `tolerance` is the share by which a server may be slower without counting as slower. A server is
    slower as soon as one quantile certainly is; it is not slower once each of the `judged`
    quantiles certainly is not. Raises ValueError when the numbers make no test.
    """

    def __init__(
        self,
        tolerance: float,
        judged: Sequence[float] = JUDGED,
        watched: Sequence[float] = WATCHED,
        most_pairs: int = MOST_PAIRS,
        seed: int = 1,
    ) -> None:
        self._quantiles = tuple(sorted({*judged, *watched}))
        self._alpha = ALPHA / max(len(self._quantiles), 1)
        if not judged or not all(0 < one < 1 for one in self._quantiles):
            raise ValueError("quantiles lie between 0 and 1, and at least one is judged")
        if not 0 < tolerance < math.inf:
            raise ValueError("without a tolerance above 0 no server is ever certain to be as fast")
        if most_pairs < least_pairs(self._alpha):
            raise ValueError(f"fewer than {least_pairs(self._alpha)} pairs decide nothing")
        self._tolerance = tolerance
        self._judged = frozenset(judged)
        self._most_pairs = most_pairs
        self._seed = seed
        self._discarded = 0
        self._log_ratios: dict[float, list[float]] = {one: [] for one in self._quantiles}

    @property
    def quantiles(self) -> tuple[float, ...]:
        """Those that each pair tells, in ascending order."""
        return self._quantiles

    @property
    def pairs(self) -> int:
        """How many pairs were added."""
        return len(self._log_ratios[self._quantiles[0]])

    def next_pair(self) -> PairOrder | None:
        """The pair to measure next; None when it is decided, or has had all its pairs."""
        if self.pairs >= self._most_pairs or (self.pairs and self.verdict().is_certain):
            return None
        first = Side.AFTER if self.pairs % 2 else Side.BEFORE
        return PairOrder(self.pairs + 1, self._seed + self.pairs + self._discarded, first)

    def add(self, before: Mapping[float, float], after: Mapping[float, float]) -> None:
        """A measured pair: the latency at each quantile, both in the same unit.

        Raises ValueError when one is no positive number: it has no logarithm.
        """
        ratios = {
            quantile: _log_ratio(before[quantile], after[quantile]) for quantile in self._quantiles
        }
        for quantile, ratio in ratios.items():
            self._log_ratios[quantile].append(ratio)

    def discard(self) -> None:
        """The pair could not be measured: the next one has other arrivals and the same order.

        Whether a pair is discarded must not depend on which of its sides was faster.
        """
        self._discarded += 1

    def verdict(self) -> Verdict:
        """The verdict now; it may be asked for at any time. Raises ValueError before any pair."""
        found = tuple(map(self._of_quantile, self._quantiles))
        return Verdict(
            self._kind_of_all(found), self._tolerance, self.pairs, self._discarded, found
        )

    def _kind_of_all(self, found: Sequence[QuantileVerdict]) -> VerdictKind:
        if any(one.kind is VerdictKind.SLOWER for one in found):
            return VerdictKind.SLOWER
        judged = {one.kind for one in found if one.is_judged}
        if VerdictKind.UNDECIDED in judged:
            return VerdictKind.UNDECIDED
        return VerdictKind.FASTER if VerdictKind.FASTER in judged else VerdictKind.NOT_SLOWER

    def _of_quantile(self, quantile: float) -> QuantileVerdict:
        logs = mean_interval(self._log_ratios[quantile], self._alpha)
        limit = math.log1p(self._tolerance)
        if logs.low > limit:
            kind = VerdictKind.SLOWER
        elif logs.high < 0:
            kind = VerdictKind.FASTER
        elif logs.high < limit:
            kind = VerdictKind.NOT_SLOWER
        else:
            kind = VerdictKind.UNDECIDED
        return QuantileVerdict(
            quantile=quantile,
            ratio=_exp(logs.mean),
            low=_exp(logs.low),
            high=_exp(logs.high),
            deviation=logs.deviation,
            kind=kind,
            is_judged=quantile in self._judged,
            more_pairs=0
            if kind is not VerdictKind.UNDECIDED
            else self._more_pairs(logs.mean, logs.deviation),
            detectable_ratio=_exp(
                detectable_difference(logs.deviation, self._most_pairs, self._alpha)
            ),
        )

    def _more_pairs(self, mean: float, deviation: float) -> int | None:
        """If the truth is where it seems to be; None when that is about the tolerance itself."""
        if math.isnan(deviation):
            return None
        distance = abs(math.log1p(self._tolerance) - mean)
        needed = pairs_needed(deviation, distance, self._alpha)
        return None if needed is None else max(needed - self.pairs, 1)


def _log_ratio(before: float, after: float) -> float:
    if not (0 < before < math.inf and 0 < after < math.inf):
        raise ValueError(f"a latency is a positive number, got {before} and {after}")
    return math.log(after / before)


def _exp(logarithm: float) -> float:
    """Infinite where it is beyond what a float holds: the bounds of few pairs may be."""
    try:
        return math.exp(logarithm)
    except OverflowError:
        return math.inf

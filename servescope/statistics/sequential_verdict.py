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

`SequentialVerdict` knows no clock and no server: its caller measures what `next_pair` asks for,
and hands it to `add` until `next_pair` asks for nothing more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

from servescope.histogram import least_count
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
    longer_runs: float | None  # how many times as long runs would decide it with the pairs allowed
    detectable_ratio: float  # least slowdown that the pairs allowed find, with that power

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
    most_pairs: int
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
        return None if None in needed else max(one or 0 for one in needed)

    @property
    def longer_runs(self) -> float | None:
        """How many times as long runs would decide it, with the pairs allowed; None as above."""
        needed = [one.longer_runs for one in self.quantiles if one.is_judged]
        return None if None in needed else max(one or 0.0 for one in needed)


def told_by(requests: float) -> tuple[float, ...]:
    """Those of WATCHED of which a run of so many requests says something."""
    return tuple(one for one in WATCHED if requests >= least_count(one))


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

    def of_runs(self, requests: float) -> Self:
        """Itself. Raises ValueError when runs of so many requests do not tell its quantiles."""
        for quantile in self._quantiles:
            if requests < least_count(quantile):
                raise ValueError(
                    f"p{quantile * 100:.10g} of about {requests:.0f} requests is their slowest "
                    f"one: runs of {least_count(quantile)} requests at least tell it; let runs "
                    "be longer, or judge and watch lower percentiles"
                )
        return self

    @property
    def quantiles(self) -> tuple[float, ...]:
        """Those that each pair tells, in ascending order."""
        return self._quantiles

    @property
    def judged(self) -> frozenset[float]:
        """Those that must be as fast."""
        return self._judged

    @property
    def most_pairs(self) -> int:
        """How many pairs may be added."""
        return self._most_pairs

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
            self._kind_of_all(found),
            self._tolerance,
            self.pairs,
            self._most_pairs,
            self._discarded,
            found,
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
        detectable = detectable_difference(logs.deviation, self._most_pairs, self._alpha)
        more_pairs: int | None = 0
        longer_runs: float | None = 1.0
        if kind is VerdictKind.UNDECIDED:
            more_pairs, longer_runs = self._needed(abs(limit - logs.mean), logs.deviation)
        return QuantileVerdict(
            quantile=quantile,
            ratio=_exp(logs.mean),
            low=_exp(logs.low),
            high=_exp(logs.high),
            deviation=logs.deviation,
            kind=kind,
            is_judged=quantile in self._judged,
            more_pairs=more_pairs,
            longer_runs=longer_runs,
            detectable_ratio=_exp(detectable),
        )

    def _needed(self, distance: float, deviation: float) -> tuple[int | None, float | None]:
        """More pairs, or how many times as long runs, if the truth is where it seems to be.

        None when it seems to be at about the tolerance itself. The deviation of a pair is taken for
        chance among its requests, which shrinks with the root of their number.
        """
        needed = pairs_needed(deviation, distance, self._alpha) if deviation > 0 else None
        if needed is None:
            return None, None
        detectable = detectable_difference(deviation, self._most_pairs, self._alpha)
        return max(needed - self.pairs, 1), max((detectable / distance) ** 2, 1.0)


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

"""The rate up to which the throughput of overloaded steps carries.

Theory of operation. At an offered rate r above the throughput X the queue grows by r - X a second,
and a request that is due t seconds after the start waits t (r / X - 1). Of a step of T seconds the
last one is answered after the limit L from r = X (1 + L / T) on: below that rate the step ends
before its queue is long enough. So the edge of the steps lies above the throughput by the share
L / T, and it moves with X: where that differs from step to step, steps of one rate hold and break
by chance, and more of them decide nothing.

A longer run carries X. It carries less where the slow steps are so slow that the delay L / T does
not make up for it (`_share_carried`). Both follow from the mean throughput of whole steps and from
how much it differs, with Student's t and chi-squared for the interval. The capacity is that rate,
where steps hold at it.

With random waits a long run breaks a little below its throughput. Close to it the waits are
exponential with a mean of K / (1 - u) at utilisation u (J. F. C. Kingman, On queues in heavy
traffic, Journal of the Royal Statistical Society B 24, 1962), so that a share p is late at
1 - u = ln(1 / p) K / L. K comes from the waits of steps that held; where requests and services are
evenly spaced there are none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.statistics.capacity_steps import LEVEL, is_near
from servescope.statistics.student_t import quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.statistics.capacity_steps import Objective, StepResult

FAR: Final = 20.0
"""How many times as many late requests as allowed an overloaded step has."""

CLEAR: Final = 1.05
"""Ratio of the rate of an overloaded step that counts to any rate at which one was not."""

OVERLOADED_STEPS: Final = 5
"""Overloaded steps that a capacity by throughput takes: with fewer, they agree by luck."""

HELD_STEPS: Final = 3
HELD_TO_BROKEN: Final = 4
"""Steps that held at that rate or above: so many at least, and so many for each that broke there or
below. Of steps of a rate at which 1 in 100 requests is late, a few break."""

AT: Final = 0.98
"""Share of a rate from which on a step that held counts as one at that rate."""

_ROUNDED: Final = 1.001  # rates of steps have four digits
_NORMAL: Final = np.linspace(-4.0, 4.0, 801)
_WEIGHTS: Final = np.exp(-(_NORMAL**2) / 2) / np.exp(-(_NORMAL**2) / 2).sum()
_SIDED: Final = 1.645  # of the normal distribution, 95 % on one side
_BUSY: Final = (0.3, 0.95)  # utilisations at which waits are seen, and steps are long enough


@dataclass(frozen=True, slots=True)
class ThroughputBound:
    """The rate up to which the throughput of overloaded steps carries, with its interval.

    `offered` is the rate of the overloaded `steps`; `held` is the number of those that held at
    `rate` or above, `broken` of those that broke there or below.
    """

    rate: float
    low: float
    high: float
    offered: float
    steps: int
    held: int
    broken: int

    @property
    def is_refuted(self) -> bool:
        """Whether steps break below it: something else than the throughput is the limit."""
        return self.broken * HELD_TO_BROKEN > self.held

    @property
    def is_sure(self) -> bool:
        """Whether enough steps show it, and that it is carried."""
        is_shown = self.steps >= OVERLOADED_STEPS and self.held >= HELD_STEPS
        return is_shown and not self.is_refuted


def throughput_bound(
    used: Sequence[tuple[StepResult, bool]], objective: Objective
) -> ThroughputBound | None:
    """By the overloaded steps of the lowest rates; None without any.

    Far above the edge a server may answer less than it could. Nearer to it only the slower steps
    are overloaded: those of rates at which each step was, and by some distance, are no selection.
    """
    grew = [one for one, broke in used if broke and is_overloaded(one, objective)]
    if not grew:
        return None
    brief_s = min(one.seconds for one in grew)  # in a briefer step no queue could show
    least = CLEAR * max(
        (one.rate for one, _ in used if one not in grew and one.seconds >= brief_s), default=0.0
    )
    grew = [one for one in grew if one.rate >= least]
    if not grew:
        return None
    lowest = min(one.rate for one in grew)
    grew = [one for one in grew if is_near(one.rate, lowest)]
    answered = np.array([one.answered_in_schedule / one.seconds for one in grew])
    mean, freedom = float(answered.mean()), len(grew) - 1
    margin, spread = resolution(grew) * mean, 0.0
    if freedom:
        spread = float(answered.std(ddof=1))
        margin += spread / math.sqrt(len(grew)) * quantile((1 + LEVEL) / 2, freedom)
    delay = _delay(grew, objective)
    allowed = 1 - objective.quantile
    share, least_share, most_share = (
        min(_share_carried(spread / mean * factor, delay, allowed), 1.0)
        for factor in (1.0, *_spread_factors(freedom))
    )
    short = _share_for_waits(mean, used, objective)
    rate, low = mean * share * (1 - short), (mean - margin) * least_share * (1 - 2 * short)
    return ThroughputBound(
        rate,
        low,
        (mean + margin) * most_share,
        float(np.median([one.rate for one in grew])),
        len(grew),
        sum(not broke and one.rate >= rate * AT for one, broke in used),
        sum(broke and one.rate <= rate * _ROUNDED for one, broke in used),
    )


def _delay(steps: Sequence[StepResult], objective: Objective) -> float:
    """L / T: the shortest latency is no wait."""
    return min(
        max(objective.latency_limit_s - one.shortest_latency_s, 0.0) / one.seconds for one in steps
    )


def _share_carried(spread: float, delay: float, allowed: float) -> float:
    """The share of the mean throughput at which steps have as many late requests as allowed.

    All of them together: their throughputs are normal with a relative deviation of `spread`.
    """
    throughputs = np.maximum(1 + spread * _NORMAL, 0.05)
    low, high = 0.5, 1 + 2 * delay + 1e-9
    for _ in range(30):
        middle = (low + high) / 2
        growth = np.maximum(middle / throughputs - 1, 1e-12)
        late = float(np.maximum(1 - delay / growth, 0.0) @ _WEIGHTS)
        low, high = (low, middle) if late > allowed else (middle, high)
    return low


def _spread_factors(freedom: int) -> tuple[float, float]:
    """By how much a spread may be larger, and smaller, than that of so few steps (chi-squared).

    E. B. Wilson, M. M. Hilferty: The distribution of chi-square, PNAS 17 (1931).
    """
    if not freedom:
        return 1.0, 1.0
    term = 2 / (9 * freedom)
    low, high = (1 - term + z * math.sqrt(term) for z in (-_SIDED, _SIDED))
    return max(low, 0.1) ** -1.5, high**-1.5


def is_overloaded(step: StepResult, objective: Objective) -> bool:
    """Whether its queue grew for most of the step: then it was answered at the throughput."""
    is_late = step.share_late(objective) >= FAR * (1 - objective.quantile)
    return is_late and step.is_piling_up(objective)


def resolution(steps: Sequence[StepResult]) -> float:
    """How far off a throughput may be: a step ends between two answers of a worker."""
    return max(one.shortest_latency_s / one.seconds + 1 / one.sent for one in steps)


def _share_for_waits(
    throughput: float, used: Sequence[tuple[StepResult, bool]], objective: Objective
) -> float:
    """By how much of the throughput the rate stays below it for the waits to keep to the limit."""
    held = [(one.rate / throughput, one.mean_latency_s) for one, broke in used if not broke]
    alone_s = min(latency_s for _, latency_s in held)
    least, most = _BUSY
    waits = [(latency_s - alone_s) * (1 - u) for u, latency_s in held if least <= u <= most]
    if not waits:
        return 0.0
    per_s = math.log(1 / (1 - objective.quantile)) / objective.latency_limit_s
    return min(max(waits) * per_s, 0.5)

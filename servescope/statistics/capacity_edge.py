"""The rate at which an objective breaks, with its interval, from the steps around it.

Theory of operation. Where steps hold at the rate that the throughput of overloaded steps allows
(`capacity_throughput`), that rate is the capacity. Else it is the edge of the steps, above which
they break the objective. There are two kinds of it:

- *sharp*: nothing is late below, nearly all above (evenly spaced arrivals at a pool). The edge is
  between the highest rate that held and the lowest that broke: that is the interval.
- *gradual*: the share of late requests grows with the rate (random arrivals). Far out, a queue's
  wait has an exponential tail whose exponent falls with the rate, so that the logarithm of the odds
  of being late is close to a line over the logarithm of the rate. The line is fitted to the steps
  near the edge by likelihood; its interval is a bootstrap over whole steps, since the requests
  within a step are not independent, widened as Student's t for so few steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.statistics.capacity_steps import LEVEL, NEAR, Judgement, is_near
from servescope.statistics.capacity_throughput import (
    FAR,
    is_overloaded,
    resolution,
    throughput_bound,
)
from servescope.statistics.student_t import widening

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from servescope.statistics.capacity_steps import Objective, StepResult

    Floats = NDArray[np.float64]

RESAMPLES: Final = 200
BESIDE: Final = 0.08
SHARP: Final = 1.05
"""An edge is sharp when the odds of being late rise sixteenfold over a rise of the rate by this.

At random arrivals they rise so much over a quarter of the rate.
"""

SHARP_STEPS: Final = 3
"""Steps on each side, within `BESIDE` of it in the logarithm, that a sharp edge takes."""

SAFETY: Final = 1.5
"""Factor of the interval of a gradual edge.

The search places steps by what it has seen, and ends when the interval is narrow: both make the
plain bootstrap too narrow. Simulated searches at M/D/c and M/G/c queues gave the factor.
"""

DISPROOFS: Final = 3
"""Steps that held at clearly higher rates, after which a step that broke does not count."""

_FAR_BELOW: Final = 0.4  # in the logarithm of the rate
_MOST_FLOOR: Final = 1 / 3  # of the share that is allowed
_PARAMETERS: Final = 2  # of the gradual edge: slope and place
_SLOPES: Final = np.geomspace(0.5, 400.0, 10)
_EDGES: Final = np.linspace(-0.3, 0.3, 121)


class EdgeKind(StrEnum):
    """How a capacity was found; see the module's text."""

    SHARP = "sharp"
    GRADUAL = "gradual"
    THROUGHPUT = "throughput"


@dataclass(frozen=True, slots=True)
class Capacity:
    """Requests per second that are carried, with the interval at `level`."""

    rate: float
    low: float
    high: float
    kind: EdgeKind
    level: float = LEVEL

    @property
    def half_width(self) -> float:
        """Half the interval, as a share of the rate."""
        return (self.high - self.low) / 2 / self.rate


def edge_of(steps: Sequence[StepResult], objective: Objective, seed: int = 1) -> Capacity | None:
    """The rate at which the objective breaks, with its interval; None when no edge is seen."""
    used = used_steps(steps, objective)
    if not any(broke for _, broke in used) or all(broke for _, broke in used):
        return None
    bound = throughput_bound(used, objective)
    if bound is not None and not bound.is_refuted:
        found = Capacity(bound.rate, bound.low, bound.high, EdgeKind.THROUGHPUT)
        return found if bound.is_sure else None
    bracket = sharp_bracket(used, objective)
    if bracket is not None and bracket.is_sure:
        low, high = bracket.low, bracket.high
        capacity = Capacity(math.sqrt(low * high), low, high, EdgeKind.SHARP)
        return _below_ceiling(capacity, used, objective)
    return _gradual(used, objective, seed)


def used_steps(steps: Sequence[StepResult], objective: Objective) -> list[tuple[StepResult, bool]]:
    """The steps that say something, and whether each broke the objective.

    A step that broke far below rates that held again and again was disturbed.
    """
    judged = [(one, one.judge(objective)) for one in steps]
    held = [one.rate for one, mark in judged if mark is Judgement.HELD]
    return [
        (one, mark is Judgement.BROKE)
        for one, mark in judged
        if mark is Judgement.HELD
        or (
            mark is Judgement.BROKE
            and sum(rate >= one.rate * math.exp(NEAR) for rate in held) < DISPROOFS
        )
    ]


@dataclass(frozen=True, slots=True)
class SharpBracket:
    """The highest rate that held and the lowest that broke, of an edge that looks sharp."""

    low: float
    high: float
    steps_below: int  # within BESIDE
    steps_above: int

    @property
    def is_sure(self) -> bool:
        """Whether it is narrow enough, and seen often enough, not to be a gradual edge."""
        enough = min(self.steps_below, self.steps_above) >= SHARP_STEPS
        return enough and self.high <= self.low * SHARP


def sharp_bracket(
    used: Sequence[tuple[StepResult, bool]], objective: Objective
) -> SharpBracket | None:
    """The bracket, when all steps below held, all above broke, and both by far."""
    low = max((one.rate for one, broke in used if not broke), default=math.inf)
    high = min((one.rate for one, broke in used if broke), default=0.0)
    if low >= high:
        return None
    allowed = 1 - objective.quantile
    shares = [(one.rate, one.share_late(objective)) for one, _ in used]
    below = [share for rate, share in shares if rate <= low and is_near(rate, low, BESIDE)]
    above = [share for rate, share in shares if rate >= high and is_near(rate, high, BESIDE)]
    if max(below) > allowed / 4 or min(above) < 4 * allowed:
        return None
    if np.median(above) < FAR * allowed:
        return None
    return SharpBracket(low, high, len(below), len(above))


def _gradual(
    used: Sequence[tuple[StepResult, bool]], objective: Objective, seed: int
) -> Capacity | None:
    """The rate at which the fitted share of late requests is what the objective allows."""
    log_rates = np.log([one.rate for one, _ in used])
    middle = _rough_edge(used)
    likelihood = _likelihoods([one for one, _ in used], objective, middle + _EDGES)
    edge = middle
    for _ in range(3):  # the window follows the estimate
        near = np.abs(log_rates - edge) <= NEAR
        if near.sum() <= _PARAMETERS:
            return None
        edge = middle + float(_best(_EDGES, near[None, :].astype(np.float64), likelihood)[0])
    if _has_floor([one for one, _ in used], objective, edge):
        return None
    steps = int(near.sum())
    drawn = np.random.default_rng(seed).multinomial(steps, np.full(steps, 1 / steps), RESAMPLES)
    found = middle + _best(_EDGES, drawn.astype(np.float64), likelihood[near])
    low, high = np.quantile(found, ((1 - LEVEL) / 2, (1 + LEVEL) / 2)) - edge
    wide = SAFETY * widening(LEVEL, steps - _PARAMETERS)
    grid = float(_EDGES[1] - _EDGES[0])
    reach = middle - edge + float(_EDGES[-1]) - grid, edge - middle + float(_EDGES[-1]) - grid
    if high >= reach[0] or -low >= reach[1]:
        return None  # the share of late requests hardly depends on the rate here
    return _below_ceiling(
        Capacity(
            math.exp(edge),
            math.exp(edge + min(low * wide, 0.0) - grid),
            math.exp(edge + max(high * wide, 0.0) + grid),
            EdgeKind.GRADUAL,
        ),
        used,
        objective,
    )


def _has_floor(steps: Sequence[StepResult], objective: Objective, edge: float) -> bool:
    """Whether many are late at rates far below the edge: then the share follows no line there."""
    far = [one for one in steps if math.log(one.rate) < edge - _FAR_BELOW]
    sent = sum(one.sent for one in far)
    late = sum(one.share_late(objective) * one.sent for one in far)
    return sent > 0 and late > _MOST_FLOOR * (1 - objective.quantile) * sent


def _rough_edge(used: Sequence[tuple[StepResult, bool]]) -> float:
    """The log of the rate that best parts the steps that held from those that broke.

    The line of `_gradual` is none far above the edge, where the throughput says how many are late:
    fitted to all steps it can be pulled away from those at the edge.
    """
    log_rates = np.log([one.rate for one, _ in used])
    broke = np.array([one_broke for _, one_broke in used])
    rates = np.unique(log_rates)
    places = np.concatenate([[rates[0]], (rates[1:] + rates[:-1]) / 2, [rates[-1]]])
    above = log_rates[None, :] > places[:, None]
    wrong = (above != broke[None, :]).sum(axis=1)
    return float(np.mean(places[wrong == wrong.min()]))


def _likelihoods(steps: Sequence[StepResult], objective: Objective, edges: Floats) -> Floats:
    """Log-likelihood of each step for each slope and log edge, shape (steps, slopes x edges)."""
    allowed = 1 - objective.quantile
    x = np.log([one.rate for one in steps])
    sent = np.array([float(one.sent) for one in steps])[:, None, None]
    late = np.array([one.share_late(objective) for one in steps])[:, None, None] * sent
    odds = math.log(allowed / (1 - allowed))
    logit = odds + _SLOPES[None, :, None] * (x[:, None, None] - edges[None, None, :])
    found = late * logit - sent * np.logaddexp(0, logit)
    return np.asarray(found.reshape(len(steps), -1))


def _best(edges: Floats, weights: Floats, likelihood: Floats) -> Floats:
    """The edge of the greatest likelihood for each row of weights of the steps.

    By einsum: so small a product is not worth the threads that BLAS would wake.
    """
    sums = np.einsum("ws,sg->wg", weights, likelihood)
    found: Floats = edges[np.argmax(sums, axis=1) % edges.size]
    return found


def _below_ceiling(
    capacity: Capacity, used: Sequence[tuple[StepResult, bool]], objective: Objective
) -> Capacity:
    """Bound a capacity by the throughput of the overloaded steps just above it."""
    grew = [
        one
        for one, broke in used
        if broke
        and capacity.low <= one.rate <= capacity.high * math.exp(2 * NEAR)
        and is_overloaded(one, objective)
    ]
    if not grew:
        return capacity
    answered = np.array([one.answered_in_schedule / one.seconds for one in grew])
    ceiling = float(np.median(answered))
    margin = ceiling * resolution(grew)
    if answered.size > 1:
        spread = float(answered.std(ddof=1)) / math.sqrt(answered.size)
        margin += spread * widening(LEVEL, answered.size - 1) * 2
    high = min(capacity.high, ceiling + margin)
    low = min(capacity.low, ceiling - margin)
    rate = min(max(min(capacity.rate, ceiling), low), high)
    return replace(capacity, rate=rate, low=low, high=high)

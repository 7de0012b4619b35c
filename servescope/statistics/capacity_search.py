"""A sequential search for the highest rate that a server carries within an objective.

Theory of operation. The caller asks for a step, offers that rate for that long, and adds the
result; there is no clock and no load here. Rates double until the objective breaks, twice, so that
one disturbance does not end the ascent. The gap between the highest rate that held and the lowest
that broke is then narrowed, and steps are repeated on both sides of the edge, each with arrivals
of its own seed, until the interval of the edge is narrow enough or the time is used up.

A step breaks the objective when more requests than it allows were late or failed, or when more
were unanswered at its end than could be answered in time. Two kinds of edge come up:

- *sharp*: nothing is late below, nearly all above (evenly spaced arrivals at a pool). The edge is
  between the highest rate that held and the lowest that broke: that is the interval.
- *gradual*: the share of late requests grows with the rate (random arrivals). Far out, a queue's
  wait has an exponential tail whose exponent falls with the rate, so that the logarithm of the odds
  of being late is close to a line over the logarithm of the rate. The line is fitted to the steps
  near the edge by likelihood; its interval is a bootstrap over whole steps, since the requests
  within a step are not independent, widened as Student's t for so few steps.

A step that is a little above what the server carries may end before the queue is long enough for
the objective to break. The capacity is therefore bounded by the throughput of steps near the edge
that were clearly overloaded.

Steps in which the generator was late are of no use. Steps in which other programs took the
processor count where they held, and not where they broke: the server might have held without them.
Steps whose figures contradict Little's law (Operations Research 9, 1961) are left out too.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.statistics.student_t import widening

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEVEL: Final = 0.95
RESAMPLES: Final = 200
LEAST_EDGE_STEPS: Final = 8
"""Steps near the edge before the search may end: with fewer, an interval is narrow by luck."""

NEAR: Final = 0.16
"""Steps within this distance of the edge, in the logarithm of the rate, say where it is."""

BESIDE: Final = 0.08
SHARP: Final = 1.05
"""An edge is sharp when the odds of being late rise sixteenfold over a rise of the rate by this.

At random arrivals they rise so much over a quarter of the rate.
"""

FAR: Final = 20.0
"""How many times as many late requests as allowed a step just above a sharp edge has."""

SHARP_STEPS: Final = 3
"""Steps on each side, within `BESIDE` of it in the logarithm, that a sharp edge takes."""

SAFETY: Final = 1.5
"""Factor of the interval of a gradual edge.

The search places steps by what it has seen, and ends when the interval is narrow: both make the
plain bootstrap too narrow. Simulated searches at M/D/c and M/G/c queues gave the factor.
"""

GRADUAL_STEPS: Final = 16
"""Steps near a gradual edge before the search may end."""

ASCENT: Final = 2.0
BRACKET: Final = 1.15
"""Ratio of the lowest rate that broke to the highest that held at which the edge is bracketed."""

DISPROOFS: Final = 3
"""Steps that held at clearly higher rates, after which a step that broke does not count."""

MOST_BROKEN_STEPS: Final = 2
LATE_STEPS: Final = 3
"""Steps in which the generator was late after which it is taken to be the limit."""

MOST_USELESS_STEPS: Final = 6
WIDEST: Final = 0.5
"""Half-width of an interval, as a share of the capacity, from which on nothing is claimed."""

_FEW_UNANSWERED: Final = 0.01
_SUPPORT: Final = 1.5  # a step that broke at a rate so much lower says nothing of this one
_FAR_BELOW: Final = 0.4  # in the logarithm of the rate
_MOST_FLOOR: Final = 1 / 3  # of the share that is allowed
_PARAMETERS: Final = 2  # of the gradual edge: slope and place
_LEAST_APART: Final = 0.01
_MOST_APART: Final = 0.06
_ROUND: Final = 4
"""Steps at the edge between two looks at the interval: a look at each would stop at lucky ones."""

_SLOPES: Final = np.geomspace(0.5, 400.0, 10)
_EDGES: Final = np.linspace(-0.3, 0.3, 121)


class Judgement(StrEnum):
    """How a step stands to the objective."""

    HELD = "held"
    BROKE = "broke"
    USELESS = "not used"


class Outcome(StrEnum):
    """How a search ended, or stands."""

    SEARCHING = "searching"
    CARRIES = "carries"
    AT_LEAST = "at least"  # the highest rate that may be offered held
    LESS_THAN = "less than"  # the lowest rate broke
    GENERATOR = "generator"  # the generator could not offer what would break the objective
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Objective:
    """`quantile` of the requests answered within `latency_limit_s`, and few failures.

    `error_limit` is the highest share of requests that may fail, 0.01 for 1 %.
    """

    latency_limit_s: float
    quantile: float = 0.99
    error_limit: float = 0.01


@dataclass(frozen=True, slots=True)
class SearchBounds:
    """Rates in requests per second; `total_s` bounds the sum of `StepResult.spent_s`.

    `width` is the half-width of the interval, as a share of the capacity, at which the search
    ends. Random arrivals need a warm-up: a step begins with an empty queue, and its first second
    or two flatter the server.
    """

    first_rate: float
    most_rate: float
    least_rate: float = 1.0
    step_s: float = 5.0
    warm_up_s: float = 0.0
    total_s: float = 300.0
    width: float = 0.02


@dataclass(frozen=True, slots=True)
class Step:
    """Offer `rate` requests per second for `warm_up_s` + `seconds`, with arrivals from `seed`.

    Requests that are due in the warm-up count nowhere in the result.
    """

    rate: float
    seconds: float
    seed: int
    warm_up_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step as it was carried out.

    `late` are requests answered after the limit or never. `failed` are those without a whole
    answer and those answered with a server error. `in_flight` is the mean of counts of requests
    under way, at regular instants between the start and the last end; None without counts.
    """

    rate: float
    seconds: float
    sent: int
    answered_in_schedule: int
    late: int
    failed: int
    mean_latency_s: float
    shortest_latency_s: float
    quantile_s: float | None  # the objective's quantile of the latencies
    elapsed_s: float  # from the start to the last end
    spent_s: float  # of the search's time, start and end of the generator included
    in_flight: float | None = None
    in_flight_error: float = 0.0  # standard error of that mean
    generator_limited: bool = False
    disturbed: bool = False  # other programs took the processor
    others_cores: float | None = None  # that other programs used

    @property
    def throughput(self) -> float:
        """Answers per second; none can come before the shortest latency has passed."""
        return self.answered_in_schedule / max(self.seconds - self.shortest_latency_s, 1e-9)

    @property
    def concurrency(self) -> float:
        """Mean number of requests in the system by Little's law: arrival rate x mean latency."""
        return self.sent / max(self.elapsed_s, 1e-9) * self.mean_latency_s

    @property
    def agrees_with_littles_law(self) -> bool | None:
        """Whether the count of requests under way is their rate x their latency; None: no count.

        Counts at whole seconds can be in step with evenly spaced arrivals, which is worth one
        request; three standard errors and a quarter of the figure are allowed above it.
        """
        if self.in_flight is None:
            return None
        allowed = 1 + 3 * self.in_flight_error + 0.25 * max(self.concurrency, self.in_flight)
        return abs(self.in_flight - self.concurrency) <= allowed

    def is_piling_up(self, objective: Objective) -> bool:
        """Whether far more are unanswered at the schedule's end than can be answered in time."""
        unanswered = self.sent - self.answered_in_schedule
        most = max(2 * self.rate * objective.latency_limit_s, _FEW_UNANSWERED * self.sent, 1.0)
        return unanswered > most

    def share_late(self, objective: Objective) -> float:
        """Share of late requests; failures count by how close they are to their own limit."""
        if not self.sent:
            return 0.0
        late = self.late / self.sent
        failed = self.failed / self.sent
        if not failed:
            return late
        allowed = 1 - objective.quantile
        scaled = failed * allowed / objective.error_limit if objective.error_limit else 1.0
        return min(max(late, scaled), 1.0)

    def judge(self, objective: Objective) -> Judgement:
        """Whether the objective held."""
        if self.generator_limited or not self.sent or self.agrees_with_littles_law is False:
            return Judgement.USELESS
        if (
            self.is_piling_up(objective)
            or self.share_late(objective) > 1 - objective.quantile + 1e-12
        ):
            return Judgement.USELESS if self.disturbed else Judgement.BROKE
        return Judgement.HELD

    def is_clear_break(self, objective: Objective) -> bool:
        """Whether more were late than chance makes of what is allowed; for a step that broke."""
        allowed = (1 - objective.quantile) * self.sent
        late = self.share_late(objective) * self.sent
        return late > allowed + 3 * math.sqrt(allowed) + 1 or self.share_late(objective) <= 0

    def to_json(self) -> dict[str, Any]:
        """The object that the store keeps; its keys are the fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> StepResult:
        """Read what `to_json` wrote."""
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Capacity:
    """Requests per second that are carried, with the interval at `level`."""

    rate: float
    low: float
    high: float
    level: float = LEVEL
    sharp: bool = False  # see the module's text

    @property
    def half_width(self) -> float:
        """Half the interval, as a share of the rate."""
        return (self.high - self.low) / 2 / self.rate


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A conclusion from the steps; `bound` is the rate of AT_LEAST, LESS_THAN and GENERATOR."""

    outcome: Outcome
    capacity: Capacity | None = None
    bound: float | None = None
    reason: str = ""  # of UNDECIDED


class CapacitySearch:
    """The state of one search: its steps so far. `seed` makes its steps repeatable."""

    def __init__(self, objective: Objective, bounds: SearchBounds, seed: int = 1) -> None:
        self.objective = objective
        self.bounds = bounds
        self._seed = seed
        self._steps: list[StepResult] = []
        self._held: list[float] = []
        self._broken: list[float] = []
        self._clearly_broken: list[float] = []
        self._seen: tuple[int, Capacity | None] = (0, None)

    @property
    def steps(self) -> tuple[StepResult, ...]:
        """The results that were added, in order."""
        return tuple(self._steps)

    @property
    def spent_s(self) -> float:
        """Of `bounds.total_s`."""
        return sum(step.spent_s for step in self._steps)

    def add(self, result: StepResult) -> None:
        """Take the result of the step that `next_step` asked for."""
        self._steps.append(result)
        judged = result.judge(self.objective)
        if judged is Judgement.HELD:
            self._held.append(result.rate)
        elif judged is Judgement.BROKE:
            self._broken.append(result.rate)
            if result.is_clear_break(self.objective):
                self._clearly_broken.append(result.rate)

    def next_step(self) -> Step | None:
        """The step to carry out now; None when the search is over."""
        if self._is_over():
            return None
        rate = self._next_rate()
        return None if rate is None else self._step(rate)

    def capacity(self) -> Capacity | None:
        """The edge as the steps so far show it; None as long as they do not."""
        if self._seen[0] != len(self._steps):
            self._seen = len(self._steps), edge_of(self._steps, self.objective, self._seed)
        return self._seen[1]

    def _edge_so_far(self) -> Capacity | None:
        """The capacity as the last whole round of steps showed it."""
        seen, capacity = self._seen
        if capacity is None or len(self._steps) - seen >= _ROUND:
            return self.capacity()
        return capacity

    def result(self) -> SearchResult:
        """The outcome so far; final once `next_step` returned None."""
        capacity = self.capacity()
        enough = len(self._broken) >= MOST_BROKEN_STEPS and bool(self._held)
        if capacity is not None and enough and capacity.half_width <= WIDEST:
            return SearchResult(Outcome.CARRIES, capacity)
        held = max(self._held, default=None)
        if self._is_generator_limited():
            return SearchResult(Outcome.GENERATOR, bound=held)
        if held is not None and not self._broken and held >= self.bounds.most_rate:
            return SearchResult(Outcome.AT_LEAST, bound=held)
        least = min(self._broken, default=None)
        if held is None and least is not None and least <= self.bounds.least_rate:
            return SearchResult(Outcome.LESS_THAN, bound=least)
        return SearchResult(Outcome.UNDECIDED, reason=self._why_undecided())

    def _why_undecided(self) -> str:
        useless = [one for one in self._steps if one.judge(self.objective) is Judgement.USELESS]
        if not self._steps:
            return "no step was carried out"
        if self._held and self._broken and len(useless) < min(len(self._held), len(self._broken)):
            return "the share of late requests hardly depends on the rate near the edge"
        disturbed = [one.others_cores or 0.0 for one in useless if one.disturbed]
        if disturbed:
            return (
                "other programs on this machine took the processor in "
                f"{len(disturbed)} of {len(self._steps)} steps, up to {max(disturbed):.1f} cores"
            )
        if any(one.agrees_with_littles_law is False for one in useless):
            return "counted and computed numbers of requests under way contradict each other"
        if any(one.generator_limited for one in useless):
            return "the load generator was at its own limit in some of the steps"
        return "the steps that were carried out do not show where the objective breaks"

    def _is_generator_limited(self) -> bool:
        """The generator was late again and again above what held, and nothing broke below.

        Other programs make it late too: such a step says nothing of the generator either.
        """
        held = max(self._held, default=0.0)
        late = [
            step.rate
            for step in self._steps
            if step.generator_limited and not step.disturbed and step.rate > held
        ]
        return len(late) >= LATE_STEPS and not self._broken

    def _is_over(self) -> bool:
        step_s = self.bounds.step_s
        if self._steps and self.spent_s + step_s > self.bounds.total_s:
            return True
        if self._is_generator_limited():
            return True
        if len(self._steps) - len(self._held) - len(self._broken) >= MOST_USELESS_STEPS:
            return True
        if not self._held or len(self._broken) < MOST_BROKEN_STEPS:
            return False
        capacity = self._edge_so_far()
        if capacity is None:
            return False
        near = [rate for rate in self._held + self._broken if _is_near(rate, capacity.rate)]
        sides = (
            sum(_is_near(rate, capacity.rate) for rate in self._held),
            sum(_is_near(rate, capacity.rate) for rate in self._broken),
        )
        return (
            capacity.half_width <= self.bounds.width
            and len(near) >= (LEAST_EDGE_STEPS if capacity.sharp else GRADUAL_STEPS)
            and min(sides) >= MOST_BROKEN_STEPS
        )

    def _next_rate(self) -> float | None:
        if self._steps and self._steps[-1].judge(self.objective) is Judgement.USELESS:
            return self._steps[-1].rate  # once more: whatever it was may have passed
        low, high = self._bracket()
        if high is None:
            return self._ascend()
        if low is None:
            return self._descend(high)
        bracket = _sharp_bracket(_used(self._steps, self.objective), self.objective)
        if bracket is not None:
            return self._at_sharp_edge(bracket)
        capacity = self._edge_so_far() if high / low <= BRACKET else None
        return self._between(low, high) if capacity is None else self._at_edge(capacity)

    def _bracket(self) -> tuple[float | None, float | None]:
        """The highest rate that held below the lowest that is sure to break; None: not seen yet."""
        high = self._sure_break()
        below = [rate for rate in self._held if high is None or rate < high]
        return max(below, default=None), high

    def _sure_break(self) -> float | None:
        """The lowest rate of which two steps say that it is too high, and fewer that it is not."""
        for rate in sorted(set(self._clearly_broken)):
            broken, held = self._votes(rate)
            if broken >= MOST_BROKEN_STEPS and broken > held:
                return rate
        return None

    def _votes(self, rate: float) -> tuple[int, int]:
        """How many steps say that a rate is too high, and how many that it is not."""
        broken = sum(rate / _SUPPORT <= other <= rate for other in self._clearly_broken)
        return broken, sum(other >= rate for other in self._held)

    def _ascend(self) -> float | None:
        """Double; a rate that clearly broke is tried again, until it breaks or holds for sure."""
        tried = max(self._held + self._broken, default=None)
        if tried is None:
            return self._clip(self.bounds.first_rate)
        for rate in sorted(set(self._clearly_broken)):
            broken, held = self._votes(rate)
            if held <= broken:
                return rate
        return None if tried >= self.bounds.most_rate else self._clip(tried * ASCENT)

    def _descend(self, high: float) -> float | None:
        """Halve, until something holds."""
        return None if high <= self.bounds.least_rate else self._clip(high / ASCENT)

    def _between(self, low: float, high: float) -> float:
        """The middle of the bracket, or the throughput of its overloaded end where that helps."""
        if high < low * (1 + _LEAST_APART):
            return high  # does it break at all?
        middle = math.sqrt(low * high)
        shown = [
            step.throughput
            for step in self._steps
            if step.rate == high and step.is_piling_up(self.objective)
        ]
        if shown:
            apart = 0.03
            carried = float(np.median(shown))
            if low * (1 + 2 * apart) < carried < high / (1 + 2 * apart):
                # Below it first: once that holds, above it.
                below = carried * (1 - apart)
                return below if below > low * (1 + apart / 2) else carried * (1 + apart)
        return middle

    def _at_sharp_edge(self, bracket: _SharpBracket) -> float:
        """Narrow the bracket; then look again at the side that was seen less often."""
        if bracket.high > bracket.low * (1 + 1.5 * self.bounds.width):
            return self._between(bracket.low, bracket.high)
        fewer_below = bracket.steps_below <= bracket.steps_above
        return bracket.low if fewer_below else bracket.high

    def _at_edge(self, capacity: Capacity) -> float:
        """The side of the edge with fewer steps, as far from it as the interval is wide."""
        apart = min(max(capacity.half_width, _LEAST_APART), _MOST_APART)
        near = [step.rate for step in self._steps if _is_near(step.rate, capacity.rate)]
        below = sum(rate <= capacity.rate for rate in near)
        if below <= len(near) - below:
            return self._clip(capacity.rate * (1 - apart))
        return self._clip(capacity.rate * (1 + apart))

    def _clip(self, rate: float) -> float:
        return min(max(rate, self.bounds.least_rate), self.bounds.most_rate)

    def _step(self, rate: float) -> Step:
        rate = float(f"{rate:.4g}")
        least = 1 / (1 - self.objective.quantile)  # of so many requests one may be late
        seconds = min(max(self.bounds.step_s, least / rate), 3 * self.bounds.step_s)
        seed = self._seed * 1000 + len(self._steps)
        return Step(rate, seconds, seed, self.bounds.warm_up_s)


def edge_of(steps: Sequence[StepResult], objective: Objective, seed: int = 1) -> Capacity | None:
    """The rate at which the objective breaks, with its interval; None when no edge is seen."""
    used = _used(steps, objective)
    if not any(broke for _, broke in used) or all(broke for _, broke in used):
        return None
    bracket = _sharp_bracket(used, objective)
    if bracket is not None and bracket.is_sure:
        low, high = bracket.low, bracket.high
        capacity = Capacity(math.sqrt(low * high), low, high, sharp=True)
        return _below_ceiling(capacity, used, objective)
    return _gradual(used, objective, seed)


def _used(steps: Sequence[StepResult], objective: Objective) -> list[tuple[StepResult, bool]]:
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
class _SharpBracket:
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


def _sharp_bracket(
    used: Sequence[tuple[StepResult, bool]], objective: Objective
) -> _SharpBracket | None:
    """The bracket, when all steps below held, all above broke, and both by far."""
    low = max((one.rate for one, broke in used if not broke), default=math.inf)
    high = min((one.rate for one, broke in used if broke), default=0.0)
    if low >= high:
        return None
    allowed = 1 - objective.quantile
    shares = [(one.rate, one.share_late(objective)) for one, _ in used]
    below = [share for rate, share in shares if rate <= low and _is_near(rate, low, BESIDE)]
    above = [share for rate, share in shares if rate >= high and _is_near(rate, high, BESIDE)]
    if max(below) > allowed / 4 or min(above) < 4 * allowed:
        return None
    if np.median(above) < FAR * allowed:
        return None
    return _SharpBracket(low, high, len(below), len(above))


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
    """Bound a capacity by the throughput of the steps just above it whose queue grew."""
    grew = [
        one
        for one, broke in used
        if broke
        and capacity.low <= one.rate <= capacity.high * math.exp(2 * NEAR)
        and one.is_piling_up(objective)
        and one.share_late(objective) >= FAR * (1 - objective.quantile)
    ]
    if not grew:
        return capacity
    answered = np.array([one.answered_in_schedule / one.seconds for one in grew])
    ceiling = float(np.median(answered))
    # A step ends between two answers of a worker, as far apart as a request takes.
    margin = ceiling * max(one.shortest_latency_s / one.seconds + 1 / one.sent for one in grew)
    if answered.size > 1:
        spread = float(answered.std(ddof=1)) / math.sqrt(answered.size)
        margin += spread * widening(LEVEL, answered.size - 1) * 2
    high = min(capacity.high, ceiling + margin)
    low = min(capacity.low, ceiling - margin)
    rate = min(max(min(capacity.rate, ceiling), low), high)
    return Capacity(rate, low, high, capacity.level, capacity.sharp)


def _is_near(rate: float, edge: float, distance: float = NEAR) -> bool:
    return abs(math.log(rate / edge)) <= distance

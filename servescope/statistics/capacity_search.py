"""A sequential search for the highest rate that a server carries within an objective.

Theory of operation. The caller asks for a step, offers that rate for that long, and adds the
result; there is no clock and no load here. Rates double until the objective breaks, twice, so that
one disturbance does not end the ascent. The gap between the highest rate that held and the lowest
that broke is then narrowed. Steps are repeated, each with arrivals of its own seed, until the
interval of the capacity is narrow enough or the time is used up: on both sides of an edge, or
where the throughput is the capacity (`capacity_edge`), at it and in overload.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.statistics.capacity_edge import EdgeKind, edge_of, sharp_bracket, used_steps
from servescope.statistics.capacity_steps import Judgement, Step, is_near
from servescope.statistics.capacity_throughput import HELD_STEPS, throughput_bound

if TYPE_CHECKING:
    from servescope.statistics.capacity_edge import Capacity, SharpBracket
    from servescope.statistics.capacity_steps import Objective, StepResult
    from servescope.statistics.capacity_throughput import ThroughputBound

LEAST_EDGE_STEPS: Final = {EdgeKind.SHARP: 8, EdgeKind.GRADUAL: 16}
"""Steps near the edge before the search may end: with fewer, an interval is narrow by luck."""

ASCENT: Final = 2.0
BRACKET: Final = 1.15
"""Ratio of the lowest rate that broke to the highest that held at which the edge is bracketed."""

MOST_BROKEN_STEPS: Final = 2
LATE_STEPS: Final = 3
"""Steps in which the generator was late after which it is taken to be the limit."""

MOST_USELESS_STEPS: Final = 6
WIDEST: Final = 0.5
"""Half-width of an interval, as a share of the capacity, from which on nothing is claimed."""

STEP_TO_LIMIT: Final = 5.0
"""A step is so many times as long as the latency limit, if that is no more than `LONGEST` steps."""

LONGEST: Final = 4.0
OVERLOAD: Final = 1.1
"""By how much an overloaded step is above the rate at which its queue is sure to show."""

OVERLOAD_TRIES: Final = 3
_SUPPORT: Final = 1.5  # a step that broke at a rate so much lower says nothing of this one
_LEAST_APART: Final = 0.01
_MOST_APART: Final = 0.06
_FARTHEST: Final = 0.12
_ROUND: Final = 4
"""Steps at the edge between two looks at the interval: a look at each would stop at lucky ones."""


class Outcome(StrEnum):
    """How a search ended, or stands."""

    SEARCHING = "searching"
    CARRIES = "carries"
    AT_LEAST = "at least"  # the highest rate that may be offered held
    LESS_THAN = "less than"  # the lowest rate broke
    GENERATOR = "generator"  # the generator could not offer what would break the objective
    UNDECIDED = "undecided"


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
            return SearchResult(Outcome.AT_LEAST, bound=self._carried_at(held))
        least = min(self._broken, default=None)
        if held is None and least is not None and least <= self.bounds.least_rate:
            return SearchResult(Outcome.LESS_THAN, bound=least)
        return SearchResult(Outcome.UNDECIDED, reason=self._why_undecided())

    def _carried_at(self, rate: float) -> float:
        """A rate that held, or what was answered there if the step ended with a growing queue."""
        answered = min(step.throughput for step in self._steps if step.rate == rate)
        return rate if answered >= rate * (1 - self.bounds.width) else answered

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
        used_up = self._steps and self.spent_s + self.bounds.step_s > self.bounds.total_s
        useless = len(self._steps) - len(self._held) - len(self._broken)
        if used_up or useless >= MOST_USELESS_STEPS or self._is_generator_limited():
            return True
        if not self._held or len(self._broken) < MOST_BROKEN_STEPS:
            return False
        capacity = self._edge_so_far()
        if capacity is None or capacity.half_width > self.bounds.width:
            return False
        if capacity.kind is EdgeKind.THROUGHPUT:
            return True
        near = [rate for rate in self._held + self._broken if is_near(rate, capacity.rate)]
        sides = (
            sum(is_near(rate, capacity.rate) for rate in self._held),
            sum(is_near(rate, capacity.rate) for rate in self._broken),
        )
        return len(near) >= LEAST_EDGE_STEPS[capacity.kind] and min(sides) >= MOST_BROKEN_STEPS

    def _next_rate(self) -> float | None:
        if self._steps and self._steps[-1].judge(self.objective) is Judgement.USELESS:
            return self._steps[-1].rate  # once more: the disturbance may have passed
        low, high = self._bracket()
        if high is None:
            return self._ascend()
        if low is None:
            return self._descend(high)
        used = used_steps(self._steps, self.objective)
        by_throughput = self._by_throughput(throughput_bound(used, self.objective), high)
        if by_throughput is not None:
            return by_throughput
        bracket = sharp_bracket(used, self.objective)
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
            return self._around(high)
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

    def _around(self, edge: float) -> float:
        """Farther and farther on either side, as long as the steps do not show how it lies."""
        near = sum(is_near(step.rate, edge) for step in self._steps)
        apart = _LEAST_APART * (1 + near // 2)
        return self._clip(edge * (1 + min(apart, _FARTHEST) * (1 if near % 2 else -1)))

    @property
    def _delay(self) -> float:
        """The latency limit as a share of a step."""
        return self.objective.latency_limit_s / self._seconds(self.bounds.most_rate)

    def _by_throughput(self, bound: ThroughputBound | None, edge: float) -> float | None:
        """As long as the throughput may be the limit: overload, or whether it holds there."""
        if bound is None:
            return self._overload(edge)
        return None if bound.is_refuted else self._at_throughput(bound)

    def _overload(self, edge: float) -> float | None:
        """A rate above an edge whose queue is sure to show; None when it may not be offered."""
        rate = edge * OVERLOAD / max(1 - 2 * self._delay, 0.25)
        tried = sum(step.rate >= rate * (1 - _LEAST_APART) for step in self._steps)
        rate *= OVERLOAD**tried
        return rate if tried < OVERLOAD_TRIES and rate <= self.bounds.most_rate else None

    def _at_throughput(self, bound: ThroughputBound) -> float:
        """Does it hold there? Else overload once more, which narrows the interval."""
        if bound.held < max(HELD_STEPS, bound.steps / 3):
            return self._clip(bound.rate)
        return bound.offered

    def _at_sharp_edge(self, bracket: SharpBracket) -> float:
        """Narrow the bracket; then look again at the side that was seen less often."""
        if bracket.high > bracket.low * (1 + 1.5 * self.bounds.width):
            return self._between(bracket.low, bracket.high)
        fewer_below = bracket.steps_below <= bracket.steps_above
        return bracket.low if fewer_below else bracket.high

    def _at_edge(self, capacity: Capacity) -> float:
        """The side of the edge with fewer steps, as far from it as the interval is wide."""
        apart = min(max(capacity.half_width, _LEAST_APART), _MOST_APART)
        near = [step.rate for step in self._steps if is_near(step.rate, capacity.rate)]
        below = sum(rate <= capacity.rate for rate in near)
        if below <= len(near) - below:
            return self._clip(capacity.rate * (1 - apart))
        return self._clip(capacity.rate * (1 + apart))

    def _clip(self, rate: float) -> float:
        return min(max(rate, self.bounds.least_rate), self.bounds.most_rate)

    def _step(self, rate: float) -> Step:
        rate = float(f"{rate:.4g}")
        seed = self._seed * 1000 + len(self._steps)
        return Step(rate, self._seconds(rate), seed, self.bounds.warm_up_s)

    def _seconds(self, rate: float) -> float:
        """How long the next step is, at this rate."""
        step_s, least = self.bounds.step_s, 1 / (1 - self.objective.quantile)  # one may be late
        is_ascent = not self._broken  # which only has to find a rate that breaks
        of_limit = 0 if is_ascent else STEP_TO_LIMIT * self.objective.latency_limit_s
        return min(max(step_s, least / rate, of_limit), LONGEST * step_s)

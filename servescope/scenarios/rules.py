"""Rules of a load run: what has to be true of it, and whether it is so far.

    [step:] p99 < 50 ms          any percentile, mean, or max, of the latencies
    [step:] error rate < 0.1 %   requests without an answer, and answers 5xx, of all that ended
    [step:] answered >= 99 %     with any status, of all that ended: at the end the whole schedule

A percentile is the value at rank ceil(q * n), so `p99 < 50 ms` asks whether that many latencies are
below 50 ms: counting is enough to judge it, exactly. A request that timed out counts with the time
until it was given up, which is a lower bound: against a bound beyond it nothing is known, and
what is not known does not pass.
"""

from __future__ import annotations

import math
import operator
import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

MOST_RULES: Final = 20
_NS: Final = 1_000_000_000
_HUNDRED: Final = 100.0
EXAMPLES: Final = ("p99 < 50 ms", "error rate < 0.1 %", "answered >= 99 %")
_RULE: Final = re.compile(
    r"(?:(?P<step>[^:]+?)\s*:\s*)?"
    r"(?P<figure>p(?P<percent>\d{1,2}(?:\.\d{1,3})?)|mean|max|error rate|answered)\s*"
    r"(?P<comparison><=|>=|<|>|≤|≥)\s*"
    r"(?P<bound>\d+(?:\.\d+)?)\s*(?P<unit>µs|us|ms|s|%)(?:\s+of\s+(?:the\s+)?schedule)?"
)
_SECONDS: Final = {"µs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0}
_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Figure(StrEnum):
    """The figure that a rule limits."""

    PERCENTILE = "percentile"
    MEAN = "mean"
    MAX = "max"
    ERROR_RATE = "error rate"
    ANSWERED = "answered"


class RuleState(StrEnum):
    """Whether a rule is true of what was measured so far."""

    PASSING = "passing"
    FAILING = "failing"
    UNKNOWN = "unknown"  # nothing was measured yet, or only a lower bound is known


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, read. `bound` is in seconds or, of `error rate` and `answered`, a ratio."""

    text: str
    figure: Figure
    comparison: str  # <, <=, > or >=
    bound: float
    quantile: float = 0.0  # of a percentile
    step: str = ""  # the step of the mix that it is about; nothing: all together

    @property
    def is_of_latency(self) -> bool:
        """Whether it looks at latencies, not at counts."""
        return self.figure in {Figure.PERCENTILE, Figure.MEAN, Figure.MAX}

    def holds(self, value: float) -> bool:
        """Whether the rule is true of this value."""
        return _COMPARE[self.comparison](value, self.bound)


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests so far, of a run or of one step of its mix."""

    ended: int  # answered or failed
    answered: int  # with any status
    errors: int  # without an answer, or answered 5xx
    timed_out: int = 0
    timed_out_from_s: float | None = None  # shortest latency of these


@dataclass(frozen=True, slots=True)
class RuleResult:
    """How a rule stands. `is_settled`: no request that is still to come can make it pass.

    `value` is what was measured, in seconds or as a ratio; None while that is not known: the exact
    percentile takes all latencies, and is there at the end.
    """

    text: str
    state: RuleState
    is_settled: bool
    value: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The object that progress and result hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RuleResult:
        """Read what `to_json` wrote."""
        return cls(**{**values, "state": RuleState(values["state"])})


def parse_rule(text: str) -> Rule:
    """Read one rule. Raises LoadRefusedError with a sentence that shows how rules look."""
    match = _RULE.fullmatch(text.strip())
    if match is None:
        known = ", ".join(EXAMPLES)
        raise LoadRefusedError(f"the rule {text[:80]!r} is not understood; write, say, {known}")
    percent, unit, bound = match["percent"], match["unit"], float(match["bound"])
    figure = Figure.PERCENTILE if percent else Figure(match["figure"])
    is_ratio = figure in {Figure.ERROR_RATE, Figure.ANSWERED}
    if is_ratio != (unit == "%"):
        wanted = "% " if is_ratio else "µs, ms or s"
        raise LoadRefusedError(f"the bound of the rule {text[:80]!r} is in {wanted.strip()}")
    if percent and not 0 < float(percent) < _HUNDRED:
        raise LoadRefusedError(f"the percentile of the rule {text[:80]!r} is above 0 and below 100")
    if is_ratio and bound > _HUNDRED:
        raise LoadRefusedError(f"the bound of the rule {text[:80]!r} is at most 100 %")
    return Rule(
        text=text.strip(),
        figure=figure,
        comparison=match["comparison"].replace("≤", "<=").replace("≥", ">="),
        bound=bound / _HUNDRED if is_ratio else bound * _SECONDS[unit],
        quantile=float(percent) / _HUNDRED if percent else 0.0,
        step=match["step"] or "",
    )


def parse_rules(texts: tuple[str, ...], steps: tuple[str, ...]) -> tuple[Rule, ...]:
    """Read the rules of a scenario whose mix has steps of these names.

    Raises LoadRefusedError for one that is not understood, or about a step that is not there.
    """
    if len(texts) > MOST_RULES:
        raise LoadRefusedError(f"a scenario has at most {MOST_RULES} rules, not {len(texts)}")
    rules = tuple(map(parse_rule, texts))
    for rule in rules:
        if rule.step and rule.step not in steps:
            known = ", ".join(steps)
            raise LoadRefusedError(
                f"the rule {rule.text!r} is about {rule.step!r}; the steps of the mix are: {known}"
            )
    return rules


class RuleWatch:
    """Judges one rule while a run goes on, from its latencies as they come and its counts.

    `planned` is how many requests the schedule holds, None where it does not say (closed model,
    flows of several steps).
    """

    def __init__(self, rule: Rule, planned: int | None) -> None:
        self.rule = rule
        self._planned = planned
        # 0.067 s times 1e9 is a little more than 67 ms; a latency of just that is not below it.
        self._bound_ns = round(rule.bound * _NS, 3)
        self._count = 0
        self._within = 0  # latencies on the side of the bound where the comparison is true
        self._sum_ns = 0
        self._max_ns = 0

    def add(self, latencies_ns: NDArray[np.int64]) -> None:
        """Take the latencies that are new since the last call, in nanoseconds."""
        if not (self.rule.is_of_latency and latencies_ns.size):
            return
        compare = _COMPARE[self.rule.comparison]
        self._count += latencies_ns.size
        self._within += int(compare(latencies_ns, self._bound_ns).sum())  # type: ignore[attr-defined, arg-type]
        self._sum_ns += int(latencies_ns.sum())
        self._max_ns = max(self._max_ns, int(latencies_ns.max()))

    def judge(self, counts: Counts) -> RuleResult:
        """How the rule stands."""
        state, settled = self._by_latency(counts) if self.rule.is_of_latency else self._by(counts)
        return RuleResult(self.rule.text, state, settled, self._value(counts))

    def _value(self, counts: Counts) -> float | None:
        if self.rule.is_of_latency:
            if not self._count or self.rule.figure is Figure.PERCENTILE:
                return None
            is_max = self.rule.figure is Figure.MAX
            return (self._max_ns if is_max else self._sum_ns / self._count) / _NS
        if not counts.ended:
            return None
        is_error_rate = self.rule.figure is Figure.ERROR_RATE
        return (counts.errors if is_error_rate else counts.answered) / counts.ended

    def _by_latency(self, counts: Counts) -> tuple[RuleState, bool]:
        if not self._count:
            return RuleState.UNKNOWN, False
        rule = self.rule
        is_upper = rule.comparison in {"<", "<="}
        true = self._holds(self._within)
        timed_out_s = counts.timed_out_from_s
        if timed_out_s is not None and timed_out_s < rule.bound and true == is_upper:
            # Those that timed out waited longer than is known, perhaps beyond the bound.
            shift = -counts.timed_out if is_upper else counts.timed_out
            if rule.figure is not Figure.PERCENTILE or self._holds(self._within + shift) != true:
                return RuleState.UNKNOWN, False
        return _state(true), not true and is_upper and self._is_beyond_repair()

    def _holds(self, within: int) -> bool:
        """Whether the rule is true when so many latencies are on the right side of its bound."""
        rule = self.rule
        if rule.figure is Figure.MAX:
            return rule.holds(self._max_ns / _NS)
        if rule.figure is Figure.MEAN:
            return rule.holds(self._sum_ns / self._count / _NS)
        rank = _rank(rule.quantile, self._count)
        if rule.comparison in {"<", "<="}:
            return within >= rank
        return within > self._count - rank

    def _is_beyond_repair(self) -> bool:
        """Whether even a bound kept by all requests to come would not make it true."""
        if self.rule.figure is Figure.MAX:
            return True
        if self.rule.figure is not Figure.PERCENTILE or self._planned is None:
            return False
        total = max(self._planned, self._count)
        return total - (self._count - self._within) < _rank(self.rule.quantile, total)

    def _by(self, counts: Counts) -> tuple[RuleState, bool]:
        value = self._value(counts)
        if value is None:
            return RuleState.UNKNOWN, False
        true = self.rule.holds(value)
        total = max(self._planned or 0, counts.ended)
        if self.rule.figure is Figure.ERROR_RATE:
            best = counts.errors / total
        else:
            best = (counts.answered + total - counts.ended) / total
        settled = not true and self._planned is not None and not self.rule.holds(best)
        return _state(true), settled


def _rank(quantile: float, count: int) -> int:
    return max(math.ceil(quantile * count - 1e-9), 1)


def _state(true: bool) -> RuleState:
    return RuleState.PASSING if true else RuleState.FAILING

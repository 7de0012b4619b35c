"""The rules of a run under way: each is judged at every tick, from the steps that it is about."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.load.report import quantile_ms
from servescope.records.load import LoadOutcome
from servescope.scenarios.rules import Counts, Figure, RuleWatch, parse_rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.load.step_tally import StepTally
    from servescope.scenarios.rules import Rule, RuleResult

_NS: Final = 1_000_000_000
_ANSWERED: Final = int(LoadOutcome.ANSWERED)
_TIMED_OUT: Final = int(LoadOutcome.TIMED_OUT)
_FIRST_SERVER_ERROR: Final = 500


class RuleWatches:
    """The rules of a scenario over the rows of its requests.

    `planned` is how many requests the schedule holds, None where it does not say. Raises
    LoadRefusedError for what is no rule.
    """

    def __init__(
        self, rules: tuple[str, ...], steps: Sequence[StepTally], planned: int | None
    ) -> None:
        self._steps = steps
        self._seen = [0] * len(steps)  # latencies that the watches have had
        # The schedule says how many flows start, not how many requests of one step that makes.
        self._watches = [
            RuleWatch(rule, None if rule.step else planned)
            for rule in parse_rules(rules, tuple(step.name for step in steps))
        ]

    def final(self) -> tuple[RuleResult, ...]:
        """How each rule stands at the end, percentiles with their exact values."""
        return tuple(
            replace(result, value=self._percentile_s(watch.rule))
            if watch.rule.figure is Figure.PERCENTILE
            else result
            for watch, result in zip(self._watches, self.judge(), strict=True)
        )

    def _percentile_s(self, rule: Rule) -> float | None:
        latencies = [
            np.array(step.latencies_ns, dtype=np.int64)
            for step in self._steps
            if rule.step in {"", step.name}
        ]
        milliseconds = quantile_ms(np.concatenate(latencies), rule.quantile)
        return None if milliseconds is None else milliseconds / 1e3

    def judge(self) -> tuple[RuleResult, ...]:
        """How each rule stands now, in the scenario's order."""
        if not self._watches:
            return ()
        for number, step in enumerate(self._steps):
            latencies = np.array(step.latencies_ns[self._seen[number] :], dtype=np.int64)
            self._seen[number] += latencies.size
            for watch in self._watches:
                if watch.rule.step in {"", step.name}:
                    watch.add(latencies)
        return tuple(watch.judge(self._counts(watch.rule.step)) for watch in self._watches)

    def _counts(self, name: str) -> Counts:
        steps = [step for step in self._steps if name in {"", step.name}]
        answered = sum(step.by_outcome[_ANSWERED] for step in steps)
        ended = sum(sum(step.by_outcome) for step in steps)
        server_errors = sum(
            number
            for step in steps
            for status, number in step.statuses.items()
            if status >= _FIRST_SERVER_ERROR
        )
        return Counts(
            ended=ended,
            answered=answered,
            errors=ended - answered + server_errors,
            timed_out=sum(step.by_outcome[_TIMED_OUT] for step in steps),
            timed_out_from_s=min(
                (step.timed_out_from_ns / _NS for step in steps if step.timed_out_from_ns),
                default=None,
            ),
        )

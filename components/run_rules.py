"""How each rule of a load run stands: now while it goes on, and at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dash import html

from components.tables import figure_table
from servescope.figures import units
from servescope.findings import gathering
from servescope.findings.load_run import judged_rules
from servescope.records.load import TERMINAL_STATES
from servescope.scenarios.rules import Figure, RuleResult, RuleState, parse_rule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from components.tables import Cell
    from servescope.records.load import LoadRun

_NOT_KNOWN: Final = "not known"
_WORDS: Final = {
    RuleState.PASSING: ("passing", "passed"),
    RuleState.FAILING: ("failing", "failed"),
    RuleState.UNKNOWN: (_NOT_KNOWN, _NOT_KNOWN),
}
"""While a run goes on, and once it is over."""


def rules_table(run: LoadRun) -> list[html.Div]:
    """A row for each rule of the run: its state in a word, and the measured value."""
    is_over = run.state in TERMINAL_STATES
    rows: list[Sequence[Cell]] = [
        [
            html.Span(one.text, className="rule"),
            html.Span(_WORDS[one.state][is_over], className=f"state {one.state}"),
            _measured(run, one, is_over=is_over),
        ]
        for one in _standing(run, is_over=is_over)
    ]
    if not rows:
        return []
    headings = ("Rule", "State", "Measured")
    return [figure_table(headings, rows, empty="", words=2, label="Rules of the run")]


def _standing(run: LoadRun, *, is_over: bool) -> Sequence[RuleResult]:
    """The rules as they stand; not known before the first progress, and of a run that failed."""
    if is_over:
        evidence = gathering.run_of(run).run
        known = judged_rules(evidence) if evidence is not None else ()
    else:
        known = tuple(map(RuleResult.from_json, run.progress.get("rules") or ()))
    return known or [
        RuleResult(text, RuleState.UNKNOWN, is_settled=False) for text in run.plan.scenario.rules
    ]


def _measured(run: LoadRun, rule: RuleResult, *, is_over: bool) -> str:
    """The value that was measured; `≥` before a latency that requests without an end are in."""
    read = parse_rule(rule.text)
    if rule.value is None:
        comes_later = read.figure is Figure.PERCENTILE and not is_over
        return "exact at the end" if comes_later else units.NOTHING
    if not read.is_of_latency:
        return units.text(rule.value, "1")
    timed_out = _TimedOut.of(run, read.step)
    is_bound = timed_out.is_any and (
        read.figure is Figure.MEAN or rule.value >= timed_out.shortest_s
    )
    if not is_bound:
        return units.text(rule.value, "s")
    is_mean = read.figure is Figure.MEAN
    return units.lower_bound(rule.value if is_mean else min(rule.value, timed_out.shortest_s))


@dataclass(frozen=True, slots=True)
class _TimedOut:
    """Requests of a run, or of one step of its mix, that timed out."""

    is_any: bool
    shortest_s: float

    @classmethod
    def of(cls, run: LoadRun, step: str) -> _TimedOut:
        figures: Mapping[str, Any] = run.result or run.progress
        of_step = next((row for row in run.result.get("steps") or () if row["name"] == step), None)
        told = of_step or figures
        shortest_ms = told.get("timed_out_from_ms")
        return cls(
            bool((told.get("failed") or {}).get("timed_out")),
            run.plan.scenario.timeout_seconds if shortest_ms is None else shortest_ms / 1e3,
        )

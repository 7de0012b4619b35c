"""Two load runs side by side: a verdict as far as it goes, plans, percentiles, stages.

One run of each cannot tell a server from its machine: see `CAVEAT`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import dcc, html

from components import access, load_run, one_run, panels, verdicts
from components.path_prefix import below_prefix
from components.run_links import RUNS, address_of, compare_address
from components.static_graph import overlaid
from components.tables import figure_table, scrolled, swatch
from servescope.actions.verdicts import MOST_TOLERANCE_PERCENT
from servescope.errors import ServescopeError
from servescope.figures import run_texts, theme, units
from servescope.figures.run_texts import environment_texts, plan_facts
from servescope.load.report import LATENCY_NAMES
from servescope.queries import latency, runs
from servescope.statistics.sequential_verdict import ALPHA, Side
from servescope.verdicts.two_runs import RunSide, judged_runs
from servescope.verdicts.wording import CAVEAT as ABOUT_TWO_RUNS
from servescope.verdicts.wording import exit_status, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dash.development.base_component import Component

    from components.tables import Cell
    from servescope.figures.units import Duration
    from servescope.queries.context import QueryContext
    from servescope.records.load import LoadRun

CAVEAT: Final = (
    "One run of each cannot tell a small difference: two runs of the very same server differ too, "
    "by chance and by whatever else the machine did. Several pairs of runs can, one of each in "
    "turn, with the same seed within a pair: the difference must then be seen in nearly every pair."
)
LEAST_RATIO: Final = 0.001

TOLERANCES: Final = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Percent by which the second run may be slower without counting as slower: those offered."""

USUAL_TOLERANCE: Final = 5.0


def comparison(
    context: QueryContext, first: LoadRun, second: LoadRun, tolerance_percent: float
) -> list[Component]:
    """Everything of two runs that can stand side by side."""
    pair = (first, second)
    return [
        html.Div(
            html.Div([html.P(text) for text in _told(pair)]),
            className="verdict unknown",
            role="note",
        ),
        _verdict(pair, tolerance_percent),
        panels.columns(
            panels.panel(
                "Percentiles by the client's clock",
                "From the moment a request was due, exact. The ratio is that of the second run to "
                "the first; there is none where a figure of the first is only a lower bound.",
                _percentiles(pair),
            ),
            panels.panel(
                "Distributions",
                "The share of each run's requests that took so long, from the moment they were "
                "due: one run may have more requests than the other.",
                *_distributions(pair),
            ),
            panels.panel(
                "Stages",
                "Of all requests to each run's server in its whole seconds: mean and p95. The "
                "ratio is that of the means.",
                _stages(context, pair),
            ),
            panels.panel(
                "Asked for, and where",
                "The rows in which the two differ are marked.",
                _plans(pair),
            ),
        ),
    ]


def tolerance_of(text: str) -> float:
    """The tolerance in percent that a query names; the usual one where it names none."""
    try:
        percent = float(text)
    except ValueError:
        return USUAL_TOLERANCE
    return percent if 0 < percent <= MOST_TOLERANCE_PERCENT else USUAL_TOLERANCE


def _verdict(pair: tuple[LoadRun, LoadRun], tolerance_percent: float) -> dmc.Card:
    """Whether the second run's server is slower, as far as one run of each can tell."""
    first, second = pair
    said: list[Any] = [
        html.Div(
            [
                html.Span("Tolerance: "),
                *(
                    _tolerance(pair, one, tolerance_percent)
                    for one in sorted({*TOLERANCES, tolerance_percent})
                ),
                dcc.Link(
                    "Judge the other way round",
                    href=compare_address(second.id, first.id, f"{tolerance_percent:g}"),
                ),
                dcc.Link("Measure pairs in turns", href=below_prefix("/load#verdict")),
            ],
            className="run-verdict-choices",
        ),
        *_judged(pair, tolerance_percent / 100),
    ]
    return panels.panel(
        f"Is run {second.id} slower than run {first.id}?",
        "Stretches of the same seconds of both runs are judged as pairs of runs are: each "
        "percentile's change with an interval. The intervals of all percentiles together hold the "
        f"true ratios of such runs in {(1 - ALPHA) * 100:g} % of verdicts. The same as `python -m "
        "servescope compare` with both run files.",
        *said,
        wide=True,
        panel_id="verdict",
    )


def _judged(pair: tuple[LoadRun, LoadRun], tolerance: float) -> list[Component]:
    if not all(map(load_run.is_over, pair)):
        return [html.P("Both runs have to be over for a verdict.", className="dimmed")]
    here = access.dashboard().settings.instance
    try:
        sides = {
            side: RunSide.of_run(f"run {run.id}", run.origin.host if run.origin else here, run)
            for side, run in zip(Side, pair, strict=True)
        }
        outcome = judged_runs(sides, tolerance)
    except ServescopeError as error:
        told = f"There is no verdict: {error}."
        return [html.Div(html.P(told), className="verdict unknown", role="status")]
    result = to_json(outcome, exit_status(outcome))
    caveat = () if outcome.why_undecided else (ABOUT_TWO_RUNS,)
    table = verdicts.quantiles(result) if result["quantiles"] else []
    return [verdicts.sentence_box(result, *caveat), *table]


def _tolerance(pair: tuple[LoadRun, LoadRun], percent: float, chosen: float) -> Component:
    text = f"{percent:g} %"
    if percent == chosen:
        return html.B(text)
    first, second = pair
    return dcc.Link(text, href=compare_address(first.id, second.id, f"{percent:g}"))


def not_both(missing: Sequence[int]) -> html.Div:
    """The page when two runs were not named, or some of them are `missing`."""
    if not missing:
        why = "Mark two runs in the list, then compare them: the address names no two runs."
    else:
        names = " and no ".join(f"run {number:,}" for number in missing)
        were, they = ("was", "it") if len(missing) == 1 else ("were", "they")
        why = f"There is no {names}: {they} {were} deleted, or never {were}."
    return html.Div(
        className="no-live not-found",
        children=[
            dmc.Title("There are no two runs to compare", order=1, size="h3", mt="lg"),
            dmc.Text(why),
            dcc.Link("All runs", href=below_prefix(RUNS)),
        ],
    )


def _told(pair: tuple[LoadRun, LoadRun]) -> list[str]:
    """Cautions to read before the figures."""
    told = []
    going = [run for run in pair if not load_run.is_over(run)]
    if going:
        names = " and ".join(f"run {run.id}" for run in going)
        told.append(
            f"Not yet over: {names}. Load this page again after that: figures are missing until "
            "then."
        )
    differing = [fact.name for fact in _facts(pair) if fact.differs]
    unknown = " and ".join(f"run {run.id}" for run in pair if run.environment is None)
    if differing:
        told.append(f"They differ in: {', '.join(differing)}.")
    else:
        where = "" if unknown else ", and ran in the same environment"
        told.append(f"They were asked for the same, with the same seed{where}.")
    if not differing and not unknown and any(_has_uncommitted_changes(run) for run in pair):
        told.append(
            "The app had changes that are not committed: whether its code was the same in both "
            "is not known."
        )
    if unknown:
        told.append(f"Nothing is known of the environment of {unknown}.")
    generators = [load_run.sent_by(run) or "Servescope" for run in pair]
    if generators[0] != generators[1]:
        told.append(
            f"Run {pair[0].id} was sent by {generators[0]}, run {pair[1].id} by {generators[1]}: "
            "their clients add delays of their own, so no difference between these latencies can "
            "be put down to the server."
        )
    return [*told, CAVEAT]


def _has_uncommitted_changes(run: LoadRun) -> bool:
    known = run.environment
    return known is not None and known.repository is not None and known.repository.is_dirty


@dataclass(frozen=True, slots=True)
class _Fact:
    """One thing at each of two runs; where an environment is not known, nothing of it differs."""

    name: str
    first: str
    second: str
    differs: bool


def _facts(pair: tuple[LoadRun, LoadRun]) -> list[_Fact]:
    """Plan and environment of both."""
    are_known = all(run.environment is not None for run in pair)
    plans = [plan_facts(run.plan, run.kind) for run in pair]
    environments = [environment_texts(run.environment) for run in pair]
    return [*_side_by_side(plans), *_side_by_side(environments, are_known=are_known)]


def _side_by_side(both: Sequence[Mapping[str, str]], *, are_known: bool = True) -> Iterator[_Fact]:
    for name in dict.fromkeys(name for facts in both for name in facts):
        first, second = (facts.get(name, units.NOTHING) for facts in both)
        yield _Fact(name, first, second, are_known and first != second)


def _headings(pair: tuple[LoadRun, LoadRun]) -> list[str]:
    return [f"Run {run.id}" for run in pair]


def _plans(pair: tuple[LoadRun, LoadRun]) -> html.Div:
    head = html.Tr([html.Th(text) for text in ("", *_headings(pair))])
    rows = [_plan_row(fact) for fact in _facts(pair)]
    return html.Div(
        html.Table([html.Thead(head), html.Tbody(rows)], className="side-by-side"),
        className="rows",
        **scrolled("Plans and environments of both runs"),
    )


def _plan_row(fact: _Fact) -> html.Tr:
    cells = [html.Td(fact.first), html.Td(fact.second)]
    if not fact.differs:
        return html.Tr([html.Th(fact.name), *cells])
    mark = html.Span("differs", className="mark-text")
    return html.Tr([html.Th([fact.name, " ", mark]), *cells], className="differs")


def _percentiles(pair: tuple[LoadRun, LoadRun]) -> html.Div:
    rows: list[list[Cell | Duration]] = []
    for field, name in LATENCY_NAMES.items():
        values = [(run.result or {}).get("latency_ms", {}).get(field) for run in pair]
        durations = [run_texts.latency(run.result, field) for run in pair]
        bounds = [one.is_bound for one in durations]
        rows.append([name, *durations, _ratio_text(values, bounds)])
    results = [run.result or {} for run in pair]
    rates = [told.get("rate_achieved") for told in results]
    rows.append(
        [
            "answered per second",
            *(units.text(rate, "{request}/s") for rate in rates),
            _ratio_text(rates),
        ]
    )
    counts = {
        "due": [told.get("sent") for told in results],
        "answered": [told.get("answered") for told in results],
        "with 4xx or 5xx": [_error_answers(told) if told else None for told in results],
        "failed": [load_run.failed_count(told) if told else None for told in results],
    }
    rows += [[name, *map(units.count, values), ""] for name, values in counts.items()]
    headings = ("", *_headings(pair), "Ratio")
    of_which = [f"Run {run.id}: {run_texts.timed_text(run.result)}." for run in pair if run.result]
    table = figure_table(headings, rows, empty="No figures.", label="Percentiles of both runs")
    return html.Div([*([html.P(" ".join(of_which))] if of_which else []), table])


def _error_answers(result: Mapping[str, Any]) -> int:
    """Answers with a status from 400 on: a verdict counts them as failed."""
    classes = result.get("status_classes") or {}
    return sum(int(count) for name, count in classes.items() if name in {"4xx", "5xx"})


def _ratio_text(values: Sequence[float | None], are_bounds: Sequence[bool] = (False, False)) -> str:
    """How many times the first the second is; a lower bound of the second gives one of it."""
    first, second = values
    if not first or second is None or are_bounds[0]:
        return units.NOTHING
    bound = "≥ " if are_bounds[1] else ""
    ratio = second / first
    if 0 < ratio < LEAST_RATIO:
        return f"< \N{MULTIPLICATION SIGN} {LEAST_RATIO}"
    return f"{bound}\N{MULTIPLICATION SIGN} {units.number(ratio)}"


def _distributions(pair: tuple[LoadRun, LoadRun]) -> list[Component]:
    counts = {
        name: (run.result or {}).get("histogram") or []
        for name, run in zip(_headings(pair), pair, strict=True)
    }
    without = [name for name, one in counts.items() if not sum(one)]
    if len(without) == len(counts):
        return [html.Div("Neither run has a distribution.", className="dimmed")]
    return [
        overlaid("", counts, "Distributions of latency of both runs"),
        *(
            html.P(f"{name} has no distribution: it measured nothing.", className="dimmed")
            for name in without
        ),
    ]


def _stages(context: QueryContext, pair: tuple[LoadRun, LoadRun]) -> html.Div:
    both = [
        {row.stage: row for row in runs.stages(context, run) if row.is_measured} for run in pair
    ]
    rows: list[list[Cell | Duration]] = []
    for stage in latency.STAGES:
        found = [stages.get(stage) for stages in both]
        if not any(found):
            continue
        means = [None if row is None else row.mean_s for row in found]
        cells = [
            cell
            for row in found
            for cell in (
                units.mean_and_percentiles(None, None)
                if row is None
                else units.mean_and_percentiles(row.mean_s, row.p95_s)
            )
        ]
        ratio = _ratio_text(means)
        rows.append([swatch(stage, theme.MEANINGS.get(stage, theme.GREY)), *cells, ratio])
    names = [f"{heading} {part}" for heading in _headings(pair) for part in ("mean", "p95")]
    empty = "Of neither run's seconds a request is recorded."
    return figure_table(("Stage", *names, "Ratio"), rows, empty=empty, label="Stages of both runs")


def heading(first: LoadRun, second: LoadRun) -> html.Div:
    """Both runs by name, each a link to its page."""
    links: list[Any] = [
        dcc.Link(one_run.title(run), href=address_of(run.id)) for run in (first, second)
    ]
    return html.Div(
        [
            dmc.Title([links[0], " beside ", links[1]], order=1, size="h3"),
            html.Div([dcc.Link("All runs", href=below_prefix(RUNS))], className="controls"),
        ],
        className="page-heading",
    )

"""A comparison of models, listeners, apps and hosts: a column for each, its graphs."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import dcc, html

from components import load_run, status
from components.findings import severity_class, verdict
from components.help import attributes
from components.listeners import short_app
from components.server_form import how
from components.static_graph import overlaid
from components.status import sentence
from components.tables import CARDS, named_cell, scrolled
from servescope.figures import run_time, theme, units
from servescope.figures.run_progress import server_errors
from servescope.figures.run_texts import SUCCEEDED, has_errors, latency, offered_text
from servescope.figures.units import with_texts
from servescope.findings import findings, gathering
from servescope.findings.comparison import LIMIT_CODES
from servescope.histogram import EXACT_FROM, least_count
from servescope.load.report import FROM_DUE, FROM_SEND, OF_SUCCESS, QUANTILES
from servescope.records.listeners import AppKind, ListenerOptions
from servescope.records.load import RunState
from servescope.records.server_kinds import ServerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from components.tables import Cell
    from servescope.figures.units import Duration
    from servescope.findings import Finding
    from servescope.records.comparisons import Comparison, ComparisonPlan, Contender
    from servescope.records.load import LoadRun

    Figure = Callable[[Contender], Cell | Duration]

EMPTY: Final = (
    "Nothing compared yet. Compare sends the same requests to a server that answers one connection "
    "at a time and to one with a pool of threads, and shows what each makes of them."
)
_SHARED: Final = (
    "CPU time and memory of a listener within the dashboard's own process are not known apart from "
    "the dashboard's."
)


_ELSEWHERE: Final = (
    "Of a server that the operator named only its answers are known here: its threads, queues, CPU "
    "time and memory stand in its own records."
)
_KINDS: Final = {
    ServerKind.LISTENER: "listener that stands",
    ServerKind.APP: "app under another server",
    ServerKind.HOST: "host that the operator named",
}


def plan_text(plan: ComparisonPlan) -> str:
    """A plan in a few words."""
    names = ", ".join(one.label for one in plan.targets)
    scenario, at_once = plan.scenario, ", all at once" if plan.together else ""
    seconds = units.length(scenario.schedule.seconds)
    return f"{names} at {scenario.label}, {offered_text(scenario)} for {seconds} each{at_once}"


def options(
    comparisons: Sequence[Comparison], shown: Comparison | None, wanted: str = ""
) -> list[dict[str, str]]:
    """The options of the choice of a comparison; the shown one is among them, however old.

    So is the `wanted` id of which there is none: a select drops a value without an option.
    """
    listed = list(comparisons)
    missing = [{"value": wanted, "label": f"{wanted} (not here)"}] if wanted and not shown else []
    if shown is not None and all(one.id != shown.id for one in listed):
        listed.append(shown)
    return [
        {
            "value": str(one.id),
            "label": f"{one.id} · {time.strftime('%d %b %H:%M UTC', time.gmtime(one.requested_s))}"
            f" · {plan_text(one.plan)}",
        }
        for one in listed
    ] + missing


def not_here(wanted: str, newest: Comparison | None) -> html.Div:
    """In the place of the comparison of an id of which there is none: that, and the newest."""
    told: list[Any] = [f"There is no comparison “{wanted}”. "]
    told += [_link(newest, f"The newest is comparison {newest.id}"), "."] if newest else [EMPTY]
    return html.Div(told)


def _link(comparison: Comparison, text: str) -> html.A:
    return html.A(
        text,
        href=f"?comparison={comparison.id}#compare",  # of the page at hand, below any prefix
        **attributes(data_view=""),  # the document stays
    )


def outcome(comparison: Comparison | None, runs: Mapping[int, LoadRun]) -> html.Div:
    """The comparison as it stands; `runs` are the load runs under way, by id."""
    if comparison is None:
        return html.Div(EMPTY, className="dimmed")
    link = _link(comparison, f"Comparison {comparison.id}")
    heading = html.Div(
        [
            html.Span([link, ": ", plan_text(comparison.plan)]),
            html.Span(comparison.state.value, className=f"state {comparison.state.value}"),
        ],
        className="card-heading comparison-heading",
    )
    found = findings(gathering.comparison_of(comparison))
    limits = {one.subject: one for one in found if one.code in LIMIT_CODES}
    told = [one for one in found if one.code not in LIMIT_CODES]
    return html.Div(
        [
            heading,
            *([html.P(comparison.message)] if comparison.message else []),
            *([] if comparison.is_over else [_progress(comparison, runs)]),
            *([verdict(told, "/servers")] if told else []),
            _table(comparison.contenders, limits),
            *_distributions(comparison.contenders),
            *_graphs(comparison),
        ]
    )


def _progress(comparison: Comparison, runs: Mapping[int, LoadRun]) -> html.Div:
    return html.Div(
        [
            dmc.Text(status.comparison_text(comparison, runs), size="sm"),
            dmc.Progress(value=status.comparison_share(comparison, runs), size="lg", mt=4),
        ],
        className="comparison-progress",
    )


def _table(contenders: Sequence[Contender], limits: Mapping[str, Finding]) -> html.Div:
    """A column for each target, a row for each figure; `limits` are findings by their subject."""
    head = [html.Th(""), *map(_heading, contenders)]
    is_mixed = any(has_errors(one.result) for one in contenders)
    of_answers = {**_OF_ANSWERS, **(_OF_SUCCESSES if is_mixed else {})}
    cells = with_texts(
        [
            *([cell(one) for one in contenders] for cell in of_answers.values()),
            *([_of_server(cell, one) for one in contenders] for cell in _OF_SERVER.values()),
        ]
    )
    rows = [
        _limits_row(contenders, limits),
        *map(partial(_row, contenders), (*of_answers, *_OF_SERVER), cells),
    ]
    unread = {one.kind for one in contenders if one.result and one.processes is None}
    notes = {ServerKind.LISTENER: _SHARED, ServerKind.HOST: _ELSEWHERE}
    return html.Div(
        [
            html.Div(
                html.Table([html.Thead(html.Tr(head)), html.Tbody(rows)], className=CARDS),
                className="rows comparison-table",
                **scrolled("Comparison, a column for each"),
            ),
            *(html.P(note, className="dimmed") for kind, note in notes.items() if kind in unread),
        ]
    )


def _heading(one: Contender) -> html.Th:
    about: list[Any] = [html.B(one.label)]
    if one.state != RunState.DONE:
        about += [" ", html.Span(one.state, className=f"state {one.state}")]
    if one.standing:
        about.append(html.Div(_KINDS[one.kind], className="dimmed"))
    if one.app_kind and one.model:
        pool = ListenerOptions(threads=max(one.threads, 1), workers=max(one.workers, 1))
        model = f"{one.model.label}, " if one.standing else ""
        about.append(html.Div(f"{model}{how(one.model, one.app_kind, pool)}", className="dimmed"))
        served = "folder" if one.app_kind is AppKind.STATIC else one.app_kind.upper()
        app = short_app(one.app).rpartition(".")[2]
        about.append(html.Div(f"{app} ({served})", className="dimmed", title=one.app))
    if one.message:
        about.append(html.Div(sentence(one.message), className="warn-text"))
    return html.Th(about, scope="col", **attributes(data_target=one.label))


def _of_server(cell: Figure, one: Contender) -> Cell | Duration:
    """A figure of the server; in words that it is not known of one elsewhere."""
    return "not known" if one.kind is ServerKind.HOST and one.result else cell(one)


def _limits_row(contenders: Sequence[Contender], limits: Mapping[str, Finding]) -> html.Tr:
    cells = []
    for one in contenders:
        found = limits.get(one.target)
        said = units.NOTHING if found is None else found.sentence
        state = "" if found is None else severity_class(found.severity)
        cells.append(named_cell(said, one.label, f"words {state}".strip()))
    return html.Tr([html.Th("Limit", scope="row"), *cells], className="limits")


def _row(contenders: Sequence[Contender], name: str, cells: Sequence[Cell]) -> html.Tr:
    named = [named_cell(*one) for one in zip(cells, (one.label for one in contenders), strict=True)]
    return html.Tr([html.Th(name, scope="row"), *named])


def _failures(contender: Contender) -> int | None:
    """Requests that failed; None while nothing was measured."""
    if not contender.result:
        return None
    return load_run.failed_count(contender.result)


def _failed_cell(contender: Contender) -> Cell:
    failed = _failures(contender)
    return html.Span(units.count(failed), className="bad-text" if failed else "")


def _errors_cell(contender: Contender) -> Cell:
    errors = server_errors(contender.result)
    return html.Span(units.count(errors), className="bad-text" if errors else "")


def _microseconds(value: float | None) -> str:
    return units.NOTHING if value is None else f"{units.number(value)} µs"


def _accept_queue(contender: Contender) -> str:
    """Connections; of a listener that stands the share of its backlog is known."""
    share = contender.readings.get("accept_queue")
    if contender.accept_queue_max is None and share is not None:
        return f"{units.text(share, '1')} of its backlog"
    return units.count(contender.accept_queue_max)


def _quantile(field: str, contender: Contender) -> Duration:
    return latency(contender.result, field)


def _success_quantile(field: str, contender: Contender) -> Duration:
    """The same of answers with a status below 400, whether or not there are others."""
    known = contender.result
    return latency(known, field, OF_SUCCESS if has_errors(known) else FROM_DUE)


_OF_ANSWERS: Final[Mapping[str, Figure]] = {
    "Answered a second": lambda one: units.text(one.result.get("rate_achieved"), "{request}/s"),
    "Answered": lambda one: units.count(one.result.get("answered")),
    "Of these 5xx": _errors_cell,
    "Failed": _failed_cell,
    "p50": partial(_quantile, "p50"),
    "p95": partial(_quantile, "p95"),
    "p99": partial(_quantile, "p99"),
    "Naive p99": lambda one: latency(one.result, "p99", FROM_SEND),
}
_OF_SUCCESSES: Final[Mapping[str, Figure]] = {
    f"{field}, {SUCCEEDED}": partial(_success_quantile, field) for field in ("p50", "p99")
}
"""Rows where percentiles of any target are in part of errors, which are often quick."""
_OF_SERVER: Final[Mapping[str, Figure]] = {
    "CPU a request": lambda one: _microseconds(one.cpu_us_per_request),
    "CPU of one core, busiest process": lambda one: units.text(
        one.readings.get("process_cores"), units.CORES
    ),
    "Processes": lambda one: units.count(one.processes),
    "Threads": lambda one: units.count(one.all_threads),
    "Memory": lambda one: units.text(one.memory_bytes, "By"),
    "Accept queue, most": _accept_queue,
}
"""Rows of the table, by name: what stands in a target's column. Only a server itself could tell the
second ones, which stand below the first."""


def _distributions(contenders: Sequence[Contender]) -> list[Any]:
    counts = {one.label: one.result.get("histogram") or [] for one in contenders}
    if not any(map(sum, counts.values())):
        return []
    title = "Distributions of latency, from the intended send"
    return [overlaid(title, counts, "Distributions of latency of all targets")]


def _graphs(comparison: Comparison) -> list[Any]:
    drawn = [one for one in comparison.contenders if one.series.get("second")]
    if not drawn:
        return []
    series = [one.series for one in drawn]
    figures = run_time.small_multiples(series)
    names = run_time.drawn(series)
    legend = [
        html.Span([html.I(style={"borderColor": style.colour}), html.Span(name)], className="key")
        for name, style in zip(names, theme.by_meaning(names), strict=True)
    ]
    return [
        html.Div(
            [
                html.Span("Latency over the time of the run, from the intended send, same scales"),
                *legend,
            ],
            className="comparison-legend",
        ),
        html.P(_about_gaps(series), className="dimmed"),
        dmc.SimpleGrid(
            cols={"base": 1, "sm": 2, "xl": max(len(drawn), 2)},
            spacing="sm",
            children=[
                html.Div(
                    [
                        html.B(one.label),
                        dcc.Graph(
                            figure=figure,
                            config={"displayModeBar": False, "responsive": True},
                            style={"height": figure["layout"]["height"]},
                        ),
                    ],
                    role="img",
                    **attributes(aria_label=f"Latency of {one.label} over the time of the run"),
                )
                for one, figure in zip(drawn, figures, strict=True)
            ],
        ),
    ]


def _about_gaps(series: Sequence[Mapping[str, Sequence[float | None]]]) -> str:
    """How long a step is, how many requests a percentile takes, and which of them had too few."""
    steps = {int(one["step_s"][0] or 1) for one in series if one.get("step_s")}
    if not steps:  # of a version that drew a percentile of any number of requests
        return "A point a second, however few its requests: the p99 of few is the slowest of them."
    of_each = " and ".join(units.length(step) for step in sorted(steps))
    taken = ", ".join(f"{name} {least_count(QUANTILES[name])}" for name in run_time.LINES)
    told = [
        f"Steps of {of_each}.",
        f"A gap where a step has fewer requests than a percentile takes: {taken}.",
    ]
    if any(map(run_time.has_few, series)):
        told.append(f"A line is dotted where most steps have fewer than {EXACT_FROM}.")
    nowhere = run_time.missing(series)
    if nowhere:
        are = "is" if len(nowhere) == 1 else "are"
        told.append(f"Where {' and '.join(nowhere)} {are} missing, no step had enough.")
    return " ".join(told)

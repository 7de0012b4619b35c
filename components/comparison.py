"""A comparison of concurrency models: how far it is, its figures side by side, its graphs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import dcc, html

from components import status
from components.findings import verdict
from components.help import attributes
from components.listeners import short_app
from components.load_run import bound, ms
from components.server_form import how
from servescope.figures import theme, units
from servescope.figures.run_time import LINES, small_multiples
from servescope.findings import findings, gathering
from servescope.records.listeners import AppKind, ListenerOptions
from servescope.records.load import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servescope.records.comparisons import Comparison, ComparisonPlan, Contender
    from servescope.records.load import LoadRun

EMPTY: Final = (
    "Nothing compared yet. Press Compare: it sends the same requests to a server that answers one "
    "connection at a time and to one with a pool of threads, and shows what each makes of them."
)
COLUMNS: Final = (
    "Model", "Done", "Failed", "p50", "p95", "p99", "Naive p99", "CPU a request",
    "Processes", "Threads", "Memory", "Accept queue, most",
)  # fmt: skip


def plan_text(plan: ComparisonPlan) -> str:
    """A plan in a few words."""
    models = ", ".join(model.label for model in plan.models)
    rate, seconds = units.text(plan.rate, "{request}/s"), units.text(plan.seconds, "s")
    at_once = ", all at once" if plan.together else ""
    return f"{models} at {plan.target}, {rate} for {seconds} each{at_once}"


def options(comparisons: Sequence[Comparison], shown: Comparison | None) -> list[dict[str, str]]:
    """The options of the choice of a comparison; the shown one is among them, however old."""
    listed = list(comparisons)
    if shown is not None and all(one.id != shown.id for one in listed):
        listed.append(shown)
    return [
        {
            "value": str(one.id),
            "label": f"{one.id} · {time.strftime('%d %b %H:%M', time.localtime(one.requested_s))}"
            f" · {plan_text(one.plan)}",
        }
        for one in listed
    ]


def outcome(comparison: Comparison | None, runs: Mapping[int, LoadRun]) -> html.Div:
    """The comparison as it stands; `runs` are the load runs under way, by id."""
    if comparison is None:
        return html.Div(EMPTY, className="dimmed")
    link = html.A(
        f"Comparison {comparison.id}",
        href=f"?comparison={comparison.id}#compare",  # of the page at hand, below any prefix
        **attributes(data_view=""),  # the document stays
    )
    heading = html.Div(
        [
            html.Span([link, ": ", plan_text(comparison.plan)]),
            html.Span(comparison.state.value, className=f"state {comparison.state.value}"),
        ],
        className="card-heading comparison-heading",
    )
    found = findings(gathering.comparison_of(comparison))
    return html.Div(
        [
            heading,
            *([html.P(comparison.message)] if comparison.message else []),
            *([] if comparison.is_over else [_progress(comparison, runs)]),
            *([verdict(found, "/servers")] if found else []),
            _table(comparison.contenders),
            *_graphs(comparison),
        ]
    )


def _progress(comparison: Comparison, runs: Mapping[int, LoadRun]) -> html.Div:
    return html.Div(
        [
            dmc.Text(status.comparison_text(comparison, runs), size="sm"),
            dmc.Progress(
                value=status.comparison_share(comparison, runs),
                size="lg",
                mt=4,
                transitionDuration=300,
            ),
        ],
        className="comparison-progress",
    )


def _table(contenders: Sequence[Contender]) -> html.Div:
    head = [
        html.Th(text, className="number" if index else "") for index, text in enumerate(COLUMNS)
    ]
    return html.Div(
        html.Table([html.Thead(html.Tr(head)), html.Tbody([_row(one) for one in contenders])]),
        className="rows comparison-table",
        tabIndex=0,  # it scrolls sideways: by keyboard too
        role="region",
        **attributes(aria_label="Comparison of models"),
    )


def _row(one: Contender) -> html.Tr:
    latency, naive = one.result.get("latency_ms") or {}, one.result.get("naive_ms") or {}
    failed = _failures(one)
    pool = ListenerOptions(threads=max(one.threads, 1), workers=max(one.workers, 1))
    kind = one.app_kind
    numbers: list[Any] = [
        _count(one.result.get("answered")),
        html.Span(_count(failed), className="bad-text" if failed else ""),
        *(_latency(one, latency.get(quantile)) for quantile in ("p50", "p95", "p99")),
        ms(naive.get("p99")),
        _microseconds(one.cpu_us_per_request),
        _count(one.processes),
        _count(one.all_threads),
        units.text(one.memory_bytes, "By"),
        _count(one.accept_queue_max),
    ]
    about: list[Any] = [html.B(one.model.label)]
    state = "" if one.state == RunState.DONE else one.state
    if state:
        about += [" ", html.Span(state, className=f"state {state}")]
    if kind:
        about.append(html.Div(how(one.model, kind, pool), className="dimmed"))
        served = "folder" if kind is AppKind.STATIC else kind.upper()
        app = short_app(one.app).rpartition(".")[2]
        about.append(html.Div(f"{app} ({served})", className="dimmed", title=one.app))
    if one.message:
        about.append(html.Div(one.message, className="warn-text"))
    cells = [html.Td(about)]
    cells += [html.Td(number, className="number") for number in numbers]
    return html.Tr(cells, **attributes(data_model=one.model))


def _failures(contender: Contender) -> int | None:
    """Requests that failed; None while nothing was measured."""
    if not contender.result:
        return None
    return sum(int(count) for count in (contender.result.get("failed") or {}).values())


def _microseconds(value: float | None) -> str:
    return units.NOTHING if value is None else f"{units.number(value)} µs"


def _latency(contender: Contender, milliseconds: float | None) -> str:
    return bound(milliseconds, contender.result.get("timed_out_from_ms")) + ms(milliseconds)


def _graphs(comparison: Comparison) -> list[Any]:
    drawn = [one for one in comparison.contenders if one.series.get("second")]
    if not drawn:
        return []
    figures = small_multiples([one.series for one in drawn])
    styles = theme.by_meaning([label for _, label in LINES])
    legend = [
        html.Span([html.I(style={"borderColor": style.colour}), html.Span(label)], className="key")
        for (_, label), style in zip(LINES, styles, strict=True)
    ]
    return [
        html.Div(
            [
                html.Span("Latency over the time of the run, from the intended send, same scales"),
                *legend,
            ],
            className="comparison-legend",
        ),
        dmc.SimpleGrid(
            cols={"base": 1, "sm": 2, "xl": max(len(drawn), 2)},
            spacing="sm",
            children=[
                html.Div(
                    [
                        html.B(one.model.label),
                        dcc.Graph(
                            figure=figure,
                            config={"displayModeBar": False, "responsive": True},
                            style={"height": figure["layout"]["height"]},
                        ),
                    ],
                    role="img",
                    **attributes(
                        aria_label=f"Latency of {one.model.label} over the time of the run"
                    ),
                )
                for one, figure in zip(drawn, figures, strict=True)
            ],
        ),
    ]


def _count(value: float | None) -> str:
    return units.NOTHING if value is None else f"{int(value):,}"

"""How long requests take, and where the time goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dash_mantine_components as dmc
from dash import html, register_page

from components import panels, query, residual_table, stage_table
from components.findings import verdict
from components.help import (
    NO_REQUESTS,
    NOT_RECORDED,
    READ,
    REQUESTS_ADVICE,
    SUPPORT,
    TOO_FEW,
)
from components.live import LiveGraph, LivePage, Props, connect
from components.tables import figure_table
from components.waterfall import MEANING
from servescope import catalog
from servescope.figures import units
from servescope.figures.distribution import DistributionPlot
from servescope.figures.heat import HeatPlot
from servescope.figures.lines import LinePlot
from servescope.findings import findings, gathering
from servescope.findings.standing import is_of_nothing, standing
from servescope.histogram import ERROR_BOUND
from servescope.queries import latency, residual, traffic
from servescope.queries.request_words import route_of_method_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span

register_page(
    __name__,
    path="/latency",
    name="Latency",
    title="Latency · Servescope",
    order=20,
    icon="latency",
)

EXACT: Final = f"All figures come from histograms and are at most {ERROR_BOUND:.2%} off."
ROUTES_SHOWN: Final = 30

GRAPHS: Final = (
    LiveGraph(
        "latency-percentiles",
        "Time to answer, percentiles",
        f"p99: one request in a hundred took longer. {READ} {SUPPORT} {EXACT}",
        lambda context, span, chosen, step=0: latency.percentiles(
            context, span, listener=chosen[0], step=step
        ),
        LinePlot(log=True, keep_empty=True),
        TOO_FEW,
        kept=("step",),
    ),
    LiveGraph(
        "latency-stages",
        "Where the time goes: mean of each stage",
        f"Stacked, the stages are the mean request. {READ} "
        + "; ".join(f"{stage}: {meaning}" for stage, meaning in MEANING.items())
        + ".",
        lambda context, span, chosen: latency.stage_means(context, span, chosen[0]),
        LinePlot(stacked=True),
        NO_REQUESTS,
        REQUESTS_ADVICE,
    ),
    LiveGraph(
        "latency-heat",
        "All requests by time and duration",
        "The colour of a cell says how many requests of one moment took so long, by the key above. "
        "Two bands mean two kinds of requests, which no percentile shows. Answers sent before a "
        "request was read are here as well: over capacity they are a band at the bottom. A click "
        "on a cell leads to its requests; by keyboard: the arrow keys choose a cell, Enter opens "
        "it.",
        lambda context, span, chosen: latency.heat(context, span, chosen[0]),
        HeatPlot(),
        NO_REQUESTS,
        REQUESTS_ADVICE,
        height=260,
    ),
    LiveGraph(
        "latency-distribution",
        "Distribution over the whole span, requests",
        "How many requests took how long, with p50, p95 and p99 marked where there are enough "
        f"requests for them. {READ} {EXACT}",
        lambda context, span, chosen: latency.distribution(context, span, chosen[0]),
        DistributionPlot(),
        NO_REQUESTS,
        REQUESTS_ADVICE,
        height=260,
        whole_span=True,
    ),
)


def props(context: QueryContext, span: Span | None, chosen: tuple[str, ...]) -> Props:
    """Whether the listeners run, the verdict on the span, its tables of stages and routes."""
    within = units.text(context.store.capabilities().error_bound, "1")
    options = panels.listener_options("latency-listener", context, chosen[0]) | {
        "latency-within": {"children": f"Percentiles ±{within}"}
    }
    if span is None:
        return options
    found = standing(context, span, chosen[0])
    if not is_of_nothing(found):
        found += findings(gathering.of_span(context, span, chosen[0]))
    return {
        **options,
        "latency-verdict": {"children": verdict(found, "/latency")},
        "latency-stage-table": {"children": _stage_table(context, span, chosen[0])},
        "latency-route-table": {"children": _route_table(context, span, chosen[0])},
        "latency-residual": {
            "children": residual_table.residual_table(
                residual.residual(context, span, chosen[0]),
                chosen[0],
                can_come=not (span.fixed or is_of_nothing(found)),
            )
        },
    }


def _stage_table(context: QueryContext, span: Span, listener: str) -> html.Div:
    found = latency.stages(context, span, listener)
    return stage_table.stage_table(found, empty=_empty(context, span, found))


def _empty(context: QueryContext, span: Span, rows: Sequence[object]) -> str:
    """Why there are no rows; the store is asked for it only then."""
    return NO_REQUESTS if rows or traffic.is_recorded(context, span) else NOT_RECORDED


def _route_table(context: QueryContext, span: Span, listener: str) -> html.Div:
    rows = [
        [
            row.listener,
            route_of_method_words(row.method, row.route),
            f"{row.requests:,}",
            units.text(row.error_ratio, "1"),
            *units.mean_and_percentiles(row.mean_s, row.p50_s, row.p95_s, row.p99_s),
        ]
        for row in traffic.routes(context, span, listener)[:ROUTES_SHOWN]
    ]
    headings = ("Listener", "Route", "Requests", "4xx, 5xx", "Mean", "p50", "p95", "p99")
    return figure_table(headings, rows, empty=_empty(context, span, rows), words=2)


METRICS: Final = (
    catalog.REQUEST_DURATION,
    catalog.ANSWERS_TO_NOBODY,
    catalog.STAGE_DURATION,
    catalog.LOAD_NAIVE_DURATION,
    catalog.LOAD_TIMED_OUT_NAIVE_DURATION,
)
PAGE: Final = LivePage("latency", GRAPHS, props, filters=("latency-listener",), metrics=METRICS)
connect(PAGE)


def layout(listener: object = "", **_query: object) -> html.Div:
    """The page, narrowed to a listener; the view in the query is the time bar's."""
    return panels.page_frame(
        PAGE,
        "Latency",
        panels.judgement("latency-verdict"),
        panels.columns(*(panels.graph_panel(graph) for graph in GRAPHS)),
        panels.columns(
            panels.panel(
                "Stages over the whole span",
                f"The steps of a request, in order. {READ} {stage_table.HELP} {EXACT}",
                html.Div(id="latency-stage-table"),
            ),
            panels.panel(
                residual_table.TITLE, residual_table.MEANING, html.Div(id="latency-residual")
            ),
            panels.panel(
                "Routes over the whole span",
                "The busiest routes: all requests that ended, those without an answer and those "
                "whose client had gone included. 4xx, 5xx is a share of the answers. Answers that "
                "were sent before a request was read have a row of their own, and count in no "
                f"other. {EXACT}",
                html.Div(id="latency-route-table"),
                wide=True,
            ),
        ),
        controls=[
            dmc.Text(id="latency-within", size="sm", c="dimmed"),
            panels.listener_select("latency-listener", query.first(listener)),
        ],
    )

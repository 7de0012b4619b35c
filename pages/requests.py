"""Requests and their answers: rates, and the log of single requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import (
    ClientsideFunction,
    Input,
    Output,
    callback,
    clientside_callback,
    html,
    no_update,
    register_page,
)

from components import capture_control, panels, query, websocket_panels
from components.help import attributes
from components.live import Feed, LiveGraph, LivePage, Props, connect
from components.request_table import is_row, matches, opened, request_table, table_row
from servescope import catalog
from servescope.figures import theme
from servescope.figures.lines import LinePlot
from servescope.queries import requests as log
from servescope.queries import traffic
from servescope.records.comparisons import is_contender

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span

register_page(
    __name__,
    path="/requests",
    name="Requests",
    title="Requests · Servescope",
    order=10,
    icon="requests",
)

EMPTY: Final = "No requests in this span: open a listener from the overview, or start demo load."

GRAPHS: Final = (
    LiveGraph(
        "requests-classes",
        "Requests per second, by class of status",
        "2xx: answered; 3xx: sent elsewhere or not modified; 4xx: the client's mistake; "
        "5xx: the server's.",
        lambda context, span, chosen: traffic.by_status_class(context, span, chosen[0]),
        LinePlot(stacked=True),
        EMPTY,
        wide=True,
    ),
    LiveGraph(
        "requests-statuses",
        "Requests per second, by status code",
        "Each status code that occurred in this span.",
        lambda context, span, chosen: traffic.by_status(context, span, chosen[0]),
        LinePlot(styles=theme.by_status, drop_idle=True),
        EMPTY,
    ),
    LiveGraph(
        "requests-routes",
        "Requests per second, by route",
        "The eight busiest routes of this span, all others together. A route is the app's own "
        "template where it names one, so that /api/notes/7 and /api/notes/8 are one.",
        lambda context, span, chosen, names=(): traffic.by_route(context, span, chosen[0], names),
        LinePlot(styles=theme.by_name, drop_idle=True),
        EMPTY,
        kept=("names",),
    ),
    LiveGraph(
        "requests-methods",
        "Requests per second, by method",
        "GET and HEAD read, POST, PUT, PATCH and DELETE change something.",
        lambda context, span, chosen: traffic.by_method(context, span, chosen[0]),
        LinePlot(drop_idle=True),
        EMPTY,
    ),
    LiveGraph(
        "requests-listeners",
        "Requests per second, by listener",
        "The listener chosen above, or all; servers of a comparison are on the page Servers.",
        lambda context, span, chosen: traffic.by_listener(context, span, chosen[0]),
        LinePlot(styles=theme.by_name),
        EMPTY,
    ),
)


def newest(context: QueryContext, after_id: int, chosen: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows of the log since `after_id`, of the chosen listener and class of status."""
    return [
        table_row(row)
        for row in log.log(context, after_id=after_id)
        if matches(row, chosen[0], chosen[1]) and not is_contender(row.listener)
    ]


def props(context: QueryContext, _span: Span | None, _chosen: tuple[str, ...]) -> Props:
    """The choices of the listener select, and the state of the capture."""
    return panels.listener_options("requests-listener", context) | capture_control.props(context)


METRICS: Final = (
    catalog.REQUEST_DURATION,
    catalog.BYTES_RECEIVED,
    catalog.BYTES_SENT,
    catalog.NEW_CONNECTIONS,
    *websocket_panels.METRICS,
)
PAGE: Final = LivePage(
    "requests",
    GRAPHS + websocket_panels.GRAPHS,
    props,
    filters=("requests-listener", "requests-status"),
    feeds=(Feed("requests-log", newest, log.NEWEST),),
    metrics=METRICS,
)
connect(PAGE)
capture_control.connect()


@callback(
    Output("requests-drawer", "opened"),
    Output("requests-opened", "children"),
    Input("requests-log", "selectedRows"),
    prevent_initial_call=True,
)
def open_request(selected: list[dict[str, Any]] | None) -> tuple[object, object]:
    """Open the request whose row was clicked."""
    if not selected or not is_row(selected[0]):
        return no_update, no_update
    return True, opened(selected[0])


clientside_callback(
    ClientsideFunction("view", "forget"),
    Output("requests-log", "selectedRows"),
    Input("requests-drawer", "opened"),
    prevent_initial_call=True,
)


def layout(listener: object = "", status: object = "", **_query: object) -> html.Div:
    """The page, narrowed to a listener and a class of status; the view is the time bar's."""
    chosen = query.first(status)
    controls = [
        panels.listener_select("requests-listener", query.first(listener)),
        dmc.Select(
            id="requests-status",
            data=list(traffic.STATUS_CLASSES),
            value=chosen if chosen in traffic.STATUS_CLASSES else None,
            placeholder="Log: any status",
            clearable=True,
            size="sm",
            w=160,
        ),
        capture_control.capture_control(),
    ]
    return panels.page_frame(
        PAGE,
        "Requests",
        panels.columns(*(panels.graph_panel(graph) for graph in GRAPHS)),
        panels.panel(
            "Request log",
            "The newest 200 of a sample: every error and the slowest are in it, of the rest at "
            "most so many a second. Click a row, or press Enter on it, to see where its time went.",
            html.Div(request_table("requests-log"), className="clickable"),
        ),
        dmc.Title("WebSocket", order=2, size="h5", id="websocket"),
        panels.columns(*(panels.graph_panel(graph) for graph in websocket_panels.GRAPHS)),
        dmc.Drawer(
            html.Div(id="requests-opened"),
            id="requests-drawer",
            title="One request",
            position="right",
            size="lg",
            closeButtonProps=attributes(aria_label="Close"),
        ),
        controls=controls,
    )

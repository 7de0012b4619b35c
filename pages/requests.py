"""Requests and their answers: rates, and the log of single requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dash_mantine_components as dmc
from dash import (
    ClientsideFunction,
    Input,
    Output,
    callback,
    clientside_callback,
    dcc,
    html,
    no_update,
    register_page,
)

from components import capture_control, panels, query, websocket_panels
from components.access import context as present_context
from components.findings import verdict
from components.help import NO_REQUESTS, REQUESTS_ADVICE, attributes
from components.live import LiveGraph, LivePage, Props, connect
from components.plain_html import tree
from components.request_filters import request_filters
from components.request_table import (
    SAMPLE,
    chosen_values,
    counts_text,
    facets,
    opened,
    pages,
    request_table,
)
from servescope import catalog
from servescope.figures import theme
from servescope.figures.lines import LinePlot
from servescope.findings.standing import standing
from servescope.queries import request_search, traffic
from servescope.queries import requests as log
from servescope.whole_numbers import HIGHEST_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

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

GRAPHS: Final = (
    LiveGraph(
        "requests-classes",
        "Requests per second by class of status",
        "1xx: switched to a WebSocket; 2xx: answered; 3xx: sent elsewhere or not modified; "
        "4xx: the client's mistake; 5xx: the server's. No answer: the connection was closed before "
        "one. Client gone: of whatever status, answers whose client had left before.",
        lambda context, span, chosen: traffic.by_status_class(context, span, chosen[0]),
        LinePlot(stacked=True, seldom=traffic.SELDOM),
        NO_REQUESTS,
        REQUESTS_ADVICE,
        wide=True,
    ),
    LiveGraph(
        "requests-statuses",
        "Requests per second by status code",
        "Each status code that occurred in this span, of answers that had a client. Client gone: "
        "of whatever status, answers whose client had left before.",
        lambda context, span, chosen: traffic.by_status(context, span, chosen[0]),
        LinePlot(styles=theme.by_status, drop_idle=True),
        NO_REQUESTS,
        REQUESTS_ADVICE,
    ),
    LiveGraph(
        "requests-routes",
        "Requests per second by route",
        "All requests that ended, however they did: the eight busiest routes of this span, and all "
        "others together. A route is the app's own "
        "template where it names one, so that /api/notes/7 and /api/notes/8 are one.",
        lambda context, span, chosen, names=(): traffic.by_route(context, span, chosen[0], names),
        LinePlot(styles=theme.by_name, drop_idle=True),
        NO_REQUESTS,
        REQUESTS_ADVICE,
        kept=("names",),
    ),
    LiveGraph(
        "requests-methods",
        "Requests per second by method",
        "All requests that ended, however they did. GET and HEAD read, POST, PUT, PATCH and DELETE "
        "change something.",
        lambda context, span, chosen: traffic.by_method(context, span, chosen[0]),
        LinePlot(drop_idle=True),
        NO_REQUESTS,
        REQUESTS_ADVICE,
    ),
    LiveGraph(
        "requests-listeners",
        "Requests per second by listener",
        "All requests that ended, however they did, to the listener chosen above, or to all. "
        "Those of a comparison are shown there alone, on the page Servers.",
        lambda context, span, chosen: traffic.by_listener(context, span, chosen[0]),
        LinePlot(listener_styles=theme.by_listener),
        NO_REQUESTS,
        REQUESTS_ADVICE,
    ),
)


def props(context: QueryContext, span: Span | None, chosen: tuple[str, ...]) -> Props:
    """The listeners to choose from, whether they run, the capture, and the log as narrowed."""
    options = panels.listener_options("requests-listener", context, chosen[0])
    options |= capture_control.props(context)
    stands = standing(context, span, chosen[0])
    options["requests-standing"] = {"children": verdict(stands, "/requests")}
    if span is None:
        return options
    given = {name.partition("-")[2]: text for name, text in zip(FILTERS, chosen, strict=True)}
    search, faults = request_search.read(given)
    found = request_search.find(context, span, search)
    is_vain = search.route and not found.matching
    if is_vain and not traffic.is_route_known(context, search.route):
        faults.append(f"No request to a route “{search.route}” is recorded.")
    return options | {
        "requests-faults": {"children": " ".join(faults)},
        "requests-counts": {"children": counts_text(found)},
        "requests-narrowed": {"tree": tree(chosen_values(search))},
        "requests-log": {"tree": tree(request_table(found, search, span, can_come=not stands))},
        "requests-facets": {"tree": tree(facets(found, search))},
        "requests-pages": {"tree": tree(pages(found, search))},
    }


METRICS: Final = (
    catalog.REQUEST_DURATION,
    catalog.ANSWERS_TO_NOBODY,
    catalog.UNANSWERED,
    catalog.BYTES_RECEIVED,
    catalog.BYTES_SENT,
    catalog.NEW_CONNECTIONS,
    *websocket_panels.METRICS,
)
FILTERS: Final = tuple(f"requests-{name}" for name in request_search.NAMES)
PAGE: Final = LivePage(
    "requests",
    GRAPHS + websocket_panels.GRAPHS,
    props,
    filters=FILTERS[:1],
    table_filters=FILTERS[1:],
    metrics=METRICS,
)
connect(PAGE)
capture_control.connect()


@callback(
    Output("requests-drawer", "opened"),
    Output("requests-opened", "children"),
    Input("requests-chosen", "data"),
    prevent_initial_call=True,
)
def open_request(chosen: Mapping[str, object] | None) -> tuple[object, object]:
    """Open the request whose row was clicked, `{"id": number}`."""
    number = (chosen or {}).get("id")
    if not isinstance(number, int) or not 0 < number <= HIGHEST_ID:
        return no_update, no_update
    context = present_context().process.local
    rows = log.by_ids(context, [number])
    if not rows:
        return True, "This request is no longer kept in detail."
    kind = traffic.server_kinds(context)(rows[0].listener)
    return True, opened(rows[0], kind, log.unmeasured(context, rows[0]))


clientside_callback(
    ClientsideFunction("request_log", "rows"),
    Output("requests-rows", "value"),
    Input("requests-rows", "value"),
)
clientside_callback(
    ClientsideFunction("view", "forget"),
    Output("requests-chosen", "data"),
    Input("requests-drawer", "opened"),
    prevent_initial_call=True,
)


def layout(**given: object) -> html.Div:
    """The page, narrowed by whatever its address names; the view is the time bar's."""
    values = {name: query.first(given.get(name.partition("-")[2], "")) for name in FILTERS}
    listener = values.pop("requests-listener")
    return panels.page_frame(
        PAGE,
        "Requests",
        panels.judgement("requests-standing"),
        panels.columns(*(panels.graph_panel(graph) for graph in GRAPHS)),
        panels.panel(
            "Request log",
            f"{SAMPLE} Click a row to see where its time went; click a value to see only those.",
            request_filters(values),
            html.Div(
                [
                    html.Div(
                        [
                            html.Div(html.Div("Loading…"), id="requests-log"),
                            html.Div(id="requests-pages", className="pages"),
                        ],
                        className="log",
                    ),
                    html.Div(id="requests-facets", className="facets"),
                ],
                className="log-and-facets",
            ),
            panel_id="log",
        ),
        dmc.Title("WebSocket", order=2, size="h5", id="websocket"),
        panels.columns(*(panels.graph_panel(graph) for graph in websocket_panels.GRAPHS)),
        dcc.Store(id="requests-chosen"),
        dmc.Drawer(
            html.Div(id="requests-opened"),
            id="requests-drawer",
            title="One request",
            position="right",
            size="lg",
            closeButtonProps=attributes(aria_label="Close"),
        ),
        controls=[
            panels.listener_select("requests-listener", listener),
            capture_control.capture_control(),
        ],
    )

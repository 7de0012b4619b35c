"""The listeners: where they stand; start, stop, restart and change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dash_mantine_components as dmc
from dash import Input, Output, State, callback, ctx, html, no_update, register_page

from components import comparison, comparison_form, panels, query, server_form
from components.access import dashboard, why_not
from components.live import LiveGraph, LivePage, Props, connect
from components.shell import stop_active_run
from components.status import sentence
from servescope import catalog
from servescope.actions.compared_endpoints import compared_endpoints
from servescope.actions.hostable_apps import hosting_rule, offered_apps
from servescope.errors import ServescopeError
from servescope.figures import theme
from servescope.figures.lines import LinePlot
from servescope.queries import comparison as comparisons
from servescope.queries import ports, traffic

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span

register_page(
    __name__,
    path="/servers",
    name="Servers",
    title="Servers · Servescope",
    order=60,
    icon="servers",
)

GRAPHS: Final = (
    LiveGraph(
        "servers-rate",
        "Requests per second by listener",
        "What each listener answered; a restart in place leaves no dent.",
        lambda context, span, _: traffic.by_listener(context, span, comparisons=True),
        LinePlot(styles=theme.by_name),
    ),
    LiveGraph(
        "servers-opened",
        "New connections per second by listener",
        "A denied client, and one whose connection is closed after each request, comes back anew.",
        lambda context, span, _: ports.opened_by_listener(context, span, comparisons=True),
        LinePlot(styles=theme.by_name),
    ),
)


def props(context: QueryContext, _span: Span | None, filters: tuple[str, ...]) -> Props:
    """The cards and what can be chosen; the comparison as it stands."""
    listeners = context.process.listeners()
    shown = comparisons.chosen(context, filters[0])
    active = comparisons.active_comparison(context)
    kept = comparison.options(comparisons.comparisons(context), shown)
    return {
        SHOWN: {"data": kept, "display": "block" if kept else "none"},
        "compare-outcome": {
            "children": comparison.outcome(shown, comparisons.runs_under_way(context))
        },
        "compare-start": {"display": "none" if active else "block"},
        "compare-stop": {"display": "block" if active else "none"},
        "server-cards": {"children": server_form.server_cards(listeners)},
        server_form.CHOSEN: {"data": server_form.changeable(listeners)},
    }


METRICS: Final = (
    catalog.REQUEST_DURATION,
    catalog.NEW_CONNECTIONS,
    catalog.OPEN_CONNECTIONS,
    catalog.BUSY_THREADS,
    catalog.QUEUED_REQUESTS,
)
SHOWN: Final = "servers-comparison"
PAGE: Final = LivePage("servers", GRAPHS, props, filters=(SHOWN,), metrics=METRICS)
connect(PAGE)


@callback(
    *(Output(field, "value") for field in server_form.FIELDS),
    Output(server_form.LOG_FIELD, "checked"),
    Output("server-reset", "display"),
    Output("server-remove", "display"),
    Input(server_form.CHOSEN, "value"),
    prevent_initial_call=True,
)
def show(name: object) -> list[object]:
    """Fill the fields with what the chosen listener has."""
    statuses = dashboard().context.process.control.listeners.statuses()
    status = next((one for one in statuses if one.name == name), None)
    if status is None:
        return [no_update] * (len(server_form.FIELDS) + 3)
    buttons = ("none", "block") if status.is_added else ("block", "none")
    return [*server_form.field_values(status), bool(status.options.access_log), *buttons]


@callback(
    Output("server-said", "children"),
    *(Output(field, "error") for field in server_form.FIELDS),
    *(Input(button, "n_clicks") for button in server_form.BUTTONS),
    State(server_form.CHOSEN, "value"),
    *(State(field, "value") for field in server_form.FIELDS),
    State(server_form.LOG_FIELD, "checked"),
    prevent_initial_call=True,
)
def act(*given: object) -> list[str]:
    """Do what a button says; the answer is what stood in the way, beside its field where it can."""
    name, *values = given[len(server_form.BUTTONS) :]
    board = dashboard()
    try:
        match ctx.triggered_id:
            case "server-apply":
                board.change_listener(name, server_form.request(*values))
            case "server-start":
                board.start_listener(name)
            case "server-stop":
                board.stop_listener(name)
            case "server-restart":
                board.restart_listener(name)
            case "server-reset":
                board.reset_listener(name)
            case "server-remove":
                board.remove_listener(name)
    except ServescopeError as error:
        return server_form.errors(error, server_form.NAMES)
    return [""] * (1 + len(server_form.FIELDS))


@callback(
    Output("server-new-said", "children"),
    *(Output(field, "error") for field in server_form.NEW_FIELDS),
    Input("server-add", "n_clicks"),
    *(State(field, "value") for field in server_form.NEW_FIELDS),
    prevent_initial_call=True,
)
def add(_clicks: int, *values: object) -> list[str]:
    """Add a listener; the answer is what stood in the way, beside its field where it can."""
    try:
        name, _ = dashboard().add_listener(server_form.new_listener(*values))
    except ServescopeError as error:
        return server_form.errors(error, server_form.NEW_NAMES)
    return [f"{name} starts; its card says how it went.", *("" for _ in server_form.NEW_FIELDS)]


@callback(
    Output("compare-refused", "children"),
    Output(SHOWN, "value"),
    Input("compare-start", "n_clicks"),
    *(State(field, "value") for field in comparison_form.FIELDS),
    prevent_initial_call=True,
)
def compare(_clicks: int, *values: object) -> tuple[str, object]:
    """Start the comparison the form describes and show it; the answer says why not."""
    try:
        return "", str(dashboard().start_comparison(comparison_form.request(*values)))
    except ServescopeError as error:
        return sentence(error), no_update


@callback(
    Output("compare-refused", "children", allow_duplicate=True),
    Input("compare-stop", "n_clicks"),
    prevent_initial_call=True,
)
def stop_comparing(clicks: int) -> str:
    """Stop the comparison under way."""
    return stop_active_run(clicks)


@callback(
    Output("compare-target", "value"),
    Input("compare-endpoint", "value"),
    prevent_initial_call=True,
)
def suggest(name: object) -> object:
    """The path of the chosen endpoint."""
    endpoint = compared_endpoints(dashboard().settings).get(str(name))
    return endpoint.target if endpoint else no_update


def layout(comparison: object = "", **_query: object) -> html.Div:
    """The page; `comparison` is the id of the one to show, the view is the time bar's."""
    board, reason = dashboard(), why_not()
    listeners, apps = board.context.process.listeners(), offered_apps(board.settings)
    return panels.page_frame(
        PAGE,
        "Servers",
        panels.panel(
            "Listeners",
            "Everything hosted here: the listeners of the settings, and those of "
            "`python -m servescope serve` on the same data folder.",
            html.Div(
                server_form.server_cards(listeners), id="server-cards", className="server-cards"
            ),
        ),
        panels.panel(
            "Change a listener",
            "A restart, and a change of the model, keep the listening socket: requests in flight "
            "are answered by the old generation, new ones by the new. Changes outlive a restart of "
            "the dashboard.",
            server_form.server_form(listeners, reason, apps, hosting_rule(board.settings)),
        ),
        panels.panel(
            "Add a listener",
            "One more server beside the others, with an app of yours. It stays until you remove "
            "it: choose it above, then Remove.",
            server_form.new_listener_form(reason, apps),
        ),
        panels.panel(
            "The same load on several models",
            "How does a server handle more than one request at a time? Each model gets a server of "
            "its own, for as long as it takes, and the same requests at the same moments, whether "
            "or not it keeps up. asyncio hosts the ASGI app with the same path where the bundled "
            "app is a WSGI one; each server is asked once before its load begins.",
            comparison_form.comparison_form(compared_endpoints(board.settings), reason),
            dmc.Select(
                id=SHOWN,
                label="Shown",
                data=[],
                value=query.first(comparison) or None,
                display="none",
                allowDeselect=False,
                mt="sm",
            ),
            html.Div(id="compare-outcome", className="comparison"),
            panel_id="compare",
        ),
        panels.columns(*(panels.graph_panel(graph) for graph in GRAPHS)),
        controls=html.A("Compare models", href="#compare", className="jump"),
    )

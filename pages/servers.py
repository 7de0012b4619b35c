"""The listeners: where they stand; start, stop, restart and change them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import dash_mantine_components as dmc
from dash import (
    ClientsideFunction,
    Input,
    Output,
    State,
    callback,
    clientside_callback,
    ctx,
    html,
    no_update,
    register_page,
)

from components import (
    access,
    comparison,
    comparison_form,
    forms,
    listener_outcomes,
    load_form,
    panels,
    query,
    server_form,
    start_button,
)
from components.access import dashboard, why_not
from components.listener_choices import PANEL, choices, hint, hint_props
from components.listeners import reach_notes
from components.live import LiveGraph, LivePage, Props, connect
from components.shell import stop_active_run
from components.status import sentence
from servescope import catalog
from servescope.actions.compared_endpoints import compared_endpoints
from servescope.actions.hostable_apps import hosting_rule, offered_apps
from servescope.errors import ListenerRefusedError, ServescopeError
from servescope.figures import theme
from servescope.figures.lines import LinePlot
from servescope.queries import comparison as comparisons
from servescope.queries import ports, traffic
from servescope.queries.active_load import is_load_active

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.authority import Dashboard
    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span
    from servescope.records.listeners import ListenerStatus

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
        "Requests that each listener answered; a restart in place interrupts none. Servers of a "
        "comparison are shown in the comparison alone.",
        lambda context, span, _: traffic.by_listener(context, span),
        LinePlot(listener_styles=theme.by_listener),
        "No requests in this span.",
    ),
    LiveGraph(
        "servers-opened",
        "New connections per second by listener",
        "A client that is denied, or whose connection is closed after each request, connects anew "
        "each time. Red, where there are any: those of them for which there was no room.",
        lambda context, span, _: ports.opened_by_listener(context, span),
        LinePlot(
            listener_styles=theme.paired_listeners(bad=" turned away"),
            drop_idle=True,
        ),
        "No new connections in this span.",
    ),
)


def props(context: QueryContext, _span: Span | None, filters: tuple[str, ...]) -> Props:
    """The cards and what can be chosen; the comparison as it stands."""
    listeners = context.process.listeners()
    shown = comparisons.chosen(context, filters[0])
    active = comparisons.active_comparison(context)
    newest_first = comparisons.comparisons(context)
    kept = comparison.options(newest_first, shown, filters[0])
    outcome = comparison.outcome(shown, comparisons.runs_under_way(context))
    if shown is None and filters[0]:
        outcome = comparison.not_here(filters[0], next(iter(newest_first), None))
    return {
        SHOWN: {"data": kept, "display": "block" if kept else "none"},
        "compare-outcome": {"children": outcome},
        **start_button.props(
            "compare", is_active=active is not None, is_busy=is_load_active(context)
        ),
        "server-cards": {"children": server_form.server_cards(listeners, access.visitor())},
        "server-notes": {"children": reach_notes(listeners, access.visitor())},
        comparison_form.LISTENERS: {"data": _loadable(context, listeners)},
        **hint_props("compare", listeners, is_here=True),
        server_form.VALUES: {"children": server_form.shown_values(listeners)},
        server_form.CHOSEN: {"data": server_form.changeable(listeners)},
    }


def _loadable(context: QueryContext, listeners: Sequence[ListenerStatus]) -> list[Any]:
    """The choices of listeners that stand, of apps that record here, and of named hosts."""
    hosts = context.process.settings.load_hosts
    return load_form.aims(choices(listeners), traffic.recorded_names(context.process.home), hosts)


METRICS: Final = (
    catalog.REQUEST_DURATION,
    catalog.NEW_CONNECTIONS,
    catalog.TURNED_AWAY,
    catalog.OPEN_CONNECTIONS,
    catalog.BUSY_THREADS,
    catalog.QUEUED_REQUESTS,
)
SHOWN: Final = "servers-comparison"
PAGE: Final = LivePage("servers", GRAPHS, props, filters=(SHOWN,), metrics=METRICS, by_person=True)
connect(PAGE)


clientside_callback(
    ClientsideFunction("servers", "edit"),
    Output(server_form.UNSAVED, "children"),
    Input(server_form.VALUES, "children"),
    Input(server_form.SETTLED, "data"),
    Input(server_form.CHOSEN, "value"),
    Input(server_form.REVERT, "n_clicks"),
    *(Input(field, "value") for field in server_form.FIELDS),
    Input(server_form.LOG_FIELD, "checked"),
)
forms.forget_refusals(*server_form.NEW_FIELDS)
forms.forget_refusals(*comparison_form.FIELDS)


@callback(
    *forms.outputs(server_form.ANSWER),
    *(Output(field, "error") for field in server_form.FIELDS),
    Output(server_form.FREE_PORT, "data"),
    Output(server_form.USE_PORT, "children"),
    Output(server_form.USE_PORT, "display"),
    Output(server_form.SETTLED, "data"),
    Output(server_form.CARDS_ANSWER, "children", allow_duplicate=True),
    Input(server_form.APPLY, "n_clicks"),
    Input(server_form.USE_PORT, "n_clicks"),
    State(server_form.FREE_PORT, "data"),
    State(server_form.CHOSEN, "value"),
    *(State(field, "value") for field in server_form.FIELDS),
    State(server_form.LOG_FIELD, "checked"),
    prevent_initial_call=True,
    running=[(Output(server_form.APPLY, "loading"), True, False)],
)
def apply(_clicks: object, _uses: object, free: object, name: object, *values: object) -> list[Any]:
    """Apply the form, all of it or nothing, and say what came of it.

    The second button applies it with the free port in place of one that is taken. The answer to the
    last button of a card goes: it is of before.
    """
    request = server_form.request(*values)
    if ctx.triggered_id == server_form.USE_PORT and isinstance(free, dict):
        request = replace(request, port=free.get("port"))
    board = dashboard()
    try:
        before = board.listener(name)
        change = board.change_listener(name, request)
    except ServescopeError as error:
        said, *beside = server_form.errors(error, server_form.NAMES)
        port = error.free_port if isinstance(error, ListenerRefusedError) else None
        offered = [{"port": port}, f"Use {port}", "block"] if port else [None, no_update, "none"]
        return [*forms.refused(said), *beside, *offered, no_update, ""]
    after = board.listener_outcome(name, change)
    said, is_applied = listener_outcomes.changed(
        before, after, is_asked=change.before != change.after
    )
    answer = forms.done(said) if is_applied else forms.refused(said)
    no_errors = ["" for _ in server_form.FIELDS]
    settled = server_form.settled(after) if is_applied and after else no_update
    return [*answer, *no_errors, None, no_update, "none", settled, ""]


@callback(
    *forms.outputs(server_form.CARDS_ANSWER),
    Output(server_form.SETTLED, "data", allow_duplicate=True),
    Output(server_form.ANSWER, "children", allow_duplicate=True),
    Input(server_form.ASKED, "data"),
    prevent_initial_call=True,
)
def act(asked: object) -> list[Any]:
    """Do what the button of a card says, and say what came of it."""
    if not isinstance(asked, dict):
        return [no_update for _ in range(4)]
    name = asked.get("listener")
    try:
        said, is_done, after = _act(dashboard(), asked.get("action"), name)
    except ServescopeError as error:
        return [*forms.refused(sentence(error)), no_update, ""]
    answer = forms.done(said) if is_done else forms.refused(said)
    return [*answer, server_form.settled(after) if after and is_done else no_update, ""]


def _act(board: Dashboard, action: object, name: object) -> tuple[str, bool, ListenerStatus | None]:
    """The outcome in a sentence, whether it is the one asked for, and a status to be shown.

    Raises ServescopeError.
    """
    before = board.listener(name)
    match action:
        case "start":
            change = board.start_listener(name)
            return *listener_outcomes.started(
                before.name, board.listener_outcome(name, change)
            ), None
        case "stop":
            change = board.stop_listener(name)
            return *listener_outcomes.stopped(before, board.listener_outcome(name, change)), None
        case "restart":
            change = board.restart_listener(name)
            return *listener_outcomes.restarted(before, board.listener_outcome(name, change)), None
        case "reset":
            after = board.listener_outcome(name, board.reset_listener(name))
            return *listener_outcomes.reset(before, after), after
        case "remove":
            board.remove_listener(name)
            has_ended = board.listener_has_ended(name)
            return *listener_outcomes.removed(before.name, has_ended=has_ended), None
        case _:
            raise ListenerRefusedError("This button is none of a listener's.")


@callback(
    *forms.outputs(server_form.NEW_ANSWER),
    *(Output(field, "error") for field in server_form.NEW_FIELDS),
    Input("server-add", "n_clicks"),
    *(State(field, "value") for field in server_form.NEW_FIELDS),
    prevent_initial_call=True,
    running=[(Output("server-add", "loading"), True, False)],
)
def add(_clicks: int, *values: object) -> list[str]:
    """Add a listener, and say what came of it."""
    board = dashboard()
    try:
        name, change = board.add_listener(server_form.new_listener(*values))
    except ServescopeError as error:
        said, *beside = server_form.errors(error, server_form.NEW_NAMES, "Nothing was added")
        return [*forms.refused(said), *beside]
    said, is_done = listener_outcomes.started(name, board.listener_outcome(name, change))
    answer = forms.done(said) if is_done else forms.refused(said)
    return [*answer, *("" for _ in server_form.NEW_FIELDS)]


@callback(
    *forms.outputs(comparison_form.ANSWER),
    Output(SHOWN, "value"),
    Input("compare-start", "n_clicks"),
    *(State(field, "value") for field in comparison_form.FIELDS),
    prevent_initial_call=True,
)
def compare(_clicks: int, *values: object) -> tuple[str, str, object]:
    """Start the comparison the form describes and show it; the answer says which, or why not."""
    try:
        number = dashboard().start_comparison(comparison_form.request(*values))
    except ServescopeError as error:
        return *forms.refused(sentence(error)), no_update
    return *forms.of_load(f"Comparison {number} was asked for; it is shown below."), str(number)


@callback(
    *forms.outputs(comparison_form.ANSWER, again=True),
    Input("compare-stop", "n_clicks"),
    prevent_initial_call=True,
)
def stop_comparing(_clicks: int) -> forms.Answer:
    """Stop the load under way, whichever it is."""
    return stop_active_run()


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
            "Everything hosted here: the listeners of the settings, those added below, those of "
            "`python -m servescope serve` on the same data folder, and for a while those of a "
            "comparison or an experiment.",
            html.Div(
                server_form.server_cards(listeners, access.visitor()),
                id="server-cards",
                className="server-cards only-looking" if reason else "server-cards",
            ),
            html.Div(reach_notes(listeners, access.visitor()), id="server-notes"),
            html.Div(
                forms.answer_place(server_form.CARDS_ANSWER),
                className="cards-answer",
            ),
            panel_id=PANEL,
            of_now=True,
        ),
        panels.panel(
            "Change a listener",
            "A restart, and a change of the model, keep the listening socket: requests in flight "
            "are answered by the server as it was, new ones by the server as it is then. Changes "
            "outlive a restart of the dashboard.",
            server_form.server_form(listeners, reason, apps, hosting_rule(board.settings)),
        ),
        panels.panel(
            "Add a listener",
            "One more server beside the others, with an app of yours. It stays until you remove "
            "it, by the button on its card.",
            server_form.new_listener_form(reason, apps),
        ),
        panels.panel(
            "The same load side by side",
            "How does a server handle more than one request at a time? Each model gets a server of "
            "its own, for as long as it takes; a listener that stands, an app that records here "
            "under another server, and a host in SERVESCOPE_LOAD_HOSTS are taken as they are. All "
            "get the same requests at the same moments, whether or not they keep up. In place of a "
            "bundled WSGI app the model asyncio hosts the bundled ASGI app, which has the same "
            "path. Each server of a model gets one request before its load begins.",
            comparison_form.comparison_form(
                compared_endpoints(board.settings),
                _loadable(board.context, listeners),
                reason,
                has_hosts=bool(board.settings.load_hosts),
                told=hint("compare", listeners, is_here=True),
            ),
            dmc.Select(
                id=SHOWN,
                label="Shown",
                placeholder="The newest",
                data=[],
                value=query.first(comparison) or None,
                display="none",
                allowDeselect=False,
                mt="sm",
            ),
            html.Div(id="compare-outcome", className="comparison"),
            panel_id="compare",
            of_now=True,
        ),
        panels.columns(*(panels.graph_panel(graph) for graph in GRAPHS)),
        controls=html.A("Compare side by side", href="#compare", className="jump"),
    )

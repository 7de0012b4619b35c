"""Launch demo load, watch it, stop it; runs kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dash import Input, Output, State, callback, dcc, html, no_update, register_page

from components import (
    capacity,
    forms,
    load_demos,
    load_form,
    load_run,
    panels,
    start_button,
    verdicts,
)
from components.access import context as present_context
from components.access import dashboard, why_not
from components.findings import verdict
from components.help import NO_LISTENER
from components.listener_choices import choices, hint_props
from components.live import VIEW, LiveGraph, LivePage, Props, connect
from components.path_prefix import below_prefix
from components.run_file_opener import run_file_opener
from components.run_links import RUNS
from components.shell import stop_active_run
from servescope import catalog
from servescope.actions.compared_endpoints import compared_endpoints
from servescope.figures import theme
from servescope.figures.lines import LinePlot
from servescope.findings.standing import standing
from servescope.histogram import least_count
from servescope.queries import host, load, ports, traffic
from servescope.queries.active_load import is_load_active
from servescope.records.listeners import ListenerState

if TYPE_CHECKING:
    from components.page_links import Linked
    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span

register_page(__name__, path="/load", name="Load", title="Load · Servescope", order=50, icon="load")

EMPTY: Final = "No load in this span."
NONE_YET: Final = "No run to show. A run that is started is followed here."
GRAPHS: Final = (
    LiveGraph(
        "load-rates",
        "Requests per second: finished, failed, answered",
        "Finished and failed as the generator counts them, answered as all listeners count them; "
        "requests of other clients are among the latter. Client gone: answers whose client, the "
        "generator after its timeout for example, had left before.",
        lambda context, span, _: load.rates(context, span),
        LinePlot(seldom=traffic.SELDOM),
        EMPTY,
    ),
    LiveGraph(
        "load-latency",
        "p99 three ways",
        "From the moment a request was due; from the moment it was really sent (naive: it leaves "
        "out what a slow server made wait); and from its bytes in the server's kernel, of the "
        "requests that it read. Each server that load was sent to has a line, while it was sent; "
        "requests of other clients to it count there. Answers of any status count, errors too. "
        "Steps are as long as each line takes for its requests, up to a 24th of the span. "
        f"A gap where a step has fewer than {least_count(0.99)} requests all the same.",
        lambda context, span, _, step=0: load.latencies(context, span, step),
        LinePlot(log=True, keep_empty=True, styles=theme.by_clock),
        f"No step of this span has the {least_count(0.99)} requests that a p99 takes.",
        kept=("step",),
    ),
    LiveGraph(
        "load-queues",
        "Accept queue, connections waiting",
        "Connections waiting to be accepted, by port; the deepest of each second.",
        lambda context, span, _: ports.accept_queue_depths(context, span),
        LinePlot(listener_styles=theme.paired_listeners(), step_line=True),
        NO_LISTENER,
    ),
    LiveGraph(
        "load-cpu",
        "CPU by core, %",
        "Share of each core that is not idle. A pinned server fills one core: that is its limit.",
        lambda context, span, _: host.cpu_by_core(context, span),
        LinePlot(most=100.0),
    ),
)
HISTORY_PX: Final = 280
EMPTY_HISTORY_PX: Final = 130  # its headings and the sentence that it has no run
EMPTY_HISTORY: Final = "No run to show: none is kept, or none ended in the span shown."
DURATION_PX: Final = 98  # `10,000 ms` stands whole
BAD_FROM_ONE: Final = {"cellClassRules": {"bad-text": "params.value > 0"}}
HISTORY: Final = (
    panels.phone_column(
        {
            "field": "id",
            "headerName": "Run",
            "minWidth": 85,
            "maxWidth": 85,
            "sort": "desc",
            "cellRenderer": "PageLink",
        },
        minWidth=78,
        maxWidth=78,
    ),
    {
        "field": "at",
        "headerName": "Began",
        "minWidth": 155,
        "valueFormatter": {"function": "moment(params.value)"},
    },
    panels.phone_column(
        {
            "field": "plan",
            "headerName": "Plan",
            "minWidth": 183,
            "flex": 1,
            "wrapText": True,
            "autoHeight": True,
            "cellClass": "wrapped",
        },
        minWidth=162,
    ),
    {"field": "state", "headerName": "State", "minWidth": 95},
    panels.number_column("sent", "Due"),
    panels.number_column("failed", "Failed") | BAD_FROM_ONE,
    panels.number_column("errors", "5xx", width=90) | BAD_FROM_ONE,
    panels.number_column("p50", "p50", shown="p50_text", width=DURATION_PX),
    panels.phone_column(panels.number_column("p99", "p99", shown="p99_text", width=DURATION_PX)),
    panels.number_column("naive", "Naive p99", shown="naive_text", width=DURATION_PX),
    panels.number_column("max", "Max", shown="max_text", width=DURATION_PX),
)


def props(context: QueryContext, span: Span | None, _filters: tuple[str, ...]) -> Props:
    """Whether any listener runs; the run under way, or the last one's result; all runs.

    Of a fixed span the runs that ended in it, and the result of the last of these.
    """
    active = load.active_run(context)
    is_busy = is_load_active(context)
    fixed = span if span is not None and span.fixed else None
    runs = load.runs(context) if fixed is None else load.ended_in(context, fixed)
    over = next((run for run in runs if load_run.is_over(run)), None)
    listeners, apps = context.process.listeners(), traffic.recorded_names(context.process.home)
    has_listener = any(
        one.state is ListenerState.RUNNING for one in listeners if not one.is_temporary
    )
    hosts = dashboard().settings.load_hosts
    has_target = has_listener or bool(apps or hosts)
    aims = load_form.aims(choices(listeners), apps, hosts)
    empty = NONE_YET if fixed is None else "No load run ended in this span."
    told = load_run.result(over) if over else html.Div(empty, className="dimmed")
    shown = load_run.progress(active) if active and fixed is None else told
    return {
        "load-listener": {
            "data": aims,
            "label": load_form.aim_label(apps, hosts),
        },
        **hint_props("load", listeners),
        **hint_props("capacity", listeners),
        **hint_props("verdict", listeners),
        "load-standing": {"children": verdict(standing(context, span), "/load")},
        "load-now": {"children": shown},
        "load-history": panels.grid_rows(
            load_run.history_rows(runs),
            height=HISTORY_PX,
            empty=EMPTY_HISTORY,
            empty_height=EMPTY_HISTORY_PX,
        ),
        **start_button.props(
            "load", is_active=active is not None, is_busy=is_busy, has_target=has_target
        ),
        **capacity.props(context, aims, is_busy=is_busy, has_target=has_target),
        **verdicts.props(context, aims, is_busy=is_busy),
        **load_demos.props("load", listeners, is_busy=is_busy),
    }


METRICS: Final = (
    catalog.LOAD_SENT,
    catalog.LOAD_ERRORS,
    catalog.LOAD_DURATION,
    catalog.LOAD_NAIVE_DURATION,
    catalog.LOAD_TIMED_OUT_NAIVE_DURATION,
    catalog.REQUEST_DURATION,
    catalog.ANSWERS_TO_NOBODY,
    catalog.ACCEPT_QUEUE_DEPTH,
    catalog.CPU_UTILIZATION,
)
PAGE: Final = LivePage("load", GRAPHS, props, metrics=METRICS)
connect(PAGE)
capacity.connect()
verdicts.connect()
load_demos.connect("load")


load_form.connect()


@callback(
    *forms.outputs(load_form.ANSWER),
    Input("load-start", "n_clicks"),
    *load_form.STATES,
    prevent_initial_call=True,
)
def start(_clicks: object, *values: object) -> forms.Answer:
    """Start the run the form describes; the answer says which, or why not."""
    return load_run.start(load_form.request(*values))


@callback(
    Output(load_form.FILE, "value"),
    *forms.outputs(load_form.ANSWER, again=True),
    Input(load_form.SHOW, "n_clicks"),
    *load_form.STATES,
    prevent_initial_call=True,
)
def show_file(_clicks: object, *values: object) -> tuple[Any, Linked, str]:
    """Write what the fields say as a scenario file."""
    return load_form.as_file(load_form.request(*values))


@callback(
    *forms.outputs(load_form.ANSWER, again=True),
    Input("load-stop", "n_clicks"),
    prevent_initial_call=True,
)
def stop(_clicks: int) -> forms.Answer:
    """Stop the load under way, whichever it is."""
    return stop_active_run()


@callback(
    Output(load_form.FILE, "value", allow_duplicate=True),
    *forms.outputs(load_form.ANSWER, again=True),
    Input(load_form.RECORD, "n_clicks"),
    State("load-listener", "value"),
    State(load_form.FACTOR, "value"),
    State(VIEW, "data"),
    prevent_initial_call=True,
)
def record(
    _clicks: object, listener: object, factor: object, view: object
) -> tuple[Any, Linked, str]:
    """Write the last minute of the listener's traffic that is shown as a scenario file."""
    return load_form.recorded(present_context().process.home, listener, factor, view)


@callback(
    Output("load-target", "data"),
    Output("load-target", "value"),
    Input("load-listener", "value"),
    State("load-target", "value"),
    prevent_initial_call=True,
)
def suggest(listener: object, target: object) -> tuple[list[str], object]:
    """Paths worth trying at the chosen listener; a path that is not among them stays."""
    offered = load_run.SUGGESTED.get(str(listener), ["/"])
    known = [path for paths in load_run.SUGGESTED.values() for path in paths]
    return offered, "/" if target in known and target not in offered else no_update


def layout(**_query: str) -> html.Div:
    """The page; the view in the query is the time bar's."""
    reason = why_not()
    home = present_context().process.home
    listeners, apps = home.process.listeners(), traffic.recorded_names(home)
    settings = dashboard().settings
    return panels.page_frame(
        PAGE,
        "Load",
        panels.judgement("load-standing"),
        panels.columns(
            panels.panel(
                "Start demo load",
                "Requests are sent when they are due, whether or not the server keeps up (the "
                "closed model aside). Targets are the listeners hosted here, the apps that record "
                "on this machine under other servers, and the hosts in SERVESCOPE_LOAD_HOSTS, "
                "nothing else; HTTPS where listeners and hosts speak it, with the handshakes in "
                "the latency.",
                load_form.load_form(
                    listeners,
                    apps,
                    settings.load_hosts,
                    load_form.bounds_text(settings.load_max_rate, settings.load_max_seconds),
                    reason,
                ),
            ),
            panels.panel(
                "This run",
                "The run under way, or the result of the last one; while the view is paused or "
                "past, of the last one that ended in its span.",
                html.Div(id="load-now"),
            ),
        ),
        panels.panel("Demos", load_demos.EXPLAINED, load_demos.demo_list("load", reason)),
        capacity.capacity_panel(listeners, reason, settings.load_hosts),
        verdicts.verdict_panel(
            listeners, compared_endpoints(settings), reason, settings.load_hosts
        ),
        panels.columns(*(panels.graph_panel(graph) for graph in GRAPHS)),
        panels.panel(
            "Newest runs",
            "The newest fifty runs; while the view is paused or past, those that ended in its "
            "span. Due, failed and 5xx of a run under way are those so far; its latencies come at "
            "its end. Due are all requests that its schedule asked for, sent or not; failed had no "
            "whole answer; 5xx were answered with a server error. Latencies "
            "from the intended send time; exact, not estimated. A run of another machine is added "
            "by its run file; its series stay apart from those measured here.",
            dcc.Link(
                "All runs: search, compare, name, repeat, delete",
                href=below_prefix(RUNS),
                className="way-on",
            ),
            run_file_opener(reason),
            panels.grid(
                "load-history",
                HISTORY,
                height=HISTORY_PX,
                empty=EMPTY_HISTORY,
            ),
        ),
    )

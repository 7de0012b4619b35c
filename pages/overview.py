"""Is everything well? The golden signals, the listeners and the host, on one time axis."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import dash_mantine_components as dmc
from dash import Input, callback, html, register_page

from components import access, forms, load_demos, load_run, panels, query
from components.access import why_not
from components.action_bar import action_bar
from components.cards import stat, stat_card
from components.findings import card_state, moment_query, severity_class, verdict
from components.fleet import fleet_table
from components.help import NO_LISTENER, NO_REQUESTS, READ, SUPPORT, TOO_FEW
from components.listener_choices import preferred
from components.listeners import listener_table
from components.live import LiveGraph, LivePage, Props, connect
from components.page_links import linked
from components.path_picture import PathPicture
from components.plain_html import tree
from components.reach import reach
from components.status import HIDDEN
from servescope import catalog
from servescope.figures import theme, units
from servescope.figures.lines import LinePlot
from servescope.findings import findings, gathering, thresholds
from servescope.findings.connections import left_connections
from servescope.findings.evidence import HostEvidence, TotalsEvidence
from servescope.findings.finding import most_urgent
from servescope.findings.moment import NONE_RUNS_CODE, is_measured
from servescope.histogram import ERROR_BOUND, least_count
from servescope.queries import fleet, host, latency, ports, traffic
from servescope.queries.active_load import is_load_active
from servescope.records.listeners import ListenerState
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.findings import Evidence, Finding
    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span
    from servescope.records.listeners import ListenerStatus

register_page(
    __name__, path="/", name="Overview", title="Overview · Servescope", order=0, icon="overview"
)

SHOWN: Final = {"display": "block"}
INLINE: Final = {"display": "inline"}
OFF: Final = f"The figure is at most {ERROR_BOUND:.2%} off."
IN_SHORT: Final = (
    "Servescope runs web servers and measures each request, socket and core beneath them, every "
    "second."
)
START_LOAD: Final = "press Start demo load or Try a demo and see where a request's time goes"
OPEN_LISTENER: Final = "open a listener below and watch its request arrive"
WATCH: Final = "see on the page Latency where the time of a request goes"
START_ONE: Final = "start a listener on the page Servers, as none runs"
WATCH_LOAD: Final = "see in the graph of the host below how much of this machine the load takes"
OF_SPAN: Final = "While the view is paused or past: of its whole span."
MEAN: Final = f"Mean of the last 5 seconds. {OF_SPAN}"
ERRORS: Final = (
    "Share of all answers with a status of 5xx; below it answers whose client had gone, and "
    "requests whose connection was closed before an answer."
)
SERVED: Final = (
    "Served by all listeners but a comparison's, whether or not a client still waited; below it, "
    "where there are any, those whose client had gone."
)
WINDOW: Final = (
    f"Of the last 5 seconds; p50 takes {least_count(0.5)} requests in them, "
    f"p95 {least_count(0.95)}, p99 {least_count(0.99)}. {READ} {OF_SPAN}"
)
LOAD_AVERAGE: Final = (
    "Load average: threads that run, wait for a core or wait for a disk, mean of about a minute."
)
RECLAIMED: Final = "Caches that the kernel gives back when a program needs memory are not counted."
NOT_MEASURED: Final = "not measured"
NONE_RUNS: Final = "no listener runs"
START_HINT: Final = "No listener runs: start one on the page Servers."
SOON: Final = "One to a listener above shows a second or two later."

GRAPHS: Final = (
    LiveGraph(
        "overview-requests",
        "Requests per second by status",
        "Requests to all listeners by class of status. 5xx is the server's fault; 1xx, where there "
        "are any, are handshakes of WebSockets. No answer: the connection was closed before one. "
        "Client gone: of whatever status, answers whose client had left before.",
        lambda context, span, _: traffic.by_status_class(context, span),
        LinePlot(stacked=True, seldom=traffic.SELDOM),
        NO_REQUESTS,
        SOON,
    ),
    LiveGraph(
        "overview-latency",
        "Time to answer",
        "Percentiles of a whole request, from its bytes in the kernel to the last byte written. "
        f"p99: one request in a hundred took longer. {READ} {SUPPORT}",
        lambda context, span, _, step=0: latency.percentiles(
            context, span, latency.OVERVIEW_QUANTILES, step=step
        ),
        LinePlot(log=True, keep_empty=True),
        TOO_FEW,
        kept=("step",),
    ),
    LiveGraph(
        "overview-queues",
        "Accept queue, connections waiting",
        "Connections the kernel has set up and the server has not yet accepted, by port; the "
        "deepest of each second. More than a few means the server cannot keep up.",
        lambda context, span, _: ports.accept_queue_depths(context, span),
        LinePlot(listener_styles=theme.paired_listeners(), step_line=True),
        NO_LISTENER,
    ),
    LiveGraph(
        "overview-host",
        "Host: CPU and memory, %",
        "CPU: share of all cores that is not idle. Memory: share that no program can be given now.",
        lambda context, span, _: host.utilization(context, span),
        LinePlot(most=100.0, styles=theme.paired((" highest", "dot"))),
    ),
)

CARDS: Final = (
    (
        "requests",
        "Requests",
        f"{SERVED} {MEAN}",
    ),
    (
        "errors",
        "Errors",
        f"{ERRORS} {MEAN}",
    ),
    ("p95", "p95", f"95 of 100 requests took at most this long. {WINDOW} {OFF}"),
    ("p99", "p99", f"99 of 100 requests took at most this long. {WINDOW} {OFF}"),
    (
        "connections",
        "Connections",
        f"Those that all listeners hold open, and how many their clients have closed. {OF_SPAN}",
    ),
    (
        "queue",
        "Accept queue",
        f"The most that waited in the last 5 seconds, in the fullest accept queue. {OF_SPAN}",
    ),
    (
        "cpu",
        "CPU",
        f"Share of all cores of this host that is not idle. {LOAD_AVERAGE} {MEAN}",
    ),
    (
        "memory",
        "Memory",
        f"Share of this host's memory that no program can be given now. {RECLAIMED} {MEAN}",
    ),
)

JUDGED_BY: Final = {
    "requests": {NONE_RUNS_CODE},
    "errors": {"server-errors"},
    "connections": {"turned-away", "connection-limit"},
    "queue": {"accept-queue"},
}
"""By card, the codes of findings that judge its figure, by listener; its colour is theirs.

The other cards tell one figure of all listeners, or of the host, which has a threshold.
"""

NOTE_JUDGED_BY: Final = {
    "requests": {"answers-to-nobody"},
    "errors": {"answers-to-nobody", "no-answer"},
    "connections": {"clients-left"},
}
"""The same of what the note below the figure tells: a share of 0 % stays good beside it."""

_OF_LISTENERS: Final = {"requests", "errors", "p95", "p99", "connections", "queue"}
"""The cards that have nothing to tell while no listener runs."""

PATH: Final = PathPicture("overview")


def props(context: QueryContext, span: Span | None, filters: tuple[str, ...]) -> Props:
    """The cards and the verdict, all from the evidence of the span; the listeners as they are."""
    evidence = gathering.moment(context, span)
    listeners, is_busy = _lasting(context), is_load_active(context)
    hosts = fleet.table(context, span)
    found = findings(evidence)
    return (
        _cards(evidence, found)
        | PATH.props(context, filters[0], span)
        | {
            "overview-fleet-panel": {"style": SHOWN if hosts else HIDDEN},
            "overview-fleet": {"children": fleet_table(hosts)},
            "overview-verdict": {"children": verdict(found, "/", moment=moment_query(evidence))},
            "overview-listeners": {"tree": tree(listener_table(listeners, access.visitor()))},
        }
        | _to_try(listeners, is_busy=is_busy)
        | load_demos.props("overview", listeners, is_busy=is_busy)
    )


def _lasting(context: QueryContext) -> list[ListenerStatus]:
    """The listeners but those of a comparison or an experiment."""
    return [one for one in context.process.listeners() if not one.is_temporary]


def _to_try(listeners: Sequence[ListenerStatus], *, is_busy: bool) -> Props:
    """The way to try something, as it is now; the layout shows it before the first answer comes."""
    runs = any(one.state is ListenerState.RUNNING for one in listeners)
    return {
        "overview-start": {
            "display": "none" if is_busy else "block",
            "disabled": bool(why_not()) or not runs,
        },
        "overview-start-hint": {"style": HIDDEN if runs or is_busy or why_not() else INLINE},
        "first-visit-idle": {"style": INLINE if runs and not is_busy else HIDDEN},
        "first-visit-none": {"style": HIDDEN if runs or is_busy else INLINE},
        "first-visit-busy": {"style": INLINE if is_busy else HIDDEN},
    }


def _cards(evidence: Evidence, found: Sequence[Finding]) -> Props:
    """The cards of the evidence, coloured by what was `found` in it."""
    judgements = [*found, *left_connections(evidence)]
    is_without = any(one.code == NONE_RUNS_CODE for one in found)
    is_unknown = evidence.is_past and not is_measured(evidence)  # then no request is not zero
    now = TotalsEvidence() if is_unknown else evidence.totals or TotalsEvidence()
    host = evidence.host or HostEvidence()
    of_window = units.length(evidence.window_s)
    opened = _opened_note(now, is_past=evidence.is_past)
    rate = None if now.answers is None else now.answers / evidence.window_s
    errors = _ratio(now.server_errors, now.answers)
    filled = _ratio(now.accept_queue_depth, now.accept_backlog)
    cards = (
        ("requests", rate, "{request}/s", "", None, _requests_note(now, evidence.window_s)),
        ("errors", errors, "1", thresholds.SERVER_ERRORS, errors, _errors_note(now, of_window)),
        (
            "p95",
            now.p95_s,
            "s",
            thresholds.LATENCY,
            now.p95_s,
            _p95_note(now, of_window),
        ),
        ("p99", now.p99_s, "s", thresholds.LATENCY, now.p99_s, _p99_note(now, of_window)),
        ("connections", now.open_connections, "{connection}", "", None, opened),
        (
            "queue",
            now.accept_queue_depth,
            "{connection}",
            thresholds.ACCEPT_QUEUE,
            filled,
            _queue_note(now.accept_queue_depth, filled, of_window),
        ),
        (
            "cpu",
            host.cpu_utilization,
            "1",
            thresholds.CPU,
            host.cpu_utilization,
            _cpu_note(host, of_window),
        ),
        (
            "memory",
            host.memory_utilization,
            "1",
            thresholds.MEMORY,
            host.memory_utilization,
            _memory_note(host, of_window),
        ),
    )
    props: Props = {}
    for name, value, unit, threshold, judged, note in cards:
        is_missing = value is None and (
            name == "connections" or (now.requests is None and name not in {"p95", "p99"})
        )
        of_figure = [one for one in judgements if one.code in JUDGED_BY.get(name, ())]
        of_note = [one for one in judgements if one.code in NOTE_JUDGED_BY.get(name, ())]
        state = severity_class(most_urgent(of_figure))
        if not of_figure and threshold:
            state = card_state(threshold, judged)
        bound = units.at_least(value) if unit == "s" else ""
        said = NOT_MEASURED if is_missing else note
        if is_without and not value and name in _OF_LISTENERS:
            said = NONE_RUNS
        props |= stat(
            name,
            value,
            unit,
            bound=bound,
            state=state,
            note=said,
            note_state=severity_class(most_urgent(of_note)),
        )
    return props


def _opened_note(now: TotalsEvidence, *, is_past: bool) -> str:
    """Of when the open connections are, and whether their clients are still there."""
    opened = "open, mean" if is_past else "open now"
    left = now.left_connections
    if left is None:
        return f"{opened}; left by clients: unknown"
    return f"{opened}; {left:,.0f} left by clients" if round(left) else opened


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _p95_note(now: TotalsEvidence, of_window: str) -> str:
    """The p50 beside the p95, or why there is neither."""
    if now.p95_s is None:
        return _too_few("p95", 0.95, now, of_window)
    is_bound = bool(units.at_least(now.p50_s))
    half = "at least" if is_bound else "up to"
    return f"in {of_window}; half took {half} {units.text(now.p50_s, 's')}"


def _p99_note(now: TotalsEvidence, of_window: str) -> str:
    """Of how many requests the p99 is, or why there is none."""
    if now.p99_s is None:
        return _too_few("p99", 0.99, now, of_window)
    return f"of {_came(now)} in {of_window}{_left_out(now)}"


def _too_few(name: str, quantile: float, now: TotalsEvidence, of_window: str) -> str:
    """Why there is no percentile."""
    if now.requests is None:
        return f"a {name} needs {least_count(quantile)} requests"
    return f"{_came(now)} in {of_window}: a {name} needs {least_count(quantile)}"


def _came(now: TotalsEvidence) -> str:
    """How many requests the percentiles are of."""
    requests = (now.requests or 0) - (now.unread or 0)
    came = counted(requests, "request") if requests else "no request"
    return f"{came} read" if now.unread else came


def _left_out(now: TotalsEvidence) -> str:
    return f", without {now.unread:,} unread" if now.unread else ""


def _requests_note(now: TotalsEvidence, window_s: int) -> str:
    """Of when the rate is, and how much of it had no client any more."""
    said = f"mean of {units.length(window_s)}"
    if not now.answers_to_nobody:
        return said
    return f"{said}; {units.text(now.answers_to_nobody / window_s, '{request}/s')} reached nobody"


def _errors_note(now: TotalsEvidence, of_window: str) -> str:
    """Of when the share is, or why there is none; and what failed without an error."""
    if now.answers == 0:
        of_all = f" of {counted(now.unanswered, 'request')}" if now.unanswered else ""
        return f"none answered in {of_window}{of_all}"
    said = f"5xx in {of_window}"
    if now.answers_to_nobody:
        said += f"; {now.answers_to_nobody:,} reached nobody"
    if now.unanswered:
        said += f"; {now.unanswered:,} got no answer"
    return said


def _queue_note(depth: float | None, filled: float | None, of_window: str) -> str:
    """Of when the depth is, and how much of the backlog it fills, where there is one."""
    if depth is None:
        return f"no port measured in {of_window}"
    if filled is None:
        return f"deepest in {of_window}"
    return f"fullest in {of_window}; {units.text(filled, '1')} of backlog"


def _cpu_note(host: HostEvidence, of_window: str) -> str:
    """Of when the share is; beside it the share of our limit, or the load average."""
    if host.container_cpu_ratio is not None:
        return f"mean of {of_window}; {units.text(host.container_cpu_ratio, '1')} of our limit"
    if host.load_average is None:
        return f"mean of {of_window}"
    return f"mean of {of_window}; load average {units.text(host.load_average, '{thread}')}"


def _memory_note(host: HostEvidence, of_window: str) -> str:
    """Of when the share is; beside it the share of our limit."""
    if host.container_memory_ratio is None:
        return f"used, mean of {of_window}"
    return f"mean of {of_window}; {units.text(host.container_memory_ratio, '1')} of our limit"


METRICS: Final = (
    catalog.REQUEST_DURATION,
    catalog.ANSWERS_TO_NOBODY,
    catalog.UNANSWERED,
    catalog.ACCEPT_QUEUE_DEPTH,
    catalog.OPEN_CONNECTIONS,
    catalog.LEFT_CONNECTIONS,
    catalog.CPU_UTILIZATION,
    catalog.MEMORY_UTILIZATION,
)
PAGE: Final = LivePage(
    "overview", GRAPHS, props, filters=(PATH.filter_id,), metrics=METRICS, by_person=True
)
connect(PAGE)
PATH.connect()
load_demos.connect("overview")


@callback(
    *forms.outputs("overview-answer"),
    Input("overview-start", "n_clicks"),
    prevent_initial_call=True,
)
def start_demo_load(_clicks: int) -> forms.Answer:
    """Start the default run at once; the header shows it and stops it.

    On another listener than the default one where that does not run.
    """
    default = load_run.DEFAULT_REQUEST
    listener = preferred(access.context().process.listeners(), str(default.listener))
    return load_run.start(replace(default, listener=listener))


def first_visit(to_try: Props, *, may_act: bool, can_open: bool) -> html.Div:
    """Until it is dismissed, see `assets/first_visit.js`: what this is, and what to try first.

    Only what this visitor can do is proposed: while load is under way nobody can start another, and
    while no listener runs there is nothing to load or to open.
    """
    ways = [START_LOAD] * may_act + [OPEN_LISTENER] * can_open
    without_listener = f"Try first: {START_ONE if may_act else WATCH}."
    return html.Div(
        [
            html.P(
                [
                    IN_SHORT,
                    html.Br(),
                    html.Span(
                        linked(f"Try first: {', or '.join(ways or [WATCH])}."),
                        id="first-visit-idle",
                        **to_try["first-visit-idle"],
                    ),
                    html.Span(
                        linked(without_listener),
                        id="first-visit-none",
                        **to_try["first-visit-none"],
                    ),
                    html.Span(
                        f"Try first: {WATCH_LOAD}.",
                        id="first-visit-busy",
                        **to_try["first-visit-busy"],
                    ),
                ]
            ),
            dmc.Button("Got it", id="first-visit-over", variant="default", size="sm"),
        ],
        className="first-visit",
    )


def layout(listener: object = "", **_query: object) -> html.Div:
    """The page, its path of that listener; the view in the query is the time bar's."""
    reason, visitor, context = why_not(), access.visitor(), access.context()
    can_open = any(reach(one, visitor).href for one in context.process.listeners())
    to_try = _to_try(_lasting(context), is_busy=is_load_active(context))
    start = action_bar(
        forms.answer_place("overview-answer", reason),
        html.Span(
            linked(START_HINT),
            id="overview-start-hint",
            className="dimmed",
            **to_try["overview-start-hint"],
        ),
        dmc.Button("Start demo load", id="overview-start", **to_try["overview-start"]),
    )
    return panels.page_frame(
        PAGE,
        "Overview",
        first_visit(to_try, may_act=not reason, can_open=can_open),
        panels.judgement("overview-verdict"),
        dmc.SimpleGrid(
            cols=panels.CARD_COLUMNS,
            spacing="sm",
            verticalSpacing="sm",
            children=[stat_card(*card) for card in CARDS],
        ),
        panels.panel(
            "Listeners",
            "The servers hosted by this dashboard, in background threads.",
            html.Div(id="overview-listeners"),
            of_now=True,
        ),
        PATH.panel(query.first(listener)),
        panels.columns(*(panels.graph_panel(graph) for graph in GRAPHS)),
        html.Div(
            panels.panel(
                "Hosts",
                "Every host that sends to the same engine, means of the last 10 seconds. Its name "
                "leads to its figures. Requests are those that were served, also to clients that "
                "had gone. A dash: no request "
                f"in that time, too few for a p95, or a silent host. p95: {READ} {OF_SPAN}",
                html.Div(id="overview-fleet"),
            ),
            id="overview-fleet-panel",
            style=HIDDEN,
        ),
        controls=[start, load_demos.demo_menu("overview", reason)],
    )

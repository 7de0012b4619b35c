"""The picture of a request's path: its stages in order, how full each is, and which one holds.

It is an ordered list of HTML elements. The live one comes with the page's poll, which changes it in
place: Dash would make it anew each second, and a click on a link or the focus in it would be lost.
The one of a past moment is asked for when a person chooses the moment (`assets/path_picture.js`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dash import ClientsideFunction, Input, Output, State, callback, clientside_callback, dcc, html

from components import access, panels, query
from components.findings import findings_list, severity_class
from components.help import attributes
from components.live import VIEW
from components.path_prefix import below_prefix
from components.plain_html import tree
from components.run_links import view_query
from servescope.figures import units
from servescope.findings import PATH, Severity, findings, gathering
from servescope.findings.finding import PATH_PANEL
from servescope.findings.gathering import WINDOW_S
from servescope.findings.moment import NONE_RUNS_CODE
from servescope.findings.path import (
    PATH_UNKNOWN,
    WORKERS,
    link_of,
    most_held,
    stage_severities,
)
from servescope.findings.standing import is_of_nothing, standing
from servescope.histogram import least_count
from servescope.queries.path import KERNEL, QUEUE, TOGETHER, request_paths
from servescope.queries.span import Span, View
from servescope.queries.span import moment as moment_span
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import dash_mantine_components as dmc
    from dash.development.base_component import Component

    from components.live import Props
    from servescope.findings import Finding
    from servescope.queries.context import QueryContext
    from servescope.queries.path import PathStage, RequestPath, Workers

NAMES: Final = {
    KERNEL: "Accept queue, kernel",
    "read": "Reading",
    QUEUE: "Queue for a thread",
    WORKERS: "Threads, loops",
    "app": "App",
    "body": "Body",
    "write": "Write",
}
"""The stages in the order in which a request meets them."""

HELP: Final = (
    "Where requests are, and for how long. The kernel sets connections up and keeps their bytes; "
    "the server reads head and body; a complete request waits for a thread; the app is called, "
    "makes the body, and the response goes to the client. p50 and p99 are those of the requests "
    f"that were read and ended: p50 takes {least_count(0.5)} of them, p99 {least_count(0.99)}. The "
    "marked stage has most requests in it at a time, for 0.1 s or longer. Of all listeners "
    "together a bar is that of the fullest, which is named: they share no backlog and no threads."
)
MOST_DOTS: Final = 24
NOT_MEASURED: Final = "not measured"
_NOT_RUNNING: Final = {"listener-down", "listener-stopped", "not-listening", "stopped-port-taken"}
"""Codes of findings by which the chosen listener does not run."""
_FEW: Final = 0.1
_BETWEEN: Final = "\u2002\n"
"""A line each where a stage is a column, a space where it is a row; as one element it is a third of
what three are in the answer of a poll."""
_SAID: Final = {Severity.WARN: "warning", Severity.BAD: "bad"}


class PathPicture:
    """The picture of one page; its ids begin with the page's name.

    `filter_id` is the component whose value narrows it to a listener: a filter of the page.
    """

    def __init__(self, page: str) -> None:
        self._live = f"{page}-path"
        self._past = f"{page}-path-past"
        self._moment = f"{page}-moment"
        self._scrubber = f"{page}-scrubber"
        self.filter_id = f"{page}-listener"

    def panel(self, listener: str) -> dmc.Card:
        """The panel, at first of that listener."""
        return panels.panel(
            "The path of a request",
            HELP,
            html.Div(
                [
                    panels.listener_select(self.filter_id, listener),
                    html.Div(id=self._scrubber, className="scrubber"),
                ],
                className="path-controls",
            ),
            html.Div(
                [
                    html.Div(id=self._live, className="path-live"),
                    html.Div(id=self._past, className="path-past"),
                ],
                className="path-place",
            ),
            dcc.Store(id=self._moment),
            panel_id=PATH_PANEL,
        )

    def props(self, context: QueryContext, listener: str, span: Span | None = None) -> Props:
        """The picture of the last seconds or a fixed span, and the listeners to choose from."""
        newest = context.newest()
        shown: list[Component] = []
        if newest is not None:
            moment = moment_span(span, newest, WINDOW_S)
            shown = picture(context, moment, listener, is_now=not moment.fixed)
        return {
            self._live: {"tree": tree(shown)},
            **panels.listener_options(self.filter_id, context, listener),
        }

    def connect(self) -> None:
        """Register the callbacks that follow the moment a person chooses."""
        clientside_callback(
            ClientsideFunction("path", "follow"),
            Output(self._moment, "data"),
            Input(VIEW, "data"),
            Input(self._scrubber, "id"),
            State(self._moment, "id"),
        )

        @callback(
            Output(self._past, "children"),
            Input(self._moment, "data"),
            Input(self.filter_id, "value"),
            State(VIEW, "data"),
        )
        def show_past(moment: object, listener: object, view: object) -> list[Component]:
            return past(moment, query.first(listener), view)


def past(moment: object, listener: str, view: object) -> list[Component]:
    """The picture of a moment, `{"from": epoch s, "to": epoch s}`; nothing where it is none."""
    chosen = View.read(moment)
    context = access.context().process.of_host(View.read(view).host)
    bounds = context.bounds()
    if chosen.live or bounds is None:
        return []
    oldest, newest = bounds
    return picture(context, chosen.span(newest, oldest), listener, is_now=False)


def picture(context: QueryContext, span: Span, listener: str, *, is_now: bool) -> list[Component]:
    """The list of stages over a span, and the findings about it.

    Of now they begin with whether the chosen listener runs.
    """
    statuses = context.process.listeners() if context.is_home else []
    paths = request_paths(context, span, [one for one in statuses if not one.is_temporary])
    path = paths.get(listener)
    if path is None:
        absent = standing(context, span, listener)
        told = f"Nothing is known of a listener or app {listener} in this span."
        shown = [] if is_of_nothing(absent) else [html.P(told, className="dimmed")]
        return [*shown, html.Div(findings_list(absent, "/"), className="path-findings judged")]
    chosen = [path] if listener else [one for name, one in paths.items() if name != TOGETHER]
    found = standing(context, span, listener) if is_now else []
    unknown = _without(found)
    found += [
        one
        for one in findings(gathering.of_paths(paths, listener, is_past=not is_now), PATH)
        if unknown == NOT_MEASURED or one.code != PATH_UNKNOWN
    ]
    when = f"of the last {span.end - span.start} s" if is_now else "of the chosen moment"
    kinds = sorted({f"{one.kind}s" for one in chosen}, reverse=True)
    of = path.called or f"all {' and '.join(kinds) or 'listeners'} together"
    where = "" if is_now else view_query(span.start, span.end)
    return [
        html.P(_summary(path), className="path-summary dimmed"),
        html.Ol(
            [
                _clients(path, where, unknown, is_now=is_now),
                *_stages(path, chosen, where, unknown, is_now=is_now),
            ],
            className="path",
            **attributes(aria_label=f"Path of a request: {of}, {when}"),
        ),
        html.Div(
            findings_list(found, "/", where, moment=view_query(span.start, span.end)),
            className="path-findings judged",
        ),
        html.P(_ways_on(listener, where), className="path-links"),
    ]


def _without(found: Iterable[Finding]) -> str:
    """Say why a box has no figure: nothing that it is about runs, or nothing was measured."""
    codes = {one.code for one in found}
    if NONE_RUNS_CODE in codes:
        return "no listener runs"
    return "does not run" if codes & _NOT_RUNNING else NOT_MEASURED


def _summary(path: RequestPath) -> str:
    workers = path.workers
    ended = f"{units.text(path.requests / path.seconds, '{request}/s')} ended"
    said = [ended] if _is_measured(path) else []
    if workers.threads:
        said.append(counted(workers.threads, "request thread"))
    if workers.processes:
        said.append(counted(workers.processes, "worker process", "worker processes"))
    if workers.loops:
        said.append(counted(workers.loops, "event loop"))
    if path.step > 1:
        said.append(f"recorded in rows of {path.step} s")
    if path.model:
        said.insert(0, path.model.replace("_", " "))
    return " · ".join(said)


def _is_measured(path: RequestPath) -> bool:
    """Whether anything was: no request is zero requests only then."""
    is_any = any(stage.is_measured for stage in path.stages)
    return is_any or bool(path.requests) or path.connections.most is not None


def _clients(path: RequestPath, where: str, unknown: str, *, is_now: bool) -> html.Li:
    """Connections: how many are open, and of these left by their clients; new ones."""
    known = path.connections
    opened = _reading(known.newest, known.most, is_now=is_now)
    left = _reading(known.newest_left, known.most_left, is_now=is_now)
    now = " now" if is_now else ""
    lines = []
    if opened is not None:
        lines.append("left by clients: unknown" if left is None else f"{left} left by clients")
    if _is_measured(path):
        lines.append(f"{_amount(path.connections_per_s)} new/s")
    if path.turned_away_per_s:
        lines.append(f"{_amount(path.turned_away_per_s)} turned away/s")
    return html.Li(
        [
            _heading("Clients", "/ports", where),
            _said(unknown if opened is None else f"{opened} open{now}"),
            html.Span(className="path-dots"),
            html.Span(_BETWEEN.join(lines), className="path-times"),
        ],
        className="path-stage",
        **attributes(data_stage="clients"),
    )


def _stages(
    path: RequestPath, chosen: Sequence[RequestPath], where: str, unknown: str, *, is_now: bool
) -> list[html.Li]:
    """The stages of a path, which is that of all the `chosen` together."""
    states = stage_severities(chosen)
    held = most_held(chosen)
    shown = []
    for name, title in NAMES.items():
        state, mark = states.get(name, Severity.UNKNOWN), ""
        if held is not None and held[1].stage.name == name:
            state = min(state, held[1].severity, key=lambda one: one.rank)
            mark = "held here" if path.listener else f"held: {held[0].listener}"
        stage = path.stage(name)
        shown.append(
            html.Li(
                [
                    _heading(title, link_of(name, path.listener), where),
                    *(
                        _workers(path.workers, chosen, unknown)
                        if name == WORKERS
                        else [
                            *_fill(path, chosen, name, unknown, is_now=is_now),
                            _times(path, stage),
                        ]
                    ),
                    html.Strong(mark, className="path-mark") if mark else None,
                    html.Span(f" State: {_SAID[state]}.", className="visually-hidden")
                    if state in _SAID
                    else None,
                ],
                className=f"path-stage {severity_class(state)}".strip(),
                **attributes(data_stage=name, **({"data_holds": "yes"} if mark else {})),
            )
        )
    return shown


def _heading(title: str, link: str, where: str) -> html.Div:
    return html.Div(_way(title, link, where), className="path-name")


def _way(title: str, link: str, where: str) -> dcc.Link:
    """A link to a page: of a past moment with its span, else the page keeps the view at hand."""
    path, _, query_text = link.partition("?")
    text = "&".join(part for part in (query_text, where) if part)
    return dcc.Link(title, href=below_prefix(path) + (f"?{text}" if text else ""))


def _fill(
    path: RequestPath, chosen: Sequence[RequestPath], name: str, unknown: str, *, is_now: bool
) -> list[Any]:
    """How many requests are in a stage, as a text and drawn: of a capacity, or one by one."""
    stage = path.stage(name)
    if stage is None:
        told = "none: a loop calls the app" if path.workers.loops else unknown
        return [_said(told), html.Span(className="path-dots")]
    text = _reading(stage.newest_waiting, stage.most_waiting, is_now=is_now)
    if text is not None and name in {KERNEL, QUEUE}:
        now = " now" if is_now else ""
        waiting = _waiting(stage, is_now=is_now) or 0.0
        rooms = [
            _Room(one.listener, taken, its.capacity)
            for one in chosen
            if (its := one.stage(name)) is not None
            and its.capacity
            and (taken := _waiting(its, is_now=is_now)) is not None
        ]
        if len(rooms) == 1 and rooms[0].taken == waiting:
            return [_said(f"{text} of {rooms[0].size:,.0f} waiting{now}"), _bar(rooms[0].ratio)]
        if rooms:
            return _fullest(f"{text} waiting{now}", rooms, "{:,.0f}".format)
        return [_said(f"{text} waiting{now}"), _dots(waiting)]
    if stage.occupancy is None:
        return [_said(unknown), html.Span(className="path-dots")]
    return [_said(f"{_amount(stage.occupancy)} at a time"), _dots(stage.occupancy)]


@dataclass(frozen=True, slots=True)
class _Room:
    """How much is taken of what one listener has: of its backlog, or of its threads."""

    listener: str
    taken: float
    size: float

    @property
    def ratio(self) -> float:
        return self.taken / self.size


def _fullest(told: str, rooms: Sequence[_Room], amount: Callable[[float], str]) -> list[Any]:
    """A sum over listeners, and behind it the fullest of them, which the bar is of.

    They share no room: a listener with none left finds none in the queue or threads of another.
    """
    fullest = max(rooms, key=lambda one: one.ratio)
    if fullest.taken:
        told += f", {fullest.listener} {amount(fullest.taken)} of {fullest.size:,.0f}"
    return [_said(told), _bar(fullest.ratio)]


def _waiting(stage: PathStage, *, is_now: bool) -> float | None:
    """How many wait in a stage: now, or at most in a past moment."""
    return stage.newest_waiting if is_now else stage.most_waiting


def _said(text: str) -> html.Span:
    """How many are in a stage, which has room for two lines."""
    return html.Span(text, className="path-amount")


def _reading(newest: float | None, most: float | None, *, is_now: bool) -> str | None:
    """A gauge: of now its newest reading, of a past moment the most; None: not measured."""
    value = newest if is_now else most
    if value is None:
        return None
    return f"{value:,.0f}" if is_now or not round(value) else f"up to {value:,.0f}"


def _workers(workers: Workers, chosen: Sequence[RequestPath], unknown: str) -> list[Any]:
    said: list[Any] = []
    busy = workers.busy_threads
    if workers.threads and busy is not None:
        rooms = [
            _Room(one.listener, one.workers.busy_threads, one.workers.threads)
            for one in chosen
            if one.workers.threads and one.workers.busy_threads is not None
        ]
        told = f"{_amount(busy)} of {workers.threads} busy"
        if len(rooms) > 1:
            said += _fullest(told, rooms, _amount)
        else:
            said += [_said(told), _bar(busy / workers.threads)]
    elif busy is not None:
        # Another host counts them, but nobody here knows how many threads it has.
        said += [_said(f"{_amount(busy)} busy"), _dots(busy)]
    if workers.loops:
        on_loop = workers.on_loop
        text = "loop not measured" if on_loop is None else f"{_amount(on_loop)} on the loop"
        said.append(html.Span(text) if said else _said(text))
        if len(said) == 1:
            said.append(_dots(on_loop or 0.0))
    return said or [_said(unknown), html.Span(className="path-dots")]


def _bar(ratio: float) -> html.Span:
    width = f"{100 * min(ratio, 1.0):.0f}%"
    return html.Span(html.I(style={"width": width}), className="path-bar")


def _dots(number: float) -> html.Span:
    """One for each request, up to MOST_DOTS."""
    return html.Span(className="path-dots", style={"--n": min(round(number), MOST_DOTS)})


def _times(path: RequestPath, stage: PathStage | None) -> html.Span:
    """Median and p99 of the time in a stage, and the rate at which requests went through it."""
    said: list[str] = []
    if stage is not None and not stage.requests:
        said = ["none ended"] if _is_measured(path) else []
    elif stage is not None:
        said = ["time not measured"]
        if stage.mean_s is not None:
            said = [
                f"{name} too few" if value is None else f"{name} {units.percentile(value)}"
                for name, value in (("p50", stage.p50_s), ("p99", stage.p99_s))
            ]
            if stage.name in {KERNEL, QUEUE}:  # those that wait now had another wait, or have none
                said.insert(0, "ended requests:")
        said.append(units.text(stage.requests_per_s, "{request}/s"))
    return html.Span(_BETWEEN.join(said), className="path-times")


def _amount(value: float) -> str:
    """A mean count: with one decimal below ten, as whole numbers say more than they know."""
    if 0 < value < _FEW:
        return f"< {_FEW}"
    return f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:,.0f}"  # noqa: PLR2004


def _ways_on(listener: str, where: str) -> list[Any]:
    of = f"?listener={listener}" if listener else ""
    ways: Mapping[str, str] = {
        "Stages over time": f"/latency{of}",
        "Queues and threads over time": "/ports",
        "Requests": f"/requests{of}",
    }
    said: list[Any] = []
    for title, link in ways.items():
        said += [_way(title, link, where), " "]
    return said

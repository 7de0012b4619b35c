"""Live pages: one poll a page, answered with a whole figure or with what a cursor has not seen.

A page declares its graphs as data and calls `connect`. The browser sends the cursor of the last
answer with each poll; the answer holds figures when the view, a filter or a figure's lines changed,
else only new points. `assets/live_*.js` draw it. The snapshot cache keeps the answers, so that
viewers who stand at the same cursor cost no more than one.
"""

from __future__ import annotations

import json
import time
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson
from dash import ClientsideFunction, Input, Output, State, callback, clientside_callback, no_update
from plotly.io.json import to_json_plotly

from components import access, query, status
from components.help import NOT_RECORDED
from components.run_links import address_of_event
from servescope.errors import EngineAwayError, EngineRefusedError
from servescope.queries import load, traffic
from servescope.queries.span import LONG_STEP_S, View

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from servescope.queries.context import ProcessContext, QueryContext
    from servescope.queries.span import Span

Figure = dict[str, Any]
Props = dict[str, dict[str, Any]]
"""Component id → properties to set."""

TICK: Final = "tick"
VIEW: Final = "view"

RENEW_S: Final = 60
RENEW_STEPS: Final = 30
"""A live figure is sent whole again after this long, at least this many steps: late frames,
and routes that came or went, find their place."""

LARGE_PROPERTY: Final = 300
"""Characters from which on a property is sent only when it has changed."""

LONGEST_CURSOR: Final = 20_000
"""Characters of a cursor that are looked at; a browser's own has below 4,000."""


class Plot(Protocol):
    """How rows become a figure: `servescope.figures` has the implementations."""

    def shape(self, rows: Any) -> dict[str, Any]:
        """The part of the figure that a delta must fit, as JSON."""

    def figure(self, rows: Any, shape: dict[str, Any]) -> Figure:
        """The whole figure."""

    def delta(self, rows: Any, shape: dict[str, Any]) -> Figure | None:
        """The points to add to a figure of this shape; None when they do not fit."""

    def legend(self, rows: Any, shape: dict[str, Any]) -> list[dict[str, str]]:
        """Name, colour and dash of each line; a `value` where the browser cannot read it off."""

    def earlier(self, rows: Any, shape: dict[str, Any], later_s: int) -> list[Figure]:
        """Traces of an earlier span, drawn so much later; none where they would say nothing."""


@dataclass(frozen=True, slots=True)
class LiveGraph:
    """A graph of a page. `ask(context, span, filters)` answers with rows that `plot` draws.

    `kept` names parts of the figure's shape that a delta asks for by name, so that it fits:
    `ask(context, span, filters, names=…)` for the lines that the figure has, `step=…` for its step.
    """

    id: str
    title: str
    help: str
    ask: Callable[..., Any]
    plot: Plot
    empty: str = NOT_RECORDED
    advice: str = ""  # beside `empty` in a live view: how something comes
    height: int = 220
    whole_span: bool = False  # a poll asks for the whole span, not for what is new
    kept: tuple[str, ...] = ()
    wide: bool = False


def _no_props(context: QueryContext, span: Span | None, filters: tuple[str, ...]) -> Props:
    del context, span, filters
    return {}


@dataclass(frozen=True, slots=True)
class LivePage:
    """The live parts of a page; `filters` are ids of components whose `value` narrows all of it.

    Those of `table_filters` narrow what `props` sets, and no graph; it gets their values behind the
    others. Each is called after the page, `requests-listener`, and kept in the URL as the rest of
    its id, `?listener=`, which the page's layout gives back to it.

    `props(context, span, filters)` sets cards and tables; `span` is None before the first frame.
    A fixed span (see `queries.span.moment`) holds for everything that `props` sets, except in a
    panel that is marked as of now (see `panels.panel`).
    `metrics` are those an export of the page holds. The `props` of a page `by_person` suit whom
    they are told: its links (`access.visitor`) and what that person may do (`access.why_not`).

    A page about one thing names it in the `value` of its hidden field `subject`: graphs and `props`
    get that in front of the filters. If the thing has a span of its own, `view(context, shown,
    filters)` says which view of this host is shown in place of the time bar's. Where its seconds
    are in a store of their own, `source(context, filters)` gives the context that graphs ask.
    """

    name: str
    graphs: tuple[LiveGraph, ...]
    props: Callable[[QueryContext, Span | None, tuple[str, ...]], Props] = _no_props
    filters: tuple[str, ...] = ()
    table_filters: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    by_person: bool = False
    subject: str = ""
    view: Callable[[QueryContext, View, tuple[str, ...]], View] | None = None
    source: Callable[[QueryContext, tuple[str, ...]], QueryContext] | None = None

    @property
    def narrowed_by(self) -> tuple[str, ...]:
        """Ids of what graphs get the values of: the subject and the filters."""
        return (self.subject, *self.filters) if self.subject else self.filters


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position of a browser; an unreadable text is one of a browser that has nothing yet."""

    view: str = ""
    end: int = 0
    renewal: str = ""
    graphs: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    marks: Mapping[str, int] = field(default_factory=dict)  # of large properties it has

    @classmethod
    def read(cls, stored: object) -> Cursor:
        """Read `{"view": …, "cursor": end, "shape": JSON}` as the last answer gave it."""
        try:
            shape = json.loads(stored["shape"])  # type: ignore[index]  # whatever a client sent
            return cls(
                str(stored["view"]),  # type: ignore[index]
                int(stored["cursor"]),  # type: ignore[index]
                str(shape["renewal"]),
                {str(name): dict(graph) for name, graph in shape["graphs"].items()},
                {str(name): int(mark) for name, mark in shape["marks"].items()},
            )
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError, RecursionError):
            return cls()


_pages: Final[dict[str, LivePage]] = {}


def pages() -> Collection[LivePage]:
    """All live pages of the app."""
    return _pages.values()


def connect(page: LivePage) -> None:
    """Register the page, its poll and the drawing of its answers."""
    _pages[page.name] = page

    @callback(
        Output(f"{page.name}-delta", "data"),
        Input(TICK, "n_intervals"),
        Input(VIEW, "data"),
        *(Input(name, "value") for name in (*page.narrowed_by, *page.table_filters)),
        State(f"{page.name}-cursor", "data"),
        running=[(Output(TICK, "disabled"), True, False)],
    )
    def poll(_tick: int, view: Mapping[str, object] | None, *rest: object) -> object:
        *values, cursor = rest
        if view is None:  # the time bar has not read the URL yet
            return no_update
        chosen = tuple(query.first(value) for value in values)
        context, shown = shown_by(page, access.context().process, View.read(view), chosen)
        return sealed(page, context, shown, cursor, chosen)

    kept = (*page.filters, *page.table_filters)
    if kept:
        clientside_callback(
            ClientsideFunction("view", "keep"),
            Output(f"{page.name}-kept", "data"),
            *(Input(name, "value") for name in kept),
        )
    clientside_callback(
        ClientsideFunction("live", "draw"),
        Output(f"{page.name}-cursor", "data"),
        Input(f"{page.name}-delta", "data"),
    )


def shown_by(
    page: LivePage, process: ProcessContext, view: View, chosen: tuple[str, ...]
) -> tuple[QueryContext, View]:
    """The host and the view that a page shows while the time bar has `view`."""
    shown = view if page.view is None else page.view(process.home, view, chosen)
    return process.of_host(shown.host), shown


def sealed(
    page: LivePage, context: QueryContext, view: View, stored: object, filters: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The answer as JSON text, kept for whoever stands at the same cursor, and the time it is now.

    Dash walks through every value of what a callback returns, in Python; through a text it does
    not: a poll of the overview costs a third of what the same answer as a dict costs.
    """
    try:
        seen = json.dumps(stored)
    except (TypeError, ValueError, RecursionError):
        seen = ""
    if len(seen) > LONGEST_CURSOR:
        seen, stored = "", None
    text = context.snapshots.get(
        (page.name, view.key, filters, _person(page), seen),
        lambda: orjson.dumps(_answer_or_reason(page, context, view, stored, filters)).decode(),
    )
    return {"text": text, "now": time.time()}


def _person(page: LivePage) -> object:
    """All by which the answers of the page differ from person to person."""
    return (access.visitor(), access.why_not()) if page.by_person else None


def _answer_or_reason(
    page: LivePage, context: QueryContext, view: View, stored: object, filters: tuple[str, ...]
) -> dict[str, Any]:
    """The answer; where another host's engine gives none, why, and the page stays as it is."""
    try:
        return answer(page, context, view, stored, filters)
    except (EngineAwayError, EngineRefusedError) as error:
        props = status.props(context)
        props["notices"]["children"] = [
            status.notice(f"There are no figures to be had: {error}."),
            *props["notices"]["children"],
        ]
        shown, _ = _news(_marked(props), {})
        return {"page": page.name, "graphs": {}, "props": shown, "newest": None}


def answer(
    page: LivePage, context: QueryContext, view: View, stored: object, chosen: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The points that the browser at this cursor lacks, and the page's cards as they are now."""
    filters = chosen[: len(page.narrowed_by)]
    key = "|".join((view.key, *filters))
    cursor = Cursor.read(stored)
    source = context if page.source is None else page.source(context, filters)
    bounds, current = source.bounds(), context.newest()
    if bounds is None or current is None:
        props, _ = _news(
            _marked(status.props(context, view.host) | page.props(context, None, chosen)), {}
        )
        return {"page": page.name, "graphs": {}, "props": props, "newest": None, "blank": True}
    oldest, newest = bounds
    span = view.span(newest, oldest)
    end = min(span.end, (newest + 1) // span.step * span.step)
    renewal = _renewal(view, span, newest)
    fresh = cursor.view == key and cursor.renewal == renewal and cursor.end >= span.start
    graphs: dict[str, Figure] = {}
    shapes: dict[str, dict[str, Any]] = {}
    for graph in page.graphs:
        known = cursor.graphs.get(graph.id) if fresh else None
        entry = None if known is None else _delta(graph, source, span, cursor.end, known, filters)
        if entry is None:
            rows = graph.ask(source, span, filters)
            known = graph.plot.shape(rows)
            entry = {"figure": graph.plot.figure(rows, known)}
            entry |= _legend(graph, rows, known, span)
            entry |= _earlier(graph, source, view, span, known, filters)
        shapes[graph.id] = known or {}
        if entry:
            graphs[graph.id] = entry
    props, marks = _news(
        context.snapshots.get(
            (page.name, key, chosen, _person(page), "props"),
            lambda: _marked(status.props(context, view.host) | page.props(context, span, chosen)),
        ),
        cursor.marks if fresh else {},
    )
    shape = {"renewal": renewal, "graphs": shapes, "marks": marks}
    return {
        "page": page.name,
        "view": key,
        "cursor": end,
        "shape": json.dumps(shape, separators=(",", ":")),
        "live": view.live,
        "span": [span.start, span.end],
        "step": span.step,
        "fixed": span.fixed,
        "newest": current,
        "bounds": [oldest, newest + 1],
        "begins": oldest if view.begins_before(oldest, newest) else None,
        "compared": view.offset_s(span),
        "run": _newest_run(context),
        "counted": _counted(page, source, span, filters) if span.fixed else None,
        "delay": source.store.capabilities().visibility_delay_s,
        "graphs": graphs,
        "events": [
            [event.kind, event.start_s, event.end_s, event.text, address_of_event(event)]
            for event in (
                load.events(source, span) if source.is_home else ()
            )  # they are this host's
        ],
        "props": props,
    }


def _renewal(view: View, span: Span, newest: int) -> str:
    """A value that changes when figures are to be sent whole again.

    Where a live span shows the open step, that step grows: its figures come whole, each minute.
    """
    if not view.live:
        return ""
    if span.step >= LONG_STEP_S:
        return f"{span.step}:{newest // RENEW_S}"
    return f"{span.step}:{span.end // _renewed_after_s(span)}"


def _renewed_after_s(span: Span) -> int:
    return max(RENEW_S, RENEW_STEPS * span.step)


def _earlier(
    graph: LiveGraph,
    context: QueryContext,
    view: View,
    span: Span,
    shape: dict[str, Any],
    filters: tuple[str, ...],
) -> dict[str, Any]:
    """The earlier span that the view is compared with, as far as a live figure lasts."""
    offset = view.offset_s(span)
    if not offset or graph.whole_span:
        return {}
    kept = {name: shape[name] for name in graph.kept}
    before = span.earlier(offset, ahead=_renewed_after_s(span) if view.live else 0)
    rows = graph.ask(context, before, filters, **kept)
    return {"earlier": graph.plot.earlier(rows, shape, offset)}


def _newest_run(context: QueryContext) -> list[float | None] | None:
    """Begin and end of the newest load run that has begun; the end is None while it runs."""
    begun = (run for run in load.runs(context) if run.started_s is not None and run.origin is None)
    run = next(begun, None)
    return None if run is None else [run.started_s, run.ended_s]


def _counted(
    page: LivePage, context: QueryContext, span: Span, filters: tuple[str, ...]
) -> int | None:
    """The requests of a fixed span, to the listener that the page is narrowed to.

    None where nothing was recorded: then 0 would be a claim.
    """
    if not traffic.is_recorded(context, span):
        return None
    listener = dict(zip(page.narrowed_by, filters, strict=False)).get(f"{page.name}-listener", "")
    return context.snapshots.get(
        ("counted", span, listener),
        lambda: traffic.count(context, span, traffic.of_listener(listener)),
    )


def _delta(
    graph: LiveGraph,
    context: QueryContext,
    span: Span,
    end: int,
    shape: dict[str, Any],
    filters: tuple[str, ...],
) -> Figure | None:
    """Points since `end`; {} when there are none; None when the figure has to be sent whole."""
    new = span.since(end)
    if new.is_empty or span.step >= LONG_STEP_S:
        return {}
    try:
        kept = {name: shape[name] for name in graph.kept}
        rows = graph.ask(context, span if graph.whole_span else new, filters, **kept)
        entry = graph.plot.delta(rows, shape)
        if entry is not None and "figure" in entry:
            entry |= _legend(graph, rows, shape, span)
    except (KeyError, TypeError, ValueError, AttributeError):  # a shape that a client made up
        return None
    return entry


def _legend(graph: LiveGraph, rows: Any, shape: dict[str, Any], span: Span) -> dict[str, Any]:
    """The legend, and the span that the values in it are of, in epoch seconds."""
    return {"legend": graph.plot.legend(rows, shape), "of": [span.start, span.end]}


def _marked(props: Props) -> dict[str, tuple[dict[str, Any], int]]:
    """Each component's properties as plain JSON, and a mark of large ones; 0 for the others."""
    marked = {}
    for component_id, values in props.items():
        text = to_json_plotly(values)
        mark = zlib.crc32(text.encode()) or 1 if len(text) >= LARGE_PROPERTY else 0
        marked[component_id] = (json.loads(text), mark)
    return marked


def _news(
    marked: Mapping[str, tuple[dict[str, Any], int]], known: Mapping[str, int]
) -> tuple[Props, dict[str, int]]:
    """The properties to send, and the marks of large ones: those the browser has are left out."""
    marks = {component_id: mark for component_id, (_, mark) in marked.items() if mark}
    news = {
        component_id: values
        for component_id, (values, mark) in marked.items()
        if not mark or known.get(component_id) != mark
    }
    return news, marks

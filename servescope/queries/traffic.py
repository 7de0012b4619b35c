"""Requests to the listeners: rates, statuses, bytes and routes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import catalog
from servescope.histogram import supported_quantiles
from servescope.queries.lines import (
    RECORDED_EACH_SECOND,
    joined,
    lines_by_label,
    of_listeners,
    renamed,
    zero_where_recorded,
)
from servescope.queries.request_words import (
    NO_ANSWER,
    is_unanswered,
    method_words,
    route_words,
    status_words,
)
from servescope.queries.rows import Lines, RouteRow
from servescope.recording.recorder import RINGS
from servescope.records.server_kinds import ServerKind
from servescope.records.temporary_listeners import is_temporary
from servescope.sampling.recorded_apps import recorded_apps
from servescope.store.query import Aggregation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span
    from servescope.records.metrics import Labels
    from servescope.store.results import TotalResult

SWITCHED: Final = "1xx"
"""The class of the one status below 200 that ends a request: 101, a WebSocket's handshake."""
STATUS_CLASSES: Final = (SWITCHED, "2xx", "3xx", "4xx", "5xx")
TO_NOBODY: Final = "client gone"
"""Answers whose client had gone before they were sent, whatever their status."""
ANSWERED: Final = ("server: answered", f"server: {TO_NOBODY}")
"""The lines of `answered`: answers that had a client, and those that had none any more."""
SELDOM: Final = (SWITCHED, NO_ANSWER, TO_NOBODY, ANSWERED[1])
"""Lines that are drawn only where they have a request."""
TOP_ROUTES: Final = 8
OTHERS: Final = "all others"
REQUESTS_PER_S: Final = "{request}/s"

LISTENER: Final = "listener"
METHOD: Final = "http.request.method"
ROUTE: Final = "http.route"
STATUS: Final = "http.response.status_code"
_FIRST_ERROR: Final = "400"


def of_listener(listener: str) -> Labels:
    """The labels that pick one listener; an empty name picks all."""
    return ((LISTENER, listener),) if listener else ()


def listener_names(context: QueryContext) -> list[str]:
    """The listeners that a page can filter by: those hosted here, or seen at another host.

    Those of a comparison are none of them.
    """
    if context.is_home:
        return [one.name for one in context.process.listeners() if not one.is_temporary]
    return sorted(name for name in names_in_store(context) if not is_temporary(name))


def names_in_store(context: QueryContext) -> frozenset[str]:
    """The listeners and apps that requests were ever recorded of, those of comparisons as well."""

    def names() -> frozenset[str]:
        keys = context.store.series(catalog.REQUEST_DURATION)
        return frozenset({dict(key.labels).get(LISTENER, "") for key in keys} - {""})

    return context.snapshots.get("names in store", names)


def is_route_known(context: QueryContext, route: str) -> bool:
    """Whether requests to a route, by the name that it has in the log, were ever recorded."""

    def routes() -> frozenset[str]:
        keys = context.store.series(catalog.REQUEST_DURATION)
        return frozenset(dict(key.labels).get(ROUTE, "") for key in keys)

    return route in context.snapshots.get("routes in store", routes)


def recorded_names(context: QueryContext) -> list[str]:
    """The apps that record on this machine under other servers, by the names of their requests."""
    if not context.is_home:
        return []
    process = context.process
    hosted = {one.name for one in process.listeners()}
    apps = process.snapshots.get(
        "recorded apps", lambda: recorded_apps(process.settings.data_dir / RINGS)
    )
    return [one.name for one in apps if one.name not in hosted]


def server_kinds(context: QueryContext) -> Callable[[str], ServerKind]:
    """The kind of the server that requests were recorded of, by its name: a listener or an app.

    Of a listener the store has how many connections were open, second by second; of an app that
    records under another server nobody tells it. A listener that stands is one from the start.
    """

    def apps() -> frozenset[str]:
        of_requests, of_connections = (
            {dict(key.labels).get(LISTENER, "") for key in context.store.series(metric)}
            for metric in (catalog.REQUEST_DURATION, catalog.OPEN_CONNECTIONS)
        )
        return frozenset(of_requests - of_connections)

    recorded = context.snapshots.get("recorded by other servers", apps)
    hosted = {one.name for one in context.process.listeners()} if context.is_home else set()

    def kind(name: str) -> ServerKind:
        return ServerKind.APP if name in recorded and name not in hosted else ServerKind.LISTENER

    return kind


def by_status_class(context: QueryContext, span: Span, listener: str = "") -> Lines:
    """Requests per second by class of status, of those without an answer, and of answers to nobody.

    Always the same seven lines, with the same gaps. A request is in one of them alone.
    """
    names = (*STATUS_CLASSES, NO_ANSWER, TO_NOBODY)
    by_code = _by_status(context, span, of_listener(listener))
    values = np.tile(_zeros(by_code), (len(names), 1))
    for status, row in zip(by_code.names, by_code.values, strict=True):
        name = status if status == TO_NOBODY else status_class(status)
        if name in names:
            values[names.index(name)] += np.nan_to_num(row)
    return zero_where_recorded(context, span, replace(by_code, names=names, values=values))


def _by_status(context: QueryContext, span: Span, where: Labels) -> Lines:
    """Requests per second by status as it is recorded, answers to nobody apart in the last line.

    A status counts the answers that had a client. A request is in one line alone.
    """
    found = context.store.aggregate(
        span.query(catalog.REQUEST_DURATION, by=(STATUS,), where=where), Aggregation.RATE
    )
    gone = context.store.aggregate(
        span.query(catalog.ANSWERS_TO_NOBODY, by=(STATUS,), where=where), Aggregation.RATE
    )
    names = tuple(group[0] for group in found.groups)
    values = np.array(found.values, dtype=np.float64).reshape(len(names), found.times.size)
    lines = Lines(found.times, names, values, REQUESTS_PER_S, found.actual_step)
    to_nobody = _zeros(lines)
    for (status,), row in zip(gone.groups, gone.values, strict=True):
        # Older versions counted requests without an answer among these.
        if status in names and not is_unanswered(status) and row.size == found.times.size:
            # The engine's points of two metrics need not come at the same moment.
            moved = np.fmin(np.nan_to_num(row), np.nan_to_num(values[names.index(status)]))
            values[names.index(status)] -= moved
            to_nobody += moved
    return replace(lines, names=(*names, TO_NOBODY), values=np.vstack([values, to_nobody]))


def _zeros(lines: Lines) -> NDArray[np.float64]:
    """Zero (T,) wherever any of the lines has a value, NaN elsewhere."""
    return np.where(np.isfinite(lines.values).any(axis=0), 0.0, np.nan)


def status_class(status: str) -> str:
    """The class that a status code belongs to, as a line of `by_status_class` is called."""
    return NO_ANSWER if is_unanswered(status) else f"{status[:1]}xx"


def answered(context: QueryContext, span: Span, where: Labels = ()) -> Lines:
    """Answers of the servers per second, and beside them those to nobody: `ANSWERED`.

    Requests without an answer are in neither.
    """
    by_code = _by_status(context, span, where)
    to_clients = _zeros(by_code)
    for status, row in zip(by_code.names[:-1], by_code.values[:-1], strict=True):
        if not is_unanswered(status):
            to_clients += np.nan_to_num(row)
    return replace(by_code, names=ANSWERED, values=np.array([to_clients, by_code.values[-1]]))


def by_listener(context: QueryContext, span: Span, listener: str = "") -> Lines:
    """Requests per second of each listener."""
    return of_listeners(context, _rate_by(context, span, LISTENER, listener))


def by_method(context: QueryContext, span: Span, listener: str = "") -> Lines:
    """Requests per second of each method."""
    return _named(_rate_by(context, span, METHOD, listener), method_words)


def by_status(context: QueryContext, span: Span, listener: str = "") -> Lines:
    """Requests per second of each status code; answers to nobody apart, in the last line.

    That line is there without any, too: 0 are known, and what a poll adds to a graph says so.
    """
    return _named(_by_status(context, span, of_listener(listener)), status_words)


def by_route(
    context: QueryContext, span: Span, listener: str = "", names: Sequence[str] = ()
) -> Lines:
    """Requests per second of the busiest routes, and of all the rest together.

    `names` fixes the routes, so that a delta has the lines of the figure it extends.
    """
    found = _named(_rate_by(context, span, ROUTE, listener), route_words)
    rows = dict(zip(found.names, found.values, strict=True))
    if not names:
        busiest = sorted(rows, key=lambda route: -float(np.nansum(rows[route])))[:TOP_ROUTES]
        names = (*sorted(busiest), OTHERS)
    gaps = np.where(np.isnan(found.values).any(axis=0), np.nan, 0.0)
    values = [rows.pop(name, gaps) for name in names if name != OTHERS]
    values.append(np.sum([*rows.values(), gaps], axis=0))
    chosen = (*(name for name in names if name != OTHERS), OTHERS)
    return Lines(found.times, chosen, np.array(values), REQUESTS_PER_S, found.step)


def bytes_by_listener(context: QueryContext, span: Span) -> Lines:
    """Bytes per second received and sent by each listener, heads included."""
    received, sent = (
        lines_by_label(context, span.query(metric, by=(LISTENER,)), Aggregation.RATE, "By/s")
        for metric in (catalog.BYTES_RECEIVED, catalog.BYTES_SENT)
    )
    return of_listeners(
        context, joined([renamed(received, "{} received"), renamed(sent, "{} sent")])
    )


def route_totals(context: QueryContext, span: Span, listener: str = "") -> TotalResult:
    """Durations over the whole span, by listener, method, route and status."""
    labels = (LISTENER, METHOD, ROUTE, STATUS)
    query = span.query(catalog.REQUEST_DURATION, by=labels, where=of_listener(listener))
    return context.snapshots.get(
        ("route totals", span, listener), lambda: context.store.total(query)
    )


def routes(context: QueryContext, span: Span, listener: str = "") -> list[RouteRow]:
    """Every method and route of the span, the busiest first."""
    total = route_totals(context, span, listener)
    grouped: dict[tuple[str, ...], list[int]] = {}
    for index, group in enumerate(total.groups):
        if total.count[index]:
            grouped.setdefault(group[:3], []).append(index)
    rows = []
    for (name, method, route), indexes in grouped.items():
        count = float(total.count[indexes].sum())
        answers = [index for index in indexes if not is_unanswered(total.groups[index][3])]
        errors = [index for index in answers if total.groups[index][3] >= _FIRST_ERROR]
        p50, p95, p99 = supported_quantiles(total.buckets[indexes].sum(axis=0), (0.5, 0.95, 0.99))
        rows.append(
            RouteRow(
                listener=name,
                method=method,
                route=route,
                requests=round(count),
                error_ratio=(
                    float(total.count[errors].sum() / total.count[answers].sum())
                    if answers
                    else None
                ),
                p50_s=float(p50),
                p95_s=float(p95),
                p99_s=float(p99),
                mean_s=float(total.sum_s[indexes].sum() / count),
            )
        )
    return sorted(rows, key=lambda row: -row.requests)


def count(context: QueryContext, span: Span, where: Labels = ()) -> int:
    """How many requests were counted in the span, those of a comparison left out."""
    total = context.store.total(span.query(catalog.REQUEST_DURATION, where=where))
    return round(float(total.count.sum()))


def count_of_class(context: QueryContext, span: Span, name: str, where: Labels = ()) -> int:
    """How many requests of a class were counted, by the names that `by_status_class` has."""

    def counted(metric: str) -> dict[str, float]:
        total = context.store.total(span.query(metric, by=(STATUS,), where=where))
        found: dict[str, float] = {}
        for (status,), number in zip(total.groups, total.count, strict=True):
            of_class = status_class(status)
            found[of_class] = found.get(of_class, 0.0) + float(number)
        return found

    gone = counted(catalog.ANSWERS_TO_NOBODY)
    if name == TO_NOBODY:
        return round(sum(gone.values()))
    return round(counted(catalog.REQUEST_DURATION).get(name, 0.0) - gone.get(name, 0.0))


def is_recorded(context: QueryContext, span: Span) -> bool:
    """Whether any second of the span was recorded: without one, no request is not none.

    The store of a run from another machine may have its requests alone.
    """
    return context.snapshots.get(
        ("recorded", span),
        lambda: any(
            bool(np.isfinite(context.store.aggregate(span.query(metric), how).values).any())
            for metric, how in (
                (RECORDED_EACH_SECOND, Aggregation.RATE),
                (catalog.REQUEST_DURATION, Aggregation.SUM),
            )
        ),
    )


def _named(lines: Lines, words: Callable[[str], str]) -> Lines:
    return replace(lines, names=tuple(map(words, lines.names)))


def _rate_by(context: QueryContext, span: Span, label: str, listener: str = "") -> Lines:
    query = span.query(catalog.REQUEST_DURATION, (label,), of_listener(listener))
    return lines_by_label(context, query, Aggregation.RATE, REQUESTS_PER_S)

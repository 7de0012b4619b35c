"""A search among the requests that are kept in detail: those of a span, narrowed, counted, paged.

The log keeps a sample (see `servescope.recording.detail_threshold`): errors and the slowest of each
second in the first place. So a search tells three numbers apart: how many match, how many are kept,
and how many were counted. Of a span at most `MOST_READ` details are read, the newest ones.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.queries import requests, traffic
from servescope.queries.request_words import NO_ANSWER, is_not_read, method_label
from servescope.queries.span import Span
from servescope.records.requests import Stage, reached_nobody
from servescope.records.temporary_listeners import is_temporary
from servescope.request_fields import Method
from servescope.whole_numbers import read_whole_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from servescope.queries.context import QueryContext
    from servescope.queries.rows import LogRow
    from servescope.store.results import RequestColumns

PAGE_ROWS: Final = (10, 25, 50, 100)
"""How many rows a page of the log may have."""

DEFAULT_PAGE_ROWS: Final = 50
MOST_READ: Final = 100_000
MOST_VALUES: Final = 30
"""Values of a facet that are listed, the most frequent first."""

ORDERS: Final = ("time", "took", "status", "method", "target", "listener", "client", "sent")
"""The keys that rows can be sorted by; a minus in front sorts downwards."""

NEWEST_FIRST: Final = "-time"
STAGES: Final = tuple(stage.name.lower() for stage in Stage)
METHODS: Final = {int(method): method.name.lstrip("_") for method in Method}

LATE_S: Final = 10
"""How long after its end a second's details may still come."""

KEPT_S: Final = 60
"""For how long the answer about a span that is over holds: old details go meanwhile."""

NO_STAGE: Final = -1
"""In place of the index of the longest stage of a request that was not read: its few microseconds
are those of an answer to nobody."""

_NS: Final = 1e9
CLASSES: Final = (NO_ANSWER, *traffic.STATUS_CLASSES, traffic.TO_NOBODY)
"""The classes that the log can be narrowed to, as the graph of them has them: by the first digit of
the status, and answers to nobody, whatever theirs. These are of no code either, as in the graph of
the codes, and a value of their own beside the codes; a row keeps its code."""
_TO_NOBODY: Final = CLASSES.index(traffic.TO_NOBODY)

_STATUS: Final = re.compile(r"0|[1-5]\d\d")
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(us|µs|ms|s|min)?", re.ASCII)
_UNITS_S: Final = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_LONGEST_TEXT: Final = 200
_LAST_PAGE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Search:
    """The requests that are wanted; an empty text leaves its field open.

    `status` is a code, 0 of a request that got no answer, or one of `CLASSES`; `stage` the longest
    stage of the request, which one that was not read has none of, or with `stage_over_s` one that
    took longer than that; `text` is part of the target, in any case, maybe behind a method:
    `POST /api`. Durations are above `slower_s` and at most `faster_s`, as the cells of a heatmap.
    """

    listener: str = ""
    status: str = ""
    method: str = ""
    route: str = ""
    client: str = ""
    user_agent: str = ""
    stage: str = ""
    text: str = ""
    slower_s: float = -1.0  # one of 0 s, as a coarse clock measures it, is found too
    faster_s: float = math.inf
    stage_over_s: float = 0.0
    order: str = NEWEST_FIRST
    page: int = 1
    rows: int = DEFAULT_PAGE_ROWS  # of a page


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a field, how many of the matching requests have it, and their share."""

    value: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Facet:
    """The values of a field of `Search`, the most frequent first; `further` are not listed.

    Shares are of the requests that have the field: one that was not read has no longest stage. In
    place of its code an answer to nobody has the value `traffic.TO_NOBODY`, as in `is_of_classes`,
    the facet of the classes of status.
    """

    field: str
    values: tuple[FacetValue, ...]
    further: int = 0
    is_of_classes: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """One page of the requests that match, and the counts around it."""

    rows: tuple[LogRow, ...]
    matching: int
    kept: int  # of the listener in the span, whether or not they match
    counted: int | None  # its requests, by the metrics; None where nothing was recorded
    facets: tuple[Facet, ...]
    page: int
    pages: int
    is_cut: bool  # the span has more kept requests than are read
    forgotten: int = 0  # of those counted: they ended before the oldest one that is kept
    counted_matching: int | None = None  # of those counted; None where metrics cannot tell


def read(given: Mapping[str, str]) -> tuple[Search, list[str]]:
    """The search that texts of an address or a form ask for, and a sentence for each unread one.

    Durations are written `50 ms`, `1.5 s`; without a unit they are milliseconds. The names are
    `slower`, `faster`, `over`, `text`, `order`, `page`, `rows` and those of the other fields of
    `Search`.
    """
    wanted: dict[str, Any] = {}
    faults: list[str] = []
    for name, text in given.items():
        value = text.strip()[:_LONGEST_TEXT]
        if not value or name not in _READERS:
            continue
        field, reader = _READERS[name]
        try:
            wanted[field] = reader(value)
        except ValueError as error:
            faults.append(str(error))
    search = Search(**wanted)
    if search.slower_s >= search.faster_s:
        faults.append("No request took longer than the one duration and less than the other.")
    return search, faults


def duration_s(text: str) -> float:
    """Seconds of a written duration. Raises ValueError with a sentence for a person."""
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"“{text}” is no duration: write 50 ms, 1.5 s or 200 µs.")
    return float(found[1]) * _UNITS_S[found[2] or "ms"]


def find(context: QueryContext, span: Span, search: Search) -> Found:
    """The requests of a span that match, one page of them.

    The answer holds until the span moves or, once all its details are there, for a minute.
    """
    newest = context.newest() or 0
    is_over = span.end + LATE_S <= newest
    renewal = newest // (KEPT_S if is_over else max(span.step, 1))
    return context.snapshots.keep(
        ("requests", span, search, renewal, is_over), lambda: _find(context, span, search)
    )


def _find(context: QueryContext, span: Span, search: Search) -> Found:
    columns = context.store.request_columns(span.start, span.end, MOST_READ)
    total_s = columns.stages_ns.sum(axis=1) / _NS
    longest = columns.stages_ns.argmax(axis=1)
    longest[_mask(columns.targets, is_not_read)] = NO_STAGE
    chosen_listeners = {search.listener}
    if not search.listener:
        chosen_listeners = {name for name in set(columns.listeners) if not is_temporary(name)}
    standing = _mask(columns.listeners, chosen_listeners.__contains__)
    chosen = np.flatnonzero(standing & _matching(columns, total_s, longest, search))
    order = _ordered(columns, total_s, chosen, search.order)
    pages = max(-(-len(chosen) // search.rows), 1)
    page = min(search.page, pages)
    shown = order[(page - 1) * search.rows : page * search.rows]
    counted = traffic.count(context, span, traffic.of_listener(search.listener))
    is_known = counted or standing.any() or traffic.is_recorded(context, span)
    return Found(
        rows=tuple(requests.by_ids(context, [columns.ids[index] for index in shown])),
        matching=len(chosen),
        kept=int(standing.sum()),
        counted=counted if is_known else None,
        facets=tuple(_facets(columns, longest, chosen)),
        page=page,
        pages=pages,
        is_cut=columns.is_cut,
        forgotten=_forgotten(context, span, columns.oldest_ns, search.listener),
        counted_matching=_counted_matching(context, span, search) if is_known else None,
    )


def _counted_matching(context: QueryContext, span: Span, search: Search) -> int | None:
    """How many requests match by the metrics, whether or not they are kept.

    None where the search asks for more than metrics know, or for all of a listener.
    """
    method = method_label(search.method)
    asked = {"status": search.status, "method": method, "route": search.route}
    of_listener = replace(search, status="", method="", route="")
    plain = replace(of_listener, order=NEWEST_FIRST, page=1, rows=DEFAULT_PAGE_ROWS)
    if of_listener == search or plain != Search(listener=search.listener):
        return None
    where = traffic.of_listener(search.listener)
    if search.status in CLASSES:
        if asked["method"] or asked["route"]:  # of those whose client had gone nothing tells these
            return None
        return traffic.count_of_class(context, span, search.status, where)
    labels = {"status": traffic.STATUS, "method": traffic.METHOD, "route": traffic.ROUTE}
    where += tuple((labels[name], value) for name, value in asked.items() if value)
    return traffic.count(context, span, where)


def _forgotten(context: QueryContext, span: Span, oldest_ns: int | None, listener: str) -> int:
    """Requests of the span that ended before any that is kept in detail."""
    end = span.end if oldest_ns is None else min(int(oldest_ns / _NS), span.end)
    if end <= span.start:
        return 0
    return traffic.count(context, Span(span.start, end, span.step), traffic.of_listener(listener))


def _matching(
    columns: RequestColumns,
    total_s: NDArray[np.float64],
    longest: NDArray[np.int64],
    search: Search,
) -> NDArray[np.bool_]:
    found = (total_s > search.slower_s) & (total_s <= search.faster_s)
    if search.status in CLASSES:
        found &= _classes(columns) == CLASSES.index(search.status)
    elif search.status:
        found &= (columns.statuses == int(search.status)) & (_classes(columns) != _TO_NOBODY)
    found &= _of_stage(columns, longest, search)
    for wanted, values in (
        (search.route, columns.routes),
        (search.client, columns.clients),
        (search.user_agent, columns.user_agents),
    ):
        if wanted:
            found &= _mask(values, wanted.__eq__)
    if search.method:
        found &= _mask(columns.methods, lambda number: METHODS[number] == search.method)
    if search.text:
        found &= _of_text(columns, search.text)
    return found


def _classes(columns: RequestColumns) -> NDArray[np.int64]:
    """The class of each request, as an index of `CLASSES`."""
    found = columns.statuses // 100
    found[reached_nobody(columns.flags, columns.bytes_sent, columns.statuses)] = _TO_NOBODY
    return found


def _of_text(columns: RequestColumns, text: str) -> NDArray[np.bool_]:
    """By a part of the target; a method in front, as a row shows it, is that of the request."""
    method, _, behind = text.partition(" ")
    is_method = method in METHODS.values()
    part = (behind.strip() if is_method else text).casefold()
    found = _mask(columns.targets, lambda target: part in target.casefold())
    if is_method:
        found &= _mask(columns.methods, lambda number: METHODS[number] == method)
    return found


def _of_stage(
    columns: RequestColumns, longest: NDArray[np.int64], search: Search
) -> NDArray[np.bool_]:
    """By the longest stage, or where a duration is given by one that took longer than that."""
    index = STAGES.index(search.stage) if search.stage else None
    if search.stage_over_s:
        over = columns.stages_ns / _NS > search.stage_over_s
        return np.asarray(over.any(axis=1) if index is None else over[:, index])
    return np.full(len(longest), fill_value=True) if index is None else longest == index


def _mask(values: Sequence[Any], is_wanted: Callable[[Any], bool]) -> NDArray[np.bool_]:
    return np.fromiter(map(is_wanted, values), dtype=bool, count=len(values))


def _ordered(
    columns: RequestColumns, total_s: NDArray[np.float64], chosen: NDArray[np.int64], order: str
) -> list[int]:
    """Indexes of the chosen requests in order; equals the newest first, as they come."""
    key = order.removeprefix("-")
    downwards = order.startswith("-")
    if key == "time":
        return list(chosen if downwards else chosen[::-1])
    numbers = {"took": total_s, "status": columns.statuses, "sent": columns.bytes_sent}
    if key in numbers:
        values = numbers[key][chosen]
        places = np.argsort(-values if downwards else values, kind="stable")
        return list(chosen[places])
    texts: Mapping[str, Sequence[str]] = {
        "method": [METHODS[number] for number in columns.methods],
        "target": columns.targets,
        "listener": columns.listeners,
        "client": columns.clients,
    }
    return sorted(chosen.tolist(), key=texts[key].__getitem__, reverse=downwards)


def _facets(
    columns: RequestColumns, longest: NDArray[np.int64], chosen: NDArray[np.int64]
) -> Iterable[Facet]:
    places = chosen.tolist()
    classes = _classes(columns)[chosen].tolist()
    codes = columns.statuses[chosen].tolist()
    of_classes = _facet("status", (CLASSES[index] for index in classes))
    yield replace(of_classes, is_of_classes=True)
    yield _facet(
        "status",
        (
            traffic.TO_NOBODY if index == _TO_NOBODY else str(code)
            for code, index in zip(codes, classes, strict=True)
        ),
    )
    yield _facet(
        "stage", (STAGES[index] for index in longest[chosen].tolist() if index != NO_STAGE)
    )
    yield _facet("method", (METHODS[columns.methods[place]] for place in places))
    for field, values in (
        ("route", columns.routes),
        ("listener", columns.listeners),
        ("client", columns.clients),
        ("user_agent", columns.user_agents),
    ):
        yield _facet(field, (values[place] for place in places))


def _facet(field: str, values: Iterable[str]) -> Facet:
    counts = Counter(values)
    total = counts.total() or 1
    listed = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return Facet(
        field,
        tuple(FacetValue(value, count, count / total) for value, count in listed[:MOST_VALUES]),
        max(len(listed) - MOST_VALUES, 0),
    )


def _one_of(allowed: Iterable[str], what: str) -> Callable[[str], str]:
    names = tuple(allowed)

    def read_one(text: str) -> str:
        if text not in names:
            raise ValueError(f"“{text}” is no {what}: choose {', '.join(names)}.")
        return text

    return read_one


def _status(text: str) -> str:
    status = text.lower()
    if status not in CLASSES and not _STATUS.fullmatch(status):
        raise ValueError(f"“{text}” is no status: write 404, or 5xx for a class.")
    return status


def _page(text: str) -> int:
    page = read_whole_number(text, _LAST_PAGE)
    if not page:
        raise ValueError(f"“{text}” is no page.")
    return page


def _rows(text: str) -> int:
    if text not in map(str, PAGE_ROWS):
        raise ValueError(f"A page has {', '.join(map(str, PAGE_ROWS))} rows, not “{text}”.")
    return int(text)


_READERS: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "listener": ("listener", str),
    "status": ("status", _status),
    "method": ("method", _one_of(METHODS.values(), "method")),
    "route": ("route", str),
    "client": ("client", str),
    "user_agent": ("user_agent", str),
    "stage": ("stage", _one_of(STAGES, "stage")),
    "text": ("text", str),
    "slower": ("slower_s", duration_s),
    "faster": ("faster_s", duration_s),
    "over": ("stage_over_s", duration_s),
    "order": ("order", _one_of((*ORDERS, *(f"-{one}" for one in ORDERS)), "order")),
    "page": ("page", _page),
    "rows": ("rows", _rows),
}
"""By the name in an address: the field of `Search`, and how its text is read."""

NAMES: Final = tuple(_READERS)

"""Load runs as things of their own: one by its number, a page of many, and figures of its span."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from servescope import catalog
from servescope.control.run_search import ORDERS, RunSearch
from servescope.histogram import EXACT_FROM, supported_quantiles
from servescope.load.report import FROM_DUE, latency_of
from servescope.queries import latency, load, ports
from servescope.queries.lines import joined, named_lines, renamed
from servescope.queries.run_data import run_context
from servescope.queries.span import SHORTEST_S, STEPS, Range, View
from servescope.queries.traffic import of_listener
from servescope.store.query import Aggregation, Query
from servescope.whole_numbers import HIGHEST_ID, read_whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servescope.queries.context import QueryContext
    from servescope.queries.rows import Distribution, Lines, StageRow
    from servescope.queries.span import Span
    from servescope.records.load import LoadPlan, LoadRun
    from servescope.records.metrics import Labels
    from servescope.store.base import Store

PAGE_ROWS: Final = 50
NEWEST_FIRST: Final = "-id"
MOST_WORDS: Final = 8

_WAITING: Final = "{} accept queue"
_LAST_PAGE: Final = 99_999
_LEAST_POINTS: Final = 12
_SHORTEST: Final = Range("", "", SHORTEST_S)


@dataclass(frozen=True, slots=True)
class FoundRuns:
    """One page of the runs that match, and the counts around it."""

    rows: tuple[LoadRun, ...]
    matching: int
    kept: int  # those of comparisons left out; of a span those that ended in it
    page: int

    @property
    def pages(self) -> int:
        """How many pages there are, one at least."""
        return max(-(-self.matching // PAGE_ROWS), 1)


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """The requests to a run's listener within its whole seconds, as the server recorded them.

    `quantiles_s` are seconds by name (see `latency.QUANTILES`), NaN of too few requests. Durations
    are of the `requests` that were read; it answered `unread` more before it had read one. For
    `turned_away` connections it had no room: it answered them with 503, unread, or closed them.
    """

    requests: int
    mean_s: float
    quantiles_s: Mapping[str, float]
    unread: int = 0
    turned_away: int = 0


def run_id(text: object) -> int:
    """The number of a run that a part of an address names; 0 when it names none."""
    return read_whole_number(str(text), HIGHEST_ID) or 0


def one(context: QueryContext, number: int) -> LoadRun | None:
    """A run, None when there is none of this number."""
    process = context.process
    return process.snapshots.get(("run", number), lambda: process.control.load_runs.by_id(number))


def newest_id(context: QueryContext) -> int:
    """The highest number that a run ever had; 0 before there was any."""
    return context.process.control.load_runs.newest_id()


def order_of(text: str) -> tuple[str, bool]:
    """The order that a text such as `-p99` names, and whether it is a descending one."""
    name = text.removeprefix("-")
    return (name, text.startswith("-")) if name in ORDERS else ("id", True)


def find(context: QueryContext, span: Span | None, text: str, order: str, page: str) -> FoundRuns:
    """The page of runs that texts of an address ask for, of a fixed `span` those that ended in it.

    The last page stands for one beyond it, the first for what is no number.
    """
    by, is_descending = order_of(order)
    words = tuple(text.split()[:MOST_WORDS])
    within = (float(span.start), float(span.end)) if span is not None and span.fixed else None
    search = RunSearch(words, by, is_descending, within)
    asked = read_whole_number(page, _LAST_PAGE) or 1
    return context.process.snapshots.get(
        ("found runs", search, asked), lambda: _find(context, search, asked)
    )


def _find(context: QueryContext, search: RunSearch, asked: int) -> FoundRuns:
    runs = context.process.control.load_runs
    rows, matching = runs.search(search, PAGE_ROWS, (asked - 1) * PAGE_ROWS)
    last = max(-(-matching // PAGE_ROWS), 1)
    if asked > last:
        rows, matching = runs.search(search, PAGE_ROWS, (last - 1) * PAGE_ROWS)
    kept = matching
    if search.words:
        _, kept = runs.search(RunSearch(span_s=search.span_s), 0)
    return FoundRuns(tuple(rows), matching, kept, min(asked, last))


def view_of(run: LoadRun, shown: View) -> View:
    """The view of a run's page: the run, or the part of it that a person zoomed to.

    Of a run that has not begun, or never did, the second in which it was asked for.
    """
    seconds = run.whole_seconds
    if seconds is None:
        return View(fixed=(math.floor(run.requested_s), math.floor(run.requested_s) + 1))
    start, end = seconds
    zoomed = shown.fixed
    if zoomed is not None and start <= zoomed[0] and zoomed[1] <= end:
        return View(fixed=zoomed)
    # No longer than the run has gone on, unless that is too short for a scale.
    return View(fixed=seconds) if run.ended_s is not None else View(_SHORTEST, since=start)


def span_of(run: LoadRun) -> Span | None:
    """The whole seconds of a run as a span; None before it began."""
    seconds = run.whole_seconds
    return None if seconds is None else View(fixed=seconds).span(seconds[1])


def percentile_step(plan: LoadPlan) -> int:
    """Seconds of a step that has the requests of a percentile at the plan's rate; 0 where unknown.

    At least a dozen steps remain, however low the rate.
    """
    if not plan.rate:
        return 0
    longest = max(plan.seconds / _LEAST_POINTS, 1)
    steps = [step for step in STEPS if step <= longest]
    enough = (step for step in steps if plan.rate * step >= EXACT_FROM)
    return next(enough, steps[-1])


def rates(context: QueryContext, span: Span, run: LoadRun) -> Lines:
    """Requests per second, see `load.rates`, of the run's target alone."""
    where, has_server = of_listener(run.plan.destination), bool(run.plan.listener)
    return load.rates(context, span, where, has_server=has_server)


def client_percentiles(context: QueryContext, span: Span, run: LoadRun, step: int = 0) -> Lines:
    """Percentiles of latency from the moment a request was due, over time."""
    return client_percentiles_in(context.store, span, run, ("p50", "p95", "p99"), step)


def client_percentiles_in(
    store: Store, span: Span, run: LoadRun, names: tuple[str, ...], step: int = 0
) -> Lines:
    """The same of these `names` (see `latency.QUANTILES`), asked of a store."""
    step = step or percentile_step(run.plan)
    if step % span.step:
        step = 0
    return latency.percentiles_in(
        store,
        span,
        names,
        run.plan.destination,
        catalog.LOAD_DURATION,
        step,
        (run.plan.scenario.timeout_seconds,),
    )


def client_distribution(context: QueryContext, span: Span, run: LoadRun) -> Distribution:
    """Latencies from the moment a request was due.

    The percentiles and the longest of a whole run that is over are the exact ones of its result, as
    its tables have them.
    """
    timeouts_s = (run.plan.scenario.timeout_seconds,)
    found = latency.distribution(
        context, span, run.plan.destination, catalog.LOAD_DURATION, timeouts_s
    )
    if not run.is_whole_in(span.start, span.end):
        return found
    of_mark = {name: latency_of(run.result, name.replace(".", "_")) for name in found.marks}
    known = {name: one for name, one in of_mark.items() if one is not None}
    longest_ms = ((run.result or {}).get(FROM_DUE) or {}).get("max")
    return replace(
        found,
        marks=found.marks | {name: one.ms / 1e3 for name, one in known.items()},
        bounds=(found.bounds - known.keys())
        | {name for name, one in known.items() if one.is_bound},
        longest_s=math.inf if longest_ms is None else longest_ms / 1e3,
    )


def queues(context: QueryContext, span: Span, run: LoadRun) -> Lines:
    """Connections in the accept queue of the run's port, and the requests within its listener.

    Of what waits the most in each step, of busy threads the mean, or of the requests on the event
    loop that called the app. Of a run whose port was not kept the accept queues of all our ports.
    """
    where = of_listener(run.plan.listener)
    inside = named_lines(
        context,
        {"requests queued": span.query(catalog.QUEUED_REQUESTS, where=where)},
        Aggregation.MAX,
        "",
    )
    busy = named_lines(
        context,
        {"threads busy": span.query(catalog.BUSY_THREADS, where=where)},
        Aggregation.AVG,
        "",
    )
    on_loop = renamed(ports.on_loop(context, span, where), "requests on the loop")
    port = run.environment.port if run.environment is not None else 0
    if not port:
        return joined(
            [inside, busy, on_loop, renamed(ports.accept_queue_depths(context, span), _WAITING)]
        )
    at_port = span.query(catalog.ACCEPT_QUEUE_DEPTH, where=(("port", str(port)),))
    waiting = named_lines(context, {"accept queue": at_port}, Aggregation.MAX, "")
    return joined([inside, busy, on_loop, waiting])


def stages(context: QueryContext, run: LoadRun) -> list[StageRow]:
    """Each stage over the whole seconds of a run; none where it aims at no listener of ours."""
    span, its_own = span_of(run), run_context(context, run)
    if span is None or not run.plan.listener or its_own is None:
        return []
    return latency.stages(its_own, span, run.plan.listener, run.kind)


def server_figures(context: QueryContext, run: LoadRun) -> ServerFigures | None:
    """The figures of a run's listener over the run; None without one, or a request that is kept."""
    seconds = run.whole_seconds
    its_own = run_context(context, run)
    if seconds is None or not run.plan.listener or its_own is None:
        return None
    where = of_listener(run.plan.listener)
    return its_own.snapshots.get(
        ("server figures", run.id, seconds), lambda: _server_figures(its_own, seconds, where)
    )


def _server_figures(
    context: QueryContext, seconds: tuple[int, int], where: Labels
) -> ServerFigures | None:
    found = latency.durations(context, Query(catalog.REQUEST_DURATION, *seconds, where=where))
    if not found.requests and not found.unread:
        return None
    names = tuple(latency.QUANTILES)
    of_names = [latency.QUANTILES[name] for name in names]
    values = supported_quantiles(found.buckets, of_names).tolist()
    quantiles_s = dict(zip(names, values, strict=True))
    away = context.store.total(Query(catalog.TURNED_AWAY, *seconds, where=where)).count.sum()
    return ServerFigures(
        found.requests, found.mean_s, quantiles_s, found.unread, round(float(away))
    )

"""Durations of requests and of their stages, all from merged histograms.

All but the heatmap are those of requests that were read. A server over its capacity answers 503
within microseconds, before it reads a request: while it turns most clients away, such answers would
be the p50, though each request that it takes waits for half a minute.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import catalog
from servescope.histogram import (
    BUCKETS,
    EDGES,
    ERROR_BOUND,
    EXACT_FROM,
    LONGEST_S,
    are_lower_bounds,
    bucket_indexes,
    least_count,
    quantiles_by_bucket,
    supported_quantiles,
)
from servescope.queries.measured_stages import measured_stages
from servescope.queries.request_words import UNREAD_LABELS, is_unread
from servescope.queries.rows import Distribution, Heat, Lines, StageRow
from servescope.queries.span import LONG_STEP_S, STEPS
from servescope.queries.traffic import METHOD, ROUTE, of_listener
from servescope.records.load import LoadOutcome
from servescope.records.requests import Stage
from servescope.store.query import Aggregation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from numpy.typing import NDArray

    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span
    from servescope.records.server_kinds import ServerKind
    from servescope.store.base import Store
    from servescope.store.query import Query
    from servescope.store.results import HeatmapResult, TotalResult

QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
OVERVIEW_QUANTILES: Final = ("p50", "p95", "p99")
LEAST_POINTS: Final = 24
"""Points that a line of percentiles has at least, however few requests there are."""
STAGES: Final = tuple(stage.name.lower() for stage in Stage)
_BY_CLIENT: Final = (catalog.LOAD_DURATION, catalog.LOAD_NAIVE_DURATION)
"""The metrics in which a request that timed out counts with the time until then."""
_NO_BUCKETS: Final = np.zeros((BUCKETS, 1), dtype=np.int64)
_TIMED_OUT: Final = (("error.type", LoadOutcome.TIMED_OUT.name.lower()),)


@dataclass(frozen=True, slots=True)
class Durations:
    """Durations over a whole span, of the `requests` that were read; `unread` more were not.

    `buckets` (BUCKETS,) is their merged histogram, `timed_out` (BUCKETS,) that of those among them
    which a load generator gave up: each would have taken longer.
    """

    requests: int
    unread: int
    sum_s: float
    buckets: NDArray[np.int64]
    timed_out: NDArray[np.int64]

    @property
    def mean_s(self) -> float:
        """NaN of no request; a lower bound where one timed out."""
        return self.sum_s / self.requests if self.requests else np.nan

    def percentiles(
        self, names: Collection[str], timeouts_s: Iterable[float] = ()
    ) -> tuple[dict[str, float], frozenset[str]]:
        """Seconds by name, those that the requests support; and which of these are lower bounds.

        `timeouts_s`: see `_told`.
        """
        of_names = [QUANTILES[name] for name in names]
        values = supported_quantiles(self.buckets, of_names)
        is_bound = are_lower_bounds(self.buckets, self.timed_out, of_names) & ~np.isnan(values)
        told = _told(values, is_bound, timeouts_s).tolist()
        known = {
            name: value for name, value in zip(names, told, strict=True) if not math.isnan(value)
        }
        bounds = (name for name, one in zip(names, is_bound.tolist(), strict=True) if one)
        return known, frozenset(bounds)


def durations(context: QueryContext, query: Query) -> Durations:
    """Durations over the whole span of a query: those of all its series together.

    Of a metric that does not tell methods and routes apart all requests were read.
    """
    total = context.store.total(replace(query, by=(METHOD, ROUTE)))
    read = np.array([not is_unread(*group) for group in total.groups], dtype=bool)
    counts = np.asarray(total.count, dtype=np.float64)
    buckets = np.asarray(total.buckets)[read].sum(axis=0, dtype=np.int64)

    def of_span(query: Query) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        found = context.store.total(query)
        return found.count.sum(keepdims=True), found.buckets.sum(axis=0)[:, np.newaxis]

    timed_out = np.zeros(BUCKETS, dtype=np.int64)
    if query.metric in _BY_CLIENT:
        number, _ = of_span(_failed_by_timeout(query))
        timed_out = _timed_out(query, buckets[:, np.newaxis], number, of_span)[:, 0]
    return Durations(
        round(float(counts[read].sum())),
        round(float(counts.sum() - counts[read].sum())),
        float(np.asarray(total.sum_s)[read].sum()),
        buckets,
        timed_out,
    )


def percentiles(
    context: QueryContext,
    span: Span,
    names: tuple[str, ...] = tuple(QUANTILES),
    listener: str = "",
    metric: str = catalog.REQUEST_DURATION,
    step: int = 0,
    timeouts_s: Iterable[float] = (),
) -> Lines:
    """Percentiles of request duration over time, in seconds, and of how many requests each is.

    Of a load run's, those that requests which timed out reach down to are lower bounds; of the
    clock that begins when a request is due these may have taken `timeouts_s`. `step`: seconds of a
    point; 0 takes `step_of_enough`. A gap where a step has fewer requests than `least_count`.
    Connections answered before a request was read count in none of it. One in the last bucket of
    the histograms is a lower bound, too. Raises ValueError for a step that is none of STEPS.
    """
    return percentiles_in(context.store, span, names, listener, metric, step, timeouts_s)


def percentiles_in(
    store: Store,
    span: Span,
    names: tuple[str, ...],
    listener: str,
    metric: str,
    step: int = 0,
    timeouts_s: Iterable[float] = (),
) -> Lines:
    """The same, asked of a store."""
    where = of_listener(listener)
    query = span.query(metric, where=where)
    counts = None if step else _counts(store, query)
    if counts is not None:
        step = _step_of(span, *counts)
    if counts is None or step != span.step:
        query = span.in_steps_of(step).query(metric, where=where)
        counts = None
    if query.end <= query.start:
        nothing = np.empty((len(names), 0))
        times = np.empty(0, np.int64)
        return _percentiles(times, names, nothing, np.empty(0), step)
    found = store.quantiles(query, [QUANTILES[name] for name in names])
    if not len(found.values):
        nothing = np.full((len(names), found.times.size), np.nan)
        return _percentiles(found.times, names, nothing, np.zeros(found.times.size), step)
    requests, unread = counts or _counts(store, query)
    values = _quantiles_of_read(store, query, names) if unread.any() else found.values[0]
    lines = _percentiles(found.times, names, values, requests - unread, step)
    if metric not in _BY_CLIENT:
        return lines

    def by_step(query: Query) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        found = store.aggregate(query, Aggregation.SUM)
        count = np.nan_to_num(found.values[0]) if len(found.values) else np.zeros(found.times.size)
        is_of_durations = query.metric != catalog.LOAD_ERRORS
        buckets = _dense(store.heatmap(query)) if is_of_durations else _NO_BUCKETS
        return count, buckets

    number, _ = by_step(_failed_by_timeout(query))
    if not number.any():
        return replace(lines, bounds=_are_longest(lines.values))
    buckets = _dense(store.heatmap(query))
    timed_out = _timed_out(query, buckets, number, by_step)
    of_names = [QUANTILES[name] for name in names]
    is_bound = are_lower_bounds(buckets, timed_out, of_names) & np.isfinite(lines.values)
    of_due = timeouts_s if metric == catalog.LOAD_DURATION else ()
    told = _told(lines.values, is_bound, of_due)
    return replace(lines, values=told, bounds=is_bound | _are_longest(told))


def _failed_by_timeout(query: Query) -> Query:
    """The same of a load generator's requests that timed out."""
    return replace(query, metric=catalog.LOAD_ERRORS, where=(*query.where, *_TIMED_OUT))


def _timed_out(
    query: Query,
    counts: NDArray[np.int64],
    number: NDArray[np.float64],
    ask: Callable[[Query], tuple[NDArray[np.float64], NDArray[np.int64]]],
) -> NDArray[np.int64]:
    """Those of a load run's requests `counts` (BUCKETS, N) that timed out, by bucket.

    `number` (N,) is how many did, those among them that were never sent. `ask` gives the same of
    another metric: how many (N,), and by bucket (BUCKETS, N). By the clock that begins when a
    request is due they took the timeout, more than those that were answered. By the one that begins
    with its send they took what was left of it, if they were sent; where it was not kept of each
    how much that was, they count as the slowest.
    """
    known = np.zeros_like(counts)
    if query.metric == catalog.LOAD_NAIVE_DURATION:
        due, _ = ask(replace(query, metric=catalog.LOAD_DURATION))
        never_sent = due - counts.sum(axis=0)
        number = np.clip(number - never_sent, 0, number)
        _, known = ask(replace(query, metric=catalog.LOAD_TIMED_OUT_NAIVE_DURATION))
    rest = np.maximum(number - known.sum(axis=0), 0)
    others = np.maximum(counts - known, 0)
    slower = np.cumsum(others[::-1], axis=0)[::-1] - others
    slowest = np.clip(rest - slower, 0, others)
    found: NDArray[np.int64] = known + np.round(slowest).astype(np.int64)
    return found


def _told(
    values: NDArray[np.float64], is_bound: NDArray[np.bool_], timeouts_s: Iterable[float]
) -> NDArray[np.float64]:
    """The values, which are middles of buckets, with a bound where it is one from below.

    That is at the timeout that lies in its bucket, or else at the lower edge of the bucket.
    """
    index = bucket_indexes(values)
    has_edge = (index > 0) & (values < LONGEST_S)  # in the last bucket it is that edge already
    told = np.where(is_bound & has_edge, EDGES[np.maximum(index, 1) - 1], values)
    known = sorted(set(timeouts_s))
    for timeout_s, bucket in zip(known, bucket_indexes(known), strict=True):
        told[is_bound & (index == bucket)] = timeout_s
    return told


def step_of_percentiles(
    context: QueryContext,
    span: Span,
    listener: str = "",
    metric: str = catalog.REQUEST_DURATION,
) -> int:
    """Seconds of a step that has the requests of a percentile, as `percentiles` chooses it."""
    query = span.query(metric, where=of_listener(listener))
    return _step_of(span, *_counts(context.store, query))


def _step_of(span: Span, requests: NDArray[np.float64], unread: NDArray[np.float64]) -> int:
    return step_of_enough(span, (requests - unread)[np.newaxis])


def _counts(store: Store, query: Query) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The requests (T,) of each step, NaN in gaps, and those (T,) of them that were not read."""
    found = store.aggregate(query, Aggregation.SUM)
    requests = found.values[0] if len(found.values) else np.full(found.times.size, np.nan)
    nothing = np.zeros(found.times.size)
    if query.metric != catalog.REQUEST_DURATION or not len(found.values):
        return requests, nothing
    unread = store.aggregate(_unread(query), Aggregation.SUM)
    return requests, np.nan_to_num(unread.values[0]) if len(unread.values) else nothing


def _unread(query: Query) -> Query:
    """The same of what was answered before a request was read: over capacity, or no HTTP."""
    return replace(query, where=(*query.where, *UNREAD_LABELS))


def _quantiles_of_read(store: Store, query: Query, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Quantiles (N, T) of the requests that were read: of all, less those that were not."""
    counts = _dense(store.heatmap(query)) - _dense(store.heatmap(_unread(query)))
    found: NDArray[np.float64] = quantiles_by_bucket(
        np.maximum(counts, 0), [QUANTILES[name] for name in names]
    )
    return found


def _dense(found: HeatmapResult) -> NDArray[np.int64]:
    """The counts (BUCKETS, T) of a heatmap, which has the buckets in use alone."""
    counts = np.zeros((BUCKETS, found.times.size), dtype=np.int64)
    if len(found.counts):
        first = int(np.searchsorted(EDGES, found.edges[1] * (1 - 1e-9)))
        counts[first : first + len(found.counts)] = np.nan_to_num(found.counts)
    return counts


def _percentiles(
    times: NDArray[np.int64],
    names: tuple[str, ...],
    values: NDArray[np.float64],
    requests: NDArray[np.float64],
    step: int,
) -> Lines:
    least = np.array([[least_count(QUANTILES[name])] for name in names])
    supported = np.where(requests >= least, values, np.nan)
    longest = _are_longest(supported)
    return Lines(
        times,
        names,
        supported,
        "s",
        step,
        without_mean=(True,) * len(names),
        requests=np.tile(requests, (len(names), 1)),
        bounds=longest if longest.any() else None,
    )


def _are_longest(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which quantiles lie in the last bucket: those are lower bounds; NaN is none."""
    return values >= LONGEST_S


def step_of_enough(span: Span, requests: NDArray[np.float64]) -> int:
    """Seconds of a step that has the requests of a percentile, EXACT_FROM of them; see STEPS.

    `requests` (N, T) of the span's own steps. Half of them lie in steps of at least so many as are
    reckoned with: a run of load is drawn finely, however quiet it was before. A span keeps
    LEAST_POINTS; one of long steps keeps its own, for it shows the open one.
    """
    counts = np.sort(np.nan_to_num(requests).sum(axis=0))
    total = counts.sum()
    if not total or span.step >= LONG_STEP_S:
        return span.step
    typical = counts[np.searchsorted(counts.cumsum(), total / 2)]
    longest = max((span.end - span.start) // LEAST_POINTS, span.step)
    steps = [step for step in STEPS if step % span.step == 0 and span.step <= step <= longest]
    enough = (step for step in steps if typical * step / span.step >= EXACT_FROM)
    return next(enough, steps[-1])


def stage_means(
    context: QueryContext, span: Span, listener: str = "", kind: ServerKind | None = None
) -> Lines:
    """Mean seconds of each stage over time; stacked they are the mean request.

    Gaps where the recorder of the one `listener`, which may be an app of that `kind`, does not
    measure a stage. Without a `kind` the store says it.
    """
    query = span.query(catalog.STAGE_DURATION, by=("stage",), where=of_listener(listener))
    found = context.store.mean(query)
    rows = {group[0]: row for group, row in zip(found.groups, found.values, strict=True)}
    empty = np.full(found.times.size, np.nan)
    values = np.array([rows.get(stage, empty) for stage in STAGES])
    is_measured = measured_stages(context, span)
    for stage, row in zip(STAGES, values, strict=True):
        if listener and not is_measured(listener, stage, float(np.nansum(row)), kind):
            row[:] = np.nan
    return Lines(found.times, STAGES, values, "s", found.actual_step, (True,) * len(STAGES))


def stage_totals(context: QueryContext, span: Span, listener: str = "") -> TotalResult:
    """Durations over the whole span, by listener and stage."""
    query = span.query(
        catalog.STAGE_DURATION, by=("listener", "stage"), where=of_listener(listener)
    )
    return context.snapshots.get(
        ("stage totals", span, listener), lambda: context.store.total(query)
    )


def stages(
    context: QueryContext, span: Span, listener: str = "", kind: ServerKind | None = None
) -> list[StageRow]:
    """Each stage over the whole span, in the order in which a request meets them.

    Of several servers a stage is that of those that measure it. `kind`: as in `stage_means`.
    """
    total = stage_totals(context, span, listener)
    is_measured = measured_stages(context, span)
    whole_s = float(total.sum_s.sum()) or 1.0
    rows = []
    for stage in STAGES:
        passed = [
            at for at, group in enumerate(total.groups) if group[1] == stage and total.count[at] > 0
        ]
        timed = [
            at
            for at in passed
            if is_measured(total.groups[at][0], stage, float(total.sum_s[at]), kind)
        ]
        if timed:
            sum_s = float(total.sum_s[timed].sum())
            mean_s = sum_s / float(total.count[timed].sum())
            buckets = total.buckets[timed].sum(axis=0)
            p50_s, p95_s, p99_s = supported_quantiles(buckets, (0.5, 0.95, 0.99)).tolist()
            rows.append(StageRow(stage, mean_s, p50_s, p95_s, p99_s, sum_s / whole_s))
        elif passed:
            rows.append(StageRow(stage, *[np.nan] * 5))
    return rows


def heat(context: QueryContext, span: Span, listener: str = "") -> Heat:
    """Requests by duration and time."""
    query = span.query(catalog.REQUEST_DURATION, where=of_listener(listener))
    found = context.store.heatmap(query)
    return Heat(found.times, found.edges, found.counts, found.actual_step)


def distribution(
    context: QueryContext,
    span: Span,
    listener: str = "",
    metric: str = catalog.REQUEST_DURATION,
    timeouts_s: Collection[float] = (),
) -> Distribution:
    """The distribution of durations in the span, with its percentiles that are supported.

    Connections answered before a request was read are left out. `timeouts_s`: as in `percentiles`.
    """
    found = durations(context, span.query(metric, where=of_listener(listener)))
    counts = found.buckets
    used = np.flatnonzero(counts)
    if not used.size:
        return Distribution(np.empty(0), np.empty(0, np.int64), {}, ERROR_BOUND)
    edges = np.concatenate(([0.0], EDGES, [np.inf]))
    low, high = int(used[0]), int(used[-1])
    marks, bounds = found.percentiles(QUANTILES, timeouts_s)
    timed_out_from_s = None
    if found.timed_out[high]:
        within = (one for one in sorted(timeouts_s) if edges[high] < one <= edges[high + 1])
        timed_out_from_s = next(within, float(edges[high]))
    return Distribution(
        edges[low : high + 2],
        counts[low : high + 1],
        marks,
        ERROR_BOUND,
        bounds,
        timed_out_from_s=timed_out_from_s,
    )

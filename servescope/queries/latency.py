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
    GROWTH,
    LONGEST_S,
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
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span
    from servescope.records.server_kinds import ServerKind
    from servescope.store.query import Query
    from servescope.store.results import HeatmapResult, TotalResult

QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
OVERVIEW_QUANTILES: Final = ("p50", "p95", "p99")
LEAST_POINTS: Final = 24
"""Points that a line of percentiles has at least, however few requests there are."""
STAGES: Final = tuple(stage.name.lower() for stage in Stage)
_BY_CLIENT: Final = (catalog.LOAD_DURATION, catalog.LOAD_NAIVE_DURATION)
"""The metrics in which a request that timed out counts with the time until then."""
_TIMED_OUT: Final = (("error.type", LoadOutcome.TIMED_OUT.name.lower()),)


@dataclass(frozen=True, slots=True)
class Durations:
    """Durations over a whole span, of the `requests` that were read; `unread` more were not.

    `buckets` (BUCKETS,) is their merged histogram.
    """

    requests: int
    unread: int
    sum_s: float
    buckets: NDArray[np.int64]

    @property
    def mean_s(self) -> float:
        """NaN of no request."""
        return self.sum_s / self.requests if self.requests else np.nan


def durations(context: QueryContext, query: Query) -> Durations:
    """Durations over the whole span of a query: those of all its series together.

    Of a metric that does not tell methods and routes apart all requests were read.
    """
    total = context.store.total(replace(query, by=(METHOD, ROUTE)))
    read = np.array([not is_unread(*group) for group in total.groups], dtype=bool)
    counts = np.asarray(total.count, dtype=np.float64)
    return Durations(
        round(float(counts[read].sum())),
        round(float(counts.sum() - counts[read].sum())),
        float(np.asarray(total.sum_s)[read].sum()),
        np.asarray(total.buckets)[read].sum(axis=0, dtype=np.int64)
        if read.any()
        else np.zeros(BUCKETS, dtype=np.int64),
    )


def percentiles(
    context: QueryContext,
    span: Span,
    names: tuple[str, ...] = tuple(QUANTILES),
    listener: str = "",
    metric: str = catalog.REQUEST_DURATION,
    step: int = 0,
) -> Lines:
    """Percentiles of request duration over time, in seconds, and of how many requests each is.

    Of a load run's, those that requests which timed out reach down to are lower bounds.
    `step`: seconds of a point; 0 takes `step_of_enough`. A gap where a step has fewer requests than
    `least_count`. Connections answered before a request was read count in none of it. Raises
    ValueError for a step that is none of STEPS.
    """
    where = of_listener(listener)
    query = span.query(metric, where=where)
    counts = None if step else _counts(context, query)
    if counts is not None:
        step = _step_of(span, *counts)
    if counts is None or step != span.step:
        query = span.in_steps_of(step).query(metric, where=where)
        counts = None
    if query.end <= query.start:
        nothing = np.empty((len(names), 0))
        times = np.empty(0, np.int64)
        return _percentiles(times, names, nothing, np.empty(0), step)
    found = context.store.quantiles(query, [QUANTILES[name] for name in names])
    if not len(found.values):
        nothing = np.full((len(names), found.times.size), np.nan)
        return _percentiles(found.times, names, nothing, np.zeros(found.times.size), step)
    requests, unread = counts or _counts(context, query)
    values = _quantiles_of_read(context, query, names) if unread.any() else found.values[0]
    lines = _percentiles(found.times, names, values, requests - unread, step)
    if metric not in _BY_CLIENT:
        return lines
    is_bound = _bounds(context, query, names, requests) & np.isfinite(lines.values)
    return replace(lines, values=_from_below(lines.values, is_bound), bounds=is_bound)


def at_timeouts(
    values: NDArray[np.float64], is_bound: NDArray[np.bool_], timeouts_s: Iterable[float]
) -> NDArray[np.float64]:
    """The values with each bound at the timeout that lies in its bucket, where there is one.

    Of the clock that begins when a request is due: it takes the timeout, if it times out.
    """
    known = sorted(set(timeouts_s))
    if not known or not is_bound.any():
        return values
    place = dict(zip(bucket_indexes(known).tolist(), known, strict=True))
    indexes = bucket_indexes(values * math.sqrt(GROWTH))  # bounds are lower edges
    told = values.copy()
    for cell in zip(*np.nonzero(is_bound), strict=True):
        told[cell] = place.get(int(indexes[cell]), values[cell])
    return told


def _from_below(values: NDArray[np.float64], is_bound: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The values, which are middles of buckets, with a bound at the lower edge of its bucket."""
    index = bucket_indexes(values)
    has_edge = (index > 0) & (values < LONGEST_S)  # in the last bucket it is that edge already
    return np.where(is_bound & has_edge, EDGES[np.maximum(index, 1) - 1], values)


def step_of_percentiles(
    context: QueryContext,
    span: Span,
    listener: str = "",
    metric: str = catalog.REQUEST_DURATION,
) -> int:
    """Seconds of a step that has the requests of a percentile, as `percentiles` chooses it."""
    return _step_of(span, *_counts(context, span.query(metric, where=of_listener(listener))))


def _step_of(span: Span, requests: NDArray[np.float64], unread: NDArray[np.float64]) -> int:
    return step_of_enough(span, (requests - unread)[np.newaxis])


def _counts(context: QueryContext, query: Query) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The requests (T,) of each step, NaN in gaps, and those (T,) of them that were not read."""
    found = context.store.aggregate(query, Aggregation.SUM)
    requests = found.values[0] if len(found.values) else np.full(found.times.size, np.nan)
    nothing = np.zeros(found.times.size)
    if query.metric != catalog.REQUEST_DURATION or not len(found.values):
        return requests, nothing
    unread = context.store.aggregate(_unread(query), Aggregation.SUM)
    return requests, np.nan_to_num(unread.values[0]) if len(unread.values) else nothing


def _unread(query: Query) -> Query:
    """The same of what was answered before a request was read: over capacity, or no HTTP."""
    return replace(query, where=(*query.where, *UNREAD_LABELS))


def _quantiles_of_read(
    context: QueryContext, query: Query, names: tuple[str, ...]
) -> NDArray[np.float64]:
    """Quantiles (N, T) of the requests that were read: of all, less those that were not."""
    counts = _dense(context.store.heatmap(query)) - _dense(context.store.heatmap(_unread(query)))
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


def _bounds(
    context: QueryContext, query: Query, names: tuple[str, ...], requests: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which percentiles (N, T) of a load run's `requests` (T,) are of requests that timed out.

    Their place lies beyond all that were answered.
    """
    timed_out = replace(query, metric=catalog.LOAD_ERRORS, where=(*query.where, *_TIMED_OUT))
    found = context.store.aggregate(timed_out, Aggregation.SUM)
    count = np.nan_to_num(found.values[0]) if len(found.values) else np.zeros(requests.size)
    return np.array([_is_bound(QUANTILES[name], requests, count) for name in names])


def _is_bound(
    q: float, requests: NDArray[np.float64], timed_out: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether the quantile q of so many requests lies among the slowest, those that timed out."""
    requests = np.nan_to_num(requests)
    is_bound: NDArray[np.bool_] = (timed_out > 0) & (
        np.ceil(q * requests - 1e-9) > requests - timed_out
    )
    return is_bound


def _percentiles(
    times: NDArray[np.int64],
    names: tuple[str, ...],
    values: NDArray[np.float64],
    requests: NDArray[np.float64],
    step: int,
) -> Lines:
    least = np.array([[least_count(QUANTILES[name])] for name in names])
    return Lines(
        times,
        names,
        np.where(requests >= least, values, np.nan),
        "s",
        step,
        without_mean=(True,) * len(names),
        requests=np.tile(requests, (len(names), 1)),
    )


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
) -> Distribution:
    """The distribution of durations in the span, with its percentiles that are supported.

    Connections answered before a request was read are left out.
    """
    query = span.query(metric, where=of_listener(listener))
    counts = durations(context, query).buckets
    used = np.flatnonzero(counts)
    if not used.size:
        return Distribution(np.empty(0), np.empty(0, np.int64), {}, ERROR_BOUND)
    edges = np.concatenate(([0.0], EDGES, [np.inf]))
    low, high = int(used[0]), int(used[-1])
    values = supported_quantiles(counts, list(QUANTILES.values())).tolist()
    marks = {
        name: value for name, value in zip(QUANTILES, values, strict=True) if not np.isnan(value)
    }
    bounds = frozenset(marks) & _bounds_of_span(context, query, int(counts.sum()))
    are_bounds = np.array([name in bounds for name in marks], dtype=bool)
    told = _from_below(np.array(list(marks.values())), are_bounds)
    marks = dict(zip(marks, told.tolist(), strict=True))
    return Distribution(edges[low : high + 2], counts[low : high + 1], marks, ERROR_BOUND, bounds)


def _bounds_of_span(context: QueryContext, query: Query, requests: int) -> frozenset[str]:
    """The names of the quantiles over a whole span that are lower bounds."""
    if query.metric not in _BY_CLIENT:
        return frozenset()
    timed_out = replace(query, metric=catalog.LOAD_ERRORS, where=(*query.where, *_TIMED_OUT))
    count = float(context.store.total(timed_out).count.sum())
    found = {
        name: _is_bound(q, np.array([requests]), np.array([count])) for name, q in QUANTILES.items()
    }
    return frozenset(name for name, is_bound in found.items() if is_bound.all())

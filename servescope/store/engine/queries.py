"""The operations on a query, answered by the engine alone: of one host, or of all together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import histogram
from servescope.catalog import BY_NAME, Kind
from servescope.store.engine import gauges
from servescope.store.engine.names import BUCKET
from servescope.store.engine.reader import Cells
from servescope.store.query import (
    Aggregation,
    require_aggregation,
    require_histogram,
    require_total,
)
from servescope.store.results import (
    HeatmapResult,
    QuantileResult,
    RangeResult,
    TotalResult,
    means,
)
from servescope.store.tiers import whole_minutes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from servescope.store.base import SeriesKey
    from servescope.store.engine.hosts import Fleet
    from servescope.store.engine.reader import EngineReader
    from servescope.store.query import Query

_COUNT: Final = {Kind.COUNTER: "", Kind.HISTOGRAM: "_count"}


class EngineQueries:
    """`Queryable` on the engine. Raises EngineAwayError and EngineRefusedError."""

    def __init__(self, reader: EngineReader, fleet: Fleet) -> None:
        self._reader = reader
        self._fleet = fleet

    def bounds(self) -> tuple[int, int] | None:
        """Seconds of the oldest and the newest frame, None when there is none."""
        return self._fleet.bounds(self._reader.instance)

    def series(self, metric: str) -> list[SeriesKey]:
        """The known series of a metric, sorted."""
        return self._reader.series(metric)

    def aggregate(self, query: Query, aggregation: Aggregation) -> RangeResult:
        """Values over time."""
        query, groups = self._prepared(query)
        if not groups:
            return RangeResult.empty(query.steps)
        reader, kind = self._reader, BY_NAME[query.metric].kind
        require_aggregation(query, kind, aggregation)
        if kind is Kind.GAUGE:
            found = (
                gauges.average(reader, query)
                if aggregation is Aggregation.AVG
                else gauges.extreme(reader, query, aggregation)
            )
            return _range_result(query, *_in_order(groups, found, np.nan))
        increases = reader.rates if aggregation is Aggregation.RATE else reader.summed
        groups, values = _in_order(groups, increases(query, _COUNT[kind]), 0.0)
        values[:, reader.seconds(query.steps) == 0] = np.nan
        return _range_result(query, groups, values)

    def mean(self, query: Query) -> RangeResult:
        """Mean in seconds of a histogram's values."""
        query, groups = self._prepared(query)
        if not groups:
            return RangeResult.empty(query.steps)
        require_histogram(query, BY_NAME[query.metric].kind)
        groups, counts = _in_order(groups, self._reader.summed(query, "_count"), 0.0)
        groups, sums = _in_order(groups, self._reader.summed(query, "_sum"), 0.0)
        missing = np.zeros((len(groups) - len(counts), len(query.steps)))
        return _range_result(query, groups, means(sums, np.concatenate([counts, missing])))

    def quantiles(self, query: Query, qs: Sequence[float]) -> QuantileResult:
        """Quantiles of merged histograms."""
        query, groups = self._prepared(query)
        if not groups:
            return QuantileResult.empty(query.steps, len(qs))
        require_histogram(query, BY_NAME[query.metric].kind)
        groups, low, counts = _dense(groups, self._reader.summed(_by_bucket(query), "_bucket"))
        values = histogram.quantiles(counts, qs, low).transpose(0, 2, 1)
        steps = query.steps
        return QuantileResult(steps.times, groups, values, steps.step, histogram.ERROR_BOUND)

    def heatmap(self, query: Query) -> HeatmapResult:
        """Counts by bucket over time."""
        query, groups = self._prepared(replace(query, by=()))
        steps = query.steps
        if not groups:
            return HeatmapResult.empty(steps)
        require_histogram(query, BY_NAME[query.metric].kind)
        found = self._reader.summed(_by_bucket(query), "_bucket")
        _, low, counts = _dense([()], found)
        used = counts[0].T if found.groups else np.empty((0, len(steps)))
        used[:, self._reader.seconds(steps) == 0] = np.nan
        return HeatmapResult.of_buckets(steps, low, used)

    def total(self, query: Query) -> TotalResult:
        """One figure for the whole span."""
        groups = self._reader.groups(query) if query.start < query.end else []
        if not groups:
            return TotalResult.empty()
        kind = BY_NAME[query.metric].kind
        require_total(query, kind)
        bounds = self.bounds()
        if bounds is not None:  # years before the first frame need no windows of their own
            query = replace(query, start=min(max(query.start, bounds[0]), query.end - 1))
        if kind is Kind.COUNTER:
            counts = self._reader.totals(query, "")
            groups = groups + sorted(set(counts) - set(groups))
            shape = (len(groups), histogram.BUCKETS)
            count = np.array([counts.get(group, 0.0) for group in groups])
            return TotalResult(groups, count, np.zeros(len(groups)), np.zeros(shape, np.int64))
        cells = self._reader.totals(_by_bucket(query), "_bucket")
        found = Cells(list(cells), np.array(list(cells.values())).reshape(-1, 1))
        groups, low, dense = _dense(groups, found)
        buckets = np.zeros((len(groups), histogram.BUCKETS), np.int64)
        buckets[:, low : low + dense.shape[2]] = np.rint(dense[:, 0])
        sums = self._reader.totals(query, "_sum")
        return TotalResult(
            groups,
            buckets.sum(axis=1).astype(np.float64),
            np.array([sums.get(group, 0.0) for group in groups]),
            buckets,
        )

    def _prepared(self, query: Query) -> tuple[Query, list[tuple[str, ...]]]:
        """The query in the step in which it is answered, and the groups it selects."""
        query = replace(query, step=whole_minutes(query.step))
        return query, self._reader.groups(query) if len(query.steps) else []


def _by_bucket(query: Query) -> Query:
    return replace(query, by=(*query.by, BUCKET))


def _range_result(
    query: Query, groups: list[tuple[str, ...]], values: NDArray[np.float64]
) -> RangeResult:
    return RangeResult(query.steps.times, groups, values, query.step)


def _in_order(
    groups: list[tuple[str, ...]], found: Cells, filling: float
) -> tuple[list[tuple[str, ...]], NDArray[np.float64]]:
    """The answer's rows in the order of the groups; those it lacks filled, those it has added."""
    groups = groups + sorted(set(found.groups) - set(groups))
    place = {group: index for index, group in enumerate(groups)}
    values = np.full((len(groups), found.values.shape[1]), filling)
    for group, row in zip(found.groups, found.values, strict=True):
        values[place[group]] = np.where(np.isnan(row), filling, row)
    return groups, values


def _dense(
    groups: list[tuple[str, ...]], found: Cells
) -> tuple[list[tuple[str, ...]], int, NDArray[np.float64]]:
    """Counts (groups, steps, buckets) of rows whose last label is the bucket, and the lowest."""
    numbers = [int(group[-1]) if group[-1].isdecimal() else 0 for group in found.groups]
    groups = groups + sorted({group[:-1] for group in found.groups} - set(groups))
    place = {group: index for index, group in enumerate(groups)}
    kept = [
        (place[group[:-1]], number, row)
        for group, number, row in zip(found.groups, numbers, found.values, strict=True)
        if number < histogram.BUCKETS and np.nansum(row) > 0
    ]
    low = min((number for _, number, _ in kept), default=0)
    width = max((number for _, number, _ in kept), default=low) + 1 - low
    counts = np.zeros((len(groups), found.values.shape[1], width))
    for index, number, row in kept:
        counts[index, :, number - low] += np.nan_to_num(row)
    return groups, low, counts

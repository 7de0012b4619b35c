"""The operations on a query: blocks of rows become steps of time and groups of series.

Gaps stay gaps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from servescope import histogram
from servescope.catalog import Kind
from servescope.histogram import BUCKETS
from servescope.store.codec.chunks import Plane
from servescope.store.codec.rows import distinct
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
from servescope.store.steps import Steps
from servescope.store.tiers import FINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from servescope.store.query import Query
    from servescope.store.sqlite.blocks import Block, BucketBlock
    from servescope.store.sqlite.reading import Source
    from servescope.store.sqlite.segments import Segment
    from servescope.store.sqlite.series import Selection

_CELLS_AT_ONCE: Final = 2**18
"""Buckets held at a time while quantiles are worked out: 2 MiB, which stay in a core's cache."""

_ADDING_PLANE: Final = {Kind.COUNTER: Plane.INCREASE, Kind.HISTOGRAM: Plane.HIST_COUNT}
_EXTREMES: Final = {
    Aggregation.MIN: (np.fmin, Plane.LOWEST),
    Aggregation.MAX: (np.fmax, Plane.HIGHEST),
}


class Scan(NamedTuple):
    """The sources of the answer to a query.

    `selection`: the series it selects, by group; `segments`: the parts of its span, each with the
    tier that has it; `steps`: the time axis of the answer.
    """

    query: Query
    source: Source
    selection: Selection
    segments: list[Segment]
    steps: Steps


def _step_runs(
    steps: Steps, times: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.intp] | slice]:
    """The places in `times`, which ascend, where a new step begins; the indexes of these steps."""
    step_of = (times - steps.first) // steps.step
    starts = _starts(step_of)
    indexes = step_of[starts].astype(np.intp)
    if indexes[-1] - indexes[0] + 1 == indexes.size:
        return starts, slice(int(indexes[0]), int(indexes[-1]) + 1)
    return starts, indexes


def _starts(ascending: NDArray[np.int64]) -> NDArray[np.intp]:
    """The places where a run of equal values begins."""
    begins = np.empty(ascending.size, bool)
    begins[0] = True
    np.not_equal(ascending[1:], ascending[:-1], out=begins[1:])
    return np.flatnonzero(begins)


def _fold(
    values: NDArray[np.float64], starts: NDArray[np.intp], ufunc: np.ufunc
) -> NDArray[np.float64]:
    """Combine neighbouring columns; `starts` says where each run of them begins."""
    columns = values.shape[1]
    if starts.size == columns:
        return values
    length = columns // starts.size
    if length * starts.size == columns and bool((np.diff(starts) == length).all()):
        regular: NDArray[np.float64] = ufunc.reduce(values.reshape(len(values), -1, length), axis=2)
        return regular
    folded: NDArray[np.float64] = ufunc.reduceat(values, starts, axis=1)
    return folded


def _by_place(
    values: NDArray[np.float64], places: NDArray[np.intp], ufunc: np.ufunc
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Combine rows of the same place."""
    if bool((places[1:] > places[:-1]).all()):
        return places, values
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    starts = _starts(ordered)
    return ordered[starts], ufunc.reduceat(values[order], starts, axis=0)


def _grouped(values: NDArray[np.float64], selection: Selection) -> NDArray[np.float64]:
    """Values (series, steps) added up to those of the groups."""
    if len(selection.groups) == len(values):
        return values
    added: NDArray[np.float64] = np.add.reduceat(values, _starts(selection.group_of), axis=0)
    return added


def _add(out: NDArray[np.float64], block: Block, steps: Steps) -> None:
    """Add a block's values, which hold no NaN, into `out` (places, steps)."""
    if block.times.size and block.places.size:
        starts, indexes = _step_runs(steps, block.times)
        values = _fold(block.values, starts, np.add)
        if not isinstance(indexes, slice):
            out[block.places[:, None], indexes] += values
        elif block.places.size == len(out):  # all of them, and they ascend
            out[:, indexes] += values
        else:
            out[block.places, indexes] += values


def _add_seconds(out: NDArray[np.float64], block: Block | BucketBlock, steps: Steps) -> None:
    if block.times.size:
        starts, indexes = _step_runs(steps, block.times)
        out[indexes] += np.add.reduceat(block.seconds, starts)


def aggregate(scan: Scan, aggregation: Aggregation) -> RangeResult:
    """Values over time. Raises ValueError when the aggregation does not suit the metric's kind."""
    kind = scan.selection.kind
    require_aggregation(scan.query, kind, aggregation)
    if aggregation is Aggregation.AVG:
        values = _gauge_average(scan)
    elif kind is Kind.GAUGE:
        values = _gauge_extreme(scan, aggregation)
    else:
        values, seconds = _increases(scan, _ADDING_PLANE[kind])
        if aggregation is Aggregation.RATE:
            values /= np.where(seconds > 0, seconds, 1.0)
        values[:, seconds == 0] = np.nan
    return _range_result(scan, values)


def mean(scan: Scan) -> RangeResult:
    """Mean of a histogram's values. Raises ValueError for another kind."""
    require_histogram(scan.query, scan.selection.kind)
    sums, _ = _increases(scan, Plane.HIST_SUM)
    counts, _ = _increases(scan, Plane.HIST_COUNT)
    return _range_result(scan, means(sums, counts))


def _range_result(scan: Scan, values: NDArray[np.float64]) -> RangeResult:
    return RangeResult(scan.steps.times, list(scan.selection.groups), values, scan.steps.step)


def _increases(scan: Scan, plane: Plane) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums (groups, steps) of a plane that adds, and seconds with a frame (steps,)."""
    selection, steps = scan.selection, scan.steps
    sums = np.zeros((selection.group_of.size, len(steps)))
    seconds = np.zeros(len(steps))
    for block in scan.source.matrices(plane, scan.segments, selection.position):
        _add(sums, block, steps)
        _add_seconds(seconds, block, steps)
    # A second lived twice, because the clock was set back, is still one on the axis.
    return _grouped(sums, selection), np.minimum(seconds, steps.step)


def _without_nan(block: Block) -> Block:
    absent = np.isnan(block.values)
    return block._replace(values=np.where(absent, 0.0, block.values)) if absent.any() else block


def _gauge_average(scan: Scan) -> NDArray[np.float64]:
    """Each series averaged over its readings in a step, then summed in its group."""
    selection, steps = scan.selection, scan.steps
    series = selection.group_of.size
    sums = np.zeros((series, len(steps)))
    # One line for all series as long as they were all read in the same seconds, which is the rule.
    readings, alike = np.zeros((1, len(steps))), True
    for values, number in scan.source.gauges(scan.segments, selection.position):
        _add(sums, _without_nan(values), steps)
        if alike and not (len(number.values) == 1 and number.places.size == series):
            readings, alike = np.repeat(readings, series, axis=0), False
        counted = number._replace(places=number.places[:1]) if alike else number
        _add(readings, _without_nan(counted), steps)
    with np.errstate(invalid="ignore"):
        averages = np.divide(sums, readings, out=sums)  # 0 / 0: not read in this step
    if len(selection.groups) == series:
        return averages
    summed = _grouped(np.where(readings > 0, averages, 0.0), selection)
    read = readings if alike else _grouped(readings, selection)
    return np.where(read > 0, summed, np.nan)


def _gauge_extreme(scan: Scan, aggregation: Aggregation) -> NDArray[np.float64]:
    """The lowest or highest reading of a group in a step."""
    selection, steps = scan.selection, scan.steps
    ufunc, coarse_plane = _EXTREMES[aggregation]
    out = np.full((len(selection.groups), len(steps)), np.nan)
    for segment in scan.segments:
        plane = Plane.VALUE if segment.tier == FINE else coarse_plane
        for block in scan.source.matrices(plane, [segment], selection.position):
            if not (block.times.size and block.places.size):
                continue
            starts, indexes = _step_runs(steps, block.times)
            groups, values = _by_place(
                _fold(block.values, starts, ufunc), selection.group_of[block.places], ufunc
            )
            at = (groups, indexes) if isinstance(indexes, slice) else (groups[:, None], indexes)
            out[at] = ufunc(out[at], values)
    return out


def quantiles(scan: Scan, qs: Sequence[float]) -> QuantileResult:
    """Quantiles of merged histograms. Raises ValueError for another kind."""
    require_histogram(scan.query, scan.selection.kind)
    selection, steps = scan.selection, scan.steps
    out = np.full((len(selection.groups), len(qs), len(steps)), np.nan)
    for several in _apart(scan.source.buckets(scan.segments, selection.group), steps):
        if len(several) > 1:
            _merged_quantiles(several, steps, qs, out)
            continue
        indexes, places, counts = _by_step(several[0], steps)
        found = histogram.quantiles_by_bucket(counts, qs, several[0].lowest)
        if isinstance(indexes, slice):
            out[places, :, indexes] = found.transpose(1, 0, 2)
        else:
            out[places[:, None], :, indexes] = found.transpose(1, 2, 0)
    groups = list(selection.groups)
    return QuantileResult(steps.times, groups, out, steps.step, histogram.ERROR_BOUND)


def _apart(blocks: Iterator[BucketBlock], steps: Steps) -> list[list[BucketBlock]]:
    """The blocks, those together that may share steps: nearly all have steps of their own."""
    apart: list[list[BucketBlock]] = []
    last = -1
    used = [block for block in blocks if block.counts.size and block.times.size]
    for block in sorted(used, key=lambda block: int(block.times[0])):
        if steps.index_of(block.times[0]) > last:
            apart.append([])
        apart[-1].append(block)
        last = max(last, steps.index_of(block.times[-1]))
    return apart


def _merged_quantiles(
    blocks: Sequence[BucketBlock],
    steps: Steps,
    qs: Sequence[float],
    out: NDArray[np.float64],
) -> None:
    """Put the quantiles of blocks that share steps into `out`."""
    groups = len(out)
    width = max(len(block.counts) for block in blocks)
    at_once = max(1, _CELLS_AT_ONCE // (groups * width))
    begin = min(steps.index_of(block.times[0]) for block in blocks)
    end = max(steps.index_of(block.times[-1]) for block in blocks) + 1
    for low in range(begin, end, at_once):
        high = min(low + at_once, end)
        some = Steps(steps.first + low * steps.step, steps.first + high * steps.step, steps.step)
        spread = _spread([_cut(block, some) for block in blocks], groups, some)
        if len(spread.counts):
            found = histogram.quantiles_by_bucket(spread.counts, qs, spread.lowest)
            out[:, :, low:high] = found.transpose(1, 0, 2)


def _cut(block: BucketBlock, steps: Steps) -> BucketBlock:
    """The rows of a block that lie in some steps; a view."""
    low, high = np.searchsorted(block.times, (steps.first, steps.end))
    if low == 0 and high == block.times.size:
        return block
    return block._replace(
        times=block.times[low:high],
        seconds=block.seconds[low:high],
        counts=block.counts[:, :, low:high],
    )


class _Spread(NamedTuple):
    """`counts[b, g, t]` values of group g fell into bucket `lowest + b` in step t."""

    lowest: int
    counts: NDArray[np.int64]  # (buckets, groups, steps)
    seconds: NDArray[np.float64]  # with a frame, of each step


def _spread(blocks: Sequence[BucketBlock], groups: int, steps: Steps) -> _Spread:
    seconds = np.zeros(len(steps))
    for block in blocks:
        _add_seconds(seconds, block, steps)
    used = [block for block in blocks if block.counts.size]
    lowest = min((block.lowest for block in used), default=0)
    width = max((block.lowest + len(block.counts) for block in used), default=lowest) - lowest
    counts = np.zeros((width, groups, len(steps)), np.int64)
    touched = np.zeros(len(steps), bool)
    for block in used:
        indexes, places, added = _by_step(block, steps)
        at = block.lowest - lowest
        target = counts[at : at + len(added)]
        if not isinstance(indexes, slice):
            target[:, places[:, None], indexes] += added
        elif touched[indexes].any() or places.size < groups:
            target[:, places, indexes] += added
        else:  # nothing to add to yet, which is the rule: writing costs half of adding
            target[:, places, indexes] = added
        touched[indexes] = True
    return _Spread(lowest, counts, seconds)


def _by_step(
    block: BucketBlock, steps: Steps
) -> tuple[NDArray[np.intp] | slice, NDArray[np.intp], NDArray[np.integer]]:
    """The steps and groups of a block, and its counts (buckets, groups, steps)."""
    starts, indexes = _step_runs(steps, block.times)
    added: NDArray[np.integer] = block.counts
    if starts.size != block.times.size:
        added = np.add.reduceat(added, starts, axis=2, dtype=np.int64)
    return indexes, *_groups_added(added, block.places)


def _groups_added(
    counts: NDArray[np.integer], places: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.integer]]:
    """Counts (buckets, series, rows) of the series of a place added up."""
    if distinct(places).size == places.size:
        return places, counts
    if bool((places == places[0]).all()):
        return places[:1], counts.sum(axis=1, keepdims=True, dtype=np.int64)
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    starts = _starts(ordered)
    return ordered[starts], np.add.reduceat(counts[:, order], starts, axis=1, dtype=np.int64)


def heatmap(scan: Scan) -> HeatmapResult:
    """Counts by bucket and step, cut to the buckets in use. Raises ValueError for another kind."""
    require_histogram(scan.query, scan.selection.kind)
    everything = np.minimum(scan.selection.group, 0)
    blocks = list(scan.source.buckets(scan.segments, everything))
    lowest, spread, seconds = _spread(blocks, 1, scan.steps)
    counts = spread[:, 0].astype(np.float64)
    used = np.flatnonzero(counts.any(axis=1))
    low, high = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
    counts = counts[low:high]
    counts[:, seconds == 0] = np.nan
    return HeatmapResult.of_buckets(scan.steps, lowest + low, counts)


def total(scan: Scan) -> TotalResult:
    """Counts, sums and merged buckets of each group. Raises ValueError for a gauge."""
    selection, source = scan.selection, scan.source
    require_total(scan.query, selection.kind)
    is_histogram = selection.kind is Kind.HISTOGRAM
    groups = len(selection.groups)
    count, sum_s = np.zeros(groups), np.zeros(groups)
    buckets = np.zeros((groups, BUCKETS), np.int64)
    planes = [(_ADDING_PLANE[selection.kind], count)]
    if is_histogram:
        planes.append((Plane.HIST_SUM, sum_s))
    for plane, out in planes:
        for block in source.matrices(plane, scan.segments, selection.position):
            np.add.at(out, selection.group_of[block.places], block.values.sum(axis=1))
    if is_histogram:
        for cells in source.buckets(scan.segments, selection.group):
            if cells.counts.size:
                whole = cells.counts.sum(axis=2, dtype=np.int64, keepdims=True)
                places, added = _groups_added(whole, cells.places)
                high = cells.lowest + len(added)
                buckets[places, cells.lowest : high] += added[:, :, 0].T
    return TotalResult(list(selection.groups), count, sum_s, buckets)

"""From blocks of rows to answers: steps of time and groups of series, with gaps kept as gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from servescope import histogram
from servescope.histogram import BUCKETS
from servescope.store.base import Aggregation, HeatmapResult, TotalResult
from servescope.store.codec.chunks import Plane
from servescope.store.codec.rows import distinct
from servescope.store.tiers import FINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from servescope.store.sqlite.blocks import Block, BucketBlock
    from servescope.store.sqlite.reading import Source
    from servescope.store.sqlite.segments import Segment
    from servescope.store.sqlite.series import Selection

_CELLS_AT_ONCE: Final = 2**18
"""Buckets held at a time while quantiles are worked out: 2 MiB, which stay in a core's cache."""

_EXTREMES: Final = {
    Aggregation.MIN: (np.fmin, Plane.LOWEST),
    Aggregation.MAX: (np.fmax, Plane.HIGHEST),
}


@dataclass(frozen=True, slots=True)
class Steps:
    """The time axis of an answer: whole multiples of `step` that cover `[start, end)`."""

    start: int
    end: int
    step: int

    @property
    def first(self) -> int:
        """Begin of the first step."""
        return self.start // self.step * self.step

    @property
    def times(self) -> NDArray[np.int64]:
        """Begin of each step."""
        return self.first + self.step * np.arange(len(self), dtype=np.int64)

    def __len__(self) -> int:
        return -(-(self.end - self.first) // self.step) if self.start < self.end else 0

    def of(self, ts: int) -> int:
        """The number of the step a second lies in."""
        return int(ts - self.first) // self.step

    def runs(self, times: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp] | slice]:
        """Where in `times`, which ascend, a new step begins, and which steps these are."""
        slot = (times - self.first) // self.step
        starts = _starts(slot)
        slots = slot[starts].astype(np.intp)
        if slots[-1] - slots[0] + 1 == slots.size:
            return starts, slice(int(slots[0]), int(slots[-1]) + 1)
        return starts, slots


def _starts(ascending: NDArray[np.int64]) -> NDArray[np.intp]:
    """Where a run of equal values begins."""
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
        starts, slots = steps.runs(block.times)
        values = _fold(block.values, starts, np.add)
        if not isinstance(slots, slice):
            out[block.places[:, None], slots] += values
        elif block.places.size == len(out):  # all of them, and they ascend
            out[:, slots] += values
        else:
            out[block.places, slots] += values


def _add_seconds(out: NDArray[np.float64], block: Block | BucketBlock, steps: Steps) -> None:
    if block.times.size:
        starts, slots = steps.runs(block.times)
        out[slots] += np.add.reduceat(block.seconds, starts)


def increases(
    source: Source, plane: Plane, selection: Selection, parts: list[Segment], steps: Steps
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums (groups, steps) of a plane that adds, and seconds with a frame (steps,)."""
    sums = np.zeros((selection.group_of.size, len(steps)))
    seconds = np.zeros(len(steps))
    for block in source.matrices(plane, parts, selection.position):
        _add(sums, block, steps)
        _add_seconds(seconds, block, steps)
    # A second lived twice, because the clock was set back, is still one on the axis.
    return _grouped(sums, selection), np.minimum(seconds, steps.step)


def _without_nan(block: Block) -> Block:
    absent = np.isnan(block.values)
    return block._replace(values=np.where(absent, 0.0, block.values)) if absent.any() else block


def gauge_average(
    source: Source, selection: Selection, parts: list[Segment], steps: Steps
) -> NDArray[np.float64]:
    """Each series averaged over its readings in a step, then summed in its group."""
    series = selection.group_of.size
    sums = np.zeros((series, len(steps)))
    # One line for all series as long as they were all read in the same seconds, which is the rule.
    readings, alike = np.zeros((1, len(steps))), True
    for values, number in source.gauges(parts, selection.position):
        _add(sums, _without_nan(values), steps)
        if alike and not (len(number.values) == 1 and number.places.size == series):
            readings, alike = np.repeat(readings, series, axis=0), False
        told = number._replace(places=number.places[:1]) if alike else number
        _add(readings, _without_nan(told), steps)
    with np.errstate(invalid="ignore"):
        averages = np.divide(sums, readings, out=sums)  # 0 / 0: not read in this step
    if len(selection.groups) == series:
        return averages
    summed = _grouped(np.where(readings > 0, averages, 0.0), selection)
    read = readings if alike else _grouped(readings, selection)
    return np.where(read > 0, summed, np.nan)


def gauge_extreme(
    source: Source,
    selection: Selection,
    parts: list[Segment],
    steps: Steps,
    agg: Aggregation,
) -> NDArray[np.float64]:
    """The lowest or highest reading of a group in a step."""
    ufunc, coarse_plane = _EXTREMES[agg]
    out = np.full((len(selection.groups), len(steps)), np.nan)
    for part in parts:
        plane = Plane.VALUE if part.tier == FINE else coarse_plane
        for block in source.matrices(plane, [part], selection.position):
            if not (block.times.size and block.places.size):
                continue
            starts, slots = steps.runs(block.times)
            groups, values = _by_place(
                _fold(block.values, starts, ufunc), selection.group_of[block.places], ufunc
            )
            at = (groups, slots) if isinstance(slots, slice) else (groups[:, None], slots)
            out[at] = ufunc(out[at], values)
    return out


def quantiles(
    source: Source,
    selection: Selection,
    parts: list[Segment],
    steps: Steps,
    qs: Sequence[float],
) -> NDArray[np.float64]:
    """Quantiles (groups, quantiles, steps) of merged histograms; NaN where nothing was counted."""
    out = np.full((len(selection.groups), len(qs), len(steps)), np.nan)
    for several in _apart(source.buckets(parts, selection.group), steps):
        if len(several) > 1:
            _merged_quantiles(several, steps, qs, out)
            continue
        slots, places, counts = _by_step(several[0], steps)
        found = histogram.quantiles_by_bucket(counts, qs, several[0].lowest)
        if isinstance(slots, slice):
            out[places, :, slots] = found.transpose(1, 0, 2)
        else:
            out[places[:, None], :, slots] = found.transpose(1, 2, 0)
    return out


def _apart(blocks: Iterator[BucketBlock], steps: Steps) -> list[list[BucketBlock]]:
    """The blocks, those together that may tell of the same steps: nearly all tell of their own."""
    apart: list[list[BucketBlock]] = []
    last = -1
    used = [block for block in blocks if block.counts.size and block.times.size]
    for block in sorted(used, key=lambda block: int(block.times[0])):
        if steps.of(block.times[0]) > last:
            apart.append([])
        apart[-1].append(block)
        last = max(last, steps.of(block.times[-1]))
    return apart


def _merged_quantiles(
    blocks: Sequence[BucketBlock],
    steps: Steps,
    qs: Sequence[float],
    out: NDArray[np.float64],
) -> None:
    """Put the quantiles of blocks that tell of the same steps into `out`."""
    groups = len(out)
    width = max(len(block.counts) for block in blocks)
    at_once = max(1, _CELLS_AT_ONCE // (groups * width))
    begin = min(steps.of(block.times[0]) for block in blocks)
    end = max(steps.of(block.times[-1]) for block in blocks) + 1
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
        slots, places, added = _by_step(block, steps)
        at = block.lowest - lowest
        target = counts[at : at + len(added)]
        if not isinstance(slots, slice):
            target[:, places[:, None], slots] += added
        elif touched[slots].any() or places.size < groups:
            target[:, places, slots] += added
        else:  # nothing to add to yet, which is the rule: writing costs half of adding
            target[:, places, slots] = added
        touched[slots] = True
    return _Spread(lowest, counts, seconds)


def _by_step(
    block: BucketBlock, steps: Steps
) -> tuple[NDArray[np.intp] | slice, NDArray[np.intp], NDArray[np.integer]]:
    """Which steps and groups a block tells of, and its counts (buckets, groups, steps)."""
    starts, slots = steps.runs(block.times)
    added: NDArray[np.integer] = block.counts
    if starts.size != block.times.size:
        added = np.add.reduceat(added, starts, axis=2, dtype=np.int64)
    return slots, *_groups_added(added, block.places)


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


def heatmap(
    source: Source, selection: Selection, parts: list[Segment], steps: Steps
) -> HeatmapResult:
    """Counts by bucket and step, cut to the buckets in use."""
    everything = np.minimum(selection.group, 0)
    lowest, spread, seconds = _spread(list(source.buckets(parts, everything)), 1, steps)
    counts = spread[:, 0].astype(np.float64)
    used = np.flatnonzero(counts.any(axis=1))
    low, high = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
    counts = counts[low:high]
    counts[:, seconds == 0] = np.nan
    edges = np.concatenate(([0.0], histogram.EDGES, [np.inf]))
    return HeatmapResult(steps.times, edges[lowest + low : lowest + high + 1], counts, steps.step)


def total(
    source: Source, selection: Selection, parts: list[Segment], planes: Sequence[Plane]
) -> TotalResult:
    """Counts, sums and merged buckets of each group over all parts."""
    groups = len(selection.groups)
    count, sum_s = np.zeros(groups), np.zeros(groups)
    buckets = np.zeros((groups, BUCKETS), np.int64)
    for plane, out in zip(planes, (count, sum_s), strict=False):
        for block in source.matrices(plane, parts, selection.position):
            np.add.at(out, selection.group_of[block.places], block.values.sum(axis=1))
    if Plane.HIST_SUM in planes:
        for cells in source.buckets(parts, selection.group):
            if cells.counts.size:
                whole = cells.counts.sum(axis=2, dtype=np.int64, keepdims=True)
                places, added = _groups_added(whole, cells.places)
                high = cells.lowest + len(added)
                buckets[places, cells.lowest : high] += added[:, :, 0].T
    return TotalResult(list(selection.groups), count, sum_s, buckets)

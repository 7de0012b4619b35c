"""From blocks of rows to answers: steps of time and groups of series, with gaps kept as gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from servescope import histogram
from servescope.histogram import BUCKETS
from servescope.store.base import Aggregation, HeatmapResult, TotalResult
from servescope.store.chunks import Plane
from servescope.store.closing import COARSE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from servescope.store.reading import Block, BucketBlock, Segment, Source
    from servescope.store.series import Selection

_CELLS_AT_ONCE: Final = 2**22
"""Buckets held at a time while quantiles are worked out: 32 MiB."""

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
    if starts.size == values.shape[1]:
        return values
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


def _add(out: NDArray[np.float64], block: Block, steps: Steps) -> None:
    """Add a block's values, which hold no NaN, into `out` (places, steps)."""
    if block.times.size and block.places.size:
        starts, slots = steps.runs(block.times)
        places, values = _by_place(_fold(block.values, starts, np.add), block.places, np.add)
        if isinstance(slots, slice):
            out[places, slots] += values
        else:
            out[places[:, None], slots] += values


def _add_seconds(out: NDArray[np.float64], block: Block | BucketBlock, steps: Steps) -> None:
    if block.times.size:
        starts, slots = steps.runs(block.times)
        out[slots] += np.add.reduceat(block.seconds, starts)


def increases(
    source: Source, plane: Plane, selection: Selection, parts: list[Segment], steps: Steps
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums (groups, steps) of a plane that adds, and seconds with a frame (steps,)."""
    sums = np.zeros((len(selection.groups), len(steps)))
    seconds = np.zeros(len(steps))
    for block in source.matrices(plane, parts, selection.group):
        _add(sums, block, steps)
        _add_seconds(seconds, block, steps)
    return sums, seconds


def gauge_average(
    source: Source, selection: Selection, parts: list[Segment], steps: Steps
) -> NDArray[np.float64]:
    """Each series averaged over its readings in a step, then summed in its group."""
    shape = (selection.group_of.size, len(steps))
    sums, readings = np.zeros(shape), np.zeros(shape)
    for block in source.matrices(Plane.VALUE, parts, selection.position):
        there = ~np.isnan(block.values)
        _add(sums, block._replace(values=np.where(there, block.values, 0.0)), steps)
        if block.tier != COARSE:
            _add(readings, block._replace(values=there.astype(np.float64)), steps)
    coarse = [part for part in parts if part.tier == COARSE]
    for block in source.matrices(Plane.READINGS, coarse, selection.position):
        _add(readings, block._replace(values=np.nan_to_num(block.values)), steps)
    with np.errstate(invalid="ignore"):
        averages = sums / readings  # 0 / 0: not read in this step
    _, summed = _by_place(np.where(readings > 0, averages, 0.0), selection.group_of, np.add)
    _, read = _by_place(readings, selection.group_of, np.add)
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
        plane = coarse_plane if part.tier == COARSE else Plane.VALUE
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
    groups = len(selection.groups)
    out = np.full((groups, len(qs), len(steps)), np.nan)
    at_once = max(1, _CELLS_AT_ONCE // (groups * BUCKETS))
    for low in range(0, len(steps), at_once):
        some = Steps(
            steps.first + low * steps.step,
            steps.first + min(low + at_once, len(steps)) * steps.step,
            steps.step,
        )
        clipped = [
            part._replace(start=max(part.start, some.start), end=min(part.end, some.end))
            for part in parts
            if part.start < some.end and part.end > some.start
        ]
        cells = _spread(source, selection, clipped, some)
        if not cells.counts.size:
            continue
        lowest = int(cells.bucket.min())
        width = int(cells.bucket.max()) + 1 - lowest
        row = cells.place * len(some) + cells.step
        dense = np.bincount(
            row * width + cells.bucket - lowest, cells.counts, groups * len(some) * width
        ).reshape(-1, width)
        counted = np.flatnonzero(np.bincount(row, minlength=groups * len(some)))
        group, step = np.divmod(counted, len(some))
        out[group, :, low + step] = histogram.quantiles(dense[counted], qs, lowest)
    return out


class _Cells(NamedTuple):
    """Buckets of a span: `counts[i]` values in `bucket[i]` of group `place[i]` in `step[i]`."""

    place: NDArray[np.intp]
    step: NDArray[np.intp]
    bucket: NDArray[np.intp]
    counts: NDArray[np.int64]
    seconds: NDArray[np.float64]  # with a frame, of each step


def _spread(source: Source, selection: Selection, parts: list[Segment], steps: Steps) -> _Cells:
    blocks = list(source.buckets(parts, selection.group))
    seconds = np.zeros(len(steps))
    for block in blocks:
        _add_seconds(seconds, block, steps)
    if not blocks:
        nothing = np.empty(0, np.intp)
        return _Cells(nothing, nothing, nothing, np.empty(0, np.int64), seconds)
    return _Cells(
        np.concatenate([block.places for block in blocks]),
        np.concatenate([(block.times // steps.step)[block.row] for block in blocks])
        - steps.first // steps.step,
        np.concatenate([block.bucket for block in blocks]).astype(np.intp),
        np.concatenate([block.counts for block in blocks]),
        seconds,
    )


def heatmap(
    source: Source, selection: Selection, parts: list[Segment], steps: Steps
) -> HeatmapResult:
    """Counts by bucket and step, cut to the buckets in use."""
    cells = _spread(source, selection, parts, steps)
    low, high = (
        (int(cells.bucket.min()), int(cells.bucket.max()) + 1) if cells.bucket.size else (0, 0)
    )
    counts: NDArray[np.float64] = np.bincount(
        (cells.bucket - low) * len(steps) + cells.step, cells.counts, (high - low) * len(steps)
    ).astype(np.float64)
    counts = counts.reshape(high - low, len(steps))
    counts[:, cells.seconds == 0] = np.nan
    edges = np.concatenate(([0.0], histogram.EDGES, [np.inf]))
    return HeatmapResult(steps.times, edges[low : high + 1], counts, steps.step)


def total(
    source: Source, selection: Selection, parts: list[Segment], planes: Sequence[Plane]
) -> TotalResult:
    """Counts, sums and merged buckets of each group over all parts."""
    groups = len(selection.groups)
    count, sum_s = np.zeros(groups), np.zeros(groups)
    buckets = np.zeros(groups * BUCKETS)
    for plane, out in zip(planes, (count, sum_s), strict=False):
        for block in source.matrices(plane, parts, selection.group):
            np.add.at(out, block.places, block.values.sum(axis=1))
    if Plane.HIST_SUM in planes:
        for cells in source.buckets(parts, selection.group):
            buckets += np.bincount(
                cells.places * BUCKETS + cells.bucket, cells.counts, groups * BUCKETS
            )
    return TotalResult(
        list(selection.groups), count, sum_s, buckets.astype(np.int64).reshape(groups, BUCKETS)
    )

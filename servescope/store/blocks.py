"""Blocks: rows of one tier with the series that were asked for, ready to be added up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from servescope.histogram import BUCKETS
from servescope.store.chunks import GAUGE_PLANES, Plane
from servescope.store.frames import (
    NO_HISTOGRAMS,
    Columns,
    Histograms,
    distinct,
)
from servescope.store.packing import ROWS
from servescope.store.tiers import FINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from servescope.store.buckets import Buckets
    from servescope.store.matrices import Matrix, PackedMatrix
    from servescope.store.spans import Segment

_ALL_ROWS: Final = slice(0, ROWS)
_NAN: Final = float("nan")


class Block(NamedTuple):
    """Rows of one tier: `values[i, r]` of place `places[i]` at `times[r]`.

    NaN where a gauge was not read. `seconds[r]`: how many seconds of the row had a frame.
    """

    tier: int
    times: NDArray[np.int64]
    seconds: NDArray[np.float64]
    places: NDArray[np.intp]
    values: NDArray[np.float64]


class BucketBlock(NamedTuple):
    """Rows of histograms: `counts[b, i, r]` values of place `places[i]` at `times[r]`.

    They fell into bucket `lowest + b`.
    """

    times: NDArray[np.int64]
    seconds: NDArray[np.float64]
    places: NDArray[np.intp]
    lowest: int
    counts: NDArray[np.integer]


class Rows(NamedTuple):
    """Rows of one tier as they were stored, in order of time; `columns` or `histograms` of each."""

    tier: int
    times: list[int]
    seconds: list[int]
    columns: list[Columns]
    histograms: list[Histograms]

    def of_plane(self, plane: Plane) -> list[Columns]:
        """What each row tells of a plane, one value a series."""
        if plane is Plane.HIST_COUNT:
            return [Columns(one.ids, one.totals()[None]) for one in self.histograms]
        if plane is Plane.HIST_SUM:
            return [Columns(one.ids, one.sums[None]) for one in self.histograms]
        if plane in GAUGE_PLANES and self.tier != FINE:
            index = GAUGE_PLANES.index(plane)
            return [Columns(one.ids, one.values[index : index + 1]) for one in self.columns]
        return self.columns


def row_block(rows: Rows, plane: Plane, place_of: NDArray[np.intp]) -> Block:
    """Rows as a matrix of the places they touch."""
    decoded = rows.of_plane(plane)
    times, seconds = np.array(rows.times, np.int64), np.array(rows.seconds, np.float64)
    ids = decoded[0].ids if decoded else np.empty(0, np.uint32)
    if decoded and all(one.ids is ids for one in decoded):  # most rows tell of the same series
        place = place_of[ids]
        wanted = np.flatnonzero(place >= 0)
        wanted = wanted[np.argsort(place[wanted], kind="stable")]
        stacked = np.array([one.values[0] for one in decoded])
        return Block(rows.tier, times, seconds, place[wanted], stacked.T[wanted])
    flat = np.concatenate([one.values[0] for one in decoded] or [np.empty(0)])
    row = np.repeat(np.arange(len(decoded)), [one.ids.size for one in decoded])
    place = place_of[np.concatenate([one.ids for one in decoded] or [ids])]
    keep = place >= 0
    place, row, flat = place[keep], row[keep], flat[keep]
    shape = (int(place.max(initial=-1)) + 1, len(decoded))
    if plane in GAUGE_PLANES:
        values = np.full(shape, _NAN)
        values[place, row] = flat
    else:
        cells = np.bincount(place * len(decoded) + row, flat, minlength=shape[0] * shape[1])
        values = cells.astype(np.float64, copy=False).reshape(shape)
    return Block(rows.tier, times, seconds, np.arange(shape[0]), values)


def histogram_block(rows: Rows, place_of: NDArray[np.intp]) -> BucketBlock:
    """Rows of histograms as one dense block."""
    decoded = [*rows.histograms, NO_HISTOGRAMS]  # nothing to concatenate is an error
    ids = np.concatenate([one.ids for one in decoded])
    known = distinct(ids)
    known = known[place_of[known] >= 0]
    known = known[np.argsort(place_of[known], kind="stable")]
    position_of = np.full(place_of.size, -1, np.intp)
    position_of[known] = np.arange(known.size)
    position = position_of[np.repeat(ids, np.concatenate([one.lengths for one in decoded]))]
    keep = position >= 0
    bucket = np.concatenate([one.buckets for one in decoded])[keep].astype(np.intp)
    row = np.repeat(np.arange(len(decoded)), [one.counts.size for one in decoded])[keep]
    counts = np.concatenate([one.counts for one in decoded])[keep]
    lowest = int(bucket.min(initial=BUCKETS - 1))
    width = max(int(bucket.max(initial=0)) + 1 - lowest, 0)
    dense = np.zeros((width, known.size, len(rows.times)), np.int64)
    dense[bucket - lowest, position[keep], row] = counts
    return BucketBlock(
        np.array(rows.times, np.int64),
        np.array(rows.seconds, np.float64),
        place_of[known],
        lowest,
        dense,
    )


def _within(part: Segment, t0: int) -> slice:
    """The rows of a chunk that lie in the part."""
    first = max(0, -(-(part.start - t0) // part.tier))
    return slice(first, min(ROWS, -(-(part.end - t0) // part.tier)))


def from_matrix(
    part: Segment, t0: int, matrix: Matrix | PackedMatrix, place_of: NDArray[np.intp]
) -> Block:
    """The rows of a chunk that lie in the part, of the series asked for."""
    rows = _within(part, t0)
    place = place_of[matrix.ids]
    wanted = np.flatnonzero(place >= 0)
    places = place[wanted]
    order = np.argsort(places, kind="stable")
    values = matrix.rows(wanted[order])
    return Block(
        part.tier,
        _times(part, t0)[rows],
        matrix.seconds[rows].astype(np.float64),
        places[order],
        values if rows == _ALL_ROWS else values[:, rows],
    )


def _times(part: Segment, t0: int) -> NDArray[np.int64]:
    return np.arange(t0, t0 + part.tier * ROWS, part.tier, dtype=np.int64)


def joined(blocks: list[Block]) -> Iterator[Block]:
    """Neighbours in time that tell of the same places as one block: cheaper to work with."""
    run: list[Block] = []
    for block in blocks:
        if run and not np.array_equal(run[0].places, block.places):
            yield _concatenated(run)
            run = []
        run.append(block)
    if run:
        yield _concatenated(run)


def _concatenated(run: list[Block]) -> Block:
    if len(run) == 1:
        return run[0]
    return Block(
        run[0].tier,
        np.concatenate([block.times for block in run]),
        np.concatenate([block.seconds for block in run]),
        run[0].places,
        np.concatenate([block.values for block in run], axis=1),
    )


def one_each(block: Block) -> Block:
    """A reading where there is a value: what a row of tier 1 holds."""
    return block._replace(values=(~np.isnan(block.values)).astype(np.float64))


def as_often_as_seconds(block: Block) -> Block:
    """As many readings as seconds with a frame, where the gauge was read."""
    return block._replace(values=np.where(np.isnan(block.values), np.nan, block.seconds))


def without_replaced(block: Block, plane: Plane, late: Rows, place_of: NDArray[np.intp]) -> Block:
    """Take from a closed minute what a late row tells anew: its seconds, and its gauges."""
    first, last = int(block.times[0]), int(block.times[-1])
    columns = [number for number, ts in enumerate(late.times) if first <= ts <= last]
    if not columns:
        return block
    seconds, values = block.seconds.copy(), block.values.copy()
    told = late.of_plane(plane)
    for number in columns:
        column = late.times[number] - first
        seconds[column] = 0
        if plane is Plane.VALUE:
            values[np.isin(block.places, place_of[told[number].ids]), column] = _NAN
    return block._replace(seconds=seconds, values=values)


def from_buckets(
    part: Segment,
    t0: int,
    chunk: Buckets,
    place_of: NDArray[np.intp],
    late: list[int],
) -> BucketBlock:
    """The rows of a chunk that lie in the part; seconds of `late` rows are told by these."""
    rows = _within(part, t0)
    place = place_of[chunk.ids]
    wanted = np.flatnonzero(place >= 0)
    wanted = wanted[np.argsort(place[wanted], kind="stable")]
    as_it_is = wanted.size == place.size and bool((wanted[1:] > wanted[:-1]).all())
    counts = chunk.counts if as_it_is else chunk.counts[:, wanted]
    times = _times(part, t0)[rows]
    seconds = chunk.seconds[rows].astype(np.float64)
    return BucketBlock(
        times,
        np.where(np.isin(times, late), 0.0, seconds) if late else seconds,
        place[wanted],
        chunk.lowest,
        counts[:, :, rows],
    )

"""Blocks: rows of one tier with the series that were asked for, ready to be added up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from servescope.errors import StoreCorruptError
from servescope.histogram import BUCKETS
from servescope.store.chunks import Plane
from servescope.store.frames import (
    NO_HISTOGRAMS,
    Columns,
    Histograms,
    decode_columns,
    decode_histograms,
    distinct,
)
from servescope.store.packing import ROWS

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


def columns_of(plane: Plane, blob: bytes) -> Columns:
    """What a row tells of the plane; raises StoreCorruptError."""
    if plane is Plane.HIST_COUNT:
        one = decode_histograms(blob)
        return Columns(one.ids, one.totals()[None])
    if plane is Plane.HIST_SUM:
        one = decode_histograms(blob)
        return Columns(one.ids, one.sums[None])
    return decode_columns(blob)


def row_block(
    tier: int,
    times: list[int],
    seconds: list[int],
    decoded: list[Columns],
    index: int,
    gauge: bool,
    place_of: NDArray[np.intp],
) -> Block:
    """Scatter rows into a matrix of the places they touch."""
    ids = np.concatenate([one.ids for one in decoded]) if decoded else np.empty(0, np.uint32)
    flat = np.concatenate([one.values[index] for one in decoded]) if decoded else np.empty(0)
    row = np.repeat(np.arange(len(decoded)), [one.ids.size for one in decoded])
    place = place_of[ids]
    keep = place >= 0
    place, row, flat = place[keep], row[keep], flat[keep]
    height = int(place.max()) + 1 if place.size else 0
    shape = (height, len(decoded))
    if gauge:
        values = np.full(shape, _NAN)
        values[place, row] = flat
    else:
        cells = np.bincount(place * len(decoded) + row, flat, minlength=height * len(decoded))
        values = cells.astype(np.float64, copy=False).reshape(shape)
    return Block(
        tier, np.array(times, np.int64), np.array(seconds, float), np.arange(height), values
    )


def histogram_block(
    times: list[int],
    seconds: list[int],
    decoded: list[Histograms],
    place_of: NDArray[np.intp],
) -> BucketBlock:
    """Rows of histograms as one dense block."""
    decoded = [*decoded, NO_HISTOGRAMS]  # nothing to concatenate is an error
    ids = np.concatenate([one.ids for one in decoded])
    known = distinct(ids)
    known = known[place_of[known] >= 0]
    position_of = np.full(place_of.size, -1, np.intp)
    position_of[known] = np.arange(known.size)
    position = position_of[np.repeat(ids, np.concatenate([one.lengths for one in decoded]))]
    keep = position >= 0
    bucket = np.concatenate([one.buckets for one in decoded])[keep].astype(np.intp)
    row = np.repeat(np.arange(len(decoded)), [one.counts.size for one in decoded])[keep]
    counts = np.concatenate([one.counts for one in decoded])[keep]
    lowest = int(bucket.min(initial=BUCKETS - 1))
    width = max(int(bucket.max(initial=0)) + 1 - lowest, 0)
    dense = np.zeros((width, known.size, len(times)), np.int64)
    dense[bucket - lowest, position[keep], row] = counts
    return BucketBlock(
        np.array(times, np.int64), np.array(seconds, np.float64), place_of[known], lowest, dense
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


def without_replaced(
    block: Block,
    plane: Plane,
    rows: list[tuple[int, int, int, bytes]],
    place_of: NDArray[np.intp],
) -> Block:
    """Take from a closed minute what a late row tells anew: its seconds, and its gauges."""
    seconds, values = block.seconds.copy(), block.values.copy()
    first = int(block.times[0])
    for _, ts, _, blob in rows:
        column = ts - first
        if not 0 <= column < seconds.size:
            continue
        try:
            late = columns_of(plane, blob)
        except StoreCorruptError:
            continue  # reported when the rows themselves are read
        seconds[column] = 0
        if plane is Plane.VALUE:
            values[np.isin(block.places, place_of[late.ids]), column] = _NAN
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
    counts = chunk.counts if wanted.size == place.size else chunk.counts[:, wanted]
    times = _times(part, t0)[rows]
    seconds = chunk.seconds[rows].astype(np.float64)
    return BucketBlock(
        times,
        np.where(np.isin(times, late), 0.0, seconds) if late else seconds,
        place[wanted],
        chunk.lowest,
        counts[:, :, rows],
    )

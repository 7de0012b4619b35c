"""Blocks: rows of one tier with the series that were asked for, ready to be added up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from servescope.histogram import BUCKETS
from servescope.store.codec.chunks import GAUGE_PLANES, Plane
from servescope.store.codec.envelope import ROWS
from servescope.store.codec.matrices import unpack_series
from servescope.store.codec.rows import (
    COUNT_KINDS,
    NO_COLUMNS,
    ColumnRows,
    HistogramRows,
    distinct,
    width_of,
)
from servescope.store.tiers import FINE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from servescope.store.codec.histograms import Buckets
    from servescope.store.codec.matrices import Matrix, PackedMatrix
    from servescope.store.sqlite.segments import Segment

_ROW_NUMBERS: Final = np.arange(ROWS, dtype=np.int64)
_NAN: Final = float("nan")


class Block(NamedTuple):
    """Rows of one tier: `values[i, r]` of place `places[i]` at `times[r]`, or one line for all.

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
    """Rows of one tier as they were stored, in order of time; `column`: one of the table."""

    tier: int
    times: NDArray[np.int64]
    seconds: NDArray[np.float64]
    column: ColumnRows | HistogramRows

    def of_plane(
        self, plane: Plane
    ) -> tuple[NDArray[np.uint32], NDArray[np.intp], NDArray[np.float64]]:
        """Series, row and value of each cell of a plane."""
        if isinstance(self.column, HistogramRows):
            histograms, row = self.column
            values = histograms.sums if plane is Plane.HIST_SUM else histograms.totals()
            return histograms.ids, row, values
        columns = [*self.column.columns(), NO_COLUMNS]  # nothing to concatenate is an error
        index = self.line(plane)
        return (
            np.concatenate([one.ids for one in columns]),
            np.repeat(np.arange(len(columns)), [one.ids.size for one in columns]),
            np.concatenate([one.values[index] for one in columns]),
        )

    def line(self, plane: Plane) -> int:
        """The index of the row of the columns' values that holds the plane."""
        of_four = plane in GAUGE_PLANES and self.tier != FINE
        return GAUGE_PLANES.index(plane) if of_four else 0


def row_block(rows: Rows, plane: Plane, place_of: NDArray[np.intp]) -> Block:
    """Rows as a matrix of the places they touch."""
    if isinstance(rows.column, ColumnRows) and rows.column.are_alike:
        place = place_of[rows.column.first.ids]
        wanted = np.flatnonzero(place >= 0)
        low, high = (int(wanted[0]), int(wanted[-1]) + 1) if wanted.size else (0, 0)
        wanted = wanted[np.argsort(place[wanted], kind="stable")]
        table = rows.column.table(rows.line(plane), low, high)
        return Block(rows.tier, rows.times, rows.seconds, place[wanted], table.T[wanted - low])
    ids, row, flat = rows.of_plane(plane)
    place = place_of[ids]
    keep = place >= 0
    place, row, flat = place[keep], row[keep], flat[keep]
    shape = (int(place.max(initial=-1)) + 1, rows.times.size)
    if plane in GAUGE_PLANES:
        values = np.full(shape, _NAN)
        values[place, row] = flat
    else:
        cells = np.bincount(place * rows.times.size + row, flat, minlength=shape[0] * shape[1])
        values = cells.astype(np.float64, copy=False).reshape(shape)
    return Block(rows.tier, rows.times, rows.seconds, np.arange(shape[0]), values)


def histogram_block(
    tier_rows: Rows, column: HistogramRows, place_of: NDArray[np.intp]
) -> BucketBlock:
    """Rows of histograms as one dense block."""
    histograms, row_of_series = column
    place = place_of[histograms.ids]
    known = distinct(histograms.ids[place >= 0])
    known = known[np.argsort(place_of[known], kind="stable")]
    position_of = np.full(place_of.size, -1, np.intp)
    position_of[known] = np.arange(known.size)
    rows = tier_rows.times.size
    # Where the first bucket of each series would be; -1 where it was not asked for.
    base = np.where(place >= 0, position_of[histograms.ids] * rows + row_of_series, -1)
    base_of_cell = np.repeat(base, histograms.lengths)
    bucket, counts = histograms.buckets, histograms.counts
    if (base < 0).any():
        keep = base_of_cell >= 0
        base_of_cell, bucket, counts = base_of_cell[keep], bucket[keep], counts[keep]
    lowest = int(bucket.min(initial=BUCKETS - 1))
    width = max(int(bucket.max(initial=0)) + 1 - lowest, 0)
    kind = COUNT_KINDS[width_of(int(counts.max(initial=0)))]
    dense = np.zeros(width * known.size * rows, kind)
    dense[(bucket.astype(np.intp) - lowest) * (known.size * rows) + base_of_cell] = counts
    return BucketBlock(
        tier_rows.times,
        tier_rows.seconds,
        place_of[known],
        lowest,
        dense.reshape(width, known.size, rows),
    )


def from_matrices(
    segment: Segment,
    chunks: Mapping[int, Sequence[Matrix | PackedMatrix]],
    place_of: NDArray[np.intp],
    absent: float,
) -> Block:
    """The rows of chunks in the segment, of the series asked for; `absent` where none has a value.

    `chunks`: those of each span, by its begin, in order of time.
    """
    columns = [(column, one) for column, several in enumerate(chunks.values()) for one in several]
    places, values = unpack_series(columns, len(chunks), place_of, absent)
    times = (np.fromiter(chunks, np.int64)[:, None] + segment.tier * _ROW_NUMBERS).ravel()
    seconds = np.concatenate([several[0].seconds for several in chunks.values()])
    low, high = times.searchsorted((segment.start, segment.end))
    return Block(
        segment.tier,
        times[low:high],
        seconds[low:high].astype(np.float64),
        places,
        values.reshape(places.size, times.size)[:, low:high],
    )


def one_each(block: Block) -> Block:
    """One reading where there is a value, as in a row of tier 1."""
    return _readings(block, np.ones(block.times.size))


def as_often_as_seconds(block: Block) -> Block:
    """As many readings as seconds with a frame, where the gauge was read."""
    return _readings(block, block.seconds)


def _readings(block: Block, number: NDArray[np.float64]) -> Block:
    """One line for all places where every gauge was read in every row, which is the rule."""
    absent = np.isnan(block.values)
    return block._replace(values=np.where(absent, _NAN, number) if absent.any() else number[None])


def with_known_readings(readings: Block, known: Block) -> Block:
    """Readings, replaced by those of `known` where it has some."""
    at = np.ix_(
        np.searchsorted(readings.places, known.places),
        np.searchsorted(readings.times, known.times),
    )
    values = np.broadcast_to(readings.values, (readings.places.size, readings.times.size)).copy()
    values[at] = np.where(np.isnan(known.values), values[at], known.values)
    return readings._replace(values=values)


def without_replaced(block: Block, plane: Plane, late: Rows, place_of: NDArray[np.intp]) -> Block:
    """Remove the seconds and gauges of closed minutes that a late row has again."""
    rows = np.flatnonzero(np.isin(late.times, block.times))
    if not rows.size:
        return block
    columns = np.searchsorted(block.times, late.times[rows])
    seconds, values = block.seconds.copy(), block.values.copy()
    seconds[columns] = 0
    if plane is Plane.VALUE:
        ids, row_of, _ = late.of_plane(plane)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            replaced = place_of[ids[row_of == row]]
            values[np.isin(block.places, replaced), column] = _NAN
    return block._replace(seconds=seconds, values=values)


def from_buckets(
    segment: Segment,
    t0: int,
    chunk: Buckets,
    place_of: NDArray[np.intp],
    late: NDArray[np.int64],
) -> BucketBlock:
    """The rows of a chunk in the segment; those of `late` rows count their seconds themselves."""
    times = t0 + segment.tier * _ROW_NUMBERS
    low, high = times.searchsorted((segment.start, segment.end))
    times = times[low:high]
    place = place_of[chunk.ids]
    wanted = np.flatnonzero(place >= 0)
    counts = chunk.counts if wanted.size == place.size else chunk.counts[:, wanted]
    seconds = chunk.seconds[low:high].astype(np.float64)
    return BucketBlock(
        times,
        np.where(np.isin(times, late), 0.0, seconds) if late.size else seconds,
        place[wanted],
        chunk.lowest,
        counts if times.size == ROWS else counts[:, :, low:high],
    )

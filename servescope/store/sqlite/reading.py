"""Reads a segment from the store, as blocks of the series asked for.

Rows of open spans, and rows that came late for closed ones, are added to the chunks; those of finer
tiers too, because no coarser row has them yet.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.errors import StoreCorruptError
from servescope.store.codec.chunks import (
    GAUGE_PLANES,
    Chunk,
    ChunkCache,
    Plane,
    decode,
    numbers_for,
)
from servescope.store.codec.envelope import ROWS
from servescope.store.codec.histograms import Buckets
from servescope.store.codec.rows import (
    HistogramRows,
    decode_column_rows,
    decode_histogram_rows,
    is_intact,
)
from servescope.store.sqlite.blocks import (
    Block,
    BucketBlock,
    Rows,
    as_often_as_seconds,
    from_buckets,
    from_matrices,
    histogram_block,
    one_each,
    row_block,
    with_known_readings,
    without_replaced,
)
from servescope.store.tiers import FINE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sized

    from numpy.typing import NDArray

    from servescope.store.codec.matrices import Matrix, PackedMatrix
    from servescope.store.sqlite.segments import Segment

_COLUMN_OF: Final = {
    Plane.VALUE: "gauges",
    Plane.READINGS: "gauges",
    Plane.LOWEST: "gauges",
    Plane.HIGHEST: "gauges",
    Plane.INCREASE: "counts",
    Plane.HIST_COUNT: "hist",
    Plane.HIST_SUM: "hist",
    Plane.HIST_BUCKETS: "hist",
}

_OPEN_ROWS: Final = (
    ("tier, ts, seconds", "frame WHERE tier <= ?"),
    (f"{FINE}, ts, 1", "second WHERE ts > 0 AND ?"),
)
"""The view `open_row`, which would read the other blobs as well; parameter: the coarsest tier."""

_NAN: Final = float("nan")
_NO_TIMES: Final = np.empty(0, np.int64)
_READ_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class Source:
    """Blocks of one snapshot, for one question.

    `report(tier, ts)` is called for each damaged blob, which is a gap.
    """

    connection: sqlite3.Connection
    cache: ChunkCache
    report: Callable[[int, int], None]
    _read: dict[tuple[str, Segment], list[Rows]] = field(default_factory=dict)

    def matrices(
        self, plane: Plane, segments: list[Segment], place_of: NDArray[np.intp]
    ) -> Iterator[Block]:
        """Blocks of any plane but READINGS and HIST_BUCKETS.

        Places are those `place_of` maps ids to, no two the same, ascending. Plane VALUE of coarser
        tiers holds sums of readings.
        """
        for segment in segments:
            of_tiers = self._rows(_COLUMN_OF[plane], segment)
            chunks = self._matrices(plane, segment, place_of)
            if chunks:
                block = from_matrices(segment, chunks, place_of, _absent(plane))
                late = next((rows for rows in of_tiers if rows.tier == segment.tier == FINE), None)
                yield block if late is None else without_replaced(block, plane, late, place_of)
            for rows in of_tiers:
                yield row_block(rows, plane, place_of)

    def gauges(
        self, segments: list[Segment], place_of: NDArray[np.intp]
    ) -> Iterator[tuple[Block, Block]]:
        """Sums of readings and, block for block, how many; NaN or zero where there are none."""
        for segment in segments:
            if segment.tier == FINE:
                for block in self.matrices(Plane.VALUE, [segment], place_of):
                    yield block, one_each(block)
                continue
            sums = self._matrices(Plane.VALUE, segment, place_of)
            known = self._matrices(Plane.READINGS, segment, place_of, sums)
            if sums:
                block = from_matrices(segment, sums, place_of, _NAN)
                readings = as_often_as_seconds(block)
                if known:
                    more = from_matrices(segment, known, place_of, _NAN)
                    readings = with_known_readings(readings, more)
                yield block, readings
            for rows in self._rows("gauges", segment):
                block = row_block(rows, Plane.VALUE, place_of)
                if rows.tier == FINE:
                    yield block, one_each(block)
                else:
                    yield block, row_block(rows, Plane.READINGS, place_of)

    def buckets(self, segments: list[Segment], place_of: NDArray[np.intp]) -> Iterator[BucketBlock]:
        """Blocks of plane HIST_BUCKETS."""
        for segment in segments:
            of_tiers = self._rows("hist", segment)
            late = np.concatenate(
                [rows.times for rows in of_tiers if rows.tier == segment.tier == FINE]
                or [_NO_TIMES]
            )
            spans, _ = self._chunks(Plane.HIST_BUCKETS, segment, place_of)
            for t0, chunks in spans.items():
                for section, chunk in enumerate(chunks):
                    if isinstance(chunk, Buckets):
                        block = from_buckets(segment, t0, chunk, place_of, late)
                        if section:  # the first one has its seconds
                            block = block._replace(seconds=np.zeros(block.times.size))
                        yield block
            for rows in of_tiers:
                if isinstance(rows.column, HistogramRows):
                    yield histogram_block(rows, rows.column, place_of)

    def _matrices(
        self,
        plane: Plane,
        segment: Segment,
        place_of: NDArray[np.intp],
        spans: dict[int, list[Matrix | PackedMatrix]] | None = None,
    ) -> dict[int, list[Matrix | PackedMatrix]]:
        """The chunks of each span, by its begin, in order of time.

        `spans`: only of these; those where a chunk of this plane is damaged are taken from it.
        """
        found, damaged = self._chunks(plane, segment, place_of)
        if spans is not None:
            for t0 in damaged:
                spans.pop(t0, None)
        return {
            t0: [one for one in chunks if not isinstance(one, Buckets)]
            for t0, chunks in found.items()
            if spans is None or t0 in spans
        }

    def _chunks(
        self, plane: Plane, segment: Segment, place_of: NDArray[np.intp]
    ) -> tuple[dict[int, list[Chunk]], set[int]]:
        """The chunks of each span, by its begin, in order; and the begins of damaged spans.

        Where one section is damaged, the whole span is a gap: increases that are not known must not
        look like none.
        """
        numbers = numbers_for(plane, np.flatnonzero(place_of >= 0))
        listed = self.connection.execute(
            f"SELECT t0, plane, id FROM chunk WHERE tier = ? AND plane IN ({_marks(numbers)})"  # noqa: S608 - marks
            " AND t0 > ? AND t0 < ?",
            (segment.tier, *numbers, segment.start - segment.tier * ROWS, segment.end),
        ).fetchall()
        listed.sort()
        known = self.cache.known(chunk_id for _, _, chunk_id in listed)
        missing = [chunk_id for _, _, chunk_id in listed if chunk_id not in known]
        if missing:
            known |= self._load(plane, missing)
        spans: dict[int, list[Chunk]] = {}
        damaged = set()
        for t0, _, chunk_id in listed:
            if chunk_id in known:
                spans.setdefault(t0, []).append(known[chunk_id])
            else:
                damaged.add(t0)
        for t0 in sorted(damaged):
            self.report(segment.tier, t0)
            spans.pop(t0, None)
        return spans, damaged

    def _load(self, plane: Plane, chunk_ids: list[int]) -> dict[int, Chunk]:
        """Read and decode chunks, but those that are damaged."""
        loaded = {}
        for low in range(0, len(chunk_ids), _READ_AT_ONCE):
            some = chunk_ids[low : low + _READ_AT_ONCE]
            for chunk_id, blob in self.connection.execute(
                f"SELECT id, data FROM chunk WHERE id IN ({_marks(some)})",  # noqa: S608 - marks
                some,
            ):
                with suppress(StoreCorruptError):
                    loaded[chunk_id] = decode(plane, blob)
        self.cache.keep(loaded)
        return loaded

    def _rows(self, column: str, segment: Segment) -> list[Rows]:
        """Rows of the segment's tier, and of finer ones still open; a list for each tier."""
        known = self._read.get((column, segment))
        if known is None:
            fetched = [
                found
                for row, table in _OPEN_ROWS
                for found in self.connection.execute(
                    f"SELECT {row}, {column} FROM {table} AND ts >= ? AND ts < ?",  # noqa: S608 - our own names
                    (segment.tier, segment.start, segment.end),
                )
            ]
            fetched.sort(key=itemgetter(0, 1))
            known = [
                self._decoded(tier, column, list(rows))
                for tier, rows in groupby(fetched, key=itemgetter(0))
            ]
            self._read[column, segment] = known
        return known

    def _decoded(self, tier: int, column: str, rows: list[tuple[int, int, int, bytes]]) -> Rows:
        intact = [row for row in rows if is_intact(row[3])]
        if len(intact) < len(rows):
            for _, ts, _, blob in rows:
                if not is_intact(blob):
                    self.report(tier, ts)
        blobs = [row[3] for row in intact]
        return Rows(
            tier,
            np.array([row[1] for row in intact], np.int64),
            np.array([row[2] for row in intact], np.float64),
            decode_histogram_rows(blobs) if column == "hist" else decode_column_rows(blobs),
        )


def _absent(plane: Plane) -> float:
    return _NAN if plane in GAUGE_PLANES else 0.0


def _marks(values: Sized) -> str:
    return ",".join("?" * len(values))

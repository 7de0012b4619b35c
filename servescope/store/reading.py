"""Reading: what the store holds of a part of a span, as blocks of the series asked for.

Rows of open spans, and rows that came late for closed ones, are added to the chunks; those of finer
tiers too, because no coarser row tells of them yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from servescope.errors import StoreCorruptError
from servescope.store.blocks import (
    Block,
    BucketBlock,
    Rows,
    as_often_as_seconds,
    from_buckets,
    from_matrix,
    histogram_block,
    joined,
    one_each,
    row_block,
    without_replaced,
)
from servescope.store.buckets import Buckets
from servescope.store.chunks import Chunk, ChunkCache, Plane, decode
from servescope.store.frames import decode_columns, decode_histograms
from servescope.store.matrices import Matrix, PackedMatrix
from servescope.store.packing import ROWS
from servescope.store.tiers import FINE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from servescope.store.spans import Segment

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


@dataclass(frozen=True, slots=True)
class Source:
    """Blocks of one snapshot, for one question.

    `report(tier, ts)` is told of each damaged blob, which is a gap.
    """

    connection: sqlite3.Connection
    cache: ChunkCache
    report: Callable[[int, int], None]
    _read: dict[tuple[str, Segment], list[Rows]] = field(default_factory=dict)

    def matrices(
        self, plane: Plane, parts: list[Segment], place_of: NDArray[np.intp]
    ) -> Iterator[Block]:
        """Blocks of any plane but READINGS and HIST_BUCKETS.

        Places are those `place_of` maps ids to, ascending. Plane VALUE of coarser tiers holds sums
        of readings.
        """
        for part in parts:
            of_tiers = self._rows(_COLUMN_OF[plane], part)
            late = next((rows for rows in of_tiers if rows.tier == part.tier == FINE), None)
            blocks = []
            for t0, chunk in self._chunks(plane, part):
                if isinstance(chunk, Matrix | PackedMatrix):
                    block = from_matrix(part, t0, chunk, place_of)
                    if late is not None:
                        block = without_replaced(block, plane, late, place_of)
                    blocks.append(block)
            yield from joined(blocks)
            for rows in of_tiers:
                yield row_block(rows, plane, place_of)

    def gauges(
        self, parts: list[Segment], place_of: NDArray[np.intp]
    ) -> Iterator[tuple[Block, Block]]:
        """Sums of readings and, block for block, how many; NaN or zero where there are none."""
        for part in parts:
            if part.tier == FINE:
                for block in self.matrices(Plane.VALUE, [part], place_of):
                    yield block, one_each(block)
                continue
            told = dict(self._chunks(Plane.READINGS, part))
            sums, readings = [], []
            for t0, chunk in self._chunks(Plane.VALUE, part):
                known = told.get(t0, chunk)
                if isinstance(chunk, Matrix | PackedMatrix) and isinstance(
                    known, Matrix | PackedMatrix
                ):
                    block = from_matrix(part, t0, chunk, place_of)
                    sums.append(block)
                    readings.append(
                        from_matrix(part, t0, known, place_of)
                        if t0 in told
                        else as_often_as_seconds(block)
                    )
            yield from zip(joined(sums), joined(readings), strict=True)
            for rows in self._rows("gauges", part):
                block = row_block(rows, Plane.VALUE, place_of)
                if rows.tier == FINE:
                    yield block, one_each(block)
                else:
                    yield block, row_block(rows, Plane.READINGS, place_of)

    def buckets(self, parts: list[Segment], place_of: NDArray[np.intp]) -> Iterator[BucketBlock]:
        """Blocks of plane HIST_BUCKETS."""
        for part in parts:
            of_tiers = self._rows("hist", part)
            late = [ts for rows in of_tiers if rows.tier == part.tier == FINE for ts in rows.times]
            for t0, chunk in self._chunks(Plane.HIST_BUCKETS, part):
                if isinstance(chunk, Buckets):
                    yield from_buckets(part, t0, chunk, place_of, late)
            for rows in of_tiers:
                yield histogram_block(rows, place_of)

    def _chunks(self, plane: Plane, part: Segment) -> Iterator[tuple[int, Chunk | None]]:
        """The part's chunks by their begin, in order; None for one that is damaged."""
        span = part.tier * ROWS
        listed = self.connection.execute(
            "SELECT t0, id FROM chunk WHERE tier = ? AND plane = ? AND t0 > ? AND t0 < ?"
            " ORDER BY t0",
            (part.tier, plane, part.start - span, part.end),
        ).fetchall()
        for t0, chunk_id in listed:
            try:
                yield t0, self.cache.get(chunk_id, partial(self._load, plane, chunk_id))
            except StoreCorruptError:
                self.report(part.tier, t0)
                yield t0, None

    def _load(self, plane: Plane, chunk_id: int) -> Chunk:
        (blob,) = self.connection.execute(
            "SELECT data FROM chunk WHERE id = ?", (chunk_id,)
        ).fetchone()
        return decode(plane, blob)

    def _rows(self, column: str, part: Segment) -> list[Rows]:
        """Rows of the part's tier, and of finer ones still open; a list for each tier."""
        known = self._read.get((column, part))
        if known is None:
            fetched = self.connection.execute(
                f"SELECT tier, ts, seconds, {column} FROM frame"  # noqa: S608 - our own column name
                " WHERE tier <= ? AND ts >= ? AND ts < ? ORDER BY tier, ts",
                (part.tier, part.start, part.end),
            ).fetchall()
            known = [
                self._decoded(tier, column, list(rows))
                for tier, rows in groupby(fetched, key=itemgetter(0))
            ]
            self._read[column, part] = known
        return known

    def _decoded(self, tier: int, column: str, rows: list[tuple[int, int, int, bytes]]) -> Rows:
        found = Rows(tier, [], [], [], [])
        ids = None
        for _, ts, covered, blob in rows:
            try:
                if column == "hist":
                    found.histograms.append(decode_histograms(blob))
                else:
                    columns = decode_columns(blob, ids)
                    found.columns.append(columns)
                    ids = columns.ids
            except StoreCorruptError:
                self.report(tier, ts)
                continue
            found.times.append(ts)
            found.seconds.append(covered)
        return found

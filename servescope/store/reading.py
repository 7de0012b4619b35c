"""Reading: what the store holds of a part of a span, as blocks of the series asked for.

Rows of open spans, and rows that came late for closed ones, are added to the chunks; those of finer
tiers too, because no coarser row tells of them yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from servescope.errors import StoreCorruptError
from servescope.store.blocks import (
    Block,
    BucketBlock,
    as_often_as_seconds,
    columns_of,
    from_buckets,
    from_matrix,
    histogram_block,
    joined,
    one_each,
    row_block,
    without_replaced,
)
from servescope.store.buckets import Buckets
from servescope.store.chunks import GAUGE_PLANES, Chunk, ChunkCache, Plane, decode
from servescope.store.frames import Columns, Histograms, decode_histograms
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
    """Blocks of one snapshot. `report(tier, ts)` is told of each damaged blob, which is a gap."""

    connection: sqlite3.Connection
    cache: ChunkCache
    report: Callable[[int, int], None]

    def matrices(
        self, plane: Plane, parts: list[Segment], place_of: NDArray[np.intp]
    ) -> Iterator[Block]:
        """Blocks of any plane but READINGS and HIST_BUCKETS.

        Places are those `place_of` maps ids to, ascending. Plane VALUE of coarser tiers holds sums
        of readings.
        """
        for part in parts:
            rows = self._rows(plane, part)
            late = {ts // ROWS * ROWS for tier, ts, *_ in rows if tier == part.tier == FINE}
            blocks = []
            for t0, chunk in self._chunks(plane, part):
                if not isinstance(chunk, Buckets):
                    block = from_matrix(part, t0, chunk, place_of)
                    if t0 in late:
                        block = without_replaced(block, plane, rows, place_of)
                    blocks.append(block)
            yield from joined(blocks)
            for tier in sorted({tier for tier, *_ in rows}):
                yield self._from_rows(plane, [row for row in rows if row[0] == tier], place_of)

    def readings(self, parts: list[Segment], place_of: NDArray[np.intp]) -> Iterator[Block]:
        """How many readings of a gauge each row of VALUE sums up, for the same blocks as that.

        NaN or zero where it was not read.
        """
        for part in parts:
            if part.tier == FINE:
                yield from map(one_each, self.matrices(Plane.VALUE, [part], place_of))
                continue
            rows = self._rows(Plane.VALUE, part)
            known = dict(self._chunks(Plane.READINGS, part))
            blocks = []
            for t0, chunk in self._chunks(Plane.VALUE, part):
                told = known.get(t0)
                if isinstance(chunk, Buckets) or isinstance(told, Buckets):
                    continue
                block = from_matrix(part, t0, told or chunk, place_of)
                blocks.append(block if told else as_often_as_seconds(block))
            yield from joined(blocks)
            for tier in sorted({tier for tier, *_ in rows}):
                of_tier = [row for row in rows if row[0] == tier]
                if tier == FINE:
                    yield one_each(self._from_rows(Plane.VALUE, of_tier, place_of))
                else:
                    yield self._from_rows(Plane.READINGS, of_tier, place_of)

    def buckets(self, parts: list[Segment], place_of: NDArray[np.intp]) -> Iterator[BucketBlock]:
        """Blocks of plane HIST_BUCKETS."""
        for part in parts:
            rows = self._rows(Plane.HIST_BUCKETS, part)
            late = [ts for tier, ts, *_ in rows if tier == part.tier == FINE]
            for t0, chunk in self._chunks(Plane.HIST_BUCKETS, part):
                if isinstance(chunk, Buckets):
                    yield from_buckets(part, t0, chunk, place_of, late)
            for tier in sorted({tier for tier, *_ in rows}):
                yield self._from_histograms([row for row in rows if row[0] == tier], place_of)

    def _chunks(self, plane: Plane, part: Segment) -> Iterator[tuple[int, Chunk]]:
        span = part.tier * ROWS
        listed = self.connection.execute(
            "SELECT t0, id FROM chunk WHERE tier = ? AND plane = ? AND t0 > ? AND t0 < ?"
            " ORDER BY t0",
            (part.tier, plane, part.start - span, part.end),
        ).fetchall()
        for t0, chunk_id in listed:
            try:
                chunk = self.cache.get(chunk_id, partial(self._load, plane, chunk_id))
            except StoreCorruptError:
                self.report(part.tier, t0)
                continue
            yield t0, chunk

    def _load(self, plane: Plane, chunk_id: int) -> Chunk:
        (blob,) = self.connection.execute(
            "SELECT data FROM chunk WHERE id = ?", (chunk_id,)
        ).fetchone()
        return decode(plane, blob)

    def _rows(self, plane: Plane, part: Segment) -> list[tuple[int, int, int, bytes]]:
        """Rows (tier, ts, seconds, blob) of the part's tier, and of finer ones still open."""
        column = _COLUMN_OF[plane]
        return self.connection.execute(
            f"SELECT tier, ts, seconds, {column} FROM frame"  # noqa: S608 - our own column name
            " WHERE tier <= ? AND ts >= ? AND ts < ? ORDER BY tier, ts",
            (part.tier, part.start, part.end),
        ).fetchall()

    def _from_rows(
        self,
        plane: Plane,
        rows: list[tuple[int, int, int, bytes]],
        place_of: NDArray[np.intp],
    ) -> Block:
        tier = rows[0][0]
        index = GAUGE_PLANES.index(plane) if plane in GAUGE_PLANES and tier != FINE else 0
        decoded: list[Columns] = []
        times: list[int] = []
        seconds: list[int] = []
        for _, ts, covered, blob in rows:
            try:
                decoded.append(columns_of(plane, blob))
            except StoreCorruptError:
                self.report(tier, ts)
                continue
            times.append(ts)
            seconds.append(covered)
        return row_block(tier, times, seconds, decoded, index, plane in GAUGE_PLANES, place_of)

    def _from_histograms(
        self, rows: list[tuple[int, int, int, bytes]], place_of: NDArray[np.intp]
    ) -> BucketBlock:
        tier = rows[0][0]
        decoded: list[Histograms] = []
        times: list[int] = []
        seconds: list[int] = []
        for _, ts, covered, blob in rows:
            try:
                decoded.append(decode_histograms(blob))
            except StoreCorruptError:
                self.report(tier, ts)
                continue
            times.append(ts)
            seconds.append(covered)
        return histogram_block(times, seconds, decoded, place_of)

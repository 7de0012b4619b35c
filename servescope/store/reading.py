"""Reading: which tier answers for which part of a span, and its rows as blocks of selected series.

A span asked for in steps of whole minutes is read from tier 60, except its ragged ends, which tier
1 has to the second for as long as it keeps them. Rows of the open minute, and rows that came late
for a closed one, are added to either.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from servescope.errors import StoreCorruptError
from servescope.store.chunks import (
    GAUGE_PLANES,
    ROWS,
    Buckets,
    ChunkCache,
    Matrix,
    Plane,
    decode,
)
from servescope.store.closing import COARSE, FINE
from servescope.store.frames import (
    NO_HISTOGRAMS,
    Columns,
    Histograms,
    decode_columns,
    decode_histograms,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

_NAN: Final = float("nan")
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


class Segment(NamedTuple):
    """A part of a span and the tier that answers for it."""

    tier: int
    start: int
    end: int


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
    """Sparse rows: `counts[i]` values in `bucket[i]` of place `places[i]` at `times[row[i]]`."""

    times: NDArray[np.int64]
    seconds: NDArray[np.float64]
    places: NDArray[np.intp]
    row: NDArray[np.intp]
    bucket: NDArray[np.uint8]
    counts: NDArray[np.int64]


def plan(connection: sqlite3.Connection, start: int, end: int, step: int) -> tuple[int, int]:
    """The tier for a question and the step it can be answered in.

    Steps of a minute and more are rounded up to whole minutes. Shorter ones become minutes where
    tier 1 no longer reaches back to `start` and tier 60 does.
    """
    step_in_minutes = -(-step // COARSE) * COARSE
    if step >= COARSE:
        return COARSE, step_in_minutes
    fine, coarse = (_oldest(connection, tier) for tier in (FINE, COARSE))
    if coarse is None or end <= coarse:
        return FINE, step
    if fine is not None and (start >= fine or coarse >= fine // COARSE * COARSE):
        return FINE, step
    return COARSE, step_in_minutes


def segments(connection: sqlite3.Connection, tier: int, start: int, end: int) -> list[Segment]:
    """Split `[start, end)` among the tiers, in order of time.

    Where tier 1 is gone, a minute that is only partly asked for is answered whole.
    """
    if tier == FINE:
        return [Segment(FINE, start, end)]
    fine = _oldest(connection, FINE)
    oldest = end if fine is None else fine
    head = start // COARSE * COARSE if start < oldest else -(-start // COARSE) * COARSE
    tail = -(-end // COARSE) * COARSE if end <= oldest else end // COARSE * COARSE
    if head >= tail:
        return [Segment(FINE, start, end)]
    parts = [Segment(FINE, start, head), Segment(COARSE, head, tail), Segment(FINE, tail, end)]
    return [part for part in parts if part.start < part.end]


def _oldest(connection: sqlite3.Connection, tier: int) -> int | None:
    """The second of the oldest row of a tier."""
    (chunk,) = connection.execute(
        "SELECT first FROM chunk WHERE tier = ? AND plane = ? ORDER BY t0 LIMIT 1",
        (tier, Plane.INCREASE),
    ).fetchone() or (None,)
    (row,) = connection.execute("SELECT min(ts) FROM frame WHERE tier = ?", (tier,)).fetchone()
    return min((known for known in (chunk, row) if known is not None), default=None)


def bounds(connection: sqlite3.Connection) -> tuple[int, int] | None:
    """Seconds of the oldest and the newest frame."""
    fine, coarse = (_oldest(connection, tier) for tier in (FINE, COARSE))
    (newest,) = connection.execute("SELECT max(ts) FROM frame WHERE tier = ?", (FINE,)).fetchone()
    if newest is None:  # every open row was dropped: the last closed minute is the newest
        (last,) = connection.execute("SELECT max(t0) FROM chunk WHERE tier = ?", (FINE,)).fetchone()
        newest = None if last is None else last + ROWS - 1
    known = [one for one in (fine, coarse) if one is not None]
    if newest is None or not known:
        return None
    oldest = min(known)
    if fine is not None and fine // COARSE * COARSE == oldest:
        oldest = fine  # tier 60 knows its minute only
    return oldest, newest


@dataclass(frozen=True, slots=True)
class Source:
    """Blocks of one snapshot. `report(tier, ts)` is told of each damaged blob, which is a gap."""

    connection: sqlite3.Connection
    cache: ChunkCache
    report: Callable[[int, int], None]

    def matrices(
        self, plane: Plane, parts: list[Segment], place_of: NDArray[np.intp]
    ) -> Iterator[Block]:
        """Blocks of any plane but HIST_BUCKETS, of the series `place_of` maps to a place.

        Plane VALUE of tier 60 holds sums of readings; READINGS exists in tier 60 only.
        """
        for part in parts:
            rows = self._rows(plane, part)
            late = {ts // ROWS * ROWS for tier, ts, *_ in rows if tier == part.tier == FINE}
            for t0, chunk in self._chunks(plane, part):
                if isinstance(chunk, Matrix):
                    block = _from_matrix(part, t0, chunk, place_of)
                    if t0 in late:
                        block = _without_replaced(block, plane, rows, place_of)
                    yield block
            for tier in sorted({tier for tier, *_ in rows}):
                yield self._from_rows(plane, [row for row in rows if row[0] == tier], place_of)

    def buckets(self, parts: list[Segment], place_of: NDArray[np.intp]) -> Iterator[BucketBlock]:
        """Blocks of plane HIST_BUCKETS."""
        for part in parts:
            rows = self._rows(Plane.HIST_BUCKETS, part)
            late = np.array([ts for tier, ts, *_ in rows if tier == part.tier == FINE], np.int64)
            for t0, chunk in self._chunks(Plane.HIST_BUCKETS, part):
                if isinstance(chunk, Buckets):
                    yield _from_buckets(part, t0, chunk, place_of, late)
            if rows:
                yield self._from_histograms(rows, place_of)

    def _chunks(self, plane: Plane, part: Segment) -> Iterator[tuple[int, Matrix | Buckets]]:
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

    def _load(self, plane: Plane, chunk_id: int) -> Matrix | Buckets:
        (blob,) = self.connection.execute(
            "SELECT data FROM chunk WHERE id = ?", (chunk_id,)
        ).fetchone()
        return decode(plane, blob)

    def _rows(self, plane: Plane, part: Segment) -> list[tuple[int, int, int, bytes]]:
        """Rows (tier, ts, seconds, blob): of the part's tier, and those of tier 1 still open."""
        column = _COLUMN_OF[plane]
        tiers = (FINE,) if part.tier == FINE else (FINE, COARSE)
        return [
            row
            for tier in tiers
            if not (plane is Plane.READINGS and tier == FINE)
            for row in self.connection.execute(
                f"SELECT tier, ts, seconds, {column} FROM frame"  # noqa: S608 - our own column name
                " WHERE tier = ? AND ts >= ? AND ts < ? ORDER BY ts",
                (tier, part.start, part.end),
            )
        ]

    def _from_rows(
        self,
        plane: Plane,
        rows: list[tuple[int, int, int, bytes]],
        place_of: NDArray[np.intp],
    ) -> Block:
        tier = rows[0][0]
        index = GAUGE_PLANES.index(plane) if plane in GAUGE_PLANES and tier == COARSE else 0
        decoded: list[Columns] = []
        times: list[int] = []
        seconds: list[int] = []
        for _, ts, covered, blob in rows:
            try:
                decoded.append(_columns_of(plane, blob))
            except StoreCorruptError:
                self.report(tier, ts)
                continue
            times.append(ts)
            seconds.append(covered)
        return _block(tier, times, seconds, decoded, index, plane in GAUGE_PLANES, place_of)

    def _from_histograms(
        self, rows: list[tuple[int, int, int, bytes]], place_of: NDArray[np.intp]
    ) -> BucketBlock:
        decoded: list[Histograms] = []
        times: list[int] = []
        seconds: list[int] = []
        for tier, ts, covered, blob in rows:
            try:
                decoded.append(decode_histograms(blob))
            except StoreCorruptError:
                self.report(tier, ts)
                continue
            times.append(ts)
            seconds.append(covered)
        decoded.append(NO_HISTOGRAMS)  # nothing to concatenate is an error
        ids = np.concatenate([one.ids for one in decoded])
        place = np.repeat(place_of[ids], np.concatenate([one.lengths for one in decoded]))
        keep = place >= 0
        row = np.repeat(np.arange(len(decoded)), [one.counts.size for one in decoded])
        return BucketBlock(
            np.array(times, np.int64),
            np.array(seconds, np.float64),
            place[keep],
            row[keep],
            np.concatenate([one.buckets for one in decoded])[keep],
            np.concatenate([one.counts for one in decoded])[keep],
        )


def _columns_of(plane: Plane, blob: bytes) -> Columns:
    if plane is Plane.HIST_COUNT:
        one = decode_histograms(blob)
        return Columns(one.ids, one.totals()[None])
    if plane is Plane.HIST_SUM:
        one = decode_histograms(blob)
        return Columns(one.ids, one.sums[None])
    return decode_columns(blob)


def _block(
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


def _within(part: Segment, t0: int) -> slice:
    """The rows of a chunk that lie in the part."""
    first = max(0, -(-(part.start - t0) // part.tier))
    return slice(first, min(ROWS, -(-(part.end - t0) // part.tier)))


def _from_matrix(part: Segment, t0: int, matrix: Matrix, place_of: NDArray[np.intp]) -> Block:
    rows = _within(part, t0)
    place = place_of[matrix.ids]
    wanted = np.flatnonzero(place >= 0)
    times = np.arange(t0, t0 + part.tier * ROWS, part.tier, dtype=np.int64)[rows]
    return Block(
        part.tier,
        times,
        matrix.seconds[rows].astype(np.float64),
        place[wanted],
        matrix.values[wanted, rows],
    )


def _without_replaced(
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
            late = _columns_of(plane, blob)
        except StoreCorruptError:
            continue  # reported when the rows themselves are read
        seconds[column] = 0
        if plane is Plane.VALUE:
            values[np.isin(block.places, place_of[late.ids]), column] = _NAN
    return block._replace(seconds=seconds, values=values)


def _from_buckets(
    part: Segment,
    t0: int,
    chunk: Buckets,
    place_of: NDArray[np.intp],
    late: NDArray[np.int64],
) -> BucketBlock:
    rows = _within(part, t0)
    place = place_of[chunk.ids][chunk.position]
    keep = (place >= 0) & (chunk.row >= rows.start) & (chunk.row < rows.stop)
    times = np.arange(t0, t0 + part.tier * ROWS, part.tier, dtype=np.int64)[rows]
    seconds = chunk.seconds[rows].astype(np.float64)
    return BucketBlock(
        times,
        np.where(np.isin(times, late), 0.0, seconds) if late.size else seconds,
        place[keep],
        chunk.row[keep].astype(np.intp) - rows.start,
        chunk.bucket[keep],
        chunk.counts[keep],
    )

"""What happens to rows once their span is over: chunks, coarser rows, and in time the end of them.

A minute of tier 1 becomes chunks of tier 1 and one row of tier 60; an hour of tier 60 becomes
chunks of tier 60. Rows that arrive for a span already closed stay rows, and reading adds them; once
the span's chunks are too old and dropped, these rows close in their turn, so tier 60 counts them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from servescope.errors import StoreCorruptError
from servescope.store.chunks import (
    GAUGE_PLANES,
    ROWS,
    Buckets,
    Matrix,
    Plane,
    encode_buckets,
    encode_matrix,
)
from servescope.store.frames import (
    NO_COLUMNS,
    NO_HISTOGRAMS,
    Columns,
    Histograms,
    decode_columns,
    decode_histograms,
    distinct,
    encode_columns,
    encode_histograms,
    merge_columns,
    merge_histograms,
    merge_readings,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

T = TypeVar("T")

FINE: Final = 1
COARSE: Final = 60
KEPT_SECONDS: Final = {FINE: 24 * 3600, COARSE: 90 * 24 * 3600}
KEPT_EVENTS_SECONDS: Final = KEPT_SECONDS[COARSE]

_PRUNED_AT_ONCE: Final = {FINE: 3, COARSE: 1}
"""Spans dropped when a minute closes: more than are added, so that it keeps up, and not so many
that a write takes long."""

_BELIEVED_SECONDS: Final = 3600
"""How far beyond the last closed minute a clock is believed when it comes to dropping data: one
that leaps years ahead for a moment costs nothing."""

_COARSE_ROWS_PRUNED_AT_ONCE: Final = 3

_KEPT_UNDER_PRESSURE: Final = 60  # minutes of tier 1 kept as long as tier 60 has anything to give


def close_spans(
    connection: sqlite3.Connection, newest: int, report: Callable[[int, int], None]
) -> None:
    """Close each span that ended before the one `newest` is in, then drop what is too old.

    `report(tier, ts)` is told of every row that was damaged.
    """
    (last,) = connection.execute(
        "SELECT max(t0) FROM chunk WHERE tier = ? AND plane = ?", (FINE, Plane.INCREASE)
    ).fetchone()
    for tier in (FINE, COARSE):
        span = tier * ROWS
        for (t0,) in connection.execute(
            """SELECT DISTINCT ts / :span * :span FROM frame
               WHERE tier = :tier AND ts < :before AND NOT EXISTS (
                   SELECT 1 FROM chunk WHERE chunk.tier = :tier AND chunk.plane = :plane
                   AND chunk.t0 = frame.ts / :span * :span)""",
            {
                "span": span,
                "tier": tier,
                "before": newest // span * span,
                "plane": Plane.INCREASE,
            },
        ).fetchall():
            _close(connection, tier, t0, report)
    _prune(connection, newest if last is None else min(newest, last + _BELIEVED_SECONDS))


def make_room(connection: sqlite3.Connection) -> bool:
    """Drop the oldest eighth of a tier; False when there is nothing left to drop."""
    minutes, hours = (
        connection.execute(
            "SELECT count(*) FROM chunk WHERE tier = ? AND plane = ?", (tier, Plane.INCREASE)
        ).fetchone()[0]
        for tier in (FINE, COARSE)
    )
    tier = FINE if minutes > _KEPT_UNDER_PRESSURE or not hours else COARSE
    spans = minutes if tier == FINE else hours
    if not spans:
        return False
    edge = _drop_chunks(connection, tier, (spans + 7) // 8)
    connection.execute("DELETE FROM frame WHERE tier = ? AND ts < ?", (tier, edge + tier * ROWS))
    return True


def _close(
    connection: sqlite3.Connection, tier: int, t0: int, report: Callable[[int, int], None]
) -> None:
    stored = connection.execute(
        "SELECT ts, seconds, gauges, counts, hist FROM frame WHERE tier = ? AND ts >= ? AND ts < ?",
        (tier, t0, t0 + tier * ROWS),
    ).fetchall()
    damaged: set[int] = set()
    rows = [((ts - t0) // tier, *row) for ts, *row in stored]
    gauges, gauge_seconds = _column(rows, 0, decode_columns, NO_COLUMNS, damaged)
    counts, count_seconds = _column(rows, 1, decode_columns, NO_COLUMNS, damaged)
    histograms, histogram_seconds = _column(rows, 2, decode_histograms, NO_HISTOGRAMS, damaged)
    for row in sorted(damaged):
        report(tier, t0 + row * tier)
    matrices = {
        plane: _matrix(gauges, index, gauge_seconds, np.nan)
        for index, plane in enumerate(GAUGE_PLANES[:1] if tier == FINE else GAUGE_PLANES)
    }
    matrices[Plane.INCREASE] = _matrix(counts, 0, count_seconds, 0.0)
    totals = [Columns(one.ids, one.totals()[None]) for one in histograms]
    matrices[Plane.HIST_COUNT] = _matrix(totals, 0, histogram_seconds, 0.0)
    sums = [Columns(one.ids, one.sums[None]) for one in histograms]
    matrices[Plane.HIST_SUM] = _matrix(sums, 0, histogram_seconds, 0.0)
    blobs = {plane: encode_matrix(matrix) for plane, matrix in matrices.items()}
    blobs[Plane.HIST_BUCKETS] = encode_buckets(_buckets(histograms, histogram_seconds))
    first = min(ts for ts, *_ in stored)
    connection.executemany(
        "INSERT INTO chunk (tier, plane, t0, first, data) VALUES (?, ?, ?, ?, ?)",
        [(tier, plane, t0, first, blob) for plane, blob in blobs.items()],
    )
    if tier == FINE:
        readings, increases = matrices[Plane.VALUE], matrices[Plane.INCREASE]
        row_60 = (
            int(count_seconds.sum()),
            _summary(readings),
            Columns(increases.ids, increases.values.sum(axis=1)[None]),
            merge_histograms(histograms),
        )
        _put_coarse_row(connection, t0, row_60, report)
    connection.execute(
        "DELETE FROM frame WHERE tier = ? AND ts >= ? AND ts < ?", (tier, t0, t0 + tier * ROWS)
    )


def _column(
    rows: list[tuple[Any, ...]],
    index: int,
    decode: Callable[[bytes], T],
    nothing: T,
    damaged: set[int],
) -> tuple[list[T], NDArray[np.uint16]]:
    """One kind of all rows, and their seconds; a damaged blob is a gap of its kind only."""
    decoded, seconds = [nothing] * ROWS, np.zeros(ROWS, np.uint16)
    for row, covered, *blobs in rows:
        try:
            decoded[row] = decode(blobs[index])
            seconds[row] = covered
        except StoreCorruptError:
            damaged.add(row)
    return decoded, seconds


_CoarseRow = tuple[int, Columns, Columns, Histograms]


def _put_coarse_row(
    connection: sqlite3.Connection,
    ts: int,
    row: _CoarseRow,
    report: Callable[[int, int], None],
) -> None:
    """Add a minute to tier 60; one that is there already had its chunk dropped and filled again."""
    seconds, gauges, counts, histograms = row
    found = connection.execute(
        "SELECT seconds, gauges, counts, hist FROM frame WHERE tier = ? AND ts = ?", (COARSE, ts)
    ).fetchone()
    if found is not None:
        try:
            old = decode_columns(found[1]), decode_columns(found[2]), decode_histograms(found[3])
        except StoreCorruptError:
            report(COARSE, ts)
        else:
            seconds += found[0]
            gauges = merge_readings(old[0], gauges)
            counts = merge_columns(old[1], counts, adding=True)
            histograms = merge_histograms([old[2], histograms])
    connection.execute(
        "INSERT OR REPLACE INTO frame (tier, ts, seconds, gauges, counts, hist)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            COARSE,
            ts,
            seconds,
            encode_columns(gauges),
            encode_columns(counts),
            encode_histograms(histograms),
        ),
    )


def _matrix(
    rows: Sequence[Columns], index: int, seconds: NDArray[np.uint16], absent: float
) -> Matrix:
    ids = distinct(np.concatenate([columns.ids for columns in rows]))
    values = np.full((ids.size, ROWS), absent)
    for row, columns in enumerate(rows):
        values[np.searchsorted(ids, columns.ids), row] = columns.values[index]
    return Matrix(seconds, ids, values)


def _buckets(rows: Sequence[Histograms], seconds: NDArray[np.uint16]) -> Buckets:
    ids = distinct(np.concatenate([one.ids for one in rows]))
    position = np.concatenate(
        [np.repeat(np.searchsorted(ids, one.ids), one.lengths) for one in rows]
    )
    row = np.repeat(np.arange(ROWS), [one.counts.size for one in rows])
    bucket = np.concatenate([one.buckets for one in rows])
    counts = np.concatenate([one.counts for one in rows])
    order = np.lexsort((bucket, row, position))
    return Buckets(
        seconds,
        ids,
        position[order].astype(np.int32),
        row[order].astype(np.uint8),
        bucket[order],
        counts[order],
    )


def _summary(readings: Matrix) -> Columns:
    """Sum, number, lowest and highest of each gauge's readings."""
    values = readings.values
    return Columns(
        readings.ids,
        np.stack(
            [
                np.nansum(values, axis=1),
                (~np.isnan(values)).sum(axis=1),
                np.fmin.reduce(values, axis=1) if values.size else np.empty(0),
                np.fmax.reduce(values, axis=1) if values.size else np.empty(0),
            ]
        ),
    )


def _prune(connection: sqlite3.Connection, newest: int) -> None:
    for tier, kept in KEPT_SECONDS.items():
        gone = connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM chunk WHERE tier = ? AND plane = ? AND t0 <= ?"
            " LIMIT ?)",
            (tier, Plane.INCREASE, newest - kept - tier * ROWS, _PRUNED_AT_ONCE[tier]),
        ).fetchone()[0]
        if gone:
            _drop_chunks(connection, tier, gone)
    connection.execute(
        "DELETE FROM frame WHERE tier = ?1 AND ts IN"
        " (SELECT ts FROM frame WHERE tier = ?1 AND ts < ?2 ORDER BY ts LIMIT ?3)",
        (COARSE, newest - KEPT_SECONDS[COARSE], _COARSE_ROWS_PRUNED_AT_ONCE),
    )
    connection.execute(
        "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE start_s < ? LIMIT 100)",
        (newest - KEPT_EVENTS_SECONDS,),
    )


def _drop_chunks(connection: sqlite3.Connection, tier: int, spans: int) -> int:
    """Drop all planes of the oldest spans; return the begin of the newest of these."""
    (edge,) = connection.execute(
        "SELECT max(t0) FROM (SELECT t0 FROM chunk WHERE tier = ? AND plane = ?"
        " ORDER BY t0 LIMIT ?)",
        (tier, Plane.INCREASE, spans),
    ).fetchone()
    for plane in Plane:
        connection.execute(
            "DELETE FROM chunk WHERE tier = ? AND plane = ? AND t0 <= ?", (tier, plane, edge)
        )
    return int(edge)

"""What happens to rows once their span is over: chunks, coarser rows, and in time the end of them.

A minute of tier 1 becomes chunks of tier 1 and one row of tier 60; an hour of tier 60 becomes
chunks of tier 60. Rows that arrive for a span already closed stay rows, and reading adds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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

FINE: Final = 1
COARSE: Final = 60
KEPT_SECONDS: Final = {FINE: 24 * 3600, COARSE: 90 * 24 * 3600}
KEPT_EVENTS_SECONDS: Final = KEPT_SECONDS[COARSE]

_PRUNED_AT_ONCE: Final = 3
"""Spans dropped at each closing, when one is added: enough to keep up, and a clock that jumps into
the future for a moment costs three minutes of history, not all of it."""

_KEPT_UNDER_PRESSURE: Final = 60  # minutes of tier 1 kept as long as tier 60 has anything to give


def close_spans(
    connection: sqlite3.Connection, newest: int, report: Callable[[int, int], None]
) -> None:
    """Close each span that ended before the one `newest` is in, then drop what is too old.

    `report(tier, ts)` is told of every row that was damaged.
    """
    for tier in (FINE, COARSE):
        span = tier * ROWS
        for (t0,) in connection.execute(
            """SELECT DISTINCT ts / :span * :span FROM frame
               WHERE tier = :tier AND ts < :before AND ts >= :oldest AND NOT EXISTS (
                   SELECT 1 FROM chunk WHERE chunk.tier = :tier AND chunk.plane = :plane
                   AND chunk.t0 = frame.ts / :span * :span)""",
            {
                "span": span,
                "tier": tier,
                "before": newest // span * span,
                "oldest": newest - KEPT_SECONDS[tier],
                "plane": Plane.INCREASE,
            },
        ).fetchall():
            _close(connection, tier, t0, report)
    _prune(connection, newest)


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
    _drop_chunks(connection, tier, (spans + 7) // 8)
    return True


def _close(
    connection: sqlite3.Connection, tier: int, t0: int, report: Callable[[int, int], None]
) -> None:
    gauges, counts = [NO_COLUMNS] * ROWS, [NO_COLUMNS] * ROWS
    histograms = [NO_HISTOGRAMS] * ROWS
    seconds = np.zeros((3, ROWS), np.uint16)  # of each kind: a damaged blob is a gap of its kind
    rows = connection.execute(
        "SELECT ts, seconds, gauges, counts, hist FROM frame WHERE tier = ? AND ts >= ? AND ts < ?",
        (tier, t0, t0 + tier * ROWS),
    ).fetchall()
    for ts, covered, gauge_blob, count_blob, histogram_blob in rows:
        row = (ts - t0) // tier
        try:
            gauges[row] = decode_columns(gauge_blob)
            seconds[0, row] = covered
            counts[row] = decode_columns(count_blob)
            seconds[1, row] = covered
            histograms[row] = decode_histograms(histogram_blob)
            seconds[2, row] = covered
        except StoreCorruptError:
            report(tier, ts)
    matrices = {
        plane: _matrix(gauges, index, seconds[0], np.nan)
        for index, plane in enumerate(GAUGE_PLANES[:1] if tier == FINE else GAUGE_PLANES)
    }
    matrices[Plane.INCREASE] = _matrix(counts, 0, seconds[1], 0.0)
    totals = [Columns(one.ids, one.totals()[None]) for one in histograms]
    matrices[Plane.HIST_COUNT] = _matrix(totals, 0, seconds[2], 0.0)
    sums = [Columns(one.ids, one.sums[None]) for one in histograms]
    matrices[Plane.HIST_SUM] = _matrix(sums, 0, seconds[2], 0.0)
    blobs = {plane: encode_matrix(matrix) for plane, matrix in matrices.items()}
    blobs[Plane.HIST_BUCKETS] = encode_buckets(_buckets(histograms, seconds[2]))
    first = min(ts for ts, *_ in rows)
    connection.executemany(
        "INSERT INTO chunk (tier, plane, t0, first, data) VALUES (?, ?, ?, ?, ?)",
        [(tier, plane, t0, first, blob) for plane, blob in blobs.items()],
    )
    if tier == FINE:
        readings, increases = matrices[Plane.VALUE], matrices[Plane.INCREASE]
        merge_coarse_row(
            connection,
            t0,
            int(seconds.max(axis=0).sum()),
            _summary(readings),
            Columns(increases.ids, increases.values.sum(axis=1)[None]),
            merge_histograms(histograms),
        )
    connection.execute(
        "DELETE FROM frame WHERE tier = ? AND ts >= ? AND ts < ?", (tier, t0, t0 + tier * ROWS)
    )


def merge_coarse_row(
    connection: sqlite3.Connection,
    ts: int,
    seconds: int,
    gauges: Columns,
    counts: Columns,
    histograms: Histograms,
) -> None:
    """Add a minute to tier 60; one that is there already had its chunk dropped and filled again."""
    found = connection.execute(
        "SELECT seconds, gauges, counts, hist FROM frame WHERE tier = ? AND ts = ?", (COARSE, ts)
    ).fetchone()
    if found is not None:
        seconds += found[0]
        gauges = merge_readings(decode_columns(found[1]), gauges)
        counts = merge_columns(decode_columns(found[2]), counts, adding=True)
        histograms = merge_histograms([decode_histograms(found[3]), histograms])
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
    ids = np.unique(np.concatenate([columns.ids for columns in rows]))
    values = np.full((ids.size, ROWS), absent)
    for row, columns in enumerate(rows):
        values[np.searchsorted(ids, columns.ids), row] = columns.values[index] if ids.size else ()
    return Matrix(seconds, ids, values)


def _buckets(rows: Sequence[Histograms], seconds: NDArray[np.uint16]) -> Buckets:
    ids = np.unique(np.concatenate([one.ids for one in rows]))
    position = np.concatenate(
        [np.repeat(np.searchsorted(ids, one.ids), one.lengths) for one in rows]
    )
    row = np.repeat(np.arange(ROWS), [one.counts.size for one in rows])
    bucket = np.concatenate([one.buckets for one in rows]).astype(np.intp)
    counts = np.concatenate([one.counts for one in rows])
    order = np.lexsort((bucket, row, position))
    return Buckets(seconds, ids, position[order], row[order], bucket[order], counts[order])


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
        span, oldest = tier * ROWS, newest - kept
        gone = connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM chunk WHERE tier = ? AND plane = ? AND t0 <= ?"
            " LIMIT ?)",
            (tier, Plane.INCREASE, oldest - span, _PRUNED_AT_ONCE),
        ).fetchone()[0]
        if gone:
            _drop_chunks(connection, tier, gone)
        connection.execute(
            "DELETE FROM frame WHERE tier = ?1 AND ts IN"
            " (SELECT ts FROM frame WHERE tier = ?1 AND ts < ?2 ORDER BY ts LIMIT ?3)",
            (tier, oldest, _PRUNED_AT_ONCE * ROWS),
        )
    connection.execute(
        "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE start_s < ? LIMIT 100)",
        (newest - KEPT_EVENTS_SECONDS,),
    )


def _drop_chunks(connection: sqlite3.Connection, tier: int, spans: int) -> None:
    """Drop all planes of the oldest spans, and rows as old as they."""
    (edge,) = connection.execute(
        "SELECT max(t0) FROM (SELECT t0 FROM chunk WHERE tier = ? AND plane = ?"
        " ORDER BY t0 LIMIT ?)",
        (tier, Plane.INCREASE, spans),
    ).fetchone()
    for plane in Plane:
        connection.execute(
            "DELETE FROM chunk WHERE tier = ? AND plane = ? AND t0 <= ?", (tier, plane, edge)
        )
    connection.execute("DELETE FROM frame WHERE tier = ? AND ts < ?", (tier, edge + tier * ROWS))

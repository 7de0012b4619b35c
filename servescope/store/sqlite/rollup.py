"""Roll-up: rows whose span is over become chunks, and rows of the next coarser tier.

Sixty rows of a tier close together: a minute of tier 1, an hour of tier 60, ten hours of tier 600.
They become the chunks of their tier and the rows of the next coarser one. Rows that arrive for a
span already closed stay rows, and reading adds them; once the span's chunks are too old and
dropped, these rows close in their turn, so that coarser tiers count them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from servescope.errors import StoreCorruptError
from servescope.store.codec.chunks import (
    GAUGE_PLANES,
    Plane,
    bucket_sections_of,
    encode,
    numbered,
    sections_of,
)
from servescope.store.codec.envelope import ROWS, filling_pages
from servescope.store.codec.histograms import Buckets, buckets_of
from servescope.store.codec.matrices import Matrix, without_noise
from servescope.store.codec.rows import (
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
from servescope.store.sqlite import open_seconds
from servescope.store.tiers import COARSER, FINE, TIERS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

T = TypeVar("T")


class CoarseRow(NamedTuple):
    """A row for the next coarser tier. Gauges: sum, number, lowest and highest of readings."""

    ts: int
    seconds: int
    gauges: Columns
    counts: Columns
    histograms: Histograms


def roll_up(
    connection: sqlite3.Connection, newest: int, report: Callable[[int, int], None]
) -> None:
    """Close each span that ended before the one `newest` is in.

    `report(tier, ts)` is called for every row that was damaged.
    """
    for tier in TIERS:
        span = tier * ROWS
        for (t0,) in connection.execute(
            """SELECT DISTINCT ts / :span * :span FROM open_row
               WHERE tier = :tier AND ts < :before AND NOT EXISTS (
                   SELECT 1 FROM chunk WHERE chunk.tier = :tier AND chunk.plane = :plane
                   AND chunk.t0 = open_row.ts / :span * :span)""",
            {
                "span": span,
                "tier": tier,
                "before": newest // span * span,
                "plane": Plane.INCREASE,
            },
        ).fetchall():
            _roll_up_span(connection, tier, t0, report)


def _roll_up_span(
    connection: sqlite3.Connection, tier: int, t0: int, report: Callable[[int, int], None]
) -> None:
    stored = connection.execute(
        "SELECT ts, seconds, gauges, counts, hist FROM open_row"
        " WHERE tier = ? AND ts >= ? AND ts < ?",
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
    buckets = _buckets(histograms, histogram_seconds)
    first = min(ts for ts, *_ in stored)
    _insert_chunks(connection, tier, t0, first, matrices, buckets)
    for coarse in coarser_rows(tier, t0, matrices, buckets):
        put_coarse_row(connection, COARSER[tier], coarse, report)
    if tier == FINE:
        open_seconds.free(connection, t0, t0 + ROWS)
    else:
        connection.execute(
            "DELETE FROM frame WHERE tier = ? AND ts >= ? AND ts < ?", (tier, t0, t0 + tier * ROWS)
        )


def _insert_chunks(
    connection: sqlite3.Connection,
    tier: int,
    t0: int,
    first: int,
    matrices: dict[Plane, Matrix],
    buckets: Buckets,
) -> None:
    values = dict(sections_of(matrices[Plane.VALUE]))
    rows = []
    for plane, matrix in matrices.items():
        for section, part in sections_of(matrix):
            if plane in GAUGE_PLANES and not part.ids.size:
                continue
            if plane is Plane.READINGS and _each_second_was_read(part, values[section]):
                continue
            rows.append((tier, numbered(plane, section), t0, first, encode(part)))
    for section, some in bucket_sections_of(buckets):
        rows.append((tier, numbered(Plane.HIST_BUCKETS, section), t0, first, encode(some)))
    connection.executemany(
        "INSERT INTO chunk (tier, plane, t0, first, data) VALUES (?, ?, ?, ?, ?)",
        [rows[index] for index in filling_pages([blob for *_, blob in rows])],
    )


def _each_second_was_read(readings: Matrix, values: Matrix) -> bool:
    return bool(((readings.values == readings.seconds) | np.isnan(values.values)).all())


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


def coarser_rows(
    tier: int, t0: int, matrices: dict[Plane, Matrix], buckets: Buckets
) -> Iterator[CoarseRow]:
    """The rows of the next coarser tier that a closed span of `tier` adds up to."""
    coarser = COARSER.get(tier)
    if coarser is None:
        return
    length = coarser // tier
    increases, sums = matrices[Plane.INCREASE], matrices[Plane.HIST_SUM]
    for low in range(0, ROWS, length):
        rows = slice(low, low + length)
        of_planes = [one.seconds for one in matrices.values()]
        seconds = max(int(one[rows].sum()) for one in (*of_planes, buckets.seconds))
        if seconds:
            yield CoarseRow(
                t0 + low * tier,
                seconds,
                _summary(matrices, rows),
                _present(increases.ids, increases.values[:, rows].sum(axis=1)),
                _merged(buckets, sums, rows),
            )


def _present(ids: NDArray[np.uint32], sums: NDArray[np.float64]) -> Columns:
    return Columns(ids, without_noise(sums)[None])


def _summary(matrices: dict[Plane, Matrix], rows: slice) -> Columns:
    """Sum, number, lowest and highest of each gauge's readings; gauges not read are left out."""
    values = matrices[Plane.VALUE].values[:, rows]
    there = ~np.isnan(values)
    kept = there.any(axis=1)
    if not kept.any():
        return NO_COLUMNS
    readings = matrices.get(Plane.READINGS)
    number = there if readings is None else np.nan_to_num(readings.values[:, rows])
    lowest = matrices.get(Plane.LOWEST, matrices[Plane.VALUE]).values[:, rows]
    highest = matrices.get(Plane.HIGHEST, matrices[Plane.VALUE]).values[:, rows]
    return Columns(
        matrices[Plane.VALUE].ids[kept],
        np.stack(
            [
                without_noise(np.where(there, values, 0.0).sum(axis=1)),
                number.sum(axis=1),
                np.fmin.reduce(lowest, axis=1),
                np.fmax.reduce(highest, axis=1),
            ]
        )[:, kept],
    )


def _merged(buckets: Buckets, sums: Matrix, rows: slice) -> Histograms:
    """Histograms of some rows added up; of those series only that the span has sums of."""
    counts = buckets.counts[:, :, rows].sum(axis=2, dtype=np.int64).T  # (n, buckets)
    total = sums.values[:, rows].sum(axis=1)
    if not buckets.ids.size:
        return NO_HISTOGRAMS
    place = np.searchsorted(sums.ids, buckets.ids)
    owner, bucket = np.nonzero(counts)
    return Histograms(
        buckets.ids,
        without_noise(total[place]),
        np.bincount(owner, minlength=buckets.ids.size).astype(np.uint32),
        (bucket + buckets.lowest).astype(np.uint8),
        counts[owner, bucket],
    )


def put_coarse_row(
    connection: sqlite3.Connection,
    tier: int,
    row: CoarseRow,
    report: Callable[[int, int], None],
) -> None:
    """Add a row to a coarser tier; one that is there already had chunks dropped and filled anew."""
    ts, seconds, gauges, counts, histograms = row
    found = connection.execute(
        "SELECT seconds, gauges, counts, hist FROM frame WHERE tier = ? AND ts = ?", (tier, ts)
    ).fetchone()
    if found is not None:
        try:
            old = decode_columns(found[1]), decode_columns(found[2]), decode_histograms(found[3])
        except StoreCorruptError:
            report(tier, ts)
        else:
            seconds += found[0]
            gauges = merge_readings(old[0], gauges)
            counts = merge_columns(old[1], counts, adding=True)
            histograms = merge_histograms([old[2], histograms])
    connection.execute(
        "INSERT OR REPLACE INTO frame (tier, ts, seconds, gauges, counts, hist)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            tier,
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
    return buckets_of(
        seconds,
        ids,
        np.concatenate([np.repeat(np.searchsorted(ids, one.ids), one.lengths) for one in rows]),
        np.repeat(np.arange(ROWS), [one.counts.size for one in rows]),
        np.concatenate([one.buckets for one in rows]),
        np.concatenate([one.counts for one in rows]),
    )

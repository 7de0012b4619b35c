"""The end of old data: by age, by the size budget, and when the budget is lowered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.store.codec.chunks import Plane
from servescope.store.codec.envelope import ROWS
from servescope.store.sqlite import open_seconds
from servescope.store.tiers import FINE, MINUTE, TEN_MINUTES, TIERS, Retention

if TYPE_CHECKING:
    import sqlite3

_DROPPED_AT_ONCE: Final = {FINE: 3, MINUTE: 1, TEN_MINUTES: 1}
"""Spans dropped when a minute closes: more than are added, so that it keeps up, and not so many
that a write takes long."""

_BELIEVED_SECONDS: Final = 3600
"""Data is dropped as if the clock were at most so far beyond the last closed minute: one that leaps
years ahead for a moment costs nothing."""

_KEPT_UNDER_PRESSURE: Final = ((FINE, 60), (MINUTE, 24), (TEN_MINUTES, 0), (MINUTE, 0), (FINE, 0))
"""Tiers whose oldest spans make room, in this order, and how many spans stay until the next one's
turn: seconds down to an hour, minutes down to a day, and so on."""

_NUMBERS: Final = """WITH RECURSIVE known (number) AS (
    SELECT min(plane) FROM chunk WHERE tier = :tier
    UNION ALL
    SELECT (SELECT min(plane) FROM chunk WHERE tier = :tier AND plane > number) FROM known
    WHERE number IS NOT NULL)
  SELECT number FROM known WHERE number IS NOT NULL"""
"""The query for the planes and sections that a tier has."""


def newest_minute(connection: sqlite3.Connection) -> int | None:
    """Begin of the newest closed minute."""
    (t0,) = connection.execute(
        "SELECT max(t0) FROM chunk WHERE tier = ? AND plane = ?", (FINE, Plane.INCREASE)
    ).fetchone()
    return None if t0 is None else int(t0)


def drop_expired(
    connection: sqlite3.Connection, newest: int, last_closed: int | None, retention: Retention
) -> None:
    """Drop data that is too old at second `newest`; `last_closed`: the minute closed before that.

    Rows that came late for a chunk dropped here are rolled up at the next call of `rollup.roll_up`.
    """
    if last_closed is not None:
        newest = min(newest, last_closed + _BELIEVED_SECONDS)
    for tier in TIERS:
        kept = retention.kept_s(tier)
        gone = connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM chunk WHERE tier = ? AND plane = ? AND t0 <= ?"
            " LIMIT ?)",
            (tier, Plane.INCREASE, newest - kept - tier * ROWS, _DROPPED_AT_ONCE[tier]),
        ).fetchone()[0]
        if gone:
            _drop_chunks(connection, tier, gone)
    connection.execute(
        "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE start_s < ? LIMIT 100)",
        (newest - retention.kept_s(TEN_MINUTES),),
    )


def make_room(connection: sqlite3.Connection) -> bool:
    """Drop the oldest eighth of a tier; False when there is nothing left to drop."""
    spans = dict(
        connection.execute(
            "SELECT tier, count(*) FROM chunk WHERE plane = ? GROUP BY tier", (Plane.INCREASE,)
        )
    )
    for tier, kept in _KEPT_UNDER_PRESSURE:
        spare = spans.get(tier, 0) - kept
        if spare > 0:
            edge = _drop_chunks(connection, tier, min(spare, (spans[tier] + 7) // 8))
            if tier == FINE:
                open_seconds.free(connection, 0, edge + ROWS)
            else:
                connection.execute(
                    "DELETE FROM frame WHERE tier = ? AND ts < ?", (tier, edge + tier * ROWS)
                )
            return True
    return False


def _drop_chunks(connection: sqlite3.Connection, tier: int, spans: int) -> int:
    """Drop all chunks of the oldest spans; return the begin of the newest of these."""
    (edge,) = connection.execute(
        "SELECT max(t0) FROM (SELECT t0 FROM chunk WHERE tier = ? AND plane = ?"
        " ORDER BY t0 LIMIT ?)",
        (tier, Plane.INCREASE, spans),
    ).fetchone()
    # One number after the other by the index: a tier of a day has too many rows to look through.
    for (number,) in connection.execute(_NUMBERS, {"tier": tier}).fetchall():
        connection.execute(
            "DELETE FROM chunk WHERE tier = ? AND plane = ? AND t0 <= ?", (tier, number, edge)
        )
    return int(edge)

"""The seconds of the open minute: they lie in slots that are written over, again and again.

A row that is inserted and deleted a minute later takes pages from the list of free ones, gives them
back, and rebalances its tree: six to ten pages of the WAL a second. A record that replaces one of
exactly its size changes nothing but its own bytes (`btreeOverwriteCell` in SQLite's btree.c): with
the index of the slots these are three pages. Therefore the slots stay, and the part of a
slot that its second leaves free is padding.

A slot whose second was closed holds that second's negative. Seconds that find their slot taken,
because they come late or many at once, become rows of the table `frame`; the view `open_row` is
both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.errors import StoreCorruptError
from servescope.store.codec.rows import (
    decode_columns,
    decode_histograms,
    encode_columns,
    encode_histograms,
    merge_columns,
    merge_histograms,
)
from servescope.store.sqlite.ring_cursors import NO_CURSORS
from servescope.store.tiers import FINE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

Row = tuple[bytes, bytes, bytes]
"""Gauges, counts and histograms of a second, sealed."""

SLOTS: Final = 64
"""A minute closes with the first second of the next one: 61 are open at a time."""

_EITHER: Final = """SELECT nullif({best}(
    ifnull((SELECT {best}(ts) FROM frame WHERE tier = ?), {none}),
    ifnull((SELECT {best}(ts) FROM second WHERE ts > 0), {none})), {none})"""
OLDEST: Final = _EITHER.format(best="min", none=2**62)
NEWEST: Final = _EITHER.format(best="max", none=-(2**62))
"""The oldest and the newest open second, each looked up in two indexes; parameter: tier 1."""

_LEAST_PADDING: Final = 64
"""From 58 bytes to 4085 a blob's length takes two bytes of a record's head, whose size must stay
(sqlite.org/fileformat2.html, section 2.1)."""

_MOST_PADDING: Final = 4085
_ROUNDED_TO: Final = 256

_OVERWRITE: Final = """UPDATE second
    SET ts = :ts, gauges = :gauges, counts = :counts, hist = :hist, cursors = :cursors,
        padding = zeroblob(:padding)
    WHERE slot = :slot AND ts < 0 AND NOT EXISTS {other}"""
_OVERWRITE_FREE: Final = _OVERWRITE.format(
    other="(SELECT 1 FROM frame WHERE tier = 1 AND ts = :ts)"
)
_OVERWRITE_NEWEST: Final = _OVERWRITE.format(
    other="""(SELECT 1 FROM second WHERE ts >= :ts)
    AND NOT EXISTS (SELECT 1 FROM frame WHERE tier = 1 AND ts >= :ts)"""
)

_NEW_SLOT: Final = """INSERT INTO second (slot, ts, gauges, counts, hist, cursors, padding)
    VALUES (?, ?, ?, ?, ?, ?, zeroblob(?)) ON CONFLICT DO NOTHING"""

_MERGE: Final = tuple(
    f"UPDATE {table} SET gauges = ?, counts = ?, hist = ? WHERE {which} ts = ?"  # noqa: S608 - our own names
    for table, which in (("second", ""), ("frame", "tier = 1 AND"))
)


class SecondWriter:
    """Puts seconds where they belong; remembers how much room it gives to each."""

    def __init__(self) -> None:
        self._room = 0

    def put_newest(self, connection: sqlite3.Connection, ts: int, row: Row, cursors: bytes) -> bool:
        """Store a second that carries the cursors; False when it is not the newest of all open."""
        padding = self._padding(_size(row) + len(cursors))
        return _overwrite(connection, _OVERWRITE_NEWEST, ts, row, cursors, padding)

    def put(
        self, connection: sqlite3.Connection, ts: int, row: Row, report: Callable[[int, int], None]
    ) -> None:
        """Store a second, merged with an earlier frame of it, if there is one.

        `report(tier, ts)` is called when that one is damaged: then only the new one remains.
        """
        padding = self._padding(_size(row) + len(NO_CURSORS))
        if not _overwrite(connection, _OVERWRITE_FREE, ts, row, NO_CURSORS, padding):
            _put_elsewhere(connection, ts, row, padding, report)

    def _padding(self, needed: int) -> int:
        padding = self._room - needed
        most = min(max(_LEAST_PADDING + _ROUNDED_TO, needed // 2), _MOST_PADDING)
        if not _LEAST_PADDING <= padding <= most:
            # An eighth more: histograms are wider in one second than in another.
            room = needed + min(max(_LEAST_PADDING, needed // 8), _MOST_PADDING // 2)
            self._room = -(-room // _ROUNDED_TO) * _ROUNDED_TO
            padding = self._room - needed
        return padding


def _size(row: Row) -> int:
    return len(row[0]) + len(row[1]) + len(row[2])


def _overwrite(
    connection: sqlite3.Connection, statement: str, ts: int, row: Row, cursors: bytes, padding: int
) -> bool:
    gauges, counts, hist = row
    values = {
        "ts": ts,
        "gauges": gauges,
        "counts": counts,
        "hist": hist,
        "cursors": cursors,
        "padding": padding,
        "slot": ts % SLOTS,
    }
    return connection.execute(statement, values).rowcount > 0


def _put_elsewhere(
    connection: sqlite3.Connection,
    ts: int,
    row: Row,
    padding: int,
    report: Callable[[int, int], None],
) -> None:
    """Store a second that has a frame already, or whose slot is taken or not there yet."""
    old = connection.execute(
        "SELECT gauges, counts, hist FROM open_row WHERE tier = ? AND ts = ?", (FINE, ts)
    ).fetchone()
    if old is None:
        if ts > 0:
            values = (ts % SLOTS, ts, *row, NO_CURSORS, padding)
            made = connection.execute(_NEW_SLOT, values).rowcount
            if made:
                return
        connection.execute(
            "INSERT INTO frame (tier, ts, seconds, gauges, counts, hist) VALUES (?, ?, 1, ?, ?, ?)",
            (FINE, ts, *row),
        )
        return
    try:
        row = _merged(old, row)
    except StoreCorruptError:
        report(FINE, ts)
    for statement in _MERGE:
        connection.execute(statement, (*row, ts))


def _merged(old: Row, new: Row) -> Row:
    """Gauges, counts and histograms of two frames of the same second.

    Raises StoreCorruptError when a blob was damaged.
    """
    gauges, counts = (
        merge_columns(decode_columns(old[index]), decode_columns(new[index]), adding=bool(index))
        for index in (0, 1)
    )
    histograms = merge_histograms([decode_histograms(old[2]), decode_histograms(new[2])])
    return encode_columns(gauges), encode_columns(counts), encode_histograms(histograms)


def free(connection: sqlite3.Connection, start: int, end: int) -> None:
    """Forget the open seconds of `[start, end)`, wherever they are."""
    connection.execute(
        "DELETE FROM frame WHERE tier = ? AND ts >= ? AND ts < ?", (FINE, start, end)
    )
    connection.execute("UPDATE second SET ts = -ts WHERE ts >= ? AND ts < ?", (max(start, 1), end))

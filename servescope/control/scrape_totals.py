"""The checkpoint of the totals that scrapers see, kept in `meta` beside the schema's version.

`life` names the sequence of totals: a store that begins anew begins a life.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import sqlite3

_UNTIL: Final = "totals_until"
_LIFE: Final = "totals_life"
_PACKED: Final = "totals"
_PUT: Final = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"


class Kept(NamedTuple):
    """Whose totals are kept, and of all seconds before which."""

    life: str
    until: int


def kept(connection: sqlite3.Connection) -> Kept | None:
    """What is kept; None in a new store."""
    found = dict(
        connection.execute("SELECT key, value FROM meta WHERE key IN (?, ?)", (_UNTIL, _LIFE))
    )
    return Kept(found[_LIFE], found[_UNTIL]) if found else None


def packed(connection: sqlite3.Connection) -> tuple[Kept, bytes] | None:
    """What is kept, whole."""
    known = kept(connection)
    if known is None:
        return None
    (value,) = connection.execute("SELECT value FROM meta WHERE key = ?", (_PACKED,)).fetchone()
    return known, value


def keep(connection: sqlite3.Connection, before: Kept | None, now: Kept, value: bytes) -> bool:
    """Replace what is kept; False when it is no longer `before`, and then nothing is done."""
    if kept(connection) != before:
        return False
    connection.executemany(_PUT, [(_UNTIL, now.until), (_LIFE, now.life), (_PACKED, value)])
    return True

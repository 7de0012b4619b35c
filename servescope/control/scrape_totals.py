"""The checkpoint of the totals that scrapers see, kept in `meta` beside the schema's version.

Counters of an exposition must not fall when the process that answers changes; so whoever answers
continues from the checkpoint. A `life` names a sequence of totals: a store that begins anew begins
a life.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import sqlite3

    from servescope.store.sqlite.database import Database

_UNTIL: Final = "totals_until"
_LIFE: Final = "totals_life"
_PACKED: Final = "totals"
_PUT: Final = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"


class Checkpoint(NamedTuple):
    """Of which life the totals are, and of all seconds before which (epoch)."""

    life: str
    until: int


class ScrapeTotals:
    """The one checkpoint of a store; its totals as `servescope.queries.scrape` packs them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint without its totals; None in a new store."""
        return self._database.read(_checkpoint)

    def read(self) -> tuple[Checkpoint, bytes] | None:
        """The checkpoint and its packed totals; None in a new store."""

        def ask(connection: sqlite3.Connection) -> tuple[Checkpoint, bytes] | None:
            known = _checkpoint(connection)
            if known is None:
                return None
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (_PACKED,)).fetchone()
            return known, row[0]

        return self._database.read(ask)

    def replace(self, before: Checkpoint | None, now: Checkpoint, packed: bytes) -> bool:
        """Replace the checkpoint; False, and nothing is done, when it is no longer `before`."""

        def swap(connection: sqlite3.Connection) -> bool:
            if _checkpoint(connection) != before:
                return False
            values = [(_UNTIL, now.until), (_LIFE, now.life), (_PACKED, packed)]
            connection.executemany(_PUT, values)
            return True

        return self._database.write(swap, news=False)


def _checkpoint(connection: sqlite3.Connection) -> Checkpoint | None:
    found = dict(
        connection.execute("SELECT key, value FROM meta WHERE key IN (?, ?)", (_UNTIL, _LIFE))
    )
    return Checkpoint(found[_LIFE], found[_UNTIL]) if found else None

"""The cursor of each ring, committed with the records that were read from it.

The second of a batch carries the cursors of all rings in its own slot: a statement and a page of
the WAL less than a table of their own. A batch that has no slot to carry them, because it comes
late, has many seconds or none, leaves them in the table `cursor`, beside the stamp that changes
with such news (see `Database.version`). Cursors only grow: of several of a ring, the highest
counts.

A second carries, sealed: n; cursors (n,) uint64; the names of the rings, a JSON array.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Final

from servescope.store.codec.rows import is_intact, seal

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

_HEAD: Final = struct.Struct("<4xI")  # CRC, n
_LEAST_BYTES: Final = 64
"""Of the names: so the blob's length takes two bytes of the record's head, however many rings there
are. The size of a slot must stay (see `open_seconds`)."""

_STAMP: Final = ("", 1)
_NOTE: Final = """INSERT INTO cursor VALUES (?, ?) ON CONFLICT (ring)
    DO UPDATE SET seq = iif(ring = '', seq + excluded.seq, max(seq, excluded.seq))"""

_VERSION: Final = """SELECT seq, ifnull((SELECT max(ts) FROM second), 0)
    FROM cursor WHERE ring = ''"""
_SECOND_BITS: Final = 40


def version(connection: sqlite3.Connection) -> int:
    """Another number after each commit that was news: of the stamp and the newest open second.

    A second that carries the cursors is newer than all open ones, so it is news by itself.
    """
    stamp, newest = connection.execute(_VERSION).fetchone()
    return int((stamp << _SECOND_BITS) + newest)


def note_news(connection: sqlite3.Connection, cursors: Iterable[tuple[str, int]]) -> None:
    """Within a transaction: have the stamp change, and keep how far rings were read, at least."""
    connection.executemany(_NOTE, (_STAMP, *cursors))


def _read(connection: sqlite3.Connection) -> dict[str, int]:
    """The cursor of each ring; where a second's are damaged, those of the second before it."""
    found = dict(connection.execute("SELECT ring, seq FROM cursor WHERE ring != ''"))
    for (carried,) in connection.execute("SELECT cursors FROM second WHERE cursors != x''"):
        if is_intact(carried):
            for ring, seq in _unpacked(carried):
                found[ring] = max(seq, found.get(ring, 0))
    return found


def _unpacked(carried: bytes) -> Iterable[tuple[str, int]]:
    (n,) = _HEAD.unpack_from(carried)
    numbers = struct.unpack_from(f"<{n}Q", carried, _HEAD.size)
    return zip(json.loads(carried[_HEAD.size + 8 * n :]), numbers, strict=True)


class RingCursors:
    """The cursors as their writer knows them: staged within a transaction, then committed."""

    def __init__(self) -> None:
        self._known: dict[str, int] | None = None
        self._staged: dict[str, int] = {}
        self._generation = -1
        self._names: tuple[str, ...] = ()
        self._packed_names = _packed_names(self._names)
        self._pack = struct.Struct("<I").pack

    def read(self, connection: sqlite3.Connection) -> dict[str, int]:
        """The committed cursors, by any process; the writer goes on from there."""
        self._known = _read(connection)
        return dict(self._known)

    def stage(
        self,
        connection: sqlite3.Connection,
        generation: int,
        cursors: Mapping[str, int],
        dropped: Sequence[str],
    ) -> None:
        """Begin a transaction that moves these, of a file of this generation."""
        if self._known is None or generation != self._generation:
            self._known = _read(connection)
            self._generation = generation
        self._staged = {**self._known, **cursors}
        for ring in dropped:
            self._staged.pop(ring, None)

    def carried(self) -> bytes:
        """The staged cursors, sealed for a second. Most have the names of the second before."""
        names = tuple(self._staged)
        if names != self._names:
            self._names, self._packed_names = names, _packed_names(names)
            self._pack = struct.Struct(f"<I{len(names)}Q").pack
        return seal(self._pack(len(names), *self._staged.values()) + self._packed_names)

    def keep(self, connection: sqlite3.Connection, dropped: Sequence[str]) -> None:
        """Keep the staged cursors in the table; those of dropped rings are removed everywhere."""
        note_news(connection, self._staged.items())
        if dropped:
            gone = [(ring,) for ring in dropped]
            connection.executemany("DELETE FROM cursor WHERE ring = ?", gone)
            connection.execute(
                "UPDATE second SET cursors = :none WHERE cursors != :none", {"none": NO_CURSORS}
            )

    def committed(self) -> None:
        """Those staged count from now on."""
        self._known = self._staged


def _packed_names(names: Sequence[str]) -> bytes:
    return json.dumps(names).encode().ljust(_LEAST_BYTES)


NO_CURSORS: Final = RingCursors().carried()
"""The cursors of a second that carries none."""

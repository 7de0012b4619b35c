"""The store's file opened for reading alone: nothing is written, made, locked or set aside.

Beside a process that writes, SQLite's WAL gives each reading a snapshot, and the files that this
takes (`-wal`, `-shm`) are there already. Where nobody has the store open they are gone, and SQLite
would make them, perhaps as a user whose files the dashboard may not write; `immutable=1`
(sqlite.org/uri.html) keeps it from that. It promises that the file does not change, which is
checked after the reading: a file that changed meanwhile is read again as beside a writer.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final, Never, TypeVar

from servescope.errors import StoreError, StoreVersionError
from servescope.store.sqlite import ring_cursors
from servescope.store.sqlite.database import BUSY_SECONDS, map_error, refuse_newer
from servescope.store.sqlite.schema import FILE_NAME, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

_BESIDE_A_WRITER: Final = "mode=ro"
_AT_REST: Final = "mode=ro&immutable=1"


class ReadOnlyDatabase:
    """The reading half of `Database`, with a connection for each reading; any thread may ask.

    It reads the file of its name and does not follow one that is set aside: open it, read, let go.
    Raises DataFolderError when the file cannot be opened, StoreVersionError when its schema is
    another than ours (an older one is brought up to date by whoever may write).
    """

    generation: Final = 1

    def __init__(self, folder: Path) -> None:
        self.path = folder.absolute() / FILE_NAME
        self._wal_path = self.path.with_name(f"{FILE_NAME}-wal")
        version = self.read(_schema_version)
        refuse_newer(version, self.path)
        if version < VERSION:
            raise StoreVersionError(
                f"{self.path} was written by an older Servescope (schema {version}, this one reads "
                f"{VERSION}): start the dashboard on it once, which brings it up to date"
            )

    def read(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """Run `ask` on one snapshot of the store. Raises StoreError, DataFolderError."""
        before = self._at_rest()
        if before is not None:
            try:
                answer = self._ask(ask, _AT_REST)
            except StoreError:
                if self._at_rest() == before:
                    raise
            else:
                if self._at_rest() == before:
                    return answer
        return self._ask(ask, _BESIDE_A_WRITER)

    def write(self, change: Callable[[sqlite3.Connection], T], *, news: bool = True) -> Never:
        """Refuse: raises StoreError."""
        del change, news
        raise StoreError(f"{self.path} is open for reading only")

    def is_over_budget(self) -> bool:
        """False: a budget is for those who write."""
        return False

    def shrink(self) -> bool:
        """False: nothing is given back."""
        return False

    def version(self) -> int:
        """Another number after each commit that was news."""
        return self.read(ring_cursors.version)

    def close(self) -> None:
        """Each reading closed its connection."""

    def _at_rest(self) -> tuple[int, int, int] | None:
        """A mark that shows a change of the file; None while a process may write it."""
        if self._wal_path.exists():
            return None
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _ask(self, ask: Callable[[sqlite3.Connection], T], how: str) -> T:
        try:
            with closing(
                sqlite3.connect(
                    f"{self.path.as_uri()}?{how}",
                    uri=True,
                    timeout=BUSY_SECONDS,
                    isolation_level=None,
                )
            ) as connection:
                connection.execute("BEGIN")
                return ask(connection)
        except sqlite3.Error as error:
            raise map_error(error, self.path) from error


def _schema_version(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    return 0 if row is None else int(row[0])

"""The file of sessions and failed sign-ins: SQLite, shared by all processes of a data folder.

It lies beside the metrics, not among them: a store that is full, damaged or copied elsewhere has
no part in who may act. Nothing in it is worth keeping: a file that is no database is begun anew,
and everybody signs in again.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final, TypeVar

from servescope.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")
logger = logging.getLogger("servescope.sign_in")

FILE_NAME: Final = "sign_in.sqlite3"
BUSY_SECONDS: Final = 5.0
_DAMAGE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_TABLES: Final = (
    # The password of whoever wrote last, as a salted slow hash: see `sessions`.
    """CREATE TABLE IF NOT EXISTS password (
        salt BLOB PRIMARY KEY, verifier BLOB NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS session (
        token_hash BLOB PRIMARY KEY, salt BLOB NOT NULL,
        began_s REAL NOT NULL, seen_s REAL NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS failure (
        client TEXT PRIMARY KEY, failures INTEGER NOT NULL,
        failed_s REAL NOT NULL, retry_s REAL NOT NULL) WITHOUT ROWID""",
)


class SignInFile:
    """The file in `folder`. Every method may be called from any thread and after any fork.

    Each transaction opens the file anew (0.2 ms, asked at a page's load and at a change only), so
    that no connection crosses a fork or keeps a file that was removed.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def transaction(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Run `change` alone among all processes, committed whole or not at all.

        Raises StoreError when the file cannot be used.
        """
        try:
            return self._run(change)
        except sqlite3.DatabaseError as error:
            if (getattr(error, "sqlite_errorcode", 0) & 0xFF) not in _DAMAGE:
                raise self._unusable(error) from error
            logger.warning("%s is damaged: it is begun anew, everybody signs in again", self.path)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            self.path.unlink(missing_ok=True)
            return self._run(change)
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def _run(self, change: Callable[[sqlite3.Connection], T]) -> T:
        # Made by us, for its owner alone; SQLite gives its journal the same mode.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with closing(
            sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for table in _TABLES:
                connection.execute(table)
            answer = change(connection)
            connection.execute("COMMIT")
            return answer

    def _unusable(self, error: Exception) -> StoreError:
        return StoreError(f"the file of the sign-ins, {self.path}, cannot be used: {error}")

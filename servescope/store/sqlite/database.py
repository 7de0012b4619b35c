"""The SQLite file: one writing connection, a few reading ones, and its errors mapped once.

Every process opens the file for itself; SQLite's WAL lets all of them read while one writes. A file
that is no database, or whose pages contradict each other, is set aside under a new name and a new
one is begun; the other processes notice that the name leads to another file and follow.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from servescope.errors import (
    DataFolderError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreVersionError,
)
from servescope.records.dashboard import EventKind
from servescope.store.codec.envelope import PAGE_BYTES
from servescope.store.sqlite import ring_cursors
from servescope.store.sqlite.migrations import STEPS
from servescope.store.sqlite.schema import FILE_NAME, TABLES, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

LOCK_NAME: Final = "store.lock"
BUSY_SECONDS: Final = 5.0
WAL_KEPT_BYTES: Final = 16 * 1024 * 1024
IDLE_READERS: Final = 4
CACHE_KIB: Final = 512
"""Pages that each connection keeps, of which a process has up to twelve: SQLite's default of 2,000
would come to 24 MiB within an hour. The system's page cache has them all the same."""

_PAGES_FREED_AT_ONCE: Final = 2048
_DAMAGE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NOT_OPENED: Final = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}


def _primary_code(error: sqlite3.Error) -> int:
    """The primary result code: the low byte of the extended one (sqlite.org/rescode.html)."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def map_error(error: sqlite3.Error, path: Path) -> StoreError | DataFolderError:
    """The error of our tree that says what SQLite's means for the store in `path`."""
    code = _primary_code(error)
    if code == sqlite3.SQLITE_FULL:
        return StoreFullError(f"no room left for {path}: nothing was written, reading goes on")
    if code in _DAMAGE:
        return StoreCorruptError(f"{path} is damaged: {error}")
    if code in _NOT_OPENED:
        return DataFolderError(f"cannot open {path}: {error}")
    if code == sqlite3.SQLITE_IOERR:
        why = _why_not_writable(path.parent)
        if why:
            return StoreError(f"{path.parent} takes no writing ({why}): reading goes on")
    return StoreError(f"the store cannot be used: {error}")


def _why_not_writable(folder: Path) -> str:
    """The system's error when a new file is made there; empty when there is none.

    Asked by trying: a file system that turned read-only after an error (errors=remount-ro, ext4(5))
    still passes for writable in its flags, and an immutable folder (chattr(1)) always does.
    """
    probe = folder / f".writable-{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return ""


class Database:
    """One process's access to the store file. Every method may be called from any thread.

    `size_mib` bounds the file as this process writes it; None: no bound.

    Raises DataFolderError when the file cannot be made, StoreVersionError when a newer Servescope
    wrote it.
    """

    def __init__(self, folder: Path, size_mib: int | None) -> None:
        self.path = folder / FILE_NAME
        self._name = str(self.path)
        self.generation = 0
        """Counts the files seen under the name: caches of another one are void."""
        self._budget_pages = None if size_mib is None else size_mib * 1024 * 1024 // PAGE_BYTES
        self._lock_path = folder / LOCK_NAME
        # Always taken in this order; reentrant, because whoever writes may find the file damaged.
        self._writing = threading.RLock()
        self._state = threading.RLock()
        self._watching = threading.RLock()
        self._writer: sqlite3.Connection | None = None
        self._idle: list[sqlite3.Connection] = []
        self._watcher: sqlite3.Connection | None = None
        self._data_version = self._version = -1
        self._identity: tuple[int, int] | None = None
        self._closed = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataFolderError(f"cannot make the folder {folder}: {error.strerror}") from error
        self._open()

    def read(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """Run `ask` on one snapshot of the store."""

        def once() -> T:
            connection, generation = self._borrow()
            try:
                connection.execute("BEGIN")
                return ask(connection)
            finally:
                self._give_back(connection, generation)

        return self._retrying(once)

    def write(self, change: Callable[[sqlite3.Connection], T], *, news: bool = True) -> T:
        """Run `change` in one transaction, committed whole or not at all.

        `news`: whether `version` changes, where `change` does not see to that itself (see
        `ring_cursors`). Raises StoreFullError when there is no room.
        """

        def once() -> T:
            connection = self._writer
            if connection is None:
                raise StoreError("the store is closed")
            try:
                connection.execute("BEGIN IMMEDIATE")
                answer = change(connection)
                if news:
                    ring_cursors.note_news(connection, ())
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite rolled back by itself
                    connection.execute("ROLLBACK")
                raise
            return answer

        with self._writing:
            return self._retrying(once)

    def is_over_budget(self) -> bool:
        """Whether the file is larger than the budget: it was set lower since the file grew."""
        if self._budget_pages is None or self._writer is None:
            return False
        with self._writing:
            return self._pages() > self._budget_pages

    def shrink(self) -> bool:
        """Give some free pages back to the file system; False when none is free.

        Called again and again until the file fits, so that no single write waits for all of it.
        """

        def vacuum() -> bool:
            writer = self._writer
            if writer is None:
                raise StoreError("the store is closed")
            (free,) = writer.execute("PRAGMA freelist_count").fetchone()
            # execute() would step the pragma once, which frees one page; a script runs it through.
            writer.executescript(f"PRAGMA incremental_vacuum({_PAGES_FREED_AT_ONCE})")
            if self._budget_pages is not None and self._pages() <= self._budget_pages:
                writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                writer.execute(f"PRAGMA max_page_count = {self._budget_pages}")
            return bool(free)

        with self._writing:
            return self._retrying(vacuum)

    def _pages(self) -> int:
        if self._writer is None:
            raise StoreError("the store is closed")
        return int(self._writer.execute("PRAGMA page_count").fetchone()[0])

    def version(self) -> int:
        """The same number in every process, another one after each commit that was news.

        `PRAGMA data_version` of a connection that never writes is a cheap way to learn whether
        another one committed, those of this process included; only then is the number read.
        """
        self._follow_file()
        with self._watching:
            watcher = self._watcher
            if watcher is None:
                raise StoreError("the store is closed")
            try:
                (data_version,) = watcher.execute("PRAGMA data_version").fetchone()
                if data_version != self._data_version:
                    self._version = ring_cursors.version(watcher)
                    self._data_version = data_version
            except sqlite3.Error as error:
                raise map_error(error, self.path) from error
            return self._version

    def close(self) -> None:
        """Close every connection; those in use close when they are given back."""
        with self._writing, self._state, self._watching:
            self._closed = True
            self._let_go()

    def _retrying(self, once: Callable[[], T]) -> T:
        """Run `once`; when the file proves damaged, set it aside and ask the new one."""
        self._follow_file()
        try:
            return once()
        except sqlite3.Error as error:
            if _primary_code(error) not in _DAMAGE:
                raise map_error(error, self.path) from error
        self._replace(self._identity)
        try:
            return once()
        except sqlite3.Error as error:
            raise map_error(error, self.path) from error

    def _borrow(self) -> tuple[sqlite3.Connection, int]:
        with self._state:
            if self._closed:
                raise StoreError("the store is closed")
            if self._idle:
                return self._idle.pop(), self.generation
            generation = self.generation
        connection = self._connect()
        connection.execute("PRAGMA query_only = ON")
        return connection, generation

    def _give_back(self, connection: sqlite3.Connection, generation: int) -> None:
        with suppress(sqlite3.Error):  # a damaged file: the connection is of no more use
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            with self._state:
                fits = len(self._idle) < IDLE_READERS and generation == self.generation
                if fits and not self._closed:
                    self._idle.append(connection)
                    return
        connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _follow_file(self) -> None:
        """Open the file anew when its name leads to another one than we hold."""
        if _identity_of(self._name) == self._identity:
            return
        with self._writing, self._state:
            if not self._closed and _identity_of(self._name) != self._identity:
                self._open()

    def _replace(self, damaged: tuple[int, int] | None) -> None:
        with self._writing, self._state, self._watching:
            if self._closed:
                raise StoreError("the store is closed")
            with self._folder_lock():
                if _identity_of(self._name) == damaged:
                    self._let_go()
                    self._set_aside()
            self._open()

    def _open(self) -> None:
        """(Re)open writer and watcher; a file that is no database is set aside first."""
        with self._watching, self._folder_lock():
            self._let_go()
            try:
                self._prepare()
            except sqlite3.Error as error:
                self._let_go()
                if _primary_code(error) not in _DAMAGE:
                    raise map_error(error, self.path) from error
                self._set_aside()
                self._prepare()
            except StoreError:
                self._let_go()
                raise
            self.generation += 1

    def _prepare(self) -> None:
        self._writer = writer = self._connect()
        # Nothing here writes to a file that is as it should be: it opens on a full disk, too.
        if not self._pages():  # in an older file the pragma would have no effect, but write
            writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
        writer.execute("PRAGMA journal_mode = WAL")
        _create_or_migrate(writer, self.path)
        if self._budget_pages is not None:  # a larger file stays as it is: see `shrink`
            writer.execute(f"PRAGMA max_page_count = {self._budget_pages}")
        self._watcher = self._connect()
        self._watcher.execute("PRAGMA query_only = ON")
        self._data_version = self._version = -1
        self._identity = _identity_of(self._name)

    def _set_aside(self) -> None:
        """Rename the file with its WAL, begin a new one and leave an event in it."""
        moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        aside = self.path.with_name(f"{FILE_NAME}.corrupt-{moment}-{time.time_ns() % 10**6:06}")
        try:
            self.path.rename(aside)
            for suffix in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    self.path.with_name(f"{FILE_NAME}{suffix}").rename(f"{aside}{suffix}")
        except OSError as error:
            raise DataFolderError(f"cannot set {self.path} aside: {error.strerror}") from error
        self._prepare()
        if self._writer is not None:
            record_event(
                self._writer,
                f"The store was damaged. It is kept as {aside.name}; a new one was begun.",
            )
        self._let_go()

    def _let_go(self) -> None:
        for connection in (self._writer, self._watcher, *self._idle):
            if connection is not None:
                connection.close()
        self._writer = self._watcher = None
        self._idle.clear()

    @contextmanager
    def _folder_lock(self) -> Iterator[None]:
        """One process at a time makes, checks or sets aside the file."""
        try:
            descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataFolderError(f"cannot write {self._lock_path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _identity_of(name: str) -> tuple[int, int] | None:
    try:
        status = os.stat(name)  # noqa: PTH116 - each reading and writing asks: three calls less
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _create_or_migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or bring those of an older version up to date, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in TABLES[:1]:
            connection.execute(statement)
        found = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        version = VERSION if found is None else int(found[0])
        refuse_newer(version, path)
        for statement in TABLES[1:]:
            connection.execute(statement)
        for older in range(version, VERSION):
            STEPS[older](connection)
        if found is None or version < VERSION:
            connection.execute(
                "INSERT OR REPLACE INTO meta VALUES ('schema_version', ?)", (VERSION,)
            )
        # From the clock, so that no two files ever show the same version.
        connection.execute("INSERT OR IGNORE INTO cursor VALUES ('', ?)", (time.time_ns(),))
        if version < VERSION:
            record_event(connection, f"The store was brought from schema {version} to {VERSION}.")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite rolled back by itself
            connection.execute("ROLLBACK")
        raise


def refuse_newer(version: int, path: Path) -> None:
    """Raise StoreVersionError when this Servescope does not know the schema `version`."""
    if version > VERSION:
        raise StoreVersionError(
            f"{path} was written by a newer Servescope (schema {version}, this one knows "
            f"{VERSION}): use that one, or another data folder"
        )


def record_event(connection: sqlite3.Connection, text: str) -> None:
    """Record an event of the store: every page shows it for a day."""
    connection.execute(
        "INSERT INTO event (kind, start_s, end_s, text) VALUES (?, ?, NULL, ?)",
        (EventKind.STORE, time.time(), text),
    )

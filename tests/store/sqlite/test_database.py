"""The file itself: versions, damage of header, page and blob, other doors to it."""

import sqlite3
import threading

import pytest

from servescope.catalog import BYTES_SENT, CPU_UTILIZATION, REQUEST_DURATION
from servescope.control import Control
from servescope.errors import DataFolderError, StoreError, StoreVersionError
from servescope.histogram import count
from servescope.records.dashboard import EventKind
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.codec.envelope import PAGE_BYTES
from servescope.store.query import Aggregation, Query
from servescope.store.sqlite.database import Database
from servescope.store.sqlite.schema import FILE_NAME
from servescope.store.sqlite.store import SqliteStore, open_store

MINUTE = 1_700_000_040
assert MINUTE % 60 == 0
SENT, CPU, REQUESTS = SeriesKey(BYTES_SENT), SeriesKey(CPU_UTILIZATION), SeriesKey(REQUEST_DURATION)


def fill(store, start, end):
    took = HistogramDelta(count([0.01]), 0.01)
    for ts in range(start, end):
        store.write(Batch([Frame(ts, {CPU: 0.5}, {SENT: 1.0}, {REQUESTS: took})], {"r": ts}))


def sent(store, start=MINUTE, end=MINUTE + 600):
    return store.aggregate(Query(BYTES_SENT, start, end, 1), Aggregation.SUM).values


def events(folder):
    control = Control(folder)
    found = [event for event in control.events.between(0, 4e9) if event.kind is EventKind.STORE]
    control.close()
    return found


def flip(path, offset, length=64):
    with path.open("r+b") as file:
        file.seek(offset)
        bytes_there = file.read(length)
        file.seek(offset)
        file.write(bytes(byte ^ 0xFF for byte in bytes_there))


def checkpointed(folder, seconds=130):
    """A store's file with nothing left in the WAL."""
    store = open_store(folder)
    fill(store, MINUTE, MINUTE + seconds)
    store.close()
    connection = sqlite3.connect(folder / FILE_NAME)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return folder / FILE_NAME


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"\0" * 5000, b"SQLite format 3\0"]
)
def test_a_file_that_is_no_database_is_set_aside(tmp_path, content):
    (tmp_path / FILE_NAME).write_bytes(content)
    store = open_store(tmp_path)
    fill(store, MINUTE, MINUTE + 2)
    assert store.bounds() == (MINUTE, MINUTE + 1)
    (aside,) = tmp_path.glob(f"{FILE_NAME}.corrupt-*")
    assert aside.read_bytes() == content
    (event,) = events(tmp_path)
    assert aside.name in event.text
    store.close()


def test_an_empty_file_is_a_new_database(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"")
    open_store(tmp_path).close()
    assert not list(tmp_path.glob("*corrupt*"))


def test_a_damaged_header_is_set_aside_at_the_next_start(tmp_path):
    path = checkpointed(tmp_path)
    flip(path, 0)
    store = open_store(tmp_path)
    assert store.bounds() is None
    assert len(list(tmp_path.glob("*corrupt*"))) == 1
    store.close()


def test_damaged_pages_are_set_aside_when_they_are_met(tmp_path):
    path = checkpointed(tmp_path)
    for page in range(1, path.stat().st_size // PAGE_BYTES):
        flip(path, page * PAGE_BYTES, 128)
    store = open_store(tmp_path)
    fill(store, MINUTE + 200, MINUTE + 203)
    assert store.cursors() == {"r": MINUTE + 202}
    assert store.bounds() == (MINUTE + 200, MINUTE + 202)
    assert [event.kind for event in events(tmp_path)] == [EventKind.STORE]
    assert list(tmp_path.glob("*corrupt*"))
    store.close()


def test_other_doors_follow_to_the_new_file(tmp_path):
    store, follower, control = open_store(tmp_path), open_store(tmp_path), Control(tmp_path)
    fill(store, MINUTE, MINUTE + 70)
    assert sent(follower).shape == (1, 600)
    before = follower.version()
    (tmp_path / FILE_NAME).rename(tmp_path / "elsewhere")
    fill(store, MINUTE + 300, MINUTE + 302)
    assert follower.bounds() == (MINUTE + 300, MINUTE + 301)
    assert follower.version() not in {before, 0}
    assert follower.version() == store.version()
    control.instances.heartbeat(1, "leader", 5.0)
    assert [one.pid for one in control.instances.alive(6.0)] == [1]
    for door in (store, follower, control):
        door.close()


def damage(store, table, column, where):
    """Flip bytes in the middle of blobs, as a disk would: SQLite itself does not notice."""

    def change(connection):
        rows = connection.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchall()  # noqa: S608 - our own names
        assert rows
        for (blob,) in rows:
            damaged = bytearray(blob)
            damaged[len(damaged) // 2] ^= 0xFF
            connection.execute(
                f"UPDATE {table} SET {column} = ? WHERE {where} AND {column} = ?",  # noqa: S608 - our own names
                (bytes(damaged), blob),
            )

    store._db.write(change)


def test_a_damaged_chunk_is_a_gap_counted_and_told_once(tmp_path, store):
    fill(store, MINUTE, MINUTE + 190)
    damage(store, "chunk", "data", f"tier = 1 AND t0 = {MINUTE + 60}")
    for _ in range(3):
        values = sent(store, MINUTE, MINUTE + 190)[0]
        assert values[:60].tolist() == [1.0] * 60
        assert all(value != value for value in values[60:120])  # noqa: PLR0124 - NaN
        assert values[120:].tolist() == [1.0] * 70
    assert store.damaged_spans == 1
    (event,) = events(tmp_path)
    assert str(MINUTE + 60) in event.text
    assert event.start_s == MINUTE + 60
    quantile = store.quantiles(Query(REQUEST_DURATION, MINUTE, MINUTE + 190, 10), [0.5]).values
    assert quantile[0, 0, 5] > 0
    assert len(events(tmp_path)) == 1


@pytest.mark.parametrize("column", ["gauges", "counts", "hist"])
def test_a_damaged_second_is_a_gap_also_when_its_minute_closes(tmp_path, store, column):
    fill(store, MINUTE, MINUTE + 30)
    damage(store, "second", column, f"ts = {MINUTE + 5}")
    fill(store, MINUTE + 30, MINUTE + 70)
    readings = store.aggregate(Query(CPU_UTILIZATION, MINUTE, MINUTE + 70, 1), Aggregation.AVG)
    requests = store.aggregate(Query(REQUEST_DURATION, MINUTE, MINUTE + 70, 1), Aggregation.SUM)
    gaps = [
        int((values != values)[0, 5])  # noqa: PLR0124 - NaN
        for values in (readings.values, sent(store), requests.values)
    ]
    assert gaps == [int(column == name) for name in ("gauges", "counts", "hist")]
    assert sent(store)[0, 6] == 1.0
    assert store.damaged_spans == 1
    assert len(events(tmp_path)) == 1


def test_a_damaged_second_takes_what_comes_late(store):
    fill(store, MINUTE, MINUTE + 3)
    damage(store, "second", "counts", f"ts = {MINUTE + 1}")
    store.write(Batch([Frame(MINUTE + 1, counts={SENT: 5.0})]))
    assert sent(store, MINUTE, MINUTE + 3).tolist() == [[1.0, 5.0, 1.0]]
    assert store.damaged_spans == 1


def test_a_newer_schema_is_refused_and_left_alone(tmp_path):
    store = open_store(tmp_path)
    store._db.write(
        lambda connection: connection.execute(
            "UPDATE meta SET value = 99 WHERE key = 'schema_version'"
        )
    )
    store.close()
    with pytest.raises(StoreVersionError, match="schema 99"):
        open_store(tmp_path)
    with pytest.raises(StoreVersionError):
        Control(tmp_path)
    assert not list(tmp_path.glob("*corrupt*"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError, match="cannot make the folder"):
        open_store(tmp_path / "file" / "data")


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(DataFolderError, match="cannot open"):
        open_store(tmp_path)


def test_many_openers_at_once_make_one_store(tmp_path):
    stores, failures = [], []

    def open_one():
        try:
            stores.append(SqliteStore(tmp_path))
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=open_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len({store.version() for store in stores}) == 1
    for store in stores:
        store.close()


def test_a_closed_store_says_so(store):
    store.close()
    for ask in (store.bounds, store.version, lambda: store.write(Batch([Frame(1)]))):
        with pytest.raises(StoreError, match="closed"):
            ask()
    store.close()


def test_closing_leaves_no_connection_and_no_wal(tmp_path):
    store = open_store(tmp_path)
    fill(store, MINUTE, MINUTE + 3)
    readers = [threading.Thread(target=store.bounds) for _ in range(10)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    store.close()
    # SQLite deletes the WAL with the last connection (sqlite.org/wal.html).
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE_NAME, "store.lock"]


def test_a_failed_change_leaves_nothing_and_the_next_one_works(tmp_path):
    database = Database(tmp_path, None)
    before = database.version()

    def fail(connection):
        connection.execute("INSERT INTO cursor VALUES ('r', 1)")
        raise KeyError("r")

    with pytest.raises(KeyError):
        database.write(fail)
    assert database.version() == before
    database.write(lambda connection: connection.execute("INSERT INTO cursor VALUES ('r', 2)"))
    rows = database.read(lambda c: c.execute("SELECT * FROM cursor WHERE ring != ''").fetchall())
    assert rows == [("r", 2)]
    assert database.version() > before
    database.close()


def test_a_locked_store_is_named_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr("servescope.store.sqlite.database.BUSY_SECONDS", 0.05)
    database = Database(tmp_path, None)
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        database.write(lambda connection: connection.execute("DELETE FROM cursor WHERE ring != ''"))
    other.execute("ROLLBACK")
    other.close()
    database.write(lambda connection: connection.execute("DELETE FROM cursor WHERE ring != ''"))
    database.close()

"""A store opened for reading alone: it answers as ever, and leaves the folder as it was."""

import gzip
import sqlite3
from pathlib import Path

import pytest

from servescope.catalog import BYTES_SENT, CPU_UTILIZATION
from servescope.errors import (
    DataFolderError,
    StoreCorruptError,
    StoreError,
    StoreVersionError,
)
from servescope.store.base import Batch, Frame, SeriesKey
from servescope.store.query import Aggregation, Query
from servescope.store.sqlite.read_only import ReadOnlyDatabase
from servescope.store.sqlite.schema import FILE_NAME, VERSION
from servescope.store.sqlite.store import open_read_only, open_store

MINUTE = 1_700_000_040
CPU, SENT = SeriesKey(CPU_UTILIZATION), SeriesKey(BYTES_SENT)
OLD = Path(__file__).parent / "data" / "version_2.sqlite3.gz"


def frames(start, end):
    return Batch([Frame(ts, {CPU: 0.5}, {SENT: 1.0}) for ts in range(start, end)])


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def sent(store, end):
    return store.aggregate(Query(BYTES_SENT, MINUTE, end), Aggregation.SUM).values.tolist()


@pytest.fixture
def at_rest(tmp_path):
    """A folder whose dashboard has ended."""
    store = open_store(tmp_path)
    store.write(frames(MINUTE, MINUTE + 70))
    store.close()
    return tmp_path


def test_a_store_at_rest_is_read_without_a_trace(at_rest):
    before = contents(at_rest)
    store = open_read_only(at_rest)
    assert store.bounds() == (MINUTE, MINUTE + 69)
    assert sent(store, MINUTE + 70) == [[1.0] * 70]
    assert store.version() == store.version()
    store.close()
    assert contents(at_rest) == before


def test_beside_a_writer_each_reading_has_what_was_committed(at_rest):
    reader = open_read_only(at_rest)
    writer = open_store(at_rest)
    version = reader.version()
    writer.write(frames(MINUTE + 70, MINUTE + 72))
    assert sent(reader, MINUTE + 72) == [[1.0] * 72]
    assert reader.version() != version
    names = set(contents(at_rest))
    reader.close()
    assert set(contents(at_rest)) == names
    writer.write(frames(MINUTE + 72, MINUTE + 73))
    writer.close()


def test_a_reading_that_a_writer_ran_into_is_taken_anew(at_rest):
    """Opened at rest, SQLite takes no locks: what changed meanwhile must not be believed."""
    database = ReadOnlyDatabase(at_rest)
    answers = []

    def ask(connection):
        (rows,) = connection.execute("SELECT count(*) FROM open_row").fetchone()
        if not answers:
            writer = open_store(at_rest)
            writer.write(frames(MINUTE + 70, MINUTE + 75))
            writer.close()  # which checkpoints: the file itself has changed
        answers.append(rows)
        return rows

    assert database.read(ask) == answers[0] + 5
    assert len(answers) == 2


def test_nothing_can_be_written_through_it(at_rest):
    store = open_read_only(at_rest)
    with pytest.raises(StoreError, match="open for reading only"):
        store.write(frames(MINUTE + 70, MINUTE + 71))
    with pytest.raises(DataFolderError, match="readonly"):
        ReadOnlyDatabase(at_rest).read(lambda connection: connection.execute("DELETE FROM chunk"))


def test_damage_is_told_and_nothing_set_aside(at_rest):
    (at_rest / FILE_NAME).write_bytes(b"no database at all" * 1000)
    before = contents(at_rest)
    with pytest.raises(StoreCorruptError, match="is damaged"):
        open_read_only(at_rest)
    assert contents(at_rest) == before


def test_a_damaged_chunk_is_a_gap_and_leaves_no_event(at_rest):
    connection = sqlite3.connect(at_rest / FILE_NAME)
    connection.execute("UPDATE chunk SET data = zeroblob(length(data)) WHERE tier = 1")
    connection.commit()
    connection.close()
    before = contents(at_rest)
    store = open_read_only(at_rest)
    values = sent(store, MINUTE + 70)[0]
    assert [value == 1.0 for value in values] == [False] * 60 + [True] * 10
    assert contents(at_rest) == before


def test_an_older_file_stays_as_it_is(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(gzip.decompress(OLD.read_bytes()))
    before = contents(tmp_path)
    with pytest.raises(
        StoreVersionError, match=r"older Servescope \(schema 2.*start the dashboard"
    ):
        open_read_only(tmp_path)
    assert contents(tmp_path) == before


def test_a_newer_file_is_refused(at_rest):
    connection = sqlite3.connect(at_rest / FILE_NAME)
    connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (VERSION + 1,))
    connection.commit()
    connection.close()
    with pytest.raises(StoreVersionError, match="newer Servescope"):
        open_read_only(at_rest)


def test_a_folder_without_a_store_stays_without(tmp_path):
    with pytest.raises(DataFolderError, match="cannot open"):
        open_read_only(tmp_path / "none")
    assert not (tmp_path / "none").exists()

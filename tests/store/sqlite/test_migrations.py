"""Files of older schema versions are brought up to date; nothing of what they hold is lost."""

import gzip
import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from servescope.catalog import BYTES_SENT, CPU_UTILIZATION, REQUEST_DURATION
from servescope.control import Control
from servescope.errors import StoreFullError
from servescope.records.dashboard import EventKind
from servescope.records.load import LoadPlan
from servescope.records.requests import RequestDetail, RequestRecord
from servescope.request_fields import Method, RequestFlag
from servescope.store.base import Batch, Frame
from servescope.store.query import Aggregation, Query
from servescope.store.sqlite import migrations
from servescope.store.sqlite.schema import FILE_NAME, VERSION
from servescope.store.sqlite.store import open_store
from tests.store.sqlite.version_1_history import CPU, END, SENT, START, STEP, frames

PACKED = Path(__file__).parent / "data" / "version_1.sqlite3.gz"
HOURS_CLOSED = 2


@pytest.fixture
def old(tmp_path):
    """A folder with a store that the code of version 1 wrote."""
    (tmp_path / FILE_NAME).write_bytes(gzip.decompress(PACKED.read_bytes()))
    return tmp_path


def version_of(folder):
    connection = sqlite3.connect(folder / FILE_NAME)
    found = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()[0]
    connection.close()
    return found


def test_every_answer_of_an_old_file_is_the_same(old):
    assert version_of(old) == 1
    store, history = open_store(old), list(frames())
    assert version_of(old) == VERSION
    assert store.bounds() == (START, END - STEP)
    assert store.cursors() == {"1-1.ring": len(history)}
    sent = store.aggregate(Query(BYTES_SENT, START, END, STEP), Aggregation.SUM).values
    assert sent.tolist() == [[frame.counts[SENT] for frame in history]]
    total = store.total(Query(REQUEST_DURATION, START, END))
    assert total.buckets.sum() == 2 * len(history)
    assert total.sum_s[0] == pytest.approx(
        math.fsum(delta.sum_s for frame in history for delta in frame.histograms.values())
    )
    store.close()


@pytest.mark.parametrize("step", [60, 600])
def test_the_long_tier_of_an_old_file_tells_what_its_minutes_told(old, step):
    """Without its seconds and minutes, the closed hours are told by the new tier alone."""
    store = open_store(old)
    store._db.write(
        lambda connection: [
            connection.execute("DELETE FROM chunk WHERE tier < 600"),
            connection.execute("DELETE FROM frame WHERE tier < 600"),
        ]
    )
    closed = START + HOURS_CLOSED * 3600
    history = [frame for frame in frames() if frame.ts < closed]
    query = Query(CPU_UTILIZATION, START, closed, step, where=(("cpu.logical_number", "0"),))
    for agg, of in (
        (Aggregation.MIN, min),
        (Aggregation.MAX, max),
        (Aggregation.AVG, lambda values: math.fsum(values) / len(values)),
    ):
        found = store.aggregate(query, agg)
        assert found.actual_step == 600
        assert found.values[0] == pytest.approx(
            [
                of([one.gauges[CPU[0]] for one in history if ts <= one.ts < ts + 600])
                for ts in range(START, closed, 600)
            ]
        )
    sent = store.aggregate(Query(BYTES_SENT, START, closed, step), Aggregation.SUM)
    assert sent.values.sum() == sum(frame.counts[SENT] for frame in history)
    requests = store.total(Query(REQUEST_DURATION, START, closed))
    assert requests.buckets.sum() == 2 * len(history)
    store.close()


def test_the_page_says_that_a_file_was_migrated_and_only_once(old):
    for _ in range(2):
        open_store(old).close()
    control = Control(old)
    told = [one.text for one in control.events.between(0, 4e9) if one.kind is EventKind.STORE]
    assert told == [f"The store was brought from schema 1 to {VERSION}."]
    control.close()


def test_writing_goes_on_in_a_migrated_file(old):
    store = open_store(old)
    for minute in range(40):
        store.write(Batch([Frame(END + 60 * minute, {CPU[0]: 0.5}, {SENT: 1.0})]))
    assert store.aggregate(
        Query(BYTES_SENT, END, END + 2400, 600), Aggregation.SUM
    ).values.sum() == pytest.approx(40)
    history = math.fsum(frame.counts[SENT] for frame in frames())
    assert store.total(Query(BYTES_SENT, START, END + 2400)).count.tolist() == [history + 40]
    store.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(old, monkeypatch):
    before = (old / FILE_NAME).read_bytes()

    def full(connection):
        migrations._add_ten_minutes(connection)
        raise StoreFullError("no room")

    with monkeypatch.context() as patched:
        patched.setitem(migrations.STEPS, 1, full)
        with pytest.raises(StoreFullError):
            open_store(old)
    assert version_of(old) == 1
    assert len((old / FILE_NAME).read_bytes()) == len(before)
    store = open_store(old)
    assert version_of(old) == VERSION
    store.close()


def test_an_hour_with_a_damaged_blob_keeps_nobody_from_migrating(old):
    connection = sqlite3.connect(old / FILE_NAME)
    connection.execute(
        "UPDATE chunk SET data = zeroblob(40) WHERE tier = 60 AND t0 = ? AND plane = 0", (START,)
    )
    connection.commit()
    connection.close()
    store = open_store(old)
    found = store._db.read(
        lambda connection: connection.execute(
            "SELECT min(ts), count(*) FROM frame WHERE tier = 600"
        ).fetchone()
    )
    assert found == (START + 3600, 6)
    store.close()


def as_version_4(folder):
    """Turn the file that this code wrote into one of version 4: all cursors in a table."""
    store = open_store(folder)
    cursors = store.cursors()
    store.close()
    with sqlite3.connect(folder / FILE_NAME) as connection:
        connection.execute("ALTER TABLE second DROP COLUMN cursors")
        connection.executemany("INSERT OR REPLACE INTO cursor VALUES (?, ?)", cursors.items())
        connection.execute("UPDATE meta SET value = 4 WHERE key = 'schema_version'")
    connection.close()


def test_a_file_of_version_4_keeps_its_cursors(tmp_path):
    store = open_store(tmp_path)
    for ts in range(START, START + 90):
        store.write(Batch([Frame(ts, counts={SENT: 1.0})], {"1-1.ring": ts, "2-7.ring": 5}))
    store.close()
    as_version_4(tmp_path)
    assert version_of(tmp_path) == 4
    store = open_store(tmp_path)
    assert store.cursors() == {"1-1.ring": START + 89, "2-7.ring": 5}
    for ts in range(START + 90, START + 200):
        store.write(Batch([Frame(ts, counts={SENT: 1.0})], {"1-1.ring": ts}))
    (carried,) = store._db.read(
        lambda connection: connection.execute(
            "SELECT count(*) FROM second WHERE instr(cursors, '.ring')"
        ).fetchone()
    )
    assert carried
    assert store.cursors() == {"1-1.ring": START + 199, "2-7.ring": 5}
    assert store.total(Query(BYTES_SENT, START, START + 3_600)).count.tolist() == [200.0]
    store.close()
    assert version_of(tmp_path) == VERSION


def test_the_load_runs_of_a_file_of_version_7_were_measured_here(tmp_path):
    with closing(Control(tmp_path)) as control:
        run = control.load_runs.request(LoadPlan.constant("wsgi", "/", 10, 1), 5.0)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection, connection:
        connection.execute("ALTER TABLE load_run DROP COLUMN origin")
        connection.execute("UPDATE meta SET value = 7 WHERE key = 'schema_version'")
    with closing(Control(tmp_path)) as control:
        assert version_of(tmp_path) == VERSION
        assert control.load_runs.by_id(run.id) == run
        assert run.origin is None


ORIGIN = ("thread", "pid", "client_port", "requests_before", "trace_id", "capture_id")


def test_the_requests_of_a_file_of_version_5_are_of_unknown_origin(tmp_path):
    record = RequestRecord(
        *(START * 10**9, 1, 2, Method.GET, 2, 200, RequestFlag(0), 1, 2),
        stages_ns=(0.5, 1.0, 2.0, 3.0, 4.0, 5.0),
    )
    detail = RequestDetail(record, "files", "/", "/17", "::1", "agent")
    store = open_store(tmp_path)
    store.write(Batch([Frame(START)], request_details=[detail]))
    store.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        for column in ORIGIN:
            connection.execute(f"ALTER TABLE request_detail DROP COLUMN {column}")
        connection.execute("UPDATE meta SET value = 5 WHERE key = 'schema_version'")
    connection.close()
    store = open_store(tmp_path)
    assert version_of(tmp_path) == VERSION
    assert store.request_details(5) == [(1, detail)]
    store.close()


def test_the_cipher_suites_of_a_file_of_version_8_are_unknown(tmp_path):
    record = RequestRecord(
        *(START * 10**9, 1, 2, Method.GET, 2, 200, RequestFlag.TLS, 1, 2),
        stages_ns=(0.5, 1.0, 2.0, 3.0, 4.0, 5.0),
    )
    detail = RequestDetail(record, "files", "/", "/17", "::1", "agent", requests_before=3)
    store = open_store(tmp_path)
    store.write(Batch([Frame(START)], request_details=[replace(detail, cipher_suite=0x1302)]))
    store.close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection, connection:
        connection.execute("ALTER TABLE request_detail DROP COLUMN cipher_suite")
        connection.execute("UPDATE meta SET value = 8 WHERE key = 'schema_version'")
    with closing(open_store(tmp_path)) as store:
        assert version_of(tmp_path) == VERSION
        assert store.request_details(5) == [(1, detail)]


def test_the_load_runs_of_a_file_of_version_6_have_no_words_and_no_environment(tmp_path):
    open_store(tmp_path).close()
    control = Control(tmp_path)
    run = control.load_runs.request(LoadPlan.constant("wsgi", "/", 5, 1), 1.0)
    control.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        for column in ("name", "note", "tags", "environment"):
            connection.execute(f"ALTER TABLE load_run DROP COLUMN {column}")
        connection.execute("UPDATE meta SET value = 6 WHERE key = 'schema_version'")
    connection.close()
    open_store(tmp_path).close()
    assert version_of(tmp_path) == VERSION
    control = Control(tmp_path)
    assert control.load_runs.by_id(run.id) == run
    assert (run.name, run.note, run.tags, run.environment) == ("", "", (), None)
    control.close()

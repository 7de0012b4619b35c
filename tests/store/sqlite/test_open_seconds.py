"""Seconds of the open minute lie in slots that are written over: few pages, and no row is lost."""

import sqlite3
import struct

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import BYTES_SENT, CPU_UTILIZATION, REQUEST_DURATION
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.codec.envelope import PAGE_BYTES
from servescope.store.query import Aggregation, Query
from servescope.store.sqlite.open_seconds import SLOTS, SecondWriter
from servescope.store.sqlite.schema import FILE_NAME
from servescope.store.sqlite.store import open_store

MINUTE = 1_700_006_400
CORES = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", str(core)),)) for core in range(440)]
SENT = SeriesKey(BYTES_SENT, (("listener", "files"),))
ROUTES = [SeriesKey(REQUEST_DURATION, (("http.route", f"/{number}"),)) for number in range(20)]


def wide_frame(ts):
    """A second of many series, whose histograms take more room in one second than in another."""
    random = np.random.default_rng(ts)
    took = histogram.count(random.lognormal(-6, 0.5, 50))
    return Frame(
        ts,
        {key: ts % 97 / 8 + core for core, key in enumerate(CORES)},
        {SENT: 1.0},
        {key: HistogramDelta(took, 0.1) for key in ROUTES},
    )


def ask(store, question, *values):
    return store._db.read(lambda connection: connection.execute(question, values).fetchall())


def sent(store, start, end):
    found = store.aggregate(Query(BYTES_SENT, start, end, 1), Aggregation.SUM).values
    return found[0].tolist()


def pages_of_commits(wal):
    """Page numbers of each commit in a WAL (sqlite.org/fileformat2.html, section 4.1)."""
    commits, pages = [], []
    for at in range(32, len(wal), 24 + PAGE_BYTES):
        page, is_commit = struct.unpack_from(">II", wal, at)
        pages.append(page)
        if is_commit:
            commits.append(pages)
            pages = []
    return commits


def test_a_second_of_461_series_writes_three_pages(tmp_path):
    """Its slot and what overflows of it, and the index of the slots; none is allocated."""
    store = open_store(tmp_path)
    for ts in range(MINUTE, MINUTE + 121):
        store.write(Batch([wide_frame(ts)], {"1-1.ring": ts}))
    store._db._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for ts in range(MINUTE + 121, MINUTE + 160):
        store.write(Batch([wide_frame(ts)], {"1-1.ring": ts}))
    commits = pages_of_commits((tmp_path / f"{FILE_NAME}-wal").read_bytes())
    assert len(commits) == 39
    assert sorted(map(len, commits))[len(commits) * 9 // 10] == 3
    assert all(1 not in pages for pages in commits), "page 1 changes when pages are taken or freed"
    store.close()


def test_slots_are_used_again_and_stay_as_many(store):
    for minute in range(4):
        for ts in range(MINUTE + minute * 60, MINUTE + minute * 60 + 60):
            store.write(Batch([Frame(ts, counts={SENT: 1.0})]))
    assert ask(store, "SELECT count(*), max(slot) FROM second") == [(SLOTS, SLOTS - 1)]
    assert ask(store, "SELECT count(*) FROM frame WHERE tier = 1") == [(0,)]
    assert ask(store, "SELECT count(*) FROM open_row WHERE tier = 1") == [(60,)]
    assert sent(store, MINUTE, MINUTE + 240) == [1.0] * 240


def test_more_seconds_at_once_than_there_are_slots(store):
    seconds = range(MINUTE, MINUTE + 5 * SLOTS)
    store.write(Batch([Frame(ts, counts={SENT: float(ts - MINUTE)}) for ts in seconds]))
    assert sent(store, MINUTE, seconds[-1] + 1) == [float(ts - MINUTE) for ts in seconds]
    assert store.bounds() == (MINUTE, seconds[-1])


def test_a_second_whose_slot_another_one_has_is_told_once_whichever_comes_again(store):
    """After a gap an open second's slot may be wanted: both stay, and both take what comes late."""
    early, late = MINUTE + 1, MINUTE + 1 - SLOTS
    for ts, count in ((early, 1.0), (late, 2.0), (late, 4.0)):
        store.write(Batch([Frame(ts, counts={SENT: count})]))
    assert ask(store, "SELECT ts FROM open_row ORDER BY ts") == [(late,), (early,)]
    store.write(Batch([Frame(early, counts={SENT: 8.0})]))
    assert sent(store, late, late + 1) == [6.0]
    assert sent(store, early, early + 1) == [9.0]


def test_a_row_that_was_open_before_slots_existed_closes_and_merges(tmp_path):
    """Version 3 had no slots: what its minute holds are rows of `frame`."""
    store = open_store(tmp_path)
    for ts in range(MINUTE, MINUTE + 10):
        store.write(Batch([Frame(ts, counts={SENT: 1.0})]))
    store.close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("INSERT INTO frame SELECT * FROM open_row WHERE tier = 1")
    connection.execute("DROP VIEW open_row")
    connection.execute("DROP TABLE second")
    connection.execute("UPDATE meta SET value = 3 WHERE key = 'schema_version'")
    connection.commit()
    connection.close()
    store = open_store(tmp_path)
    for ts in range(MINUTE + 5, MINUTE + 70):
        store.write(Batch([Frame(ts, counts={SENT: 1.0})]))
    assert sent(store, MINUTE, MINUTE + 70) == [1.0] * 5 + [2.0] * 5 + [1.0] * 60
    assert ask(store, "SELECT count(*) FROM frame WHERE tier = 1") == [(0,)]
    store.close()


def test_a_write_that_fails_leaves_the_slot_as_it_was(store, monkeypatch):
    store.write(Batch([Frame(MINUTE, counts={SENT: 1.0})]))
    put = SecondWriter.put

    def broken(*arguments):
        put(*arguments)
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(SecondWriter, "put", broken)
        with pytest.raises(Exception, match="disk I/O error"):
            store.write(Batch([Frame(MINUTE, counts={SENT: 4.0})]))
    assert sent(store, MINUTE, MINUTE + 1) == [1.0]


@pytest.mark.parametrize("size", [10, 500, 4_000, 20_000])
def test_the_room_of_a_slot_seldom_changes(size):
    writer = SecondWriter()
    rooms = set()
    for more in (0, 7, 3, size // 20, 0, size // 16):
        padding = writer._padding(size + more)
        assert 64 <= padding <= 4085
        rooms.add(size + more + padding)
    assert len(rooms) == 1
    assert writer._padding(size * 10) <= 4085

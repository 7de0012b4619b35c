"""Minutes and hours that are over: tiers, retention, the size budget."""

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import BYTES_SENT, CPU_UTILIZATION, REQUEST_DURATION
from servescope.errors import StoreError, StoreFullError
from servescope.records.dashboard import EventKind
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.query import Aggregation, Query
from servescope.store.sqlite.store import SqliteStore
from servescope.store.tiers import Retention

HOUR = 1_700_002_800
assert HOUR % 3600 == 0
CPU, SENT, REQUESTS = SeriesKey(CPU_UTILIZATION), SeriesKey(BYTES_SENT), SeriesKey(REQUEST_DURATION)
ONE_MS = HistogramDelta(histogram.count([1e-3]), 1e-3)


def frame(ts, value=None):
    return Frame(
        ts, {CPU: float(ts % 7 if value is None else value)}, {SENT: 1.0}, {REQUESTS: ONE_MS}
    )


def write(store, start, end, step=1):
    store.write(Batch([frame(ts) for ts in range(start, end, step)]))


def ask(store, sql, *values):
    return store._db.read(lambda connection: connection.execute(sql, values).fetchall())


def kept(store, table, tier):
    return ask(store, f"SELECT count(*) FROM {table} WHERE tier = ?", tier)[0][0]  # noqa: S608 - a table of ours


def drop_fine(store):
    """Delete the chunks of tier 1, as happens after a day."""
    store._db.write(lambda connection: connection.execute("DELETE FROM chunk WHERE tier = 1"))


def test_a_minute_that_is_over_becomes_chunks_and_a_row_of_tier_60(store):
    write(store, HOUR, HOUR + 60)
    assert kept(store, "chunk", 1) == 0
    store.write(Batch([frame(HOUR + 60)]))
    assert kept(store, "open_row", 1) == 1
    assert kept(store, "open_row", 60) == 1
    assert kept(store, "chunk", 1) > 0


def test_an_hour_that_is_over_becomes_chunks_of_tier_60(store):
    for minute in range(61):
        write(store, HOUR + 60 * minute, HOUR + 60 * minute + 60, 7)
    assert kept(store, "chunk", 60) > 0
    assert kept(store, "open_row", 60) == 0
    store.write(Batch([frame(HOUR + 3660)]))
    assert kept(store, "open_row", 60) == 1


def test_a_new_start_closes_what_the_last_one_left_open(tmp_path):
    store = SqliteStore(tmp_path)
    write(store, HOUR + 30, HOUR + 55)
    store.close()
    store = SqliteStore(tmp_path)
    store.write(Batch([frame(HOUR + 600)]))
    assert kept(store, "open_row", 1) == 1
    assert store.total(Query(BYTES_SENT, HOUR, HOUR + 700)).count.tolist() == [26.0]
    store.close()


def test_tier_60_answers_where_tier_1_is_gone(store):
    for minute in range(120):
        write(store, HOUR + 60 * minute, HOUR + 60 * minute + 60, 10)
    whole = [
        store.aggregate(Query(name, HOUR, HOUR + 7200, 600), agg).values
        for name, agg in (
            (CPU_UTILIZATION, Aggregation.AVG),
            (CPU_UTILIZATION, Aggregation.MIN),
            (CPU_UTILIZATION, Aggregation.MAX),
            (BYTES_SENT, Aggregation.RATE),
            (REQUEST_DURATION, Aggregation.SUM),
        )
    ]
    drop_fine(store)
    after = [
        store.aggregate(Query(name, HOUR, HOUR + 7200, 600), agg).values
        for name, agg in (
            (CPU_UTILIZATION, Aggregation.AVG),
            (CPU_UTILIZATION, Aggregation.MIN),
            (CPU_UTILIZATION, Aggregation.MAX),
            (BYTES_SENT, Aggregation.RATE),
            (REQUEST_DURATION, Aggregation.SUM),
        )
    ]
    for one, other in zip(whole, after, strict=True):
        np.testing.assert_allclose(one, other)
    fine = store.aggregate(Query(BYTES_SENT, HOUR, HOUR + 600, 10), Aggregation.SUM)
    assert fine.actual_step == 60
    assert fine.values.tolist() == [[6.0] * 10]
    assert store.quantiles(Query(REQUEST_DURATION, HOUR, HOUR + 600, 1), [0.5]).actual_step == 60


def test_a_minute_partly_asked_for_is_answered_whole_once_tier_1_is_gone(store):
    for minute in range(10):
        write(store, HOUR + 60 * minute, HOUR + 60 * minute + 60, 10)
    query = Query(BYTES_SENT, HOUR + 70, HOUR + 190)
    assert store.total(query).count.tolist() == [12.0]
    drop_fine(store)
    assert store.total(query).count.tolist() == [18.0]


def test_recent_seconds_stay_at_one_second(store):
    for minute in range(10):
        write(store, HOUR + 60 * minute, HOUR + 60 * minute + 60, 10)
    assert (
        store.aggregate(Query(BYTES_SENT, HOUR + 500, HOUR + 599, 1), Aggregation.SUM).actual_step
        == 1
    )
    before_all = store.aggregate(Query(BYTES_SENT, HOUR - 500, HOUR + 99, 1), Aggregation.SUM)
    assert before_all.actual_step == 1


def test_old_tiers_are_dropped_as_new_spans_close(store):
    store.retention = Retention(1800, 3 * 3600, 25 * 3600)
    now = HOUR + 40 * 3600
    for start in (*range(HOUR, now - 7200, 600), *range(now - 7200, now, 60)):
        write(store, start, start + 60, 30)
    ((oldest,),) = ask(store, "SELECT min(t0) FROM chunk WHERE tier = 1")
    assert now - 1800 - 120 <= oldest <= now - 1800
    ((oldest,),) = ask(store, "SELECT min(t0) FROM chunk WHERE tier = 60")
    assert now - 4 * 3600 - 60 <= oldest <= now - 3 * 3600
    ((oldest,),) = ask(store, "SELECT min(t0) FROM chunk WHERE tier = 600")
    assert now - 35 * 3600 - 3600 <= oldest <= now - 25 * 3600
    assert store.bounds()[0] == max(oldest, HOUR)


def test_a_clock_that_leaps_ahead_for_a_moment_costs_nothing(store):
    for minute in range(20):
        write(store, HOUR + 60 * minute, HOUR + 60 * minute + 60, 10)
    store.write(Batch([frame(HOUR + 10 * 365 * 86_400)]))
    for minute in range(20, 30):
        write(store, HOUR + 60 * minute, HOUR + 60 * minute + 60, 10)
    total = store.total(Query(BYTES_SENT, HOUR, HOUR + 1800)).count[0]
    assert total == 30 * 6
    fine = store.aggregate(Query(BYTES_SENT, HOUR, HOUR + 1800, 10), Aggregation.SUM)
    assert fine.actual_step == 10
    assert fine.values.tolist() == [[1.0] * 180]


def test_a_clock_set_back_adds_to_what_is_there(store):
    for minute in range(5):
        write(store, HOUR + 60 * minute, HOUR + 60 * minute + 60)
    for minute in range(2, 7):
        write(store, HOUR + 60 * minute, HOUR + 60 * minute + 60)
    assert store.total(Query(BYTES_SENT, HOUR, HOUR + 600)).count.tolist() == [600.0]
    counts = store.aggregate(Query(BYTES_SENT, HOUR, HOUR + 420, 1), Aggregation.SUM).values[0]
    assert counts.tolist() == [1.0] * 120 + [2.0] * 180 + [1.0] * 120
    gauge = store.aggregate(Query(CPU_UTILIZATION, HOUR, HOUR + 420, 1), Aggregation.AVG).values[0]
    assert gauge.tolist() == [float(ts % 7) for ts in range(HOUR, HOUR + 420)]


def test_what_came_late_is_counted_in_tier_60_after_tier_1_is_gone(store):
    for start in (HOUR, HOUR + 180, HOUR + 60):  # the clock was set back
        for minute in range(4):
            write(store, start + 60 * minute, start + 60 * minute + 60)
    store.write(Batch([frame(HOUR + 600)]))
    store.retention = Retention(600, 86_400)
    for minute in range(20, 40):
        write(store, HOUR + 60 * minute, HOUR + 60 * minute + 60, 30)
    assert ask(store, "SELECT min(ts) FROM open_row WHERE tier = 1")[0][0] >= HOUR + 2000
    assert ask(store, "SELECT min(t0) FROM chunk WHERE tier = 1")[0][0] >= HOUR + 1200
    counts = store.aggregate(Query(BYTES_SENT, HOUR, HOUR + 420, 60), Aggregation.SUM).values
    assert counts.tolist() == [[60.0, 120.0, 120.0, 180.0, 120.0, 60.0, 60.0]]


CORES = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", str(n)),)) for n in range(300)]


def noisy(ts, random):
    return Frame(ts, dict(zip(CORES, random.random(300).tolist(), strict=True)), {SENT: 1.0})


@pytest.fixture
def small(tmp_path):
    store = SqliteStore(tmp_path / "small", 2)
    yield store
    store.close()


def test_the_size_budget_is_held_by_dropping_the_oldest(small):
    random = np.random.default_rng(1)
    for start in range(HOUR, HOUR + 3600, 30):
        small.write(Batch([noisy(ts, random) for ts in range(start, start + 30)], {"r": start}))
    assert small.path.stat().st_size <= 2 * 1024 * 1024
    assert small.cursors() == {"r": HOUR + 3570}
    newest = small.aggregate(Query(BYTES_SENT, HOUR + 3480, HOUR + 3600, 1), Aggregation.SUM)
    assert newest.values.tolist() == [[1.0] * 120]
    ((oldest,),) = ask(small, "SELECT min(t0) FROM chunk WHERE tier = 1")
    assert oldest > HOUR
    assert small.bounds()[0] == HOUR  # tier 60 remembers


def test_a_lowered_budget_shrinks_the_file_step_by_step(tmp_path):
    random, store = np.random.default_rng(1), SqliteStore(tmp_path, 16)
    for start in range(HOUR, HOUR + 5400, 60):
        store.write(Batch([noisy(ts, random) for ts in range(start, start + 60)], {"r": start}))
    store.close()
    large = store.path.stat().st_size
    store = SqliteStore(tmp_path, 4)
    assert large > 1.5 * 4 * 1024 * 1024
    assert store.path.stat().st_size == large  # nothing is dropped by looking
    for ts in range(HOUR + 5400, HOUR + 5460):
        store.write(Batch([noisy(ts, random)], {"r": ts}))
    assert store.path.stat().st_size <= 4 * 1024 * 1024
    newest = store.aggregate(Query(BYTES_SENT, HOUR + 5280, HOUR + 5460, 1), Aggregation.SUM)
    assert newest.values.tolist() == [[1.0] * 180]
    assert store.cursors() == {"r": HOUR + 5459}
    assert store.bounds()[0] == HOUR  # tier 60 remembers
    assert ask(store, "PRAGMA integrity_check") == [("ok",)]
    told = ask(store, "SELECT text FROM event WHERE kind = ?", EventKind.STORE)
    assert [text for (text,) in told] == [
        "The store outgrew its budget, which was lowered: its oldest data is gone."
    ]
    for start in range(HOUR + 5460, HOUR + 9000, 60):  # the new budget holds from now on
        store.write(Batch([noisy(ts, random) for ts in range(start, start + 60)], {"r": start}))
    assert store.path.stat().st_size <= 4 * 1024 * 1024
    assert len(ask(store, "SELECT 1 FROM event")) == 1
    store.close()


def test_a_file_that_cannot_be_shrunk_now_has_its_batch_all_the_same(tmp_path, monkeypatch):
    store = SqliteStore(tmp_path, 16)
    write(store, HOUR, HOUR + 600)
    monkeypatch.setattr(store, "_is_shrinking", True)
    monkeypatch.setattr(store._db, "is_over_budget", lambda: True)

    def locked():
        raise StoreError("database is locked")

    monkeypatch.setattr(store._db, "shrink", locked)
    store.write(Batch([frame(HOUR + 600)], {"r": 7}))  # committed: no error would undo it
    assert store.cursors() == {"r": 7}
    assert store._is_shrinking, "the next write goes on"
    store.close()


def test_what_fits_in_no_budget_is_refused_and_reading_goes_on(small):
    random = np.random.default_rng(1)
    small.write(Batch([noisy(HOUR, random)], {"r": 1}))
    endless = [noisy(ts, random) for ts in range(HOUR + 1, HOUR + 2000)]
    with pytest.raises(StoreFullError, match="nothing was written"):
        small.write(Batch(endless, {"r": 2}))
    assert small.cursors() == {"r": 1}
    assert small.total(Query(BYTES_SENT, HOUR, HOUR + 3000)).count.tolist() == [1.0]
    small.write(Batch([noisy(HOUR + 1, random)], {"r": 2}))
    assert small.total(Query(BYTES_SENT, HOUR, HOUR + 3000)).count.tolist() == [2.0]

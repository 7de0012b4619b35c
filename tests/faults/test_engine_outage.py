"""An engine that dies in mid-stream and comes back lacks nothing and has nothing twice."""

import signal
import threading
import time

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import BYTES_SENT, CPU_UTILIZATION, REQUEST_DURATION
from servescope.errors import EngineAwayError
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.opening import open_backend
from servescope.store.query import Aggregation, Query
from servescope.store.steps import Steps
from tests.engines import ENGINES, PROMETHEUS, VICTORIA_METRICS, RunningEngine
from tests.ports import free_port
from tests.processes import eventually

CPU = SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", "all"),))
SENT = SeriesKey(BYTES_SENT, (("listener", "wsgi"),))
REQUESTS = SeriesKey(REQUEST_DURATION, (("listener", "wsgi"),))
START = 1_700_000_000


def frame(ts):
    seconds = [0.001 * (1 + ts % 7), 0.2]
    requests = HistogramDelta(histogram.count(seconds), sum(seconds))
    return Frame(ts, {CPU: ts % 100 / 100}, {SENT: float(ts % 1000)}, {REQUESTS: requests})


def holds_each_second_once(view, start, end):
    """Whether a view has every second exactly, to the last count."""
    seconds = range(start, end)
    sent = view.aggregate(Query(BYTES_SENT, start, end, 1), Aggregation.SUM)
    cpu = view.aggregate(Query(CPU_UTILIZATION, start, end, 1), Aggregation.AVG)
    total = view.total(Query(REQUEST_DURATION, start, end))
    return (
        len(sent.groups) == len(cpu.groups) == 1
        and sent.values[0].tolist() == [ts % 1000 for ts in seconds]
        and np.allclose(cpu.values[0], [ts % 100 / 100 for ts in seconds])
        and total.count.tolist() == [2 * len(seconds)]
        and view.total(Query(BYTES_SENT, start, end)).count.tolist()
        == [sum(ts % 1000 for ts in seconds)]
    )


def what_is_missing(view, start, end):
    found = view.aggregate(Query(BYTES_SENT, start, end, 1), Aggregation.SUM)
    return [start + int(index) for index in np.flatnonzero(np.isnan(found.values).all(axis=0))]


DEDUPLICATION = "-dedup.minScrapeInterval=1ms"


@pytest.fixture(params=[(name,) for name in ENGINES] + [(VICTORIA_METRICS, DEDUPLICATION)])
def engine(request, tmp_path):
    name, *options = request.param
    running = RunningEngine(name, tmp_path / "engine", options=tuple(options)).start()
    yield running
    running.end()


@pytest.fixture
def open_store(tmp_path):
    opened = []

    def open_one(engine, instance="a", folder="data"):
        opened.append(open_backend(engine.setting, tmp_path / folder, 64, instance))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


def test_an_engine_killed_in_mid_stream_lacks_nothing_afterwards(engine, open_store):
    store = open_store(engine)
    written, go_on = [START], threading.Event()

    def write():
        for ts in range(START, START + 600):
            store.write(Batch([frame(ts)]))
            written[0] = ts
            if ts < START + 100 and ts % 10 == 0:
                assert store.wait_sent(10)  # in parcels the engine has acknowledged
        go_on.set()

    writer = threading.Thread(target=write)
    writer.start()
    eventually(lambda: written[0] > START + 100)
    engine.end(signal.SIGKILL)
    assert go_on.wait(30), "writing does not wait for the engine"
    writer.join()
    eventually(lambda: any("The engine is away" in text for text in store.notices()))
    # This host's figures come from its own file meanwhile; another's from nowhere.
    assert holds_each_second_once(store, START, START + 600)
    with pytest.raises(EngineAwayError):
        store.view("a").bounds()
    engine.start()
    assert store.wait_sent(60)
    engine.show()
    store.look_anew()
    view = store.view("a")
    assert eventually(lambda: view.series(BYTES_SENT))
    assert what_is_missing(view, START, START + 600) == []
    assert holds_each_second_once(view, START, START + 600)
    assert store.notices() == []
    # Its rows of a minute were sent anew as well, and are asked for.
    last = START // 60 * 60 + 600
    eventually(lambda: store._outbox.progress().rows[60].until == last)
    store.write(Batch([frame(START + 600)]))
    assert store.wait_sent(60)
    engine.show()
    steps = Steps(START, last, 60)
    eventually(lambda: store.look_anew() or store._fleet.segments("a", steps)[-1].tier == 60)
    for metric in (BYTES_SENT, REQUEST_DURATION):
        query = Query(metric, START, last, 60)
        found = view.aggregate(query, Aggregation.SUM)
        expected = store.local.aggregate(query, Aggregation.SUM)
        assert found.values.tolist() == expected.values.tolist()


def test_who_takes_over_goes_on_where_the_cursor_stands(engine, open_store):
    first = open_store(engine)
    first.write(Batch([frame(ts) for ts in range(START, START + 30)]))
    assert first.wait_sent(30)
    first.close()
    second = open_store(engine)
    second.write(Batch([frame(ts) for ts in range(START + 30, START + 40)]))
    assert second.wait_sent(30)
    engine.show()
    second.look_anew()
    assert holds_each_second_once(second.view("a"), START, START + 40)
    assert second.notices() == []


def test_what_waited_before_the_first_start_of_the_engine_is_sent(engine, open_store, tmp_path):
    local = open_backend("sqlite", tmp_path / "data", 64, "a")
    local.write(Batch([frame(ts) for ts in range(START, START + 200)]))
    local.close()
    store = open_store(engine)
    store.write(Batch([frame(START + 200)]))
    assert store.wait_sent(30)
    engine.show()
    store.look_anew()
    assert holds_each_second_once(store.view("a"), START, START + 201)


def test_what_the_own_file_has_no_more_is_asked_of_the_engine(engine, open_store):
    first = open_store(engine)
    first.write(Batch([frame(ts) for ts in range(START, START + 300)]))
    assert first.wait_sent(30)
    first.close()
    second = open_store(engine, folder="another disk")
    second.write(Batch([frame(ts) for ts in range(START + 300, START + 400)]))
    assert second.wait_sent(30)
    engine.show()
    second.look_anew()
    assert second.bounds() == (START, START + 399)
    assert second.local.bounds() == (START + 300, START + 399)
    for step in (1, 60):
        sent = second.aggregate(Query(BYTES_SENT, START, START + 400, step), Aggregation.SUM)
        assert np.nansum(sent.values) == sum(ts % 1000 for ts in range(START, START + 400))
    assert holds_each_second_once(second, START, START + 400)


def test_seconds_refused_as_too_old_are_told_and_hold_up_nothing(open_store, tmp_path):
    engine = RunningEngine(PROMETHEUS, tmp_path / "engine", late_window="0s").start()
    try:
        now = int(time.time())
        other = open_store(engine, "b", "other")
        other.write(Batch([frame(now)]))
        assert other.wait_sent(30)
        store = open_store(engine)
        old = now - 3 * 3600
        store.write(Batch([frame(ts) for ts in (old, old + 1, now - 1, now)]))
        assert store.wait_sent(30)
        (told,) = store.notices()
        assert "refused 2 s of data" in told
        assert holds_each_second_once(store.view("a"), now - 1, now + 1)
        assert what_is_missing(store.view("a"), old, old + 2) == [old, old + 1]
        assert what_is_missing(store.local, old, old + 2) == []
    finally:
        engine.end()


def test_an_engine_that_was_never_there_keeps_nothing_from_working(start_dashboard):
    running = start_dashboard(STORE=f"prometheus+http://127.0.0.1:{free_port()}", INSTANCE="a")
    eventually(lambda: b"system_cpu_utilization_ratio{" in running.get("/metrics"))
    assert b"system.cpu.utilization" in running.get("/export?metric=system.cpu.utilization")
    assert b"Servescope" in running.get("/")
    eventually(lambda: "the local file keeps it" in running.log)


def test_an_engine_that_answers_and_takes_nothing_hides_nothing(open_store, tmp_path):
    engine = RunningEngine(PROMETHEUS, tmp_path / "engine", takes_writes=False).start()
    try:
        store = open_store(engine)
        store.write(Batch([frame(ts) for ts in range(START, START + 300)]))
        eventually(lambda: any("The engine is away" in text for text in store.notices()))
        (told,) = store.notices()
        assert "Graphs of a come from its own store; 300 s of data wait to be sent" in told
        assert store.bounds() == (START, START + 299)
        assert holds_each_second_once(store, START, START + 300)
    finally:
        engine.end()


def test_deduplication_that_would_eat_seconds_is_told(open_store, tmp_path):
    options = ("-dedup.minScrapeInterval=30s",)
    engine = RunningEngine(VICTORIA_METRICS, tmp_path / "engine", options=options).start()
    try:
        (told,) = open_store(engine).notices()
        assert "one sample of every 30 s" in told
    finally:
        engine.end()

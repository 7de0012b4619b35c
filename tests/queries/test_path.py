"""The path of a request, from a store whose numbers are known."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from servescope import catalog, histogram
from servescope.queries.path import (
    TOGETHER,
    OpenConnections,
    PathStage,
    RequestPath,
    Workers,
    request_paths,
)
from servescope.queries.span import Span
from servescope.records.listeners import (
    ConcurrencyModel,
    ListenerState,
)
from servescope.records.temporary_listeners import EXPERIMENT
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.tiers import FINE
from tests.listener_statuses import LOOP, POOL

START = int(time.time()) - 100
SPAN = Span(START, START + 5, 1)


def stage(listener, name, *seconds):
    key = SeriesKey(catalog.STAGE_DURATION, (("listener", listener), ("stage", name)))
    return {key: HistogramDelta(histogram.count(np.array(seconds)), float(sum(seconds)))}


def gauge(metric, value, **labels):
    return {SeriesKey(metric, tuple(sorted(labels.items()))): value}


def in_stage(listener, name, value):
    return gauge(catalog.REQUESTS_IN_STAGE, value, listener=listener, stage=name)


@pytest.fixture
def ask(harness):
    """Write five seconds, the same each unless `at` gives more for one; ask for their paths."""
    context = harness.context()

    def write_and_ask(*listed, gauges=None, histograms=None, counts=None, at=None):
        frames = [
            Frame(
                START + second,
                (gauges or {}) | (at or {}).get(second, {}),
                counts or {},
                histograms or {},
            )
            for second in range(5)
        ]
        context.store.write(Batch(frames))
        return request_paths(context, SPAN, listed)

    return write_and_ask


@pytest.mark.parametrize("state", [ListenerState.STOPPED, ListenerState.FAILED])
def test_a_listener_that_does_not_run_has_no_threads_among_those_of_all(ask, state):
    free = gauge(catalog.BUSY_THREADS, 0.0, listener="pool")
    found = ask(
        POOL, replace(POOL, name="over", state=state), replace(LOOP, state=state), gauges=free
    )
    assert found[TOGETHER].workers.threads == POOL.request_threads
    assert not found[TOGETHER].workers.loops
    assert found["over"].workers == Workers()


def test_each_stage_has_its_rate_its_times_and_its_requests(ask):
    found = ask(
        POOL,
        histograms=stage("pool", "kernel", *[0.01] * 40) | stage("pool", "app", *[0.15] * 40),
        counts={
            SeriesKey(catalog.NEW_CONNECTIONS, (("listener", "pool"),)): 3.0,
            SeriesKey(catalog.TURNED_AWAY, (("listener", "pool"),)): 2.0,
        },
        gauges=gauge(catalog.OPEN_CONNECTIONS, 12.0, listener="pool"),
    )["pool"]
    app = found.stage("app")
    assert (app.requests, app.requests_per_s) == (200, 40.0)
    assert app.mean_s == pytest.approx(0.15)
    assert (app.p50_s, app.p99_s) == pytest.approx((0.15, 0.15), rel=histogram.ERROR_BOUND)
    assert app.occupancy == pytest.approx(6.0), "40 a second for 0.15 s"
    assert app.wait_s == pytest.approx(0.15)
    assert found.connections == OpenConnections(12.0, 12.0)
    assert (found.connections_per_s, found.turned_away_per_s) == (3.0, 2.0)
    assert (found.requests, found.model) == (200, "thread_pool")


def test_of_a_host_that_nobody_asks_anything_the_open_connections_are_known(ask):
    """Its listeners are not listed here, and no request of theirs ended."""
    found = ask(
        gauges=gauge(catalog.OPEN_CONNECTIONS, 0.0, listener="pool")
        | gauge(catalog.OPEN_CONNECTIONS, 2.0, listener="loop")
        | gauge(catalog.LEFT_CONNECTIONS, 0.0, listener="pool")
        | gauge(catalog.OPEN_CONNECTIONS, 9.0, listener=EXPERIMENT),
        counts={SeriesKey(catalog.NEW_CONNECTIONS, (("listener", "loop"),)): 1.0},
    )
    assert found.keys() == {"pool", "loop", TOGETHER}
    assert found["pool"].connections == OpenConnections(0.0, 0.0, 0.0, 0.0)
    assert found["loop"].connections_per_s == 1.0
    assert found[TOGETHER].connections.newest == 2.0


@pytest.mark.parametrize(
    ("app", "body", "since_s", "held"),
    [
        (0.2, 0.0, START, (8.0, 0.0)),  # 8.4 by the sum, which began before the span
        (0.2, 0.05, START, (6.4, 1.6)),  # both hold a thread
        (0.1, 0.05, START, (4.2, 2.1)),  # the threads have room for these
        (0.2, 0.0, START + 2, (8.4, 0.0)),  # changed in the span: how many there were is unknown
    ],
    ids=["the app is full", "app and body are full", "room is left", "a change in the span"],
)
def test_no_more_requests_are_in_the_app_than_there_are_threads(ask, app, body, since_s, held):
    pool = replace(POOL, since_s=since_s)
    assert pool.request_threads == 8
    ended = stage("pool", "app", *[app] * 42) | stage("pool", "body", *[body] * 42)
    found = ask(pool, LOOP, histograms=ended | stage("loop", "app", *[0.1] * 20))
    of_pool = found["pool"].stage("app").occupancy, found["pool"].stage("body").occupancy
    assert of_pool == pytest.approx(held)
    assert found["loop"].stage("app").occupancy == pytest.approx(2.0), "a loop has no such bound"
    assert found[TOGETHER].stage("app").occupancy == pytest.approx(held[0] + 2.0)
    assert found["pool"].stage("app").mean_s == pytest.approx(app), "each takes as long as it took"


def test_percentiles_of_all_together_are_of_merged_buckets(ask):
    found = ask(
        POOL,
        LOOP,
        histograms=stage("pool", "app", *[0.01] * 90) | stage("loop", "app", *[0.9] * 10),
    )[TOGETHER].stage("app")
    assert found.requests == 500
    assert found.p50_s == pytest.approx(0.01, rel=histogram.ERROR_BOUND)
    assert found.p99_s == pytest.approx(0.9, rel=histogram.ERROR_BOUND)


def test_too_few_requests_have_no_p99(ask):
    found = ask(POOL, histograms=stage("pool", "app", 0.2))["pool"].stage("app")
    assert found.requests == 5
    assert found.p50_s == pytest.approx(0.2, rel=histogram.ERROR_BOUND)
    assert found.p99_s is None


def test_the_accept_queue_and_the_queue_tell_their_most(ask):
    backlog = gauge(catalog.ACCEPT_QUEUE_BACKLOG, 128.0, port="8000")
    found = ask(
        POOL,
        gauges=backlog
        | gauge(catalog.ACCEPT_QUEUE_DEPTH, 2.0, port="8000")
        | gauge(catalog.QUEUED_REQUESTS, 1.0, listener="pool")
        | gauge(catalog.BUSY_THREADS, 6.0, listener="pool"),
        at={
            3: gauge(catalog.ACCEPT_QUEUE_DEPTH, 12.0, port="8000")
            | gauge(catalog.QUEUED_REQUESTS, 31.0, listener="pool")
        },
    )["pool"]
    kernel, queue = found.stage("kernel"), found.stage("queue")
    assert (kernel.most_waiting, kernel.capacity, kernel.occupancy) == (12.0, 128.0, 4.0)
    assert (queue.most_waiting, queue.capacity, queue.occupancy) == (31.0, None, 7.0)
    assert (kernel.newest_waiting, queue.newest_waiting) == (2.0, 1.0)
    assert found.workers == Workers(8, 6.0, 0, None, 0)


def test_connections_left_by_clients_are_among_those_that_are_open(ask):
    def left(number, listener):
        return gauge(catalog.LEFT_CONNECTIONS, number, listener=listener)

    def opened(number, listener):
        return gauge(catalog.OPEN_CONNECTIONS, number, listener=listener)

    found = ask(
        POOL,
        LOOP,
        gauges=opened(9.0, "pool") | opened(7.0, "loop") | left(3.0, "pool") | left(0.0, "loop"),
        at={1: opened(20.0, "pool") | left(12.0, "pool"), 4: opened(2.0, "pool")},
    )
    assert found["pool"].connections == OpenConnections(20.0, 2.0, 12.0, 3.0)
    assert found["loop"].connections == OpenConnections(7.0, 7.0, 0.0, 0.0)
    assert found[TOGETHER].connections == OpenConnections(27.0, 9.0, 12.0, 3.0)


def test_the_most_connections_of_all_together_are_of_one_second(ask):
    found = ask(
        POOL,
        LOOP,
        at={
            1: gauge(catalog.OPEN_CONNECTIONS, 9.0, listener="pool"),
            2: gauge(catalog.OPEN_CONNECTIONS, 1.0, listener="pool")
            | gauge(catalog.OPEN_CONNECTIONS, 7.0, listener="loop"),
        },
    )
    most = {name: path.connections.most for name, path in found.items()}
    assert most == {"pool": 9.0, "loop": 7.0, TOGETHER: 9.0}


def test_the_most_that_waited_anywhere_is_of_one_second(ask):
    found = ask(
        POOL,
        LOOP,
        at={
            1: gauge(catalog.ACCEPT_QUEUE_DEPTH, 9.0, port="8000"),
            2: gauge(catalog.ACCEPT_QUEUE_DEPTH, 1.0, port="8000")
            | gauge(catalog.ACCEPT_QUEUE_DEPTH, 7.0, port="8001"),
        },
    )
    assert found[TOGETHER].stage("kernel").most_waiting == 9.0


@pytest.mark.parametrize(
    ("counted", "ended_s", "number"),
    [
        pytest.param(3.0, [], 3.0, id="none-ended"),
        pytest.param(0.0, [0.1] * 20, 2.0, id="short-ones-that-no-second-met"),
        pytest.param(0.4, [0.001], 0.001, id="a-second-that-met-one-by-chance"),
        pytest.param(4.0, [0.1] * 20, 4.0, id="unfinished-beside-short-ones"),
        pytest.param(2.0, [30.0], 2.0, id="time-before-the-span"),
    ],
)
def test_the_larger_account_says_how_many_are_in_a_stage(ask, counted, ended_s, number):
    found = ask(
        POOL,
        gauges=in_stage("pool", "app", counted),
        histograms=stage("pool", "app", *ended_s) if ended_s else {},
    )
    assert found["pool"].stage("app").occupancy == pytest.approx(number)


def test_without_an_end_nobody_knows_how_long(ask):
    found = ask(POOL, gauges=in_stage("pool", "write", 2.0))["pool"].stage("write")
    assert (found.mean_s, found.p50_s, found.wait_s) == (None, None, math.inf)


def test_a_loop_has_no_queue_for_a_thread_and_tells_its_requests(ask):
    found = ask(
        LOOP,
        gauges=gauge(catalog.ACTIVE_REQUESTS, 7.0, listener="loop")
        | gauge(catalog.BUSY_THREADS, 0.0, listener="loop"),
    )["loop"]
    assert found.stage("queue") is None
    assert found.workers == Workers(None, 0.0, 1, 7.0, 0)


@pytest.mark.parametrize(
    ("model", "workers"),
    [
        (ConcurrencyModel.SEQUENTIAL, Workers(1, None, 0, None, 0)),
        (ConcurrencyModel.PREFORK, Workers(16, None, 0, None, 2)),
        (ConcurrencyModel.ASYNCIO, Workers(8, None, 0, None, 0)),
    ],
)
def test_the_workers_follow_from_the_model(ask, model, workers):
    assert ask(replace(POOL, model=model))["pool"].workers == workers


def test_a_listener_that_started_since_has_no_capacity_then(ask):
    found = ask(
        replace(POOL, since_s=START + 50), gauges=gauge(catalog.BUSY_THREADS, 1.0, listener="pool")
    )["pool"]
    assert (found.model, found.workers.threads, found.workers.busy_threads) == ("", None, 1.0)


def test_an_app_under_another_server_has_what_its_recorder_knows(ask):
    found = ask(
        histograms=stage("flask", "kernel", 0.0, 0.0)
        | stage("flask", "app", 0.1, 0.1)
        | stage("compare-prefork", "app", 1.0)
    )
    assert set(found) == {"flask", TOGETHER}, "a comparison's listener is none of ours"
    assert not found["flask"].stage("kernel").is_measured
    assert found["flask"].stage("kernel").requests == 10
    assert found["flask"].stage("kernel").wait_s == 0
    assert found["flask"].stage("app").requests == 10
    assert found["flask"].workers == Workers()
    assert found["flask"].connections == OpenConnections()


def test_requests_that_a_stage_was_not_measured_of_are_in_no_time_of_all_together(ask):
    waited = stage("pool", "queue", *[0.5] * 10) | stage("flask", "queue", *[0.0] * 90)
    open_at = gauge(catalog.OPEN_CONNECTIONS, 1.0, listener="pool")
    requests = {
        SeriesKey(catalog.REQUEST_DURATION, (("listener", name),)): HistogramDelta(
            histogram.count(np.array([0.5])), 0.5
        )
        for name in ("pool", "flask")
    }
    queue = ask(POOL, histograms=waited | requests, gauges=open_at)[TOGETHER].stage("queue")
    assert queue.requests == 500, "they ended all the same"
    assert queue.mean_s == pytest.approx(0.5)
    assert queue.p50_s == pytest.approx(0.5, rel=0.05)


def test_nothing_recorded(ask):
    found = ask(POOL)
    assert found["pool"].requests == 0
    assert all(not one.is_measured for one in found["pool"].stages)
    assert found[TOGETHER].stages == found["pool"].stages
    assert RequestPath("", 5).stage("app") is None
    assert PathStage("app").wait_s == 0


def test_seconds_without_a_frame_count_as_none(harness):
    context = harness.context()
    answered = stage("pool", "app", *[0.1] * 10)
    context.store.write(Batch([Frame(START + second, {}, {}, answered) for second in (0, 1)]))
    found = request_paths(context, SPAN, [POOL])["pool"]
    assert (found.seconds, found.requests) == (2, 20)
    assert found.stage("app").requests_per_s == 10.0


def test_an_old_moment_is_of_the_whole_rows_that_are_kept(harness):
    context = harness.context()
    minute = (START // 60 - 2 * 24 * 60) * 60  # two days ago
    answered = stage("pool", "app", *[0.1] * 10)
    context.store.write(
        Batch([Frame(second, {}, {}, answered) for second in range(minute, minute + 180)])
    )
    context.store.write(Batch([Frame(minute + 180, {}, {}, answered)]))  # so a minute is closed
    context.store._db.write(
        lambda connection: connection.execute("DELETE FROM chunk WHERE tier = ?", (FINE,))
    )
    context.store.forget_decoded()
    span = Span(minute + 65, minute + 70, 1)
    found = request_paths(context, span, [POOL])["pool"]
    assert (found.step, found.seconds) == (60, 60)
    assert found.stage("app").requests_per_s == 10.0
    assert found.stage("app").occupancy == pytest.approx(1.0)

"""Evidence is what the store and the control tables hold."""

import os
import socket
import time
from dataclasses import asdict, replace

import numpy as np
import pytest

from servescope import catalog, histogram
from servescope.control import Control
from servescope.findings import PORTS, findings
from servescope.findings.connections import REFUSALS
from servescope.findings.gathering import (
    at_ports,
    clocks_of,
    comparison_of,
    moment,
    of_paths,
    of_span,
    run_of,
)
from servescope.findings.judge import PATH
from servescope.load.report import LagSummary, LatencySummary, Result
from servescope.queries.path import request_paths
from servescope.queries.residual import Clock, Residual
from servescope.queries.snapshots import Snapshots
from servescope.queries.span import Span, View
from servescope.records.comparisons import Comparison, ComparisonPlan, Contender
from servescope.records.listeners import (
    AppKind,
    ConcurrencyModel,
    ListenerState,
)
from servescope.records.load import LoadPlan, LoadRun, RunState
from servescope.records.requests import CLIENT_GONE, CUT_OFF
from servescope.records.run_environment import RunEnvironment
from servescope.records.server_kinds import ServerKind
from servescope.settings import Settings
from servescope.statistics.capacity_limits import EdgeEvidence
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.sqlite.store import open_store
from tests import listener_statuses
from tests.contexts import leading_process
from tests.listener_statuses import LOOP
from tests.ports import free_port
from tests.processes import eventually

POOL = replace(listener_statuses.POOL, name="slow")
RESULT = Result(
    sent=4_000,
    answered=1_200,
    failed={"timed_out": 2_800},
    cancelled=0,
    resent=0,
    statuses={"200": 1_190, "500": 10},
    status_classes={"2xx": 1_190, "5xx": 10},
    latency_ms=LatencySummary(9_000.0, 10_000.0, 10_100.0, 10_100.0, 10_100.0, 8_000.0),
    naive_ms=LatencySummary(9_000.0, 10_000.0, 10_000.0, 10_000.0, 10_000.0, 8_000.0),
    lag_ms=LagSummary(0.5, 2.0),
    seconds=30.0,
    rate_asked=200.0,
    schedule_seconds=20.0,
    answered_in_schedule=800,
    rate_achieved=40.0,
    timed_out_from_ms=10_000.0,
    bytes_received=2**20,
    cpu_seconds=2.0,
    stopped=False,
)


def answers(listener, status, *durations, method="GET", route="/"):
    labels = {
        "http.request.method": method,
        "http.response.status_code": status,
        "http.route": route,
        "listener": listener,
    }
    key = SeriesKey(catalog.REQUEST_DURATION, tuple(sorted(labels.items())))
    counts = histogram.count(np.array(durations))
    return {key: HistogramDelta(counts, sum(durations))}


def gauge(metric, value, **labels):
    return {SeriesKey(metric, tuple(sorted(labels.items()))): value}


@pytest.fixture
def context(tmp_path):
    store, control = open_store(tmp_path), Control(tmp_path)
    yield leading_process(store, control, Settings(data_dir=tmp_path)).home
    store.close()
    control.close()


def write(context, *statuses, gauges=None, histograms=None, counts=None, ago_s=1):
    context.process.control.listeners.write_statuses(list(statuses), 1)
    now = int(time.time())
    frames = [
        Frame(now - ago_s - back, gauges or {}, counts or {}, histograms or {})
        for back in range(4, -1, -1)
    ]
    context.store.write(Batch(frames))


def by_name(evidence):
    return {one.name: one for one in evidence.listeners}


def test_without_a_frame_nothing_is_known_but_the_states(context):
    context.process.control.listeners.write_statuses([POOL], 1)
    evidence = moment(context)
    assert evidence.dashboard.age_s is None
    assert [one.code for one in findings(evidence)] == ["no-data"]


def test_each_listener_has_its_own_figures(context):
    write(
        context,
        POOL,
        LOOP,
        gauges=gauge(catalog.BUSY_THREADS, 8.0, listener="slow")
        | gauge(catalog.QUEUED_REQUESTS, 2_290.0, listener="slow")
        | gauge(catalog.BUSY_THREADS, 0.0, listener="loop")
        | gauge(catalog.ACCEPT_QUEUE_DEPTH, 3.0, port="8000")
        | gauge(catalog.ACCEPT_QUEUE_BACKLOG, 128.0, port="8000")
        | {SeriesKey(catalog.CPU_UTILIZATION, (("cpu.logical_number", "all"),)): 0.4}
        | {SeriesKey(catalog.CPU_UTILIZATION, (("cpu.logical_number", "1"),)): 0.6}
        | gauge(catalog.MEMORY_UTILIZATION, 0.25),
        histograms=answers("slow", "200", *[0.2] * 39) | answers("slow", "500", 0.2),
    )
    evidence = moment(context)
    slow, loop = by_name(evidence)["slow"], by_name(evidence)["loop"]
    assert (slow.threads, slow.busy_threads, slow.queued_requests) == (8, 8.0, 2_290.0)
    assert (slow.requests, slow.server_errors) == (200, 5)
    assert slow.p95_s == pytest.approx(0.2, rel=histogram.ERROR_BOUND)
    assert (slow.accept_queue_depth, slow.accept_backlog) == (3.0, 128.0)
    assert (loop.threads, loop.requests, loop.accept_queue_depth) == (None, 0, None)
    assert (evidence.host.cpu_utilization, evidence.host.memory_utilization) == (0.4, 0.25)
    assert evidence.host.core_utilizations == {"1": 0.6}
    told = {one.code: one.sentence for one in findings(evidence)}
    assert "8 of 8 request threads are busy, and 2,290 requests wait" in told["threads-exhausted"]
    assert "nothing-wrong" not in told


@pytest.mark.parametrize(
    ("model", "kind", "threads"),
    [
        (ConcurrencyModel.SEQUENTIAL, AppKind.WSGI, 1),
        (ConcurrencyModel.THREAD_POOL, AppKind.WSGI, 8),
        (ConcurrencyModel.PREFORK, AppKind.WSGI, 16),
        (ConcurrencyModel.ASYNCIO, AppKind.ASGI, None),
        (ConcurrencyModel.ASYNCIO, AppKind.WSGI, 8),
    ],
)
def test_the_threads_of_a_listener_follow_from_its_model(context, model, kind, threads):
    write(context, replace(POOL, model=model, app_kind=kind))
    (one,) = moment(context).listeners
    assert one.threads == threads


def test_a_comparisons_listeners_are_left_out(context):
    write(context, POOL, replace(LOOP, is_temporary=True))
    assert list(by_name(moment(context))) == ["slow"]


def test_old_frames_are_told_to_be_old(context):
    write(context, POOL, ago_s=40)
    (found,) = findings(moment(context))
    assert found.code == "stale-data"
    assert moment(context).dashboard.age_s == pytest.approx(39.5, abs=5)


def test_a_card_has_no_p99_of_few_requests_and_counts_them(context):
    write(context, POOL)
    quiet = moment(context).totals
    assert (quiet.requests, quiet.p50_s, quiet.p99_s) == (0, None, None)
    write(context, POOL, histograms=answers("slow", "200", *[0.01] * 12), ago_s=0)
    busy = moment(context).totals
    assert busy.requests == 60
    assert busy.p95_s == pytest.approx(0.01, rel=histogram.ERROR_BOUND)
    assert busy.p99_s is None


def test_open_connections_are_those_of_the_newest_second_not_a_mean(context):
    now = int(time.time())
    frames = [
        Frame(now - 4 + at, gauge(catalog.OPEN_CONNECTIONS, value, listener="slow"), {}, {})
        for at, value in enumerate((40.0, 1.0, 18.0))
    ]
    context.store.write(Batch(frames))
    assert moment(context).totals.open_connections == 18


def test_the_fullest_accept_queue_comes_with_its_own_backlog(context):
    write(
        context,
        POOL,
        gauges=gauge(catalog.ACCEPT_QUEUE_DEPTH, 20.0, port="8000")
        | gauge(catalog.ACCEPT_QUEUE_BACKLOG, 128.0, port="8000")
        | gauge(catalog.ACCEPT_QUEUE_DEPTH, 9.0, port="8001")
        | gauge(catalog.ACCEPT_QUEUE_BACKLOG, 16.0, port="8001"),
    )
    totals = moment(context).totals
    assert (totals.accept_queue_depth, totals.accept_backlog) == (9.0, 16.0)


def test_what_another_server_records_is_judged_as_well(context):
    write(context, POOL, histograms=answers("flask", "500", *[0.01] * 5))
    flask = by_name(moment(context))["flask"]
    assert (flask.requests, flask.server_errors, flask.is_hosted) == (25, 25, False)
    told = {one.code: one.sentence for one in findings(moment(context))}
    assert "25 of 25 answers of app flask" in told["server-errors"]


def test_a_name_is_that_of_a_listener_once_its_connections_were_counted(context):
    """Of a past, and of another host, nothing else tells a listener from an app."""
    slow = answers("gone", "200", *[2.0] * 30) | answers("flask", "200", *[2.0] * 30)
    open_ones = gauge(catalog.OPEN_CONNECTIONS, 1.0, listener="gone")
    stage = SeriesKey(catalog.STAGE_DURATION, (("listener", "flask"), ("stage", "app")))
    stages = {stage: HistogramDelta(histogram.count(np.full(30, 2.0)), 60.0)}
    write(context, POOL, gauges=open_ones, histograms=slow | stages)
    span = View().span(context.newest())
    for evidence in (moment(context), moment(context, replace(span, fixed=True))):
        told = [one.sentence for one in findings(evidence) if one.code == "slow"]
        assert [one.split(" in ")[0] for one in told] == [
            "At least half of the requests to app flask that ended",
            "At least half of the requests to listener gone that ended",
        ]
    told = {one.subject for one in findings(of_span(context, span)) if one.code == "span-slow"}
    assert told == {"app flask", "listener gone"}
    (alone,) = findings(of_span(context, span, "flask"))
    assert "requests to app flask that ended in this span took" in alone.sentence
    (held,) = findings(of_paths(request_paths(context, span, []), "flask"), PATH)
    assert held.sentence.startswith("Requests to app flask that ended were 2 s on average")


def test_the_accept_queues_of_another_host_are_told_by_their_ports(context):
    write(
        context,
        gauges=gauge(catalog.ACCEPT_QUEUE_DEPTH, 17.0, port="40001")
        | gauge(catalog.ACCEPT_QUEUE_BACKLOG, 16.0, port="40001")
        | gauge(catalog.ACCEPT_QUEUE_DEPTH, 17.0, port=catalog.COMPARISON_PORT)
        | gauge(catalog.ACCEPT_QUEUE_BACKLOG, 16.0, port=catalog.COMPARISON_PORT),
    )
    assert moment(context).former_ports == []
    elsewhere = replace(context, host="beta", snapshots=Snapshots(context.store.version))
    (told,) = findings(at_ports(elsewhere), PORTS)
    assert told.sentence.startswith("The accept queue of port 40001 was full in the last 5 s (17")


def test_lost_requests_are_those_of_the_window(context):
    now = int(time.time())
    lost = {SeriesKey(catalog.RING_LOST): 700.0}
    context.store.write(Batch([Frame(now - 20 + at, {}, lost, {}) for at in range(19)]))
    assert moment(context).dashboard.lost_requests == 5 * 700


def test_the_port_of_a_stopped_listener_is_free_or_held(context):
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        stopped = replace(POOL, state=ListenerState.STOPPED, pid=1)
        free = replace(stopped, name="free", port=free_port())
        write(context, replace(stopped, port=port), free)

        def holders():
            return {one.name: one.port_holder for one in at_ports(context).listeners}

        # The table of sockets may be two seconds old.
        found = eventually(lambda: (found := holders())["slow"] and found)
        assert str(os.getpid()) in found["slow"]
        assert found["free"] == ""
        write(context, replace(stopped, port=port, pid=os.getpid()))
        (one,) = at_ports(context).listeners
        assert one.port_holder == "", "our own socket is being closed"


def test_a_span_has_the_figures_of_its_listeners(context):
    stages = {
        SeriesKey(catalog.STAGE_DURATION, (("listener", "slow"), ("stage", stage))): HistogramDelta(
            histogram.count(np.full(10, seconds)), 10 * seconds
        )
        for stage, seconds in (("queue", 1.5), ("app", 0.5))
    }
    ok, bad = answers("slow", "200", *[2.0] * 8), answers("slow", "500", *[2.0] * 2)
    write(
        context,
        POOL,
        gauges=gauge(catalog.QUEUED_REQUESTS, 40.0, listener="slow"),
        histograms=ok | bad | answers("loop", "200", 0.001) | stages,
    )
    span = View().span(context.newest())
    evidence = of_span(context, span)
    assert [one.name for one in evidence.span.listeners] == ["loop", "slow"]
    (slow,) = of_span(context, span, "slow").span.listeners
    assert slow == evidence.span.listeners[1]
    assert (slow.requests, slow.server_errors, slow.queued_requests) == (50, 10, 40.0)
    assert slow.stages_s == pytest.approx({"queue": 1.5, "app": 0.5})
    assert slow.mean_s == pytest.approx(2.0)
    told = {one.code: one.sentence for one in findings(of_span(context, span, "slow"))}
    assert set(told) == {"span-thread-wait", "span-errors"}, "one sentence of one wait"
    waited = told["span-thread-wait"]
    some = "At least half of the requests"  # all took 2 s
    assert waited.startswith(f"{some} to listener slow that ended in this span took 1.9")
    assert waited.endswith(
        "those that ended spent 1.5 s of their 2 s waiting for a request thread; at most 40 "
        "waited at once."
    )
    assert of_span(context, span, "nobody").span.listeners == ()


def test_clients_that_were_turned_away_are_not_counted_as_answered_by_a_thread(context):
    turned_away = answers("slow", "503", *[1e-5] * 90, method="_OTHER", route="other")
    write(
        context,
        POOL,
        gauges=gauge(catalog.BUSY_THREADS, 8.0, listener="slow")
        | gauge(catalog.QUEUED_REQUESTS, 400.0, listener="slow"),
        histograms=answers("slow", "200", *[0.2] * 10) | turned_away,
    )
    evidence = moment(context)
    slow = by_name(evidence)["slow"]
    assert (slow.requests, slow.unread, slow.server_errors) == (500, 450, 450)
    (told,) = [one.sentence for one in findings(evidence) if one.code == "threads-exhausted"]
    assert told.endswith(
        "at 10 req/s served by a thread, a request that came now would wait about 40 s."
    )
    totals = evidence.totals
    assert (totals.requests, totals.unread) == (500, 450)
    assert slow.p95_s == pytest.approx(0.2, rel=0.05)
    assert totals.p50_s == pytest.approx(0.2, rel=0.05), "of the ten a second that were read"
    assert totals.p99_s is None, "50 were read, which is too few"
    (one,) = of_span(context, Span(totals_end(context) - 5, totals_end(context), 1)).span.listeners
    assert (one.requests, one.unread, one.unread_errors) == (500, 450, 450)
    assert one.p95_s == pytest.approx(0.2, rel=0.05)


def count(metric, value, **labels):
    return gauge(metric, value, **labels)


def test_connections_are_told_with_those_turned_away_and_those_left_by_clients(context):
    gone = count(
        catalog.ANSWERS_TO_NOBODY, 3.0, listener="slow", **{"http.response.status_code": "200"}
    )
    write(
        context,
        replace(POOL, model=ConcurrencyModel.PREFORK),
        gauges=gauge(catalog.OPEN_CONNECTIONS, 90.0, listener="slow")
        | gauge(catalog.LEFT_CONNECTIONS, 70.0, listener="slow"),
        histograms=answers("slow", "200", *[0.01] * 4),
        counts=count(catalog.NEW_CONNECTIONS, 10.0, listener="slow")
        | count(catalog.TURNED_AWAY, 4.0, listener="slow")
        | gone,
    )
    evidence = moment(context)
    slow = by_name(evidence)["slow"]
    assert (slow.open_connections, slow.left_connections) == (90.0, 70.0)
    assert (slow.new_connections, slow.turned_away) == (50, 20)
    assert slow.connection_limit == 2 * POOL.options.max_connections
    assert (slow.requests, slow.answers_to_nobody) == (20, 15)
    totals = evidence.totals
    assert (totals.open_connections, totals.left_connections) == (90.0, 70.0)
    assert {"turned-away", "answers-to-nobody"} <= {one.code for one in findings(evidence)}
    assert "clients-left" in {one.code for one in findings(evidence, PORTS)}


def test_no_more_answers_reached_nobody_than_there_are(context):
    """An engine has the points of two metrics at two moments."""
    write(
        context,
        POOL,
        histograms=answers("slow", "200", *[0.01] * 3),
        counts=count(
            catalog.ANSWERS_TO_NOBODY, 4.0, listener="slow", **{"http.response.status_code": "200"}
        ),
    )
    evidence = moment(context)
    assert by_name(evidence)["slow"].answers_to_nobody == evidence.totals.answers_to_nobody == 15


def closed(reason, number):
    return count(catalog.UNANSWERED, number, listener="slow", **{"error.type": reason})


def test_requests_that_a_stop_broke_off_are_no_answers_and_no_client_had_gone(context):
    broken_off = count(
        catalog.ANSWERS_TO_NOBODY, 4.0, listener="slow", **{"http.response.status_code": "0"}
    )
    cut, ok = answers("slow", "0", *[1.0] * 4), answers("slow", "200", *[0.01] * 6)
    stopped = replace(POOL, state=ListenerState.STOPPED)
    write(context, stopped, histograms=cut | ok, counts=broken_off)
    told = {one.code: one.sentence for one in findings(moment(context))}
    assert "answers-to-nobody" not in told
    assert told["no-answer"].endswith("closed first, by the client or by the server.")
    end = totals_end(context)
    reasons = {**closed(CUT_OFF, 3.0), **closed(CLIENT_GONE, 1.0)}
    frames = [Frame(end + at, {}, reasons, cut | ok) for at in range(5)]
    context.store.write(Batch(frames))
    end += 5
    span = Span(end - 5, end, 1, fixed=True)
    slow = by_name(moment(context, span))["slow"]
    assert (slow.requests, slow.answers, slow.unanswered) == (50, 30, 20)
    assert (slow.cut_off, slow.left) == (15, 5)
    totals = moment(context, span).totals
    assert (totals.answers, totals.unanswered, totals.answers_to_nobody) == (30, 20, 0)
    (of_span_one,) = of_span(context, span).span.listeners
    assert (of_span_one.unanswered, of_span_one.cut_off, of_span_one.left) == (20, 15, 5)
    told = {one.code: one.sentence for one in findings(of_span(context, span))}
    assert "15 were cut off when listener slow was stopped" in told["span-no-answer"]


def test_of_older_records_nobody_knows_which_clients_had_left(context):
    opened = gauge(catalog.OPEN_CONNECTIONS, 9.0, listener="slow")
    write(context, replace(POOL, model=ConcurrencyModel.SEQUENTIAL), gauges=opened)
    slow = by_name(moment(context))["slow"]
    assert (slow.left_connections, slow.connection_limit) == (None, None)
    assert moment(context).totals.left_connections is None


@pytest.mark.parametrize(
    ("options", "kind", "expected"),
    [
        ({}, AppKind.WSGI, {413: 10}),
        ({"deny": ("10.0.0.0/8",)}, AppKind.WSGI, {403: 5, 413: 10}),
        ({"deny": ("10.0.0.0/8",)}, AppKind.STATIC, {413: 10}),
    ],
)
def test_refusals_are_those_that_no_app_was_asked_for(context, options, kind, expected):
    status = replace(POOL, app_kind=kind, options=replace(POOL.options, **options))
    write(
        context,
        status,
        histograms=answers("slow", "403", 0.001, route="/{path}")
        | answers("slow", "413", 0.001, 0.001, route="/{path}")
        | answers("slow", "413", 0.001, route="/upload"),
    )
    refused = by_name(moment(context))["slow"].refused
    assert {code: refused[code] for code in refused if code in REFUSALS} == expected


def test_what_waits_now_is_the_newest_reading_and_of_a_past_span_the_most(context):
    context.process.control.listeners.write_statuses([POOL], 1)
    now = int(time.time())
    frames = [
        Frame(
            now - 5 + at,
            gauge(catalog.QUEUED_REQUESTS, number, listener="slow")
            | gauge(catalog.BUSY_THREADS, 8.0, listener="slow"),
        )
        for at, number in enumerate((3.0, 900.0, 60.0, 20.0, 4.0))
    ]
    context.store.write(Batch(frames))
    assert by_name(moment(context))["slow"].queued_requests == 4.0
    past = Span(now - 5, now, 1, fixed=True)
    assert by_name(moment(context, past))["slow"].queued_requests == 900.0


def test_a_wait_for_a_thread_in_a_past_span_is_the_one_that_was_measured(context):
    context.process.control.listeners.write_statuses([POOL], 1)
    now = int(time.time())
    queue = SeriesKey(catalog.STAGE_DURATION, (("listener", "slow"), ("stage", "queue")))
    waits = {queue: HistogramDelta(histogram.count(np.full(40, 9.0)), 360.0)}
    gauges = {
        at: gauge(catalog.QUEUED_REQUESTS, 900.0 if at < 10 else 0.0, listener="slow")
        | gauge(catalog.BUSY_THREADS, 8.0 if at < 10 else 0.0, listener="slow")
        for at in range(60)
    }
    loaded = answers("slow", "200", *[9.2] * 40) | waits
    frames = [Frame(now - 60 + at, gauges[at], {}, loaded if at < 10 else {}) for at in range(60)]
    context.store.write(Batch(frames))
    evidence = moment(context, Span(now - 60, now, 1, fixed=True))
    (told,) = [one.sentence for one in findings(evidence) if one.code == "threads-exhausted"]
    # 900 requests over 400 answers in 60 s would be 135 s, and none waited that long.
    assert told == (
        "Listener slow: up to 900 requests at a time waited for one of its 8 request threads; "
        "those that ended in this span of 60 s waited 9 s on average."
    )


def totals_end(context):
    """The end of the seconds that have frames."""
    return context.newest() + 1


def test_a_method_without_a_name_is_no_request_that_was_not_read(context):
    brewed = answers("slow", "404", *[0.3] * 30, method="_OTHER", route="/pot")
    no_http = answers("slow", "400", *[1e-5] * 90, method="_OTHER", route="other")
    write(context, POOL, histograms=brewed | no_http)
    slow = by_name(moment(context))["slow"]
    assert (slow.requests, slow.unread) == (600, 450)
    assert slow.p95_s == pytest.approx(0.3, rel=0.05)


def test_of_answers_without_a_request_nothing_is_slow(context):
    write(context, POOL, histograms=answers("slow", "503", 9.0, method="_OTHER", route="other"))
    evidence = moment(context)
    assert by_name(evidence)["slow"].p95_s is None
    assert "slow" not in {one.code for one in findings(evidence)}


def test_a_past_span_has_its_own_figures_and_no_states(context):
    began = int(time.time()) - 1_000
    listeners = [
        replace(POOL, since_s=began, state=ListenerState.FAILED, message="it ended just now"),
        replace(LOOP, since_s=began + 600),
    ]
    past = Span(began + 100, began + 200, 1, fixed=True)
    busy = gauge(catalog.BUSY_THREADS, 4.0, listener="slow") | gauge(
        catalog.BUSY_THREADS, 1.0, listener="loop"
    )
    frames = [
        Frame(ts, busy, {}, answers("slow", "200", 0.2)) for ts in range(past.start, past.end)
    ]
    context.store.write(Batch(frames))
    write(context, *listeners, histograms=answers("slow", "500", *[0.1] * 50))
    evidence = moment(context, past)
    assert (evidence.window_s, evidence.is_past, evidence.dashboard) == (100, True, None)
    assert list(by_name(evidence)) == ["slow"], "the other has been restarted since"
    slow = by_name(evidence)["slow"]
    assert (slow.state, slow.message) == (ListenerState.RUNNING, "")
    assert (slow.requests, slow.server_errors, slow.busy_threads, slow.threads) == (100, 0, 4.0, 8)
    assert [one.code for one in findings(evidence)] == ["nothing-wrong"]
    assert moment(context).listeners[0].server_errors == 250


def test_an_idle_event_loop_was_there_in_a_past_span(context):
    began = int(time.time()) - 1_000
    past = Span(began + 100, began + 200, 1, fixed=True)
    idle = gauge(catalog.OPEN_CONNECTIONS, 0.0, listener="loop")
    context.store.write(Batch([Frame(ts, idle) for ts in range(past.start, past.end)]))
    write(context, replace(LOOP, since_s=began))
    assert list(by_name(moment(context, past))) == ["loop"], "of which no threads are counted"


def test_a_past_span_has_the_accept_queues_of_ports_that_are_no_more(context):
    began = int(time.time()) - 1_000
    past = Span(began + 100, began + 200, 1, fixed=True)
    deep = gauge(catalog.ACCEPT_QUEUE_DEPTH, 17.0, port="40001") | gauge(
        catalog.ACCEPT_QUEUE_BACKLOG, 16.0, port="40001"
    )
    context.store.write(Batch([Frame(ts, deep) for ts in range(past.start, past.end)]))
    write(context, replace(POOL, since_s=began + 600))
    evidence = at_ports(context, past)
    assert evidence.totals.accept_queue_depth == 17.0
    (told,) = findings(evidence, PORTS)
    assert told.sentence.startswith(
        "The accept queue of port 40001 was full in this span of 100 s (17 of 16): the"
    )
    assert not at_ports(context).former_ports, "of now the listeners' ports are known"


def test_of_a_past_span_without_a_frame_nothing_is_known(context):
    write(context, POOL)
    evidence = moment(context, Span(1_000, 2_000, 1, fixed=True))
    assert [one.code for one in findings(evidence)] == ["no-data-in-span"]


def a_run(state=RunState.DONE, result=None, message=""):
    plan = LoadPlan.constant("slow", "/", 200, 20)
    told = RESULT.to_json() if result is None else result
    return LoadRun(7, plan, state, 1.0, 1.0, 2.0, {}, told, message)


def test_a_run_is_judged_by_its_result():
    told = {one.code: one.sentence for one in findings(run_of(a_run()))}
    assert "2,800 of 4,000 requests to listener slow (70 %) failed" in told["requests-failed"]
    assert "answered 40 req/s of the 200 req/s" in told["fell-behind"]
    assert "10 of 1,200 answers" in told["run-server-errors"]
    assert run_of(a_run()).run.generator_cpu_ratio == 0.1


PROGRESS = {
    "sent": 1_100, "answered": 980, "failed": {"timed_out": 20, "reset": 0}, "in_flight": 100,
    "awaited_for_ms": 1_200.0, "status_classes": {"2xx": 80, "5xx": 900},
    "steps": {"GET /": {"sent": 1_100}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("state", "told", "expected"),
    [
        pytest.param(
            RunState.RUNNING,
            PROGRESS,
            {
                "requests-failed": "20 of 1,000 requests to listener slow that have ended (2 %)",
                "run-server-errors": "900 of 980 answers of listener slow",
                "requests-awaited": "was due 1.2 s ago",
            },
            id="under-way",
        ),
        pytest.param(
            RunState.RUNNING,
            {**PROGRESS, "awaited_for_ms": 10_100.0},
            {
                "requests-failed": "20 of 1,000 requests to listener slow that have ended (2 %)",
                "run-server-errors": "900 of 980 answers of listener slow",
                "requests-awaited": "the first of them has reached its timeout of 10 s.",
            },
            id="a timeout that is not noticed yet",
        ),
        pytest.param(
            RunState.RUNNING,
            {name: PROGRESS[name] for name in ("sent", "answered", "failed", "in_flight")},
            {"requests-failed": "20 of 1,000 requests"},
            id="an-older-version-told-no-status",
        ),
        pytest.param(RunState.REQUESTED, {}, {}, id="not-begun"),
        pytest.param(RunState.FAILED, PROGRESS, {"run-failed": "Run 7 failed"}, id="over"),
    ],
)
def test_a_run_is_judged_by_its_progress_while_it_is_under_way_alone(state, told, expected):
    said = findings(run_of(replace(a_run(state, result={}), progress=told)))
    assert [one.code for one in said] == list(expected)
    assert all(expected[one.code] in one.sentence for one in said)


@pytest.mark.parametrize(
    ("is_told", "environment"),
    [
        pytest.param(True, None, id="by-its-plan"),
        pytest.param(
            False,
            RunEnvironment("", "CPython", "Linux", "x86_64", 2, port=8_000),
            id="by-the-environment-of-an-older-run",
        ),
    ],
)
def test_a_run_on_an_app_that_records_names_no_listener(is_told, environment):
    run = a_run()
    plan = replace(run.plan, listener="shop", is_recorded_app=is_told)
    said = findings(run_of(replace(run, plan=plan, environment=environment)))
    assert len(said) == 3
    assert "requests to app shop (70 %) failed" in " ".join(one.sentence for one in said)
    assert not [one for one in said if "listener" in one.sentence.lower()]


def test_a_run_without_a_result_says_why():
    run = a_run(RunState.FAILED, {}, "the leader ended")
    assert [one.sentence for one in findings(run_of(run))] == ["Run 7 failed: the leader ended."]


def test_a_result_of_an_older_version_is_not_judged_by_its_rate():
    older = RESULT.to_json() | {"failed": {}, "answered": 4_000, "status_classes": {}}
    for name in ("answered_in_schedule", "schedule_seconds", "timed_out_from_ms"):
        del older[name]
    found = findings(run_of(a_run(result=older)))
    assert [one.code for one in found] == ["rate-unknown"]


def test_a_span_calls_an_app_of_another_server_by_what_it_is(context):
    write(context, histograms=answers("shop", "200", *[2.0] * 40))
    span = View().span(context.newest())
    (listener,) = findings(of_span(context, span, "shop", ServerKind.LISTENER))
    (app,) = findings(of_span(context, span, "shop", ServerKind.APP))
    assert "requests to listener shop that ended in this span took" in listener.sentence
    assert "requests to app shop that ended in this span took" in app.sentence
    (of_run,) = findings(of_span(context, span, "shop", during="in the seconds of the run"))
    assert " in the seconds of the run" in of_run.sentence
    assert "this span" not in of_run.sentence
    (empty,) = findings(of_span(context, span, "other", ServerKind.APP))
    assert empty.sentence.startswith("No request to app other was answered")


def test_the_clocks_of_other_requests_are_not_compared():
    found = Residual(a_run(), Clock(4_000, 10.1, 10.1, 10.1), Clock(1_260, 16.8, 2.5, 20.0))
    (told,) = findings(clocks_of(found))
    assert told.code == "different-requests"
    assert "its client timed 4,000 requests and the server 1,260:" in told.sentence


def test_a_comparison_is_judged_by_the_models_that_were_measured():
    plan = ComparisonPlan.constant(
        (ConcurrencyModel.SEQUENTIAL, ConcurrencyModel.THREAD_POOL), "a:app", "/", 200, 20
    )
    done = Contender(
        ConcurrencyModel.SEQUENTIAL, "a:app", state="done", run_id=7, result=RESULT.to_json()
    )
    waiting = Contender(ConcurrencyModel.THREAD_POOL, "a:app")
    comparison = Comparison(1, plan, RunState.RUNNING, 1.0, 1.0, None, (done, waiting))
    (one,) = comparison_of(comparison).contenders
    assert (one.name, one.run.target) == ("sequential", "model sequential")
    assert (one.readings, one.run.is_server_full) == (None, False)


def test_threads_that_share_a_core_are_full_however_evenly_they_answer():
    readings = EdgeEvidence(process_cores=0.95, threads=8, busy_threads=8.0)
    told = RESULT.to_json() | {"failed": {}, "blocked": 900, "naive_p10_ms": 800.0}
    told["naive_ms"] = told["naive_ms"] | {"p50": 900.0}
    done = Contender(None, "", "wsgi", state="done", result=told, readings=asdict(readings))
    plan = ComparisonPlan.constant((), "", "/", 200, 20, listeners=("wsgi", "asgi"))
    comparison = Comparison(1, plan, RunState.DONE, 1.0, 1.0, 2.0, (done,))
    codes = {one.code: one.sentence for one in findings(comparison_of(comparison))}
    assert "connections-limited" not in codes
    assert codes["target-limit"].startswith("Listener wsgi was limited by the GIL or one core:")
    unread = replace(comparison, contenders=(replace(done, readings={}),))
    assert "connections-limited" in {one.code for one in findings(comparison_of(unread))}


@pytest.mark.parametrize(("waiting", "is_short"), [(32, False), (16, False), (3, True)])
def test_connections_that_wait_to_be_accepted_are_no_lack_of_connections(waiting, is_short):
    """The model sequential on a machine whose cores other programs had: no reading is full."""
    readings = EdgeEvidence(process_cores=0.02, threads=1, busy_threads=0.88, is_disturbed=True)
    told = RESULT.to_json() | {"failed": {}, "blocked": 900, "naive_p10_ms": 1_049.0}
    told["naive_ms"] = told["naive_ms"] | {"p50": 1_937.0}
    done = Contender(
        *(ConcurrencyModel.SEQUENTIAL, "a:app"),
        state="done",
        result=told | {"connection_limit": 32},
        readings=asdict(readings),
        accept_queue_max=waiting,
    )
    plan = ComparisonPlan.constant((ConcurrencyModel.SEQUENTIAL,), "a:app", "/", 200, 20)
    comparison = Comparison(1, plan, RunState.DONE, 1.0, 1.0, 2.0, (done,))
    codes = {one.code for one in findings(comparison_of(comparison))}
    assert ("connections-limited" in codes) is is_short
    assert ("fell-behind" in codes) is not is_short

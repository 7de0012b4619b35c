"""The collector: what was recorded is counted once, in its second, whatever happens meanwhile."""

import math
import time

import numpy as np
import pytest

from servescope import catalog, histogram
from servescope.errors import StoreFullError
from servescope.recording.detail_layout import DetailTexts
from servescope.recording.record_layout import request_key
from servescope.recording.recorder import Recorder
from servescope.recording.ring_file import RingKind
from servescope.records.load import LoadOutcome
from servescope.records.metrics import Sample
from servescope.request_fields import Method, Protocol, RequestFlag
from servescope.store.query import Aggregation, Query
from tests.collecting.served import BASE, SECOND, STAGES_NS, seconds, serve, total


def test_records_are_counted_in_the_second_they_ended_in(store, recorder, collect):
    collect(0)
    serve(recorder, 0, 3)
    serve(recorder, 1.5, 2)
    collect(1)
    serve(recorder, 1.9, 1)
    collect(2)
    collect(3)
    found = seconds(store, end=4)
    assert found[:3] == [3.0, 3.0, 0.0]
    assert math.isnan(found[3])


def test_the_names_in_the_rings_of_requests_are_told(recorder, collect):
    assert collect(0).listeners == frozenset()
    serve(recorder, 0, 1)
    serve(recorder, 0, 1, listener="shop")
    assert collect(1).listeners == {"files", "shop"}


def test_the_metrics_of_a_request(store, recorder, collect):
    collect(0)
    serve(recorder, 0, 2)
    serve(recorder, 0, 3, listener="wsgi", route="/slow", status=500, method=Method.POST)
    collect(1)
    by = ("listener", "http.request.method", "http.route", "http.response.status_code")
    assert total(store, by=by) == {
        ("files", "GET", "/", "200"): 2.0,
        ("wsgi", "POST", "/slow", "500"): 3.0,
    }
    assert total(store, catalog.BYTES_SENT, ("listener",)) == {("files",): 2e3, ("wsgi",): 3e3}
    assert total(store, catalog.BYTES_RECEIVED, ("listener",)) == {("files",): 200, ("wsgi",): 300}
    assert total(store, catalog.STAGE_DURATION, ("stage",)) == {
        (stage,): 5.0 for stage in ("app", "body", "kernel", "queue", "read", "write")
    }
    span = (BASE, BASE + 1, 1)
    mean = store.mean(Query(catalog.REQUEST_DURATION, *span)).values
    assert mean[0, 0] == pytest.approx(sum(STAGES_NS) * 1e-9, rel=1e-6)
    app = store.mean(Query(catalog.STAGE_DURATION, *span, where=(("stage", "app"),))).values
    assert app[0, 0] == pytest.approx(4e-3, rel=1e-6)


def test_answers_to_clients_that_had_gone_count_by_status(store, recorder, collect):
    aborted, gone = RequestFlag.ABORTED, RequestFlag.CLIENT_GONE
    collect(0)
    serve(recorder, 0, 3)
    serve(recorder, 0, 4, flags=gone)
    serve(recorder, 0, 5, flags=aborted, sent=0)
    serve(recorder, 0, 6, flags=aborted)  # an event stream, say: they had a part of it
    serve(recorder, 0, 7, flags=aborted | RequestFlag.TIMED_OUT, sent=0)
    serve(recorder, 0, 8, listener="wsgi", status=503, flags=gone)
    serve(recorder, 0, 9, status=0, flags=aborted, sent=0)  # a stop broke them off
    collect(1)
    by = ("listener", "http.response.status_code")
    found = total(store, catalog.ANSWERS_TO_NOBODY, by)
    assert found == {("files", "200"): 9.0, ("wsgi", "503"): 8.0}


def test_requests_without_an_answer_count_by_who_closed_their_connections(store, recorder, collect):
    aborted = RequestFlag.ABORTED
    collect(0)
    serve(recorder, 0, 3)
    serve(recorder, 0, 4, status=0, flags=aborted, sent=0)
    serve(recorder, 0, 5, status=0, flags=aborted | RequestFlag.CUT_OFF, sent=0)
    serve(recorder, 0, 6, listener="wsgi", flags=aborted | RequestFlag.CUT_OFF)  # half an answer
    collect(1)
    found = total(store, catalog.UNANSWERED, ("listener", "error.type"))
    assert found == {("files", "client_gone"): 4.0, ("files", "cut_off"): 5.0}


def test_a_connection_turned_away_unread_is_an_answer_and_passes_no_stage(store, recorder, collect):
    turned_away = {"method": Method._OTHER, "route": None, "status": 503}
    collect(0)
    serve(recorder, 0, 3)
    serve(recorder, 0, 90, **turned_away)
    serve(recorder, 0, 5, listener="full", **turned_away)
    serve(recorder, 0, 1, method=Method._OTHER, route="/", status=503)  # by its app
    serve(recorder, 0, 1, method=Method._OTHER, route=None, status=408)  # half a head was read
    collect(1)
    assert total(store, by=("listener",)) == {("files",): 95.0, ("full",): 5.0}
    app = total(store, catalog.STAGE_DURATION, ("listener",), where=(("stage", "app"),))
    assert app == {("files",): 4.0}


def test_the_metrics_of_a_load_run(store, folder, collect):
    generator = Recorder(folder, RingKind.LOAD, capacity=64)
    listener_id = generator.listener_id("files")
    collect(0)
    answered, timed_out = LoadOutcome.ANSWERED, LoadOutcome.TIMED_OUT
    ended = [(answered, 2e6)] * 3 + [(LoadOutcome.REFUSED, 2e6)] * 2
    ended += [(timed_out, 0), (timed_out, 5e6)]  # the first one was not even sent
    for outcome, naive in ended:
        generator.record(
            BASE * SECOND, listener_id, 0, 1, outcome, 200, 0, 0, 0, 8e6, naive, 0, 0, 0, 0
        )
    collect(1)
    assert total(store, catalog.LOAD_SENT) == {(): 7.0}
    assert total(store, catalog.LOAD_DURATION) == {(): 5.0}
    assert total(store, catalog.LOAD_NAIVE_DURATION) == {(): 4.0}
    assert total(store, catalog.LOAD_TIMED_OUT_NAIVE_DURATION) == {(): 1.0}
    given_up = store.mean(Query(catalog.LOAD_TIMED_OUT_NAIVE_DURATION, BASE, BASE + 1, 1))
    assert given_up.values[0, 0] == pytest.approx(5e-3)
    assert total(store, catalog.LOAD_ERRORS, ("listener", "error.type")) == {
        ("files", "refused"): 2.0,
        ("files", "timed_out"): 2.0,
    }
    mean = store.mean(Query(catalog.LOAD_DURATION, BASE, BASE + 1, 1))
    assert mean.values[0, 0] == pytest.approx(8e-3)
    assert seconds(store) == []  # a generator's requests are not the server's
    generator.close()


def test_every_label_is_in_the_catalog(store, folder, recorder, collect):
    generator = Recorder(folder, RingKind.LOAD, capacity=64)
    for outcome in LoadOutcome:
        generator.record(BASE * SECOND, 1, 0, 1, outcome, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0)
    serve(recorder, 0)
    collect(1)
    for metric in catalog.BY_NAME.values():
        for key in store.series(metric.name):
            assert [name for name, _ in key.labels] == sorted(metric.labels)
    generator.close()


def test_samples_go_into_the_newest_second(store, collect):
    def source():
        yield Sample(catalog.LOAD_AVERAGE, 1.5)
        yield Sample(
            catalog.DISK_IO, 512.0, (("system.device", "sda"), ("disk.io.direction", "read"))
        )
        yield Sample(catalog.MEMORY_UTILIZATION, float("nan"))

    tick = collect.start(source)
    tick(1)
    tick(2)
    gauge = store.aggregate(Query(catalog.LOAD_AVERAGE, BASE, BASE + 3, 1), Aggregation.AVG)
    np.testing.assert_equal(gauge.values, [[1.5, 1.5, np.nan]])
    reads = Query(catalog.DISK_IO, BASE, BASE + 3, where=(("disk.io.direction", "read"),))
    assert store.total(reads).count.tolist() == [1024.0]
    assert store.series(catalog.MEMORY_UTILIZATION) == []


def test_a_source_that_fails_costs_its_own_samples_only(store, recorder, collect, caplog):
    def broken():
        yield Sample(catalog.LOAD_AVERAGE, 1.0)
        raise OSError("no /proc")

    def unknown():
        yield Sample("no.such.metric", 1.0)

    def good():
        yield Sample(catalog.PAGING_UTILIZATION, 0.25)

    tick = collect.start(broken, unknown, good)
    serve(recorder, 0)
    status = tick(1)
    assert status.source_problem == "KeyError: 'no.such.metric'"
    assert "no /proc" in caplog.text
    found = store.aggregate(Query(catalog.PAGING_UTILIZATION, BASE, BASE + 1, 1), Aggregation.AVG)
    assert found.values.tolist() == [[0.25]]
    assert total(store) == {(): 1.0}


def test_its_own_cost_and_losses_are_metrics(store, recorder, collect):
    collect(0)
    serve(recorder, 0, 3_000)
    status = collect(1)
    lost = total(store, catalog.RING_LOST)[()]
    assert lost == status.lost > 0
    assert total(store)[()] + lost == 3_000
    assert 0 < total(store, catalog.COLLECT_DURATION)[()] < 1


def test_a_second_tick_in_the_same_second_does_nothing(store, recorder, collect):
    collect(1)
    version = store.version()
    serve(recorder, 0.5)
    collect(1)
    assert store.version() == version
    collect(2)
    assert total(store) == {(): 1.0}


def test_a_second_that_has_its_frame_gets_no_more(store, recorder, collect):
    collect(0)
    collect(1)
    serve(recorder, 0.2)  # handed over late, by a thread that was held up
    collect(2)
    assert seconds(store, end=2) == [0.0, 1.0]


def test_a_stall_leaves_no_gap_and_a_suspend_does(store, recorder, collect):
    serve(recorder, 0)
    collect(1)
    collect(5)  # the collector's thread got no time for four seconds
    assert seconds(store, end=5) == [1.0, 0.0, 0.0, 0.0, 0.0]
    collect(25, monotonic_s=BASE + 6.0)  # the machine slept: monotonic time stood still
    found = seconds(store, start=5, end=25)
    assert all(math.isnan(value) for value in found[:-1])
    assert found[-1] == 0.0


def test_a_clock_set_back_loses_nothing(store, recorder, collect):
    serve(recorder, 100, 2)
    collect(101)
    serve(recorder, 50, 3)
    collect(51, monotonic_s=BASE + 102.0)
    serve(recorder, 51, 4)
    collect(52, monotonic_s=BASE + 103.0)
    assert seconds(store, start=50, end=53)[:2] == [3.0, 4.0]
    assert total(store) == {(): 9.0}


def test_a_store_that_is_full_loses_nothing_the_ring_holds(store, recorder, collect, monkeypatch):
    serve(recorder, 0, 5)
    collect(1)

    def full(_):
        raise StoreFullError("no room left")

    monkeypatch.setattr(store, "write", full)
    serve(recorder, 1, 6)
    assert collect(2).store_problem == "no room left"
    serve(recorder, 2, 7)
    assert collect(3).last_ts == BASE
    monkeypatch.undo()
    assert collect(4).store_problem == ""
    assert seconds(store, end=4) == [5.0, 6.0, 7.0, 0.0]
    assert collect.collector.status.records == 18


def test_a_store_that_stays_full_is_tried_the_more_rarely_the_longer_a_try_takes(
    store, recorder, collect, monkeypatch
):
    asked, tries = [], []
    collect.start(lambda: asked.append(1) or [])

    def full(batch):
        tries.append(max(frame.ts for frame in batch.frames) - BASE)
        worked_until = time.thread_time() + 0.25
        while time.thread_time() < worked_until:
            pass
        raise StoreFullError("no room left")

    collect(0)
    with monkeypatch.context() as patch:
        patch.setattr(store, "write", full)
        for second in range(1, 13):
            serve(recorder, second)
            assert collect(second + 1).store_problem == "no room left"
    assert tries[0] == 1
    assert 1 < len(tries) <= 3, "once in five seconds or more"
    assert collect(80).store_problem == ""
    assert sum(total(store).values()) == 12.0
    assert len(asked) == 14, "a source is asked at each tick: what it says is of one second"


def test_flushing_takes_the_current_second_too(store, recorder, collect):
    collect(0)
    serve(recorder, 0.5, 2)
    serve(recorder, 1.2, 3)
    collect.collector.flush((BASE + 1) * SECOND + 300_000_000, BASE + 1.3)
    assert seconds(store, end=2) == [2.0, 3.0]
    recorder.close()
    serve_after = collect.start()
    serve_after(2)
    serve_after(3)
    assert total(store) == {(): 5.0}


def test_flushing_with_nothing_new_adds_no_second(store, recorder, collect):
    serve(recorder, 0)
    collect(1)
    collect.collector.flush((BASE + 1) * SECOND + 300_000_000, BASE + 1.3)
    assert store.bounds() == (BASE, BASE)


def test_details_reach_the_store_in_order_of_time(store, folder, recorder, collect):
    second = Recorder(folder, capacity=64)
    for number, writer in enumerate((recorder, second, recorder)):
        key = request_key(1, 1, Method.GET, Protocol.HTTP_1_1, 200)
        texts = DetailTexts("files", "/", f"/{number}", "::1", "")
        writer.write_detail(BASE * SECOND + number, key, 0, 1, 1, STAGES_NS, texts)
    collect(1)
    collect(2)
    assert [one.target for _, one in store.request_details(10)] == ["/2", "/1", "/0"]
    second.close()


def test_two_routes_of_one_name_are_one_series(store, recorder, collect):
    long = "/" + "x" * 300  # names are cut at 256 bytes
    serve(recorder, 0, 2, route=long + "a")
    serve(recorder, 0, 3, route=long + "b")
    collect(1)
    assert total(store, by=("http.route",)) == {(long[:256],): 5.0}


def test_durations_are_counted_in_their_buckets(store, recorder, collect):
    random = np.random.default_rng(5)
    took = random.lognormal(-7, 1, 1_000)
    for value in took:
        serve(recorder, 0, stages=(0, 0, 0, value * 1e9, 0, 0))
    collect(1)
    found = store.total(Query(catalog.REQUEST_DURATION, BASE, BASE + 1))
    expected = histogram.count(took.astype(np.float32).astype(float))
    assert np.abs(found.buckets[0] - expected).sum() <= 2  # float32 beside an edge
    assert found.sum_s[0] == pytest.approx(took.sum(), rel=1e-6)

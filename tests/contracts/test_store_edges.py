"""The contract of every store at its edges: emptiness, commits, versions, details, threads."""

import math
import threading
from dataclasses import replace

import numpy as np
import pytest

from servescope.catalog import (
    BY_NAME,
    BYTES_SENT,
    CPU_UTILIZATION,
    REQUEST_DURATION,
    Kind,
    Metric,
    register,
)
from servescope.records.requests import RequestDetail, RequestRecord
from servescope.request_fields import Method, RequestFlag
from servescope.store import REGISTRY
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.query import Aggregation, Query
from tests.contracts.series import CPU, REQUESTS, SENT, START, delta, same


def test_an_empty_store_answers(store):
    assert store.bounds() is None
    assert store.cursors() == {}
    assert store.series(CPU_UTILIZATION) == []
    assert store.request_details(10) == []
    found = store.aggregate(Query(CPU_UTILIZATION, START, START + 5, 1), Aggregation.AVG)
    assert (found.groups, found.values.shape, found.times.size) == ([], (0, 5), 5)
    assert store.quantiles(Query(REQUEST_DURATION, 0, 5, 1), [0.5]).values.shape == (0, 1, 5)
    assert store.heatmap(Query(REQUEST_DURATION, 0, 5, 1)).counts.shape == (0, 5)
    assert store.mean(Query(REQUEST_DURATION, 0, 5, 1)).values.shape == (0, 5)
    assert store.total(Query(REQUEST_DURATION, 0, 5)).groups == []


def test_an_empty_span_has_no_steps(store):
    store.write(Batch([Frame(START, {CPU[0]: 1.0}, {SENT[0]: 1.0}, {REQUESTS[0]: delta(0.1)})]))
    empty = (START + 60, START + 60)
    assert store.aggregate(Query(CPU_UTILIZATION, *empty, 60), Aggregation.AVG).times.size == 0
    assert store.quantiles(Query(REQUEST_DURATION, *empty, 60), [0.5]).times.size == 0
    assert store.total(Query(BYTES_SENT, *empty)).groups == []


def test_zero_and_gap_are_told_apart(store):
    store.write(Batch([Frame(START, counts={SENT[0]: 5.0}), Frame(START + 2), Frame(START + 3)]))
    found = store.aggregate(Query(BYTES_SENT, START, START + 5, 1), Aggregation.RATE)
    same(found.values, [[5.0, math.nan, 0.0, 0.0, math.nan]])


def test_a_label_a_series_lacks_counts_as_empty(store):
    bare = SeriesKey(BYTES_SENT)
    store.write(Batch([Frame(START, counts={bare: 1.0, SENT[0]: 2.0})]))
    found = store.total(Query(BYTES_SENT, START, START + 1, by=("listener",)))
    assert dict(zip(found.groups, found.count, strict=True)) == {("",): 1.0, ("files",): 2.0}
    only = store.total(Query(BYTES_SENT, START, START + 1, where=(("listener", "files"),)))
    assert only.count.tolist() == [2.0]


def test_series_are_listed_sorted(store):
    store.write(Batch([Frame(START, dict.fromkeys(reversed(CPU), 1.0))]))
    assert store.series(CPU_UTILIZATION) == CPU


def test_a_question_that_does_not_suit_the_kind_is_refused(store):
    store.write(Batch([Frame(START, {CPU[0]: 1.0}, {SENT[0]: 1.0}, {REQUESTS[0]: delta(0.1)})]))
    span = (START, START + 1, 1)
    with pytest.raises(ValueError, match="it takes avg, min, max"):
        store.aggregate(Query(CPU_UTILIZATION, *span), Aggregation.RATE)
    with pytest.raises(ValueError, match="it takes sum, rate"):
        store.aggregate(Query(BYTES_SENT, *span), Aggregation.AVG)
    with pytest.raises(ValueError, match="not a histogram"):
        store.quantiles(Query(BYTES_SENT, *span), [0.5])
    with pytest.raises(ValueError, match="has no total"):
        store.total(Query(CPU_UTILIZATION, START, START + 1))


def test_cursors_come_and_go_with_the_frames(store):
    store.write(Batch([Frame(START)], {"1.ring": 10, "2.ring": 5}))
    store.write(Batch([Frame(START + 1)], {"1.ring": 20}, dropped_rings=["2.ring"]))
    assert store.cursors() == {"1.ring": 20}


def test_a_batch_is_committed_whole_or_not_at_all(store):
    store.write(Batch([Frame(START, counts={SENT[0]: 1.0})], {"1.ring": 1}))
    wrong = HistogramDelta(np.zeros(3, np.int64), 0.0)
    bad = [
        Frame(START, counts={SENT[0]: 1.0, SENT[1]: 7.0}),
        Frame(START + 1, histograms={REQUESTS[0]: wrong}),
    ]
    with pytest.raises(ValueError, match="buckets"):
        store.write(Batch(bad, {"1.ring": 2}))
    assert store.cursors() == {"1.ring": 1}
    assert store.total(Query(BYTES_SENT, START, START + 2)).count.tolist() == [1.0]
    store.write(Batch([Frame(START + 1, counts={SENT[1]: 7.0})], {"1.ring": 2}))
    assert store.total(Query(BYTES_SENT, START, START + 2)).count.tolist() == [8.0]


def detail(number):
    record = RequestRecord(
        end_ns=START * 10**9 + number,
        listener_id=1,
        route_id=2,
        method=Method.GET,
        protocol=2,
        status=200,
        flags=RequestFlag.NEW_CONNECTION,
        bytes_received=1,
        bytes_sent=2**40,
        stages_ns=(0.5, 1.0, 2.0, 3.0, 4.0, 5.0),
    )
    return RequestDetail(record, "files", "/", f"/{number}", "::1", "agent/ü")


def test_details_are_listed_newest_first(store):
    store.write(Batch([Frame(START)], request_details=[detail(n) for n in range(5)]))
    store.write(Batch([Frame(START + 1)], request_details=[detail(5)]))
    found = store.request_details(3)
    assert [one for _, one in found] == [detail(5), detail(4), detail(3)]
    ids = [number for number, _ in found]
    assert ids == sorted(ids, reverse=True)
    assert store.request_details(10, after_id=ids[0]) == []
    assert [one for _, one in store.request_details(10, after_id=ids[1])] == [detail(5)]


def test_the_details_of_a_span_come_column_by_column_newest_first(store):
    nothing = store.request_columns(START, START + 60, 10)
    assert (len(nothing.ids), nothing.stages_ns.shape, nothing.oldest_ns) == (0, (0, 6), None)
    moments = [START * 10**9 - 1, START * 10**9, (START + 1) * 10**9 + 5, (START + 60) * 10**9]
    details = [
        replace(
            detail(number),
            record=replace(detail(number).record, end_ns=moment, status=200 + number),
        )
        for number, moment in enumerate(moments)
    ]
    store.write(Batch([Frame(START)], request_details=details))
    found = store.request_columns(START, START + 60, 10)
    assert found.targets == ("/2", "/1")
    assert found.statuses.tolist() == [202, 201]
    assert found.end_ns.tolist() == [moments[2], moments[1]]
    assert found.stages_ns.tolist() == [[0.5, 1.0, 2.0, 3.0, 4.0, 5.0]] * 2
    assert found.bytes_sent.tolist() == [2**40] * 2
    assert found.flags.tolist() == [RequestFlag.NEW_CONNECTION] * 2
    assert (found.clients, found.user_agents, found.routes) == (
        ("::1",) * 2,
        ("agent/ü",) * 2,
        ("/",) * 2,
    )
    assert (found.is_cut, found.oldest_ns) == (False, moments[0])
    cut = store.request_columns(START, START + 60, 1)
    assert (cut.targets, cut.is_cut) == (("/2",), True)
    assert store.request_details_by_ids([found.ids[1], 999, found.ids[0]]) == [
        (found.ids[1], details[1]),
        (found.ids[0], details[2]),
    ]


def test_a_detail_is_found_by_its_id_and_by_its_trace(store):
    assert store.kept_request_details() is None
    origin = {
        "thread": "files-3",
        "pid": 17,
        "client_port": 40_000,
        "requests_before": 0,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "capture_id": 2**63 - 1,
        "cipher_suite": 0x1302,
    }
    details = [detail(0), replace(detail(1), **origin)]
    store.write(Batch([Frame(START)], request_details=details))
    (second, _), (first, _) = store.request_details(2)
    assert [store.request_detail(first), store.request_detail(second)] == details
    assert store.request_detail(second + 1) is None
    assert store.request_detail_of_trace(origin["trace_id"]) == second
    assert store.request_detail_of_trace("0" * 32) is None
    assert store.kept_request_details() == (first, details[0].record.end_ns, second)


def test_the_version_changes_with_each_commit_and_only_then(store, open_backend):
    other = open_backend()
    seen = [store.version()]
    for ts in range(START, START + 3):
        store.write(Batch([Frame(ts)]))
        seen.append(store.version())
        assert store.version() == seen[-1]
    assert len(set(seen)) == 4
    assert other.version() == seen[-1] or other.capabilities().visibility_delay_s > 0


def test_what_one_writes_another_reads(store, open_backend):
    other = open_backend()
    assert other.bounds() is None
    store.write(Batch([Frame(START, {CPU[0]: 0.5})]))
    found = other.aggregate(Query(CPU_UTILIZATION, START, START + 1, 1), Aggregation.AVG)
    assert found.values.tolist() == [[0.5]]


def test_reading_while_minutes_close_misses_and_doubles_nothing(store):
    written, failures = [START - 1], []
    stop = threading.Event()

    def read():
        while not stop.is_set():
            known = written[0]
            found = store.total(Query(BYTES_SENT, START, START + 1_000))
            count = found.count.sum()
            if not known - START + 1 <= count <= written[0] - START + 2:
                failures.append((known, count))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for ts in range(START, START + 400):
        store.write(Batch([Frame(ts, counts={SENT[0]: 1.0})]))
        written[0] = ts
    stop.set()
    for reader in readers:
        reader.join()
    assert failures == []


def test_a_backend_says_what_it_promises(store):
    promise = store.capabilities()
    assert promise.name in REGISTRY
    assert 0 < promise.error_bound < 0.1
    assert promise.visibility_delay_s >= 0


def test_spans_of_days_and_years_are_answered(store):
    store.write(Batch([Frame(START, {CPU[0]: 1.0}, {SENT[0]: 1.0}, {REQUESTS[0]: delta(0.1)})]))
    for days, step in ((1, 60), (1, 120), (30, 3600), (800, 86_400)):
        span = (START - days * 86_400 + 600, START + 600)
        gauge = store.aggregate(Query(CPU_UTILIZATION, *span, step), Aggregation.AVG)
        assert np.nansum(gauge.values) == 1.0
        sent = store.aggregate(Query(BYTES_SENT, *span, step), Aggregation.SUM)
        assert np.nansum(sent.values) == 1.0
        p95 = store.quantiles(Query(REQUEST_DURATION, *span, step), [0.95])
        assert np.nanmax(p95.values) == pytest.approx(0.1, rel=p95.error_bound)
        assert store.total(Query(REQUEST_DURATION, *span)).count.tolist() == [1.0]


def test_a_metric_registered_at_run_time_is_stored_and_answered(store):
    name = register(
        Metric("servescope.test.stored", "By", Kind.COUNTER, ("listener",), "A test's.")
    )
    try:
        key = SeriesKey(name, (("listener", "wsgi"),))
        store.write(Batch([Frame(START, counts={key: 3.0})]))
        found = store.total(Query(name, START, START + 1, by=("listener",)))
        assert (found.groups, found.count.tolist()) == ([("wsgi",)], [3.0])
        assert store.series(name) == [key]
    finally:
        del BY_NAME[name]

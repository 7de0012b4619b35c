"""What every store promises, whatever it is built on: run over all of `REGISTRY`.

Answers are held against a model in plain Python that keeps every second for itself.
"""

import importlib
import math
import random
import threading
from collections import defaultdict

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import BYTES_SENT, CPU_UTILIZATION, MEMORY_USAGE, REQUEST_DURATION
from servescope.records import Method, RequestDetail, RequestFlag, RequestRecord
from servescope.store import REGISTRY
from servescope.store.base import Aggregation, Batch, Frame, HistogramDelta, Matching, SeriesKey

START = 1_700_000_000
CPU = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", str(n)),)) for n in range(4)]
MEMORY = SeriesKey(MEMORY_USAGE, (("system.memory.state", "used"),))
SENT = [SeriesKey(BYTES_SENT, (("listener", name),)) for name in ("files", "wsgi")]
REQUESTS = [
    SeriesKey(
        REQUEST_DURATION,
        (
            ("http.request.method", "GET"),
            ("http.response.status_code", status),
            ("http.route", route),
            ("listener", "wsgi"),
        ),
    )
    for status in ("200", "500")
    for route in ("/", "/slow")
]


@pytest.fixture(params=sorted(REGISTRY))
def open_backend(request, tmp_path):
    module, name = REGISTRY[request.param].split(":")
    opened = []

    def open_one():
        opened.append(getattr(importlib.import_module(module), name)(tmp_path / "data", 64))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_backend):
    return open_backend()


def delta(*seconds):
    return HistogramDelta(histogram.count(seconds), math.fsum(seconds))


class Model:
    """Every second for itself, in dictionaries."""

    def __init__(self):
        self.gauges, self.counts, self.histograms = {}, {}, {}

    def add(self, frame):
        self.gauges.setdefault(frame.ts, {}).update(frame.gauges)
        counts = self.counts.setdefault(frame.ts, defaultdict(float))
        for key, value in frame.counts.items():
            counts[key] += value
        histograms = self.histograms.setdefault(frame.ts, {})
        for key, new in frame.histograms.items():
            old = histograms.get(key, HistogramDelta(np.zeros(histogram.BUCKETS, int), 0.0))
            histograms[key] = HistogramDelta(old.counts + new.counts, old.sum_s + new.sum_s)

    def seconds(self, step_start, step, start, end):
        low, high = max(step_start, start), min(step_start + step, end)
        return [ts for ts in range(low, high) if ts in self.gauges]

    def gauge(self, keys, seconds, agg):
        readings = {
            key: [self.gauges[ts][key] for ts in seconds if key in self.gauges[ts]] for key in keys
        }
        known = [values for values in readings.values() if values]
        if not known:
            return math.nan
        if agg is Aggregation.AVG:
            return sum(sum(values) / len(values) for values in known)
        ends = [min(values) if agg is Aggregation.MIN else max(values) for values in known]
        return min(ends) if agg is Aggregation.MIN else max(ends)

    def counter(self, keys, seconds, agg):
        if not seconds:
            return math.nan
        total = sum(self.counts[ts].get(key, 0.0) for ts in seconds for key in keys)
        return total / len(seconds) if agg is Aggregation.RATE else total

    def merged(self, keys, seconds):
        counts, sum_s = np.zeros(histogram.BUCKETS, int), 0.0
        for ts in seconds:
            for key in keys:
                if key in self.histograms[ts]:
                    counts = counts + self.histograms[ts][key].counts
                    sum_s += self.histograms[ts][key].sum_s
        return counts, sum_s


def history(seed, seconds=400):
    """Frames with gaps, series that come and go, values of all sizes; in order of time."""
    rng = random.Random(seed)  # noqa: S311 - not a secret
    to_next_hour = -START % 3600
    offset = to_next_hour - 170 if seed == 0 else rng.randrange(3600)
    frames = []
    for ts in range(START + offset, START + offset + seconds):
        if rng.random() < 0.08 or seconds // 3 < ts - START - offset < seconds // 2:
            continue
        frames.append(
            Frame(
                ts,
                {key: rng.uniform(-1, 1) * 10 ** rng.randrange(6) for key in CPU if coin(rng)}
                | ({MEMORY: rng.randrange(2**40)} if coin(rng) else {}),
                {key: float(rng.randrange(2**30)) for key in SENT if coin(rng)},
                {
                    key: delta(*(rng.lognormvariate(-6, 2) for _ in range(rng.randrange(1, 9))))
                    for key in REQUESTS
                    if coin(rng)
                },
            )
        )
    return frames


def coin(rng):
    return rng.random() < 0.7


@pytest.fixture(params=range(4))
def filled(request, store):
    """A store with a history, committed in batches of one to many seconds, and its model."""
    rng, model = random.Random(request.param), Model()  # noqa: S311 - not a secret
    frames = history(request.param)
    while frames:
        size = rng.choice([1, 1, 1, 2, 30, 90])
        batch, frames = frames[:size], frames[size:]
        store.write(Batch(batch))
        for frame in batch:
            model.add(frame)
    return store, model, rng


def questions(model, rng, number):
    """Random spans and steps, most of them not aligned to anything."""
    first, last = min(model.gauges), max(model.gauges)
    for _ in range(number):
        start = rng.randrange(first - 70, last)
        end = rng.randrange(start + 1, last + 130)
        yield start, end, rng.choice([1, 1, 2, 7, 10, 30, 59, 60, 61, 90, 300])


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)


def check_axis(result, start, end, step):
    actual = result.actual_step
    assert actual >= step
    assert result.times.tolist() == list(range(start // actual * actual, end, actual))
    return actual


def test_gauges(filled):
    store, model, rng = filled
    for start, end, step in questions(model, rng, 30):
        for agg in (Aggregation.AVG, Aggregation.MIN, Aggregation.MAX):
            one = store.range(Matching(CPU_UTILIZATION), start, end, step, agg)
            actual = check_axis(one, start, end, step)
            spans = [model.seconds(ts, actual, start, end) for ts in one.times]
            assert one.groups == [()]
            same(one.values, [[model.gauge(CPU, seconds, agg) for seconds in spans]])
            by = store.range(
                Matching(CPU_UTILIZATION), start, end, step, agg, ("cpu.logical_number",)
            )
            assert by.groups == [("0",), ("1",), ("2",), ("3",)]
            same(by.values, [[model.gauge([key], s, agg) for s in spans] for key in CPU])


def test_counters(filled):
    store, model, rng = filled
    for start, end, step in questions(model, rng, 30):
        for agg in (Aggregation.SUM, Aggregation.RATE):
            found = store.range(Matching(BYTES_SENT), start, end, step, agg, ("listener",))
            actual = check_axis(found, start, end, step)
            assert found.groups == [("files",), ("wsgi",)]
            spans = [model.seconds(ts, actual, start, end) for ts in found.times]
            same(found.values, [[model.counter([key], s, agg) for s in spans] for key in SENT])


def test_histograms(filled):
    store, model, rng = filled
    qs = [0.5, 0.95, 1.0]
    where = Matching(REQUEST_DURATION, (("http.response.status_code", "200"),))
    for start, end, step in questions(model, rng, 15):
        by = ("http.route",)
        found = store.quantiles(qs, where, start, end, step, by)
        assert found.error_bound == pytest.approx(histogram.ERROR_BOUND)
        assert found.groups == [("/",), ("/slow",)]
        actual = check_axis(found, start, end, step)
        spans = [model.seconds(ts, actual, start, end) for ts in found.times]
        merged = [[model.merged([key], seconds) for seconds in spans] for key in REQUESTS[:2]]
        same(
            found.values,
            [np.transpose([histogram.quantiles(c, qs) for c, _ in row]) for row in merged],
        )
        same(
            store.range(where, start, end, step, Aggregation.SUM, by).values,
            [
                [
                    c.sum() if seconds else math.nan
                    for (c, _), seconds in zip(row, spans, strict=True)
                ]
                for row in merged
            ],
        )
        same(
            store.mean(where, start, end, step, by).values,
            [[s / c.sum() if c.sum() else math.nan for c, s in row] for row in merged],
        )


def test_heatmaps(filled):
    store, model, rng = filled
    for start, end, step in questions(model, rng, 15):
        found = store.heatmap(Matching(REQUEST_DURATION), start, end, step)
        actual = check_axis(found, start, end, step)
        spans = [model.seconds(ts, actual, start, end) for ts in found.times]
        counts = np.transpose([model.merged(REQUESTS, seconds)[0] for seconds in spans])
        used = np.flatnonzero(counts.any(axis=1))
        expected = counts[used[0] : used[-1] + 1].astype(float) if used.size else counts[:0] * 1.0
        expected[:, [not seconds for seconds in spans]] = math.nan
        same(found.counts, expected)
        if used.size:
            assert found.edges.size == expected.shape[0] + 1
            assert found.edges[1] == histogram.EDGES[used[0]]
            assert (np.diff(found.edges) > 0).all()


def test_totals_of_any_span_are_exact(filled):
    store, model, rng = filled
    for start, end, _ in questions(model, rng, 30):
        seconds = model.seconds(start, end - start, start, end)
        sent = store.total(Matching(BYTES_SENT), start, end, ("listener",))
        assert sent.groups == [("files",), ("wsgi",)]
        same(sent.count, [sum(model.counts[ts].get(key, 0) for ts in seconds) for key in SENT])
        assert not sent.buckets.any()
        requests = store.total(Matching(REQUEST_DURATION), start, end)
        counts, sum_s = model.merged(REQUESTS, seconds)
        assert requests.buckets.tolist() == [counts.tolist()]
        same(requests.count, [counts.sum()])
        same(requests.sum_s, [sum_s])


def test_bounds_are_the_first_and_last_second(filled):
    store, model, _ = filled
    assert store.bounds() == (min(model.gauges), max(model.gauges))


def test_frames_of_known_seconds_are_merged_however_late(filled):
    store, model, rng = filled
    late = [frame for frame in history(99) if rng.random() < 0.3]
    shift = rng.choice(sorted(model.gauges)) - late[0].ts
    moved = [
        Frame(frame.ts + shift, frame.gauges, frame.counts, frame.histograms) for frame in late
    ]
    store.write(Batch(moved))
    for frame in moved:
        model.add(frame)
    by = ("cpu.logical_number",)
    for start, end, _ in questions(model, rng, 20):
        found = store.range(Matching(CPU_UTILIZATION), start, end, 1, Aggregation.AVG, by)
        spans = [model.seconds(ts, 1, start, end) for ts in found.times]
        same(
            found.values,
            [[model.gauge([key], s, Aggregation.AVG) for s in spans] for key in CPU],
        )
        rate = store.range(Matching(BYTES_SENT), start, end, 7, Aggregation.RATE)
        spans = [model.seconds(ts, 7, start, end) for ts in rate.times]
        same(rate.values, [[model.counter(SENT, s, Aggregation.RATE) for s in spans]])
        seconds = model.seconds(start, end - start, start, end)
        assert store.total(Matching(REQUEST_DURATION), start, end).buckets.tolist() == [
            model.merged(REQUESTS, seconds)[0].tolist()
        ]


def test_everything_outlives_a_new_start(filled, open_backend):
    store, model, _ = filled
    start, end = min(model.gauges), max(model.gauges) + 1
    before = store.range(Matching(BYTES_SENT), start, end, 1, Aggregation.SUM)
    store.close()
    after = open_backend().range(Matching(BYTES_SENT), start, end, 1, Aggregation.SUM)
    assert np.array_equal(before.values, after.values, equal_nan=True)


def test_an_empty_store_answers(store):
    assert store.bounds() is None
    assert store.cursors() == {}
    assert store.series(CPU_UTILIZATION) == []
    assert store.details(10) == []
    found = store.range(Matching(CPU_UTILIZATION), START, START + 5, 1, Aggregation.AVG)
    assert (found.groups, found.values.shape, found.times.size) == ([], (0, 5), 5)
    assert store.quantiles([0.5], Matching(REQUEST_DURATION), 0, 5, 1).values.shape == (0, 1, 5)
    assert store.heatmap(Matching(REQUEST_DURATION), 0, 5, 1).counts.shape == (0, 5)
    assert store.mean(Matching(REQUEST_DURATION), 0, 5, 1).values.shape == (0, 5)
    assert store.total(Matching(REQUEST_DURATION), 0, 5).groups == []


def test_an_empty_span_has_no_steps(store):
    store.write(Batch([Frame(START, {CPU[0]: 1.0}, {SENT[0]: 1.0}, {REQUESTS[0]: delta(0.1)})]))
    empty = (START + 60, START + 60)
    assert store.range(Matching(CPU_UTILIZATION), *empty, 60, Aggregation.AVG).times.size == 0
    assert store.quantiles([0.5], Matching(REQUEST_DURATION), *empty, 60).times.size == 0
    assert store.total(Matching(BYTES_SENT), *empty).groups == []


def test_zero_and_gap_are_told_apart(store):
    store.write(Batch([Frame(START, counts={SENT[0]: 5.0}), Frame(START + 2), Frame(START + 3)]))
    found = store.range(Matching(BYTES_SENT), START, START + 5, 1, Aggregation.RATE)
    same(found.values, [[5.0, math.nan, 0.0, 0.0, math.nan]])


def test_a_label_a_series_lacks_counts_as_empty(store):
    bare = SeriesKey(BYTES_SENT)
    store.write(Batch([Frame(START, counts={bare: 1.0, SENT[0]: 2.0})]))
    found = store.total(Matching(BYTES_SENT), START, START + 1, ("listener",))
    assert dict(zip(found.groups, found.count, strict=True)) == {("",): 1.0, ("files",): 2.0}
    only = store.total(Matching(BYTES_SENT, (("listener", "files"),)), START, START + 1)
    assert only.count.tolist() == [2.0]


def test_series_are_listed_sorted(store):
    store.write(Batch([Frame(START, dict.fromkeys(reversed(CPU), 1.0))]))
    assert store.series(CPU_UTILIZATION) == CPU


def test_a_question_that_does_not_suit_the_kind_is_refused(store):
    store.write(Batch([Frame(START, {CPU[0]: 1.0}, {SENT[0]: 1.0}, {REQUESTS[0]: delta(0.1)})]))
    span = (START, START + 1, 1)
    with pytest.raises(ValueError, match="it takes avg, min, max"):
        store.range(Matching(CPU_UTILIZATION), *span, Aggregation.RATE)
    with pytest.raises(ValueError, match="it takes sum, rate"):
        store.range(Matching(BYTES_SENT), *span, Aggregation.AVG)
    with pytest.raises(ValueError, match="not a histogram"):
        store.quantiles([0.5], Matching(BYTES_SENT), *span)
    with pytest.raises(ValueError, match="has no total"):
        store.total(Matching(CPU_UTILIZATION), START, START + 1)


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
    assert store.total(Matching(BYTES_SENT), START, START + 2).count.tolist() == [1.0]
    store.write(Batch([Frame(START + 1, counts={SENT[1]: 7.0})], {"1.ring": 2}))
    assert store.total(Matching(BYTES_SENT), START, START + 2).count.tolist() == [8.0]


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
    store.write(Batch([Frame(START)], details=[detail(n) for n in range(5)]))
    store.write(Batch([Frame(START + 1)], details=[detail(5)]))
    found = store.details(3)
    assert [one for _, one in found] == [detail(5), detail(4), detail(3)]
    ids = [number for number, _ in found]
    assert ids == sorted(ids, reverse=True)
    assert store.details(10, after_id=ids[0]) == []
    assert [one for _, one in store.details(10, after_id=ids[1])] == [detail(5)]


def test_only_the_newest_details_are_kept(store):
    store.write(Batch([Frame(START)], details=[detail(n) for n in range(3_000)]))
    store.write(Batch([Frame(START)], details=[detail(n) for n in range(3_000, 6_000)]))
    found = store.details(10_000)
    assert [one.target for _, one in found] == [f"/{n}" for n in range(5_999, 999, -1)]


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
    found = other.range(Matching(CPU_UTILIZATION), START, START + 1, 1, Aggregation.AVG)
    assert found.values.tolist() == [[0.5]]


def test_reading_while_minutes_close_misses_and_doubles_nothing(store):
    written, failures = [START - 1], []
    stop = threading.Event()

    def read():
        while not stop.is_set():
            known = written[0]
            found = store.total(Matching(BYTES_SENT), START, START + 1_000)
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

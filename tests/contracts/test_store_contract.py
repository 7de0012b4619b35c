"""The contract of every store's answers, held against a model in plain Python.

The model keeps every second for itself; the fixtures run each case over all of `REGISTRY`.
"""

import copy
import math
import random
from collections import defaultdict
from functools import cache

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import BYTES_SENT, CPU_UTILIZATION, REQUEST_DURATION
from servescope.store.base import Batch, Frame, HistogramDelta
from servescope.store.query import Aggregation, Query
from tests.contracts.conftest import BACKENDS, backend_opener
from tests.contracts.series import CPU, MEMORY, REQUESTS, SENT, START, delta, same
from tests.engines import ENGINES

SEEDS = range(4)
CASES = [
    (backend, seed) for backend in BACKENDS for seed in (range(2) if backend in ENGINES else SEEDS)
]
"""Histories of each backend; an engine takes five times as long over one."""


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
        found = [self.histograms[ts].get(key) for ts in seconds for key in keys]
        counts = [one.counts for one in found if one]
        sum_s = math.fsum(one.sum_s for one in found if one)
        return np.sum(counts or [np.zeros(histogram.BUCKETS)], axis=0, dtype=int), sum_s


@cache
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
    return tuple(frames)


def coin(rng):
    return rng.random() < 0.7


def fill(store, seed):
    """The store with a history, committed in batches of one to many seconds, and its model."""
    rng, model = random.Random(seed), Model()  # noqa: S311 - not a secret
    frames = history(seed)
    while frames:
        size = rng.choice([1, 1, 1, 2, 30, 90])
        batch, frames = frames[:size], frames[size:]
        store.write(Batch(batch), is_shown=not frames)
        for frame in batch:
            model.add(frame)
    return store, model, rng


@pytest.fixture(
    scope="module",
    params=CASES,
    ids=lambda given: f"{given[1]}-{given[0]}",
)
def filled_once(request, tmp_path_factory, engines):
    backend, seed = request.param
    with backend_opener(backend, tmp_path_factory.mktemp("filled"), engines) as open_one:
        yield fill(open_one(), seed)


@pytest.fixture
def filled(filled_once):
    """A filled store for tests that only ask it."""
    store, model, rng = filled_once
    return store, model, copy.copy(rng)


@pytest.fixture
def filled_anew(request, store):
    """One that a test may write into, and close."""
    return fill(store, request.param)


def questions(model, rng, number):
    """Random spans and steps, most of them not aligned to anything."""
    first, last = min(model.gauges), max(model.gauges)
    for _ in range(number):
        start = rng.randrange(first - 70, last)
        end = rng.randrange(start + 1, last + 130)
        yield start, end, rng.choice([1, 1, 2, 7, 10, 30, 59, 60, 61, 90, 300])


def check_axis(result, start, end, step):
    actual = result.actual_step
    assert actual >= step
    assert result.times.tolist() == list(range(start // actual * actual, end, actual))
    return actual


def test_gauges(filled):
    store, model, rng = filled
    for start, end, step in questions(model, rng, 30):
        for agg in (Aggregation.AVG, Aggregation.MIN, Aggregation.MAX):
            one = store.aggregate(Query(CPU_UTILIZATION, start, end, step), agg)
            actual = check_axis(one, start, end, step)
            spans = [model.seconds(ts, actual, start, end) for ts in one.times]
            assert one.groups == [()]
            same(one.values, [[model.gauge(CPU, seconds, agg) for seconds in spans]])
            by = store.aggregate(
                Query(CPU_UTILIZATION, start, end, step, by=("cpu.logical_number",)), agg
            )
            assert by.groups == [("0",), ("1",), ("2",), ("3",)]
            same(by.values, [[model.gauge([key], s, agg) for s in spans] for key in CPU])


def test_counters(filled):
    store, model, rng = filled
    for start, end, step in questions(model, rng, 30):
        for agg in (Aggregation.SUM, Aggregation.RATE):
            found = store.aggregate(Query(BYTES_SENT, start, end, step, by=("listener",)), agg)
            actual = check_axis(found, start, end, step)
            assert found.groups == [("files",), ("wsgi",)]
            spans = [model.seconds(ts, actual, start, end) for ts in found.times]
            same(found.values, [[model.counter([key], s, agg) for s in spans] for key in SENT])


def test_what_a_query_is_without(filled):
    store, model, rng = filled
    without = (("listener", "files"), ("listener", "asgi"))
    for start, end, step in questions(model, rng, 10):
        query = Query(BYTES_SENT, start, end, step, without=without)
        found = store.aggregate(query, Aggregation.SUM)
        actual = check_axis(found, start, end, step)
        spans = [model.seconds(ts, actual, start, end) for ts in found.times]
        same(found.values, [[model.counter(SENT[1:], s, Aggregation.SUM) for s in spans]])


def test_histograms(filled):
    store, model, rng = filled
    qs = [0.5, 0.95, 1.0]
    where = (("http.response.status_code", "200"),)
    for start, end, step in questions(model, rng, 15):
        query = Query(REQUEST_DURATION, start, end, step, by=("http.route",), where=where)
        found = store.quantiles(
            query,
            qs,
        )
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
            store.aggregate(
                query,
                Aggregation.SUM,
            ).values,
            [
                [
                    c.sum() if seconds else math.nan
                    for (c, _), seconds in zip(row, spans, strict=True)
                ]
                for row in merged
            ],
        )
        same(
            store.mean(query).values,
            [[s / c.sum() if c.sum() else math.nan for c, s in row] for row in merged],
        )


def test_heatmaps(filled):
    store, model, rng = filled
    for start, end, step in questions(model, rng, 15):
        found = store.heatmap(Query(REQUEST_DURATION, start, end, step))
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
        sent = store.total(Query(BYTES_SENT, start, end, by=("listener",)))
        assert sent.groups == [("files",), ("wsgi",)]
        same(sent.count, [sum(model.counts[ts].get(key, 0) for ts in seconds) for key in SENT])
        assert not sent.buckets.any()
        requests = store.total(Query(REQUEST_DURATION, start, end))
        counts, sum_s = model.merged(REQUESTS, seconds)
        assert requests.buckets.tolist() == [counts.tolist()]
        same(requests.count, [counts.sum()])
        same(requests.sum_s, [sum_s])


def test_bounds_are_the_first_and_last_second(filled):
    store, model, _ = filled
    assert store.bounds() == (min(model.gauges), max(model.gauges))


@pytest.mark.parametrize(("open_backend", "filled_anew"), CASES, indirect=True, ids=str)
def test_late_frames_of_known_seconds_are_merged_and_all_outlives_a_new_start(
    filled_anew, open_backend
):
    store, model, rng = filled_anew
    late = [frame for frame in history(99) if rng.random() < 0.3]
    shift = rng.choice(sorted(model.gauges)) - late[0].ts
    moved = [
        Frame(frame.ts + shift, frame.gauges, frame.counts, frame.histograms) for frame in late
    ]
    store.write(Batch(moved))
    newest, amended = max(model.gauges), copy.deepcopy(model)
    for frame in moved:
        amended.add(frame)
        if store.capabilities().amends or frame.ts > newest:
            model.add(frame)  # else the second stays as it was first told
    by = ("cpu.logical_number",)
    for start, end, _ in questions(model, rng, 20):
        found = store.aggregate(Query(CPU_UTILIZATION, start, end, 1, by=by), Aggregation.AVG)
        spans = [model.seconds(ts, 1, start, end) for ts in found.times]
        same(
            found.values,
            [[model.gauge([key], s, Aggregation.AVG) for s in spans] for key in CPU],
        )
        rate = store.aggregate(Query(BYTES_SENT, start, end, 7), Aggregation.RATE)
        spans = [model.seconds(ts, 7, start, end) for ts in rate.times]
        same(rate.values, [[model.counter(SENT, s, Aggregation.RATE) for s in spans]])
        seconds = model.seconds(start, end - start, start, end)
        found = store.total(Query(REQUEST_DURATION, start, end)).buckets[0]
        first_told = model.merged(REQUESTS, seconds)[0]
        # A minute that was open still may hold what came late, where single seconds do not.
        assert (first_told <= found).all()
        late_too = amended.merged(REQUESTS, amended.seconds(start, end - start, start, end))[0]
        assert (found <= late_too).all()
        assert not store.capabilities().amends or (found == first_told).all()
    start, end = min(model.gauges), max(model.gauges) + 1
    before = store.aggregate(Query(BYTES_SENT, start, end, 1), Aggregation.SUM)
    store.close()
    after = open_backend().aggregate(Query(BYTES_SENT, start, end, 1), Aggregation.SUM)
    assert np.array_equal(before.values, after.values, equal_nan=True)

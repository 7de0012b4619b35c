"""A run in stretches: the exact percentiles of the requests that ended in them."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

from servescope.load.stretches import LEAST_REQUESTS, MOST_STRETCHES, SecondMarks, stretch_seconds

MS = 1_000_000


def marked(counts, late_s=(), failed=None):
    """Marks of a run whose rows had so many latencies, and so many failures, at each second."""
    marks = SecondMarks()
    for second, lengths in enumerate(counts):
        bad = failed[second] if failed else 0
        marks.mark(second + dict(late_s).get(second, 0.003), lengths, sum(lengths) + bad, bad)
    return marks


def stretches(marks, latencies, schedule_s, per_s, failed=0):
    ended = sum(map(len, latencies)) + failed
    return marks.stretches(latencies, schedule_s, per_s, ended=ended, failed=failed)


@pytest.mark.parametrize(
    ("schedule_s", "per_s", "seconds"),
    [(30, 200, 1), (60, 200, 2), (61, 200, 3), (10, 50, 2), (10, 30, 4), (10, 0, 10)],
)
def test_a_stretch_is_as_long_as_its_requests_and_the_run_make_it(schedule_s, per_s, seconds):
    assert stretch_seconds(schedule_s, per_s) == seconds
    assert schedule_s / seconds <= MOST_STRETCHES
    assert not per_s or seconds * per_s >= LEAST_REQUESTS


def test_percentiles_are_exact_and_of_all_rows_together():
    first, second = array("q", range(0, 300 * MS, MS)), array("q", [MS] * 300)
    counts = [(0, 0), (100, 50), (200, 100), (300, 300)]
    found = stretches(marked(counts), [first, second], 3, 100)
    assert [(one.from_s, one.to_s, one.requests) for one in found] == [
        (0, 1, 150),
        (1, 2, 150),
        (2, 3, 300),
    ]
    together = np.sort(np.concatenate([np.arange(100, 200), np.ones(50)]))
    assert found[1].latency_ms.p50 == together[74]
    assert found[1].latency_ms.max == 199


def test_what_a_late_tick_bounds_is_left_out_and_the_rest_stays_comparable():
    counts = [(0,), (100,), (200,), (300,), (400,)]
    found = stretches(marked(counts, {2: 0.6}.items()), [array("q", [MS] * 400)], 4, 100)
    assert [(one.from_s, one.to_s) for one in found] == [(0, 1), (3, 4)]


def test_the_last_stretch_ends_with_the_run_where_no_tick_came():
    counts = [(0,), (100,)]
    found = stretches(marked(counts), [array("q", [MS] * 190)], 2, 100)
    assert [one.requests for one in found] == [100, 90]


def test_a_run_without_a_whole_stretch_has_none():
    assert stretches(marked([(0,), (20,)]), [array("q", [MS] * 20)], 1, 20) == ()


def test_failures_are_counted_where_they_ended_and_without_any_latency():
    counts, failed = [(0,), (100,), (100,), (200,)], [0, 0, 100, 150]
    marks = marked(counts, failed=failed)
    found = stretches(marks, [array("q", [MS] * 200)], 3, 100, failed=150)
    assert [(one.requests, one.ended, one.failed) for one in found] == [
        (100, 100, 0),
        (0, 100, 100),
        (100, 150, 50),
    ]
    assert found[1].latency_ms.p50 is None

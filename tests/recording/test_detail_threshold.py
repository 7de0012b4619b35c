"""The requests that are kept in detail."""

import time

import pytest

from servescope.recording.detail_threshold import (
    DETAILS_PER_SECOND,
    ERRORS_PER_SECOND,
    FIRST_ERROR_STATUS,
    DetailThreshold,
)

SECOND = 1_000_000_000


@pytest.fixture
def threshold():
    return DetailThreshold()


def wanted(threshold, requests, second=100):
    return [threshold.wants(status, total_ns, second * SECOND) for status, total_ns in requests]


def test_only_so_many_ordinary_requests_a_second_are_kept(threshold):
    kept = wanted(threshold, [(200, 1_000_000.0)] * 500)
    assert sum(kept) == 1 + DETAILS_PER_SECOND  # the first is the slowest so far
    assert wanted(threshold, [(200, 1_000_000.0)], second=101) == [True]


def test_errors_are_kept_up_to_their_own_bound(threshold):
    wanted(threshold, [(200, 5e9)] * 100)
    kept = wanted(threshold, [(404, 1.0)] * 500)
    assert sum(kept) == ERRORS_PER_SECOND


def test_requests_without_an_answer_are_kept_as_errors_are(threshold):
    wanted(threshold, [(200, 5e9)] * 100)
    assert all(wanted(threshold, [(0, 1.0)] * ERRORS_PER_SECOND))
    assert not any(wanted(threshold, [(0, 1.0), (404, 1.0)]))


def test_the_slowest_is_kept_however_many_were(threshold):
    wanted(threshold, [(200, 1e6)] * 100)
    assert wanted(threshold, [(200, 1e6), (200, 2e6), (200, 1.5e6), (200, 3e6)]) == [
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("set_back_s", [0, 1, 3_600])
def test_below_the_threshold_asking_is_in_vain(threshold, set_back_s: int):
    """Asking only as the bounds say gives the same answers, if the clock is not set meanwhile."""
    seconds = [100_000 - set_back_s] * 40 + [100_001] * 40
    totals = [1e6 + 1e5 * (number % 7) for number in range(80)]
    statuses = [(500, 0)[number % 2] if number % 11 == 0 else 200 for number in range(80)]
    in_vain = 0
    for number, (second, total_ns, status) in enumerate(
        zip(seconds, totals, statuses, strict=True)
    ):
        if number == 40:
            threshold.until_ns = 0  # the second is over
        may_ask = (
            time.perf_counter_ns() > threshold.until_ns
            or total_ns > threshold.above_ns
            or status >= FIRST_ERROR_STATUS
            or not status
        )
        is_wanted = threshold.wants(status, total_ns, second * SECOND)
        assert may_ask or not is_wanted
        in_vain += not may_ask
    assert in_vain > 10


def test_the_threshold_holds_until_the_second_is_over_and_no_longer(threshold):
    assert threshold.until_s == 0
    end_ns = 100 * SECOND + SECOND // 4
    before_s = time.perf_counter()
    while threshold.wants(200, 5.0, end_ns):
        assert threshold.until_s == 0
    after_s = time.perf_counter()
    assert before_s + 0.75 <= threshold.until_s <= after_s + 0.75
    assert threshold.until_ns == pytest.approx(threshold.until_s * SECOND)
    assert threshold.above_ns == 5.0

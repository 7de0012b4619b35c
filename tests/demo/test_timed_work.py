"""Work of a given length: numbers of a query, and CPU time."""

import time

import pytest

from servescope.demo.timed_work import use_cpu, whole_number_of


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("1000", 1_000)])
def test_a_number_within_its_bounds(text, number):
    assert whole_number_of(text, "ms", 1_000) == number


@pytest.mark.parametrize("text", ["", "-1", "1e3", "1.5", "1001", "٣", "9" * 6_000])
def test_anything_else_is_told_to_the_client(text):
    with pytest.raises(ValueError, match=r"cpu_ms must be a whole number from 0 to 1000\."):
        whole_number_of(text, "cpu_ms", 1_000)


def test_cpu_time_of_the_thread_is_used_not_time_by_the_clock():
    before_ns = time.thread_time_ns()
    used_ms = use_cpu(5)
    assert 5 <= used_ms <= (time.thread_time_ns() - before_ns) / 1e6
    assert use_cpu(0) >= 0

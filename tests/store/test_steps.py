"""The time axis: whole steps that cover a span."""

from hypothesis import given
from hypothesis import strategies as st

from servescope.store.steps import Steps

SECONDS = st.integers(0, 10_000)


@given(SECONDS, SECONDS, st.integers(1, 700))
def test_each_second_of_the_span_lies_in_one_step(start, length, step):
    steps = Steps(start, start + length, step)
    times = steps.times.tolist()
    assert len(steps) == len(times)
    assert all(ts % step == 0 for ts in times)
    for ts in range(start, start + length, max(length // 20, 1)):
        begin = times[steps.index_of(ts)]
        assert begin <= ts < begin + step
    if length:
        assert times[0] <= start < times[0] + step
        assert times[-1] < start + length <= times[-1] + step


@given(SECONDS, st.integers(0, 100), st.integers(1, 700))
def test_an_empty_span_has_no_step(start, before, step):
    steps = Steps(start, start - before, step)
    assert len(steps) == 0
    assert steps.times.size == 0

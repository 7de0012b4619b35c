import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.catalog import METRICS
from servescope.store.promql.names import (
    BUCKET,
    INSTANCE,
    engine_label,
    engine_name,
    over_time,
    quoted,
    selector,
)
from servescope.store.promql.windows import LONGEST_S, MOST_POINTS, windows


def test_no_two_metrics_of_the_catalog_share_a_name():
    names = [engine_name(metric.name) + end for metric in METRICS for end in ("", "_count", "_sum")]
    assert len(set(names)) == len(names)


def test_labels_of_the_catalog_stay_apart_from_ours():
    for metric in METRICS:
        labels = [engine_label(name) for name in metric.labels]
        assert len({*labels, INSTANCE, BUCKET, "__name__"}) == len(labels) + 3


def test_a_value_cannot_leave_its_quotes():
    assert selector("a", (("b.c", '"} or x{y="'),), 'h"') == (
        'a{b_c="\\"} or x{y=\\"",instance="h\\""}'
    )
    assert quoted("a\\b\nc") == '"a\\\\b\\nc"'


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("sum", "x", 60), "sum_over_time(x[60s])"),
        (("sum", "x", 1), "last_over_time(x[1s])"),
        (("count", "x", 1, 9), "present_over_time(x[1s] offset -9s)"),
        (("avg", "x", 60, 9), "avg_over_time(x[60s] offset -9s)"),
    ],
)
def test_expressions(arguments, expected):
    assert over_time(*arguments) == expected


def test_doubles_are_counted_once():
    assert over_time("sum", "x", 60, 9, distinct=True) == (
        "sum_over_time(last_over_time(x[1s])[60s:1s] offset -9s)"
    )


@given(
    st.integers(0, 2**31),
    st.integers(0, 50_000),
    st.sampled_from([1, 2, 7, 10, 60, 300, 3600, 86_400]),
    st.booleans(),
)
def test_windows_cover_each_second_once_and_each_in_its_step(start, seconds, step, every_second):
    at = start
    for window in windows(start, start + seconds, step, every_second=every_second):
        assert 0 < window.points <= MOST_POINTS
        assert not every_second or window.points * step <= max(LONGEST_S, step)
        for number in range(min(window.points, 50)):
            end = window.end + number * step
            begin = end - window.seconds
            index = window.first + number
            assert (begin - start // step * step) // step == index
            assert (end - 1 - start // step * step) // step == index
            assert begin == at + number * step
        assert window.points == 1 or window.seconds == step
        at = window.end + (window.points - 1) * step
    assert at == start + seconds

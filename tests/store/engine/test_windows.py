import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.catalog import BY_NAME
from servescope.store.engine.names import (
    BUCKET,
    INSTANCE,
    engine_label,
    engine_name,
    over_time,
    quoted,
    selector,
)
from servescope.store.engine.windows import MOST_POINTS, MOST_ROWS, windows
from servescope.store.steps import Steps
from servescope.store.tiers import FINE, TIERS


def test_no_two_metrics_of_the_catalog_share_a_name():
    ends = ("", "_count", "_sum", "_bucket", "_readings", "_min", "_max")
    names = [engine_name(name, tier) + end for name in BY_NAME for tier in TIERS for end in ends]
    assert len(set(names)) == len(names)


def test_labels_of_the_catalog_stay_apart_from_ours():
    for metric in BY_NAME.values():
        labels = [engine_label(name) for name in metric.labels]
        assert len({*labels, INSTANCE, BUCKET, "__name__"}) == len(labels) + 3


def test_a_value_cannot_leave_its_quotes():
    assert selector("a", (("b.c", '"} or x{y="'),), 'h"') == (
        'a{b_c="\\"} or x{y=\\"",instance="h\\""}'
    )
    assert selector("a", without=(("b.c", "x"), ("b.c", "y"))) == 'a{b_c!="x",b_c!="y"}'
    assert quoted("a\\b\nc") == '"a\\\\b\\nc"'


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("sum", "x", 60), "sum_over_time(x[60s])"),
        (("sum", "x", 1), "last_over_time(x[1s])"),
        (("count", "x", 1, 9), "present_over_time(x[1s] offset -9s)"),
        (("avg", "x", 60, 9), "avg_over_time(x[60s] offset -9s)"),
        (("sum", "x", 60, 0, 60), "last_over_time(x[60s])"),
        (("sum", "x", 120, 0, 60), "sum_over_time(x[120s])"),
    ],
)
def test_expressions(arguments, expected):
    *given, tier = arguments if len(arguments) > 4 else (*arguments, FINE)
    assert over_time(*given, tier=tier) == expected


def test_doubles_are_counted_once():
    assert over_time("sum", "x", 60, 9, distinct=True) == (
        "sum_over_time(last_over_time(x[1s])[60s:1s] offset -9s)"
    )
    assert over_time("sum", "x", 120, 9, tier=60, distinct=True) == (
        "sum_over_time(last_over_time(x[1s])[120s:60s] offset -9s)"
    )


@given(
    st.integers(0, 2**31),
    st.integers(0, 50_000),
    st.sampled_from([1, 2, 7, 10, 60, 300, 3600, 86_400]),
    st.sampled_from([0, 1, 60]),
    st.integers(0, 100_000),
)
def test_windows_cover_each_second_once_and_each_in_its_step(start, seconds, step, row_s, before):
    at, origin = start, max(start - before, 0)
    for window in windows(Steps(start, start + seconds, step), origin=origin, row_s=row_s):
        assert 0 < window.points <= MOST_POINTS
        assert not row_s or window.points * step <= max(MOST_ROWS * row_s, step)
        for number in range(min(window.points, 50)):
            end = window.end + number * step
            begin = end - window.seconds
            index = window.first + number
            assert (begin - origin // step * step) // step == index
            assert (end - 1 - origin // step * step) // step == index
            assert begin == at + number * step
        assert window.points == 1 or window.seconds == step
        at = window.end + (window.points - 1) * step
    assert at == start + seconds

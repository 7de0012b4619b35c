import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.queries.span import (
    DEFAULT_RANGE,
    LONG_STEP_S,
    MAX_POINTS,
    MOST_SECOND,
    RANGES,
    STEPS,
    Span,
    View,
)

NEWEST = 1_800_000_123


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (None, View()),
        ({}, View()),
        ({"last": "1h"}, View(RANGES[2])),
        ({"last": "nonsense"}, View(DEFAULT_RANGE)),
        ({"last": "5m", "from": 100, "to": 200}, View(RANGES[0], (100, 200))),
        ({"from": "100", "to": "200.7"}, View(DEFAULT_RANGE, (100, 200))),
        ({"from": 200, "to": 100}, View()),
        ({"from": "x", "to": 100}, View()),
        ({"from": -5, "to": 100}, View()),
        ({"from": 1, "to": "inf"}, View()),
        ({"from": 1, "to": "nan"}, View()),
        ({"last": "1h", "host": "web-2"}, View(RANGES[2], host="web-2")),
        ({"from": 100, "to": 200, "host": "*"}, View(DEFAULT_RANGE, (100, 200), "*")),
        ({"host": "a\x00b"}, View()),
        ({"host": "x" * 300}, View(host="x" * 200)),
        (5, View()),
        ("5m", View()),
        ([["last", "1h"]], View()),
        ({"last": {}, "host": []}, View()),
        ({"from": 0, "to": MOST_SECOND - 1}, View(DEFAULT_RANGE, (0, MOST_SECOND - 1))),
        ({"from": 0, "to": MOST_SECOND}, View()),
        ({"from": 1e300, "to": 1e308}, View()),
        ({"from": "9" * 5_000, "to": "9" * 5_001}, View()),
    ],
)
def test_a_view_is_read_from_what_a_browser_sends(stored, expected):
    assert View.read(stored) == expected


def test_views_of_different_hosts_are_different():
    keys = {View(fixed=fixed, host=host).key for fixed in (None, (1, 2)) for host in ("", "a", "*")}
    assert len(keys) == 6


@pytest.mark.parametrize("chosen", RANGES, ids=lambda entry: entry.key)
def test_a_live_span_ends_with_the_newest_whole_step(chosen):
    span = View(chosen).span(NEWEST)
    assert span.end % span.step == 0
    behind = NEWEST + 1 - span.end
    assert (-span.step < behind <= 0) if span.step >= LONG_STEP_S else (0 <= behind < span.step)
    assert span.end - span.start == chosen.seconds
    assert chosen.seconds / span.step <= MAX_POINTS


@given(st.integers(0, 2**33), st.integers(1, 10**9))
def test_a_fixed_span_covers_what_was_asked_in_whole_steps(start, length):
    span = View(fixed=(start, start + length)).span(NEWEST)
    assert span.step in STEPS
    assert span.start % span.step == span.end % span.step == 0
    assert span.start <= start < start + length <= span.end
    assert start - span.start < span.step
    assert span.end - start - length < span.step


@given(st.integers(0, 10**6), st.integers(1, 500), st.sampled_from(STEPS), st.integers(0, 10**6))
def test_what_is_new_since_a_cursor_continues_what_was_sent(first, length, step, gone):
    span = Span(first * step, (first + length) * step, step)
    later = Span(span.start + gone * step, span.end + gone * step, step)
    new = later.since(span.end)
    if new.is_empty:
        assert later.end <= span.end
    else:
        assert new.start == max(span.end, later.start)
        assert new.end == later.end


@given(st.integers(0, 5000), st.integers(0, 600), st.integers(0, 600), st.sampled_from(STEPS[:9]))
def test_the_longer_steps_of_adjoining_spans_are_those_of_both_together(start, one, other, step):
    def steps(span):
        found = span.in_steps_of(step)
        assert found.end <= span.end
        return list(range(found.start, found.end, step))

    middle = start + one
    parts = steps(Span(start, middle, 1)) + steps(Span(middle, middle + other, 1))
    assert parts == steps(Span(start, middle + other, 1))


def test_a_step_that_no_graph_has_is_refused():
    with pytest.raises(ValueError, match="3 s is none of the steps"):
        Span(0, 60, 1).in_steps_of(3)

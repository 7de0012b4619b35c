import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope import catalog
from servescope.queries.span import (
    DEFAULT_RANGE,
    LONG_STEP_S,
    MAX_POINTS,
    MOST_SECOND,
    RANGES,
    SHORTEST_LIVE_S,
    STEPS,
    Compared,
    Range,
    Span,
    View,
    moment,
    range_of,
)
from servescope.records import temporary_listeners

NEWEST = 1_800_000_123


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (None, View()),
        ({}, View()),
        ({"last": "1h"}, View(range_of("1h"))),
        ({"last": "nonsense"}, View(DEFAULT_RANGE)),
        ({"last": "5m", "from": 100, "to": 200}, View(DEFAULT_RANGE, (100, 200))),
        ({"from": "100", "to": "200.7"}, View(DEFAULT_RANGE, (100, 200))),
        ({"from": 200, "to": 100}, View()),
        ({"from": "x", "to": 100}, View()),
        ({"from": -5, "to": 100}, View()),
        ({"from": 1, "to": "inf"}, View()),
        ({"from": 1, "to": "nan"}, View()),
        ({"last": "1h", "host": "web-2"}, View(range_of("1h"), host="web-2")),
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
        ({"last": "20m"}, View(Range("20m", "20m", 1_200))),
        ({"last": "4s"}, View()),
        ({"last": "11y"}, View()),
        ({"last": "15"}, View()),
        ({"from": "start", "to": "now"}, View(since=0)),
        ({"from": 100, "to": "now"}, View(since=100)),
        ({"from": "x", "to": "now"}, View()),
        ({"from": "start", "to": 200}, View()),
        ({"compare": "before"}, View(compared=Compared.BEFORE)),
        ({"compare": "tomorrow"}, View()),
    ],
)
def test_a_view_is_read_from_what_a_browser_sends(stored, expected):
    assert View.read(stored) == expected


def test_different_views_have_different_keys():
    keys = [
        View(fixed=fixed, host=host, since=since, compared=compared).key
        for fixed, since in ((None, None), ((1, 2), None), (None, 0), (None, 1))
        for host in ("", "a", "*")
        for compared in Compared
    ]
    assert len(set(keys)) == len(keys)


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


@pytest.mark.parametrize("chosen", RANGES, ids=lambda entry: entry.key)
@pytest.mark.parametrize("recorded_s", [1, 59, 200, 4_000, 90_000])
def test_a_live_span_begins_where_the_data_begins(chosen, recorded_s):
    view, oldest = View(chosen), NEWEST + 1 - recorded_s
    span = view.span(NEWEST, oldest)
    assert (span.end - span.start) / span.step <= MAX_POINTS + 2
    if recorded_s >= chosen.seconds:
        assert span == view.span(NEWEST)
        assert not view.begins_before(oldest, NEWEST)
    else:
        assert view.begins_before(oldest, NEWEST)
        shortest = min(SHORTEST_LIVE_S, chosen.seconds)
        assert min(oldest, NEWEST + 1 - shortest) - 2 * span.step < span.start <= oldest


def test_a_span_that_begins_with_the_data_keeps_its_begin_while_it_grows():
    oldest = NEWEST - 120
    spans = [View(range_of("1h")).span(NEWEST + later, oldest) for later in range(100)]
    assert {span.start for span in spans} == {oldest}
    assert spans[-1].end - spans[0].end == 99


def test_a_view_since_a_second_begins_there_and_ends_now():
    view = View(since=NEWEST - 500)
    assert view.span(NEWEST, NEWEST - 9_000) == Span(NEWEST - 500, NEWEST + 1, 1)
    assert not view.begins_before(NEWEST - 9_000, NEWEST)
    assert view.span(NEWEST, NEWEST - 100).start == NEWEST - 100
    assert View(since=0).span(NEWEST, NEWEST - 700) == Span(NEWEST - 700, NEWEST + 1, 1)
    assert not View(since=0).begins_before(NEWEST - 700, NEWEST)


def test_a_fixed_span_begins_where_the_data_begins():
    view = View(fixed=(1_000, 1_300))
    assert view.span(NEWEST, 1_200) == Span(1_200, 1_300, 1, fixed=True)
    assert view.span(NEWEST, 500) == Span(1_000, 1_300, 1, fixed=True)
    assert view.span(NEWEST, 5_000) == Span(1_000, 1_300, 1, fixed=True)  # it is empty, and whole
    assert [view.begins_before(oldest, NEWEST) for oldest in (500, 1_200, 5_000)] == [
        False,
        True,
        False,
    ]


def test_single_figures_are_of_the_last_seconds_or_of_all_of_a_fixed_span():
    fixed = Span(1_000, 1_300, 1, fixed=True)
    assert moment(fixed, NEWEST, 5) == fixed
    assert moment(None, NEWEST, 5) == moment(Span(0, 60, 1), NEWEST, 5)
    assert moment(None, NEWEST, 5) == Span(NEWEST - 4, NEWEST + 1, 1)


@pytest.mark.parametrize("chosen", RANGES, ids=lambda entry: entry.key)
@pytest.mark.parametrize("compared", list(Compared))
def test_the_earlier_span_has_the_same_steps(chosen, compared):
    view = View(chosen, compared=compared)
    span = view.span(NEWEST)
    offset = view.offset_s(span)
    earlier = span.earlier(offset)
    assert offset % span.step == 0
    assert (earlier.start, earlier.end) == (span.start - offset, span.end - offset)
    if compared is Compared.BEFORE:
        assert earlier.end == span.start


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


def test_temporary_listeners_are_left_out_unless_they_are_asked_for_by_name():
    span = Span(0, 60, 1)
    metric = catalog.REQUEST_DURATION
    all_names = {("listener", name) for name in temporary_listeners.NAMES}
    assert set(span.query(metric).without) == all_names
    assert set(span.query(metric, where=(("listener", "files"),)).without) == all_names
    learn = ("listener", temporary_listeners.EXPERIMENT)
    assert set(span.query(metric, where=(learn,)).without) == all_names - {learn}
    assert span.query(metric, comparisons=True).without == ()


def test_a_step_that_no_graph_has_is_refused():
    with pytest.raises(ValueError, match="3 s is none of the steps"):
        Span(0, 60, 1).in_steps_of(3)

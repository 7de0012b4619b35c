"""Percentiles are drawn where there are requests enough for them, and nowhere else."""

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import (
    LOAD_DURATION,
    LOAD_ERRORS,
    LOAD_NAIVE_DURATION,
    LOAD_TIMED_OUT_NAIVE_DURATION,
    REQUEST_DURATION,
)
from servescope.queries import latency
from servescope.queries.span import Span
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey

START = 1_700_000_000
COUNTS = (0, 1, 2, 10, 20, 99, 100, 1000)
"""Requests of one second after the other."""

WSGI = ("listener", "wsgi")
KEY = SeriesKey(REQUEST_DURATION, (("http.response.status_code", "200"), ("listener", "wsgi")))


@pytest.fixture
def context(harness):
    context = harness.context()
    frames = []
    for ts, requests in enumerate(COUNTS, START):
        durations = np.full(requests, 0.01)
        delta = HistogramDelta(histogram.count(durations), float(durations.sum()))
        frames.append(Frame(ts, histograms={KEY: delta} if requests else {}))
    context.store.write(Batch(frames))
    return context


def test_a_percentile_of_too_few_requests_is_a_gap_and_each_says_of_how_many_it_is(context):
    lines = latency.percentiles(context, Span(START, START + len(COUNTS), 1))
    assert np.nan_to_num(lines.requests).tolist() == [list(COUNTS)] * len(lines.names)
    assert all(lines.without_mean)
    for name, row in zip(lines.names, lines.values, strict=True):
        least = histogram.least_count(latency.QUANTILES[name])
        drawn = [count for count, value in zip(COUNTS, row, strict=True) if np.isfinite(value)]
        assert drawn == [count for count in COUNTS if count >= least], name


def test_the_requests_of_a_longer_step_count_together(context):
    lines = latency.percentiles(context, Span(START, START + 10, 10))
    assert np.isfinite(lines.values).all(), "1,232 requests in one step"


@pytest.mark.parametrize(
    ("counts", "step", "chosen"),
    [
        ([0] * 300, 1, 1),
        ([100] * 300, 1, 1),
        ([99] * 300, 1, 2),
        ([30] * 300, 1, 5),
        ([12] * 300, 1, 10),
        ([1] * 300, 1, 10),  # 30 s would leave ten points
        ([30] * 3600, 1, 5),
        ([4] * 3600, 1, 30),
        ([1] * 270 + [500] * 30, 1, 1),  # a run of load is drawn finely
        ([40] * 30, 1, 1),  # 30 points cannot become fewer
        ([40] * 300, 2, 10),  # 5 s are no multiple of 2 s
        ([4] * 300, 600, 600),  # it shows the step that is open
    ],
)
def test_a_step_is_so_long_that_it_has_the_requests_of_a_percentile(counts, step, chosen):
    span = Span(0, len(counts) * step, step)
    assert latency.step_of_enough(span, np.array([counts], dtype=float)) == chosen


def test_a_step_that_was_asked_for_is_kept_and_ends_within_the_span(context):
    lines = latency.percentiles(context, Span(START + 3, START + 9, 1), step=5)
    assert lines.step == 5
    assert lines.times.tolist() == [START]
    assert lines.requests[0].tolist() == [sum(COUNTS[:5])]
    nothing = latency.percentiles(context, Span(START + 5, START + 9, 1), step=5)
    assert nothing.values.shape == (len(latency.QUANTILES), 0)
    with pytest.raises(ValueError, match="7 s is none of the steps"):
        latency.percentiles(context, Span(START, START + 9, 1), step=7)


def test_a_distribution_marks_what_its_requests_support(context):
    marks = latency.distribution(context, Span(START, START + 5, 1)).marks
    assert list(marks) == ["p50", "p90", "p95"], "33 requests"


def test_a_percentile_that_requests_which_timed_out_reach_is_a_lower_bound(harness):
    context = harness.context()
    timed_out = SeriesKey(LOAD_ERRORS, (("error.type", "timed_out"), WSGI))
    refused = SeriesKey(LOAD_ERRORS, (("error.type", "refused"), WSGI))
    frames = []
    for ts, number in enumerate((0, 1, 2, 6, 60), START):
        durations = np.array([0.01] * (100 - number) + [5.0] * number)
        client = HistogramDelta(histogram.count(durations), float(durations.sum()))
        counts = {timed_out: float(number), refused: 50.0}
        frames.append(
            Frame(ts, counts=counts, histograms={SeriesKey(LOAD_DURATION, (WSGI,)): client})
        )
    context.store.write(Batch(frames))
    names, span = ("p50", "p95", "p99"), Span(START, START + 5, 1)
    for listener, metric in (("", LOAD_DURATION), ("wsgi", LOAD_DURATION)):
        lines = latency.percentiles(context, span, names, listener, metric, step=1)
        assert lines.bounds.tolist() == [
            [False, False, False, False, True],
            [False, False, False, True, True],
            [False, False, True, True, True],
        ]
        bounds = lines.values[lines.bounds]
        assert (bounds <= 5.0).all(), "a lower bound is the lower edge of its bucket"
        assert (bounds > 5.0 / histogram.GROWTH).all()
        told, other = (
            latency.percentiles(context, span, names, listener, metric, 1, timeouts_s).values
            for timeouts_s in ([2.0, 5.0], [2.0])
        )
        assert told[lines.bounds].tolist() == [5.0] * 6, "the timeout of that bucket"
        assert told[~lines.bounds].tolist() == lines.values[~lines.bounds].tolist()
        assert other.tolist() == lines.values.tolist(), "none timed out after 2 s"
    whole = latency.distribution(context, span, "wsgi", LOAD_DURATION)
    assert whole.bounds == {"p90", "p95", "p99"}, "69 of 500; too few for p99.9"
    assert 5.0 / histogram.GROWTH < whole.marks["p99"] <= 5.0
    told = latency.distribution(context, span, "wsgi", LOAD_DURATION, [5.0])
    assert (told.marks["p99"], told.bounds) == (5.0, whole.bounds)
    assert 5.0 / histogram.GROWTH < whole.timed_out_from_s <= 5.0, "the edge of their bucket"
    assert told.timed_out_from_s == 5.0
    first = latency.distribution(context, Span(START, START + 1, 1), "wsgi", LOAD_DURATION)
    assert first.timed_out_from_s is None
    assert latency.percentiles(context, span).bounds is None, "the server has no timeouts"


@pytest.mark.parametrize("is_kept", [True, False], ids=["by bucket", "of an older version"])
def test_the_clock_from_the_send_has_the_bounds_of_the_requests_that_were_sent(harness, is_kept):
    """In each second 60 of 100 time out; so many of them were sent, when so little was left."""
    context = harness.context()
    frames = []
    for ts, (sent, left_s) in enumerate([(0, 0.0), (20, 9.0), (20, 0.01)], START):
        answered, given_up = [0.3] * 20 + [0.5] * 20, np.array([left_s] * sent)
        histograms = {
            LOAD_DURATION: np.array([*answered, *[10.0] * 60]),
            LOAD_NAIVE_DURATION: np.array([*answered, *given_up]),
        }
        if is_kept and sent:
            histograms[LOAD_TIMED_OUT_NAIVE_DURATION] = given_up
        frames.append(
            Frame(
                ts,
                counts={SeriesKey(LOAD_ERRORS, (("error.type", "timed_out"), WSGI)): 60.0},
                histograms={
                    SeriesKey(metric, (WSGI,)): HistogramDelta(
                        histogram.count(durations), float(durations.sum())
                    )
                    for metric, durations in histograms.items()
                },
            )
        )
    context.store.write(Batch(frames))
    span, names = Span(START, START + 3, 1), ("p50", "p90")
    due, sent = (
        latency.percentiles(context, span, names, "wsgi", metric, 1)
        for metric in (LOAD_DURATION, LOAD_NAIVE_DURATION)
    )
    assert due.bounds.tolist() == [[True] * 3] * 2
    if is_kept:
        assert sent.bounds.tolist() == [[False, False, True], [False, True, True]]
    else:  # those that were sent count as the slowest
        assert sent.bounds.tolist() == [[False, False, False], [False, True, True]]
    assert sent.values[0] == pytest.approx([0.3, 0.5, 0.3], rel=0.1)
    whole = latency.durations(context, span.query(LOAD_NAIVE_DURATION, where=(WSGI,)))
    assert (whole.requests, whole.timed_out.sum()) == (160, 40)


def test_a_gap_is_no_bound(harness):
    context = harness.context()
    key = SeriesKey(LOAD_ERRORS, (("error.type", "timed_out"), WSGI))
    one = HistogramDelta(histogram.count(np.array([5.0])), 5.0)
    histograms = {SeriesKey(LOAD_DURATION, (WSGI,)): one}
    context.store.write(Batch([Frame(START, counts={key: 1.0}, histograms=histograms)]))
    lines = latency.percentiles(
        context, Span(START, START + 1, 1), ("p99",), metric=LOAD_DURATION, step=1
    )
    assert not lines.bounds.any()


def turned_away(count):
    """The counts of a listener of clients over its capacity, in microseconds each."""
    labels = (
        ("http.request.method", "_OTHER"),
        ("http.response.status_code", "503"),
        ("http.route", "other"),
        WSGI,
    )
    durations = np.full(count, 1.5e-5)
    delta = HistogramDelta(histogram.count(durations), float(durations.sum()))
    return {SeriesKey(REQUEST_DURATION, labels): delta}


def test_clients_that_were_turned_away_unread_are_in_no_percentile(harness):
    context = harness.context()
    slow = np.full(50, 12.0)
    served = {KEY: HistogramDelta(histogram.count(slow), float(slow.sum()))}
    frames = [
        Frame(START, histograms=served),
        Frame(START + 1, histograms=served | turned_away(900)),
        Frame(START + 2, histograms=turned_away(900)),
    ]
    context.store.write(Batch(frames))
    span = Span(START, START + 3, 1)
    lines = latency.percentiles(context, span, ("p50", "p95"), step=1)
    assert lines.values[:, :2] == pytest.approx(12.0, rel=0.05)
    assert np.isnan(lines.values[:, 2]).all(), "none was read"
    assert lines.requests.tolist() == [[50, 50, 0]] * 2
    found = latency.distribution(context, span, "wsgi")
    assert found.counts.sum() == 100
    assert found.marks["p50"] == pytest.approx(12.0, rel=0.05)
    assert latency.heat(context, span).counts.sum() == 1_900, "the heatmap has all answers"
    whole = latency.durations(context, span.query(REQUEST_DURATION, where=(WSGI,)))
    assert (whole.requests, whole.unread, whole.mean_s) == (100, 1_800, 12.0)
    assert whole.buckets.sum() == 100


def test_a_span_in_which_every_client_was_turned_away_has_no_distribution(harness):
    context = harness.context()
    context.store.write(Batch([Frame(START, histograms=turned_away(900))]))
    found = latency.distribution(context, Span(START, START + 1, 1))
    assert found.counts.size == 0
    assert found.marks == {}
    whole = latency.durations(context, Span(START, START + 1, 1).query(REQUEST_DURATION))
    assert (whole.requests, whole.unread, whole.buckets.sum()) == (0, 900, 0)
    assert np.isnan(whole.mean_s)

"""Percentiles are drawn where there are requests enough for them, and nowhere else."""

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import REQUEST_DURATION
from servescope.queries import latency
from servescope.queries.span import Span
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey

START = 1_700_000_000
COUNTS = (0, 1, 2, 10, 20, 99, 100, 1000)
"""Requests of one second after the other."""

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


def test_a_percentile_of_too_few_requests_is_a_gap(context):
    lines = latency.percentiles(context, Span(START, START + len(COUNTS), 1))
    for name, row in zip(lines.names, lines.values, strict=True):
        least = histogram.least_count(latency.QUANTILES[name])
        drawn = [count for count, value in zip(COUNTS, row, strict=True) if np.isfinite(value)]
        assert drawn == [count for count in COUNTS if count >= least], name


def test_the_requests_of_a_longer_step_count_together(context):
    lines = latency.percentiles(context, Span(START, START + 10, 10))
    assert np.isfinite(lines.values).all(), "1,232 requests in one step"


def test_a_distribution_marks_what_its_requests_support(context):
    marks = latency.distribution(context, Span(START, START + 5, 1)).marks
    assert list(marks) == ["p50", "p90", "p95"], "33 requests"

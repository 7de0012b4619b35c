"""The p99 of a load by three clocks, in the same steps."""

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import LOAD_DURATION, LOAD_NAIVE_DURATION, REQUEST_DURATION
from servescope.queries import load
from servescope.queries.span import Span
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey

START = 1_700_000_000
SPAN = Span(START, START + 300, 1)
WSGI = ("listener", "wsgi")
READ = (
    ("http.request.method", "GET"),
    ("http.response.status_code", "200"),
    ("http.route", "/"),
    WSGI,
)
UNREAD = (
    ("http.request.method", "_OTHER"),
    ("http.response.status_code", "503"),
    ("http.route", "other"),
    WSGI,
)
NAMES = (
    "p99 from the intended send time",
    "p99 from the actual send (naive)",
    "p99 inside the server",
)
WITHOUT = (
    "p99 from intended send: too few requests",
    "p99 from actual send: too few requests",
    "p99 inside the server: too few requests",
)


def requests(metric, labels, number, seconds):
    durations = [seconds] * number
    delta = HistogramDelta(histogram.count(np.array(durations)), sum(durations))
    return {SeriesKey(metric, labels): delta}


@pytest.fixture
def ask(harness):
    """Three ways over 30 s with so many requests a second at the client and read by the server."""
    context = harness.context()

    def write_and_ask(client, read, unread=0, step=0):
        histograms = {}
        if client:
            histograms |= requests(LOAD_DURATION, (WSGI,), client, 9.0)
            histograms |= requests(LOAD_NAIVE_DURATION, (WSGI,), client, 8.0)
        if read:
            histograms |= requests(REQUEST_DURATION, READ, read, 7.0)
        if unread:
            histograms |= requests(REQUEST_DURATION, UNREAD, unread, 1e-5)
        frames = [Frame(START + second, histograms=histograms) for second in range(30)]
        context.store.write(Batch(frames))
        return load.latencies(context, SPAN, step)

    return write_and_ask


@pytest.mark.parametrize(
    ("client", "read", "unread", "step"),
    [(200, 150, 0, 1), (200, 38, 0, 5), (200, 38, 900, 5), (20, 200, 0, 5)],
    ids=["enough", "a slow server", "and clients are turned away", "a slow client"],
)
def test_the_steps_have_enough_requests_for_each_clock(ask, client, read, unread, step):
    lines = ask(client, read, unread)
    assert (lines.names, lines.step) == (NAMES, step)
    for row, seconds in zip(lines.values, (9.0, 8.0, 7.0), strict=True):
        assert np.nanmax(row) == pytest.approx(seconds, rel=0.05)


@pytest.mark.parametrize(
    ("client", "read", "without"),
    [(200, 0, {2}), (200, 2, {2}), (0, 200, {0, 1}), (0, 0, set()), (1, 1, set())],
    ids=["a host elsewhere", "few were read", "no load", "nothing", "few of all"],
)
def test_a_line_that_is_missing_says_why_beside_one_that_is_not(ask, client, read, without):
    lines = ask(client, read, unread=300)
    said = [(WITHOUT if at in without else NAMES)[at] for at in range(3)]
    assert list(lines.names) == said
    missing = {at for at, row in enumerate(lines.values) if np.isnan(row).all()}
    assert missing == (without or {0, 1, 2})

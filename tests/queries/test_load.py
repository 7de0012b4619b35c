"""The p99 of a load by three clocks, in the same steps."""

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import LOAD_DURATION, LOAD_NAIVE_DURATION, REQUEST_DURATION
from servescope.figures import theme
from servescope.queries import load
from servescope.queries.span import Span
from servescope.records.load import LoadPlan, RunState
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
    "p99 inside wsgi",
)
WITHOUT = (
    "p99 from intended send: too few requests",
    "p99 from actual send: too few requests",
    "p99 inside wsgi: too few requests",
)
INSIDE_NOBODY = "p99 inside the server"


def requests(metric, labels, number, seconds):
    durations = [seconds] * number
    delta = HistogramDelta(histogram.count(np.array(durations)), sum(durations))
    return {SeriesKey(metric, labels): delta}


def add_run(context, listener, started_s, ended_s=None):
    """A run that was aimed at a listener."""
    runs = context.process.control.load_runs
    run = runs.request(LoadPlan.constant(listener, "/", 200, 30), started_s)
    runs.update(run.id, state=RunState.RUNNING, started_s=started_s)
    if ended_s is not None:
        runs.update(run.id, state=RunState.DONE, ended_s=ended_s, result={"sent": 1})
    return runs.by_id(run.id)


@pytest.fixture
def ask(harness):
    """Three ways over 30 s with so many requests a second at the client and read by the server.

    A run goes on for as long, unless `is_run` is false.
    """
    context = harness.context()

    def write_and_ask(client, read, unread=0, step=0, *, is_run=True):
        histograms = {}
        if is_run:
            add_run(context, "wsgi", START, START + 30)
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
    ids=["none was answered", "few were read", "none ended yet", "nothing", "few of all"],
)
def test_a_line_that_is_missing_says_why_beside_one_that_is_not(ask, client, read, without):
    lines = ask(client, read, unread=300)
    said = [(WITHOUT if at in without else NAMES)[at] for at in range(3)]
    assert list(lines.names) == said
    missing = {at for at, row in enumerate(lines.values) if np.isnan(row).all()}
    assert missing == (without or {0, 1, 2})


def test_a_server_that_no_load_went_to_has_no_line(ask):
    lines = ask(0, 200, is_run=False)
    assert lines.names == (*NAMES[:2], INSIDE_NOBODY)
    assert np.isnan(lines.values).all()


def inside(listener, seconds):
    """Answers of a listener within a second, each after so many seconds."""
    labels = tuple(sorted({**dict(READ), "listener": listener}.items()))
    return requests(REQUEST_DURATION, labels, 200, seconds)


def sent_to(target, seconds):
    """Load that ended within a second, each request after so many seconds."""
    return requests(LOAD_DURATION, (("listener", target),), 200, seconds) | requests(
        LOAD_NAIVE_DURATION, (("listener", target),), 200, seconds
    )


@pytest.fixture
def two_loaded(harness):
    """A run at asgi for 10 s, after a pause one at wsgi; a third listener answers others."""
    context = harness.context()
    add_run(context, "asgi", START, START + 10)
    add_run(context, "wsgi", START + 20, START + 30)
    frames = []
    for second in range(30):
        found = inside("asgi", 1.0) | inside("wsgi", 2.0) | inside("files", 30.0)
        if second < 10 or second >= 20:
            found |= sent_to("asgi" if second < 10 else "wsgi", 3.0)
        frames.append(Frame(START + second, histograms=found))
    context.store.write(Batch(frames))
    return context


def test_each_loaded_server_has_a_line_while_load_was_sent_to_it(two_loaded):
    lines = load.latencies(two_loaded, Span(START, START + 30, 1))
    assert lines.names == (*NAMES[:2], "p99 inside asgi", "p99 inside wsgi")
    asgi, wsgi = lines.values[2:]
    assert np.flatnonzero(np.isfinite(asgi)).tolist() == list(range(10))
    assert np.flatnonzero(np.isfinite(wsgi)).tolist() == list(range(20, 30))
    assert np.nanmax(asgi) == pytest.approx(1.0, rel=0.05)
    assert np.nanmax(wsgi) == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("step", [1, 5])
@pytest.mark.parametrize("cursor", [5, 10, 15, 25])
def test_what_a_poll_adds_is_what_the_whole_graph_has(two_loaded, step, cursor):
    whole = load.latencies(two_loaded, Span(START, START + 30, 1), step)
    added = load.latencies(two_loaded, Span(START + cursor, START + 30, 1), step)
    rows = dict(zip(added.names, added.values, strict=True))
    for name, row in zip(whole.names, whole.values, strict=True):
        missing = np.full(added.times.size, np.nan)
        assert np.array_equal(rows.get(name, missing), row[-added.times.size :], equal_nan=True)


def test_of_one_run_it_is_its_own_server_alone(two_loaded):
    run = load.runs(two_loaded)[-1]
    lines = load.latencies(two_loaded, Span(START, START + 30, 1), of_run=run)
    assert lines.names == (*NAMES[:2], "p99 inside asgi")
    assert np.flatnonzero(np.isfinite(lines.values[0])).tolist() == list(range(10))


def test_load_at_a_host_elsewhere_has_no_line_of_a_server(harness):
    context = harness.context()
    elsewhere = "https://example.org"
    histograms = inside("wsgi", 7.0) | sent_to(elsewhere, 3.0)
    context.store.write(Batch([Frame(START + second, histograms=histograms) for second in (0, 1)]))
    assert load.latencies(context, Span(START, START + 2, 1)).names == NAMES[:2]


def test_a_percentile_has_the_colour_of_its_clock_with_a_value_or_without():
    with_values, without = theme.by_clock(NAMES), theme.by_clock(WITHOUT)
    assert [style.colour for style in with_values] == [style.colour for style in without]
    assert len({style.colour for style in with_values}) == 3
    both = theme.by_clock(("p99 inside asgi", "p99 inside wsgi: too few requests"))
    assert both[0].colour == both[1].colour == with_values[2].colour
    assert both[0].dash != both[1].dash

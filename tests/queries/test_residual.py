"""The client's clock against the sum of the stages."""

import math

import numpy as np
import pytest

from servescope import catalog, histogram
from servescope.queries import runs
from servescope.queries.residual import of_seconds, residual
from servescope.queries.span import Span
from servescope.records.load import LoadPlan, RunState
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey

START = 1_700_000_000
PLAN = LoadPlan.constant("wsgi", "/", 10, 3)
SPAN = Span(START, START + 60, 1)


def delta(*durations):
    return HistogramDelta(histogram.count(np.array(durations)), sum(durations))


def seconds(first, client, server, listener="wsgi"):
    """Three seconds with one request each, as both sides timed it."""
    labels = {
        "http.request.method": "GET",
        "http.response.status_code": "200",
        "http.route": "/",
        "listener": listener,
    }
    here = SeriesKey(catalog.REQUEST_DURATION, tuple(sorted(labels.items())))
    there = SeriesKey(catalog.LOAD_NAIVE_DURATION, (("listener", listener),))
    return [
        Frame(ts, histograms={here: delta(server), there: delta(client)})
        for ts in range(first, first + 3)
    ]


@pytest.fixture
def context(harness):
    return harness.context()


def run(context, started, ended, plan=PLAN):
    number = context.process.control.load_runs.request(plan, started).id
    context.process.control.load_runs.update(number, state=RunState.RUNNING, started_s=started)
    if ended:
        context.process.control.load_runs.update(number, state=RunState.DONE, ended_s=ended)
    return number


def test_what_no_stage_accounts_for(context):
    number = run(context, START + 10.2, START + 12.9)
    before = seconds(START, 9.0, 9.0)  # not of the run: it must not count
    context.store.write(Batch([*before, *seconds(START + 10, 0.0215, 0.0205)]))
    found = residual(context, SPAN)
    assert found.run.id == number
    assert (found.client.requests, found.server.requests) == (3, 3)
    assert found.client.mean_s - found.server.mean_s == pytest.approx(0.001)
    assert found.client.p50_s == pytest.approx(0.0215, rel=histogram.ERROR_BOUND)
    assert found.server.p50_s == pytest.approx(0.0205, rel=histogram.ERROR_BOUND)
    assert math.isnan(found.server.p95_s), "three requests have no p95"


def unread(ts, number):
    """A second in which a server turned so many clients away, in 15 µs each."""
    labels = {
        "http.request.method": "_OTHER",
        "http.response.status_code": "503",
        "http.route": "other",
        "listener": "wsgi",
    }
    key = SeriesKey(catalog.REQUEST_DURATION, tuple(sorted(labels.items())))
    return Frame(ts, histograms={key: delta(*[1.5e-5] * number)})


def test_the_sum_of_stages_is_of_requests_that_were_read(context):
    run(context, START + 10.2, START + 13.1)
    context.store.write(Batch([*seconds(START + 10, 0.5, 12.0), unread(START + 13, 900)]))
    server = residual(context, SPAN).server
    assert (server.requests, server.unread) == (3, 900)
    assert server.mean_s == pytest.approx(12.0)
    assert server.p50_s == pytest.approx(12.0, rel=histogram.ERROR_BOUND)


@pytest.mark.parametrize(
    ("ended", "timed"), [(12.9, 3), (13, 4)], ids=["within a second", "at its edge"]
)
def test_the_seconds_of_a_run_are_the_same_on_its_own_page(context, ended, timed):
    number = run(context, START + 10.2, START + ended)
    context.store.write(Batch(seconds(START + 10, 0.02, 0.01)))
    context.store.write(Batch(seconds(START + 13, 9.0, 9.0)))  # of other clients, most after it
    one = runs.one(context, number)
    here, there = residual(context, SPAN), of_seconds(context, one, *one.whole_seconds)
    of_run = runs.server_figures(context, one)
    for found in (here, there):
        assert (found.client.requests, found.server.requests) == (timed, timed)
        assert found.server.mean_s == of_run.mean_s
    assert of_run.requests == timed


def test_the_client_s_figures_of_a_whole_run_are_those_of_its_result(context):
    number = run(context, START + 10.2, START + 12.9)
    result = {
        "naive_ms": {"mean": 21.5, "p50": 21.25, "p95": 30.0},
        "naive_bounds": ["mean", "p95"],
        "timed_out_from_ms": 5_000.0,
    }
    context.process.control.load_runs.update(number, result=result)
    context.store.write(Batch(seconds(START + 10, 0.0215, 0.0205)))
    client = residual(context, SPAN).client
    assert (client.requests, client.mean_s, client.p50_s, client.p95_s) == (
        3,
        0.0215,
        0.02125,
        0.03,
    )
    assert client.bounds == {"mean", "p95"}
    part = residual(context, Span(START + 11, START + 20, 1, fixed=True)).client
    assert (part.requests, part.bounds) == (2, frozenset()), "of a part only the store knows"
    assert part.p50_s == pytest.approx(0.0215, rel=histogram.ERROR_BOUND)


def test_a_client_that_gave_up_has_lower_bounds_while_the_run_goes_on(context):
    run(context, START + 10.2, None)
    labels = (("listener", "wsgi"),)
    late = SeriesKey(catalog.LOAD_ERRORS, (("error.type", "timed_out"), *labels))
    frames = [
        Frame(
            START + 10,
            counts={late: 10.0},
            histograms={
                SeriesKey(catalog.LOAD_DURATION, labels): delta(*[0.1] * 90, *[5.0] * 10),
                SeriesKey(catalog.LOAD_NAIVE_DURATION, labels): delta(*[0.1] * 90, *[4.0] * 10),
                SeriesKey(catalog.LOAD_TIMED_OUT_NAIVE_DURATION, labels): delta(*[4.0] * 10),
            },
        ),
        *seconds(START + 11, 0.1, 0.1),
    ]
    context.store.write(Batch(frames))
    client = residual(context, SPAN).client
    assert (client.requests, client.bounds) == (103, {"mean", "p95"})
    assert client.p95_s <= 4.0


def test_of_a_run_whose_every_client_was_turned_away_the_server_has_no_time(context):
    run(context, START + 10.2, START + 12.9)
    there = SeriesKey(catalog.LOAD_NAIVE_DURATION, (("listener", "wsgi"),))
    sent = Frame(START + 11, histograms={there: delta(0.001)})
    context.store.write(Batch([sent, unread(START + 12, 900)]))
    found = residual(context, SPAN)
    assert (found.client.requests, found.server.requests, found.server.unread) == (1, 0, 900)
    assert math.isnan(found.server.mean_s)


def test_a_run_under_way_counts_so_far(context):
    run(context, START + 10.2, None)
    context.store.write(Batch(seconds(START + 10, 0.003, 0.002)))
    assert residual(context, SPAN).client.requests == 3


def test_the_newest_run_of_the_span_and_the_listener(context):
    first = run(context, START + 10, START + 12.5)
    second = run(context, START + 20, START + 22.5, LoadPlan.constant("asgi", "/", 10, 3))
    frames = [*seconds(START + 10, 0.003, 0.002), *seconds(START + 20, 0.03, 0.02, "asgi")]
    context.store.write(Batch(frames))
    assert residual(context, SPAN).run.id == second
    assert residual(context, SPAN, "wsgi").run.id == first
    assert residual(context, Span(START, START + 15, 1)).run.id == first
    assert residual(context, SPAN, "files") is None
    assert residual(context, Span(START + 40, START + 60, 1)) is None


def test_no_run_no_figure(context):
    context.store.write(Batch(seconds(START, 0.003, 0.002)))
    assert residual(context, SPAN) is None
    run(context, START + 30, START + 31)  # it left no record
    assert residual(context, SPAN) is None

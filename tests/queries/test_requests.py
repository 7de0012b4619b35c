"""One request of the log, and what is usual around it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from servescope import histogram
from servescope.catalog import STAGE_DURATION
from servescope.queries import requests as log
from servescope.records.requests import RequestDetail, RequestRecord
from servescope.request_fields import Method, Protocol, RequestFlag
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from tests.queries.conftest import WSGI

END = 1_700_000_000
RECORD = RequestRecord(
    end_ns=END * 10**9 + 250_000_000,
    listener_id=1,
    route_id=2,
    method=Method.GET,
    protocol=Protocol.HTTP_1_1,
    status=200,
    flags=RequestFlag.TLS,
    bytes_received=120,
    bytes_sent=240,
    stages_ns=(0.0, 0.0, 0.0, 10e6, 0.0, 0.0),
)
DETAIL = RequestDetail(
    RECORD, "wsgi", "/users/<id>", "/users/7", "::1", "", thread="wsgi-2", requests_before=3
)


@pytest.fixture
def context(harness):
    return harness.context()


def durations(seconds):
    return HistogramDelta(histogram.count(seconds), sum(seconds))


def write(context, *, route=(), app=(), ts=END):
    stage = SeriesKey(STAGE_DURATION, (("listener", "wsgi"), ("stage", "app")))
    histograms = {WSGI: durations(route), stage: durations(app)}
    batch = Batch([Frame(ts, histograms=histograms)], request_details=[DETAIL])
    context.store.write(batch)


def test_one_request_is_found_by_its_id(context):
    assert log.one(context, 1) is None
    assert log.kept(context) is None
    write(context)
    row = log.one(context, 1)
    assert (row.id, row.target, row.thread, row.requests_before) == (1, "/users/7", "wsgi-2", 3)
    assert (row.total_s, row.flags) == (pytest.approx(0.01), ("tls",))
    assert log.kept(context).newest_id == 1


def test_its_surroundings_are_its_route_in_whole_and_its_listener_by_stage(context):
    write(context, route=[0.001] * 90 + [0.1] * 10, app=[0.002] * 200)
    around = log.surroundings(context, log.one(context, 1))
    assert around.route.requests == 100
    assert around.route.p50_s == pytest.approx(0.001, rel=0.05)
    assert around.route.p99_s == pytest.approx(0.1, rel=0.05)
    assert around.share_not_slower == pytest.approx(0.9)
    assert around.share_faster == pytest.approx(0.9)
    assert around.stages["app"].p99_s == pytest.approx(0.002, rel=0.05)


def test_a_request_is_not_faster_than_those_of_its_own_bucket(context):
    write(context, route=[0.001] * 90 + [0.1] * 10)
    row = replace(log.one(context, 1), stages_s={}, total_s=0.1)
    around = log.surroundings(context, row)
    assert (around.share_faster, around.share_not_slower) == (pytest.approx(0.9), 1.0)


def test_of_an_app_under_another_server_a_request_says_what_was_not_measured(context):
    """The store tells a listener by the number of its open connections."""
    write(context, route=[0.01], app=[0.01])
    row = log.one(context, 1)
    assert log.unmeasured(context, row) == {"kernel", "read", "queue", "write"}
    in_parts = replace(row, stages_s=row.stages_s | {"write": 0.001})
    assert log.unmeasured(context, in_parts) == {"kernel", "read", "queue"}
    around = log.surroundings(context, row)
    assert around.unmeasured == {"kernel", "read", "queue", "write"}
    assert set(around.stages) == {"app"}


def test_too_few_requests_support_no_percentile(context):
    write(context, route=[0.001])
    around = log.surroundings(context, log.one(context, 1))
    assert around.route.requests == 1
    assert math.isnan(around.route.p99_s)


def test_requests_of_other_hours_and_routes_do_not_count(context):
    write(context, route=[0.001] * 50, ts=END - 7_200)
    row = log.one(context, 1)
    assert log.surroundings(context, row).share_not_slower is None
    write(context, route=[0.001] * 50)
    assert log.surroundings(context, row).route.requests == 50
    of_other = log.surroundings(context, replace(row, route="/other"))
    assert (of_other.route.requests, of_other.listener.requests) == (0, 50)


def test_requests_that_were_turned_away_unread_are_in_no_whole_beside_stages(context):
    labels = dict(WSGI.labels) | {"http.request.method": "_OTHER", "http.route": "other"}
    turned_away = SeriesKey(WSGI.metric, tuple(sorted(labels.items())))
    write(context, route=[30.0] * 100)
    frame = Frame(END + 1, histograms={turned_away: durations([0.00002] * 900)})
    context.store.write(Batch([frame]))
    row = log.one(context, 1)
    around = log.surroundings(context, row)
    assert around.listener.requests == 100
    assert around.listener.p50_s == pytest.approx(30.0, rel=0.05)
    # A method outside the known set was read; and nobody is compared across that line.
    labels["http.route"] = "/users/<id>"
    unusual = SeriesKey(WSGI.metric, tuple(sorted(labels.items())))
    context.store.write(Batch([Frame(END + 2, histograms={unusual: durations([30.0] * 7)})]))
    assert log.surroundings(context, row).listener.requests == 107
    unread = log.surroundings(context, replace(row, method="OTHER", route="other"))
    assert unread.route.requests == 900
    beyond = log.surroundings(context, replace(row, method="GET", route="other"))
    assert beyond.route.requests == 0

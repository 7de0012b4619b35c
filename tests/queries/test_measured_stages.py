"""A zero in a stage is a duration, but where the recorder of the server does not measure it."""

import math

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import OPEN_CONNECTIONS, REQUEST_DURATION, STAGE_DURATION
from servescope.queries import latency
from servescope.queries.measured_stages import measured_stages
from servescope.queries.span import Span
from servescope.records.server_kinds import ServerKind
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey

START = 1_700_000_000
SPAN = Span(START, START + 5, 1)


def second(ts, server, stages_s, requests=100):
    """A second in which so many requests took `stages_s` each, a listener's with its gauge."""

    def of(seconds):
        durations = [seconds] * requests
        return HistogramDelta(histogram.count(np.array(durations)), sum(durations))

    histograms = {
        SeriesKey(STAGE_DURATION, (("listener", server), ("stage", stage))): of(seconds)
        for stage, seconds in stages_s.items()
    }
    histograms[SeriesKey(REQUEST_DURATION, (("listener", server),))] = of(sum(stages_s.values()))
    gauges = {}
    if not server.startswith("app"):
        gauges = {SeriesKey(OPEN_CONNECTIONS, (("listener", server),)): 1.0}
    return Frame(ts, gauges, {}, histograms)


def together(*frames):
    """The requests of several servers in one second."""
    gauges, histograms = {}, {}
    for frame in frames:
        gauges |= frame.gauges
        histograms |= frame.histograms
    return Frame(frames[0].ts, gauges, {}, histograms)


QUICK = dict.fromkeys(latency.STAGES, 0.0) | {"app": 0.04, "kernel": 0.001}
UNDER_OTHER = dict.fromkeys(latency.STAGES, 0.0) | {"app": 0.04}


@pytest.fixture
def context(harness):
    return harness.context()


def rows(context, listener="", **kind):
    return {row.stage: row for row in latency.stages(context, SPAN, listener, **kind)}


def test_an_app_s_recorder_does_not_measure_what_is_before_the_app_nor_the_sending(context):
    context.store.write(Batch([second(START, "app", UNDER_OTHER)]))
    found = rows(context, "app")
    assert [stage for stage, row in found.items() if row.is_measured] == ["app", "body"]
    assert found["app"].share == 1
    assert found["body"].mean_s == 0, "nothing was left when the head was ready"
    assert all(math.isnan(value) for value in (found["read"].p50_s, found["read"].share))
    lines = latency.stage_means(context, SPAN, "app")
    drawn = [name for name, row in zip(lines.names, lines.values, strict=True) if any(row >= 0)]
    assert drawn == ["app", "body"]


def test_a_zero_of_a_listener_is_a_duration(context):
    context.store.write(Batch([second(START, "wsgi", QUICK)]))
    assert all(row.is_measured for row in rows(context, "wsgi").values())
    assert np.isfinite(latency.stage_means(context, SPAN, "wsgi").values[:, 0]).all()


def test_a_system_that_tells_no_wait_in_the_kernel_has_none(context):
    context.store.write(Batch([second(START, "wsgi", QUICK | {"kernel": 0.0})]))
    measured = [stage for stage, row in rows(context, "wsgi").items() if row.is_measured]
    assert measured == ["read", "queue", "app", "body", "write"]


def test_a_wait_that_other_requests_of_the_hour_had_is_measured(context):
    earlier = second(START - 1_800, "app", UNDER_OTHER | {"kernel": 0.004})
    context.store.write(Batch([earlier, second(START, "app", UNDER_OTHER)]))
    found = rows(context, "app")
    assert found["kernel"].mean_s == 0
    assert not found["read"].is_measured


def test_a_stage_of_several_servers_is_that_of_those_that_measure_it(context):
    frames = second(START, "app", UNDER_OTHER, 900), second(START, "wsgi", QUICK | {"queue": 0.5})
    context.store.write(Batch([together(*frames)]))
    found = rows(context)
    assert found["queue"].mean_s == pytest.approx(0.5), "not a tenth of it"
    assert found["queue"].p50_s == pytest.approx(0.5, rel=0.05)
    assert found["app"].mean_s == pytest.approx(0.04)
    assert found["queue"].share == pytest.approx(50 / (50 + 40 + 0.1))


def test_whoever_knows_the_kind_of_a_server_may_say_it(context):
    """The store of a run from another machine may lack what tells a listener."""
    context.store.write(Batch([second(START, "app", UNDER_OTHER)]))
    assert rows(context, "app", kind=ServerKind.LISTENER)["queue"].is_measured
    is_measured = measured_stages(context, SPAN)
    assert not is_measured("app", "queue", 0.0)
    assert is_measured("app", "queue", 0.0, ServerKind.LISTENER)
    assert is_measured("app", "queue", 1e-9)

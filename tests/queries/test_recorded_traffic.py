"""A minute of a listener's traffic becomes a scenario of its routes, and of nothing else."""

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import REQUEST_DURATION
from servescope.errors import LoadRefusedError
from servescope.queries.recorded_traffic import SECONDS, recorded_minute, target_of_route
from servescope.queries.span import View
from servescope.records.scenarios import Recorded
from servescope.scenarios.checks import check_scenario
from servescope.scenarios.scenario_file import ScenarioFile, from_toml, to_toml
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey

START = 1_700_000_000


def of(method, route, status="200", listener="wsgi"):
    labels = (
        ("http.request.method", method),
        ("http.response.status_code", status),
        ("http.route", route),
        ("listener", listener),
    )
    return SeriesKey(REQUEST_DURATION, labels)


def some(count):
    return HistogramDelta(histogram.count(np.full(count, 0.01)), 0.01 * count)


@pytest.fixture
def context(harness):
    """Two seconds of requests, the second one at the end of the minute."""
    context = harness.context()
    first = {
        of("GET", "/items/{id}"): some(3),
        of("GET", "/items/{id}", "404"): some(2),
        of("HEAD", "/"): some(1),
        of("POST", "/items"): some(7),
        of("GET", "/of-another", listener="asgi"): some(9),
    }
    last = {of("GET", "/items/{id}"): some(4), of("GET", "other"): some(1)}
    frames = [Frame(START, {}, {}, first), Frame(START + SECONDS - 1, {}, {}, last)]
    context.store.write(Batch(frames))
    return context


def test_counts_and_routes_are_those_of_the_minute(context):
    recorded = recorded_minute(context, "wsgi", 2.0)
    scenario = recorded.scenario
    schedule = scenario.schedule
    assert isinstance(schedule, Recorded)
    assert [(step.method, step.target) for flow in scenario.flows for step in flow.steps] == [
        ("GET", "/items/1"),
        ("HEAD", "/"),
    ]
    assert schedule.seconds == SECONDS
    assert (schedule.arrivals[0], schedule.arrivals[-1]) == ((5, 1), (4, 0))
    assert not any(map(any, schedule.arrivals[1:-1]))
    assert (schedule.factor, schedule.source) == (2.0, "wsgi, 22:13:20 to 22:14:20 UTC")
    assert recorded.told.startswith("10 requests to 2 routes in 60 s. Bodies, header fields and")
    assert recorded.told.endswith("8 other requests were left out.")


def test_a_recording_may_run_and_be_a_file(context):
    scenario = recorded_minute(context, "wsgi", 0.5).scenario
    assert check_scenario(scenario, 100, 60) is scenario
    assert from_toml(to_toml(ScenarioFile(scenario))).scenario == scenario


def test_the_last_minute_of_a_past_view_is_recorded(context):
    view = View.read({"from": START - 600, "to": START + 1})
    schedule = recorded_minute(context, "wsgi", 1.0, view).scenario.schedule
    assert schedule.source == "wsgi, 22:12:21 to 22:13:21 UTC"
    assert sum(map(sum, schedule.arrivals)) == sum(schedule.arrivals[-1]) == 6


def test_a_view_that_ends_later_than_the_data_has_the_last_minute(context):
    view = View.read({"from": START, "to": START + 10_000})
    assert recorded_minute(context, "wsgi", 1.0, view) == recorded_minute(context, "wsgi", 1.0)


def test_a_minute_without_requests_is_refused(context):
    with pytest.raises(LoadRefusedError, match="no GET or HEAD to 'files' is known"):
        recorded_minute(context, "files", 1.0)


def test_an_empty_store_has_nothing_to_record(harness):
    with pytest.raises(LoadRefusedError, match="there is nothing to record"):
        recorded_minute(harness.context(), "wsgi", 1.0)


@pytest.mark.parametrize(
    ("route", "target"),
    [
        ("/", "/"),
        ("/users/{number}/notes/{id}", "/users/1/notes/1"),
        ("/{path}", "/1"),
        ("/café/a b", "/caf%C3%A9/a%20b"),
        ("/100%25", "/100%25"),
        ("/a%zz", ""),
        ("other", ""),
        ("", ""),
    ],
)
def test_a_target_stands_for_a_route(route, target):
    assert target_of_route(route) == target

"""Load runs: read, checked and written, or refused with a sentence."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.actions import load_runs
from servescope.actions.load_runs import LoadRunRequest, read
from servescope.errors import LoadRefusedError
from servescope.records.listeners import ListenerState, ListenerStatus
from servescope.records.load import LoadPlan, RunState
from servescope.scenarios.checks import check_scenario
from tests.actions.field_values import FIELDS

REQUEST = LoadRunRequest("wsgi", "/", 200, 30)


@pytest.fixture
def listening(control):
    """Control tables in which a listener `wsgi` runs."""
    status = ListenerStatus(
        "wsgi", ListenerState.RUNNING, "127.0.0.1", 5555, "thread_pool", "a:b", 5555
    )
    control.listeners.write_statuses([status])
    return control


@pytest.mark.parametrize(
    ("request_", "plan"),
    [
        (LoadRunRequest("wsgi", " /x ", 200, 30), LoadPlan.constant("wsgi", "/x", 200.0, 30.0)),
        (LoadRunRequest("wsgi", "", "50", 1), LoadPlan.constant("wsgi", "/", 50.0, 1.0)),
    ],
)
def test_a_request_is_read(request_, plan):
    assert read(request_) == plan


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"listener": None}, "choose a listener"),
        ({"rate": ""}, "fill in a number of requests per second"),
        ({"rate": "nan"}, "the rate is a number of requests per second, not 'nan'"),
        ({"rate": "abc"}, "the rate is a number of requests per second, not 'abc'"),
        ({"rate": -5}, "the rate is above 0 and at most 20,000 requests per second, not -5"),
        ({"rate": 0}, "the rate is above 0 and at most 20,000 requests per second, not 0"),
        ({"seconds": None}, "fill in a number of seconds"),
        ({"seconds": "-5"}, "the duration is above 0 and at most 600 seconds, not -5"),
        ({"seconds": 0}, "the duration is above 0 and at most 600 seconds, not 0"),
        ({"listener": "nobody"}, "there is no listener 'nobody' here; known are: wsgi"),
    ],
)
def test_a_request_that_cannot_be_is_refused_and_nothing_is_written(
    listening, settings, changes, refusal
):
    with pytest.raises(LoadRefusedError) as caught:
        load_runs.start(listening, settings, replace(REQUEST, **changes))
    assert str(caught.value) == refusal
    assert listening.load_runs.newest(1) == []


def test_a_run_is_started_and_stopped(listening, settings):
    run = load_runs.start(listening, settings, REQUEST)
    assert listening.load_runs.active() == run
    with pytest.raises(LoadRefusedError, match=f"load run {run.id} is requested"):
        load_runs.start(listening, settings, REQUEST)
    assert load_runs.stop(listening.load_runs, run.id).state is RunState.STOPPING
    with pytest.raises(LoadRefusedError, match="no load run 7"):
        load_runs.stop(listening.load_runs, 7)


@given(values=st.tuples(*[FIELDS] * 4))
def test_whatever_a_browser_sends_is_read_or_refused(values):
    with suppress(LoadRefusedError):
        check_scenario(read(LoadRunRequest(*values)).scenario, 20_000, 600)

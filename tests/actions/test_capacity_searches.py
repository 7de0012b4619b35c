"""Searches for a capacity: read, checked and written, or refused with a sentence."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.actions import capacity_searches
from servescope.actions.capacity_searches import CapacityRequest, read
from servescope.errors import LoadRefusedError
from servescope.records.load import RunState
from tests.actions.field_values import FIELDS
from tests.store.conftest import store

__all__ = ["store"]

REQUEST = CapacityRequest("wsgi", " /slow?ms=5 ", "50", 1)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"listener": None}, "choose a listener"),
        ({"listener": "nobody"}, "there is no listener or app 'nobody' here; known are: wsgi"),
        ({"limit_ms": ""}, "fill in a number of milliseconds"),
        ({"limit_ms": 0}, "the latency is above 0 and at most 5,000 ms, not 0"),
        ({"limit_ms": "x"}, "the latency is a number of milliseconds, not 'x'"),
        ({"errors_percent": -1}, "the share of errors is at least 0 and below 100 %, not -1"),
        ({"errors_percent": 100}, "the share of errors is at least 0 and below 100 %, not 100"),
        ({"target": "slow"}, "the target 'slow' does not start with '/'"),
    ],
)
def test_a_request_that_cannot_be_is_refused_and_nothing_is_written(
    listening, settings, changes, refusal
):
    with pytest.raises(LoadRefusedError) as caught:
        capacity_searches.start(listening, settings, replace(REQUEST, **changes))
    assert str(caught.value).startswith(refusal)
    assert listening.capacity_searches.newest() is None


def test_a_search_is_started_and_stopped(listening, settings):
    asked = capacity_searches.start(listening, settings, REQUEST)
    plan = asked.plan
    assert (plan.target, plan.latency_limit_s, plan.error_limit) == ("/slow?ms=5", 0.05, 0.01)
    assert plan.most_rate == settings.load_max_rate
    assert plan.total_s == 300
    stopped = capacity_searches.stop(listening.capacity_searches, asked.id)
    assert stopped.state is RunState.STOPPING


def test_a_long_limit_takes_long_steps_and_a_longer_search(settings):
    assert read(replace(REQUEST, limit_ms=5_000), settings).total_s == 500


@given(values=st.tuples(*[FIELDS] * 4))
def test_whatever_a_browser_sends_is_read_or_refused(settings, values):
    with suppress(LoadRefusedError):
        read(CapacityRequest(*values), settings)

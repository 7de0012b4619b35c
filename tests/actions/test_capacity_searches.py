"""Searches for a capacity: read, checked and written, or refused with a sentence."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.actions import capacity_searches
from servescope.actions.capacity_searches import CapacityRequest, read
from servescope.errors import LoadRefusedError
from servescope.records.capacity import CapacityPlan
from servescope.records.load import RunState
from servescope.records.named_hosts import NamedHost
from servescope.settings import Settings
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


def test_a_named_host_is_looked_up_once_and_goes_with_the_plan(control):
    with socket.create_server(("127.0.0.1", 0)) as server:
        origin = f"http://127.0.0.1:{server.getsockname()[1]}"
        settings = Settings(load_hosts=origin)
        plan = capacity_searches.start(control, settings, replace(REQUEST, listener=origin)).plan
    assert plan.host == NamedHost(origin, "127.0.0.1")
    assert (plan.listener, plan.destination, plan.called) == ("", origin, f"server {origin}")
    step = plan.load_at(50, 5, 7)
    assert (step.listener, step.origin, step.address) == ("", origin, "127.0.0.1")
    assert CapacityPlan.from_json(json.loads(json.dumps(asdict(plan)))) == plan


def test_a_host_that_was_not_named_is_not_looked_up(control, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    settings = Settings(load_hosts="http://a.test")
    with pytest.raises(LoadRefusedError, match="is no target that the operator named"):
        capacity_searches.start(control, settings, replace(REQUEST, listener="http://b.test"))
    assert control.capacity_searches.newest() is None


def test_a_name_that_leads_to_this_machine_is_refused(control, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = server.getsockname()
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        origin = f"http://a.test:{place[1]}"
        with pytest.raises(LoadRefusedError, match="a loopback address"):
            capacity_searches.start(
                control, Settings(load_hosts=origin), replace(REQUEST, listener=origin)
            )


def test_a_long_limit_takes_long_steps_and_a_longer_search(settings):
    assert read(replace(REQUEST, limit_ms=5_000), settings).total_s == 500


@given(values=st.tuples(*[FIELDS] * 4))
def test_whatever_a_browser_sends_is_read_or_refused(settings, values):
    with suppress(LoadRefusedError):
        read(CapacityRequest(*values), settings)

"""Verdicts between two servers: read, checked and written, or refused with a sentence."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.actions import verdicts
from servescope.actions.hostable_apps import BUNDLED_ASGI, BUNDLED_WSGI
from servescope.actions.verdicts import VerdictRequest, read
from servescope.errors import LoadRefusedError
from servescope.records.listeners import ConcurrencyModel
from servescope.records.load import RunState
from servescope.records.named_hosts import NamedHost
from servescope.records.scenarios import Poisson
from servescope.records.verdicts import JudgedSide, VerdictPlan
from servescope.settings import Settings
from tests.actions.field_values import FIELDS
from tests.store.conftest import store

__all__ = ["store"]

REQUEST = VerdictRequest("wsgi", "wsgi", " /slow?ms=5 ", "50", 4, 5, "30")
USERS = '[schedule]\nkind = "users"\nusers = 2\nthink_seconds = 1\nseconds = 4\n'


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"after": None}, "choose two listeners, apps, hosts or models"),
        ({"after": "model:green"}, "there is no model 'green'"),
        ({"after": "model:prefork"}, "choose an endpoint for the models"),
        ({"after": "model:prefork", "endpoint": "none"}, "choose an endpoint for the models"),
        ({"after": "nobody"}, "there is no listener or app 'nobody' here; known are: wsgi"),
        ({"rate": ""}, "fill in a number of requests per second"),
        ({"rate": -1}, "the rate"),
        ({"seconds": 1e6}, "the duration"),
        ({"seconds": 0.1}, "p90 of about 5 requests is their slowest one"),
        ({"tolerance_percent": 0}, "the tolerance is above 0 and at most 1,000 %, not 0"),
        ({"pairs": 1.5}, "the most pairs are a whole number from 1 to 100, not '1.5'"),
        ({"pairs": 1}, "fewer than"),
        ({"target": "slow"}, "the target 'slow' does not start with '/'"),
        ({"file": USERS}, "in the closed model the server decides when requests are sent"),
    ],
)
def test_a_request_that_cannot_be_is_refused_and_nothing_is_written(
    listening, settings, changes, refusal
):
    with pytest.raises(LoadRefusedError) as caught:
        verdicts.start(listening, settings, replace(REQUEST, **changes))
    assert str(caught.value).startswith(refusal)
    assert listening.verdicts.newest() is None


def test_a_verdict_is_started_and_stopped(listening, settings):
    asked = verdicts.start(listening, settings, REQUEST)
    plan = asked.plan
    assert plan.scenario.schedule == Poisson(50, 4)
    assert (plan.scenario.label, plan.tolerance, plan.most_pairs) == ("/slow?ms=5", 0.05, 30)
    assert verdicts.stop(listening.verdicts, asked.id).state is RunState.STOPPING


def test_two_models_of_an_app_are_judged_without_a_listener(settings, control):
    sides = {"before": "model:thread_pool", "after": "model:asyncio", "endpoint": "cpu"}
    plan = verdicts.start(control, settings, replace(REQUEST, **sides)).plan
    assert plan.before == JudgedSide(model=ConcurrencyModel.THREAD_POOL, app=BUNDLED_WSGI)
    assert plan.after == JudgedSide(model=ConcurrencyModel.ASYNCIO, app=BUNDLED_ASGI)


def test_a_named_host_is_looked_up_once_for_both_sides_and_goes_with_the_plan(control, monkeypatch):
    looked_up = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = server.getsockname()

        def look_up(host, *_, **__):
            looked_up.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place)]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        origin = f"http://localhost:{place[1]}"
        request = replace(REQUEST, before=origin, after=origin)
        plan = verdicts.start(control, Settings(load_hosts=origin), request).plan
    assert looked_up == ["localhost"]
    assert (plan.before.host.origin, plan.before.host.address) == (origin, "127.0.0.1")
    assert plan.before == plan.after
    assert (plan.before.listener, plan.before.label) == ("", f"server {origin}")
    load = plan.load_on(plan.after)
    assert (load.listener, load.origin, load.address) == ("", origin, "127.0.0.1")
    assert VerdictPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_host_that_was_not_named_is_not_looked_up(listening, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    settings = Settings(load_hosts="http://a.test")
    with pytest.raises(LoadRefusedError, match="is no target that the operator named"):
        verdicts.start(listening, settings, replace(REQUEST, after="http://b.test"))
    assert listening.verdicts.newest() is None


def test_a_side_of_an_older_plan_is_no_host():
    older = {"listener": "wsgi", "model": "", "app": ""}
    assert JudgedSide.from_json(older) == JudgedSide("wsgi")
    host = NamedHost("http://a.test", "192.0.2.1", 0.1)
    assert JudgedSide.from_json(JudgedSide(host=host).to_json()) == JudgedSide(host=host)


@given(values=st.tuples(*[FIELDS] * 9))
def test_whatever_a_browser_sends_is_read_or_refused(settings, values):
    with suppress(LoadRefusedError):
        read(settings, VerdictRequest(*values))

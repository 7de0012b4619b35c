"""Comparisons: read, checked and written, or refused with a sentence."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.actions import comparisons
from servescope.actions.compared_endpoints import BUNDLED_ENDPOINTS, compared_endpoints
from servescope.actions.comparisons import ComparisonRequest, check, read
from servescope.actions.hostable_apps import BUNDLED_WSGI
from servescope.errors import LoadRefusedError
from servescope.load.targets import Targets
from servescope.records.comparisons import ComparedTarget, ComparisonPlan
from servescope.records.listeners import ConcurrencyModel
from servescope.records.load import RunState
from servescope.records.named_hosts import NamedHost
from servescope.records.recorded_apps import RecordedApp
from servescope.records.scenarios import Constant, Poisson
from servescope.settings import Settings
from tests.actions.field_values import FIELDS
from tests.store.conftest import store

__all__ = ["store"]

SEQUENTIAL, POOL = ConcurrencyModel.SEQUENTIAL, ConcurrencyModel.THREAD_POOL
BOTH = (SEQUENTIAL, POOL)
REQUEST = ComparisonRequest(["thread_pool", "sequential"], "slow", " /slow?ms=5 ", 40, "2", 16)


def plan(models=BOTH, app=BUNDLED_WSGI, target="/whoami", rate=40, seconds=1, **more):
    return ComparisonPlan.constant(tuple(models), app, target, rate, seconds, **more)


def test_a_comparison_is_read_its_models_in_their_usual_order(settings):
    got = read(settings, replace(REQUEST, together=True))
    assert got.models == BOTH
    scenario = got.scenario
    assert (scenario.label, scenario.schedule) == ("/slow?ms=5", Constant(40.0, 2.0))
    assert (scenario.max_connections, got.together) == (16, True)
    assert got.app_of(ComparedTarget(ConcurrencyModel.ASYNCIO)) != got.app_of(got.targets[0])


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"endpoint": None}, "choose an endpoint"),
        ({"models": "sequential"}, "choose 2 to 4 models, listeners, apps and named hosts"),
        ({"rate": ""}, "fill in a number of requests per second"),
        ({"rate": "abc"}, "the rate is a number of requests per second, not 'abc'"),
        ({"seconds": "inf"}, "the duration is a number of seconds, not 'inf'"),
        ({"connections": None}, "fill in a number of connections"),
        ({"connections": "2.5"}, "the number of connections is a whole number, not '2.5'"),
    ],
)
def test_a_field_that_says_nothing_is_refused(settings, changes, refusal):
    with pytest.raises(LoadRefusedError) as caught:
        read(settings, replace(REQUEST, **changes))
    assert str(caught.value) == refusal


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        (plan([POOL]), "choose 2 to 4 models, listeners, apps and named hosts, each of them once"),
        (plan([POOL, POOL]), "each of them once"),
        (plan(listeners=("wsgi", "wsgi")), "each of them once"),
        (plan(ConcurrencyModel, listeners=("wsgi",)), "choose 2 to 4"),
        (plan(listeners=("nobody",)), "there is no listener or app 'nobody' here; known are: none"),
        (plan(app="os:system"), "SERVESCOPE_APPS"),
        (plan([POOL, ConcurrencyModel.ASYNCIO], loop_app="os:system"), "SERVESCOPE_APPS"),
        (plan(rate=10**6), "the rate"),
        (plan(rate=-5), "the rate"),
        (plan(rate=12_000, together=True), "the rate"),
        (plan(seconds=10**6), "the duration"),
        (plan(seconds=0), "the duration"),
        (plan(target="http://example.org/"), "does not start with"),
        (plan(max_connections=0), "connections"),
    ],
)
def test_a_plan_out_of_bounds_is_refused(settings, asked, refusal):
    with pytest.raises(LoadRefusedError, match=refusal):
        check(asked, settings, Targets())


def test_a_comparison_is_started_and_stopped(settings, control):
    asked = comparisons.start(control, settings, REQUEST)
    assert control.comparisons.active() == asked
    with pytest.raises(LoadRefusedError, match=f"comparison {asked.id} is requested"):
        comparisons.start(control, settings, REQUEST)
    assert comparisons.stop(control.comparisons, asked.id).state is RunState.STOPPING
    with pytest.raises(LoadRefusedError, match="no comparison 7"):
        comparisons.stop(control.comparisons, 7)


def test_a_named_host_is_looked_up_once_and_goes_with_the_plan(control):
    with socket.create_server(("127.0.0.1", 0)) as server:
        origin = f"http://127.0.0.1:{server.getsockname()[1]}"
        settings = Settings(load_hosts=origin)
        asked = comparisons.start(control, settings, replace(REQUEST, listeners=[origin]))
    (host,) = asked.plan.hosts
    assert (host.origin, host.address, host.lookup_seconds) == (origin, "127.0.0.1", None)
    plan = asked.plan.load_on(asked.plan.targets[-1], asked.id)
    assert (plan.listener, plan.origin, plan.address) == ("", origin, "127.0.0.1")
    assert [one.target for one in asked.contenders][-1] == f"server {origin}"
    assert ComparisonPlan.from_json(asked.plan.to_json()) == asked.plan


@pytest.mark.parametrize(
    ("hosts", "named", "refusal"),
    [
        pytest.param(["http://a.test"], [], "is no target that the operator named", id="not-named"),
        pytest.param(["http://a.test"] * 2, ["http://a.test"], "each of them once", id="twice"),
        pytest.param(
            [f"http://{name}.test" for name in "abc"],
            ["http://a.test"],
            "choose 2 to 4",
            id="too-many",
        ),
    ],
)
def test_a_host_that_may_not_be_compared_is_not_looked_up(
    control, monkeypatch, hosts, named, refusal
):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    settings = Settings(load_hosts=",".join(named))
    with pytest.raises(LoadRefusedError, match=refusal):
        comparisons.start(control, settings, replace(REQUEST, listeners=hosts))


def test_an_address_that_a_name_must_not_lead_to_is_refused_when_it_runs_too():
    """A plan of the store is checked like one of a form."""
    settings = Settings(load_hosts="http://a.test")
    for address in ("127.0.0.1", "169.254.169.254"):
        hosts = (NamedHost("http://a.test", address),)
        with pytest.raises(LoadRefusedError, match="leads to"):
            check(plan(hosts=hosts), settings, Targets(load_hosts=["http://a.test"]))


def test_standing_listeners_are_compared_without_an_app_on_a_scenario(settings, listening):
    file = '[schedule]\nkind = "poisson"\nrate = 20\nseconds = 3\n[[flows]]\n[[flows.steps]]\n'
    named = ComparisonRequest([], None, None, None, None, None, listeners=["wsgi"], file=file)
    with pytest.raises(LoadRefusedError, match="choose 2 to 4"):
        comparisons.start(listening, settings, named)
    beside = replace(named, models=["asyncio"], endpoint="slow")
    plan = comparisons.start(listening, settings, beside).plan
    assert [one.listener for one in plan.targets] == ["compare-asyncio", "wsgi"]
    assert plan.scenario.schedule == Poisson(20, 3)
    assert {plan.load_on(one).scenario for one in plan.targets} == {plan.scenario}


def test_an_app_that_records_here_is_compared_where_it_listens(settings):
    asked = plan([POOL], listeners=("shop",))
    check(asked, settings, Targets(apps=[RecordedApp("shop", (7,), (("127.0.0.1", 9000),))]))
    nowhere = Targets(apps=[RecordedApp("shop", (7,), ())])
    with pytest.raises(LoadRefusedError, match="listens at no TCP port"):
        check(asked, settings, nowhere)


def test_a_closed_model_would_be_other_load_on_each(settings):
    users = '[schedule]\nkind = "users"\nusers = 2\nthink_seconds = 1\nseconds = 4\n'
    users += "[[flows]]\n[[flows.steps]]\n"
    with pytest.raises(LoadRefusedError, match="in the closed model the server decides"):
        check(read(settings, replace(REQUEST, file=users)), settings, Targets())


def test_nothing_is_written_of_a_comparison_that_is_refused(settings, control):
    with pytest.raises(LoadRefusedError):
        comparisons.start(control, settings, replace(REQUEST, rate=-5))
    assert control.comparisons.newest_first(1) == []


def test_every_bundled_endpoint_may_be_compared(tmp_path):
    settings = Settings(data_dir=tmp_path, apps="shop:app")
    models = tuple(ConcurrencyModel)
    for one in BUNDLED_ENDPOINTS.values():
        check(plan(models, one.app, one.target, loop_app=one.loop_app), settings, Targets())
    assert next(iter(BUNDLED_ENDPOINTS)) == "slow"
    assert list(compared_endpoints(settings)) == [*BUNDLED_ENDPOINTS, "shop:app"]


MODELS = st.one_of(FIELDS, st.lists(st.sampled_from(list(ConcurrencyModel)), max_size=5))


@given(models=MODELS, endpoint=st.one_of(FIELDS, st.just("hello")), rest=st.tuples(*[FIELDS] * 4))
def test_whatever_a_browser_sends_is_read_or_refused(settings, models, endpoint, rest):
    with suppress(LoadRefusedError):
        check(read(settings, ComparisonRequest(models, endpoint, *rest)), settings, Targets())

"""A search for a capacity with real generators and a real listener.

A busy machine may leave each of them undecided, but may not make one claim what is not so.
"""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from servescope.actions.hostable_apps import why_not_hostable
from servescope.control.listeners import LEADER
from servescope.errors import LoadRefusedError
from servescope.findings import gathering
from servescope.findings.capacity import capacity
from servescope.queries.capacity import resumed
from servescope.recording.recorder import Recorder
from servescope.records.capacity import CapacityPlan
from servescope.records.listeners import ConcurrencyModel
from servescope.records.load import LoadPlan, RunState
from servescope.records.named_hosts import NamedHost
from servescope.runtime.capacity_searches import CapacitySearchReconciler
from servescope.runtime.listener_config import configured_listeners
from servescope.runtime.listener_host import ListenerHost
from servescope.runtime.listeners import ListenerReconciler
from servescope.settings import Settings
from servescope.statistics.capacity_limits import EdgeEvidence, Limit, limit_of
from servescope.statistics.capacity_search import Outcome
from tests.named_server import named_server
from tests.runtime.halted_generator import halted_half_of_the_time
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("forked_processes")

APPS = "tests.runtime.capacity_apps"
PLAN = CapacityPlan("wsgi", "/", 0.1, 0.01, most_rate=2_000, total_s=60, step_s=1.5)
SHORT = replace(PLAN, step_s=1.0, total_s=20)


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path, wsgi_port=0)


@pytest.fixture
def serve(tmp_path, control, settings):
    """Serves an app as the listener `wsgi`: by a pool of so many threads unless told otherwise."""
    hosts = []

    def start(app, threads=1, model=ConcurrencyModel.THREAD_POOL, backlog=128, app_kind="wsgi"):
        recorder = Recorder(tmp_path / "rings")
        (spec,) = (one for one in configured_listeners(settings) if one.name == "wsgi")
        options = replace(spec.options, threads=threads, backlog=backlog)
        spec = replace(spec, app=f"{APPS}:{app}", model=model, options=options, app_kind=app_kind)
        listeners = ListenerReconciler(
            [spec],
            recorder,
            tmp_path / "logs",
            why_not_hostable=lambda named: why_not_hostable(settings, named),
        )
        host = ListenerHost(listeners, control, LEADER)
        host.reconcile()
        hosts.append((listeners, recorder))
        return host

    yield start
    for listeners, recorder in hosts:
        listeners.stop(1)
        recorder.close()


@pytest.fixture
def reconciler(tmp_path, control, settings):
    """Makes the reconciler of a host."""
    made = []

    def make(host):
        made.append(CapacitySearchReconciler(control, tmp_path / "rings", settings, host.load))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def carry_out(control, reconciler, plan, seconds=110):
    number = control.capacity_searches.request(plan, time.time()).id

    def is_over():
        reconciler.reconcile()
        found = control.capacity_searches.by_id(number)
        return found if found.is_over else None

    return eventually(is_over, seconds, step=0.1)


def test_two_threads_that_wait_20_ms_carry_100(control, serve, reconciler):
    over = carry_out(control, reconciler(serve("waiting", 2)), PLAN)
    assert (over.state, over.message) == (RunState.DONE, "")
    result = resumed(over).result()
    assert result.outcome in {Outcome.CARRIES, Outcome.UNDECIDED, Outcome.GENERATOR}
    if result.capacity is not None and result.outcome is Outcome.CARRIES:
        assert result.capacity.low * 0.98 <= 100 <= result.capacity.high * 1.02
        assert limit_of(EdgeEvidence(**over.evidence)) in {Limit.THREADS, Limit.MACHINE}
    assert control.load_runs.newest(1) == []


def test_eight_computing_threads_are_limited_by_the_gil(control, serve, reconciler):
    plan = replace(PLAN, latency_limit_s=0.5, total_s=16)
    over = carry_out(control, reconciler(serve("computing", 8)), plan)
    assert over.state is RunState.DONE
    limit = limit_of(EdgeEvidence(**over.evidence))
    # With other programs on its core the process gets less than one.
    assert limit in {Limit.GIL, Limit.MACHINE, Limit.GENERATOR, Limit.UNKNOWN, Limit.THREADS}
    evidence = EdgeEvidence(**over.evidence)
    if evidence.process_cores is not None and evidence.process_cores >= 0.9:
        assert limit in {Limit.GIL, Limit.GENERATOR}


def test_two_places_that_an_app_awaits_are_its_own_waiting(control, serve, reconciler):
    host = serve("pooled", model=ConcurrencyModel.ASYNCIO, app_kind="asgi")
    over = carry_out(control, reconciler(host), replace(SHORT, total_s=14))
    assert (over.state, over.message) == (RunState.DONE, "")
    evidence = EdgeEvidence(**over.evidence)
    limit = limit_of(evidence)
    # Where the machine stood still a step breaks that the app would have carried.
    assert limit in {Limit.APP_WAIT, Limit.MACHINE, Limit.GENERATOR, Limit.UNKNOWN}
    if evidence.in_app is not None and evidence.in_app >= 1:
        assert evidence.app_share >= 0.8
        assert limit is not Limit.UNKNOWN


def test_one_connection_cannot_show_what_eight_threads_carry(control, serve, reconciler):
    plan = replace(SHORT, max_connections=1, latency_limit_s=0.05)
    over = carry_out(control, reconciler(serve("waiting", 8)), plan)
    assert over.state is RunState.DONE
    assert_is_limited_by_generator(over)


def test_a_generator_that_gets_half_of_its_time_is_the_limit(control, serve, reconciler):
    plan = replace(SHORT, latency_limit_s=0.05, total_s=10)
    searches = reconciler(serve("waiting", 8))
    with halted_half_of_the_time(searches.pids):
        over = carry_out(control, searches, plan)
    assert over.state is RunState.DONE
    assert_is_limited_by_generator(over)


def assert_is_limited_by_generator(over):
    """Nothing is claimed of the server, and without other programs the generator is named."""
    search = resumed(over)
    outcome = search.result().outcome
    if any(step.disturbed for step in search.steps):
        assert outcome in {Outcome.GENERATOR, Outcome.UNDECIDED}
    else:
        assert outcome is Outcome.GENERATOR
    if outcome is Outcome.GENERATOR:
        assert limit_of(EdgeEvidence(**over.evidence)) is Limit.GENERATOR


def test_the_accept_queue_of_a_sequential_server_is_read(control, serve, reconciler):
    host = serve("waiting", model=ConcurrencyModel.SEQUENTIAL, backlog=2)
    over = carry_out(control, reconciler(host), replace(SHORT, total_s=8))
    evidence = EdgeEvidence(**over.evidence)
    if evidence.busy_threads is not None and evidence.busy_threads >= 0.9:
        # Its one thread is the cause, the full queue only follows.
        assert limit_of(evidence) in {Limit.THREADS, Limit.MACHINE, Limit.GENERATOR}
        assert evidence.accept_queue is not None


def test_a_stop_ends_it_and_keeps_its_steps(control, serve, reconciler):
    searches = reconciler(serve("waiting", 2))
    number = control.capacity_searches.request(PLAN, time.time()).id

    def has_steps():
        searches.reconcile()
        return control.capacity_searches.by_id(number).steps

    eventually(has_steps)
    with pytest.raises(LoadRefusedError, match=f"search {number} for a capacity is running"):
        control.load_runs.request(LoadPlan.constant("wsgi", "/", 5, 1), time.time())
    control.capacity_searches.request_stop(number)
    over = eventually(
        lambda: (found := control.capacity_searches.by_id(number)).is_over and found, 30
    )
    assert over.state is RunState.STOPPED
    assert over.steps
    assert over.step == {}
    assert searches.pids() == []


def test_a_host_that_the_operator_named_is_searched_by_its_answers_alone(tmp_path, control):
    with named_server(host="127.0.0.2", address="127.0.0.2") as origin:
        settings = Settings(data_dir=tmp_path, load_hosts=origin)
        searches = CapacitySearchReconciler(control, tmp_path / "rings", settings, lambda _: None)
        plan = replace(SHORT, listener="", target="/20", latency_limit_s=0.005, total_s=6)
        over = carry_out(control, searches, replace(plan, host=NamedHost(origin, "127.0.0.2")))
        searches.stop()
    assert (over.state, over.message) == (RunState.DONE, "")
    assert over.plan.host == NamedHost(origin, "127.0.0.2")
    assert {step["failed"] for step in over.steps} == {0}
    assert {step["others_cores"] for step in over.steps} == {None}
    assert over.evidence["is_elsewhere"] is True
    assert over.evidence["threads"] is over.evidence["machine_busy"] is None
    assert resumed(over).result().outcome is not Outcome.CARRIES
    (told,) = list(capacity(gathering.capacity_of(over)))
    assert origin in told.sentence
    assert f"listener {origin}" not in told.sentence.lower()


def test_an_address_that_the_name_must_not_lead_to_is_refused_at_each_step(tmp_path, control):
    settings = Settings(data_dir=tmp_path, load_hosts="http://a.test")
    searches = CapacitySearchReconciler(control, tmp_path / "rings", settings, lambda _: None)
    host = NamedHost("http://a.test", "169.254.169.254")
    over = carry_out(control, searches, replace(PLAN, listener="", host=host), 30)
    searches.stop()
    assert over.state is RunState.FAILED
    assert "leads to 169.254.169.254, a link-local address" in over.message


def test_a_search_of_a_listener_that_is_gone_fails_with_the_reason(control, serve, reconciler):
    plan = replace(PLAN, listener="missing")
    over = carry_out(control, reconciler(serve("waiting", 2)), plan, 30)
    assert over.state is RunState.FAILED
    assert "there is no listener or app 'missing' here" in over.message

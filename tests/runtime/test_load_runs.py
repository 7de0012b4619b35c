"""A load run is reconciled with a real generator and a real listener."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servescope.actions.hostable_apps import why_not_hostable
from servescope.control.listeners import LEADER
from servescope.errors import StoreFullError
from servescope.findings import findings
from servescope.findings.gathering import run_of
from servescope.load.supervisor import GeneratorProcess
from servescope.recording.recorder import Recorder
from servescope.records.load import LoadPlan, RunState
from servescope.runtime import load_runs as module
from servescope.runtime.listener_config import configured_listeners
from servescope.runtime.listener_host import ListenerHost
from servescope.runtime.listeners import ListenerReconciler
from servescope.runtime.load_runs import LoadRunReconciler
from servescope.settings import Settings
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("forked_processes")


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path, wsgi_port=0)


@pytest.fixture
def host(tmp_path, control, settings):
    """A host of the listener `wsgi` at a free port."""
    recorder = Recorder(tmp_path / "rings")
    (spec,) = (one for one in configured_listeners(settings) if one.name == "wsgi")
    listeners = ListenerReconciler(
        [spec],
        recorder,
        tmp_path / "logs",
        why_not_hostable=lambda app: why_not_hostable(settings, app),
    )
    host = ListenerHost(listeners, control, LEADER)
    host.reconcile()
    yield host
    listeners.stop(1)
    recorder.close()


@pytest.fixture
def load_runs(tmp_path, control, settings, host):
    runs = LoadRunReconciler(control, tmp_path / "rings", settings, host.unfinished)
    yield runs
    runs.stop()


def ended(control, number):
    run = control.load_runs.by_id(number)
    return run if run.state in {RunState.DONE, RunState.STOPPED, RunState.FAILED} else None


def test_a_run_whose_listener_moves_ends_and_says_so(control, host, load_runs):
    number = control.load_runs.request(LoadPlan.constant("wsgi", "/", 20, 60), 1.0).id

    def answers_come():
        load_runs.reconcile()
        run = control.load_runs.by_id(number)
        return (run.progress or {}).get("answered")

    eventually(answers_come, 30)
    port = free_port()
    control.listeners.change_overrides("wsgi", lambda before: replace(before, port=port))

    def is_over():
        host.reconcile()
        load_runs.reconcile()
        return ended(control, number)

    run = eventually(is_over, 30)
    assert run.state is RunState.FAILED
    (found,) = findings(run_of(run))
    assert found.code == "run-failed"
    assert f"listener wsgi moved to 127.0.0.1:{port} while the run" in found.sentence


@pytest.mark.parametrize("unfinished", [0, 1_730, None])
def test_a_result_tells_what_the_listener_had_to_do_before(
    tmp_path, control, settings, host, unfinished
):
    host.reconcile()
    runs = LoadRunReconciler(control, tmp_path / "rings", settings, lambda _name: unfinished)
    number = control.load_runs.request(LoadPlan.constant("wsgi", "/", 20, 1), 1.0).id

    def is_over():
        runs.reconcile()
        return ended(control, number)

    run = eventually(is_over, 30)
    assert run.result["unfinished_at_start"] == unfinished
    codes = {one.code for one in findings(run_of(run))}
    assert ("started-busy" in codes) == (unfinished == 1_730)


def test_an_idle_listener_has_nothing_unfinished_and_another_is_not_known(host):
    assert host.unfinished("wsgi") == 0
    assert host.unfinished("nobody") is None


def run_at_origin(control, rings, status, named, origin):
    """A run of one second at the origin, over, while the operator has named `named`."""
    settings = Settings(data_dir=rings.parent, load_hosts=named)
    runs = LoadRunReconciler(control, rings, settings, lambda _: 0)
    scenario = LoadPlan.constant("", "/", 20, 1).scenario
    plan = LoadPlan("", scenario, origin=origin, address=status.address)
    number = control.load_runs.request(plan, 1.0).id

    def is_over():
        runs.reconcile()
        return ended(control, number)

    return eventually(is_over, 60)


@pytest.mark.usefixtures("host")
def test_a_host_that_the_operator_named_is_loaded_at_the_address_of_the_plan(tmp_path, control):
    (status,) = control.listeners.statuses()
    origin = f"http://localhost:{status.port}"
    run = run_at_origin(control, tmp_path / "rings", status, origin, origin)
    assert run.state is RunState.DONE
    assert (run.result["sent"], run.result["answered"]) == (20, 20)


@pytest.mark.usefixtures("host")
def test_a_host_that_is_named_no_more_is_not_loaded(tmp_path, control):
    (status,) = control.listeners.statuses()
    origin = f"http://localhost:{status.port}"
    run = run_at_origin(control, tmp_path / "rings", status, "http://localhost", origin)
    assert run.state is RunState.FAILED
    assert "is no target that the operator named in SERVESCOPE_LOAD_HOSTS" in run.message


def test_a_result_comes_together_with_the_end_of_its_run(control, host, load_runs, monkeypatch):
    del host
    write, written = control.load_runs.update, []
    monkeypatch.setattr(
        control.load_runs, "update", lambda *given, **named: written.append(write(*given, **named))
    )
    number = control.load_runs.request(LoadPlan.constant("wsgi", "/", 20, 1), 1.0).id
    run = eventually(lambda: load_runs.reconcile() or ended(control, number))
    assert run.result["answered"]
    assert any(one.progress for one in written)
    assert all(not one.result or one.state is RunState.DONE for one in written)


@pytest.mark.parametrize("refused", ["the run's state", "its annotation"])
def test_a_store_that_refuses_the_beginning_of_a_run_gets_one_generator(
    control, host, load_runs, monkeypatch, refused
):
    del host
    started = []

    class Started(GeneratorProcess):
        def __init__(self, *given):
            super().__init__(*given)
            started.append(self)

    def full(*_given, **_named):
        raise StoreFullError("no room")

    monkeypatch.setattr(module, "GeneratorProcess", Started)
    number = control.load_runs.request(LoadPlan.constant("wsgi", "/", 20, 1), 1.0).id
    owner, name = {
        "the run's state": (control.load_runs, "update"),
        "its annotation": (control.events, "add"),
    }[refused]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, full)
        with pytest.raises(StoreFullError):
            load_runs.reconcile()
    run = eventually(lambda: load_runs.reconcile() or ended(control, number))
    assert run.state is RunState.DONE
    assert all(one.wait(30) for one in started), "none is left"
    answered = [one.result.answered for one in started if one.result is not None]
    assert answered == [20], "one sent the requests of the plan"

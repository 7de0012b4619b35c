"""Comparisons in a real leader: measured side by side, stopped, refused, and nothing left over."""

from __future__ import annotations

import os
import signal
import time

import pytest

from servescope.actions.hostable_apps import BUNDLED_ASGI, BUNDLED_SITE, BUNDLED_WSGI
from servescope.records.comparisons import ComparisonPlan
from servescope.records.listeners import ConcurrencyModel
from servescope.records.load import RunState
from servescope.statistics.capacity_limits import FULL, EdgeEvidence, Limit, limit_of
from tests.processes import Dashboards, alive, children, eventually, gunicorn, is_bound
from tests.recorded_app import NAME, recorded_app

SEQUENTIAL, POOL = ConcurrencyModel.SEQUENTIAL, ConcurrencyModel.THREAD_POOL
BOTH = (SEQUENTIAL, POOL)
HOME = ("files", "wsgi", "asgi")


def plan(models=BOTH, app=BUNDLED_WSGI, target="/whoami", rate=40, seconds=1, **more):
    return ComparisonPlan.constant(tuple(models), app, target, rate, seconds, **more)


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    dashboards = Dashboards(tmp_path_factory.mktemp("comparing"))
    yield dashboards()
    dashboards.end()


@pytest.fixture
def control(dashboard):
    control = dashboard.control
    yield control
    compared = control.comparisons.active()
    if compared is not None:
        control.comparisons.request_stop(compared.id)
        eventually(lambda: control.comparisons.active() is None)
    control.close()


def names(control):
    return {one.name for one in control.listeners.statuses()}


def finished(control, number, seconds=240):
    return eventually(
        lambda: (found := control.comparisons.by_id(number)).is_over and found, seconds, step=0.05
    )


def ask(control, asked):
    return control.comparisons.request(asked, time.time()).id


@pytest.mark.process
def test_one_after_the_other_each_with_the_same_requests_and_its_own_figures(dashboard, control):
    asked = plan(target="/slow?ms=40", rate=50, max_connections=16)
    over = finished(control, ask(control, asked))
    assert (over.state, over.message) == (RunState.DONE, "")
    slow, pool = over.contenders
    assert [one.state for one in over.contenders] == ["done", "done"]
    for one in over.contenders:
        assert one.result["sent"] == one.result["answered"] == 50
        assert one.cpu_us_per_request > 0
        assert (one.processes, one.app_kind) == (1, "wsgi")
        assert one.series["second"][0] == 0
        assert len(one.series["p99_ms"]) == len(one.series["second"])
    # 50 a second of 40 ms each are twice what one connection at a time can do.
    assert slow.result["latency_ms"]["p99"] > 2 * pool.result["latency_ms"]["p50"]
    assert slow.result["latency_ms"]["p99"] >= slow.result["naive_ms"]["p99"]
    assert slow.accept_queue_max > 1
    assert slow.result["seconds"] > 50 * 0.040
    first, second = (control.load_runs.by_id(one.run_id) for one in over.contenders)
    assert first.plan.scenario == second.plan.scenario
    assert second.started_s > first.ended_s
    marks = [one.text for one in control.events.between(0, 2**32) if one.kind == "load_run"]
    assert f"comparison {over.id}: 50/s" in marks
    assert not [text for text in marks if text.startswith("run ")]
    eventually(lambda: names(control) == set(HOME))
    eventually(lambda: len(children(dashboard.process.pid)) == 0)


@pytest.mark.process
def test_all_at_once_and_prefork_and_asgi(control):
    asked = plan(
        (POOL, ConcurrencyModel.PREFORK, ConcurrencyModel.ASYNCIO),
        together=True,
        loop_app=BUNDLED_ASGI,
    )
    over = finished(control, ask(control, asked))
    assert over.state is RunState.DONE, over
    runs = [control.load_runs.by_id(one.run_id) for one in over.contenders]
    assert max(run.started_s for run in runs) < min(run.ended_s for run in runs)
    assert [one.processes for one in over.contenders] == [1, 3, 1]
    assert [one.app_kind for one in over.contenders] == ["wsgi", "wsgi", "asgi"]
    assert all(one.result["answered"] == 40 for one in over.contenders)


@pytest.mark.process
def test_listeners_that_stand_are_compared_with_models_and_stay(control):
    asked = plan((POOL,), listeners=("wsgi", "asgi"))
    over = finished(control, ask(control, asked))
    assert (over.state, over.message) == (RunState.DONE, "")
    pool, wsgi, asgi = over.contenders
    assert [one.label for one in over.contenders] == ["thread pool", "wsgi", "asgi"]
    assert (wsgi.model, wsgi.app, asgi.app_kind) == (POOL, BUNDLED_WSGI, "asgi")
    for one in over.contenders:
        assert one.result["answered"] == 40
        assert sum(one.result["histogram"]) == 40
        assert one.readings["process_cores"] is not None
    # The usage of the dashboard's own process is not the listener's alone.
    assert (wsgi.cpu_us_per_request, wsgi.memory_bytes) == (None, None)
    assert pool.cpu_us_per_request > 0
    eventually(lambda: names(control) == set(HOME))


@pytest.mark.process
def test_an_app_under_another_server_is_a_column_with_figures_of_its_own_process(
    dashboard, control
):
    with recorded_app(dashboard.folder):
        over = finished(control, ask(control, plan((POOL,), listeners=(NAME,))))
    assert (over.state, over.message) == (RunState.DONE, "")
    pool, shop = over.contenders
    assert (shop.label, shop.target, shop.model) == (NAME, f"app {NAME}", None)
    assert (pool.result["answered"], shop.result["answered"]) == (40, 40)
    assert shop.readings["process_cores"] is not None
    assert (shop.processes, shop.readings["threads"]) == (1, None)
    assert shop.cpu_us_per_request > 0


@pytest.mark.process
def test_a_listener_that_is_gone_by_then_fails_and_the_others_go_on(control):
    over = finished(control, ask(control, plan((POOL,), listeners=("nobody",))))
    pool, nobody = over.contenders
    assert (pool.state, nobody.state) == ("done", "failed")
    assert "there is no listener or app 'nobody' here" in nobody.message


@pytest.mark.process
def test_computing_threads_are_limited_and_two_workers_are_not_alike(control):
    models = (POOL, ConcurrencyModel.PREFORK, ConcurrencyModel.ASYNCIO)
    asked = plan(models, target="/cpu?ms=20", rate=150, seconds=1, loop_app=BUNDLED_ASGI)
    over = finished(control, ask(control, asked))
    assert over.state is RunState.DONE, over
    pool, prefork, loop = over.contenders
    readings = [EdgeEvidence(**one.readings) for one in over.contenders]
    # A machine with other work to do gives the server less than a core: then others are named.
    has_cores = [one.process_cores >= FULL for one in readings]
    if has_cores[0]:
        assert limit_of(readings[0]) is Limit.GIL
        assert readings[0].busy_threads > 1.9
    if has_cores[1]:
        is_full = readings[1].all_cores >= FULL * readings[1].processes > FULL
        assert limit_of(readings[1]) is (Limit.CORES if is_full else Limit.CORE)
    if has_cores[2]:
        assert limit_of(readings[2]) is Limit.CORE
    for one in readings:
        assert one.all_cores >= one.process_cores
        assert one.is_pinned
        assert one.others_cores is not None
        assert one.idle_cores is not None
    assert readings[0].busy_threads is not None
    assert readings[2].threads is None
    assert (pool.processes, prefork.processes, loop.processes) == (1, 3, 1)


@pytest.mark.process
def test_a_folder_is_compared_too(control):
    over = finished(control, ask(control, plan(app=str(BUNDLED_SITE), target="/README.txt")))
    assert over.state is RunState.DONE
    assert all(one.result["statuses"] == {"200": 40} for one in over.contenders)


@pytest.mark.process
def test_a_stop_ends_it_soon_and_leaves_nothing(dashboard, control):
    number = ask(control, plan(seconds=60))
    eventually(lambda: "compare-sequential" in names(control))
    eventually(
        lambda: (
            control.load_runs.all_active() and control.load_runs.all_active()[0].state == "running"
        )
    )
    port = dashboard.port("compare-sequential")
    began = time.monotonic()
    control.comparisons.request_stop(number)
    over = finished(control, number)
    assert time.monotonic() - began < 15
    assert over.state is RunState.STOPPED
    assert [one.state for one in over.contenders] == ["stopped", "stopped"]
    eventually(lambda: names(control) == set(HOME) and not control.load_runs.all_active())
    assert not is_bound(port)
    eventually(lambda: len(children(dashboard.process.pid)) == 0)


@pytest.mark.process
def test_an_app_that_may_not_be_hosted_is_not_whatever_the_store_says(control):
    over = finished(control, ask(control, plan(app="os:system")))
    assert (over.state, over.message) == (RunState.FAILED, "Nothing could be measured.")
    assert "SERVESCOPE_APPS" in over.contenders[0].message


@pytest.mark.process
def test_an_asgi_app_fails_on_threads_and_the_others_go_on(control):
    models = (POOL, ConcurrencyModel.ASYNCIO)
    over = finished(control, ask(control, plan(models, app=BUNDLED_ASGI)))
    assert over.state is RunState.DONE
    pool, loop = over.contenders
    assert "needs an event loop" in pool.message
    assert loop.result["answered"] == 40


@pytest.mark.process
def test_kill_of_the_leader_in_the_middle_leaves_neither_process_nor_listener(start_dashboard):
    running = start_dashboard(*gunicorn())
    control = running.control
    number = ask(control, plan((ConcurrencyModel.PREFORK, POOL), seconds=60))
    eventually(lambda: "compare-prefork" in names(control))
    eventually(
        lambda: (
            control.load_runs.all_active() and control.load_runs.all_active()[0].state == "running"
        )
    )
    port, leader = running.port("compare-prefork"), running.leader
    helpers = children(leader)
    assert len(helpers) == 4, "the contender, its two workers, and the load generator"
    os.kill(leader, signal.SIGKILL)
    over = finished(control, number)
    assert (over.state, over.message) == (RunState.FAILED, "The process that ran it ended.")
    eventually(lambda: not any(map(alive, helpers)))
    assert not is_bound(port)
    eventually(lambda: names(control) == set(HOME))
    assert control.load_runs.all_active() == []
    again = ask(control, plan())
    assert finished(control, again).state is RunState.DONE
    control.close()

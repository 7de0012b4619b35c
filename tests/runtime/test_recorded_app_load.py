"""Load on an app under another server, which records its requests: runs, searches, verdicts."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace

import pytest

from servescope.actions import capacity_searches, load_runs, verdicts
from servescope.actions.capacity_searches import CapacityRequest
from servescope.actions.load_runs import LoadRunRequest
from servescope.actions.verdicts import VerdictRequest
from servescope.catalog import REQUEST_DURATION
from servescope.collecting.collector import Collector
from servescope.errors import LoadRefusedError
from servescope.queries.capacity import resumed
from servescope.recording.recorder import RINGS
from servescope.records.load import RunState
from servescope.runtime.capacity_searches import CapacitySearchReconciler
from servescope.runtime.load_runs import LoadRunReconciler
from servescope.settings import Settings
from servescope.statistics.capacity_limits import EdgeEvidence
from servescope.store.query import Query
from servescope.store.sqlite.store import open_store
from tests.recorded_app import NAME, recorded_app
from tests.waiting import eventually

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("forked_processes")]


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    with recorded_app(folder) as process:
        yield folder, process


@pytest.fixture
def settings(app):
    return Settings(data_dir=app[0])


def test_a_run_is_answered_by_the_app_and_joined_to_its_records(app, control, settings):
    folder, process = app
    asked = load_runs.start(control, settings, LoadRunRequest(NAME, "/", 50, 1))
    runs = LoadRunReconciler(control, folder / RINGS, settings, lambda _: None)

    def over():
        runs.reconcile()
        run = control.load_runs.by_id(asked.id)
        return run if run.state in {RunState.DONE, RunState.FAILED} else None

    run = eventually(over, 60)
    runs.stop()
    assert (run.state, run.message) == (RunState.DONE, "")
    assert run.result["answered"] == 50
    assert (run.plan.listener, run.environment.port) == (NAME, process.port)
    assert run.called == run.plan.kind.called(NAME) == f"app {NAME}"
    with closing(open_store(folder)) as store:
        with closing(Collector(store, folder / RINGS)) as collector:
            collector.tick(time.time_ns() + 10**9, time.monotonic() + 1)
        oldest, newest = store.bounds()
        query = Query(REQUEST_DURATION, oldest, newest + 1, where=(("listener", NAME),))
        assert store.total(query).count.sum() >= 50


def test_a_search_reads_the_processes_of_the_app(app, control, settings):
    folder, _ = app
    plan = capacity_searches.read(CapacityRequest(NAME, "/", 500, 1), settings)
    plan = replace(plan, most_rate=80, total_s=30, step_s=0.5)
    started = capacity_searches.start(control, settings, CapacityRequest(NAME, "/", 500, 1))
    assert started.plan.called == f"app {NAME}"
    control.capacity_searches.end(started.id, RunState.STOPPED, time.time(), "")
    number = control.capacity_searches.request(plan, time.time()).id
    searches = CapacitySearchReconciler(control, folder / RINGS, settings, lambda _: None)

    def over():
        searches.reconcile()
        found = control.capacity_searches.by_id(number)
        return found if found.is_over else None

    found = eventually(over, 110)
    searches.stop()
    assert (found.state, found.message) == (RunState.DONE, "")
    steps = resumed(found).steps
    assert steps[0].answered_in_schedule > 0
    assert steps[0].others_cores is not None, "the app's own CPU time was read"
    assert EdgeEvidence(**found.evidence).threads is None


def test_a_verdict_of_the_app_and_itself_may_be_asked_for(control, settings):
    asked = verdicts.start(control, settings, VerdictRequest(NAME, NAME, "/", 50, 4, 5, 30))
    assert (asked.plan.before.listener, asked.plan.after.listener) == (NAME, NAME)


def test_an_app_that_ended_is_no_target(control, tmp_path):
    with recorded_app(tmp_path):
        pass
    with pytest.raises(LoadRefusedError, match="there is no listener or app 'shop' here"):
        load_runs.start(control, Settings(data_dir=tmp_path), LoadRunRequest(NAME, "/", 50, 1))

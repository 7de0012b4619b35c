"""Experiments carried out by the leader: their states, their listener, their failures."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

import pytest

from servescope import chapters
from servescope.chapters import more_than_one_request
from servescope.records.dashboard import EventKind
from servescope.records.experiments import ExperimentPlan
from servescope.records.load import RunState
from servescope.runtime.experiments import ExperimentReconciler
from servescope.settings import Settings
from tests.store.conftest import store
from tests.waiting import eventually

__all__ = ["store"]
CHAPTER = more_than_one_request.CHAPTER
SETTING = CHAPTER.settings[0]
PLAN = ExperimentPlan(CHAPTER.name, SETTING.name, 400.0)
SECONDS = 60


@pytest.fixture
def reconciler(tmp_path, control):
    reconciler = ExperimentReconciler(control, tmp_path / "rings", Settings(data_dir=tmp_path))
    yield reconciler
    reconciler.stop()


def carried_out(control, reconciler, plan=PLAN):
    number = control.experiments.request(plan, time.time()).id
    reconciler.reconcile()
    eventually(lambda: control.experiments.by_id(number).is_over, SECONDS)
    return control.experiments.by_id(number)


def test_its_listener_is_there_for_the_experiment_alone_and_its_span_is_an_event(
    control, reconciler
):
    number = control.experiments.request(PLAN, time.time()).id
    reconciler.reconcile()
    (status,) = eventually(reconciler.statuses, SECONDS)
    assert status.is_temporary
    assert (status.name, status.model) == ("learn", SETTING.experiment.listener.model)
    eventually(lambda: control.experiments.by_id(number).is_over, SECONDS)
    done = control.experiments.by_id(number)
    assert (done.state, done.message) == (RunState.DONE, "")
    assert len(done.measured["answered_ms"]) == SETTING.experiment.requests
    assert reconciler.statuses() == []
    events = control.events.between(0, time.time() + 1)
    (told,) = (one for one in events if one.kind is EventKind.LOAD_RUN)
    assert told.text == f"experiment {number}: {CHAPTER.title}"
    assert done.measured["from_s"] == told.start_s
    assert told.end_s <= done.measured["to_s"]


def test_a_listening_socket_of_its_own_is_known_while_it_is_there(reconciler):
    with reconciler.listening(backlog=3) as listening:
        (status,) = reconciler.statuses()
        assert (status.name, status.is_temporary) == ("learn", True)
        assert (status.address, status.port) == listening.getsockname()
        listening.settimeout(SECONDS)
        with socket.create_connection(listening.getsockname()):
            listening.accept()[0].close()
    assert reconciler.statuses() == []
    assert listening.fileno() == -1


@pytest.fixture
def broken(monkeypatch):
    """The first chapter with an app that cannot be hosted, or whose target is none."""

    def breaking(**changes):
        experiment = SETTING.experiment
        if "app" in changes:
            changes = {"listener": replace(experiment.listener, **changes)}
        setting = replace(SETTING, experiment=replace(experiment, **changes))
        broken = replace(CHAPTER, settings=(setting,))
        monkeypatch.setattr(chapters, "CHAPTERS", (broken,))

    return breaking


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"app": "nowhere.to_be:found"}, "nowhere"),
        ({"target": "/no-such-page"}, "the server answered 'HTTP/1.1 404"),
    ],
    ids=["an app that is not there", "a target that is not there"],
)
def test_an_experiment_that_cannot_be_fails_with_the_reason(
    control, reconciler, broken, changes, told
):
    broken(**changes)
    over = carried_out(control, reconciler)
    assert over.state is RunState.FAILED
    assert told in over.message
    assert over.measured == {}
    assert reconciler.statuses() == []


def test_an_experiment_of_another_version_fails(control, reconciler):
    over = carried_out(control, reconciler, ExperimentPlan("none", "none", 1.0))
    assert over.message == "this version has no such experiment"


def test_the_next_leader_ends_what_a_dead_one_left(control, reconciler):
    number = control.experiments.request(PLAN, 1.0).id
    reconciler.abandon_orphans()
    assert control.experiments.by_id(number).state is RunState.REQUESTED
    control.experiments.begin(number, 2.0)
    reconciler.abandon_orphans()
    left = control.experiments.by_id(number)
    assert (left.state, left.message) == (RunState.FAILED, "The process that ran it ended.")

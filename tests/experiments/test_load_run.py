"""Load by the generator on a listener of an experiment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servescope import chapters
from servescope.chapters.queues_and_load import CHAPTER
from servescope.records.load import RunState
from servescope.records.scenarios import Constant, Flow, RequestStep, Scenario
from servescope.sampling.inet_diag import socket_table
from tests.descriptors import open_sockets

FIRST = CHAPTER.setting("count")


def of(scenario, **changes):
    experiment = replace(FIRST.experiment, scenario=scenario, **changes)
    return replace(FIRST, experiment=experiment)


@pytest.fixture
def carry_out(experimenter, monkeypatch):
    """Carry out another setting of the chapter."""

    def carry_out(setting):
        changed = replace(CHAPTER, settings=(setting,))
        monkeypatch.setattr(chapters, "CHAPTERS", (changed,))
        return experimenter.carry_out(changed, setting)

    return carry_out


def scenario_of(target):
    flow = Flow((RequestStep(name="requests", target=target),))
    return Scenario(Constant(20, 1), (flow,), keep_alive=False)


def test_each_request_is_sent_and_the_connections_are_counted(carry_out):
    socket_table()  # this process asks the kernel by one socket, which stays
    before = open_sockets()
    done = carry_out(of(scenario_of("/serve?ms=20")))
    assert (done.state, done.message) == (RunState.DONE, "")
    assert done.measured["steps"]["requests"]["answered"] == done.measured["answered"] == 20
    assert done.measured["steps"]["requests"]["mean_ms"] > 15
    assert done.measured["connection_seconds"] > 0.2
    assert done.measured["to_s"] > done.measured["from_s"]
    assert open_sockets() <= before


def test_an_answer_of_another_status_fails_the_experiment(carry_out):
    flows = scenario_of("/serve?ms=1").flows + scenario_of("/serve?ms=x").flows
    done = carry_out(of(replace(scenario_of("/"), flows=flows)))
    assert done.state is RunState.FAILED
    assert "of 20 requests were not answered" in done.message

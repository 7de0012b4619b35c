"""Experiments of chapters: what one process asks for or writes, any other reads."""

import pytest

from servescope.errors import LoadRefusedError
from servescope.records.experiments import ExperimentPlan
from servescope.records.load import RunState

PLAN = ExperimentPlan("more-than-one-request", "one-at-a-time", 400.0)


def test_an_experiment_goes_from_request_to_measurement(control, other):
    number = control.experiments.request(PLAN, 1.0).id
    asked = other.experiments.active()
    assert (asked.id, asked.plan, asked.state, asked.measured) == (number, PLAN, "requested", {})
    other.experiments.begin(number, 2.0)
    assert control.experiments.by_id(number).state is RunState.RUNNING
    other.experiments.end(number, RunState.DONE, 3.0, measured={"answered_ms": [1.5]})
    over = control.experiments.by_id(number)
    assert (over.started_s, over.ended_s, over.message) == (2.0, 3.0, "")
    assert over.measured == {"answered_ms": [1.5]}
    assert over.is_over
    assert control.experiments.active() is None
    assert control.experiments.by_id(number + 1) is None


def test_there_is_one_load_at_a_time(control, capacity_plan, comparison_plan, load_plan):
    number = control.experiments.request(PLAN, 1.0).id
    for ask, plan in (
        (control.load_runs.request, load_plan),
        (control.comparisons.request, comparison_plan),
        (control.capacity_searches.request, capacity_plan),
        (control.experiments.request, PLAN),
    ):
        refusal = f"experiment {number} is requested: wait for its end, 60 s at most"
        with pytest.raises(LoadRefusedError, match=refusal):
            ask(plan, 2.0)
    control.experiments.end(number, RunState.FAILED, 3.0, message="a reason")
    run = control.load_runs.request(load_plan, 4.0)
    with pytest.raises(LoadRefusedError, match=f"load run {run.id} is requested"):
        control.experiments.request(PLAN, 5.0)

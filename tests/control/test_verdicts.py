"""Verdicts between two listeners: what one process asks for or writes, any other reads."""

import pytest

from servescope.errors import LoadRefusedError
from servescope.records.load import RunState


def test_a_verdict_goes_from_request_to_result(control, other, verdict_plan):
    number = control.verdicts.request(verdict_plan, 1.0).id
    asked = other.verdicts.by_id(number)
    assert (asked.plan, asked.state, asked.result) == (verdict_plan, RunState.REQUESTED, {})
    other.verdicts.begin(number, 2.0)
    other.verdicts.write_result(number, {"pairs": 3})
    under_way = control.verdicts.active()
    assert (under_way.state, under_way.result) == (RunState.RUNNING, {"pairs": 3})
    other.verdicts.end(number, RunState.DONE, 3.0, "fine")
    over = control.verdicts.newest()
    assert (over.state, over.started_s, over.ended_s, over.message) == ("done", 2.0, 3.0, "fine")
    assert over.is_over
    assert control.verdicts.active() is None


def test_a_stop_before_the_start_is_not_lost(control, verdict_plan):
    number = control.verdicts.request(verdict_plan, 1.0).id
    control.verdicts.request_stop(number)
    control.verdicts.begin(number, 2.0)
    assert control.verdicts.by_id(number).state is RunState.STOPPING


def test_there_is_one_load_at_a_time(
    control, capacity_plan, comparison_plan, load_plan, verdict_plan
):
    number = control.verdicts.request(verdict_plan, 1.0).id
    for ask, plan in (
        (control.load_runs.request, load_plan),
        (control.comparisons.request, comparison_plan),
        (control.capacity_searches.request, capacity_plan),
        (control.verdicts.request, verdict_plan),
    ):
        with pytest.raises(LoadRefusedError, match=f"verdict {number} is requested: stop it"):
            ask(plan, 2.0)
    control.verdicts.end(number, RunState.STOPPED, 3.0)
    run = control.load_runs.request(load_plan, 4.0)
    with pytest.raises(LoadRefusedError, match=f"load run {run.id} is requested"):
        control.verdicts.request(verdict_plan, 5.0)


def test_a_stop_of_what_there_is_not_is_refused(control):
    with pytest.raises(LoadRefusedError, match="there is no verdict 7"):
        control.verdicts.request_stop(7)

"""Searches for a capacity: what one process asks for or writes, any other reads."""

import pytest

from servescope.errors import LoadRefusedError
from servescope.records.load import RunState


def test_a_search_goes_from_request_to_result(control, other, capacity_plan):
    number = control.capacity_searches.request(capacity_plan, 1.0).id
    asked = other.capacity_searches.by_id(number)
    assert (asked.plan, asked.state, asked.steps) == (capacity_plan, RunState.REQUESTED, ())
    other.capacity_searches.begin(number, 2.0)
    other.capacity_searches.write_step(number, {"rate": 10.0})
    other.capacity_searches.write_steps(number, [{"rate": 10.0}], {"threads": 4})
    under_way = control.capacity_searches.active()
    assert under_way.step == {"rate": 10.0}
    assert under_way.steps == ({"rate": 10.0},)
    assert under_way.evidence == {"threads": 4}
    other.capacity_searches.end(number, RunState.DONE, 3.0, "fine")
    over = control.capacity_searches.newest()
    assert (over.state, over.started_s, over.ended_s, over.message) == ("done", 2.0, 3.0, "fine")
    assert over.is_over
    assert over.step == {}
    assert control.capacity_searches.active() is None


def test_a_stop_before_the_start_is_not_lost(control, capacity_plan):
    number = control.capacity_searches.request(capacity_plan, 1.0).id
    control.capacity_searches.request_stop(number)
    control.capacity_searches.begin(number, 2.0)
    assert control.capacity_searches.by_id(number).state is RunState.STOPPING


def test_there_is_one_load_at_a_time(control, capacity_plan, comparison_plan, load_plan):
    number = control.capacity_searches.request(capacity_plan, 1.0).id
    for ask, plan in (
        (control.load_runs.request, load_plan),
        (control.comparisons.request, comparison_plan),
        (control.capacity_searches.request, capacity_plan),
    ):
        with pytest.raises(LoadRefusedError, match=f"search {number} for a capacity is requested"):
            ask(plan, 2.0)
    control.capacity_searches.end(number, RunState.STOPPED, 3.0)
    run = control.load_runs.request(load_plan, 4.0)
    with pytest.raises(LoadRefusedError, match=f"load run {run.id} is requested"):
        control.capacity_searches.request(capacity_plan, 5.0)


def test_a_stop_of_what_there_is_not_is_refused(control):
    with pytest.raises(LoadRefusedError, match="there is no search for a capacity 7"):
        control.capacity_searches.request_stop(7)

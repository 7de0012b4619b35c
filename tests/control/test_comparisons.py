"""Comparisons: what one process asks for or writes, any other reads."""

from dataclasses import replace

import pytest

from servescope.errors import LoadRefusedError
from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.records.load import RunState


def test_a_comparison_goes_from_request_to_result(control, other, comparison_plan):
    number = control.comparisons.request(comparison_plan, 1.0).id
    asked = other.comparisons.by_id(number)
    assert (asked.plan, asked.state) == (comparison_plan, RunState.REQUESTED)
    assert [(one.model, one.state) for one in asked.contenders] == [
        (ConcurrencyModel.SEQUENTIAL, "waiting"),
        (ConcurrencyModel.PREFORK, "waiting"),
        (None, "waiting"),
    ]
    other.comparisons.begin(number, 2.0)
    done = [replace(one, state="done", app_kind=AppKind.WSGI, series={"second": [0.0, None]})
            for one in asked.contenders]  # fmt: skip
    other.comparisons.write_contenders(number, done)
    assert control.comparisons.active().contenders == tuple(done)
    other.comparisons.end(number, RunState.DONE, 3.0, "fine")
    over = control.comparisons.by_id(number)
    assert (over.state, over.started_s, over.ended_s, over.message) == ("done", 2.0, 3.0, "fine")
    assert over.is_over
    assert control.comparisons.active() is None
    assert control.comparisons.newest_first(5) == [over]


def test_a_stop_before_the_start_is_not_lost(control, comparison_plan):
    number = control.comparisons.request(comparison_plan, 1.0).id
    control.comparisons.request_stop(number)
    control.comparisons.begin(number, 2.0)
    assert control.comparisons.by_id(number).state is RunState.STOPPING
    control.comparisons.end(number, RunState.STOPPED, 3.0)
    control.comparisons.request_stop(number)
    assert control.comparisons.by_id(number).state is RunState.STOPPED


def test_a_comparison_that_is_not_there_is_refused(control):
    assert control.comparisons.by_id(5) is None
    with pytest.raises(LoadRefusedError, match="no comparison 5"):
        control.comparisons.request_stop(5)

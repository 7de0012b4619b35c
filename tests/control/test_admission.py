"""Load runs and comparisons exclude each other."""

from dataclasses import replace

import pytest

from servescope.errors import LoadRefusedError
from servescope.records.load import RunState


def test_load_and_comparisons_exclude_each_other_but_for_the_comparisons_own_runs(
    control, load_plan, comparison_plan
):
    number = control.comparisons.request(comparison_plan, 1.0).id
    for ask in (control.load_runs.request, control.comparisons.request):
        plan = load_plan if ask == control.load_runs.request else comparison_plan
        with pytest.raises(LoadRefusedError, match=f"comparison {number} is requested"):
            ask(plan, 2.0)
    first = control.load_runs.request(replace(load_plan, comparison=number), 2.0).id
    second = control.load_runs.request(replace(load_plan, comparison=number), 2.0).id
    assert [run.id for run in control.load_runs.all_active()] == [first, second]
    control.comparisons.end(number, RunState.DONE, 3.0)
    with pytest.raises(LoadRefusedError, match=f"load run {first}"):
        control.comparisons.request(comparison_plan, 4.0)
    for run_id in (first, second):
        control.load_runs.update(run_id, state=RunState.FAILED)
    assert control.comparisons.request(comparison_plan, 5.0).id > number

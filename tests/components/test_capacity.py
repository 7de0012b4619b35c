"""A search for a capacity as a table of its steps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.capacity import _view, search_view
from servescope.figures.capacity import latency
from servescope.records.capacity import CapacityPlan, SearchedCapacity
from servescope.records.load import RunState
from servescope.statistics.capacity_steps import Objective, StepResult
from tests.components.test_parts import texts

pytestmark = pytest.mark.usefixtures("app")  # links are below its path prefix


def step(**changes):
    measured = {
        "rate": 80.0,
        "seconds": 5.0,
        "sent": 400,
        "answered_in_schedule": 400,
        "late": 0,
        "failed": 0,
        "mean_latency_s": 0.01,
        "shortest_latency_s": 0.005,
        "quantile_s": 0.03,
        "elapsed_s": 5.0,
        "spent_s": 5.5,
    }
    return StepResult(**(measured | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({}, "held", id="held"),
        pytest.param(
            {"generator_limited": True},
            "not used: the generator was at its limit",
            id="a limited generator",
        ),
        pytest.param(
            {"generator_limited": True, "disturbed": True, "others_cores": 1.9},
            "not used: other programs took the CPU",
            id="a generator that other programs held up",
        ),
        pytest.param({"in_flight": 40.0}, "not used: against Little's law", id="Little's law"),
        pytest.param({"sent": 0}, "not used: no request came due", id="nothing came due"),
    ],
)
def test_a_step_says_how_it_was_judged_as_the_result_does(changes, said):
    assert shown(step(**changes))[-1] == said


def test_the_last_step_with_a_count_is_the_example_of_littles_law():
    uncounted = step(in_flight=None)
    example = "(step 2: 50 req/s \N{MULTIPLICATION SIGN} 10 ms = 0.5)"  # 400 requests in 8 s
    told = shown(uncounted, step(in_flight=0.49, elapsed_s=8.0), uncounted, step(sent=0))
    assert any(example in text for text in told)
    assert told.count("0.49 counted, 0.5 by Little's law") == 1
    assert not any("Under way are" in text for text in shown(uncounted))


def shown(*steps):
    plan = CapacityPlan("wsgi", "/", 0.1, 0.01, 2_000)
    measured = tuple(one.to_json() for one in steps)
    return texts(search_view(SearchedCapacity(1, plan, RunState.DONE, 0.0, 0.0, 60.0, measured)))


@pytest.mark.parametrize(("p99_s", "shown"), [(4.9, "4.9 s"), (5.0, "≥ 5 s")])
def test_a_p99_with_requests_that_timed_out_is_a_lower_bound(p99_s, shown):
    steps = (step(quantile_s=p99_s, late=400).to_json(),)
    plan = CapacityPlan("wsgi", "/", 0.1, 0.01, 2_000)
    assert plan.timeout_s == 5
    searched = SearchedCapacity(1, plan, RunState.DONE, 0.0, 0.0, 60.0, steps)
    assert shown in texts(search_view(searched))


def test_no_point_of_the_plots_is_cut_by_a_bound_of_its_axis():
    # 10 ms and 1 s are powers of ten: a marker at the bound itself shows a half.
    steps = [step(quantile_s=seconds) for seconds in (0.01, 0.03, 1.0)]
    figure = latency(steps, Objective(0.1), None, None, 10.0)
    low, high = figure["layout"]["yaxis"]["range"]
    assert low <= -2.1
    assert high >= 0.1
    assert figure["layout"]["yaxis"]["ticktext"] == ["10 ms", "100 ms", "1,000 ms"]


def test_a_p99_that_is_a_lower_bound_is_marked_in_the_plot():
    steps = [step(quantile_s=seconds, rate=rate) for seconds, rate in ((0.02, 10.0), (5.01, 20.0))]
    figure = latency(steps, Objective(0.1), None, None, 5.0)
    points = [trace for trace in figure["data"] if trace["mode"] == "markers"]
    drawn = {
        (value, symbol, text)
        for trace in points
        for value, symbol, text in zip(
            trace["y"], trace["marker"]["symbol"], trace["text"], strict=True
        )
    }
    assert (5.0, "triangle-up", "20 req/s: ≥ 5 s") in drawn
    assert [symbol for value, symbol, _ in drawn if value == 0.02] != ["triangle-up"]
    (line,) = figure["layout"]["shapes"]
    assert line["label"]["text"] == "▲ 5 s or longer"


def test_the_findings_of_a_search_lead_to_the_seconds_of_the_search():
    plan = CapacityPlan("wsgi", "/", 0.1, 0.01, 2_000)
    over = SearchedCapacity(1, plan, RunState.DONE, 100.0, 100.4, 160.2, ())
    assert _view(over) == "from=100&to=161"
    assert _view(replace(over, ended_s=None)) == "", "its steps are of now"


def test_the_farthest_step_is_told_against_the_model_at_as_many_under_way():
    """Where one of four takes twice as long, the line through them is 2 ** -0.75 of it there."""
    rates = (20, 40, 80, 160)
    steps = tuple(
        step(
            rate=rate,
            sent=5 * rate,
            answered_in_schedule=5 * rate,
            mean_latency_s=0.02 if rate == 20 else 0.01,
            shortest_latency_s=0.0,
        ).to_json()
        for rate in rates
    )
    plan = CapacityPlan("wsgi", "/", 0.1, 0.01, 2_000)
    told = texts(search_view(SearchedCapacity(1, plan, RunState.DONE, 0.0, 0.0, 60.0, steps)))
    (said,) = [one for one in told if one.startswith("Model of throughput")]
    assert said.endswith(
        "The step farthest from the model answered 41 % less than it says for as many under way."
    )

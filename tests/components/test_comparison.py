"""The form reads a plan; the figures of a comparison stand side by side."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

import pytest

from components import capacity, run_table, verdicts
from components import comparison as shown
from components.comparison_form import ONE_BY_ONE, TOGETHER, request
from components.status import comparison_share, comparison_text, verdict_text
from servescope.actions.comparisons import ComparisonRequest
from servescope.histogram import BUCKETS
from servescope.records.comparisons import Comparison, ComparisonPlan, Contender
from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.records.load import LoadPlan, LoadRun, RunState
from servescope.records.scenarios import Flow, Poisson, RequestStep, Scenario
from servescope.records.verdicts import JudgedSide, RequestedVerdict, VerdictPlan
from servescope.statistics.capacity_limits import EdgeEvidence

PLAN = ComparisonPlan.constant(
    (ConcurrencyModel.SEQUENTIAL, ConcurrencyModel.THREAD_POOL), "a:app", "/slow?ms=50", 40, 5
)


def contender(model, p99, *, naive=None, achieved=40.0, cpu=100.0, failed=0, **more):
    result = {
        "sent": 200,
        "answered": 200,
        "answered_in_schedule": int(5 * achieved),
        "schedule_seconds": 5.0,
        "failed": {"reset": failed},
        "rate_asked": 40,
        "rate_achieved": achieved,
        "latency_ms": {"p50": p99 / 2, "p95": p99, "p99": p99},
        "naive_ms": {"p99": naive or p99},
    }
    return Contender(
        ConcurrencyModel(model),
        "a:app",
        app_kind=AppKind.WSGI,
        threads=8,
        state="done",
        result=result,
        cpu_us_per_request=cpu,
        **more,
    )


def comparison(*contenders, state=RunState.DONE, plan=PLAN):
    return Comparison(3, plan, state, 1.0, 2.0, None, contenders)


def test_the_form_asks_for_a_comparison():
    models = ["thread_pool", "sequential"]
    values, rest = (models, "slow", " /slow?ms=5 ", 40, "2", 16), (["wsgi"], "[schedule]")
    assert request(*values, TOGETHER, *rest) == ComparisonRequest(*values, True, *rest)
    assert request(*values, ONE_BY_ONE, *rest) == ComparisonRequest(*values, False, *rest)


def columns(outcome):
    """The figures of each target by their names, from the table."""
    (table,) = (part for part in outcome._traverse() if type(part).__name__ == "Table")
    head, body = table.children
    targets = [getattr(one, "data-target") for one in head.children.children[1:]]
    rows = [row.children for row in body.children]
    return {
        target: {name.children: text(cells[at]) for name, *cells in rows}
        for at, target in enumerate(targets)
    }


def text(cell):
    found = cell.children
    return found.children if hasattr(found, "children") else found


def test_each_target_has_a_column_and_a_graph_where_something_was_measured():
    series = {"second": [0.0, 1.0], "p50_ms": [1.0, 2.0], "p99_ms": [3.0, None]}
    done = contender("sequential", 5000, series=series, memory_bytes=2**25, processes=1)
    outcome = shown.outcome(
        comparison(done, Contender(ConcurrencyModel.THREAD_POOL, "a:app"), state=RunState.RUNNING),
        {},
    )
    found = columns(outcome)
    assert list(found) == ["sequential", "thread pool"]
    slow = found["sequential"]
    assert [slow[name] for name in ("p50", "p95", "p99", "Naive p99")] == ["2.5 s", *["5.0 s"] * 3]
    assert (slow["Answered"], slow["Answered a second"]) == ("200", "40 req/s")
    assert set(found["thread pool"].values()) == {"—"}
    turned_away = replace(done, result=done.result | {"status_classes": {"2xx": 120, "5xx": 80}})
    assert columns(shown.outcome(comparison(turned_away), {}))["sequential"]["Of these 5xx"] == "80"
    graphs = [part for part in outcome._traverse() if type(part).__name__ == "Graph"]
    assert len(graphs) == 1


GAPS = "A gap where a step has fewer requests than a percentile takes: p50 2, p95 20, p99 100."


@pytest.mark.parametrize(
    ("series", "told"),
    [
        (
            {"step_s": [1.0], "p99_ms": [3.0, None]},
            f"Steps of 1 s. {GAPS}",
        ),
        (
            {"step_s": [1.0], "p99_ms": [3.0, None], "requests": [40.0, 30.0]},
            f"Steps of 1 s. {GAPS} A line is dotted where most steps have fewer than 100.",
        ),
        (
            {"step_s": [2.0], "p99_ms": [None, None]},
            f"Steps of 2 s. {GAPS} Where p99 is missing, no step had enough.",
        ),
        (
            {"p99_ms": [3.0, 4.0]},
            "A point a second, however few its requests: the p99 of few is the slowest of them.",
        ),
    ],
    ids=["a gap", "few", "nowhere", "of an older version"],
)
def test_the_graphs_say_why_a_percentile_is_missing(series, told):
    done = contender("sequential", 52.0, series={"second": [0, 1], "p50_ms": [1, 2]} | series)
    outcome = shown.outcome(comparison(done), {})
    assert told in [part.children for part in outcome._traverse() if type(part).__name__ == "P"]


def test_each_column_says_what_limited_it():
    readings = asdict(EdgeEvidence(process_cores=0.05, threads=1, busy_threads=1.0))
    behind = contender("sequential", 5000, achieved=18.0, readings=readings)
    up = contender("thread_pool", 52.0, standing="wsgi")
    found = columns(shown.outcome(comparison(behind, up), {}))
    assert found["sequential"]["Limit"] == (
        "Model sequential was limited by threads: 1 of 1 thread had a request on average while "
        "its busiest process used 5 % of one core."
    )
    assert found["wsgi"]["Limit"] == "Nothing limited listener wsgi at 40 req/s: it kept up."


def test_figures_with_requests_that_timed_out_are_lower_bounds():
    told = contender("sequential", 10_100, naive=9_900)
    told = replace(told, result=told.result | {"timed_out_from_ms": 10_000.0})
    found = columns(shown.outcome(comparison(told, contender("thread_pool", 52.0)), {}))
    names = ("p50", "p99", "Naive p99")
    assert [found["sequential"][name] for name in names] == [
        "5.05 s",
        "≥ 10.0 s",
        "≥ 9.90 s",
    ]
    assert [found["thread pool"][name] for name in names] == ["26 ms", "52 ms", "52 ms"]


def test_percentiles_without_errors_stand_below_those_with_them():
    quick = contender("thread_pool", 5.0)
    apart = {
        "statuses": {"200": 80, "503": 120},
        "success_ms": {"p50": 900.0, "p99": 1_200.0},
        "error_ms": {"p50": 1.0, "p99": 5.0},
    }
    quick = replace(quick, result=quick.result | apart)
    plain = contender("sequential", 50.0)
    found = columns(shown.outcome(comparison(quick, plain), {}))
    names = ("p50", "p99", "p50, status < 400", "p99, status < 400")
    assert [found["thread pool"][name] for name in names] == ["2.5 ms", "5.0 ms", "900 ms", "1.2 s"]
    assert [found["sequential"][name] for name in names] == ["25 ms", "50 ms"] * 2
    assert "p50, status < 400" not in columns(shown.outcome(comparison(plain), {}))["sequential"]


def test_distributions_lie_over_each_other_and_a_shared_process_is_told():
    counts = [0] * 90 + [5, 9] + [0] * (BUCKETS - 92)
    both = [contender("sequential", 50), contender("thread_pool", 50, standing="wsgi")]
    both = [replace(one, result=one.result | {"histogram": counts}) for one in both]
    outcome = shown.outcome(comparison(*both), {})
    (graph,) = (part for part in outcome._traverse() if type(part).__name__ == "Graph")
    assert [one["name"] for one in graph.figure["data"]] == ["sequential", "wsgi"]
    assert shown._SHARED in [getattr(part, "children", "") for part in outcome._traverse()]


def test_one_that_is_not_there_is_said_and_the_newest_is_linked():
    newest = comparison(contender("sequential", 50))
    told, link, stop = shown.not_here("99", newest).children
    assert f"{told}{link.children}{stop}" == (
        "There is no comparison “99”. The newest is comparison 3."
    )
    assert link.href == "?comparison=3#compare"
    assert "".join(shown.not_here("99", None).children).endswith(shown.EMPTY)
    assert shown.options([newest], None, "99")[-1] == {"value": "99", "label": "99 (not here)"}
    assert [one["value"] for one in shown.options([newest], newest, "3")] == ["3"]


def test_an_empty_page_says_what_its_button_does_and_asks_nobody_to_press_it():
    assert "Compare sends the same requests" in shown.outcome(None, {}).children


@pytest.mark.parametrize(
    "told",
    [shown.EMPTY, capacity.EMPTY, verdicts.EMPTY, run_table.NONE_YET],
    ids=lambda it: it[:20],
)
def test_what_an_empty_panel_says_is_true_for_somebody_who_may_only_look(told):
    assert not re.search(r"\b(press|click|start)\b", told, re.IGNORECASE)


def test_progress_is_that_of_the_run_under_way():
    plan = LoadPlan.constant("compare-thread_pool", "/", 40, 5)
    run = LoadRun(7, plan, RunState.RUNNING, 0, 0, None, {"elapsed_s": 2.5}, {})
    going = replace(contender("thread_pool", 50), state="running", run_id=7)
    both = comparison(contender("sequential", 50), going, state=RunState.RUNNING)
    assert comparison_text(both, {7: run}) == "Comparison 3: thread pool, 2 of 5 s"
    assert comparison_share(both, {7: run}) == 75.0
    assert comparison_text(both, {}) == "Comparison 3: thread pool starts"
    assert "stops" in comparison_text(replace(both, state=RunState.STOPPING), {})


def test_progress_of_several_at_once_is_that_of_all_of_them():
    plan = LoadPlan.constant("compare-thread_pool", "/", 40, 5)
    done, goes_on = (
        LoadRun(number, plan, RunState.RUNNING, 0, 0, None, {"elapsed_s": elapsed_s} | rest, {})
        for number, elapsed_s, rest in (
            (7, 6.0, {"sent": 200, "answered": 190}),
            (8, 4.0, {"sent": 160, "answered": 160}),
        )
    )
    going = [
        replace(contender(model, 50), state="running", run_id=number)
        for model, number in (("sequential", 7), ("thread_pool", 8))
    ]
    both = comparison(*going, state=RunState.RUNNING)
    begun = "Comparison 3: sequential, thread pool"
    assert comparison_text(both, {7: done}) == f"{begun} start"
    assert comparison_text(both, {7: done, 8: goes_on}) == f"{begun}, 4 of 5 s"
    last = {7: done, 8: replace(done, id=8)}
    assert comparison_text(both, last) == f"{begun} await their last answers"


def test_the_choice_holds_the_shown_one_however_old():
    old = replace(comparison(), id=1)
    values = [one["value"] for one in shown.options([comparison()], old)]
    assert values == ["3", "1"]


def test_of_a_named_host_nothing_is_said_that_only_its_machine_knows():
    read = asdict(EdgeEvidence(is_elsewhere=True, generator_cpu=0.05))
    host = replace(
        contender("thread_pool", 900.0, achieved=20.0, cpu=None, readings=read),
        model=None,
        app="",
        app_kind=None,
        standing="https://a.test",
        is_named_host=True,
    )
    found = columns(shown.outcome(comparison(host), {}))["https://a.test"]
    assert found["Limit"] == (
        "Server https://a.test was limited by something that is not known here: nothing is read of "
        "its threads, queues and cores, nor of the network in between."
    )
    unknown = {name for name, value in found.items() if value == "not known"}
    assert unknown == {
        "CPU a request",
        "CPU of one core, busiest process",
        "Processes",
        "Threads",
        "Memory",
        "Accept queue, most",
    }


def test_what_is_left_of_a_verdict_is_said_of_the_pairs_that_count():
    scenario = Scenario(Poisson(50, 4), (Flow((RequestStep(target="/"),)),))
    plan = VerdictPlan(JudgedSide("files"), JudgedSide("wsgi"), scenario, 0.05, 10)
    result = {"pairs": 4, "discarded_pairs": {"late": 3}}
    judged = RequestedVerdict(2, plan, RunState.RUNNING, 0, 0, None, result)
    assert verdict_text(judged) == (
        "Verdict 2: 4 of at most 10 pairs, at most 48 s of load left if all count"
    )

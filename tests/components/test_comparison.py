"""The form reads a plan; the figures of a comparison stand side by side."""

from __future__ import annotations

from dataclasses import replace

from components import comparison as shown
from components.comparison_form import ONE_BY_ONE, TOGETHER, request
from components.status import comparison_share, comparison_text
from servescope.actions.comparisons import ComparisonRequest
from servescope.records.comparisons import Comparison, ComparisonPlan, Contender
from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.records.load import LoadPlan, LoadRun, RunState

PLAN = ComparisonPlan(
    (ConcurrencyModel.SEQUENTIAL, ConcurrencyModel.THREAD_POOL), "a:app", "/slow?ms=50", 40, 5
)


def contender(model, p99, *, naive=None, achieved=40.0, cpu=100.0, failed=0, **more):
    result = {
        "answered": 200,
        "failed": {"reset": failed},
        "rate_asked": 40,
        "rate_achieved": achieved,
        "latency_ms": {"p50": p99 / 2, "p95": p99, "p99": p99},
        "naive_ms": {"p99": naive or p99},
    }
    return Contender(
        ConcurrencyModel(model),
        "a:app",
        AppKind.WSGI,
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
    values = (models, "slow", " /slow?ms=5 ", 40, "2", 16)
    assert request(*values, TOGETHER) == ComparisonRequest(*values, together=True)
    assert request(*values, ONE_BY_ONE) == ComparisonRequest(*values, together=False)


def rows(outcome):
    return {
        getattr(part, "data-model"): [
            "".join(str(one) for one in cell.children)
            if isinstance(cell.children, list)
            else str(cell.children)
            for cell in part.children
        ]
        for part in outcome._traverse()
        if hasattr(part, "data-model")
    }


def test_the_table_has_a_row_for_each_model_and_a_graph_where_something_was_measured():
    series = {"second": [0.0, 1.0], "p50_ms": [1.0, 2.0], "p99_ms": [3.0, None]}
    done = contender("sequential", 5000, series=series, memory_bytes=2**25, processes=1)
    outcome = shown.outcome(
        comparison(done, Contender(ConcurrencyModel.THREAD_POOL, "a:app"), state=RunState.RUNNING),
        {},
    )
    found = rows(outcome)
    assert list(found) == ["sequential", "thread_pool"]
    assert found["sequential"][1] == "200"
    assert found["sequential"][3:7] == ["2.5 s", "5 s", "5 s", "5 s"]
    assert found["thread_pool"][1:] == ["—", found["thread_pool"][2], *["—"] * 9]
    graphs = [part for part in outcome._traverse() if type(part).__name__ == "Graph"]
    assert len(graphs) == 1


def test_an_empty_page_says_what_to_do():
    assert "Press Compare" in shown.outcome(None, {}).children


def test_progress_is_that_of_the_run_under_way():
    plan = LoadPlan.constant("compare-thread_pool", "/", 40, 5)
    run = LoadRun(7, plan, RunState.RUNNING, 0, 0, None, {"elapsed_s": 2.5}, {})
    going = replace(contender("thread_pool", 50), state="running", run_id=7)
    both = comparison(contender("sequential", 50), going, state=RunState.RUNNING)
    assert comparison_text(both, {7: run}) == "Comparison 3: thread pool, 2 of 5 s"
    assert comparison_share(both, {7: run}) == 75.0
    assert comparison_text(both, {}) == "Comparison 3: thread pool starts"
    assert "stops" in comparison_text(replace(both, state=RunState.STOPPING), {})


def test_the_choice_holds_the_shown_one_however_old():
    old = replace(comparison(), id=1)
    values = [one["value"] for one in shown.options([comparison()], old)]
    assert values == ["3", "1"]

"""Rules over whole runs against real sockets: judged to the end, and a stop that saves the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from servescope.records.load import LoadPlan
from servescope.records.scenarios import Constant, Flow, RequestStep, Scenario
from servescope.scenarios.rules import RuleState

from .conftest import OK, Outcome, TinyServer

pytestmark = pytest.mark.real_time

SERVER_ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
Serve = Callable[..., TinyServer]
Run = Callable[[LoadPlan, int], Outcome]


def plan_with(*rules: str, seconds: float = 0.5, auto_stop: bool = False) -> LoadPlan:
    scenario = Scenario(Constant(200, seconds), rules=rules, auto_stop=auto_stop)
    return LoadPlan("files", scenario)


def test_rules_are_judged_from_all_requests_of_the_run(serve: Serve, run_plan: Run) -> None:
    server = serve(lambda server, _number: SERVER_ERROR if server.requests % 20 == 0 else OK)
    rules = ("max < 60 s", "p50 < 1 µs", "error rate < 50 %", "error rate <= 0 %")
    outcome = run_plan(plan_with(*rules, "answered >= 100 %"), server.port)
    results = outcome.result.rules
    assert [one.text for one in results] == [*rules, "answered >= 100 %"]
    assert [one.state for one in results] == [
        RuleState.PASSING,
        RuleState.FAILING,
        RuleState.PASSING,
        RuleState.FAILING,
        RuleState.PASSING,
    ]
    assert results[1].value == pytest.approx((outcome.result.latency_ms.p50 or 0) / 1e3)
    errors = outcome.result.status_classes.get("5xx", 0)
    assert results[2].value == pytest.approx(errors / outcome.result.answered)
    assert [one.text for one in outcome.progress[-1].rules] == [one.text for one in results]


def test_a_rule_of_one_step_looks_at_its_requests_alone(serve: Serve, run_plan: Run) -> None:
    server = serve(lambda server, _number: SERVER_ERROR if b"/broken" in server.request else OK)
    steps = (RequestStep("fine", target="/fine"), RequestStep("broken", target="/broken"))
    rules = ("fine: error rate <= 0 %", "broken: error rate >= 100 %", "error rate < 99 %")
    plan = plan_with(*rules)
    flows = tuple(Flow((step,)) for step in steps)
    plan = replace(plan, scenario=replace(plan.scenario, flows=flows))
    results = run_plan(plan, server.port).result.rules
    assert [one.state for one in results] == [RuleState.PASSING] * 3


def test_a_run_stops_when_a_rule_can_no_longer_pass(serve: Serve, run_plan: Run) -> None:
    plan = plan_with("p50 < 60 s", "max < 1 µs", seconds=60, auto_stop=True)
    result = run_plan(plan, serve().port).result
    assert result.stopped
    assert result.schedule_seconds < 30
    assert result.rules[1].is_settled

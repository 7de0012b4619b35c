"""How each rule of a run stands, in a word and with its value."""

from dataclasses import asdict, replace

import pytest

from components.run_rules import rules_table
from servescope.records.load import RunState
from servescope.scenarios.rules import RuleResult, RuleState
from tests.components.test_run_pages import RUN, texts

RULES = ("p99 < 50 ms", "error rate < 1 %", "mean < 1 s", "answered >= 99 %")
STANDING = (
    RuleResult(RULES[0], RuleState.FAILING, is_settled=False, value=None),
    RuleResult(RULES[1], RuleState.PASSING, is_settled=False, value=0.002),
    RuleResult(RULES[2], RuleState.UNKNOWN, is_settled=False, value=0.355),
    RuleResult(RULES[3], RuleState.PASSING, is_settled=False, value=1.0),
)
SCENARIO = replace(RUN.plan.scenario, rules=RULES)
OVER = replace(RUN, plan=replace(RUN.plan, scenario=SCENARIO))
HEADINGS = ["Rule", "State", "Measured"]


def rows(run):
    found = texts(rules_table(run))
    return [tuple(found[at : at + 3]) for at in range(3, len(found), 3)]


def with_result(**changes):
    rules = [asdict(rule) for rule in (replace(STANDING[0], value=10.0), *STANDING[1:])]
    return replace(OVER, result=OVER.result | {"rules": rules} | changes)


def test_a_run_without_rules_has_no_table():
    assert rules_table(RUN) == []


def test_rules_stand_as_they_do_so_far():
    run = replace(
        OVER,
        state=RunState.RUNNING,
        result={},
        progress={"failed": {"timed_out": 1}, "rules": [asdict(rule) for rule in STANDING]},
    )
    assert texts(rules_table(run))[:3] == HEADINGS
    assert rows(run) == [
        ("p99 < 50 ms", "failing", "exact at the end"),
        ("error rate < 1 %", "passing", "0.2 %"),
        ("mean < 1 s", "not known", "≥ 355 ms"),
        ("answered >= 99 %", "passing", "100 %"),
    ]


def test_at_the_end_a_rule_has_passed_or_failed():
    assert rows(with_result()) == [
        ("p99 < 50 ms", "failed", "≥ 10 s"),
        ("error rate < 1 %", "passed", "0.2 %"),
        ("mean < 1 s", "not known", "≥ 355 ms"),
        ("answered >= 99 %", "passed", "100 %"),
    ]


def test_a_generator_that_was_the_bottleneck_judges_nothing():
    states = {state for _, state, _ in rows(with_result(cpu_seconds=30.0))}
    assert states == {"not known"}


@pytest.mark.parametrize("state", [RunState.REQUESTED, RunState.FAILED])
def test_nothing_is_known_where_nothing_was_measured(state):
    run = replace(OVER, state=state, result={}, progress={})
    assert [row[:2] for row in rows(run)] == [(rule, "not known") for rule in RULES]
    assert {row[2] for row in rows(run)[1:]} == {"—"}

"""Plans of comparisons and verdicts: the names of their sides, and plans from before."""

import json

import pytest

from servescope.records.comparisons import ComparisonPlan, Contender
from servescope.records.listeners import ConcurrencyModel
from servescope.records.scenarios import Constant, Flow, RequestStep, Scenario
from servescope.records.verdicts import JudgedSide, VerdictPlan

POOL, LOOP = ConcurrencyModel.THREAD_POOL, ConcurrencyModel.ASYNCIO
SCENARIO = Scenario(Constant(40, 5), (Flow((RequestStep(target="/x"),)),), max_connections=16)


@pytest.mark.parametrize(
    ("side", "label"),
    [
        (JudgedSide("wsgi"), "wsgi"),
        (
            JudgedSide(model=POOL, app="shop.web:create('a.b')"),
            "thread pool with web:create('a.b')",
        ),
        (JudgedSide(model=LOOP, app="/srv/site.d/files"), "asyncio with files"),
    ],
    ids=["listener", "app", "folder"],
)
def test_a_side_of_a_verdict_has_a_short_name_and_survives_json(side, label):
    plan = VerdictPlan(side, JudgedSide("asgi"), SCENARIO, 0.05, 30)
    assert side.label == label
    assert VerdictPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_verdict_from_before_there_were_models_is_between_two_listeners():
    plan = VerdictPlan(JudgedSide("files"), JudgedSide("wsgi"), SCENARIO, 0.05, 30)
    before = plan.to_json() | {"before": "files", "after": "wsgi"}
    assert VerdictPlan.from_json(before) == plan


def test_a_comparison_from_before_there_were_scenarios_is_one_of_a_constant_rate():
    before = {
        "models": ["thread_pool", "asyncio"], "app": "a:b", "target": "/x", "rate": 40.0,
        "seconds": 5.0, "max_connections": 16, "loop_app": "c:d", "together": True,
    }  # fmt: skip
    plan = ComparisonPlan.from_json(before)
    assert plan == ComparisonPlan((POOL, LOOP), "a:b", SCENARIO, "c:d", together=True)
    assert ComparisonPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert [plan.app_of(one) for one in plan.targets] == ["a:b", "c:d"]


def test_a_target_is_named_for_heads_of_columns_and_for_sentences():
    model, standing = Contender(POOL, "a:b"), Contender(None, "", "wsgi")
    assert [(one.label, one.name, one.target) for one in (model, standing)] == [
        ("thread pool", "thread pool", "model thread pool"),
        ("wsgi", "listener wsgi", "listener wsgi"),
    ]
    assert [Contender.from_json(one.to_json()) for one in (model, standing)] == [model, standing]

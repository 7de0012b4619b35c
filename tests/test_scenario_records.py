"""Scenarios as JSON: what comes back is what was written."""

import json

import pytest

from servescope.records.load import LoadPlan
from servescope.records.scenarios import (
    SCHEDULES,
    BodyKind,
    CarriedValue,
    Constant,
    DataRows,
    Flow,
    Poisson,
    Ramp,
    Recorded,
    RequestStep,
    Scenario,
    Spike,
    Steps,
    Users,
    ValueSource,
    WebSocketStep,
)

EXAMPLES = (
    Constant(200, 30),
    Poisson(200, 30),
    Ramp(0, 400, 20),
    Steps((100, 200, 300), 10),
    Spike(100, 500, peak_at=10, peak_seconds=5, seconds=30),
    Recorded(((3, 0), (1, 2)), factor=2.0, source="wsgi, 12:00:00 - 12:00:02"),
    Users(10, think_seconds=0.5, seconds=20),
)
MIX = (
    Flow(
        (
            RequestStep(
                "sign in",
                "POST",
                "/login",
                headers=(("X-Try", "{n}"),),
                body='{"user": "{user}"}',
                body_kind=BodyKind.JSON,
                carried=(CarriedValue("token", ValueSource.JSON_POINTER, "/token"),),
            ),
            RequestStep("read", target="/notes?token={token}"),
        ),
        weight=3.0,
        cookies=True,
    ),
    Flow((WebSocketStep("chat", "/chat", ("hello", "{n}"), seconds_between=0.1),)),
    Flow(
        (RequestStep(method="POST", target="/form", body="x", send_seconds=2.5, read_seconds=1.5),)
    ),
)


@pytest.mark.parametrize("schedule", EXAMPLES, ids=lambda one: one.kind)
def test_a_scenario_comes_back_from_json(schedule):
    data = DataRows(("user",), (("ada",), ("grace",)))
    scenario = Scenario(schedule, MIX, "shop", seed=7, data=data, rules=("p99 < 50 ms",))
    assert Scenario.from_json(json.loads(json.dumps(scenario.to_json()))) == scenario


def test_there_is_an_example_of_each_schedule():
    assert {one.kind for one in EXAMPLES} == set(SCHEDULES)


@pytest.mark.parametrize(
    ("schedule", "rate", "seconds"),
    [
        (EXAMPLES[0], 200, 30),
        (EXAMPLES[1], 200, 30),
        (EXAMPLES[2], 200, 20),
        (EXAMPLES[3], 200, 30),
        (EXAMPLES[4], 100 + 400 / 6, 30),
        (EXAMPLES[5], 6, 2),
        (EXAMPLES[6], None, 20),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_mean_rate_and_length_of_a_schedule(schedule, rate, seconds):
    assert schedule.mean_rate == (rate if rate is None else pytest.approx(rate))
    assert schedule.seconds == seconds


def test_a_plan_from_before_there_were_scenarios_is_read():
    old = {
        "listener": "wsgi", "target": "/x", "rate": 50.0, "seconds": 3.0, "timeout_seconds": 5.0,
        "max_connections": 64, "keep_alive": False, "seed": 2, "comparison": 9,
    }  # fmt: skip
    plan = LoadPlan.from_json(old)
    assert plan == LoadPlan.constant(
        "wsgi", "/x", 50.0, 3.0, timeout_seconds=5.0, max_connections=64, keep_alive=False, seed=2,
        comparison=9,
    )  # fmt: skip
    assert LoadPlan.from_json(plan.to_json()) == plan

"""The load runs that may start: one test for each part that is held against them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from servescope.errors import LoadRefusedError
from servescope.load.plan import check
from servescope.load.targets import Target, Targets
from servescope.records.listeners import ListenerState, ListenerStatus
from servescope.records.load import LoadPlan
from servescope.records.scenarios import Flow, RequestStep, Scenario, Users, WebSocketStep

STATUSES = [ListenerStatus("files", ListenerState.RUNNING, "127.0.0.1", 8000, "m", "a", 8000)]
plan_of = partial(LoadPlan.constant, listener="files", target="/", rate=100, seconds=10)


def verdict(plan: LoadPlan) -> Target:
    return check(plan, Targets(STATUSES), max_rate=20_000, max_seconds=600)


def test_a_sound_plan_leads_to_its_target():
    assert verdict(plan_of()) == Target("127.0.0.1", 8000, "127.0.0.1:8000", None)


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (plan_of(listener="mars"), "there is no listener or app 'mars' here"),
        (plan_of(target="/a b"), "the target may not hold ' '"),
        (plan_of(rate=20_001), "the rate is above 0 and at most 20,000"),
        (plan_of(seconds=601), "the duration is above 0 and at most 600 seconds"),
    ],
    ids=["target of the run", "request", "rate", "duration"],
)
def test_unsound_plan_is_refused_with_a_sentence(plan, sentence):
    with pytest.raises(LoadRefusedError) as caught:
        verdict(plan)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": Users(1, 1, 1)},
        {"flows": (Flow((RequestStep(),)),) * 2},
        {"flows": (Flow((RequestStep(),) * 2),)},
        {"flows": (Flow((RequestStep(method="POST"),)),)},
        {"flows": (Flow((RequestStep(target="/{n}"),)),)},
        {"flows": (Flow((WebSocketStep(),)),)},
    ],
    ids=["users", "mix", "flow", "method", "placeholder", "web_socket"],
)
def test_each_kind_of_schedule_and_flow_may_run(changes):
    scenario: Scenario = replace(plan_of().scenario, **changes)
    verdict(replace(plan_of(), scenario=scenario))

"""How a step stands to the objective."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from servescope.statistics.capacity_steps import Judgement, Objective, StepResult

from .measured_step import STEP

FAST: Final = Objective(0.05)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, Judgement.HELD, id="all-in-time"),
        pytest.param({"late": 5}, Judgement.HELD, id="as-many-late-as-allowed"),
        pytest.param({"late": 6}, Judgement.BROKE, id="one-more-late"),
        pytest.param({"failed": 5}, Judgement.HELD, id="as-many-failed-as-allowed"),
        pytest.param({"failed": 6}, Judgement.BROKE, id="one-more-failed"),
        pytest.param({"answered_in_schedule": 480}, Judgement.BROKE, id="piling-up"),
        pytest.param({"in_flight": 9.0}, Judgement.USELESS, id="against-littles-law"),
        pytest.param({"in_flight": None}, Judgement.HELD, id="nothing-counted"),
        pytest.param({"generator_limited": True}, Judgement.USELESS, id="late-generator"),
        pytest.param({"disturbed": True}, Judgement.HELD, id="held-although-disturbed"),
        pytest.param({"disturbed": True, "late": 9}, Judgement.USELESS, id="broke-disturbed"),
    ],
)
def test_judgement_of_a_step(changes: dict[str, object], expected: Judgement) -> None:
    assert replace(STEP, **changes).judge(FAST) is expected  # type: ignore[arg-type]


def test_a_step_survives_the_store() -> None:
    assert StepResult.from_json(STEP.to_json()) == STEP

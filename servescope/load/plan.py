"""Whether a load run may start: its target and its bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servescope.load.targets import target_of
from servescope.scenarios.checks import check_scenario

if TYPE_CHECKING:
    from servescope.load.targets import Target, Targets
    from servescope.records.load import LoadPlan


def check(plan: LoadPlan, targets: Targets, max_rate: float, max_seconds: float) -> Target:
    """Where the plan leads, when it may run; `max_rate` in requests per second.

    Raises LoadRefusedError with a sentence that names what is wrong and what is allowed.
    """
    target = target_of(plan, targets)
    check_scenario(plan.scenario, max_rate, max_seconds)
    return target

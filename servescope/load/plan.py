"""Whether a load run may start: its target, its bounds, and what the generator can carry out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servescope.errors import LoadRefusedError
from servescope.load.targets import target_of
from servescope.records.scenarios import RequestStep, Users
from servescope.scenarios.checks import check_scenario
from servescope.scenarios.placeholders import Place, Template

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from servescope.load.targets import Target
    from servescope.records.listeners import ListenerStatus
    from servescope.records.load import LoadPlan
    from servescope.records.scenarios import Scenario


def check(
    plan: LoadPlan,
    statuses: Sequence[ListenerStatus],
    max_rate: float,
    max_seconds: float,
    load_hosts: Collection[str] = (),
) -> Target:
    """Where the plan leads, when it may run.

    `statuses` are the listeners hosted here, `load_hosts` the origins that the operator named;
    `max_rate` in requests per second. Raises LoadRefusedError with a sentence that names what is
    wrong and what is allowed.
    """
    target = target_of(plan, statuses, load_hosts)
    check_scenario(plan.scenario, max_rate, max_seconds)
    check_carried_out(plan.scenario)
    return target


def check_carried_out(scenario: Scenario) -> None:
    """Raise LoadRefusedError for a sound scenario that the generator cannot carry out yet."""
    if isinstance(scenario.schedule, Users):
        raise LoadRefusedError("the closed model cannot be run yet")
    steps = [step for flow in scenario.flows for step in flow.steps]
    first = steps[0]
    is_known = isinstance(first, RequestStep) and first == RequestStep(target=first.target)
    if len(steps) > 1 or not is_known or Template(first.target, Place.TARGET).names:
        raise LoadRefusedError("a run sends GET to one path so far: no headers, no placeholders")

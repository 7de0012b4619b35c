"""The search for a capacity: the one that is shown, and what its steps say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servescope.records.capacity import FIRST_RATE, QUANTILE
from servescope.statistics.capacity_models import fit_models
from servescope.statistics.capacity_search import CapacitySearch, SearchBounds
from servescope.statistics.capacity_steps import Judgement, Objective, StepResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.queries.context import QueryContext
    from servescope.records.capacity import CapacityPlan, SearchedCapacity
    from servescope.statistics.capacity_models import ModelChoice


def newest_search(context: QueryContext) -> SearchedCapacity | None:
    """The search that is under way, or the last one."""
    control = context.process.control
    return context.process.snapshots.get("capacity search", control.capacity_searches.newest)


def active_search(context: QueryContext) -> SearchedCapacity | None:
    """The search that is asked for or under way."""
    found = newest_search(context)
    return None if found is None or found.is_over else found


def search_of(plan: CapacityPlan) -> CapacitySearch:
    """The search that a plan describes, before its first step."""
    return CapacitySearch(
        Objective(plan.latency_limit_s, QUANTILE, plan.error_limit),
        SearchBounds(
            min(FIRST_RATE, plan.most_rate),
            plan.most_rate,
            step_s=plan.step_s,
            total_s=plan.total_s,
        ),
        plan.seed,
    )


def resumed(searched: SearchedCapacity) -> CapacitySearch:
    """The search as its steps have left it."""
    search = search_of(searched.plan)
    for step in searched.steps:
        search.add(StepResult.from_json(step))
    return search


def models_of(steps: Sequence[StepResult], objective: Objective) -> ModelChoice | None:
    """The models fitted to the steps that say something of the server; None of too few."""
    usable = [
        step
        for step in steps
        if step.judge(objective) is not Judgement.USELESS and step.concurrency > 0
    ]
    concurrency = [step.concurrency for step in usable]
    answered = [step.throughput for step in usable]
    return fit_models(concurrency, answered)

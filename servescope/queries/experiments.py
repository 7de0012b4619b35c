"""The experiments of chapters that the store has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.records.experiments import Experiment


def one(context: QueryContext, number: int) -> Experiment | None:
    """The experiment of this number; None when there is none, or it is no number of one."""
    control = context.process.control
    return context.process.snapshots.get(
        ("experiment", number), lambda: control.experiments.by_id(number)
    )


def active_experiment(context: QueryContext) -> Experiment | None:
    """The experiment that is asked for or under way."""
    control = context.process.control
    return context.process.snapshots.get("experiment", control.experiments.active)

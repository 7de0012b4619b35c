"""Rows of the experiments of chapters: what a person asked for, its state, what was measured."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from servescope.control.task_rows import TaskRows, TaskTable
from servescope.records.experiments import Experiment, ExperimentPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servescope.records.load import RunState
    from servescope.store.sqlite.database import Database


def _experiment(number: int, plan: dict[str, Any], *rest: Any) -> Experiment:
    guess = plan.pop("guess")
    guessed = tuple(guess) if isinstance(guess, list) else guess
    return Experiment(number, ExperimentPlan(guess=guessed, **plan), *rest)


_TABLE: Final = TaskTable("experiment", "experiment", ("measured",), _experiment)


class Experiments(TaskRows[Experiment]):
    """The experiments of a store."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _TABLE)

    def request(self, plan: ExperimentPlan, now_s: float) -> Experiment:
        """Ask for an experiment. Raises LoadRefusedError while any load goes on."""
        return self._insert(asdict(plan), now_s)

    def end(
        self,
        number: int,
        state: RunState,
        now_s: float,
        message: str = "",
        *,
        measured: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the terminal state of an experiment together with what it measured."""
        ended = {"state": state, "ended_s": now_s, "message": message}
        self._update(number, ended | {"measured": json.dumps(measured or {})})

"""Rows of the searches for a capacity: the plan that a person asked for, its state, its steps."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from servescope.control.task_rows import TaskRows, TaskTable
from servescope.records.capacity import CapacityPlan, SearchedCapacity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servescope.records.load import RunState
    from servescope.store.sqlite.database import Database

_NO_STEP: Final = "{}"


def _search(
    number: int,
    plan: Mapping[str, Any],
    state: RunState,
    requested_s: float,
    started_s: float | None,
    ended_s: float | None,
    steps: Sequence[dict[str, Any]],
    *rest: Any,
) -> SearchedCapacity:
    read = CapacityPlan.from_json(plan)
    return SearchedCapacity(
        number, read, state, requested_s, started_s, ended_s, tuple(steps), *rest
    )


_TABLE: Final = TaskTable(
    "capacity_search", "search for a capacity", ("steps", "step", "evidence"), _search
)


class CapacitySearches(TaskRows[SearchedCapacity]):
    """The searches of a store."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _TABLE)

    def request(self, plan: CapacityPlan, now_s: float) -> SearchedCapacity:
        """Ask for a search. Raises LoadRefusedError while any load goes on."""
        return self._insert(asdict(plan), now_s)

    def write_step(self, search_id: int, step: Mapping[str, Any]) -> None:
        """Write which step is under way; an empty one: none is."""
        self._update(search_id, {"step": json.dumps(step)})

    def write_steps(
        self, search_id: int, steps: Sequence[Mapping[str, Any]], evidence: Mapping[str, Any]
    ) -> None:
        """Replace the results of all steps, and the readings of those at the edge."""
        columns = {"steps": json.dumps(list(steps)), "evidence": json.dumps(evidence)}
        self._update(search_id, columns)

    def end(self, number: int, state: RunState, now_s: float, message: str = "") -> None:
        """Write the terminal state of a search: no step of it is under way any more."""
        ended = {"state": state, "ended_s": now_s, "message": message, "step": _NO_STEP}
        self._update(number, ended)

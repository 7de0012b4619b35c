"""Rows of the verdicts between two sides: the plan that a person asked for, state, result."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from servescope.control.task_rows import TaskRows, TaskTable
from servescope.records.verdicts import RequestedVerdict, VerdictPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servescope.store.sqlite.database import Database


def _verdict(number: int, plan: Mapping[str, Any], *rest: Any) -> RequestedVerdict:
    return RequestedVerdict(number, VerdictPlan.from_json(plan), *rest)


_TABLE: Final = TaskTable("verdict", "verdict", ("result",), _verdict)


class Verdicts(TaskRows[RequestedVerdict]):
    """The verdicts of a store."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _TABLE)

    def request(self, plan: VerdictPlan, now_s: float) -> RequestedVerdict:
        """Ask for a verdict. Raises LoadRefusedError while any load goes on."""
        return self._insert(plan.to_json(), now_s)

    def write_result(self, verdict_id: int, result: Mapping[str, Any]) -> None:
        """Replace the result of the pairs so far."""
        self._update(verdict_id, {"result": json.dumps(result)})

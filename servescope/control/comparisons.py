"""Rows of the comparisons: the plan that a person asked for, its state, its contenders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from servescope.control.task_rows import TaskRows, TaskTable
from servescope.records.comparisons import Comparison, ComparisonPlan, Contender

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servescope.records.load import RunState
    from servescope.store.sqlite.database import Database


def _comparison(
    number: int,
    plan: Mapping[str, Any],
    state: RunState,
    requested_s: float,
    started_s: float | None,
    ended_s: float | None,
    contenders: Sequence[Mapping[str, Any]],
    message: str,
) -> Comparison:
    return Comparison(
        number,
        ComparisonPlan.from_json(plan),
        state,
        requested_s,
        started_s,
        ended_s,
        tuple(map(Contender.from_json, contenders)),
        message,
    )


_TABLE: Final = TaskTable("comparison", "comparison", ("contenders",), _comparison)


class Comparisons(TaskRows[Comparison]):
    """The comparisons of a store."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, _TABLE)

    def request(self, plan: ComparisonPlan, now_s: float) -> Comparison:
        """Ask for a comparison. Raises LoadRefusedError while any load goes on."""
        contenders = [
            Contender(
                one.model,
                plan.app_of(one),
                "" if one.model else one.label,
                is_named_host=one.host is not None,
            )
            for one in plan.targets
        ]
        return self._insert(plan.to_json(), now_s, contenders=_text(contenders), message="")

    def write_contenders(self, comparison_id: int, contenders: Sequence[Contender]) -> None:
        """Replace the parts of all contenders."""
        self._update(comparison_id, {"contenders": _text(contenders)})


def _text(contenders: Sequence[Contender]) -> str:
    return json.dumps([one.to_json() for one in contenders])

"""Rows of the comparisons: what was asked for, how it stands, what came of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from servescope.comparison import Comparison, ComparisonPlan, Contender
from servescope.records import RunState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_ROW: Final = (
    "SELECT id, plan, state, requested_s, started_s, ended_s, contenders, message FROM comparison"
)
_OPEN: Final = (RunState.REQUESTED, RunState.RUNNING, RunState.STOPPING)


def add(connection: sqlite3.Connection, plan: ComparisonPlan, now_s: float) -> int:
    """Ask for a comparison; its id."""
    contenders = [Contender(model, plan.app_of(model)) for model in plan.models]
    return int(
        connection.execute(
            "INSERT INTO comparison (plan, state, requested_s, contenders, message)"
            " VALUES (?, ?, ?, ?, '')",
            (json.dumps(asdict(plan)), RunState.REQUESTED, now_s, _text(contenders)),
        ).lastrowid
        or 0
    )


def by_id(connection: sqlite3.Connection, comparison_id: int) -> Comparison | None:
    """One comparison, None when there is none of this id."""
    row = connection.execute(f"{_ROW} WHERE id = ?", (comparison_id,)).fetchone()
    return None if row is None else _comparison(row)


def newest(connection: sqlite3.Connection, limit: int) -> list[Comparison]:
    """The newest, newest first."""
    rows = connection.execute(f"{_ROW} ORDER BY id DESC LIMIT ?", (limit,))
    return [_comparison(row) for row in rows]


def active(connection: sqlite3.Connection) -> Comparison | None:
    """The one that is not over yet; there is one at most."""
    row = connection.execute(
        f"{_ROW} WHERE state IN (?, ?, ?) ORDER BY id LIMIT 1", _OPEN
    ).fetchone()
    return None if row is None else _comparison(row)


def stop(connection: sqlite3.Connection, comparison_id: int) -> None:
    """Ask for the end of one that is not over."""
    connection.execute(
        "UPDATE comparison SET state = ? WHERE id = ? AND state IN (?, ?)",
        (RunState.STOPPING, comparison_id, RunState.REQUESTED, RunState.RUNNING),
    )


def begin(connection: sqlite3.Connection, comparison_id: int, now_s: float) -> None:
    """It is under way, unless its stop was asked for meanwhile."""
    connection.execute(
        "UPDATE comparison SET started_s = ?1,"
        " state = CASE state WHEN ?2 THEN ?3 ELSE state END WHERE id = ?4",
        (now_s, RunState.REQUESTED, RunState.RUNNING, comparison_id),
    )


def tell(
    connection: sqlite3.Connection, comparison_id: int, contenders: Sequence[Contender]
) -> None:
    """How its contenders stand."""
    connection.execute(
        "UPDATE comparison SET contenders = ? WHERE id = ?", (_text(contenders), comparison_id)
    )


def end(
    connection: sqlite3.Connection,
    comparison_id: int,
    state: RunState,
    now_s: float,
    message: str,
) -> None:
    """It is over."""
    connection.execute(
        "UPDATE comparison SET state = ?, ended_s = ?, message = ? WHERE id = ?",
        (state, now_s, message, comparison_id),
    )


def _text(contenders: Sequence[Contender]) -> str:
    return json.dumps([one.to_json() for one in contenders])


def _comparison(row: tuple[Any, ...]) -> Comparison:
    comparison_id, plan, state, requested_s, started_s, ended_s, contenders, message = row
    return Comparison(
        comparison_id,
        ComparisonPlan.from_json(json.loads(plan)),
        RunState(state),
        requested_s,
        started_s,
        ended_s,
        tuple(Contender.from_json(one) for one in json.loads(contenders)),
        message,
    )

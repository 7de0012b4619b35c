"""Rows of the comparisons: the plan that a person asked for, its state, its contenders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from servescope.control.admission import NOT_OVER, TERMINAL, refuse_beside_other_load
from servescope.errors import LoadRefusedError
from servescope.records.comparisons import Comparison, ComparisonPlan, Contender
from servescope.records.load import RunState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from servescope.store.sqlite.database import Database

_SELECT: Final = (
    "SELECT id, plan, state, requested_s, started_s, ended_s, contenders, message FROM comparison"
)


class Comparisons:
    """The comparisons of a store, in the order in which they were asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def request(self, plan: ComparisonPlan, now_s: float) -> Comparison:
        """Ask for a comparison. Raises LoadRefusedError while any load goes on."""
        contenders = [Contender(one.model, plan.app_of(one), one.standing) for one in plan.targets]

        def insert(connection: sqlite3.Connection) -> Comparison:
            refuse_beside_other_load(connection)
            comparison_id = connection.execute(
                "INSERT INTO comparison (plan, state, requested_s, contenders, message)"
                " VALUES (?, ?, ?, ?, '')",
                (json.dumps(plan.to_json()), RunState.REQUESTED, now_s, _text(contenders)),
            ).lastrowid
            return _expect(connection, comparison_id or 0)

        return self._database.write(insert)

    def request_stop(self, comparison_id: int) -> Comparison:
        """Ask for the end of a comparison; one that is over stays as it is.

        Raises LoadRefusedError when there is no such comparison.
        """

        def change(connection: sqlite3.Connection) -> Comparison:
            connection.execute(
                f"UPDATE comparison SET state = ? WHERE id = ? AND {NOT_OVER}",  # noqa: S608 - our own text
                (RunState.STOPPING, comparison_id, *TERMINAL),
            )
            return _expect(connection, comparison_id)

        return self._database.write(change)

    def by_id(self, comparison_id: int) -> Comparison | None:
        """One comparison, None when there is none of this id."""
        return self._database.read(lambda connection: _by_id(connection, comparison_id))

    def newest(self, limit: int) -> list[Comparison]:
        """At most `limit` comparisons, newest first."""
        return self._database.read(
            lambda connection: [
                _comparison(row)
                for row in connection.execute(f"{_SELECT} ORDER BY id DESC LIMIT ?", (limit,))
            ]
        )

    def active(self) -> Comparison | None:
        """The comparison that is not over yet; there is one at most."""
        row = self._database.read(
            lambda connection: connection.execute(
                f"{_SELECT} WHERE {NOT_OVER} ORDER BY id LIMIT 1", TERMINAL
            ).fetchone()
        )
        return None if row is None else _comparison(row)

    def begin(self, comparison_id: int, now_s: float) -> None:
        """Write that a comparison is under way; one whose stop was asked for keeps that state."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE comparison SET started_s = ?,"
                " state = CASE state WHEN ? THEN ? ELSE state END WHERE id = ?",
                (now_s, RunState.REQUESTED, RunState.RUNNING, comparison_id),
            )
        )

    def write_contenders(self, comparison_id: int, contenders: Sequence[Contender]) -> None:
        """Replace the parts of all contenders."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE comparison SET contenders = ? WHERE id = ?",
                (_text(contenders), comparison_id),
            )
        )

    def end(self, comparison_id: int, state: RunState, now_s: float, message: str = "") -> None:
        """Write the terminal state of a comparison."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE comparison SET state = ?, ended_s = ?, message = ? WHERE id = ?",
                (state, now_s, message, comparison_id),
            )
        )


def _text(contenders: Sequence[Contender]) -> str:
    return json.dumps([one.to_json() for one in contenders])


def _by_id(connection: sqlite3.Connection, comparison_id: int) -> Comparison | None:
    row = connection.execute(f"{_SELECT} WHERE id = ?", (comparison_id,)).fetchone()
    return None if row is None else _comparison(row)


def _expect(connection: sqlite3.Connection, comparison_id: int) -> Comparison:
    comparison = _by_id(connection, comparison_id)
    if comparison is None:
        raise LoadRefusedError(f"there is no comparison {comparison_id}")
    return comparison


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

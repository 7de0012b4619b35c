"""Rows of the verdicts between two listeners: the plan that a person asked for, state, result."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from servescope.control.admission import NOT_OVER, TERMINAL, refuse_beside_other_load
from servescope.errors import LoadRefusedError
from servescope.records.load import RunState
from servescope.records.verdicts import RequestedVerdict, VerdictPlan

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from servescope.store.sqlite.database import Database

_SELECT: Final = (
    "SELECT id, plan, state, requested_s, started_s, ended_s, result, message FROM verdict"
)


class Verdicts:
    """The verdicts of a store, in the order in which they were asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def request(self, plan: VerdictPlan, now_s: float) -> RequestedVerdict:
        """Ask for a verdict. Raises LoadRefusedError while any load goes on."""

        def insert(connection: sqlite3.Connection) -> RequestedVerdict:
            refuse_beside_other_load(connection)
            verdict_id = connection.execute(
                "INSERT INTO verdict (plan, state, requested_s) VALUES (?, ?, ?)",
                (json.dumps(plan.to_json()), RunState.REQUESTED, now_s),
            ).lastrowid
            return _expect(connection, verdict_id or 0)

        return self._database.write(insert)

    def request_stop(self, verdict_id: int) -> RequestedVerdict:
        """Ask for the end of a verdict; one that is over stays as it is.

        Raises LoadRefusedError when there is no such verdict.
        """

        def change(connection: sqlite3.Connection) -> RequestedVerdict:
            connection.execute(
                f"UPDATE verdict SET state = ? WHERE id = ? AND {NOT_OVER}",  # noqa: S608 - our own text
                (RunState.STOPPING, verdict_id, *TERMINAL),
            )
            return _expect(connection, verdict_id)

        return self._database.write(change)

    def by_id(self, verdict_id: int) -> RequestedVerdict | None:
        """One verdict, None when there is none of this id."""
        return self._database.read(lambda connection: _by_id(connection, verdict_id))

    def newest(self) -> RequestedVerdict | None:
        """The last one that was asked for."""
        return self._first("ORDER BY id DESC")

    def active(self) -> RequestedVerdict | None:
        """The verdict that is not over yet; there is one at most."""
        return self._first(f"WHERE {NOT_OVER} ORDER BY id", TERMINAL)

    def begin(self, verdict_id: int, now_s: float) -> None:
        """Write that it is under way; one whose stop was asked for keeps that state."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE verdict SET started_s = ?,"
                " state = CASE state WHEN ? THEN ? ELSE state END WHERE id = ?",
                (now_s, RunState.REQUESTED, RunState.RUNNING, verdict_id),
            )
        )

    def write_result(self, verdict_id: int, result: Mapping[str, Any]) -> None:
        """Replace the result of the pairs so far."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE verdict SET result = ? WHERE id = ?", (json.dumps(result), verdict_id)
            )
        )

    def end(self, verdict_id: int, state: RunState, now_s: float, message: str = "") -> None:
        """Write the terminal state of a verdict."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE verdict SET state = ?, ended_s = ?, message = ? WHERE id = ?",
                (state, now_s, message, verdict_id),
            )
        )

    def _first(self, rest: str, values: tuple[str, ...] = ()) -> RequestedVerdict | None:
        row = self._database.read(
            lambda connection: connection.execute(f"{_SELECT} {rest} LIMIT 1", values).fetchone()
        )
        return None if row is None else _verdict(row)


def _by_id(connection: sqlite3.Connection, verdict_id: int) -> RequestedVerdict | None:
    row = connection.execute(f"{_SELECT} WHERE id = ?", (verdict_id,)).fetchone()
    return None if row is None else _verdict(row)


def _expect(connection: sqlite3.Connection, verdict_id: int) -> RequestedVerdict:
    found = _by_id(connection, verdict_id)
    if found is None:
        raise LoadRefusedError(f"there is no verdict {verdict_id}")
    return found


def _verdict(row: tuple[Any, ...]) -> RequestedVerdict:
    verdict_id, plan, state, requested_s, started_s, ended_s, result, message = row
    return RequestedVerdict(
        verdict_id,
        VerdictPlan.from_json(json.loads(plan)),
        RunState(state),
        requested_s,
        started_s,
        ended_s,
        json.loads(result),
        message,
    )

"""Rows of the searches for a capacity: the plan that a person asked for, its state, its steps."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from servescope.control.admission import NOT_OVER, TERMINAL, refuse_beside_other_load
from servescope.errors import LoadRefusedError
from servescope.records.capacity import CapacityPlan, SearchedCapacity
from servescope.records.load import RunState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from servescope.store.sqlite.database import Database

_SELECT: Final = (
    "SELECT id, plan, state, requested_s, started_s, ended_s, steps, step, evidence, message"
    " FROM capacity_search"
)


class CapacitySearches:
    """The searches of a store, in the order in which they were asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def request(self, plan: CapacityPlan, now_s: float) -> SearchedCapacity:
        """Ask for a search. Raises LoadRefusedError while any load goes on."""

        def insert(connection: sqlite3.Connection) -> SearchedCapacity:
            refuse_beside_other_load(connection)
            search_id = connection.execute(
                "INSERT INTO capacity_search (plan, state, requested_s) VALUES (?, ?, ?)",
                (json.dumps(asdict(plan)), RunState.REQUESTED, now_s),
            ).lastrowid
            return _expect(connection, search_id or 0)

        return self._database.write(insert)

    def request_stop(self, search_id: int) -> SearchedCapacity:
        """Ask for the end of a search; one that is over stays as it is.

        Raises LoadRefusedError when there is no such search.
        """

        def change(connection: sqlite3.Connection) -> SearchedCapacity:
            connection.execute(
                f"UPDATE capacity_search SET state = ? WHERE id = ? AND {NOT_OVER}",  # noqa: S608 - our own text
                (RunState.STOPPING, search_id, *TERMINAL),
            )
            return _expect(connection, search_id)

        return self._database.write(change)

    def by_id(self, search_id: int) -> SearchedCapacity | None:
        """One search, None when there is none of this id."""
        return self._database.read(lambda connection: _by_id(connection, search_id))

    def newest(self) -> SearchedCapacity | None:
        """The last one that was asked for."""
        row = self._database.read(
            lambda connection: connection.execute(f"{_SELECT} ORDER BY id DESC LIMIT 1").fetchone()
        )
        return None if row is None else _search(row)

    def active(self) -> SearchedCapacity | None:
        """The search that is not over yet; there is one at most."""
        row = self._database.read(
            lambda connection: connection.execute(
                f"{_SELECT} WHERE {NOT_OVER} ORDER BY id LIMIT 1", TERMINAL
            ).fetchone()
        )
        return None if row is None else _search(row)

    def begin(self, search_id: int, now_s: float) -> None:
        """Write that a search is under way; one whose stop was asked for keeps that state."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE capacity_search SET started_s = ?,"
                " state = CASE state WHEN ? THEN ? ELSE state END WHERE id = ?",
                (now_s, RunState.REQUESTED, RunState.RUNNING, search_id),
            )
        )

    def write_step(self, search_id: int, step: Mapping[str, Any]) -> None:
        """Write which step is under way; an empty one: none is."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE capacity_search SET step = ? WHERE id = ?", (json.dumps(step), search_id)
            )
        )

    def write_steps(
        self, search_id: int, steps: Sequence[Mapping[str, Any]], evidence: Mapping[str, Any]
    ) -> None:
        """Replace the results of all steps, and the readings of those at the edge."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE capacity_search SET steps = ?, evidence = ? WHERE id = ?",
                (json.dumps(list(steps)), json.dumps(evidence), search_id),
            )
        )

    def end(self, search_id: int, state: RunState, now_s: float, message: str = "") -> None:
        """Write the terminal state of a search."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE capacity_search SET state = ?, ended_s = ?, message = ?, step = '{}'"
                " WHERE id = ?",
                (state, now_s, message, search_id),
            )
        )


def _by_id(connection: sqlite3.Connection, search_id: int) -> SearchedCapacity | None:
    row = connection.execute(f"{_SELECT} WHERE id = ?", (search_id,)).fetchone()
    return None if row is None else _search(row)


def _expect(connection: sqlite3.Connection, search_id: int) -> SearchedCapacity:
    search = _by_id(connection, search_id)
    if search is None:
        raise LoadRefusedError(f"there is no search for a capacity {search_id}")
    return search


def _search(row: tuple[Any, ...]) -> SearchedCapacity:
    search_id, plan, state, requested_s, started_s, ended_s, steps, step, evidence, message = row
    return SearchedCapacity(
        search_id,
        CapacityPlan.from_json(json.loads(plan)),
        RunState(state),
        requested_s,
        started_s,
        ended_s,
        tuple(json.loads(steps)),
        json.loads(step),
        json.loads(evidence),
        message,
    )

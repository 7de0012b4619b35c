"""Rows of the load runs: the plan that a person asked for, its state, progress and result."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from servescope.control.admission import NOT_OVER, TERMINAL, refuse_beside_other_load
from servescope.errors import LoadRefusedError
from servescope.records.load import TERMINAL_STATES, LoadPlan, LoadRun, RunState
from servescope.records.run_environment import RunEnvironment
from servescope.records.run_origin import RunOrigin

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from servescope.control.run_search import RunSearch
    from servescope.store.sqlite.database import Database

NEXT_STATES: Final[dict[RunState, frozenset[RunState]]] = {
    RunState.REQUESTED: frozenset(
        {RunState.RUNNING, RunState.STOPPING, RunState.STOPPED, RunState.FAILED}
    ),
    RunState.RUNNING: frozenset(
        {RunState.STOPPING, RunState.DONE, RunState.STOPPED, RunState.FAILED}
    ),
    RunState.STOPPING: frozenset({RunState.DONE, RunState.STOPPED, RunState.FAILED}),
    RunState.DONE: frozenset(),
    RunState.STOPPED: frozenset(),
    RunState.FAILED: frozenset(),
}
"""Where a load run may go from each state; the terminal states lead nowhere."""

_SELECT: Final = (
    "SELECT id, plan, state, requested_s, started_s, ended_s, progress, result, message,"
    " name, note, tags, environment, origin FROM load_run"
)


class LoadRuns:
    """The load runs of a store, in the order in which they were asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def request(self, plan: LoadPlan, now_s: float) -> LoadRun:
        """Ask for a load run.

        Raises LoadRefusedError while another one goes on, unless both are of one comparison.
        """

        def insert(connection: sqlite3.Connection) -> LoadRun:
            refuse_beside_other_load(connection, plan.comparison)
            run_id = connection.execute(
                "INSERT INTO load_run (plan, state, requested_s, progress, result, message)"
                " VALUES (?, ?, ?, '{}', '{}', '')",
                (json.dumps(plan.to_json()), RunState.REQUESTED, now_s),
            ).lastrowid
            return _expect(connection, run_id or 0)

        return self._database.write(insert)

    def request_stop(self, run_id: int) -> LoadRun:
        """Ask for the end of a run; a run that is over stays as it is.

        Raises LoadRefusedError when there is no such run.
        """
        return self.update(run_id, state=RunState.STOPPING)

    def describe(self, run_id: int, name: str, note: str, tags: Sequence[str]) -> LoadRun:
        """Keep a person's words about a run. Raises LoadRefusedError when there is no such run."""

        def change(connection: sqlite3.Connection) -> LoadRun:
            _expect(connection, run_id)
            connection.execute(
                "UPDATE load_run SET name = ?, note = ?, tags = ? WHERE id = ?",
                (name, note, json.dumps(list(tags), ensure_ascii=False), run_id),
            )
            return _expect(connection, run_id)

        return self._database.write(change)

    def delete(self, run_id: int) -> LoadRun:
        """Delete a run that is over, and return what it was; no other run gets its id.

        Raises LoadRefusedError when there is no such run, and while it goes on.
        """

        def change(connection: sqlite3.Connection) -> LoadRun:
            run = _expect(connection, run_id)
            if run.state not in TERMINAL_STATES:
                raise LoadRefusedError(
                    f"load run {run_id} is {run.state}: stop it before it is deleted"
                )
            connection.execute("DELETE FROM load_run WHERE id = ?", (run_id,))
            return run

        return self._database.write(change)

    def search(self, search: RunSearch, limit: int, offset: int = 0) -> tuple[list[LoadRun], int]:
        """At most `limit` of the runs that match, from `offset` on, and how many match in all."""
        where, parameters = search.condition()

        def find(connection: sqlite3.Connection) -> tuple[list[LoadRun], int]:
            counted = connection.execute(
                f"SELECT count(*) FROM load_run WHERE {where}",  # noqa: S608 - our own text
                parameters,
            ).fetchone()[0]
            rows = connection.execute(
                f"{_SELECT} WHERE {where} ORDER BY {search.order_by} LIMIT ? OFFSET ?",
                (*parameters, limit, offset),
            )
            return [_run(row) for row in rows], counted

        return self._database.read(find)

    def newest_id(self) -> int:
        """The highest id that a run ever had, whether or not it is still there; 0 before any."""
        row = self._database.read(
            lambda connection: connection.execute(
                "SELECT seq FROM sqlite_sequence WHERE name = 'load_run'"
            ).fetchone()
        )
        return int(row[0]) if row else 0

    def add_imported(self, run: LoadRun, origin: RunOrigin) -> LoadRun:
        """Add a run that was measured elsewhere, under a number of its own here.

        Raises LoadRefusedError when it is here already.
        """

        def insert(connection: sqlite3.Connection) -> LoadRun:
            _refuse_known(connection, origin)
            run_id = connection.execute(
                "INSERT INTO load_run (plan, state, requested_s, started_s, ended_s, progress,"
                " result, message, name, note, tags, environment, origin)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    json.dumps(run.plan.to_json()),
                    run.state,
                    run.requested_s,
                    run.started_s,
                    run.ended_s,
                    json.dumps(run.progress),
                    json.dumps(run.result),
                    run.message,
                    run.name,
                    run.note,
                    json.dumps(list(run.tags), ensure_ascii=False),
                    json.dumps({} if run.environment is None else run.environment.to_json()),
                    json.dumps(origin.to_json()),
                ),
            ).lastrowid
            return _expect(connection, run_id or 0)

        return self._database.write(insert)

    def refuse_known(self, origin: RunOrigin) -> None:
        """Raise LoadRefusedError when this run was imported before."""
        self._database.read(lambda connection: _refuse_known(connection, origin))

    def newest(self, limit: int) -> list[LoadRun]:
        """At most `limit` runs, newest first."""
        return self._database.read(
            lambda connection: [
                _run(row)
                for row in connection.execute(f"{_SELECT} ORDER BY id DESC LIMIT ?", (limit,))
            ]
        )

    def between(self, start_s: float, end_s: float, limit: int) -> list[LoadRun]:
        """At most `limit` runs that touch `[start_s, end_s)`, in epoch seconds, newest first.

        Those that were measured elsewhere are left out.
        """
        return self._database.read(
            lambda connection: [
                _run(row)
                for row in connection.execute(
                    f"{_SELECT} WHERE started_s < ? AND (ended_s IS NULL OR ended_s > ?)"
                    " AND origin = ''"
                    " ORDER BY id DESC LIMIT ?",
                    (end_s, start_s, limit),
                )
            ]
        )

    def by_id(self, run_id: int) -> LoadRun | None:
        """One run, None when there is none of this id."""
        return self._database.read(lambda connection: _by_id(connection, run_id))

    def active(self) -> LoadRun | None:
        """The run that is not over yet; of a comparison the first one."""
        return next(iter(self.all_active()), None)

    def all_active(self) -> list[LoadRun]:
        """The runs that are not over yet; several only in a comparison of models at once."""
        return self._database.read(
            lambda connection: [
                _run(row)
                for row in connection.execute(f"{_SELECT} WHERE {NOT_OVER} ORDER BY id", TERMINAL)
            ]
        )

    def update(
        self,
        run_id: int,
        *,
        state: RunState | None = None,
        started_s: float | None = None,
        ended_s: float | None = None,
        progress: dict[str, Any] | None = None,
        result: dict[str, Any] | None = None,
        message: str | None = None,
        environment: RunEnvironment | None = None,
    ) -> LoadRun:
        """Write what became of a run; None leaves a value. Return the run as it is now.

        A state that NEXT_STATES does not allow is passed over: a request for a stop in the
        meantime keeps it. Progress alone is no news to `Store.version`: the next second's frame is,
        and with it everybody sees both. Raises LoadRefusedError when there is no such run.
        """

        def change(connection: sqlite3.Connection) -> LoadRun:
            run = _expect(connection, run_id)
            moved = state is not None and state in NEXT_STATES[run.state]
            values = {
                "state": state if moved else None,
                "started_s": started_s,
                "ended_s": ended_s,
                "progress": None if progress is None else json.dumps(progress),
                "result": None if result is None else json.dumps(result),
                "message": message,
                "environment": None if environment is None else json.dumps(environment.to_json()),
            }
            known = {name: value for name, value in values.items() if value is not None}
            if known:
                columns = ", ".join(f"{name} = ?" for name in known)
                connection.execute(
                    f"UPDATE load_run SET {columns} WHERE id = ?",  # noqa: S608 - our own names
                    (*known.values(), run_id),
                )
            return _expect(connection, run_id)

        others = (state, started_s, ended_s, result, message, environment)
        return self._database.write(change, news=any(value is not None for value in others))


def _refuse_known(connection: sqlite3.Connection, origin: RunOrigin) -> None:
    """Raise LoadRefusedError when this run was imported before."""
    known = connection.execute(
        "SELECT id FROM load_run WHERE origin <> '' AND json_extract(origin, '$.folder') = ?",
        (origin.folder,),
    ).fetchone()
    if known is not None:
        raise LoadRefusedError(f"{origin.label} is here already, as load run {known[0]}")


def _run(row: tuple[Any, ...]) -> LoadRun:
    run_id, plan, state, requested_s, started_s, ended_s, progress, result, message, *words = row
    name, note, tags, environment, origin = words
    surroundings = json.loads(environment)
    return LoadRun(
        run_id,
        LoadPlan.from_json(json.loads(plan)),
        RunState(state),
        requested_s,
        started_s,
        ended_s,
        json.loads(progress),
        json.loads(result),
        message,
        name,
        note,
        tuple(json.loads(tags)),
        RunEnvironment.from_json(surroundings) if surroundings else None,
        RunOrigin.from_json(json.loads(origin)) if origin else None,
    )


def _by_id(connection: sqlite3.Connection, run_id: int) -> LoadRun | None:
    row = connection.execute(f"{_SELECT} WHERE id = ?", (run_id,)).fetchone()
    return None if row is None else _run(row)


def _expect(connection: sqlite3.Connection, run_id: int) -> LoadRun:
    run = _by_id(connection, run_id)
    if run is None:
        raise LoadRefusedError(f"there is no load run {run_id}")
    return run

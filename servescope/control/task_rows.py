"""Rows of the tasks that the leader carries out one at a time, whatever their kind.

A comparison, a search for a capacity, a verdict and an experiment have the same life: a person asks
for one with a plan, the leader begins it and writes what was measured, and it ends, maybe since a
person stopped it. They differ in the columns of what was measured.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from servescope.control.admission import NOT_OVER, TERMINAL, refuse_beside_other_load
from servescope.errors import LoadRefusedError
from servescope.records.load import RunState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from servescope.store.sqlite.database import Database

AnyTask = TypeVar("AnyTask")

_LIFE: Final = ("id", "plan", "state", "requested_s", "started_s", "ended_s")


@dataclass(frozen=True, slots=True)
class TaskTable(Generic[AnyTask]):
    """A table of tasks: beside the columns of their life it has those of what was `measured`.

    `noun` names a task in a refusal. `read` makes one of id, plan, state, times, the measured
    columns and the message; all but the message are decoded from their JSON.
    """

    name: str
    noun: str
    measured: tuple[str, ...]
    read: Callable[..., AnyTask]

    @property
    def select(self) -> str:
        """The statement that reads rows, up to its conditions."""
        return f"SELECT {', '.join((*_LIFE, *self.measured, 'message'))} FROM {self.name}"  # noqa: S608 - our own text

    def task(self, row: tuple[Any, ...]) -> AnyTask:
        """The task of a row."""
        number, plan, state, *times = row[: len(_LIFE)]
        *measured, message = row[len(_LIFE) :]
        read = map(json.loads, measured)
        return self.read(number, json.loads(plan), RunState(state), *times, *read, message)


class TaskRows(Generic[AnyTask]):
    """The tasks of one table, in the order in which they were asked for."""

    def __init__(self, database: Database, table: TaskTable[AnyTask]) -> None:
        self._database = database
        self._table = table

    def request_stop(self, number: int) -> AnyTask:
        """Ask for the end of a task; one that is over stays as it is.

        Raises LoadRefusedError when there is none of this number.
        """

        def change(connection: sqlite3.Connection) -> AnyTask:
            connection.execute(
                f"UPDATE {self._table.name} SET state = ? WHERE id = ? AND {NOT_OVER}",  # noqa: S608 - our own text
                (RunState.STOPPING, number, *TERMINAL),
            )
            return self._expect(connection, number)

        return self._database.write(change)

    def by_id(self, number: int) -> AnyTask | None:
        """One task, None when there is none of this number."""
        return self._first("WHERE id = ?", (number,))

    def newest(self) -> AnyTask | None:
        """The last one that was asked for."""
        return self._first("ORDER BY id DESC")

    def newest_first(self, limit: int) -> list[AnyTask]:
        """At most `limit` tasks, newest first."""
        rows = self._database.read(
            lambda connection: connection.execute(
                f"{self._table.select} ORDER BY id DESC LIMIT ?", (limit,)
            ).fetchall()
        )
        return [self._table.task(row) for row in rows]

    def active(self) -> AnyTask | None:
        """The task that is not over yet; there is one at most."""
        return self._first(f"WHERE {NOT_OVER} ORDER BY id", TERMINAL)

    def begin(self, number: int, now_s: float) -> None:
        """Write that a task is under way; one whose stop was asked for keeps that state."""
        self._database.write(
            lambda connection: connection.execute(
                f"UPDATE {self._table.name} SET started_s = ?,"  # noqa: S608 - our own text
                " state = CASE state WHEN ? THEN ? ELSE state END WHERE id = ?",
                (now_s, RunState.REQUESTED, RunState.RUNNING, number),
            )
        )

    def end(self, number: int, state: RunState, now_s: float, message: str = "") -> None:
        """Write the terminal state of a task."""
        self._update(number, {"state": state, "ended_s": now_s, "message": message})

    def _insert(self, plan: Mapping[str, Any], now_s: float, **columns: str) -> AnyTask:
        """Ask for a task. Raises LoadRefusedError while any load goes on."""
        values = {
            "plan": json.dumps(plan),
            "state": RunState.REQUESTED,
            "requested_s": now_s,
            **columns,
        }
        names, marks = ", ".join(values), ", ".join("?" * len(values))

        def insert(connection: sqlite3.Connection) -> AnyTask:
            refuse_beside_other_load(connection)
            number = connection.execute(
                f"INSERT INTO {self._table.name} ({names}) VALUES ({marks})",  # noqa: S608 - our own text
                tuple(values.values()),
            ).lastrowid
            return self._expect(connection, number or 0)

        return self._database.write(insert)

    def _update(self, number: int, columns: Mapping[str, Any]) -> None:
        """Replace columns of a task."""
        assignments = ", ".join(f"{name} = ?" for name in columns)
        self._database.write(
            lambda connection: connection.execute(
                f"UPDATE {self._table.name} SET {assignments} WHERE id = ?",  # noqa: S608 - our own text
                (*columns.values(), number),
            )
        )

    def _first(self, rest: str, values: tuple[Any, ...] = ()) -> AnyTask | None:
        row = self._database.read(
            lambda connection: connection.execute(
                f"{self._table.select} {rest} LIMIT 1", values
            ).fetchone()
        )
        return None if row is None else self._table.task(row)

    def _expect(self, connection: sqlite3.Connection, number: int) -> AnyTask:
        row = connection.execute(f"{self._table.select} WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise LoadRefusedError(f"there is no {self._table.noun} {number}")
        return self._table.task(row)

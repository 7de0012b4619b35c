"""Rows of the experiments of chapters: what a person asked for, its state, what was measured."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from servescope.control.admission import NOT_OVER, TERMINAL, refuse_beside_other_load
from servescope.records.experiments import Experiment, ExperimentPlan
from servescope.records.load import RunState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from servescope.store.sqlite.database import Database

_SELECT: Final = (
    "SELECT id, plan, state, requested_s, started_s, ended_s, measured, message FROM experiment"
)
_BY_ID: Final = f"{_SELECT} WHERE id = ?"
_ACTIVE: Final = f"{_SELECT} WHERE {NOT_OVER} ORDER BY id LIMIT 1"


class Experiments:
    """The experiments of a store, in the order in which they were asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def request(self, plan: ExperimentPlan, now_s: float) -> Experiment:
        """Ask for an experiment. Raises LoadRefusedError while any load goes on."""

        def insert(connection: sqlite3.Connection) -> Experiment:
            refuse_beside_other_load(connection)
            number = connection.execute(
                "INSERT INTO experiment (plan, state, requested_s) VALUES (?, ?, ?)",
                (json.dumps(asdict(plan)), RunState.REQUESTED, now_s),
            ).lastrowid
            row = connection.execute(_BY_ID, (number,)).fetchone()
            return _experiment(row)

        return self._database.write(insert)

    def by_id(self, number: int) -> Experiment | None:
        """One experiment, None when there is none of this id."""
        row = self._database.read(
            lambda connection: connection.execute(_BY_ID, (number,)).fetchone()
        )
        return None if row is None else _experiment(row)

    def active(self) -> Experiment | None:
        """The experiment that is not over yet; there is one at most."""
        row = self._database.read(
            lambda connection: connection.execute(_ACTIVE, TERMINAL).fetchone()
        )
        return None if row is None else _experiment(row)

    def begin(self, number: int, now_s: float) -> None:
        """Write that an experiment is under way."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE experiment SET started_s = ?, state = ? WHERE id = ?",
                (now_s, RunState.RUNNING, number),
            )
        )

    def end(
        self,
        number: int,
        state: RunState,
        now_s: float,
        *,
        measured: Mapping[str, Any] | None = None,
        message: str = "",
    ) -> None:
        """Write the terminal state of an experiment, and what it measured."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE experiment SET state = ?, ended_s = ?, measured = ?, message = ?"
                " WHERE id = ?",
                (state, now_s, json.dumps(measured or {}), message, number),
            )
        )


def _experiment(row: tuple[Any, ...]) -> Experiment:
    number, plan, state, requested_s, started_s, ended_s, measured, message = row
    return Experiment(
        number,
        _plan(json.loads(plan)),
        RunState(state),
        requested_s,
        started_s,
        ended_s,
        json.loads(measured),
        message,
    )


def _plan(fields: dict[str, Any]) -> ExperimentPlan:
    guess = fields.pop("guess")
    return ExperimentPlan(guess=tuple(guess) if isinstance(guess, list) else guess, **fields)

"""Admission control of load: one of its kinds at a time, or the runs of one comparison.

Asked within the transaction that adds a run, a comparison, a search, a verdict or an experiment, so
that of people who ask at once one is admitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.errors import LoadRefusedError
from servescope.records.experiments import WITHIN_S
from servescope.records.load import TERMINAL_STATES

if TYPE_CHECKING:
    import sqlite3

TERMINAL: Final = tuple(TERMINAL_STATES)
NOT_OVER: Final = f"state NOT IN ({', '.join('?' * len(TERMINAL))})"
"""The SQL condition that a row's load goes on; its parameters are TERMINAL."""

_STOP: Final = "stop it or wait for its end"
_REFUSALS: Final = {
    "capacity_search": f"search {{}} for a capacity is {{}}: {_STOP}",
    "verdict": f"verdict {{}} is {{}}: {_STOP}",
    "experiment": f"experiment {{}} is {{}}: wait for its end, {WITHIN_S:.0f} s at most",
}
"""Tables whose rows send load of their own, with the sentence for whoever asks meanwhile."""


def refuse_beside_other_load(connection: sqlite3.Connection, comparison_id: int = 0) -> None:
    """Raise LoadRefusedError while load goes on that is no part of this comparison (0: of none)."""
    comparisons = connection.execute(
        f"SELECT id, state FROM comparison WHERE {NOT_OVER} AND id <> ? ORDER BY id",  # noqa: S608 - our own text
        (*TERMINAL, comparison_id),
    )
    for number, state in comparisons:
        raise LoadRefusedError(f"comparison {number} is {state}: {_STOP}")
    for table, refusal in _REFUSALS.items():
        rows = connection.execute(
            f"SELECT id, state FROM {table} WHERE {NOT_OVER} ORDER BY id",  # noqa: S608 - our own text
            TERMINAL,
        )
        for row in rows:
            raise LoadRefusedError(refusal.format(*row))
    runs = connection.execute(
        f"SELECT id, state, coalesce(json_extract(plan, '$.comparison'), 0) FROM load_run"  # noqa: S608 - our own text
        f" WHERE {NOT_OVER} ORDER BY id",
        TERMINAL,
    )
    for number, state, comparison in runs:
        if not comparison_id or comparison != comparison_id:
            raise LoadRefusedError(f"load run {number} is {state}: {_STOP}")

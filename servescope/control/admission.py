"""Admission control of load: one run, search or experiment at a time, or one comparison's runs.

Asked within the transaction that adds one of them, so that of people who ask at once one is
admitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.errors import LoadRefusedError
from servescope.records.load import TERMINAL_STATES

if TYPE_CHECKING:
    import sqlite3

TERMINAL: Final = tuple(TERMINAL_STATES)
NOT_OVER: Final = f"state NOT IN ({', '.join('?' * len(TERMINAL))})"
"""The SQL condition that a run, a comparison or a search goes on; its parameters are TERMINAL."""


def refuse_beside_other_load(connection: sqlite3.Connection, comparison_id: int = 0) -> None:
    """Raise LoadRefusedError while load goes on that is no part of this comparison (0: of none)."""
    comparisons = connection.execute(
        f"SELECT id, state FROM comparison WHERE {NOT_OVER} AND id <> ? ORDER BY id",  # noqa: S608
        (*TERMINAL, comparison_id),
    )
    for number, state in comparisons:
        raise LoadRefusedError(f"comparison {number} is {state}: stop it or wait for its end")
    searches = connection.execute(
        f"SELECT id, state FROM capacity_search WHERE {NOT_OVER} ORDER BY id",  # noqa: S608
        TERMINAL,
    )
    for number, state in searches:
        raise LoadRefusedError(
            f"search {number} for a capacity is {state}: stop it or wait for its end"
        )
    experiments = connection.execute(
        f"SELECT id, state FROM experiment WHERE {NOT_OVER} ORDER BY id",  # noqa: S608
        TERMINAL,
    )
    for number, state in experiments:
        raise LoadRefusedError(f"experiment {number} is {state}: wait for its end")
    runs = connection.execute(
        f"SELECT id, state, coalesce(json_extract(plan, '$.comparison'), 0) FROM load_run"  # noqa: S608
        f" WHERE {NOT_OVER} ORDER BY id",
        TERMINAL,
    )
    for number, state, comparison in runs:
        if not comparison_id or comparison != comparison_id:
            raise LoadRefusedError(f"load run {number} is {state}: stop it or wait for its end")

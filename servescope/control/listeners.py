"""Rows of the listeners: what they are, and what people want of them.

Any process may host listeners: the leader those of the settings, `python -m servescope serve` one
of its own. Each writes what is; whoever wants a change writes a wish, and the process that hosts
the listener makes it so.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from servescope.records import ListenerStatus, ListenerWish

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

LEADER: Final = 0
"""The owner of the leader's listeners, whichever process leads."""

FRESH_S: Final = 5.0
"""For how long a process that serves on its own counts as alive after it was seen."""


def write(
    connection: sqlite3.Connection, statuses: Sequence[ListenerStatus], owner: int, now_s: float
) -> None:
    """Replace the rows of an owner; those of processes that have ended go."""
    connection.execute(
        "DELETE FROM listener_status WHERE owner = ?1 OR (owner <> ?2 AND seen_s < ?3)",
        (owner, LEADER, now_s - FRESH_S),
    )
    connection.executemany(
        "INSERT INTO listener_status VALUES (?, ?, ?, ?)",
        [
            (owner, position, now_s, json.dumps(asdict(one)))
            for position, one in enumerate(statuses)
        ],
    )


def see(connection: sqlite3.Connection, owner: int, now_s: float) -> None:
    """Keep the rows of an owner fresh."""
    connection.execute("UPDATE listener_status SET seen_s = ? WHERE owner = ?", (now_s, owner))


def read(connection: sqlite3.Connection, now_s: float) -> list[ListenerStatus]:
    """The rows of the leader, then those of processes that are alive."""
    rows = connection.execute(
        "SELECT status FROM listener_status WHERE owner = ? OR seen_s >= ?"
        " ORDER BY owner <> ?, owner, position",
        (LEADER, now_s - FRESH_S, LEADER),
    )
    return [ListenerStatus.from_json(json.loads(text)) for (text,) in rows]


def wishes(connection: sqlite3.Connection) -> dict[str, ListenerWish]:
    """All wishes, by listener."""
    rows = connection.execute("SELECT name, wish FROM listener_wish")
    return {name: ListenerWish.from_json(json.loads(text)) for name, text in rows}


def change_wish(
    connection: sqlite3.Connection, name: str, change: Callable[[ListenerWish], ListenerWish]
) -> None:
    """Replace a listener's wish by what `change` makes of it."""
    wish = change(wishes(connection).get(name, ListenerWish()))
    connection.execute(
        "INSERT INTO listener_wish VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET wish = ?2",
        (name, json.dumps(asdict(wish))),
    )


def forget_wish(connection: sqlite3.Connection, name: str) -> None:
    """Leave a listener to its settings."""
    connection.execute("DELETE FROM listener_wish WHERE name = ?", (name,))

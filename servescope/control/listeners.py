"""Rows of the listeners: their status, and the overrides that people want beside their settings.

Any process may host listeners: the leader those of the settings, `python -m servescope serve` one
of its own. Each writes the status of its own. For a change a process writes overrides; the host of
the listener reconciles it with them.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from servescope.records.colour_places import free_place, needs_place
from servescope.records.listeners import ListenerOverrides, ListenerStatus

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    from servescope.store.sqlite.database import Database

LEADER: Final = 0
"""The owner of the leader's listeners, whichever process leads."""

FRESH_S: Final = 5.0
"""For how long a process that serves on its own counts as alive after it was seen."""


class OverridesChange(NamedTuple):
    """A listener's overrides before and after a change."""

    before: ListenerOverrides
    after: ListenerOverrides


class Listeners:
    """The listeners of all processes of a data folder."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write_statuses(
        self, statuses: Sequence[ListenerStatus], owner: int = LEADER, now_s: float | None = None
    ) -> None:
        """Replace the statuses of an owner, none when it ends; those of dead processes go.

        `owner` is LEADER or the pid of a process that serves on its own.
        """
        at_s = time.time() if now_s is None else now_s

        def change(connection: sqlite3.Connection) -> None:
            connection.execute(
                "DELETE FROM listener_status WHERE owner = ? OR (owner <> ? AND seen_s < ?)",
                (owner, LEADER, at_s - FRESH_S),
            )
            connection.executemany(
                "INSERT INTO listener_status VALUES (?, ?, ?, ?)",
                [
                    (owner, position, at_s, json.dumps(asdict(one)))
                    for position, one in enumerate(statuses)
                ],
            )
            _give_places(connection, [one.name for one in statuses])

        self._database.write(change)

    def give_places(self, names: Iterable[str]) -> None:
        """Give each name that has none a place among the colours; one that has one keeps it."""
        self._database.write(lambda connection: _give_places(connection, names))

    def places(self) -> dict[str, int]:
        """The place of each listener and app among the colours, by its name."""
        return self._database.read(_places)

    def heartbeat(self, owner: int, now_s: float) -> None:
        """Keep the statuses of a process that serves on its own fresh."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE listener_status SET seen_s = ? WHERE owner = ?", (now_s, owner)
            ),
            news=False,
        )

    def statuses(self, now_s: float | None = None) -> list[ListenerStatus]:
        """The leader's listeners, then those of other processes that are alive, in order."""
        at_s = time.time() if now_s is None else now_s
        rows = self._database.read(
            lambda connection: connection.execute(
                "SELECT status FROM listener_status WHERE owner = ? OR seen_s >= ?"
                " ORDER BY owner <> ?, owner, position",
                (LEADER, at_s - FRESH_S, LEADER),
            ).fetchall()
        )
        return [ListenerStatus.from_json(json.loads(text)) for (text,) in rows]

    def overrides(self) -> dict[str, ListenerOverrides]:
        """The overrides of each listener that has some, by its name."""
        return self._database.read(_overrides)

    def change_overrides(
        self, name: str, change: Callable[[ListenerOverrides], ListenerOverrides]
    ) -> OverridesChange:
        """Replace a listener's overrides by what `change` makes of them, with the next revision."""

        def write(connection: sqlite3.Connection) -> OverridesChange:
            before = _overrides(connection).get(name, ListenerOverrides())
            after = replace(change(before), revision=before.revision + 1)
            _write_overrides(connection, name, after)
            return OverridesChange(before, after)

        return self._database.write(write)

    def withdraw_overrides(
        self, name: str, refused: ListenerOverrides, kept: ListenerOverrides
    ) -> None:
        """Replace overrides that could not be carried out; newer ones stay."""

        def write(connection: sqlite3.Connection) -> None:
            present = _overrides(connection).get(name)
            if present is not None and present.revision == refused.revision:
                _write_overrides(connection, name, kept)

        self._database.write(write)

    def discard_overrides(self, name: str) -> None:
        """Forget what people wanted of a listener; one that a person added ends."""
        self._database.write(
            lambda connection: connection.execute(
                "DELETE FROM listener_wish WHERE name = ?", (name,)
            )
        )


def _places(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT name, place FROM colour_place"))


def _give_places(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    known = _places(connection)
    for name in filter(needs_place, names):
        if name not in known:
            known[name] = free_place(name, known.values())
            connection.execute("INSERT INTO colour_place VALUES (?, ?)", (name, known[name]))


def _write_overrides(
    connection: sqlite3.Connection, name: str, overrides: ListenerOverrides
) -> None:
    connection.execute(
        "INSERT INTO listener_wish VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET wish = excluded.wish",
        (name, json.dumps(asdict(overrides))),
    )


def _overrides(connection: sqlite3.Connection) -> dict[str, ListenerOverrides]:
    rows = connection.execute("SELECT name, wish FROM listener_wish")
    return {name: ListenerOverrides.from_json(json.loads(text)) for name, text in rows}

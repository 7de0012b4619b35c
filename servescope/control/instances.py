"""Rows of the processes on a data folder, kept fresh by their heartbeats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.records.dashboard import Instance, Role

if TYPE_CHECKING:
    import sqlite3

    from servescope.store.sqlite.database import Database

FRESH_S: Final = 5.0
"""For how long a process counts as alive after its last heartbeat."""

_FORGOTTEN_AFTER_S: Final = 60.0


class Instances:
    """The processes that share a data folder; times in epoch seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._written: tuple[int, Role] | None = None  # at the last heartbeat

    def heartbeat(self, pid: int, role: str, now_s: float) -> None:
        """Write that a process is alive. `Store.version` changes with its role only.

        Raises ValueError when the role is not one of `Role`.
        """
        role = Role(role)

        def change(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO instance (pid, role, since_s, seen_s) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (pid) DO UPDATE SET role = excluded.role, seen_s = excluded.seen_s,"
                " since_s = CASE role WHEN excluded.role THEN since_s ELSE excluded.since_s END",
                (pid, role, now_s, now_s),
            )
            connection.execute(
                "DELETE FROM instance WHERE seen_s < ?", (now_s - _FORGOTTEN_AFTER_S,)
            )

        self._database.write(change, news=self._written != (pid, role))
        self._written = (pid, role)

    def alive(self, now_s: float, fresh_s: float = FRESH_S) -> list[Instance]:
        """The processes that were seen within `fresh_s`, the leader first."""
        rows = self._database.read(
            lambda connection: connection.execute(
                "SELECT pid, role, since_s, seen_s FROM instance WHERE seen_s >= ?"
                " ORDER BY role <> ?, pid",
                (now_s - fresh_s, Role.LEADER),
            ).fetchall()
        )
        return [Instance(pid, Role(role), since_s, seen_s) for pid, role, since_s, seen_s in rows]

    def remove(self, pid: int) -> None:
        """Write that a process ends."""
        self._database.write(
            lambda connection: connection.execute("DELETE FROM instance WHERE pid = ?", (pid,))
        )
        self._written = None

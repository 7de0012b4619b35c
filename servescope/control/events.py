"""Rows of the events: annotations that every graph draws on its time axis."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from servescope.records.dashboard import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.store.sqlite.database import Database


class Events:
    """The events of a store; times in epoch seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, event: Event) -> int:
        """Add an annotation; return its id. `event.id` is not looked at."""
        return self._database.write(
            lambda connection: int(
                connection.execute(
                    "INSERT INTO event (kind, start_s, end_s, text) VALUES (?, ?, ?, ?)",
                    (event.kind, event.start_s, event.end_s, event.text),
                ).lastrowid
                or 0
            )
        )

    def end(self, event_id: int, end_s: float) -> None:
        """Give an open annotation its end."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE event SET end_s = ? WHERE id = ?", (end_s, event_id)
            )
        )

    @contextmanager
    def under_way(self, text: str) -> Iterator[float]:
        """Annotate load from now to the end of the context; yields its start in epoch seconds."""
        started_s = time.time()
        event_id = self.add(Event(EventKind.LOAD_RUN, started_s, text))
        try:
            yield started_s
        finally:
            self.end(event_id, time.time())

    def between(self, start_s: float, end_s: float) -> list[Event]:
        """Annotations that touch `[start_s, end_s)`, oldest first.

        A load run without an end goes on; any other event without an end is a moment.
        """
        rows = self._database.read(
            lambda connection: connection.execute(
                "SELECT kind, start_s, text, end_s, id FROM event WHERE start_s < ? AND"
                " (coalesce(end_s, start_s) >= ? OR (end_s IS NULL AND kind = ?))"
                " ORDER BY start_s, id",
                (end_s, start_s, EventKind.LOAD_RUN),
            ).fetchall()
        )
        return [Event(EventKind(kind), *rest) for kind, *rest in rows]

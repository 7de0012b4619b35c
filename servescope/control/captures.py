"""Rows of the captures: what a person wants to see whole, and how far that has come."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import CaptureRefusedError
from servescope.records.captures import Capture, CaptureFilter, CaptureOrder, CaptureState

if TYPE_CHECKING:
    import sqlite3

    from servescope.store.sqlite.database import Database

_SELECT: Final = 'SELECT id, "order", state, requested_s, captured, ended_s FROM capture'
_ACTIVE: Final = f"{_SELECT} WHERE state = ? ORDER BY id DESC LIMIT 1"


class Captures:
    """The captures of a store, in the order in which they were asked for; one goes on at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def request(
        self, wanted: CaptureFilter, count: int, seconds: float, now_s: float, *, masks_query: bool
    ) -> Capture:
        """Ask for a capture. Raises CaptureRefusedError while another one goes on."""

        def insert(connection: sqlite3.Connection) -> Capture:
            if _active(connection) is not None:
                raise CaptureRefusedError("requests are being captured already: stop that first")
            order = CaptureOrder(0, count, now_s + seconds, wanted, masks_query)
            order_id = connection.execute(
                'INSERT INTO capture ("order", state, requested_s) VALUES (?, ?, ?)',
                (json.dumps(order.to_json()), CaptureState.CAPTURING, now_s),
            ).lastrowid
            return Capture(replace(order, id=order_id or 0), CaptureState.CAPTURING, now_s)

        return self._database.write(insert)

    def active(self) -> Capture | None:
        """The capture that goes on, whether or not its time is over."""
        return self._database.read(_active)

    def newest(self) -> Capture | None:
        """The capture that was asked for last."""
        row = self._database.read(
            lambda connection: connection.execute(f"{_SELECT} ORDER BY id DESC LIMIT 1").fetchone()
        )
        return None if row is None else _capture(row)

    def write_progress(self, order_id: int, captured: int) -> None:
        """Write how many requests were captured so far."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE capture SET captured = ? WHERE id = ?", (captured, order_id)
            )
        )

    def end(self, order_id: int, state: CaptureState, now_s: float) -> None:
        """Write the terminal state of a capture; one that is over stays as it is."""
        self._database.write(
            lambda connection: connection.execute(
                "UPDATE capture SET state = ?, ended_s = ? WHERE id = ? AND state = ?",
                (state, now_s, order_id, CaptureState.CAPTURING),
            )
        )


def _active(connection: sqlite3.Connection) -> Capture | None:
    row = connection.execute(_ACTIVE, (CaptureState.CAPTURING,)).fetchone()
    return None if row is None else _capture(row)


def _capture(row: tuple[Any, ...]) -> Capture:
    order_id, order, state, requested_s, captured, ended_s = row
    return Capture(
        replace(CaptureOrder.from_json(json.loads(order)), id=order_id),
        CaptureState(state),
        requested_s,
        captured,
        ended_s,
    )

"""The newest request details, for the request log."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from servescope.records.requests import RequestDetail, RequestRecord
from servescope.request_fields import Method, RequestFlag
from servescope.store.base import KeptDetails

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

KEPT: Final = 5_000
_STAGES: Final = struct.Struct("<6f")
_COLUMNS: Final = (
    "end_ns, listener, route, target, client, user_agent, listener_id, route_id, method, protocol,"
    " status, flags, bytes_received, bytes_sent, stages, thread, pid, client_port, requests_before,"
    " trace_id, capture_id"
)
_PLACES: Final = ", ".join("?" for _ in _COLUMNS.split(","))
_INSERT: Final = f"INSERT INTO request_detail ({_COLUMNS}) VALUES ({_PLACES})"  # noqa: S608 - our own names
_SELECT: Final = f"SELECT id, {_COLUMNS} FROM request_detail WHERE id > ? ORDER BY id DESC LIMIT ?"  # noqa: S608 - our own names
_SELECT_ONE: Final = f"SELECT {_COLUMNS} FROM request_detail WHERE id = ?"  # noqa: S608 - our own names
_SELECT_OF_TRACE: Final = "SELECT max(id) FROM request_detail WHERE trace_id = ?"
_SELECT_BOUNDS: Final = """SELECT min(id), (SELECT end_ns FROM request_detail ORDER BY id LIMIT 1),
    max(id) FROM request_detail"""


def insert(connection: sqlite3.Connection, details: Sequence[RequestDetail]) -> None:
    """Add details, in the order given, and drop all but the newest 5,000."""
    connection.executemany(_INSERT, [_row(detail) for detail in details[-KEPT:]])
    connection.execute(
        "DELETE FROM request_detail WHERE id <= (SELECT max(id) FROM request_detail) - ?", (KEPT,)
    )


def newest(
    connection: sqlite3.Connection, limit: int, after_id: int
) -> list[tuple[int, RequestDetail]]:
    """Details with an id above `after_id`, newest first, with their ids."""
    return [(row[0], _detail(row[1:])) for row in connection.execute(_SELECT, (after_id, limit))]


def by_id(connection: sqlite3.Connection, detail_id: int) -> RequestDetail | None:
    """One detail, None when there is none of this id any more, or yet."""
    row = connection.execute(_SELECT_ONE, (detail_id,)).fetchone()
    return None if row is None else _detail(row)


def id_of_trace(connection: sqlite3.Connection, trace_id: str) -> int | None:
    """The id of the newest detail of a trace, None where there is none."""
    (found,) = connection.execute(_SELECT_OF_TRACE, (trace_id,)).fetchone()
    return None if found is None else int(found)


def kept(connection: sqlite3.Connection) -> KeptDetails | None:
    """The details that are kept, None when there are none."""
    oldest_id, oldest_ns, newest_id = connection.execute(_SELECT_BOUNDS).fetchone()
    return None if oldest_id is None else KeptDetails(oldest_id, oldest_ns, newest_id)


def _row(detail: RequestDetail) -> tuple[int | str | bytes | None, ...]:
    record = detail.record
    return (
        record.end_ns,
        detail.listener,
        detail.route,
        detail.target,
        detail.client,
        detail.user_agent,
        record.listener_id,
        record.route_id,
        int(record.method),
        int(record.protocol),
        record.status,
        int(record.flags),
        record.bytes_received,
        record.bytes_sent,
        _STAGES.pack(*record.stages_ns),
        detail.thread,
        detail.pid,
        detail.client_port,
        detail.requests_before,
        detail.trace_id,
        detail.capture_id,
    )


def _detail(row: tuple[Any, ...]) -> RequestDetail:
    (
        end_ns,
        listener,
        route,
        target,
        client,
        user_agent,
        listener_id,
        route_id,
        method,
        protocol,
        status,
        flags,
        received,
        sent,
        stages,
        *origin,
    ) = row
    record = RequestRecord(
        end_ns=end_ns,
        listener_id=listener_id,
        route_id=route_id,
        method=Method(method),
        protocol=protocol,
        status=status,
        flags=RequestFlag(flags),
        bytes_received=received,
        bytes_sent=sent,
        stages_ns=_STAGES.unpack(stages),
    )
    return RequestDetail(record, listener, route, target, client, user_agent, *origin)

"""The newest request details, for the request log."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from servescope.records.requests import RequestDetail, RequestRecord
from servescope.request_fields import Method, RequestFlag

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

KEPT: Final = 5_000
_STAGES: Final = struct.Struct("<6f")
_COLUMNS: Final = (
    "end_ns, listener, route, target, client, user_agent, listener_id, route_id, method, protocol,"
    " status, flags, bytes_received, bytes_sent, stages"
)
_INSERT: Final = f"INSERT INTO request_detail ({_COLUMNS}) VALUES ({', '.join('?' * 15)})"  # noqa: S608 - our own names
_SELECT: Final = f"SELECT id, {_COLUMNS} FROM request_detail WHERE id > ? ORDER BY id DESC LIMIT ?"  # noqa: S608 - our own names


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


def _row(detail: RequestDetail) -> tuple[int | str | bytes, ...]:
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
    return RequestDetail(record, listener, route, target, client, user_agent)

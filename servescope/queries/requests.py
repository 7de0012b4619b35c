"""The request log: a sampled set, always with the errors and the slowest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.queries.rows import LogRow
from servescope.records.requests import Stage
from servescope.request_fields import Protocol, RequestFlag

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.records.requests import RequestDetail

NEWEST: Final = 200
_NS: Final = 1e9
_PROTOCOLS: Final = {
    Protocol.UNKNOWN: "",
    Protocol.HTTP_1_0: "HTTP/1.0",
    Protocol.HTTP_1_1: "HTTP/1.1",
    Protocol.WEBSOCKET: "WebSocket",
}


def log(context: QueryContext, limit: int = NEWEST, after_id: int = 0) -> list[LogRow]:
    """The newest requests kept in detail, newest first."""
    found = context.snapshots.get(
        ("log", limit, after_id), lambda: context.store.request_details(limit, after_id)
    )
    return [_row(number, detail) for number, detail in found]


def _row(number: int, detail: RequestDetail) -> LogRow:
    record = detail.record
    return LogRow(
        id=number,
        end_s=record.end_ns / _NS,
        listener=detail.listener,
        method=record.method.name.lstrip("_"),
        target=detail.target,
        route=detail.route,
        status=record.status,
        protocol=_PROTOCOLS[Protocol(record.protocol)],
        client=detail.client,
        user_agent=detail.user_agent,
        bytes_received=record.bytes_received,
        bytes_sent=record.bytes_sent,
        total_s=sum(record.stages_ns) / _NS,
        stages_s={stage.name.lower(): record.stages_ns[stage] / _NS for stage in Stage},
        flags=tuple(
            (flag.name or "").lower().replace("_", " ")
            for flag in RequestFlag
            if flag in record.flags
        ),
    )

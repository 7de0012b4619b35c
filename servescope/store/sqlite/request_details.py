"""Request details, for the request log: the newest ones, up to a number that the store is given.

They are read by time through an index, column by column: a search looks at a hundred thousand.

Python's module makes a new object of each value: all rows of such a search at once are a million
objects. So they are read some at a time, numbers go into arrays, and of equal texts one is kept.
Seen of 100,000 rows: a search takes up to 73 MiB while it goes on, where it took 115.
"""

from __future__ import annotations

import struct
from array import array
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.records.requests import RequestDetail, RequestRecord, Stage
from servescope.request_fields import Method, RequestFlag
from servescope.store.base import KeptDetails
from servescope.store.results import RequestColumns

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_STAGES: Final = struct.Struct("<6f")
_COLUMNS: Final = (
    "end_ns, listener, route, target, client, user_agent, listener_id, route_id, method, protocol,"
    " status, flags, bytes_received, bytes_sent, stages, thread, pid, client_port, requests_before,"
    " trace_id, capture_id, cipher_suite"
)
_PLACES: Final = ", ".join("?" for _ in _COLUMNS.split(","))
_INSERT: Final = f"INSERT INTO request_detail ({_COLUMNS}) VALUES ({_PLACES})"  # noqa: S608 - our own names
_SELECT: Final = f"SELECT id, {_COLUMNS} FROM request_detail WHERE id > ? ORDER BY id DESC LIMIT ?"  # noqa: S608 - our own names
_SELECT_ONE: Final = f"SELECT {_COLUMNS} FROM request_detail WHERE id = ?"  # noqa: S608 - our own names
_SELECT_OF_TRACE: Final = "SELECT max(id) FROM request_detail WHERE trace_id = ?"
_SELECT_BOUNDS: Final = """SELECT min(id), (SELECT end_ns FROM request_detail ORDER BY id LIMIT 1),
    max(id) FROM request_detail"""
_SELECT_COLUMNS: Final = """SELECT id, end_ns, method, status, bytes_sent, flags,
    listener, route, target, client, user_agent, stages FROM request_detail
    WHERE end_ns >= ? AND end_ns < ? ORDER BY end_ns DESC, id DESC LIMIT ?"""
_NUMBERS: Final = 6
_TEXTS: Final = 5
"""How many columns of a search are numbers, and how many behind them are texts; stages are last."""

_ROWS_AT_ONCE: Final = 1_000
_NS: Final = 1_000_000_000


def insert(connection: sqlite3.Connection, details: Sequence[RequestDetail], kept: int) -> None:
    """Add details, in the order given, and drop all but the newest `kept`."""
    connection.executemany(_INSERT, [_row(detail) for detail in details[-kept:]])
    connection.execute(
        "DELETE FROM request_detail WHERE id <= (SELECT max(id) FROM request_detail) - ?", (kept,)
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


def by_ids(connection: sqlite3.Connection, ids: Sequence[int]) -> list[tuple[int, RequestDetail]]:
    """The details of these ids, in their order; those that are not kept are left out."""
    found = ((number, by_id(connection, number)) for number in ids)
    return [(number, detail) for number, detail in found if detail is not None]


def columns(connection: sqlite3.Connection, start_s: int, end_s: int, limit: int) -> RequestColumns:
    """The details of requests that ended in `[start_s, end_s)`, at most the `limit` newest."""
    bounds = (start_s * _NS, end_s * _NS, limit + 1)
    found = connection.execute(_SELECT_COLUMNS, bounds)
    numbers = [array("q") for _ in range(_NUMBERS)]
    texts: list[list[str]] = [[] for _ in range(_TEXTS)]
    known: list[dict[str, str]] = [{} for _ in range(_TEXTS)]
    stages = bytearray()
    while rows := found.fetchmany(_ROWS_AT_ONCE):
        read = list(zip(*rows, strict=True))
        for column, values in zip(numbers, read, strict=False):
            column.extend(values)
        for text, kept, values in zip(texts, known, read[_NUMBERS:], strict=False):
            text.extend(map(kept.setdefault, values, values))
        stages += b"".join(read[-1])
    (oldest_ns,) = connection.execute("SELECT min(end_ns) FROM request_detail").fetchone()
    ids, end_ns, methods, statuses, sent, flags = (column[:limit] for column in numbers)
    listeners, routes, targets, clients, agents = (tuple(column[:limit]) for column in texts)
    return RequestColumns(
        tuple(ids),
        np.array(end_ns, dtype=np.int64),
        listeners,
        routes,
        targets,
        clients,
        agents,
        tuple(methods),
        np.array(statuses, dtype=np.int64),
        np.array(sent, dtype=np.int64),
        np.array(flags, dtype=np.int64),
        np.frombuffer(stages, "<f4").reshape(-1, len(Stage))[:limit].astype(np.float64),
        is_cut=len(numbers[0]) > limit,
        oldest_ns=oldest_ns,
    )


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
        detail.cipher_suite,
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

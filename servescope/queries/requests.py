"""Requests kept in detail, as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import catalog
from servescope.histogram import BUCKETS, bucket_indexes, supported_quantiles
from servescope.queries.measured_stages import measured_stages
from servescope.queries.request_words import is_unread
from servescope.queries.rows import LogRow, RequestSurroundings, UsualDurations
from servescope.queries.span import Span
from servescope.queries.traffic import LISTENER, METHOD, ROUTE, server_kinds
from servescope.records.requests import Stage, reached_nobody
from servescope.records.server_kinds import ServerKind
from servescope.request_fields import Protocol, RequestFlag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from servescope.queries.context import QueryContext
    from servescope.records.requests import RequestDetail
    from servescope.store.base import KeptDetails

HALF_SPAN_S: Final = 1_800
SPAN_STEP_S: Final = 60
WRITE: Final = Stage.WRITE.name.lower()
_NS: Final = 1e9
_PROTOCOLS: Final = {
    Protocol.UNKNOWN: "",
    Protocol.HTTP_1_0: "HTTP/1.0",
    Protocol.HTTP_1_1: "HTTP/1.1",
    Protocol.WEBSOCKET: "WebSocket",
}


def by_ids(context: QueryContext, ids: Sequence[int]) -> list[LogRow]:
    """The requests of these ids, in their order; those that are not kept are left out."""
    return [_row(number, detail) for number, detail in context.store.request_details_by_ids(ids)]


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
        is_to_nobody=bool(
            reached_nobody(
                np.array(record.flags), np.array(record.bytes_sent), np.array(record.status)
            )
        ),
        thread=detail.thread,
        pid=detail.pid,
        client_port=detail.client_port,
        requests_before=detail.requests_before,
        trace_id=detail.trace_id,
        capture_id=detail.capture_id,
        cipher_suite=detail.cipher_suite,
    )


def one(context: QueryContext, detail_id: int) -> LogRow | None:
    """One request kept in detail; None when it is not kept any more, or there is none yet."""
    detail = context.store.request_detail(detail_id)
    return None if detail is None else _row(detail_id, detail)


def of_trace(context: QueryContext, trace_id: str) -> LogRow | None:
    """The newest request of a trace that is kept in detail; None while there is none."""
    found = context.store.request_detail_of_trace(trace_id)
    return None if found is None else one(context, found)


def kept(context: QueryContext) -> KeptDetails | None:
    """The requests that are kept in detail; None when there are none."""
    return context.store.kept_request_details()


def surroundings(context: QueryContext, row: LogRow) -> RequestSurroundings:
    """The usual durations of such requests, in the half hour before and after it."""
    end = int(row.end_s)
    span = Span(end - HALF_SPAN_S, end + HALF_SPAN_S, SPAN_STEP_S)
    of_listener = ((LISTENER, row.listener),)
    by_route = context.store.total(
        span.query(catalog.REQUEST_DURATION, by=(ROUTE, METHOD), where=of_listener)
    )
    nothing = np.zeros(BUCKETS, dtype=np.int64)
    rows = list(zip(by_route.groups, by_route.buckets, strict=True))
    # A request is compared with others that were read, as it was, or with others that were not.
    was_unread = is_unread(row.method, row.route)
    like_it = [
        one
        for (route, method), one in rows
        if route == row.route and is_unread(method, route) == was_unread
    ]
    counts = np.sum([nothing, *like_it], axis=0)
    # Those that were not read pass no stage: beside stages they count in no whole.
    read = [one for (route, method), one in rows if not is_unread(method, route)]
    in_whole = int(counts.sum())
    bucket = int(bucket_indexes(np.array([row.total_s]))[0])
    faster, not_slower = int(counts[:bucket].sum()), int(counts[: bucket + 1].sum())
    by_stage = context.store.total(
        span.query(catalog.STAGE_DURATION, by=("stage",), where=of_listener)
    )
    is_measured = measured_stages(context, span)
    return RequestSurroundings(
        2 * HALF_SPAN_S,
        _usual(counts),
        not_slower / in_whole if in_whole else None,
        faster / in_whole if in_whole else None,
        {
            group[0]: _usual(buckets)
            for group, buckets, sum_s in zip(
                by_stage.groups, by_stage.buckets, by_stage.sum_s, strict=True
            )
            if is_measured(row.listener, group[0], float(sum_s))
        },
        _usual(np.sum([nothing, *read], axis=0)),
        unmeasured(context, row),
    )


def unmeasured(context: QueryContext, row: LogRow) -> frozenset[str]:
    """The stages that the recorder of a request did not measure; it wrote zeros.

    One within another server sees some answers sent, such as those in parts, and others not.
    """
    end = int(row.end_s) + 1
    is_app = server_kinds(context)(row.listener) is ServerKind.APP
    is_measured = measured_stages(context, Span(end - HALF_SPAN_S, end, SPAN_STEP_S))
    return frozenset(
        stage
        for stage, took_s in row.stages_s.items()
        if not is_measured(row.listener, stage, took_s)
        or (is_app and stage == WRITE and not took_s)
    )


def _usual(counts: NDArray[np.int64]) -> UsualDurations:
    p50, p99 = supported_quantiles(counts, (0.5, 0.99)).tolist()
    return UsualDurations(int(counts.sum()), p50, p99)

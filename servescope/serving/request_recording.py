"""From an answered exchange to its record in the ring."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from servescope.hosting.routes import UNMATCHED, fold_path
from servescope.recording.ring import OTHER_ROUTE, OTHER_ROUTE_NAME
from servescope.records import Method, Protocol, RequestDetail, RequestRecord

if TYPE_CHECKING:
    from servescope.hosting.exchange import Exchange
    from servescope.recording import Recorder
    from servescope.serving.access_log import AccessLog

_METHODS: Final = {method.name: method for method in Method}
_OTHER: Final = Method._OTHER  # noqa: SLF001 - OpenTelemetry's name
_MINOR: Final = (Protocol.HTTP_1_0, Protocol.HTTP_1_1)


class RequestRecording:
    """Records each exchange of one listener once; called by any thread."""

    def __init__(
        self, recorder: Recorder, listener: str, access_log: AccessLog | None = None
    ) -> None:
        self._recorder = recorder
        self._record = recorder.record
        self._wants_detail = recorder.wants_detail
        self._listener = listener
        self._listener_id = recorder.listener_id(listener)
        self._route_ids: dict[str, int] = {}
        self._log = None if access_log is None else access_log.add

    def __call__(self, exchange: Exchange) -> None:
        """Record an exchange whose last byte is out, or that was broken off."""
        if exchange.is_recorded:
            return
        exchange.is_recorded = True
        end_ns = time.time_ns()
        head = exchange.head
        route = exchange.route or self._route(exchange)
        route_id = self._route_ids.get(route) or self._route_id(route)
        if head is None:
            method, protocol = _METHODS.get(exchange.method, _OTHER), Protocol.UNKNOWN
        else:
            method, protocol = _METHODS.get(head.method, _OTHER), _MINOR[head.minor_version]
        if exchange.status == HTTPStatus.SWITCHING_PROTOCOLS:
            protocol = Protocol.WEBSOCKET
        stages = _stages(exchange)
        self._record(
            end_ns,
            self._listener_id,
            route_id,
            method,
            protocol,
            exchange.status,
            exchange.flags,
            exchange.bytes_received,
            exchange.bytes_sent,
            *stages,
        )
        if self._log is not None:
            self._log(exchange, end_ns)
        if self._wants_detail(exchange.status, sum(stages), end_ns):
            record = RequestRecord(
                end_ns=end_ns,
                listener_id=self._listener_id,
                route_id=route_id,
                method=method,
                protocol=protocol,
                status=exchange.status,
                flags=exchange.flags,
                bytes_received=exchange.bytes_received,
                bytes_sent=exchange.bytes_sent,
                stages_ns=stages,
            )
            self._recorder.write_detail(
                RequestDetail(
                    record=record,
                    listener=self._listener,
                    route=route if route_id != OTHER_ROUTE else OTHER_ROUTE_NAME,
                    target=exchange.target,
                    client=exchange.client[0],
                    user_agent=exchange.header(b"user-agent"),
                )
            )

    def _route(self, exchange: Exchange) -> str:
        """The route of an exchange whose application told none."""
        if not exchange.target:  # not even a request line was read
            return OTHER_ROUTE_NAME
        return UNMATCHED if exchange.refusal is not None else fold_path(exchange.target)

    def _route_id(self, route: str) -> int:
        if route == OTHER_ROUTE_NAME:
            return OTHER_ROUTE
        number = self._recorder.route_id(self._listener_id, route)
        if number != OTHER_ROUTE:  # these are bounded; the names beyond them are not kept
            self._route_ids[route] = number
        return number


def _stages(exchange: Exchange) -> tuple[float, float, float, float, float, float]:
    """The six stages in ns. Their sum is the time from the kernel's receipt to the last byte.

    A request body belongs to `read`: the request is complete with it, and a client that sends it
    slowly must not look like a queue. `write` holds the sending alone, `body` what the application
    took between the head and its last byte.
    """
    complete = exchange.complete_ns or exchange.taken_ns
    last_sent = exchange.last_sent_ns or exchange.taken_ns
    head_ready = exchange.head_ready_ns or last_sent
    write_ns = exchange.write_ns
    body_ns = last_sent - head_ready - write_ns
    return (
        exchange.kernel_ns,
        complete - exchange.first_byte_ns,
        exchange.taken_ns - complete,
        head_ready - exchange.taken_ns,
        body_ns if body_ns > 0 else 0,  # noqa: FURB136 - max() costs 60 ns here
        write_ns,
    )

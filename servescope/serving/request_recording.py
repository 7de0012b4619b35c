"""From an answered exchange to its record in the ring."""

from __future__ import annotations

from http import HTTPStatus
from time import time_ns
from typing import TYPE_CHECKING, Final

from servescope.recording.record_layout import outline
from servescope.recording.recorder import FIRST_ERROR_STATUS
from servescope.recording.ring import OTHER_ROUTE, OTHER_ROUTE_NAME
from servescope.recording.routes import UNMATCHED, fold_path
from servescope.records import Method, Protocol, RequestDetail, RequestRecord

if TYPE_CHECKING:
    from servescope.hosting.exchange import Exchange
    from servescope.recording import Recorder
    from servescope.serving.access_log.log import AccessLog

_METHODS: Final = {method.name: method for method in Method}
_OTHER: Final = Method._OTHER  # noqa: SLF001 - OpenTelemetry's name
_UNKNOWN: Final = Protocol.UNKNOWN
_WEBSOCKET: Final = Protocol.WEBSOCKET
_SWITCHING: Final = int(HTTPStatus.SWITCHING_PROTOCOLS)
_MINOR: Final = (Protocol.HTTP_1_0, Protocol.HTTP_1_1)

Labels = tuple[str, int, int, str, Method, Protocol, int]
"""The route that the app told and the status, which the rest holds for; the outline of such a
record (see `recording.slots`); route, method, protocol, and the route's number in the ring."""


class RequestRecording:
    """Records each exchange of one listener once; `record` may be called by any thread."""

    def __init__(
        self, recorder: Recorder, listener: str, access_log: AccessLog | None = None
    ) -> None:
        self._recorder = recorder
        self._record = recorder.record_outlined
        self._quiet = recorder.quiet
        self._listener = listener
        self._listener_id = recorder.listener_id(listener)
        self._route_ids: dict[str, int] = {}
        self._log = None if access_log is None else access_log.add

    def record(self, exchange: Exchange) -> None:
        """Record an exchange whose last byte is out, or that was broken off.

        The six stages in ns: their sum is the time from the kernel's receipt to the last byte. A
        request body belongs to `read`: the request is complete with it, and a client that sends it
        slowly must not look like a queue. `write` holds the sending alone, `body` what the
        application took between the head and its last byte.
        """
        if exchange.is_recorded:
            return
        exchange.is_recorded = True
        end_ns = time_ns()
        head = exchange.head
        status = exchange.status
        labels = head.notes.get(self) if head is not None and exchange.refusal is None else None
        if labels is None or labels[1] != status or labels[0] != exchange.route:
            labels = self._labels(exchange)
        taken_ns = exchange.taken_ns
        complete_ns = exchange.complete_ns or taken_ns
        first_byte_ns = exchange.first_byte_ns
        last_sent_ns = exchange.last_sent_ns or taken_ns
        head_ready_ns = exchange.head_ready_ns or last_sent_ns
        kernel_ns = exchange.kernel_ns
        write_ns = exchange.write_ns
        rest_ns = last_sent_ns - head_ready_ns - write_ns
        body_ns = rest_ns if rest_ns > 0 else 0  # noqa: FURB136 - max() costs 60 ns here
        record = self._record
        record(
            end_ns,
            labels[2],
            exchange.flags,
            exchange.bytes_received,
            exchange.bytes_sent,
            kernel_ns,
            complete_ns - first_byte_ns,
            taken_ns - complete_ns,
            head_ready_ns - taken_ns,
            body_ns,
            write_ns,
        )
        if self._log is not None:
            self._log(exchange, end_ns)
        total_ns = kernel_ns + head_ready_ns - first_byte_ns + body_ns + write_ns
        quiet = self._quiet
        if (
            last_sent_ns > quiet.until_ns
            or total_ns > quiet.above_ns
            or status >= FIRST_ERROR_STATUS
        ) and self._recorder.wants_detail(status, total_ns, end_ns):
            stages = (
                kernel_ns,
                complete_ns - first_byte_ns,
                taken_ns - complete_ns,
                head_ready_ns - taken_ns,
                body_ns,
                write_ns,
            )
            self._write_detail(exchange, end_ns, labels, stages)

    def _write_detail(
        self,
        exchange: Exchange,
        end_ns: int,
        labels: Labels,
        stages: tuple[float, float, float, float, float, float],
    ) -> None:
        _, status, _, route, method, protocol, route_id = labels
        record = RequestRecord(
            end_ns=end_ns,
            listener_id=self._listener_id,
            route_id=route_id,
            method=method,
            protocol=protocol,
            status=status,
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

    def _labels(self, exchange: Exchange) -> Labels:
        """What a request is counted under; noted on its head until route or status differ."""
        head = exchange.head
        method = _METHODS.get(exchange.method, _OTHER)
        protocol = _UNKNOWN if head is None else _MINOR[head.minor_version]
        status = exchange.status
        if status == _SWITCHING:
            protocol = _WEBSOCKET
        is_answered = head is not None and exchange.refusal is None
        route = exchange.route
        if not route:
            route = fold_path(exchange.target) if is_answered else self._refused_route(exchange)
        route_id = self._route_ids.get(route) or self._route_id(route)
        outlined = outline(self._listener_id, route_id, method, protocol, status)
        labels = exchange.route, status, outlined, route, method, protocol, route_id
        if head is not None and is_answered and route_id != OTHER_ROUTE:
            head.notes[self] = labels
        return labels

    def _refused_route(self, exchange: Exchange) -> str:
        """The route of a request that reached no application."""
        # Maybe not even a request line was read.
        return UNMATCHED if exchange.target else OTHER_ROUTE_NAME

    def _route_id(self, route: str) -> int:
        if route == OTHER_ROUTE_NAME:
            return OTHER_ROUTE
        number = self._recorder.route_id(self._listener_id, route)
        if number != OTHER_ROUTE:  # these are bounded; the names beyond them are not kept
            self._route_ids[route] = number
        return number

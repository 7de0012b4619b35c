"""From an answered exchange to its record in the ring."""

from __future__ import annotations

from http import HTTPStatus
from threading import current_thread
from time import time_ns
from typing import TYPE_CHECKING, Final

from servescope.recording.detail_layout import DetailTexts, Origin
from servescope.recording.detail_threshold import FIRST_ERROR_STATUS
from servescope.recording.record_layout import OTHER_ROUTE, OTHER_ROUTE_NAME, request_key
from servescope.recording.routes import UNMATCHED, fold_path
from servescope.recording.secret_names import mask_target
from servescope.recording.trace_context import trace_id_of
from servescope.request_fields import METHODS, Method, Protocol
from servescope.sentences import counted
from servescope.wire.cipher_suites import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.capturing.exchange_capture import ExchangeCapture
    from servescope.hosting.exchange import Exchange
    from servescope.recording.recorder import Recorder
    from servescope.serving.access_log.log import AccessLog

_OTHER: Final = Method._OTHER  # noqa: SLF001 - OpenTelemetry's name
_SWITCHING: Final = int(HTTPStatus.SWITCHING_PROTOCOLS)
_MINOR: Final = (Protocol.HTTP_1_0, Protocol.HTTP_1_1)

Labels = tuple[str, int, int, str]
"""The route that the app named and the status, which the rest holds for; the request key of such a
record, and its route."""


class RequestRecording:
    """Records each exchange of one listener once; `record` may be called by any thread."""

    def __init__(
        self, recorder: Recorder, listener: str, access_log: AccessLog | None = None
    ) -> None:
        self._recorder = recorder
        self._record = recorder.record_request
        self._threshold = recorder.detail_threshold
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
        # One that was broken off before a thread took it was in none of what comes after that.
        taken_ns = exchange.taken_ns or exchange.last_sent_ns
        complete_ns = exchange.complete_ns or taken_ns
        first_byte_ns = exchange.first_byte_ns
        last_sent_ns = exchange.last_sent_ns or taken_ns
        head_ready_ns = exchange.head_ready_ns or last_sent_ns
        kernel_ns = exchange.kernel_ns
        write_ns = exchange.write_ns
        body_ns = max(last_sent_ns - head_ready_ns - write_ns, 0)
        self._record(
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
        total_ns = kernel_ns + last_sent_ns - first_byte_ns
        capture = exchange.capture
        captured = (
            0 if capture is None else self._judge(capture, exchange, labels, total_ns, end_ns)
        )
        threshold = self._threshold
        if captured or (
            (
                last_sent_ns > threshold.until_ns
                or total_ns > threshold.above_ns
                or status >= FIRST_ERROR_STATUS
                or not status
            )
            and self._recorder.wants_detail(status, total_ns, end_ns)
        ):
            stages = (
                kernel_ns,
                complete_ns - first_byte_ns,
                taken_ns - complete_ns,
                head_ready_ns - taken_ns,
                body_ns,
                write_ns,
            )
            self._write_detail(exchange, labels, end_ns, stages, captured)

    def _write_detail(
        self,
        exchange: Exchange,
        labels: Labels,
        end_ns: int,
        stages_ns: Sequence[float],
        capture_id: int,
    ) -> None:
        capture = exchange.capture
        masks_query = capture is not None and capture_id > 0 and capture.judge.masks_query
        self._recorder.write_detail(
            end_ns,
            labels[2],
            exchange.flags,
            exchange.bytes_received,
            exchange.bytes_sent,
            stages_ns,
            DetailTexts(
                listener=self._listener,
                route=labels[3],
                target=mask_target(exchange.target, every_value=masks_query),
                client=exchange.client[0],
                user_agent=exchange.header(b"user-agent"),
                thread=current_thread().name,
            ),
            Origin(
                client_port=exchange.client[1],
                cipher_suite=UNKNOWN if exchange.tls is None else exchange.tls.cipher_suite,
                requests_before=exchange.requests_before,
                capture_id=capture_id,
                trace_id=trace_id_of(exchange.header(b"traceparent")),
            ),
        )

    def _judge(
        self,
        capture: ExchangeCapture,
        exchange: Exchange,
        labels: Labels,
        total_ns: float,
        end_ns: int,
    ) -> int:
        """The id under which a captured exchange is kept, now that it is answered; 0: it is not."""
        route = labels[3]
        found = capture.judge.accept(capture, route, total_ns)
        if found:
            complete_ns = exchange.complete_ns or exchange.taken_ns
            capture.note("read", counted(exchange.bytes_received, "byte"), complete_ns)
            capture.note("taken", "", exchange.taken_ns)
            if exchange.last_sent_ns:
                told = "broken off" if exchange.aborted else "the last byte is with the kernel"
                capture.note("transmit", told, exchange.last_sent_ns)
            capture.facts = capture.judge.describe(exchange, route, end_ns)
        return found

    def _labels(self, exchange: Exchange) -> Labels:
        """The labels of a request; noted on its head until route or status differ."""
        head = exchange.head
        method = METHODS.get(exchange.method, _OTHER)
        protocol = Protocol.UNKNOWN if head is None else _MINOR[head.minor_version]
        status = exchange.status
        if status == _SWITCHING:
            protocol = Protocol.WEBSOCKET
        is_answered = head is not None and exchange.refusal is None
        route = exchange.route
        if not route:
            route = fold_path(exchange.target) if is_answered else self._refused_route(exchange)
        route_id = self._route_ids.get(route) or self._route_id(route)
        key = request_key(self._listener_id, route_id, method, protocol, status)
        labels = exchange.route, status, key, route
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

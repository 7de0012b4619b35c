"""One connection, sans-IO: bytes and moments in, what to do out.

Theory of operation. A concurrency model reads bytes and hands them to `receive`; the answer is a
`Need`, and the model only carries it out:

    Need    | the model
    READ    | waits for bytes until `deadline_ns`; then calls `receive`, `receive_eof` or `expire`
    RUN     | calls `run` with a sink, on whatever thread it sees fit; once the sink has sent the
            | last byte it calls `finish_cycle`, whose Need comes next
    CLOSE   | closes
    LINGER  | shuts its sending side, reads until the end or a short deadline, closes, so that the
            | response is not lost to a reset (RFC 9112 section 9.6)

Before a READ it sends what `take_interim` gives (`100 Continue`). A conversation is used by one
thread at a time.

An application that streams bodies (ASGI) gets its RUN with the head. The model takes what came of
the body with `body_events`, reads on while it runs, and hands that to `receive_early`.

A body that is answered without having been read (by such an application, or by one that accepts
none) is in the way of the next request. A short rest of it is drained, in a READ like any other;
before a longer one, or one of which nobody knows how long it is or whether it comes at all, the
head of the response announces `Connection: close`.
"""

from __future__ import annotations

from enum import Enum, auto
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from servescope.errors import ClientGoneError
from servescope.forked_child import end_forked_child
from servescope.hosting.exchange import Exchange
from servescope.hosting.forwarding import forward
from servescope.hosting.request_body import RequestBody
from servescope.hosting.unfailing_log import UnfailingLogger
from servescope.request_fields import RequestFlag
from servescope.wire.http1_events import BodyData, EndOfMessage, Idle, Refusal, RequestHead
from servescope.wire.http1_response import CONTINUE
from servescope.wire.http1_server import Http1Server, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.capturing.exchange_capture import ExchangeCapture
    from servescope.hosting.exchange import ResponseSink
    from servescope.hosting.site import Site
    from servescope.wire.http1_events import Event
    from servescope.wire.tls_channel import TlsChannel

BODY_PROGRESS: Final = 65_536
"""Bytes of a body that renew its deadline: a byte a second does not hold a connection for ever."""

DRAIN_BYTES: Final = 262_144
"""Longest rest of a body that is read on to keep its connection; as in Go's net/http."""

DRAIN_NS: Final = 5_000_000_000
"""How long that may take."""

_NO_FLAGS: Final = RequestFlag(0)
_log = UnfailingLogger(__name__)


class Need(Enum):
    """The model's next step; the module's head says how."""

    READ = auto()
    RUN = auto()
    CLOSE = auto()
    LINGER = auto()


# Looked up once, as in `serving.models.asyncio.connection`: two look-ups a request on the Enum
# class cost 0.2 of asyncio's 12 µs in `benchmarks/serving.py`, plain (CPython 3.11).
_READ: Final = Need.READ
_RUN: Final = Need.RUN


class Conversation:
    """The requests of one connection, one after the other.

    `deadline_ns` is the moment the wait of a READ ends. `exchange` is the request at hand from its
    head until `finish_cycle`. `tls` is what encrypts the connection; its requests name its suite.
    """

    __slots__ = (
        "_body",
        "_body_mark",
        "_exchange_count",
        "_first_byte_ns",
        "_kernel_ns",
        "_may_keep_alive",
        "_received_kernel_ns",
        "_received_ns",
        "_site",
        "_was_queued",
        "_wire",
        "client",
        "deadline_ns",
        "exchange",
        "interim",
        "tls",
    )

    def __init__(
        self, site: Site, client: tuple[str, int], now_ns: int, tls: TlsChannel | None = None
    ) -> None:
        self._site = site
        self.client = client
        self.tls = tls
        self._wire = Http1Server(site.limits, site.known_heads)
        self._exchange_count = 0
        self._first_byte_ns = self._kernel_ns = 0
        self._received_ns = self._received_kernel_ns = 0
        self._was_queued = False
        self.interim = b""  # the interim response that is due, to be had by `take_interim`
        self._body: RequestBody | None = None
        self._body_mark = 0
        self._may_keep_alive = False  # once the body at hand was read
        self.exchange: Exchange | None = None
        self.deadline_ns = now_ns + site.deadlines.head_ns

    @property
    def is_idle(self) -> bool:
        """Whether no byte of a request waits or was read, but for the rest of an answered one."""
        wire = self._wire
        return self.exchange is None and (wire.state is State.BODY or not wire.has_begun)

    @property
    def has_more(self) -> bool:
        """Whether bytes of the next request were read with the one at hand."""
        return self._wire.has_more

    def take_interim(self) -> bytes:
        """The interim response to send now, if any; only once."""
        interim, self.interim = self.interim, b""
        if interim and self.exchange is not None and self.exchange.capture is not None:
            self.exchange.capture.note("interim", "100 Continue is sent")
        if interim and self.exchange is not None and self._site.streams_body:
            self._weigh_rest(self.exchange)
        return interim

    def receive(self, data: bytes, now_ns: int, kernel_ns: int) -> Need:
        """Take bytes read at `now_ns`, which the kernel had for `kernel_ns` before."""
        wire = self._wire
        head = wire.receive_whole(data)
        if head is not None:
            self._begin(head, now_ns, kernel_ns, len(data), data)
            return _RUN
        self._received_ns = now_ns
        self._received_kernel_ns = kernel_ns
        self._was_queued = False
        if self.exchange is None:
            if wire.state is State.BODY:
                wire.receive_data(data)
                return self._drain(now_ns)
            if not wire.has_begun:
                self._first_byte_ns = now_ns
                self._kernel_ns = kernel_ns
                self.deadline_ns = now_ns + self._site.deadlines.head_ns
        wire.receive_data(data)
        return self._advance()

    def receive_early(self, data: bytes, now_ns: int, kernel_ns: int) -> Iterator[Event]:
        """Take bytes that arrive while a request is answered: of its body, or of the next one."""
        self._received_ns = now_ns
        self._received_kernel_ns = kernel_ns
        self._wire.receive_data(data)
        return self.body_events(now_ns)

    def body_events(self, now_ns: int) -> Iterator[Event]:
        """Body bytes of the request at hand that have arrived; renews its deadline."""
        wire = self._wire
        while wire.state is State.BODY:
            event = wire.next_event()
            if isinstance(event, Idle):
                break
            exchange = self.exchange
            if exchange is not None:
                exchange.bytes_received = wire.message_bytes
                if exchange.bytes_received - self._body_mark >= BODY_PROGRESS:
                    self._body_mark = exchange.bytes_received
                    self.deadline_ns = now_ns + self._site.deadlines.body_ns
                # RFC 9110 section 10.1.1: no 100 is due once content has come.
                self.interim = b""
                self._weigh_rest(exchange)
            yield event

    def _weigh_rest(self, exchange: Exchange) -> None:
        """Have the head say whether the connection outlives it, were the response made now."""
        if not exchange.status:
            rest = self._wire.rest_bytes
            is_short = not self.interim and rest is not None and rest <= DRAIN_BYTES
            exchange.may_keep_alive = self._may_keep_alive and is_short

    def take_rest(self) -> bytes:
        """The bytes behind the request at hand: the connection leaves HTTP with them."""
        return self._wire.take_rest()

    def receive_eof(self) -> Need:
        """The client has closed its sending side: half a request will never be complete.

        RUN when `refuse` came first: the socket has found that this is no client of ours.
        """
        refused = self.exchange is not None and self.exchange.refusal is not None
        return _RUN if refused else Need.CLOSE

    def expire(self) -> Need:
        """The deadline of a READ has passed: 408 for half a request, else a silent end."""
        if self.is_idle:
            return Need.CLOSE
        waited_for = "body" if self.exchange else "head"
        reason = f"The request's {waited_for} did not arrive in time."
        return self._refuse(
            Refusal(HTTPStatus.REQUEST_TIMEOUT, reason), flags=RequestFlag.TIMED_OUT
        )

    def refuse(self, status: int, reason: str, now_ns: int) -> Need:
        """Answer without a request: there is no room for this connection, say."""
        self._first_byte_ns = self._received_ns = now_ns
        return self._refuse(Refusal(status, reason))

    def run(self, sink: ResponseSink) -> None:
        """Answer the request at hand, by the application or with its refusal. Never raises."""
        exchange = self.exchange
        if exchange is None:
            raise RuntimeError("there is no request to run")
        exchange.begin(sink, sink.now_ns())
        try:
            if exchange.refusal is not None:
                exchange.respond_error(exchange.refusal.status, exchange.refusal.reason)
            else:
                self._site.application(exchange)
        except ClientGoneError as gone:
            exchange.break_off(gone)
        except BaseException as error:  # noqa: BLE001 - the app's boundary
            # `sys.exit()` in a view, a KeyboardInterrupt or GeneratorExit of its own: none of them
            # is meant for the thread that happens to call the app. A signal's KeyboardInterrupt
            # goes to the main thread, which calls no app.
            self._fail(exchange, error)

    def _fail(self, exchange: Exchange, error: BaseException) -> None:
        if self._site.is_left_to_parent:
            end_forked_child(error)
        _log.error(
            "listener %s: the application failed on %s %s",
            self._site.name,
            exchange.method,
            exchange.masked_target,
            exc_info=error,
        )
        try:
            exchange.fail()
        except ClientGoneError as gone:
            exchange.break_off(gone)

    def close(self) -> None:
        """Give back what the request at hand holds; at the latest with the connection."""
        if self.exchange is not None and self.exchange.capture is not None:
            self._end_capture(self.exchange)
        if self._body is not None:
            self._body.close()
            self._body = None

    def finish_cycle(self, now_ns: int) -> Need:
        """The response is out, or was broken off: what comes next on this connection."""
        exchange = self.exchange
        if exchange is None:
            raise RuntimeError("there is no request to finish")
        self.exchange = None
        self._exchange_count += 1
        if exchange.capture is not None:
            self._end_capture(exchange)
        if self._body is not None:
            self.close()
        wire = self._wire
        deadlines = self._site.deadlines
        if exchange.aborted or not exchange.may_keep_alive:
            return self._last_need(exchange)
        if wire.is_between:  # it was taken in one step, and nothing came after it
            self.deadline_ns = now_ns + deadlines.idle_ns
            return _READ
        if wire.state is State.BODY:
            self.deadline_ns = now_ns + min(deadlines.body_ns, DRAIN_NS)
            return self._drain(now_ns)
        return self._begin_next_cycle(now_ns)

    def _drain(self, now_ns: int) -> Need:
        """Read past the rest of a body that was answered already; then the next request begins."""
        wire = self._wire
        while wire.state is State.BODY:
            if wire.next_event() is Idle.NEED_DATA:
                return _READ
        return self._begin_next_cycle(now_ns)

    def _begin_next_cycle(self, now_ns: int) -> Need:
        """The request at hand was read to its end and answered."""
        deadlines = self._site.deadlines
        if self._wire.start_next_cycle():
            # The next request came in one read with this one: it has waited in our own queue.
            self._first_byte_ns = self._received_ns
            self._kernel_ns = self._received_kernel_ns
            self.deadline_ns = now_ns + deadlines.head_ns
            self._was_queued = True
            need = self._advance()
            if not self.is_idle:
                return need
        self.deadline_ns = now_ns + deadlines.idle_ns
        return _READ

    def _last_need(self, exchange: Exchange) -> Need:
        """How a connection ends after this exchange."""
        if exchange.aborted:
            return Need.CLOSE
        wire = self._wire
        asked_for = exchange.head is not None and not exchange.head.keep_alive
        # Else a refusal, a body nobody wanted, or a client that may be sending its next request.
        is_all = asked_for and wire.state is State.DONE and not wire.has_buffered
        return Need.CLOSE if is_all else Need.LINGER

    def _advance(self) -> Need:
        """Take the events there are."""
        wire = self._wire
        while True:
            event = wire.next_event()
            if isinstance(event, RequestHead):
                exchange = self._begin(
                    event, self._first_byte_ns, self._kernel_ns, wire.message_bytes
                )
                if event.body_length != 0 and self._begin_body(event, exchange):
                    return _RUN
            elif isinstance(event, EndOfMessage):
                return self._complete()
            elif isinstance(event, BodyData):
                self._keep(event.data)
            elif isinstance(event, Refusal):
                return self._refuse(event)
            elif event is Idle.NEED_DATA:
                return _READ
            else:
                return Need.LINGER

    def _begin(
        self,
        head: RequestHead,
        first_byte_ns: int,
        kernel_ns: int,
        received: int,
        raw: bytes | None = None,
    ) -> Exchange:
        """A head is complete: make its exchange. `raw`: its bytes; None: the wire has them."""
        site = self._site
        self.exchange = exchange = Exchange()
        exchange.open(
            site,
            self.client,
            head,
            None,
            first_byte_ns,
            kernel_ns,
            received,
            site.request_flags if self._exchange_count else site.first_request_flags,
            self._exchange_count,
            self.tls,
        )
        most = site.keep_alive_requests
        if most and self._exchange_count + 1 >= most:
            exchange.may_keep_alive = False
        if site.proxies is not None:
            forward(exchange, site.proxies)
        if site.denies is not None and site.denies(exchange.client[0]):
            exchange.may_keep_alive = False
            exchange.refusal = Refusal(
                HTTPStatus.FORBIDDEN, "This address may not use this server."
            )
        if site.captures is not None:
            site.captures.begin(exchange, self._wire.head_bytes if raw is None else raw)
            if exchange.capture is not None and head.body_length != 0:
                self._wire.tap = partial(self._show_body, exchange.capture)
        return exchange

    def _show_body(self, capture: ExchangeCapture, data: bytes) -> None:
        capture.take_body(data, self._received_ns)

    def _end_capture(self, exchange: Exchange) -> None:
        """The exchange is over, or its connection is."""
        self._wire.tap = None
        if exchange.capture is not None:
            exchange.capture.finish()

    def _begin_body(self, head: RequestHead, exchange: Exchange) -> bool:
        """A body follows; whether the request can be answered at once, without it."""
        site = self._site
        # Nobody knows whether content follows a final answer given in the place of a 100.
        is_certain = site.application.accepts_body or not head.expects_continue
        self._may_keep_alive = exchange.may_keep_alive and is_certain
        if exchange.refusal is not None or not site.application.accepts_body:
            self._weigh_rest(exchange)
            return True
        self._body_mark = 0
        self.deadline_ns = self._received_ns + site.deadlines.body_ns
        if head.expects_continue and not self._wire.has_buffered:
            self.interim = CONTINUE
        if not site.streams_body:
            self._body = RequestBody()
            return False
        self._weigh_rest(exchange)
        if self._was_queued:
            exchange.complete_ns = self._received_ns
        return True

    def _keep(self, data: bytes) -> None:
        if self._body is not None:
            self._body.append(data)
            if self._body.size - self._body_mark >= BODY_PROGRESS:
                self._body_mark = self._body.size
                self.deadline_ns = self._received_ns + self._site.deadlines.body_ns

    def _complete(self) -> Need:
        exchange = self.exchange
        if exchange is not None:
            exchange.bytes_received = self._wire.message_bytes
            if self._was_queued:
                exchange.complete_ns = self._received_ns
            if self._body is not None:
                exchange.body = self._body.rewound()
        return _RUN

    def _refuse(self, refusal: Refusal, flags: RequestFlag = _NO_FLAGS) -> Need:
        site = self._site
        exchange = self.exchange
        if exchange is None:
            self.exchange = exchange = Exchange()
            exchange.open(
                site,
                self.client,
                None,
                refusal,
                self._first_byte_ns,
                self._kernel_ns,
                0,
                site.request_flags if self._exchange_count else site.first_request_flags,
                self._exchange_count,
                self.tls,
            )
            if site.captures is not None:
                site.captures.begin(exchange, self._wire.refused_bytes)
        exchange.refusal = refusal
        exchange.may_keep_alive = False
        exchange.flags |= flags
        exchange.bytes_received = self._wire.message_bytes
        return _RUN

"""Requests of an event loop's connection that the ASGI app answers on the loop.

Theory of operation. While a request runs the connection is read on: its body goes to the app, and a
client that leaves is noticed. Bytes of the next request wait in the conversation, and no more is
read until it is its turn. The app's coroutine is driven at once (`coroutine_driver`); most have
sent their whole response when that returns, and then the next request is looked for in the same
turn. Otherwise the response goes on when the app does, and `_advance` is scheduled once it is out.
A whole response may be held for the end of the turn (`write_batch`): `write_held` goes on then.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

from servescope.errors import ClientGoneError, ProtocolError
from servescope.hosting.asgi.http import HttpCall
from servescope.hosting.asgi.websocket import WebSocketCall
from servescope.request_fields import RequestFlag
from servescope.serving.connection import now_ns
from servescope.serving.models.asyncio.output import LOW_WATER
from servescope.serving.models.asyncio.phases import NEVER_NS, Phase
from servescope.serving.models.asyncio.websocket_session import WebSocketSession
from servescope.wire.http1_events import BodyData, EndOfMessage, Refusal
from servescope.wire.websocket_handshake import (
    REFUSAL_FIELDS,
    asks_for_websocket,
    read_handshake,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servescope.hosting.asgi.host import AsgiHost, Channel, Receive, Send
    from servescope.hosting.conversation import Need
    from servescope.hosting.exchange import Exchange
    from servescope.hosting.open_file import OpenFile
    from servescope.serving.models.asyncio.connection import LoopConnection
    from servescope.serving.models.asyncio.coroutine_driver import CoroutineDriver
    from servescope.wire.http1_events import Event

HALF_CLOSED_NS: Final = 2_000_000_000
"""How long an app may send nothing to a client that has ended its side before the app is told that
it has gone. A client that only ended its side and reads on gets its answer; bytes sent to one that
has gone for good are answered with a reset."""

LEAVING_NS: Final = 5_000_000_000
"""How long later its connection is closed; and how long an app whose connection was closed, by a
reset or by this, has to learn of it (by `receive`, `send` or itself) before it is cancelled."""

_NO_FLAGS: Final = RequestFlag(0)
_RUNNING: Final = Phase.RUNNING  # looked up once: see `connection`


class AsgiHandler:
    """Answers the requests of one connection by the app; the Channel of the app's calls."""

    __slots__ = (
        "_batch",
        "_call",
        "_connection",
        "_driver",
        "_ended_ns",
        "_host",
        "_is_driving",
        "_session",
        "date",
        "now_ns",
        "output",
    )

    def __init__(self, connection: LoopConnection, host: AsgiHost, driver: CoroutineDriver) -> None:
        self._connection = connection
        self.output = connection.output
        self._batch = connection.owner.batch
        self._host = host
        self._driver = driver
        self.date = connection.date  # see ResponseSink
        self.now_ns = now_ns
        self._call: HttpCall | WebSocketCall | None = None
        self._session: WebSocketSession | None = None  # once the protocol was switched
        self._is_driving = False  # the app is called right now: `answer` sees to what it did
        self._ended_ns = 0  # since when the client's side has ended, and nothing has changed since

    @property
    def _exchange(self) -> Exchange:
        """The request at hand. Not kept here: it knows us, its sink."""
        return self._connection.conversation.exchange or self._connection.current_exchange()

    # Answering.

    def answer(self, exchange: Exchange) -> Need | None:
        """See RequestHandler."""
        connection = self._connection
        connection.enter(_RUNNING, self)
        self._is_driving = True
        try:
            if exchange.refusal is None:
                self._call_app(exchange)
            else:
                connection.conversation.run(self)
        finally:
            self._is_driving = False
        if self.output.held:
            return None  # `write_held` goes on
        if exchange.is_recorded and connection.phase is _RUNNING:
            self._call = None  # the usual: the response is out
            return connection.conversation.finish_cycle(exchange.last_sent_ns)
        need = self._next_need()
        if need is None and connection.phase is _RUNNING:
            self._watch_client()
        return need

    def _watch_client(self) -> None:
        """The response takes its time: look out for the client meanwhile."""
        readable = self._connection.readable
        if readable.is_on:
            self.on_readable()  # a reset that came with the request: see Watch.renew
        else:
            readable.on()
        self._set_deadline()

    def _call_app(self, exchange: Exchange) -> None:
        exchange.begin(self, now_ns())
        head = exchange.head
        call: HttpCall | WebSocketCall
        if head is not None and head.has_upgrade and asks_for_websocket(head):
            try:
                # The exchange's sink is this channel, or one that is watched on the way to it.
                channel = cast("Channel", exchange.sink)
                call = WebSocketCall(self._host, exchange, channel, read_handshake(head))
            except ProtocolError as error:
                exchange.may_keep_alive = False
                headers = REFUSAL_FIELDS.get(HTTPStatus(error.status))
                exchange.respond_error(error.status, error.reason, headers)
                return
            self._call = call
        else:
            self._call = call = HttpCall()
            call.open(self._host.http_scope(exchange), exchange, self)
            if head is not None and head.body_length != 0:
                self._feed(self._connection.conversation.body_events(now_ns()))
        receive: Receive = call.receive
        send: Send = call.send
        capture = exchange.capture
        if capture is not None:
            receive, send = capture.begin_asgi_call(call.scope, receive, send)
        try:
            app = self._host.app  # of its instance, not of its class: quicker apart from the call
            coroutine = app(call.scope, receive, send)
        except BaseException as error:  # noqa: BLE001 - the app's boundary: no app at all, maybe
            call.finish(error)
            return
        self._driver.drive(coroutine, call)

    def _next_need(self) -> Need | None:
        """The next step when the response is out, or broken off; None while it is neither."""
        connection = self._connection
        if connection.phase is not _RUNNING:
            return None
        exchange, output = self._exchange, self.output
        if output.held or (not exchange.aborted and (output.pending or not exchange.is_ended)):
            return None
        if not exchange.is_recorded:
            connection.record_if_not_yet()
        self._call = None
        self._ended_ns = 0
        return connection.conversation.finish_cycle(now_ns())

    def _advance_soon(self) -> None:
        # Not at once: we may be inside the app's task, and what comes next may be its next call.
        if not self._is_driving:
            self._connection.call_soon(self._advance)

    def _advance(self) -> None:
        self._connection.carry_out(self._next_need())

    # The Channel of the app's calls.

    def send(self, data: bytes, *, last: bool) -> None:
        """Send a part of the response, or keep it."""
        connection = self._connection
        exchange = connection.conversation.exchange or self._exchange
        output = self.output
        if last or not exchange.bytes_sent:
            self._note_who_has_gone(exchange)
        if (
            exchange.framing is None  # it is whole
            and exchange.may_keep_alive
            and self._is_driving
            and len(data) <= LOW_WATER
            and isinstance(self._call, HttpCall)
            and self._batch.take(self, exchange.head_ready_ns)
        ):
            output.held = data
        elif output.send(exchange, data) and last:
            connection.record(exchange)
            if not self._is_driving:
                self._advance_soon()

    def _note_who_has_gone(self, exchange: Exchange) -> None:
        """Note that nobody takes these bytes: the loop may not have been told while it ran."""
        if self._ended_ns:
            exchange.flags |= RequestFlag.CLIENT_GONE
        else:
            # A head that was made just now goes out with them.
            now = now_ns() if exchange.bytes_sent else exchange.head_ready_ns
            self._connection.look_for_client(exchange, now)

    def write_held(self) -> None:
        """See Writer."""
        connection, output = self._connection, self.output
        data, output.held = output.held, b""
        if not data:  # the connection was closed
            return
        try:
            exchange = connection.conversation.exchange or self._exchange
            if output.send(exchange, data):
                connection.record(exchange)
                self._call = None
                connection.carry_out(connection.conversation.finish_cycle(exchange.last_sent_ns))
            else:
                self._watch_client()
        except ClientGoneError:
            connection.close()
        except BaseException:  # noqa: BLE001 - the loop's boundary: the fault costs its connection only
            connection.owner.give_up(connection)

    def send_file(self, head: bytes, file: OpenFile, offset: int, count: int) -> None:
        """Never: an app on the loop sends bytes."""
        raise NotImplementedError

    def send_frames(self, data: bytes) -> None:
        """Send frames of the WebSocket, which has begun."""
        if self._session is not None:
            self._session.send_frames(data)

    def want_data(self) -> None:
        """The app waits for the client."""
        if self._session is not None:
            self._session.want_data()
            return
        connection = self._connection
        interim = connection.conversation.take_interim()
        if interim:
            connection.send_interim(interim)
        if not connection.readable.is_on and connection.phase is _RUNNING:
            self._ended_ns = 0  # it will be read again
            connection.readable.on()
            # The app kept the client waiting: the client has its whole time again.
            connection.conversation.deadline_ns = now_ns() + connection.owner.body_ns
            self._set_deadline()

    def switch_protocols(self) -> None:
        """The 101 is out: the session takes over."""
        call, self._call = self._call, None
        if isinstance(call, WebSocketCall):
            self._session = WebSocketSession(self._connection, self._exchange, call)
            self._session.begin()

    def call_finished(self, call: object) -> None:
        """The app has returned at last."""
        if call is self._call:
            self._advance_soon()

    # See Handler.

    def on_readable(self) -> None:
        """Read what comes of the body, or of the next request, or the end."""
        connection = self._connection
        found = connection.read()
        if found is None:
            connection.readable.on()
            return
        data, kernel_ns = found
        call = self._call
        if not data:
            connection.readable.off()  # the end can be read again and again
            if connection.has_hung_up():
                connection.close()
            else:
                self._note_end()
            return
        self._feed(connection.conversation.receive_early(data, now_ns(), kernel_ns))
        if not isinstance(call, HttpCall) or not (call.awaits_body and call.wants_data):
            connection.readable.off()
        elif connection.readable.is_on:
            connection.readable.renew()

    def on_writable(self) -> None:
        """Send more of the response."""
        exchange = self._exchange
        try:
            is_out = self.output.flush(exchange)
        except ClientGoneError:
            self._connection.close()
            return
        if is_out:
            if exchange.is_ended:
                self._connection.record(exchange)
            self._set_deadline()
            self._advance()

    def on_half_close(self) -> None:
        """Give the app `HALF_CLOSED_NS` from the first time on."""
        if not self._ended_ns:
            self._ended_ns = now_ns()
            self._set_deadline()

    def on_deadline(self) -> None:
        """See to a client that stalls, has ended its side, or does not send its body."""
        if self.output.held:
            return  # it leaves in this turn
        if self.output.pending:
            self._connection.close(RequestFlag.ABORTED | RequestFlag.TIMED_OUT)
        elif self._ended_ns:
            self._expire_end()
        else:
            self._connection.deadline_ns = NEVER_NS
            self._cut_short(
                HTTPStatus.REQUEST_TIMEOUT,
                "The request's body did not arrive in time.",
                RequestFlag.TIMED_OUT,
            )

    def on_stop(self) -> None:
        """Finish within the grace."""

    def on_close(self) -> None:
        """Tell the app."""
        call, self._call = self._call, None
        if call is not None:
            call.disconnect(cut_off=True)
            self._connection.owner.cancel_if_unaware(call)

    # The request's body, and the end of the client's side.

    def _feed(self, events: Iterable[Event]) -> None:
        """Hand parts of the body to the app."""
        call = self._call
        for event in events:
            if isinstance(event, BodyData):
                if isinstance(call, HttpCall):
                    call.feed(event.data)
            elif isinstance(event, EndOfMessage):
                if isinstance(call, HttpCall):
                    call.complete_body()
            elif isinstance(event, Refusal):
                self._cut_short(event.status, event.reason)
        self._set_deadline()

    def _cut_short(self, status: int, reason: str, flags: RequestFlag = _NO_FLAGS) -> None:
        """The request's body is at fault: answer in the app's place, or break off."""
        exchange, call = self._exchange, self._call
        if call is None:
            return
        call.disconnect(cut_off=True)
        self._connection.owner.cancel_if_unaware(call)
        exchange.flags |= flags
        exchange.may_keep_alive = False
        if exchange.status:
            exchange.aborted = True
        else:
            exchange.respond_error(status, reason)
        self._advance_soon()

    def _note_end(self) -> None:
        """The client has ended its side: it has gone, or it only reads on."""
        call = self._call
        self._ended_ns = now_ns()
        if call is not None and (isinstance(call, WebSocketCall) or call.awaits_body):
            call.disconnect(cut_off=False)  # there is no use in half of it
        self._set_deadline()

    def _expire_end(self) -> None:
        """The client's side has ended, and the app was silent for a while; see `HALF_CLOSED_NS`."""
        connection, call, now = self._connection, self._call, now_ns()
        self._set_deadline()
        if now < connection.deadline_ns:
            return
        if call is None or call.is_gone or self._is_behind:
            connection.close()
        else:
            call.disconnect(cut_off=False)
            self._ended_ns = now
            self._set_deadline()

    @property
    def _is_behind(self) -> bool:
        """Whether the app has not taken the body, so that there is more to tell it than the end."""
        return isinstance(self._call, HttpCall) and self._call.awaits_body

    def _set_deadline(self) -> None:
        connection = self._connection
        if self._ended_ns:
            is_told = self._call is None or self._call.is_gone or self._is_behind
            silence_ns = LEAVING_NS if is_told else HALF_CLOSED_NS
            last_sign_ns = max(self._ended_ns, self._exchange.last_sent_ns)
            connection.deadline_ns = last_sign_ns + silence_ns
        elif self._is_behind and connection.readable.is_on:
            connection.deadline_ns = connection.conversation.deadline_ns
        else:
            connection.deadline_ns = NEVER_NS

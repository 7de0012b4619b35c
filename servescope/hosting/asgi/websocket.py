"""One WebSocket of an ASGI app: its receive and its send."""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import ClientDisconnectedError, ClientGoneError
from servescope.forked_child import end_forked_child
from servescope.hosting.asgi.host import DONE, HIGH_WATER, Waiters, is_of_a_lost_client
from servescope.hosting.asgi.http import HttpCall, HttpState, route_of
from servescope.hosting.unfailing_log import UnfailingLogger
from servescope.request_fields import RequestFlag
from servescope.wire.http1_response import as_content
from servescope.wire.websocket import (
    GOING_AWAY,
    BytesReceived,
    CloseReceived,
    Failed,
    OpenWebSocket,
    PingReceived,
    PongReceived,
    TextReceived,
    WebSocketState,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from servescope.hosting.asgi.host import AsgiHost, Channel, Message
    from servescope.hosting.exchange import Exchange
    from servescope.wire.websocket_handshake import Handshake

_log = UnfailingLogger(__name__)

NORMAL: Final = 1000
ABNORMAL: Final = 1006
INTERNAL_ERROR: Final = 1011
MESSAGE_OVERHEAD: Final = 1024
"""Bytes a waiting message counts for beside its content: many empty ones are not free."""


class SocketState(IntEnum):
    """Where the WebSocket of the app stands."""

    CONNECTING = 0  # the handshake waits for the app's answer
    OPEN = 1
    DENYING = 2  # the app answers the handshake with a response of its own
    CLOSED = 3  # by the app, by the client, or by us


ACCEPT: Final = "websocket.accept"
SEND: Final = "websocket.send"
CLOSE: Final = "websocket.close"
DENIAL_START: Final = "websocket.http.response.start"
DENIAL_BODY: Final = "websocket.http.response.body"

WEBSOCKET_SENDS: Final = {
    (SocketState.CONNECTING, ACCEPT): SocketState.OPEN,
    (SocketState.CONNECTING, CLOSE): SocketState.CLOSED,
    (SocketState.CONNECTING, DENIAL_START): SocketState.DENYING,
    (SocketState.DENYING, DENIAL_BODY): SocketState.DENYING,
    (SocketState.OPEN, SEND): SocketState.OPEN,
    (SocketState.OPEN, CLOSE): SocketState.CLOSED,
}
"""Legal messages of an app by state, and their effect; others raise RuntimeError in the app."""


class WebSocketCall:
    """The app's side of one WebSocket.

    The request is recorded when the handshake is answered: with status 101 its duration is the time
    that the app took to accept, and the life of the socket, which may be hours, spoils no
    percentile. Messages count in the host's `traffic`.
    """

    __slots__ = (
        "_awaits_pong",
        "_channel",
        "_denial",
        "_end",
        "_exchange",
        "_handshake",
        "_inbox",
        "_inbox_bytes",
        "_is_aware",
        "_is_connect_told",
        "_is_counted",
        "_is_cut_off",
        "_opened_ns",
        "_state",
        "_traffic",
        "_waiters",
        "_was_cancelled",
        "_wire",
        "scope",
    )

    def __init__(
        self, host: AsgiHost, exchange: Exchange, channel: Channel, handshake: Handshake
    ) -> None:
        self.scope = host.websocket_scope(exchange, handshake.subprotocols)
        self._traffic = host.traffic
        self._exchange = exchange
        self._channel = channel
        self._handshake = handshake
        self._wire = OpenWebSocket(handshake.deflate, exchange.site.limits.max_body)
        self._state = SocketState.CONNECTING
        self._denial: HttpCall | None = None
        self._inbox: deque[str | bytes] = deque()
        self._inbox_bytes = 0
        self._is_connect_told = False
        self._is_counted = False  # among the open ones
        self._opened_ns = 0
        self._is_cut_off = False
        self._end: tuple[int, str] | None = None  # what `websocket.disconnect` tells
        self._is_aware = False  # the app knows of that
        self._was_cancelled = False  # because it could not know
        self._awaits_pong = False
        self._waiters = Waiters(channel.output.make_waiter)

    # Called by the model.

    @property
    def is_over(self) -> bool:
        """Whether the closing handshake is done: the connection may close."""
        return self._is_cut_off or self._wire.state is WebSocketState.CLOSED

    @property
    def is_gone(self) -> bool:
        """Whether the app is told, once it asks, that its client has gone."""
        return self._end is not None

    @property
    def is_unaware(self) -> bool:
        """Whether the client has gone and the app, which waits for something else, was not told."""
        if self._denial is not None:
            return self._denial.is_unaware
        is_running = self._state is not SocketState.CLOSED
        return is_running and self._end is not None and not self._is_aware

    def note_cancelled(self) -> None:
        """The app is cancelled, since it is unaware."""
        self._is_aware = self._was_cancelled = True
        if self._denial is not None:
            self._denial.note_cancelled()

    @property
    def is_closing(self) -> bool:
        """Whether our Close is out and the client's is awaited."""
        return self._wire.state is WebSocketState.CLOSING

    @property
    def wants_data(self) -> bool:
        """Whether more may be read: the app is not too far behind."""
        return self._inbox_bytes < HIGH_WATER

    def feed(self, data: bytes) -> None:
        """Bytes of the client. Raises ClientGoneError when an answer to them cannot be sent."""
        if self._exchange.capture is not None:
            self._exchange.capture.take_frames(data, is_sent=False)
        self._traffic.bytes_received += len(data)
        self._awaits_pong = False
        wire = self._wire
        wire.receive_data(data)
        while (event := wire.next_event()) is not None:
            match event:
                case TextReceived(message) | BytesReceived(message):
                    self._keep(message)
                case CloseReceived(code, reason) | Failed(code, reason):
                    self._finish_client(code, reason)
                case PingReceived() | PongReceived():
                    pass
        replies = wire.take_replies()
        if replies:
            self._send_frames(replies)

    def _keep(self, message: str | bytes) -> None:
        self._traffic.messages_received += 1
        self._inbox.append(message)
        self._inbox_bytes += len(message) + MESSAGE_OVERHEAD
        self._waiters.wake()

    def disconnect(self, *, cut_off: bool = True) -> None:
        """The connection has ended, with or without a closing handshake."""
        self._is_cut_off |= cut_off
        self._finish_client(ABNORMAL, "")
        if self._denial is not None:
            self._denial.disconnect(cut_off=cut_off)

    def _finish_client(self, code: int, reason: str) -> None:
        """Nothing more will be taken; the first to say why is right."""
        if self._end is None:
            self._end = (code, reason)
            self._waiters.wake()
        if self._is_counted and self.is_over:
            self._is_counted = False
            self._traffic.open_now -= 1
            self._traffic.closed += 1
            self._traffic.closed_ns += self._channel.now_ns() - self._opened_ns

    def close(self, code: int = GOING_AWAY, reason: str = "") -> None:
        """Begin the closing handshake from the server's side; the app learns it by its receive.

        Raises ClientGoneError.
        """
        if self._state is SocketState.OPEN and not self.is_over:
            frame = self._wire.close(code, reason)
            self._finish_client(code, reason)
            self._send_frames(frame)

    def expire(self) -> bool:
        """Nothing was heard for a while: send a ping; True when the last one had no answer.

        Raises ClientGoneError.
        """
        if self._awaits_pong or self._wire.state is not WebSocketState.OPEN:
            return True
        self._awaits_pong = True
        self.ping()
        return False

    def ping(self) -> None:
        """Send a ping: the system of a client that has gone answers it with a reset.

        Raises ClientGoneError.
        """
        self._send_frames(self._wire.ping())

    def _send_frames(self, data: bytes) -> None:
        self._traffic.bytes_sent += len(data)
        self._channel.send_frames(data)

    # Called by the app.

    async def receive(self) -> Message:
        """`websocket.connect`, then each message, then `websocket.disconnect`."""
        if not self._is_connect_told:
            self._is_connect_told = True
            return {"type": "websocket.connect"}
        while True:
            if self._inbox:
                return self._take_message()
            if self._denial is not None and self._denial.state is HttpState.ENDED:
                self._is_aware = True
                return {"type": "websocket.disconnect", "code": ABNORMAL, "reason": ""}
            if self._end is not None:
                code, reason = self._end
                self._is_aware = True
                return {"type": "websocket.disconnect", "code": code, "reason": reason}
            await self._waiters.wait()

    def _take_message(self) -> Message:
        message = self._inbox.popleft()
        was_behind = not self.wants_data
        self._inbox_bytes -= len(message) + MESSAGE_OVERHEAD
        if was_behind and self.wants_data:
            self._channel.want_data()
        kind = "text" if isinstance(message, str) else "bytes"
        return {"type": "websocket.receive", kind: message}

    def send(self, message: Message) -> Coroutine[Any, Any, None]:
        """Take a message of the app; await what it gives.

        Raises RuntimeError for a message out of turn, ClientDisconnectedError without a client.
        """
        kind = message["type"]
        state = WEBSOCKET_SENDS.get((self._state, kind))
        if state is None:
            raise RuntimeError(f"the app may not send {kind} when the socket is {self._state!r}")
        if self._end is not None:
            self._is_aware = True
            if kind == CLOSE:
                self._state = state
                return DONE
            raise ClientDisconnectedError("the WebSocket is closed")
        try:
            awaitable = self._carry_out(kind, message)
        except ClientGoneError:
            self._exchange.aborted = True
            self.disconnect()
            self._is_aware = True
            raise ClientDisconnectedError("the client has closed the connection") from None
        self._state = state
        return awaitable

    def _carry_out(self, kind: str, message: Message) -> Coroutine[Any, Any, None]:
        if kind == SEND:
            self._send_message(message)
        elif kind == ACCEPT:
            self._accept(message)
        elif kind == CLOSE:
            self._close(message)
        else:
            denial = self._denial
            if denial is None:
                denial = HttpCall()
                denial.open(self.scope, self._exchange, self._channel)
            awaitable = denial.send({**message, "type": kind.removeprefix("websocket.")})
            self._denial = denial  # now that it has taken the head
            if denial.state is HttpState.ENDED:
                self._waiters.wake()
            return awaitable
        return self._drain() if self._channel.output.is_congested else DONE

    async def _drain(self) -> None:
        try:
            await self._channel.output.drain()
        except ClientDisconnectedError:
            self._is_aware = True
            raise

    def _send_message(self, message: Message) -> None:
        data, text = message.get("bytes"), message.get("text")
        if data is not None and text is None:
            frame = self._wire.binary(data if type(data) is bytes else as_content(data))
        elif text is not None and data is None:
            if not isinstance(text, str):
                raise TypeError(
                    f"text of websocket.send is str, the app gave {type(text).__name__}"
                )
            frame = self._wire.text(text)
        else:
            raise ValueError("websocket.send has exactly one of bytes and text")
        self._traffic.messages_sent += 1
        self._send_frames(frame)

    def _accept(self, message: Message) -> None:
        exchange, channel = self._exchange, self._channel
        now_ns = channel.now_ns()
        response = self._handshake.response(
            channel.date(now_ns)[0], message.get("subprotocol"), message.get("headers", ())
        )
        exchange.route = route_of(self.scope, HTTPStatus.SWITCHING_PROTOCOLS)
        # The app has nothing left to fail with.
        exchange.status = HTTPStatus.SWITCHING_PROTOCOLS
        exchange.is_ended = True
        self._opened_ns = exchange.head_ready_ns = now_ns
        channel.send(response, last=True)
        self._is_counted = True
        self._traffic.open_now += 1
        channel.switch_protocols()
        if exchange.capture is not None:
            exchange.capture.keep_for_now()

    def _close(self, message: Message) -> None:
        if self._state is SocketState.CONNECTING:  # ASGI: "the server must respond with 403"
            self._exchange.route = route_of(self.scope, HTTPStatus.FORBIDDEN)
            self._exchange.respond_error(
                HTTPStatus.FORBIDDEN, "The application refused the WebSocket."
            )
            self._finish_client(ABNORMAL, "")
            return
        code = message.get("code")
        if code is None:
            code = NORMAL
        reason = message.get("reason") or ""
        frame = self._wire.close(code, reason)
        self._finish_client(code, reason)
        self._send_frames(frame)

    def finish(self, error: BaseException | None) -> None:
        """The app has returned, or raised: close what it left open. Raises nothing."""
        if self._exchange.site.is_left_to_parent:
            end_forked_child(error)
        if self._denial is not None:
            self._denial.finish(error)
        else:
            self._tell(error)
            try:
                if self._state is SocketState.OPEN:
                    self.close(NORMAL if error is None else INTERNAL_ERROR)
                elif self._state is SocketState.CONNECTING and not self._is_cut_off:
                    self._fail_handshake(error)
            except ClientGoneError:
                self._exchange.aborted = True
                self.disconnect()
        self._state = SocketState.CLOSED

    def _tell(self, error: BaseException | None) -> None:
        """Log how the app failed, unless it only met the consequence of a client that left."""
        is_known = self._was_cancelled or (
            error is not None and self._end is not None and is_of_a_lost_client(error)
        )
        if error is not None and not is_known:
            exchange = self._exchange
            exchange.flags |= RequestFlag.APP_ERROR
            _log.error(
                "listener %s: the application failed on the WebSocket %s",
                exchange.site.name,
                exchange.masked_target,
                exc_info=error,
            )

    def finish_late(self, error: BaseException | None) -> None:
        """The same when the app was waited for."""
        try:
            self.finish(error)
        finally:
            self._channel.call_finished(self)

    def _fail_handshake(self, error: BaseException | None) -> None:
        if error is None:
            _log.error(
                "listener %s: the application answered the WebSocket %s with nothing",
                self._exchange.site.name,
                self._exchange.masked_target,
            )
        self._exchange.route = route_of(self.scope, HTTPStatus.INTERNAL_SERVER_ERROR)
        self._exchange.fail()
        self._finish_client(ABNORMAL, "")

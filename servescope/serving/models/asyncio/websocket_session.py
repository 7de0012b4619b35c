"""A connection on an event loop while it is a WebSocket: frames, pings, the closing handshake."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from servescope.errors import ClientGoneError
from servescope.request_fields import RequestFlag
from servescope.serving.connection import now_ns
from servescope.serving.models.asyncio.phases import Phase

if TYPE_CHECKING:
    from servescope.hosting.asgi.websocket import WebSocketCall
    from servescope.hosting.exchange import Exchange
    from servescope.serving.models.asyncio.connection import LoopConnection

PING_NS: Final = 20_000_000_000
"""A WebSocket that is silent this long is asked whether it is there; as long again: it is not."""

CLOSE_NS: Final = 2_000_000_000
"""How long the client may take to answer our Close."""


class WebSocketSession:
    """The handler of a connection from the 101 to the end of the closing handshake."""

    __slots__ = ("_call", "_connection", "_exchange", "_output")

    def __init__(self, connection: LoopConnection, exchange: Exchange, call: WebSocketCall) -> None:
        self._connection = connection
        self._output = connection.output
        self._exchange = exchange  # the handshake's
        self._call = call

    def begin(self) -> None:
        """The 101 is sent: frames from here on."""
        connection = self._connection
        connection.enter(Phase.WEBSOCKET, self)
        self._renew_deadline()
        rest = connection.conversation.take_rest()
        if rest:
            connection.call_soon(partial(self._take, rest))
        connection.readable.on()

    def _has_ended(self) -> bool:
        return self._connection.handler is not self

    def _renew_deadline(self) -> None:
        patience_ns = CLOSE_NS if self._call.is_closing else PING_NS
        self._connection.deadline_ns = now_ns() + patience_ns

    # The Channel of the call.

    def send_frames(self, data: bytes) -> None:
        """Send frames. Raises ClientGoneError."""
        if self._connection.is_closed:
            raise ClientGoneError("the connection is closed")
        self._output.send(self._exchange, data)
        if self._call.is_closing:
            self._output.limit_stall(CLOSE_NS)
            self._renew_deadline()

    def want_data(self) -> None:
        """Read on."""
        if not self._has_ended():
            self._connection.readable.on()

    # See Handler.

    def on_readable(self) -> None:
        """Hand what came to the call."""
        found = self._connection.read()
        if found is None:
            self._connection.readable.on()
        else:
            self._take(found[0])

    def _take(self, data: bytes) -> None:
        connection, call = self._connection, self._call
        if self._has_ended():
            return
        if not data:
            connection.close()
            return
        self._renew_deadline()
        try:
            call.feed(data)
        except ClientGoneError:
            connection.close()
            return
        self._end_if_over()
        if self._has_ended():
            return
        if self._output.is_congested or not call.wants_data:
            connection.readable.off()
        elif connection.readable.is_on:
            connection.readable.renew()

    def _end_if_over(self) -> None:
        # RFC 6455 section 7.1.1: the server is first to close, once the Close frames are out.
        call = self._call
        if call.is_over and not self._output.pending and not self._has_ended():
            call.disconnect(cut_off=False)
            self._connection.linger()
            self._connection.owner.cancel_if_unaware(call)

    def on_writable(self) -> None:
        """Send more frames; once all are out the app is heard of again."""
        try:
            is_out = self._output.flush(self._exchange)
        except ClientGoneError:
            self._connection.close()
            return
        if is_out:
            self._connection.record(self._exchange)  # its 101 was pending, maybe
            self._renew_deadline()
            self._end_if_over()
            self.want_data()

    def on_half_close(self) -> None:
        """Wait for the app to read as far as that: a Close frame may come before the end."""

    def on_deadline(self) -> None:
        """Ask a silent client whether it is there; close the connection of one that stalls."""
        if self._output.pending:
            self._connection.close(RequestFlag.ABORTED | RequestFlag.TIMED_OUT)
            return
        try:
            is_lost = self._ping()
        except ClientGoneError:
            is_lost = True
        if is_lost:
            self._connection.close()
        else:
            self._renew_deadline()

    def _ping(self) -> bool:
        """Send a ping; whether the client is lost. Raises ClientGoneError."""
        call = self._call
        if self._connection.readable.is_on:
            return call.expire()
        if call.is_closing:
            return True
        call.ping()  # no pong is read before the app has taken what came before it
        return False

    def on_stop(self) -> None:
        """Say good-bye."""
        try:
            self._call.close()
        except ClientGoneError:
            self._connection.close()

    def on_close(self) -> None:
        """Tell the app."""
        self._call.disconnect(cut_off=True)
        self._connection.owner.cancel_if_unaware(self._call)

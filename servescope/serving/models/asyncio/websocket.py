"""A connection on an event loop while it is a WebSocket: frames, pings, the closing handshake."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from servescope.errors import ClientGoneError
from servescope.hosting.asgi.websocket import WebSocketCall
from servescope.serving.connection import now_ns
from servescope.serving.models.asyncio.phases import CLOSE_NS, PING_NS, Phase
from servescope.serving.models.asyncio.threaded import ThreadedAnswers

if TYPE_CHECKING:
    from servescope.hosting.asgi.http import HttpCall

_SOCKET: Final = Phase.SOCKET


class LoopWebSocket(ThreadedAnswers):
    """What goes on in the phase SOCKET; `_call` is then a WebSocketCall."""

    __slots__ = ("_call",)
    _call: HttpCall | WebSocketCall | None

    @abstractmethod
    def _linger(self) -> None:
        """Tell the client that no more comes, and go on reading for a while."""

    def switch_protocols(self) -> None:
        """The 101 is out: frames from here on (see Channel)."""
        self.phase = _SOCKET
        self.deadline_ns = now_ns() + PING_NS
        rest = self.conversation.take_rest()
        if rest:
            self._keeper.loop.call_soon(self._keeper.guard, self, lambda: self._take_frames(rest))
        self.read_on()

    def _take_frames(self, data: bytes) -> None:
        call = self._call
        if not isinstance(call, WebSocketCall) or self.is_closed:
            return
        if not data:
            self.close()
            return
        if not self._pending:
            self.deadline_ns = now_ns() + PING_NS
        try:
            call.feed(data)
        except ClientGoneError:
            self.close()
            return
        self._end_socket_if_over(call)
        if self.is_congested or not call.wants_data:
            self._pause_reading()
        elif self._is_reading:
            self.read_anew()

    def _frames_are_out(self, call: WebSocketCall) -> None:
        self.deadline_ns = now_ns() + PING_NS
        self._end_socket_if_over(call)

    def _end_socket_if_over(self, call: WebSocketCall) -> None:
        # RFC 6455 section 7.1.1: the server is first to close, once the Close frames are out.
        if call.is_over and not self._pending and self.phase is _SOCKET:
            call.disconnect(cut_off=False)
            self._linger()

    def _ping(self, call: WebSocketCall) -> None:
        try:
            if self._is_reading:
                is_lost = call.expire()
            else:  # no pong is read before the app has taken what came before it
                is_lost = call.is_closing
                call.ping()
        except ClientGoneError:
            is_lost = True
        if is_lost:
            self.close()
        else:
            self.deadline_ns = now_ns() + PING_NS

    def _say_goodbye(self, call: WebSocketCall) -> None:
        """The listener stops."""
        try:
            call.close()
        except ClientGoneError:
            self.close()

    def hurry_close(self) -> None:
        """A WebSocket whose Close is out does not wait for the client's for ever."""
        if isinstance(self._call, WebSocketCall) and self._call.is_closing:
            self.deadline_ns = min(self.deadline_ns, now_ns() + CLOSE_NS)

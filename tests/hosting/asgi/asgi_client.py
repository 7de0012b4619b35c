"""Drives ASGI calls by hand, without an event loop: a channel that keeps what was sent."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from servescope.errors import ClientDisconnectedError, ClientGoneError
from servescope.hosting.asgi.host import AsgiHost, Waiters
from servescope.hosting.asgi.http import HttpCall
from servescope.hosting.asgi.websocket import WebSocketCall
from servescope.hosting.conversation import Conversation, Need
from servescope.hosting.site import Site
from servescope.records.listeners import ListenerOptions
from servescope.wire.http1_events import BodyData, EndOfMessage
from servescope.wire.websocket_handshake import read_handshake

if TYPE_CHECKING:
    from collections.abc import Generator

    from servescope.wire.forwarded import TrustedProxies

GET = b"GET /a%20b?q=1 HTTP/1.1\r\nHost: h\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\n"
POST = b"POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n"
UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: v1, v2\r\n\r\n"
)


class HandWaiter:
    def __init__(self) -> None:
        self.is_set = False

    def __await__(self) -> Generator[Any, None, None]:
        while not self.is_set:
            yield self

    def done(self) -> bool:
        return self.is_set

    def set_result(self, _result: Any) -> None:
        self.is_set = True


class HandChannel:
    """Keeps each send apart; `is_gone` makes them fail, `is_congested` makes the app wait."""

    def __init__(self) -> None:
        self.sends: list[bytes] = []
        self.frames = b""
        self.is_gone = False
        self.is_congested = False
        self.wanted = 0
        self.finished: object = None
        self.has_switched = False
        self.now_ns = itertools.count(1).__next__
        self.make_waiter = HandWaiter
        self.drained = Waiters(HandWaiter)
        self.output = self

    def date(self, now_ns: int) -> tuple[bytes, int]:
        return b"Sun, 06 Nov 1994 08:49:37 GMT", now_ns + 1

    def send(self, data: bytes, *, last: bool) -> None:
        del last
        if self.is_gone:
            raise ClientGoneError("gone")
        self.sends.append(data)

    def send_file(self, *unexpected: object) -> None:
        raise AssertionError(unexpected)

    def send_frames(self, data: bytes) -> None:
        if self.is_gone:
            raise ClientGoneError("gone")
        self.frames += data

    async def drain(self) -> None:
        await self.drained.wait()
        if self.is_gone:
            raise ClientDisconnectedError("gone")

    def want_data(self) -> None:
        self.wanted += 1

    def switch_protocols(self) -> None:
        self.has_switched = True

    def call_finished(self, call: object) -> None:
        self.finished = call


class Hand:
    """One connection to one app, driven step by step."""

    def __init__(
        self,
        app: Any,
        data: bytes = GET,
        *,
        accept: bool = False,
        proxies: TrustedProxies | None = None,
    ) -> None:
        self.host = AsgiHost(app)
        self.site = Site("asgi", self.host, ListenerOptions(), "127.0.0.1", 8001)
        self.site.proxies = proxies
        self.conversation = Conversation(self.site, ("192.0.2.7", 4321), 0)
        self.channel = HandChannel()
        assert self.conversation.receive(data, 1, 0) is Need.RUN
        exchange = self.conversation.exchange
        assert exchange is not None
        self.exchange = exchange
        exchange.begin(self.channel, self.channel.now_ns())
        self.call: Any
        if accept:
            assert exchange.head is not None
            handshake = read_handshake(exchange.head)
            self.call = WebSocketCall(self.host, exchange, self.channel, handshake)
        else:
            self.call = HttpCall()
            self.call.open(self.host.http_scope(exchange), exchange, self.channel)
            self.take(self.conversation.body_events(1))
        self.is_finished = False
        self.error: BaseException | None = None
        self.running = app(self.call.scope, self.call.receive, self.call.send)

    def take(self, events: Any) -> None:
        for event in events:
            if isinstance(event, BodyData):
                self.call.feed(event.data)
            else:
                assert isinstance(event, EndOfMessage)
                self.call.complete_body()

    def step(self) -> Hand:
        """Run the app until it waits or ends."""
        try:
            self.running.send(None)
        except StopIteration:
            self.end(None)
        except BaseException as error:  # noqa: BLE001 - what a driver does
            self.end(error)
        return self

    def end(self, error: BaseException | None) -> None:
        self.is_finished = True
        self.error = error
        self.call.finish_late(error)

    @property
    def out(self) -> bytes:
        return b"".join(self.channel.sends)

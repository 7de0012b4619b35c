"""Calls a WSGI app through a Conversation, without a socket."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

import httptools

from servescope.errors import ClientGoneError
from servescope.hosting.conversation import Conversation, Need
from servescope.hosting.site import Site
from servescope.hosting.wsgi import WsgiHost
from servescope.records.listeners import ListenerOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.hosting.exchange import Exchange
    from servescope.hosting.open_file import OpenFile

Environ = dict[str, Any]
GET = b"GET / HTTP/1.1\r\nHost: h:80\r\n\r\n"


class Response:
    def __init__(self, data: bytes) -> None:
        self.headers: dict[str, str] = {}
        self.content = b""
        self.is_complete = False
        parser = httptools.HttpResponseParser(self)
        parser.feed_data(data)
        self.status = parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, data: bytes) -> None:
        self.content += data

    def on_message_complete(self) -> None:
        self.is_complete = True


class Client:
    """Calls an app through a Conversation; keeps each send apart."""

    def __init__(self, app: Callable[..., Any], gone_after: int = 99) -> None:
        self.site = Site(
            "wsgi", WsgiHost(app, multithread=True, multiprocess=False), ListenerOptions()
        )
        self.now_ns = itertools.count(1).__next__
        self.gone_after = gone_after
        self.sends: list[bytes] = []
        self.file: tuple[int, int] | None = None
        self.lasts: list[bool] = []

    def date(self, now_ns: int) -> tuple[bytes, int]:
        return b"Sun, 06 Nov 1994 08:49:37 GMT", now_ns + 1

    def send(self, data: bytes, *, last: bool) -> None:
        if len(self.sends) >= self.gone_after:
            raise ClientGoneError("gone")
        self.sends.append(data)
        self.lasts.append(last)

    def send_file(self, head: bytes, file: OpenFile, offset: int, count: int) -> None:
        self.file = (offset, count)
        self.send(head + os.pread(file.fileno(), count, offset), last=True)

    def call(self, *data: bytes) -> Exchange:
        self.conversation = Conversation(self.site, ("192.0.2.7", 4321), 0)
        needs = [self.conversation.receive(part, 1, 0) for part in data or (GET,)]
        assert needs[-1] is Need.RUN
        exchange = self.conversation.exchange
        assert exchange is not None
        self.conversation.run(self)
        self.conversation.close()
        return exchange

    def response(self, *data: bytes) -> Response:
        self.call(*data)
        return Response(b"".join(self.sends))


def answer_with(*blocks: bytes, headers: Any = (), status: str = "200 OK") -> Callable[..., Any]:
    def app(_environ: Environ, start_response: Any) -> list[bytes]:
        start_response(status, [("Content-Type", "text/plain"), *headers])
        return list(blocks)

    return app

"""A small reverse proxy of standard parts, for experiments: what nginx does in front of an app.

Theory of operation. It takes a request whole, before it connects to the server behind
(`proxy_request_buffering on`), and takes the response as fast as that server gives it, however slow
its client reads (`proxy_buffering on`): so the server behind has to do with a quick peer on this
machine alone. Fields are forwarded as RFC 9110 section 7.6 has it. Where nginx would write what is
too long for its memory into files, this one refuses: it serves experiments, whose messages are
small. Without a connection to the server behind it answers 502, without its answer in time 504.
"""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from servescope.errors import ProtocolError
from servescope.experiments.transcript import Transcript
from servescope.wire.http1_events import BodyData, EndOfMessage, Refusal, RequestHead
from servescope.wire.http1_gateway import forwarded_request, forwarded_response_head
from servescope.wire.http1_response import reason_phrase
from servescope.wire.http1_rules import Limits
from servescope.wire.http1_server import Http1Server

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

MOST_BYTES: Final = 1_048_576
"""Of the content of a request: as nginx's client_max_body_size."""

WITHIN_S: Final = 20.0
"""How long the server behind may take to give the head of a response."""

_READ_BYTES: Final = 65_536
_SHOWN_BYTES: Final = 400
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class ReverseProxy:
    """Passes requests on to the server at `upstream`; see `proxying`.

    `told` has its steps; read it when the proxy has ended.
    """

    def __init__(self, upstream: tuple[str, int], told: Transcript) -> None:
        self.told = told
        self.has_passed_on = threading.Event()
        """Whether the server behind has got a request."""
        self._upstream = upstream
        self._is_up = threading.Event()
        self._is_over = asyncio.Event()

    async def serve(self, listening: socket.socket) -> None:
        """Serve the clients of a listening socket, which is closed at the end."""
        self._loop = asyncio.get_running_loop()
        with listening:
            server = await asyncio.start_server(self._serve, sock=listening)
            self._is_up.set()
            await self._is_over.wait()
            server.close()  # asyncio.run ends what is under way

    def await_up(self) -> None:
        """Wait until it accepts."""
        self._is_up.wait()

    def stop(self) -> None:
        """End it, from another thread."""
        self._loop.call_soon_threadsafe(self._is_over.set)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = writer.get_extra_info("peername")[0]
        try:
            try:
                await self._pass_on(client, reader, writer)
            except ProtocolError as error:
                page = _error_page(error)
                self.told.add("proxy", f"answers {client} itself", page)
                writer.write(page)
            writer.close()
            await writer.wait_closed()  # the client has all of it
        except (OSError, EOFError):
            self.told.add("proxy", f"sees the exchange with {client} break off")
            writer.transport.abort()
        except asyncio.CancelledError:  # the proxy ends, and this task with it
            writer.transport.abort()

    async def _pass_on(
        self, client: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        request = await _whole_request(client, reader, writer)
        try:
            back, forth = await asyncio.open_connection(*self._upstream)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else "unknown"
            reason = f"No connection to the server behind this proxy: {why}."
            raise ProtocolError(502, reason) from error
        try:
            forth.write(request)
            await forth.drain()
            text = f"has the request of {client} whole, and sends this to the server behind it"
            self.told.add("proxy", text, request[:_SHOWN_BYTES])
            self.has_passed_on.set()
            await self._pass_back(client, back, writer)
        finally:
            forth.transport.abort()

    async def _pass_back(
        self, client: str, back: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Without `drain`, which would wait for the client: the rest stays in our memory."""
        try:
            async with asyncio.timeout(WITHIN_S):
                raw = await back.readuntil(b"\r\n\r\n")
        except TimeoutError:
            raise ProtocolError(504, "The server behind did not answer in time.") from None
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            raise ProtocolError(502, "The server behind broke off.") from None
        head = forwarded_response_head(raw)
        writer.write(head)
        size = 0
        while block := await back.read(_READ_BYTES):
            writer.write(block)
            size += len(block)
        text = (
            f"has the whole response to {client}, {size:,} bytes of content, so the server behind "
            "it is free"
        )
        self.told.add("proxy", text, head)


async def _whole_request(
    client: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bytes:
    """The request of a client as it is sent on. Raises ProtocolError, and EOFError without one."""
    parser, content = Http1Server(Limits(max_body=MOST_BYTES)), bytearray()
    head: RequestHead | None = None
    raw = b""
    while True:
        event = parser.next_event()
        if isinstance(event, RequestHead):
            head, raw = event, parser.head_bytes
            if not head.minor_version:
                raise ProtocolError(505, "This proxy knows HTTP/1.1 alone.")
            if head.expects_continue:
                writer.write(_CONTINUE)
        elif isinstance(event, BodyData):
            content += event.data
        elif isinstance(event, Refusal):
            raise ProtocolError(event.status, event.reason)
        elif isinstance(event, EndOfMessage) and head is not None:
            return forwarded_request(head, raw, bytes(content), client, "http")
        elif block := await reader.read(_READ_BYTES):
            parser.receive_data(block)
        else:
            raise EOFError


def _error_page(error: ProtocolError) -> bytes:
    phrase = reason_phrase(error.status)
    page = f"{error.status} {phrase}: {error.reason}\n".encode()
    head = (
        f"HTTP/1.1 {error.status} {phrase}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(page)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + page


@contextmanager
def proxying(
    listening: socket.socket, upstream: tuple[str, int], began: float | None = None
) -> Iterator[ReverseProxy]:
    """Serve the clients of a listening socket on a thread, until the end of the context.

    The socket stays its owner's. `began` is the moment from which its steps count.
    """
    proxy = ReverseProxy(upstream, Transcript(began))
    thread = threading.Thread(
        target=lambda: asyncio.run(proxy.serve(listening.dup())), name="reverse-proxy", daemon=True
    )
    thread.start()
    proxy.await_up()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join()

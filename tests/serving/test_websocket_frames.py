"""The frames of tests/wire/websocket_cases.py over a real socket, to an app that echoes."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from wsproto import events as frames
from wsproto.connection import Connection, ConnectionType
from wsproto.extensions import PerMessageDeflate

from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.wire.websocket import BytesReceived, CloseReceived, PingReceived, TextReceived
from tests.serving.raw_client import connect, read_all
from tests.wire.websocket_cases import AGREED, ALONE, EXCHANGES, FAULTS, MAX_MESSAGE, frame

if TYPE_CHECKING:
    from servescope.serving import RunningListener
    from servescope.wire.websocket_handshake import Deflate

APP = "tests.serving.asgi_apps_for_listeners:app"
OFFERS = {
    None: b"",
    AGREED: b"permessage-deflate; client_max_window_bits=12",
    ALONE: b"permessage-deflate; server_no_context_takeover; client_no_context_takeover;"
    b" server_max_window_bits=10; client_max_window_bits=10",
}
WHOLE, BYTEWISE = 1 << 30, 1


@pytest.fixture
def listener(bench) -> RunningListener:
    return bench.start(APP, AppKind.ASGI, model=ConcurrencyModel.ASYNCIO, max_body=100_000)


@pytest.fixture
def narrow(bench) -> RunningListener:
    return bench.start(APP, AppKind.ASGI, model=ConcurrencyModel.ASYNCIO, max_body=MAX_MESSAGE)


def converse(
    listener: RunningListener, data: bytes, deflate: Deflate | None, piece: int, echoes: int = 0
) -> list[frames.Event]:
    """Open a WebSocket, send the bytes in pieces, and take what comes until the end.

    With `echoes`, a Close goes out when so many messages came back.
    """
    head = (
        b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    )
    if deflate is not None:
        head += b"Sec-WebSocket-Extensions: " + OFFERS[deflate] + b"\r\n"
    with connect(listener) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(head + b"\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += sock.recv(4096)
        head, _, early = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        extensions = []
        if deflate is not None:
            assert b"Sec-WebSocket-Extensions: " + deflate.header() in head
            extensions.append(PerMessageDeflate())
            extensions[0].finalize(deflate.header().decode())
        if len(data) <= 1_000:
            for at in range(0, len(data), piece):
                sock.sendall(data[at : at + piece])
        else:
            sock.sendall(data)
        client = Connection(ConnectionType.CLIENT, extensions)
        client.receive_data(early)
        told = list(client.events())
        while sum(getattr(one, "message_finished", False) for one in told) < echoes:
            client.receive_data(sock.recv(65_536))
            told += client.events()
        if echoes:
            sock.sendall(frame(8, b"\x03\xe8"))
        client.receive_data(read_all(sock))
        return told + list(client.events())


def messages(events: list, kinds: tuple[type, ...]) -> list[str | bytes]:
    """The whole messages among frames."""
    found, parts = [], []
    for event in events:
        if isinstance(event, kinds):
            parts.append(event.data)
            if event.message_finished:
                found.append(type(parts[0])().join(parts))
                parts = []
    return [bytes(one) if isinstance(one, bytearray) else one for one in found]


@pytest.mark.parametrize("piece", [WHOLE, BYTEWISE], ids=["whole", "bytes"])
def test_exchanges(listener: RunningListener, piece: int):
    for name, (data, deflate, expected) in EXCHANGES.items():
        texts = [one.text for one in expected if isinstance(one, TextReceived)]
        blobs = [one.data for one in expected if isinstance(one, BytesReceived)]
        pings = [one.payload for one in expected if isinstance(one, PingReceived)]
        last = expected[-1]
        if isinstance(last, CloseReceived):
            told = converse(listener, data, deflate, piece)
            assert messages(told, (frames.TextMessage,)) in ([], texts), "a close may overtake"
        else:
            ends = b"" if texts or blobs else frame(8, b"\x03\xe8")
            told = converse(listener, data + ends, deflate, piece, len(texts + blobs))
            assert messages(told, (frames.TextMessage,)) == texts, name
            assert messages(told, (frames.BytesMessage,)) == blobs, name
        assert [bytes(one.payload) for one in told if isinstance(one, frames.Pong)] == pings, name
        assert isinstance(told[-1], frames.CloseConnection), name
        assert told[-1].code == (last.code if isinstance(last, CloseReceived) else 1000), name


@pytest.mark.parametrize("piece", [WHOLE, BYTEWISE], ids=["whole", "bytes"])
def test_faults(narrow: RunningListener, piece: int):
    for name, (data, code) in FAULTS.items():
        told = converse(narrow, data + frame(1, b"late"), None, piece)
        assert isinstance(told[-1], frames.CloseConnection), name
        assert told[-1].code == code, name
        assert "late" not in messages(told, (frames.TextMessage,)), name

"""Bytes over real sockets, for the tests of listeners."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from servescope.serving import RunningListener

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CLOSING = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def connect(listener: RunningListener) -> socket.socket:
    return socket.create_connection(listener.address, timeout=10)


def read_all(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def read_responses(sock: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """Read `count` responses with Content-Length from one connection: status and content."""
    found = []
    with sock.makefile("rb") as file:
        for _ in range(count):
            status = int(file.readline().split()[1])
            length = 0
            while (line := file.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            found.append((status, file.read(length)))
    return found


def exchange(listener: RunningListener, data: bytes) -> bytes:
    with connect(listener) as sock:
        sock.sendall(data)
        return read_all(sock)


def gauge(listener: RunningListener, metric: str) -> float:
    return {sample.metric: sample.value for sample in listener.samples()}[metric]


def asking(path: bytes, request: bytes = CLOSING) -> bytes:
    return request.replace(b"/ ", path + b" ", 1)

"""A connection that the server ends after a response was announced to end, in every model.

A client that was not told sends its next request into the end (RFC 9112 section 9.6).
"""

from __future__ import annotations

import http.client
from contextlib import closing
from typing import TYPE_CHECKING

from servescope.records.listeners import AppKind
from tests.serving.raw_client import CLOSING, GET, asking, connect, exchange, read_all

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from servescope.serving import RunningListener
    from tests.contracts.harness import ModelHarness


def posting(length: int, *fields: bytes, content: bytes = b"") -> bytes:
    lines = [b"POST / HTTP/1.1", b"Host: h", b"Content-Length: %d" % length, *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + content


CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
REQUESTS = {
    "get": GET,
    "with its content": posting(3, content=b"abc"),
    "with half its content": posting(6, content=b"abc"),
    "long": posting(1_000_000, content=b"abc"),
    "too long": posting(50_000_000),
    "in chunks": CHUNKED + b"0\r\n\r\n",
    "in chunks without an end": CHUNKED,
    "that waits for 100": posting(3, b"Expect: 100-continue"),
    "that does not wait for 100": posting(3, b"Expect: 100-continue", content=b"abc"),
    "that expects tea": posting(3, b"Expect: tea", content=b"abc"),
    "of 1.0": b"GET / HTTP/1.0\r\n\r\n",
    "of 1.0 that is kept": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "of HEAD": GET.replace(b"GET", b"HEAD"),
    "of a method of nobody": GET.replace(b"GET", b"BREW"),
    "that is none": b"GET /\r\n\r\n",
    "that fails": asking(b"/fail", GET),
    "to close": CLOSING,
    "for a WebSocket of long ago": GET[:-2]
    + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 7\r\n\r\n",
}


def read_one(sock: socket.socket, request: bytes) -> tuple[bytes, bytes]:
    """Head of the final answer, and what is read behind the whole of it."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            part = sock.recv(65_536)
            assert part, f"the connection ended within {data!r}"
            data += part
        head, _, data = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 100"):
            break
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    length = 0 if request.startswith(b"HEAD") else int(fields.get(b"content-length", b"0"))
    while len(data) < length:
        data += sock.recv(65_536)
    return head.lower(), data[length:]


def missing(request: bytes) -> bytes:
    """The part of the request's content that is left to send."""
    head, _, content = request.partition(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length")]
    return b"y" * (int(lengths[0].split()[1]) - len(content)) if lengths else b""


def assert_kept_as_told(listener: RunningListener, request: bytes) -> None:
    with connect(listener) as sock:
        sock.sendall(request)
        head, behind = read_one(sock, request)
        assert behind == b""
        if b"\r\nconnection: close" in head:
            assert read_all(sock) == b"", "it ends, and without a word more"
            return
        sock.sendall(missing(request) + CLOSING)
        head, _ = read_one(sock, CLOSING)
        assert head.startswith(b"http/1.1 200 "), "the next request is answered"


def test_an_end_is_announced_and_what_is_not_goes_on(harness: ModelHarness):
    listener = harness.start(body_seconds=1)
    waits = {"with half its content", "in chunks without an end", "that waits for 100", "long"}
    for name, request in REQUESTS.items():
        # A WSGI app is called with the whole body: half of it waits for a 408.
        if harness.kind is AppKind.ASGI or name not in waits:
            assert_kept_as_told(listener, request)


def test_before_the_content_a_folder_keeps_to_it_too(harness: ModelHarness, tmp_path: Path):
    (tmp_path / "index.html").write_bytes(b"hello")
    listener = harness.start(str(tmp_path), AppKind.STATIC)
    for request in REQUESTS.values():
        assert_kept_as_told(listener, request)


def test_the_last_request_of_a_connection_is_announced(harness: ModelHarness):
    listener = harness.start(keep_alive_requests=1)
    assert b"\r\nConnection: close\r\n" in exchange(listener, GET)
    assert b"\r\nConnection: close\r\n" in exchange(listener, posting(3, content=b"abc"))


def status_of(client: http.client.HTTPConnection) -> int:
    response = client.getresponse()
    response.read()
    return response.status


def test_http_client_goes_on_after_an_answer_before_the_body(harness: ModelHarness, tmp_path: Path):
    """Three of three: an ASGI app that does not look at the upload, or a folder."""
    if harness.kind is AppKind.ASGI:
        listener, status = harness.start(), 200
    else:
        listener, status = harness.start(str(tmp_path), AppKind.STATIC), 405
    for size in (10, 100_000, 1_000_000) * 3:
        with closing(http.client.HTTPConnection(*listener.address, timeout=20)) as client:
            client.request("POST", "/", b"x" * size)
            assert status_of(client) == status
            client.request("GET", "/")
            assert status_of(client) == 200

"""TLS on a non-blocking socket, against the standard library's client."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from servescope.sockets.timestamps import receive, stamp_arrivals
from servescope.sockets.tls import TURN_BYTES, TlsSocket
from servescope.wire.tls_channel import TlsChannel
from tests.serving.tls_client import serving, trusting

if TYPE_CHECKING:
    import ssl


class Pair:
    """A server's TlsSocket and a blocking client, connected over loopback."""

    def __init__(self, folder, send_buffer: int = 0) -> None:
        self.context = serving(folder)
        with closing(socket.create_server(("127.0.0.1", 0))) as listening:
            self.plain_client = socket.create_connection(listening.getsockname(), timeout=10)
            self.raw, _ = listening.accept()
        self.raw.setblocking(False)
        stamp_arrivals(self.raw)
        if send_buffer:
            self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        self.plain_http = 0
        self.server = TlsSocket(self.raw, TlsChannel(self.context), self.note_plain_http)
        self.client: ssl.SSLSocket

    def note_plain_http(self) -> None:
        self.plain_http += 1

    def shake_hands(self, folder) -> None:
        def connect() -> None:
            self.client = trusting(folder).wrap_socket(
                self.plain_client, server_hostname="localhost"
            )
            self.client.sendall(b"go")

        thread = threading.Thread(target=connect)
        thread.start()
        assert self.read() == b"go"
        thread.join(10)

    def wait(self, event: int = select.POLLIN) -> None:
        poll = select.poll()
        poll.register(self.raw, event)
        assert poll.poll(10_000)

    def read(self) -> bytes:
        while True:
            self.wait()
            try:
                return receive(self.server, 65_536)[0]
            except BlockingIOError:
                continue

    def close(self) -> None:
        self.raw.close()
        self.plain_client.close()
        if hasattr(self, "client"):
            self.client.close()


@pytest.fixture
def pair(tmp_path):
    pair = Pair(tmp_path, send_buffer=65_536)
    pair.shake_hands(tmp_path)
    yield pair
    pair.close()


def fill(pair: Pair, data: bytes) -> int:
    """Offer `data` until the kernel takes no more; how much of it went."""
    sent = 0
    while sent < len(data):
        try:
            sent += pair.server.send(memoryview(data)[sent:])
        except BlockingIOError:
            break
    return sent


def read_while(pair: Pair, size: int) -> tuple[threading.Thread, bytearray]:
    found = bytearray()

    def run() -> None:
        while len(found) < size and (part := pair.client.recv(65_536)):
            found.extend(part)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def test_what_the_kernel_does_not_take_is_sent_once_when_it_does(pair):
    data = os.urandom(16_000_000)
    sent = 0
    while more := fill(pair, data[sent:]):  # the kernel may move bytes on after a refusal
        sent += more
    assert sent < len(data)
    thread, found = read_while(pair, len(data))
    while sent < len(data):
        pair.wait(select.POLLOUT)
        sent += fill(pair, data[sent:])
    thread.join(10)
    assert found == data


def test_what_is_offered_once_only_does_not_swallow_what_follows(pair):
    data = os.urandom(16_000_000)
    sent = fill(pair, data)
    rest = data[sent:]
    thread, found = read_while(pair, 1)
    thread.join(10)
    while True:  # the last piece goes, and then there is no room for the interim response
        pair.wait(select.POLLOUT)
        try:
            sent += pair.server.send(rest)
            rest = data[sent:]
            break
        except BlockingIOError:
            continue
    sent += fill(pair, rest)
    expected = sent + len(pair.server._claimed)
    whole, more = read_while(pair, expected - len(found) + 5)
    while pair.server._claimed or pair.server._owed:
        pair.wait(select.POLLOUT)
        try:
            assert pair.server.send(b"other") == 5
            break
        except BlockingIOError:
            continue
    whole.join(10)
    assert found + more == data[:expected] + b"other"


def test_a_file_is_sent_in_pieces(pair, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(3_000_000))
    thread, found = read_while(pair, 3_000_000)
    with path.open("rb") as file:
        sent = 0
        while sent < 3_000_000:
            pair.wait(select.POLLOUT)
            try:
                sent += pair.server.send_file(file.fileno(), sent, 3_000_000 - sent)
            except BlockingIOError:
                continue
        assert pair.server.send_file(file.fileno(), sent, 10) == 0  # it has no more
    thread.join(10)
    assert found == path.read_bytes()


def test_one_call_sends_a_bounded_part(tmp_path):
    pair = Pair(tmp_path, send_buffer=8_000_000)
    pair.shake_hands(tmp_path)
    thread, found = read_while(pair, TURN_BYTES)
    sent = pair.server.send(bytes(10 * TURN_BYTES))
    assert 0 < sent <= TURN_BYTES
    pair.server.close()
    thread.join(10)
    assert len(found) >= sent
    pair.close()


def test_the_time_in_the_kernel_is_told_of_encrypted_bytes(pair):
    waited_s = 0.03
    pair.client.sendall(b"x")
    pair.wait()
    until = time.monotonic() + waited_s
    while time.monotonic() < until:
        pass
    data, kernel_ns = receive(pair.server, 65_536)
    assert data == b"x"
    assert waited_s <= kernel_ns / 1e9 < waited_s + 1


def test_after_a_close_notify_reading_tells_of_the_end_again_and_again(pair):
    pair.client.sendall(b"last")

    def say_goodbye() -> None:
        with suppress(OSError):  # ours never comes
            pair.client.unwrap()

    thread = threading.Thread(target=say_goodbye)
    thread.start()
    parts = []
    while parts[-1:] != [b""]:
        parts.append(pair.read())
    assert b"".join(parts) == b"last"
    assert pair.read() == b""
    assert pair.server.send(b"answer") == 6
    pair.raw.close()
    thread.join(10)


def test_plain_http_is_told_and_answered_plainly(tmp_path):
    pair = Pair(tmp_path)
    pair.plain_client.sendall(b"GET / HTTP/1.1\r\n")
    with pytest.raises(ConnectionAbortedError):
        pair.read()
    assert pair.plain_http == 1
    pair.server.send(b"HTTP/1.1 400 ")
    assert pair.plain_client.recv(99) == b"HTTP/1.1 400 "
    pair.close()


def test_a_client_that_makes_tls_talk_and_does_not_listen_is_left(pair, monkeypatch):
    monkeypatch.setattr("servescope.sockets.tls.MAX_OWED_BYTES", 0)
    poll = select.poll()
    poll.register(pair.raw, select.POLLOUT)
    while poll.poll(300):  # until the client's buffer is full as well, and a piece is owed
        fill(pair, bytes(16_000_000))
    pair.client.sendall(b"x")
    with pytest.raises(ConnectionAbortedError):
        pair.read()

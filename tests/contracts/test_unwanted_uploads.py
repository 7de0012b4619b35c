"""A client that goes on sending an upload nobody wants reads the answer, in every model.

A reset, which a close under unread bytes makes, would destroy it (RFC 9112 section 9.6).
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from servescope.records.listeners import AppKind
from servescope.serving.models import REGISTRY
from tests.contracts.tls_harness import TlsHarness
from tests.serving.raw_client import CLOSING, connect, exchange, read_all
from tests.serving.tls_client import connect_tls

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from servescope.serving import RunningListener
    from tests.contracts.harness import ModelHarness

MIB = 1024 * 1024
BLOCK = b"x" * MIB
SIZES = [1, 1, 1, 8, 8, 64]
"""MiB of the uploads, one after the other."""


def upload(sock: socket.socket, size: int, *, chunked: bool = False) -> bytes:
    """Send all of it, and only then read."""
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    sock.settimeout(60)
    sock.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n\r\n")
    for _ in range(size // MIB):
        sock.sendall(b"%x\r\n%b\r\n" % (MIB, BLOCK) if chunked else BLOCK)
    sock.sendall(b"0\r\n\r\n" if chunked else b"")
    return read_all(sock)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_too_large_an_upload_gets_its_413(harness: ModelHarness, chunked: bool):
    listener = harness.start(max_body=10)
    for size in SIZES:
        with connect(listener) as sock:
            answer = upload(sock, size * MIB, chunked=chunked)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"\r\nConnection: close\r\n" in answer


def test_an_upload_to_a_folder_gets_its_405(harness: ModelHarness, tmp_path: Path):
    listener = harness.start(str(tmp_path), AppKind.STATIC, max_body=100 * MIB)
    for size in SIZES:
        with connect(listener) as sock:
            answer = upload(sock, size * MIB)
        assert answer.startswith(b"HTTP/1.1 405 ")
        assert b"\r\nConnection: close\r\n" in answer


@pytest.fixture(params=REGISTRY)
def tls_harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TlsHarness]:
    harness = TlsHarness(tmp_path, request.param)
    yield harness
    harness.close()


def test_behind_tls(tls_harness: TlsHarness):
    listener = tls_harness.start_tls(max_body=10)
    for size in SIZES:
        with connect_tls(listener, tls_harness.trust) as sock:
            assert upload(sock, size * MIB).startswith(b"HTTP/1.1 413 ")


HEAD = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n"


@contextmanager
def endless_uploads(listener: RunningListener, count: int, pause_s: float = 0) -> Iterator[None]:
    """Clients that were refused and go on sending: as fast as they can, or a MiB after each pause.

    Without a pause a client and its server take both cores.
    """
    is_over = threading.Event()
    socks = [connect(listener) for _ in range(count)]

    def send_on(sock: socket.socket) -> None:
        with suppress(OSError):  # closed under it, in the end
            while not is_over.wait(pause_s):
                sock.sendall(BLOCK)

    senders = [threading.Thread(target=send_on, args=(sock,)) for sock in socks]
    for sock, sender in zip(socks, senders, strict=True):
        sock.sendall(HEAD)
        assert sock.recv(12) == b"HTTP/1.1 413"
        sender.start()
    try:
        yield
    finally:
        is_over.set()
        for sock, sender in zip(socks, senders, strict=True):
            sender.join(60)
            sock.close()


def test_clients_that_send_without_end_hold_up_nobody(concurrent_harness: ModelHarness):
    """The data of these clients is thrown away in turns, beside the requests of others."""
    listener = concurrent_harness.start(max_body=10)
    with endless_uploads(listener, 3):
        for _ in range(20):
            assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200 ")


def test_a_stop_does_not_wait_for_an_upload(harness: ModelHarness):
    listener = harness.start(max_body=10)
    with endless_uploads(listener, 1, pause_s=0.002):
        began = time.monotonic()
        listener.stop(20)
        assert time.monotonic() - began < 15, "the stop does not take all of its grace"

"""Stopping the model asyncio: what is in flight finishes, what has no end is bounded."""

from __future__ import annotations

import socket
import threading
import time
from functools import partial

import pytest

from servescope.records import AppKind, ConcurrencyModel, RequestFlag
from tests.serving import asgi_apps_for_listeners
from tests.serving.raw_client import CLOSING, GET, connect, exchange, read_all, read_responses

APPS = "tests.serving.asgi_apps_for_listeners:"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture(autouse=True)
def _fresh():
    apps = asgi_apps_for_listeners
    apps.leave.clear()
    apps.left.clear()
    while apps.entered.acquire(blocking=False):
        pass
    yield
    apps.leave.set()


@pytest.fixture
def start(bench):
    """Start an ASGI app on the loop."""
    return partial(bench.start, APPS + "app", AppKind.ASGI, model=ConcurrencyModel.ASYNCIO)


def entered() -> bool:
    return asgi_apps_for_listeners.entered.acquire(timeout=10)


def asking(path: bytes, request: bytes = GET) -> bytes:
    return request.replace(b"/ ", path + b" ", 1)


def stopping(listener, grace: float) -> threading.Thread:
    thread = threading.Thread(target=listener.stop, args=(grace,), daemon=True)
    thread.start()
    return thread


def threads_of(listener) -> list[str]:
    prefix = listener.spec.name + "-"
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(prefix)]


def test_what_is_in_flight_finishes_and_what_is_idle_ends(bench, start):
    listener = start()
    flying, idle, late = connect(listener), connect(listener), connect(listener)
    idle.sendall(GET)
    assert read_responses(idle, 1)[0][0] == 200
    flying.sendall(asking(b"/wait"))
    assert entered()
    late.sendall(GET[:10])
    thread = stopping(listener, 10)
    assert idle.recv(100) == b""
    late.sendall(GET[10:])
    answer = read_all(late)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\r\nConnection: close\r\n" in answer
    asgi_apps_for_listeners.leave.set()
    answer = read_all(flying)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\r\nConnection: close\r\n" in answer
    for sock in (flying, idle, late):
        sock.close()
    thread.join(10)
    assert not thread.is_alive()
    bench.records(3)
    assert not threads_of(listener)


def test_connections_that_were_not_accepted_yet_are_served(bench, start):
    listener = start()
    socks = [connect(listener) for _ in range(20)]
    for sock in socks:
        sock.sendall(CLOSING)
    listener.stop(5)
    for sock in socks:
        assert read_all(sock).startswith(b"HTTP/1.1 200")
        sock.close()
    bench.records(20)


def test_a_websocket_is_closed_with_1001(start, wait_until):
    listener = start()
    with connect(listener) as sock:
        sock.sendall(UPGRADE)
        assert entered()
        assert sock.recv(1000).startswith(b"HTTP/1.1 101")
        thread = stopping(listener, 5)
        assert sock.recv(100) == b"\x88\x02\x03\xe9"
        sock.sendall(b"\x88\x82\x00\x00\x00\x00\x03\xe9")
        assert sock.recv(100) == b""
    thread.join(5)
    assert not thread.is_alive()
    wait_until(lambda: asgi_apps_for_listeners.left == ["socket 1001"], "the app to hear")


@pytest.mark.parametrize("path", [b"/events", b"/sleep"])
def test_what_has_no_end_is_bounded_by_the_grace(bench, start, path, caplog):
    listener = start()
    with connect(listener) as sock:
        sock.sendall(asking(path))
        assert entered()
        began = time.monotonic()
        listener.stop(0.3)
        assert time.monotonic() - began < 1.5
        read_all(sock)
    [record] = bench.records(1)
    assert record["flags"] & RequestFlag.ABORTED
    assert not threads_of(listener)
    assert "Task was destroyed" not in caplog.text


def test_an_app_that_holds_the_loop_cannot_hold_the_stop(start, caplog):
    listener = start()
    with connect(listener) as sock:
        sock.sendall(asking(b"/block"))
        assert entered()
        began = time.monotonic()
        listener.stop(0.2)
        assert time.monotonic() - began < 2.0
        assert "holds the event loop" in caplog.text
        assert sock.recv(100) == b""
    asgi_apps_for_listeners.leave.set()


def test_a_shutdown_that_hangs_is_bounded(bench, caplog):
    listener = bench.start(APPS + "hangs_at_shutdown", AppKind.ASGI, model=ConcurrencyModel.ASYNCIO)
    began = time.monotonic()
    listener.stop(0.1)
    assert time.monotonic() - began < 2.0
    assert "shutdown took too long" in caplog.text


def test_a_wsgi_app_that_hangs_is_bounded(bench, caplog):
    listener = bench.start(model=ConcurrencyModel.ASYNCIO, threads=1)
    with connect(listener) as sock:
        sock.sendall(asking(b"/wait"))
        began = time.monotonic()
        listener.stop(0.2)
        assert time.monotonic() - began < 2.0
        assert "still in the app" in caplog.text
        assert sock.recv(100) == b""


def test_stop_is_idempotent_and_frees_the_port(start):
    listener = start()
    exchange(listener, CLOSING)
    for _ in range(3):
        listener.stop()
    assert listener.samples() == []
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(listener.address)


def test_a_stop_under_load_loses_no_record(bench, start):
    listener = start()
    answered = [0] * 6
    is_warm = threading.Barrier(7)

    def visit(who: int) -> None:
        with connect(listener) as sock, sock.makefile("rb") as file:
            for number in range(100_000):
                if number == 20:
                    is_warm.wait(20)
                try:
                    sock.sendall(GET)
                    head = file.readline()
                    if not head:
                        return
                    while file.readline() != b"\r\n":
                        pass
                    file.read(len(b"hello from /"))
                except OSError:
                    return
                answered[who] += 1

    threads = [threading.Thread(target=visit, args=(who,)) for who in range(6)]
    for thread in threads:
        thread.start()
    is_warm.wait(20)
    listener.stop(5)
    for thread in threads:
        thread.join(20)
    records = bench.records(sum(answered))
    assert not (records["flags"] & RequestFlag.ABORTED).any()

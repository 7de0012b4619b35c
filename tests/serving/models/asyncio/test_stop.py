"""Stopping the model asyncio: what is in flight finishes, what has no end is bounded."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.request_fields import RequestFlag
from tests.serving import asgi_apps_for_listeners
from tests.serving.raw_client import GET, HANDSHAKE, asking, connect, read_all

APPS = "tests.serving.asgi_apps_for_listeners:"


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


def stopping(listener, grace: float) -> threading.Thread:
    thread = threading.Thread(target=listener.stop, args=(grace,), daemon=True)
    thread.start()
    return thread


def threads_of(listener) -> list[str]:
    prefix = listener.spec.name + "-"
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(prefix)]


def test_a_websocket_is_closed_with_1001(start, wait_until):
    listener = start()
    with connect(listener) as sock:
        sock.sendall(HANDSHAKE)
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
        sock.sendall(asking(path, GET))
        assert entered()
        began = time.monotonic()
        listener.stop(0.3)
        assert time.monotonic() - began < 5.0
        read_all(sock)
    [record] = bench.records(1)
    assert record["flags"] & RequestFlag.ABORTED
    assert not threads_of(listener)
    assert "Task was destroyed" not in caplog.text


def test_an_app_that_holds_the_loop_cannot_hold_the_stop(start, caplog, wait_until):
    listener = start()
    with connect(listener) as sock:
        sock.sendall(asking(b"/block", GET))
        assert entered()
        began = time.monotonic()
        listener.stop(0.2)
        assert time.monotonic() - began < 5.0
        assert "holds the event loop" in caplog.text
        assert sock.recv(100) == b""
    asgi_apps_for_listeners.leave.set()
    wait_until(lambda: not threads_of(listener), "the loop to end once it can")
    assert len(caplog.records) == 1, "and it ends as any other"


def test_a_shutdown_that_hangs_is_bounded(bench, caplog):
    listener = bench.start(APPS + "hangs_at_shutdown", AppKind.ASGI, model=ConcurrencyModel.ASYNCIO)
    began = time.monotonic()
    listener.stop(0.1)
    assert time.monotonic() - began < 5.0
    assert "shutdown took too long" in caplog.text


def test_a_wsgi_app_that_hangs_is_bounded(bench, caplog):
    listener = bench.start(model=ConcurrencyModel.ASYNCIO, threads=1)
    with connect(listener) as sock:
        sock.sendall(asking(b"/wait", GET))
        began = time.monotonic()
        listener.stop(0.2)
        assert time.monotonic() - began < 5.0
        assert "still in the app" in caplog.text
        assert sock.recv(100) == b""

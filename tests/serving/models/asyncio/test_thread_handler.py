"""The model asyncio with what is no coroutine: WSGI apps and folders, answered on threads."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import threading
from contextlib import closing, contextmanager

import pytest

from servescope import catalog
from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.request_fields import RequestFlag
from servescope.serving.connection import now_ns
from servescope.serving.models.asyncio.loop import AsyncioLoop
from tests.serving import apps_for_listeners
from tests.serving.raw_client import (
    CLOSING,
    GET,
    asking,
    connect,
    exchange,
    gauge,
    read_all,
    read_responses,
)


def test_wsgi_apps_run_on_threads(bench, caplog):
    listener = bench.start(model=ConcurrencyModel.ASYNCIO, threads=2)
    assert exchange(listener, CLOSING).endswith(b"hello from /")
    assert exchange(listener, asking(b"/fail")).startswith(b"HTTP/1.1 500 ")
    assert "on purpose" in caplog.text
    with connect(listener) as first, connect(listener) as second, connect(listener) as third:
        for sock in (first, second, third):
            sock.sendall(asking(b"/wait", GET))
        for _ in range(2):
            assert apps_for_listeners.entered.acquire(timeout=10)
        assert gauge(listener, catalog.BUSY_THREADS) == 2
        apps_for_listeners.leave.set()
        for sock in (first, second, third):
            assert read_responses(sock, 1) == [(200, b"hello from /wait")]
            sock.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
            assert read_responses(sock, 1) == [(200, b"abc")]
    bench.records(8)


def test_large_answers_of_threads_and_folders_arrive_whole(bench, tmp_path):
    (tmp_path / "large.bin").write_bytes(b"z" * 20_000_000)
    wsgi = bench.start(model=ConcurrencyModel.ASYNCIO, threads=1)
    files = bench.start(str(tmp_path), AppKind.STATIC, model=ConcurrencyModel.ASYNCIO, threads=1)
    for listener, path in ((wsgi, "/large"), (wsgi, "/stream"), (files, "/large.bin")):
        with closing(http.client.HTTPConnection(*listener.address, timeout=20)) as client:
            for _ in range(2):
                client.request("GET", path)
                assert len(client.getresponse().read()) == 20_000_000
    assert not (bench.records(6)["flags"] & RequestFlag.ABORTED).any()


def test_a_deadline_closes_nothing_that_a_thread_sends_from(
    bench, tmp_path, wait_until, monkeypatch
):
    """The client took something in time; that a disk, or the threads, are slow is not its fault."""
    (tmp_path / "large.bin").write_bytes(b"z" * 8_000_000)
    entered, go_on = threading.Event(), threading.Event()
    sweeps, used, sendfile = [], [], os.sendfile

    def held(out, source, offset, count):
        used[:] = out, source
        if offset:
            entered.set()
            assert go_on.wait(20)
        return sendfile(out, source, offset, count)

    def sweep(model, original=AsyncioLoop._sweep):
        original(model)
        sweeps.append(now_ns())

    monkeypatch.setattr(AsyncioLoop, "_sweep", sweep)
    listener = bench.start(
        str(tmp_path), AppKind.STATIC, model=ConcurrencyModel.ASYNCIO, threads=1, write_seconds=0.2
    )
    with socket.socket() as sock:
        sock.settimeout(20)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        sock.connect(listener.address)
        monkeypatch.setattr(os, "sendfile", held)
        sock.sendall(asking(b"/large.bin", GET))
        assert entered.wait(20)
        seen = [os.fstat(descriptor) for descriptor in used]
        late = now_ns() + 400_000_000
        wait_until(
            lambda: sweeps and sweeps[-1] > late, "the deadline to pass, and to be looked at"
        )
        assert [os.fstat(descriptor) for descriptor in used] == seen
        assert gauge(listener, catalog.OPEN_CONNECTIONS) == 1
        go_on.set()
        assert [len(content) for _, content in read_responses(sock, 1)] == [8_000_000]
    assert not bench.records(1)["flags"] & RequestFlag.ABORTED


@contextmanager
def one_behind_another(listener, wait_until):
    """Clients of a listener of one thread: the app has the first, the second waits for it."""
    with connect(listener) as first, connect(listener) as second:
        first.sendall(asking(b"/wait", GET))
        assert apps_for_listeners.entered.acquire(timeout=10)
        second.sendall(asking(b"/wait", GET))
        wait_until(lambda: gauge(listener, catalog.QUEUED_REQUESTS) == 1, "the second to wait")
        yield first, second


@pytest.mark.parametrize("model", [ConcurrencyModel.ASYNCIO, ConcurrencyModel.THREAD_POOL])
def test_a_stop_closes_what_waits_for_a_thread_and_a_thread_what_it_had(bench, model, wait_until):
    listener = bench.start(model=model, threads=1)
    with one_behind_another(listener, wait_until) as (first, second):
        listener.stop(0.1)
        assert read_all(second) == b""
        apps_for_listeners.leave.set()
        wait_until(lambda: listener.load().open_connections == 0, "the first to be closed")
        assert read_all(first) == b""
    assert not apps_for_listeners.entered.acquire(blocking=False)
    assert (bench.records(2)["flags"] & RequestFlag.ABORTED == RequestFlag.ABORTED).all()


def test_what_a_stop_cut_off_before_a_thread_had_it_is_broken_off_while_the_loop_still_runs(
    bench, wait_until, monkeypatch
):
    is_empty = asyncio.Event()

    async def drain(model, original=AsyncioLoop._drain):
        await original(model)
        apps_for_listeners.leave.set()
        await is_empty.wait()  # the loop takes both back; `stop` bounds it

    def forget(model, connection, original=AsyncioLoop.forget):
        original(model, connection)
        if not model._connections:
            is_empty.set()

    monkeypatch.setattr(AsyncioLoop, "_drain", drain)
    monkeypatch.setattr(AsyncioLoop, "forget", forget)
    listener = bench.start(model=ConcurrencyModel.ASYNCIO, threads=1)
    with one_behind_another(listener, wait_until) as (first, second):
        listener.stop(0.1)
        assert [read_all(sock) for sock in (first, second)] == [b"", b""]
    records = bench.records(2)
    wanted = RequestFlag.ABORTED | RequestFlag.CUT_OFF
    assert (records["flags"] & wanted == wanted).all()
    assert not records["status"].any()

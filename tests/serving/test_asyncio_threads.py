"""The model asyncio with what is no coroutine: WSGI apps and folders, answered on threads."""

from __future__ import annotations

import http.client
from contextlib import closing

from servescope import catalog
from servescope.records import AppKind, ConcurrencyModel, RequestFlag
from tests.serving import apps_for_listeners
from tests.serving.raw_client import CLOSING, GET, asking, connect, exchange, gauge, read_responses


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

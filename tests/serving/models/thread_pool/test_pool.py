"""The thread pool over real sockets."""

from __future__ import annotations

import time

from servescope import catalog
from servescope.recording.detail_reader import DetailReader
from servescope.records.listeners import AppKind
from servescope.records.requests import Stage
from servescope.request_fields import RequestFlag
from tests.serving import apps_for_listeners
from tests.serving.raw_client import (
    CLOSING,
    GET,
    connect,
    exchange,
    gauge,
    read_all,
    read_responses,
)


def test_a_detail_tells_target_client_and_user_agent(bench):
    listener = bench.start()
    exchange(listener, CLOSING.replace(b"Host: h", b"Host: h\r\nUser-Agent: tester"))
    [record] = bench.records(1)
    details = DetailReader(bench.recorder.details.path)
    [detail] = details.drain(0)[0]
    details.close()
    assert (detail.listener, detail.route) == (listener.spec.name, "/")
    assert (detail.target, detail.client, detail.user_agent) == ("/", "127.0.0.1", "tester")
    assert detail.record.stages_ns == tuple(record["stages_ns"])


def test_an_app_error_is_logged_and_kills_no_worker(bench, caplog):
    listener = bench.start(threads=1)
    for _ in range(5):
        assert exchange(listener, CLOSING.replace(b"/ ", b"/fail ")).startswith(b"HTTP/1.1 500")
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")
    assert caplog.text.count("ZeroDivisionError: on purpose") == 5


def test_a_slow_reader_of_a_finished_response_holds_no_thread(bench, tmp_path, wait_until):
    (tmp_path / "large.bin").write_bytes(b"z" * 20_000_000)
    wsgi = bench.start(threads=1)
    files = bench.start(app=str(tmp_path), kind=AppKind.STATIC, threads=1)
    for listener, path, size in ((wsgi, b"/large ", 0), (files, b"/large.bin ", 20_000_000)):
        with connect(listener) as slow:
            slow.sendall(CLOSING.replace(b"/ ", path))
            assert slow.recv(10)
            wait_until(lambda who=listener: gauge(who, catalog.BUSY_THREADS) == 0, "a free thread")
            with connect(listener) as quick:
                quick.sendall(CLOSING.replace(b"/ ", b"/none "))
                assert quick.recv(12) in (b"HTTP/1.1 200", b"HTTP/1.1 404")
            assert len(read_all(slow)) > max(size, 20_000_000)
    records = bench.records(4)
    large = records[records["bytes_sent"] > 20_000_000]
    assert len(large) == 2
    assert not (large["flags"] & RequestFlag.ABORTED).any()


def test_gauges_follow_what_happens(bench, wait_until):
    listener = bench.start(threads=1)
    clients = [connect(listener) for _ in range(3)]
    for client in clients:
        client.sendall(GET.replace(b"/ ", b"/wait "))
    assert apps_for_listeners.entered.acquire(timeout=10)
    wait_until(lambda: gauge(listener, catalog.QUEUED_REQUESTS) == 2, "the queue")
    assert gauge(listener, catalog.BUSY_THREADS) == 1
    assert gauge(listener, catalog.ACTIVE_REQUESTS) == 3
    assert gauge(listener, catalog.OPEN_CONNECTIONS) == 3
    assert {dict(one.labels)["listener"] for one in listener.samples()} == {listener.spec.name}
    assert listener.load().in_stage == {"read": 0, "app": 1, "body": 0, "write": 0}
    time.sleep(0.05)  # the wait to be found again
    apps_for_listeners.leave.set()
    for client in clients:
        assert read_responses(client, 1)[0][0] == 200
        client.close()
    wait_until(lambda: gauge(listener, catalog.OPEN_CONNECTIONS) == 0, "the closes")
    assert gauge(listener, catalog.ACTIVE_REQUESTS) == 0
    queue_ns = bench.records(3)["stages_ns"][:, Stage.QUEUE]
    app_ns = bench.records(3)["stages_ns"][:, Stage.APP]
    assert queue_ns.max() > app_ns.max() / 2, "who waited for the thread was in the queue"

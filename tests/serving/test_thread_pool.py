"""The thread pool over real sockets."""

from __future__ import annotations

import http.client
import os
import resource
import socket
import threading
import time
from contextlib import closing

import pytest

from servescope import catalog
from servescope.recording import DetailReader
from servescope.records import AppKind, Method, Protocol, RequestFlag, Stage
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


def test_one_connection_carries_many_requests(bench):
    listener = bench.start()
    with closing(http.client.HTTPConnection(*listener.address, timeout=10)) as client:
        for number in range(20):
            client.request("GET", f"/n{number}")
            assert client.getresponse().read() == f"hello from /n{number}".encode()
    records = bench.records(20)
    new = records["flags"] & RequestFlag.NEW_CONNECTION
    assert new.tolist() == [RequestFlag.NEW_CONNECTION] + [0] * 19


def test_pipelined_requests_are_answered_in_order(bench):
    listener = bench.start()
    with connect(listener) as sock:
        sock.sendall(b"".join(GET.replace(b"/ ", b"/%d " % i) for i in range(50)))
        assert read_responses(sock, 50) == [(200, b"hello from /%d" % i) for i in range(50)]
    bench.records(50)


def test_many_clients_at_once_each_get_their_own(bench):
    listener = bench.start(threads=4)
    wrong: list[object] = []

    def visit(who: int) -> None:
        with closing(http.client.HTTPConnection(*listener.address, timeout=20)) as client:
            for number in range(40):
                body = b"%d-%d" % (who, number) * 50
                client.request("POST", "/echo", body)
                if client.getresponse().read() != body:
                    wrong.append((who, number))

    threads = [threading.Thread(target=visit, args=(who,)) for who in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert (bench.records(480)["status"] == 200).all()


def test_a_record_tells_what_was_asked_and_answered(bench):
    listener = bench.start()
    body = b"x" * 1000
    request = b"POST /echo HTTP/1.1\r\nHost: h\r\nUser-Agent: tester\r\nConnection: close\r\n"
    request += b"Content-Length: 1000\r\n\r\n" + body
    before = time.time_ns()
    answer = exchange(listener, request)
    [record] = bench.records(1)
    assert bench.reader.listeners[record["listener"]] == listener.spec.name
    assert bench.reader.routes[record["route"]] == "/echo"
    assert (record["method"], record["protocol"]) == (Method.POST, Protocol.HTTP_1_1)
    assert record["status"] == 200
    assert record["bytes_received"] == len(request)
    assert record["bytes_sent"] == len(answer)
    assert before <= record["end_ns"] <= time.time_ns()
    details = DetailReader(bench.recorder.details.path)
    [detail] = details.drain(0)[0]
    details.close()
    assert (detail.listener, detail.route) == (listener.spec.name, "/echo")
    assert (detail.target, detail.client, detail.user_agent) == ("/echo", "127.0.0.1", "tester")
    assert detail.record.stages_ns == tuple(record["stages_ns"])


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n", 413),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
        (b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
        (b"GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505),
        (b"GET /fail HTTP/1.1\r\nHost: h\r\n\r\n", 500),
    ],
)
def test_errors_are_answered_closed_and_recorded(bench, data, status, caplog):
    listener = bench.start(max_body=98)
    answer = exchange(listener, data)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in answer
    [record] = bench.records(1)
    assert record["status"] == status
    assert record["bytes_sent"] == len(answer)
    assert bool(record["flags"] & RequestFlag.APP_ERROR) is (status == 500)
    assert ("on purpose" in caplog.text) is (status == 500)


def test_an_app_error_kills_no_worker(bench):
    listener = bench.start(threads=1)
    for _ in range(5):
        assert exchange(listener, CLOSING.replace(b"/ ", b"/fail ")).startswith(b"HTTP/1.1 500")
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")


def test_an_unwanted_upload_still_gets_its_answer(bench):
    """The client goes on sending after the refusal: a reset would destroy the answer."""
    listener = bench.start(max_body=10)
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 600000\r\n\r\n"
    assert exchange(listener, head + b"x" * 600_000).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("data", "option"),
    [
        (b"GET / HTTP/1.1\r\nHost:", {"head_seconds": 0.2}),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", {"body_seconds": 0.2}),
    ],
)
def test_half_a_request_gets_408_after_its_deadline(bench, data, option):
    listener = bench.start(**option)
    began = time.monotonic()
    answer = exchange(listener, data)
    assert 0.2 <= time.monotonic() - began < 5
    assert answer.startswith(b"HTTP/1.1 408 ")
    [record] = bench.records(1)
    assert record["flags"] & RequestFlag.TIMED_OUT
    assert 0.2e9 <= record["stages_ns"][Stage.READ] < 5e9


def test_idle_connections_are_closed_in_silence(bench):
    listener = bench.start(head_seconds=0.2, keep_alive_seconds=0.2)
    with connect(listener) as fresh, connect(listener) as kept:
        kept.sendall(GET)
        assert read_responses(kept, 1)[0][0] == 200
        assert kept.recv(100) == b""
        assert fresh.recv(100) == b""
    bench.records(1)


def test_slow_clients_hold_no_thread(bench):
    listener = bench.start(threads=1)
    slow = [connect(listener) for _ in range(50)]
    for number, sock in enumerate(slow):
        half = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"
        sock.sendall(half if number % 2 else half[:20])
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")
    for sock in slow:
        sock.close()


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


def test_a_streamed_response_arrives_whole(bench):
    listener = bench.start()
    with closing(http.client.HTTPConnection(*listener.address, timeout=20)) as client:
        client.request("GET", "/stream")
        assert client.getresponse().read() == b"y" * 20_000_000
    [record] = bench.records(1)
    assert record["bytes_sent"] > 20_000_000
    assert record["stages_ns"][Stage.WRITE] > 0


@pytest.mark.parametrize("path", [b"/stream ", b"/large "])
def test_a_client_that_stops_reading_is_given_up(bench, path):
    listener = bench.start(write_seconds=0.2)
    with connect(listener) as sock:
        sock.sendall(GET.replace(b"/ ", path))
        [record] = bench.records(1)
    assert record["flags"] & RequestFlag.TIMED_OUT
    assert record["flags"] & RequestFlag.ABORTED
    assert record["status"] == 200
    assert 0 < record["bytes_sent"] < 20_000_000


@pytest.mark.parametrize("path", [b"/stream ", b"/large "])
def test_a_client_that_leaves_is_recorded_as_aborted(bench, path, wait_until):
    listener = bench.start()
    sock = connect(listener)
    sock.sendall(GET.replace(b"/ ", path))
    sock.recv(10)
    sock.close()
    [record] = bench.records(1)
    assert record["flags"] & RequestFlag.ABORTED
    assert record["stages_ns"].sum() < 20e9, "no stage is as long as the clock's uptime"
    wait_until(lambda: gauge(listener, catalog.OPEN_CONNECTIONS) == 0, "the close")


def test_a_denied_address_gets_403(bench):
    listener = bench.start(deny=("127.0.0.0/8",))
    answer = exchange(listener, GET)
    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    [record] = bench.records(1)
    assert (record["status"], record["method"]) == (403, Method.GET)


def test_beyond_the_bound_of_connections_is_503(bench):
    listener = bench.start(max_connections=2)
    with connect(listener) as first, connect(listener) as second:
        for sock in (first, second):
            sock.sendall(GET)
            assert read_responses(sock, 1)[0][0] == 200
        assert exchange(listener, GET).startswith(b"HTTP/1.1 503 ")
        first.sendall(GET)
        assert read_responses(first, 1)[0][0] == 200
    assert sorted(bench.records(4)["status"]) == [200, 200, 200, 503]


def test_100_continue_over_the_wire(bench):
    listener = bench.start()
    with connect(listener) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n")
        sock.sendall(b"Expect: 100-continue\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert read_responses(sock, 1) == [(200, b"abc")]


def test_a_client_that_closes_its_side_gets_its_answer(bench):
    listener = bench.start()
    with connect(listener) as sock:
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock).startswith(b"HTTP/1.1 200")


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
    assert {sample.labels for sample in listener.samples()} == {(("listener", listener.spec.name),)}
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


def test_running_out_of_descriptors_is_survived(bench, caplog, wait_until):
    listener = bench.start()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    waiting = socket.socket()
    waiting.settimeout(10)
    spare = os.open("/dev/null", os.O_RDONLY)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
    try:
        waiting.connect(listener.address)
        waiting.sendall(CLOSING)
        wait_until(lambda: "cannot accept" in caplog.text, "the log line")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert read_all(waiting).startswith(b"HTTP/1.1 200")
    waiting.close()
    assert caplog.text.count("cannot accept") == 1, "logged once, not at each attempt"

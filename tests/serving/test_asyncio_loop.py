"""The model asyncio over real sockets: HTTP of ASGI apps, of WSGI apps and folders."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from contextlib import closing
from functools import partial

import pytest

from servescope import catalog
from servescope.errors import ListenerError
from servescope.records import AppKind, ConcurrencyModel, Method, Protocol, RequestFlag, Stage
from tests.serving import asgi_apps_for_listeners
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

APPS = "tests.serving.asgi_apps_for_listeners:"


@pytest.fixture(autouse=True)
def _fresh():
    apps = asgi_apps_for_listeners
    apps.leave.clear()
    apps.left.clear()
    apps.calls.clear()
    while apps.entered.acquire(blocking=False):
        pass
    yield
    apps.leave.set()


@pytest.fixture
def start(bench):
    """Start an ASGI app on the loop."""
    return partial(
        bench.start, APPS + "app", AppKind.ASGI, model=ConcurrencyModel.ASYNCIO
    )  # fmt: skip


def entered() -> bool:
    return asgi_apps_for_listeners.entered.acquire(timeout=10)


def test_one_connection_carries_many_requests(bench, start):
    listener = start()
    with closing(http.client.HTTPConnection(*listener.address, timeout=10)) as client:
        for number in range(20):
            client.request("GET", f"/n{number}")
            assert client.getresponse().read() == f"hello from /n{number}".encode()
    records = bench.records(20)
    new = records["flags"] & RequestFlag.NEW_CONNECTION
    assert new.tolist() == [RequestFlag.NEW_CONNECTION] + [0] * 19


def test_pipelined_requests_are_answered_in_order(bench, start):
    listener = start()
    paths = [b"/n%d" % i if i % 3 else b"/pause" for i in range(50)]
    with connect(listener) as sock:
        sock.sendall(b"".join(asking(path, GET) for path in paths))
        assert read_responses(sock, 50) == [(200, b"hello from " + path) for path in paths]
    assert not bench.records(50)["flags"][1:].any()


def test_many_clients_at_once_each_get_their_own(bench, start):
    listener = start()
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


def test_a_record_tells_what_was_asked_and_answered(bench, start):
    listener = start()
    request = b"POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    request += b"Content-Length: 1000\r\n\r\n" + b"x" * 1000
    answer = exchange(listener, request)
    [record] = bench.records(1)
    assert bench.reader.routes[record["route"]] == "/echo"
    assert (record["method"], record["protocol"]) == (Method.POST, Protocol.HTTP_1_1)
    assert record["status"] == 200
    assert record["bytes_received"] == len(request)
    assert record["bytes_sent"] == len(answer)
    assert (record["stages_ns"][[Stage.KERNEL, Stage.APP, Stage.WRITE]] > 0).all()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n", 413),
        (b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET /fail HTTP/1.1\r\nHost: h\r\n\r\n", 500),
    ],
)
def test_errors_are_answered_closed_and_recorded(bench, start, data, status, caplog):
    listener = start(max_body=98)
    answer = exchange(listener, data)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in answer
    [record] = bench.records(1)
    assert record["status"] == status
    assert record["bytes_sent"] == len(answer)
    assert bool(record["flags"] & RequestFlag.APP_ERROR) is (status == 500)
    assert ("on purpose" in caplog.text) is (status == 500)


def test_a_response_that_breaks_off_is_cut_not_ended(bench, start, caplog):
    answer = exchange(start(), asking(b"/half"))
    assert answer.endswith(b"4\r\nhalf\r\n")
    assert "half way" in caplog.text
    [record] = bench.records(1)
    assert record["flags"] & RequestFlag.APP_ERROR


def test_an_app_that_is_none_is_a_500(bench, caplog):
    listener = bench.start(APPS + "no_app", AppKind.ASGI, model=ConcurrencyModel.ASYNCIO)
    for _ in range(2):
        assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 500 ")
    assert "failed on GET /" in caplog.text


def test_timeouts_task_groups_and_cancel_scopes_work(start):
    answer = exchange(start(), asking(b"/task"))
    assert answer.endswith(b"True timeout group")


def test_an_unwanted_upload_still_gets_its_answer(start):
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 600000\r\n\r\n"
    answer = exchange(start(), head + b"x" * 600_000)
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("data", "option"),
    [
        (b"GET / HTTP/1.1\r\nHost:", {"head_seconds": 0.2}),
        (b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", {"body_seconds": 0.2}),
    ],
)
def test_half_a_request_gets_408_after_its_deadline(bench, start, data, option, caplog):
    listener = start(**option)
    began = time.monotonic()
    answer = exchange(listener, data)
    assert 0.2 <= time.monotonic() - began < 5
    assert answer.startswith(b"HTTP/1.1 408 ")
    [record] = bench.records(1)
    assert record["flags"] & RequestFlag.TIMED_OUT
    assert not caplog.records, "a client that is slow is no fault of the app"


def test_idle_connections_are_closed_in_silence(bench, start):
    listener = start(head_seconds=0.2, keep_alive_seconds=0.2)
    with connect(listener) as fresh, connect(listener) as kept:
        kept.sendall(GET)
        assert read_responses(kept, 1)[0][0] == 200
        assert kept.recv(100) == b""
        assert fresh.recv(100) == b""
    bench.records(1)


def test_slow_clients_hold_up_nobody(start):
    listener = start()
    slow = [connect(listener) for _ in range(50)]
    half = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"
    for number, sock in enumerate(slow):
        sock.sendall(half if number % 2 else half[:20])
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")
    for sock in slow:
        sock.close()


def test_a_streamed_response_arrives_whole(bench, start):
    listener = start()
    with closing(http.client.HTTPConnection(*listener.address, timeout=20)) as client:
        client.request("GET", "/stream")
        assert client.getresponse().read() == b"y" * 20_000_000
        client.request("GET", "/large")
        assert client.getresponse().read() == b"x" * 20_000_000
    for record in bench.records(2):
        assert record["bytes_sent"] > 20_000_000
        assert record["stages_ns"][Stage.WRITE] > 0
        assert not record["flags"] & RequestFlag.ABORTED


def test_a_slow_reader_makes_the_app_wait_not_the_memory_grow(start, wait_until):
    listener = start()
    with connect(listener) as slow:
        slow.sendall(asking(b"/stream"))
        assert slow.recv(10)
        [connection] = listener._model._connections
        wait_until(lambda: connection.is_congested, "the congestion")
        assert len(connection._pending) < 300_000
        assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")
        assert len(read_all(slow)) > 20_000_000


def test_an_app_that_is_slow_to_read_stops_the_sender(start):
    listener = start()
    with connect(listener) as sock:
        sock.settimeout(0.5)
        size = 16_000_000
        sock.sendall(b"POST /slow-echo HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        with pytest.raises(TimeoutError):
            sock.sendall(b"x" * size)
        [connection] = listener._model._connections
        assert connection._call._body_bytes < 300_000
        asgi_apps_for_listeners.leave.set()


def test_a_slow_echo_gets_everything(start):
    listener = start()
    threading.Timer(0.2, asgi_apps_for_listeners.leave.set).start()
    with connect(listener) as sock:
        head = b"POST /slow-echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n"
        sock.sendall(head + b"x" * 9_000_000)
        assert read_responses(sock, 1) == [(200, b"9000000")]


@pytest.mark.parametrize("path", [b"/stream", b"/large"])
def test_a_client_that_stops_reading_is_given_up(bench, start, path):
    listener = start(write_seconds=0.2)
    with connect(listener) as sock:
        sock.sendall(asking(path, GET))
        [record] = bench.records(1)
    assert record["flags"] & RequestFlag.TIMED_OUT
    assert record["flags"] & RequestFlag.ABORTED
    assert 0 < record["bytes_sent"] < 20_000_000
    assert record["stages_ns"].sum() < 10e9


@pytest.mark.parametrize("path", [b"/stream", b"/large", b"/events"])
def test_a_client_that_leaves_is_recorded_as_aborted(bench, start, path, wait_until, caplog):
    listener = start()
    sock = connect(listener)
    sock.sendall(asking(path, GET))
    sock.recv(10)
    sock.close()
    [record] = bench.records(1)
    assert record["flags"] & RequestFlag.ABORTED
    wait_until(lambda: gauge(listener, catalog.OPEN_CONNECTIONS) == 0, "the close")
    wait_until(lambda: not listener._model.driver.tasks, "the app to end")
    if path != b"/large":
        assert asgi_apps_for_listeners.left[0].startswith("gone after")
    assert not caplog.records


def test_a_client_that_leaves_in_the_body_is_told_to_the_app(bench, start, wait_until):
    listener = start()
    with connect(listener) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc")
        wait_until(lambda: gauge(listener, catalog.ACTIVE_REQUESTS) == 1, "the request")
    wait_until(lambda: asgi_apps_for_listeners.left, "the app to hear")
    [record] = bench.records(1)
    assert abs(record["stages_ns"].sum()) < 10e9


def test_a_waiting_app_hears_that_the_client_left(start, wait_until):
    listener = start()
    with connect(listener) as sock:
        sock.sendall(asking(b"/gone", GET))
        assert entered()
    wait_until(lambda: asgi_apps_for_listeners.left == ["http.disconnect"], "the app to hear")


def test_a_client_that_closes_its_side_gets_its_answer(start):
    with connect(start()) as sock:
        sock.sendall(asking(b"/pause", GET))
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock).startswith(b"HTTP/1.1 200")


def test_what_an_app_does_after_its_response_holds_up_no_request(start, wait_until):
    listener = start()
    with connect(listener) as sock:
        sock.sendall(asking(b"/after", GET))
        assert read_responses(sock, 1) == [(200, b"first")]
        assert entered()
        sock.sendall(GET)
        assert read_responses(sock, 1) == [(200, b"hello from /")]
        asgi_apps_for_listeners.leave.set()
        wait_until(lambda: asgi_apps_for_listeners.left == ["after"], "the rest")


def test_a_denied_address_gets_403(bench, start):
    assert exchange(start(deny=("127.0.0.0/8",)), GET).startswith(b"HTTP/1.1 403 ")
    assert bench.records(1)["status"] == 403


def test_beyond_the_bound_of_connections_is_503(bench, start):
    listener = start(max_connections=2)
    with connect(listener) as first, connect(listener) as second:
        for sock in (first, second):
            sock.sendall(GET)
            assert read_responses(sock, 1)[0][0] == 200
        assert exchange(listener, GET).startswith(b"HTTP/1.1 503 ")
        first.sendall(GET)
        assert read_responses(first, 1)[0][0] == 200
    assert sorted(bench.records(4)["status"]) == [200, 200, 200, 503]


def test_100_continue_is_sent_when_the_app_asks_for_the_body(start):
    listener = start()
    head = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    with connect(listener) as sock:
        sock.sendall(head)
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert read_responses(sock, 1) == [(200, b"abc")]
    with connect(listener) as sock:
        sock.sendall(head.replace(b"/echo", b"/none"))
        assert sock.recv(12) == b"HTTP/1.1 200"


def test_gauges_follow_what_happens(start, wait_until):
    listener = start()
    clients = [connect(listener) for _ in range(3)]
    for client in clients:
        client.sendall(asking(b"/wait", GET))
        assert entered()
    assert gauge(listener, catalog.ACTIVE_REQUESTS) == 3
    assert gauge(listener, catalog.OPEN_CONNECTIONS) == 3
    asgi_apps_for_listeners.leave.set()
    for client in clients:
        assert read_responses(client, 1)[0][0] == 200
        client.close()
    wait_until(lambda: gauge(listener, catalog.OPEN_CONNECTIONS) == 0, "the closes")
    assert gauge(listener, catalog.ACTIVE_REQUESTS) == 0


def test_the_lifespan_is_around_all_requests(bench):
    listener = bench.start(APPS + "with_lifespan", AppKind.ASGI, model=ConcurrencyModel.ASYNCIO)
    assert asgi_apps_for_listeners.calls == ["startup"]
    for _ in range(2):
        assert exchange(listener, CLOSING).endswith(b"[('mine', 'x'), ('pool', 7)]")
    listener.stop(1)
    assert asgi_apps_for_listeners.calls == ["startup", "shutdown"]


def test_an_app_that_cannot_start_is_told_and_frees_the_port(bench):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        with pytest.raises(ListenerError, match="no database"):
            bench.start(
                APPS + "cannot_start",
                AppKind.ASGI,
                sock=listening,
                model=ConcurrencyModel.ASYNCIO,
            )
        assert listening.fileno() < 0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("test0-")]


def test_an_asgi_app_needs_the_loop(bench):
    with pytest.raises(ListenerError, match="model asyncio"):
        bench.start(APPS + "app", AppKind.ASGI)

"""The model asyncio over real sockets: HTTP of ASGI apps, of WSGI apps and folders."""

from __future__ import annotations

import socket
import threading
from functools import partial

import pytest

from servescope import catalog
from servescope.errors import ListenerError
from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.request_fields import RequestFlag
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


def test_a_slow_reader_makes_the_app_wait_not_the_memory_grow(start, wait_until):
    listener = start()
    with connect(listener) as slow:
        slow.sendall(asking(b"/stream"))
        assert slow.recv(10)
        [connection] = listener._model._connections
        wait_until(lambda: connection.output.is_congested, "the congestion")
        assert len(connection.output.pending) < 300_000
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
        assert connection.handler._call._inbox.size < 300_000
        asgi_apps_for_listeners.leave.set()


@pytest.mark.parametrize("path", [b"/pause", b"/after"])
def test_pipelined_requests_are_answered_behind_one_that_waits(bench, start, path):
    asgi_apps_for_listeners.leave.set()
    with connect(start()) as client:
        client.sendall(asking(path, GET) + GET + GET)
        assert [status for status, _ in read_responses(client, 3)] == [200] * 3
    bench.records(3)


def test_a_slow_echo_gets_everything(start):
    listener = start()
    threading.Timer(0.2, asgi_apps_for_listeners.leave.set).start()
    with connect(listener) as sock:
        head = b"POST /slow-echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n"
        sock.sendall(head + b"x" * 9_000_000)
        assert read_responses(sock, 1) == [(200, b"9000000")]


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


def test_it_counts_no_threads_and_no_queue_for_them(start):
    metrics = {sample.metric for sample in start().samples()}
    assert catalog.ACTIVE_REQUESTS in metrics
    assert not {catalog.BUSY_THREADS, catalog.QUEUED_REQUESTS} & metrics


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

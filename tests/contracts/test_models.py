"""The contract of every concurrency model for requests, over real sockets."""

from __future__ import annotations

import http.client
import time
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from servescope import catalog
from servescope.records.listeners import AppKind
from servescope.records.requests import Stage
from servescope.request_fields import Method, Protocol, RequestFlag
from tests.contracts.app_for_models import BLOCK, BLOCKS
from tests.contracts.harness import ModelHarness, in_threads, wait_until
from tests.serving.raw_client import (
    CLOSING,
    GET,
    asking,
    connect,
    exchange,
    read_responses,
)

if TYPE_CHECKING:
    from pathlib import Path

CLOCK_ERROR_NS = 5e6
"""As in tests/serving/test_request_stages.py."""


def test_one_connection_carries_many_requests(harness: ModelHarness):
    listener = harness.start()
    with closing(http.client.HTTPConnection(*listener.address, timeout=20)) as client:
        for number in range(20):
            client.request("POST", "/echo", b"body %d" % number)
            assert client.getresponse().read() == b"body %d" % number
    records = harness.records(20)
    new = records["flags"] & RequestFlag.NEW_CONNECTION
    assert new.tolist() == [RequestFlag.NEW_CONNECTION] + [0] * 19
    assert (records["status"] == 200).all()


def test_connections_are_counted_when_they_are_accepted(harness: ModelHarness):
    """Not when their first request ends, and those for which there is no room as well."""
    listener = harness.start(max_connections=1)
    turned_away = 2 if harness.is_concurrent else 0
    with connect(listener) as first:
        first.sendall(harness.wait_request())
        wait_until(lambda: harness.entered() == 1, "the request in the app")
        for _ in range(turned_away):
            assert exchange(listener, b"").startswith(b"HTTP/1.1 503 ")
        counted = {catalog.NEW_CONNECTIONS: 0.0, catalog.TURNED_AWAY: 0.0}

        def is_counted() -> bool:
            for sample in listener.samples():
                if sample.metric in counted:
                    counted[sample.metric] += sample.value
            return counted[catalog.NEW_CONNECTIONS] >= 1 + turned_away

        wait_until(is_counted, "the connections")
        assert counted == {
            catalog.NEW_CONNECTIONS: 1 + turned_away,
            catalog.TURNED_AWAY: turned_away,
        }
        assert len(harness.drain()) == turned_away  # the first has no answer yet
        harness.leave()
        assert read_responses(first, 1)[0][0] == 200


def test_pipelined_requests_are_answered_in_order(harness: ModelHarness):
    listener = harness.start()
    paths = [b"/pause" if i % 10 == 3 else b"/%d" % i for i in range(50)]
    with connect(listener) as sock:
        sock.sendall(b"".join(asking(path, GET) for path in paths))
        assert read_responses(sock, 50) == [(200, b"hello from " + path) for path in paths]
    assert not harness.records(50)["flags"][1:].any()


def test_many_clients_at_once_each_get_their_own(harness: ModelHarness):
    listener = harness.start(threads=4, workers=2)
    wrong: list[object] = []

    def visit(who: int) -> None:
        for number in range(4):
            with closing(http.client.HTTPConnection(*listener.address, timeout=20)) as client:
                for again in range(1 if not harness.is_concurrent else 8):
                    body = b"%d-%d-%d" % (who, number, again) * 50
                    client.request("POST", "/echo", body)
                    if client.getresponse().read() != body:
                        wrong.append((who, number, again))

    in_threads(visit, 10)
    assert not wrong
    assert (harness.records(320 if harness.is_concurrent else 40)["status"] == 200).all()


def test_a_record_tells_what_was_asked_and_answered(harness: ModelHarness):
    listener = harness.start()
    request = b"POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    request += b"Content-Length: 1000\r\n\r\n" + b"x" * 1000
    before = time.time_ns()
    answer = exchange(listener, request)
    [record] = harness.records(1)
    assert "/echo" in harness.routes()
    assert (record["method"], record["protocol"]) == (Method.POST, Protocol.HTTP_1_1)
    assert record["status"] == 200
    assert record["bytes_received"] == len(request)
    assert record["bytes_sent"] == len(answer)
    assert before <= record["end_ns"] <= time.time_ns()
    assert (record["stages_ns"][[Stage.KERNEL, Stage.APP, Stage.WRITE]] > 0).all()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n", 413),
        (b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
        (b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 501),
        (b"GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505),
        (b"GET /fail HTTP/1.1\r\nHost: h\r\n\r\n", 500),
    ],
)
def test_errors_are_answered_closed_and_recorded(harness: ModelHarness, data: bytes, status: int):
    listener = harness.start(max_body=98)
    answer = exchange(listener, data)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in answer
    [record] = harness.records(1)
    assert record["status"] == status
    assert record["bytes_sent"] == len(answer)
    assert bool(record["flags"] & RequestFlag.APP_ERROR) is (status == 500)
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200"), "it lives on"


def test_100_continue_is_sent_before_the_body(harness: ModelHarness):
    listener = harness.start()
    with connect(listener) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n")
        sock.sendall(b"Expect: 100-continue\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert read_responses(sock, 1) == [(200, b"abc")]


@pytest.mark.parametrize("path", [b"/stream", b"/large"])
def test_a_long_response_arrives_whole(harness: ModelHarness, path: bytes):
    listener = harness.start()
    with closing(http.client.HTTPConnection(*listener.address, timeout=20)) as client:
        client.request("GET", path.decode())
        assert client.getresponse().read() == BLOCK * BLOCKS
    [record] = harness.records(1)
    assert record["bytes_sent"] > len(BLOCK) * BLOCKS
    assert record["stages_ns"][Stage.WRITE] > 0
    assert not record["flags"] & RequestFlag.ABORTED


def test_a_folder_is_served(harness: ModelHarness, tmp_path: Path):
    (tmp_path / "large.bin").write_bytes(bytes(range(256)) * 8_000)
    listener = harness.start(str(tmp_path), AppKind.STATIC)
    with closing(http.client.HTTPConnection(*listener.address, timeout=20)) as client:
        client.request("GET", "/large.bin")
        assert client.getresponse().read() == bytes(range(256)) * 8_000
    [record] = harness.records(1)
    assert record["bytes_sent"] > 2_048_000


def test_every_request_is_counted_once(harness: ModelHarness):
    listener = harness.start(workers=2)
    answered: list[int] = []

    def visit(_who: int) -> None:
        answered.extend(exchange(listener, CLOSING).startswith(b"HTTP/1.1 200") for _ in range(50))

    in_threads(visit, 6)
    assert sum(answered) == 300
    listener.stop(5)
    assert (harness.records(300)["status"] == 200).all()


def test_the_stages_add_up_to_what_the_client_waits(harness: ModelHarness):
    listener = harness.start()
    waited = []
    with connect(listener) as sock:
        for _ in range(15):
            began = time.perf_counter_ns()
            sock.sendall(GET.replace(b"/ ", b"/pause "))
            read_responses(sock, 1)
            waited.append(time.perf_counter_ns() - began)
    sums = harness.records(15)["stages_ns"].sum(axis=1)
    assert np.median(sums) >= 20e6
    assert np.median(np.abs(np.array(waited[1:]) - sums[1:])) < CLOCK_ERROR_NS


def test_the_load_is_told(harness: ModelHarness):
    listener = harness.start()
    with connect(listener) as sock:
        sock.sendall(harness.wait_request())
        wait_until(lambda: harness.entered() == 1, "the request to be in the app")
        wait_until(lambda: listener.load().active_requests == 1, "the gauge")
        assert listener.load().open_connections == 1
        # A coroutine holds no thread while it waits.
        assert listener.load().busy_threads == (0 if harness.kind is AppKind.ASGI else 1)
        harness.leave()
        read_responses(sock, 1)
    wait_until(lambda: listener.load().open_connections == 0, "the close")


@pytest.mark.parametrize(
    ("sent", "stage"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost:", "read", id="half-a-head"),
        pytest.param(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
            "read",
            id="half-a-body",
        ),
        pytest.param(b"GET /wait?%b HTTP/1.1\r\nHost: a\r\n\r\n", "app", id="app"),
        pytest.param(b"GET /wait-in-body?%b HTTP/1.1\r\nHost: a\r\n\r\n", "body", id="body"),
        pytest.param(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n", "write", id="write-a-rest"),
        pytest.param(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", "write", id="write-in-parts"),
    ],
)
def test_the_stage_of_an_unfinished_request_is_told(harness: ModelHarness, sent: bytes, stage: str):
    listener = harness.start()
    if harness.kind is AppKind.ASGI and b"/echo" in sent:
        stage = "app"  # it is called at the head and awaits the body itself
    wanted = dict.fromkeys(("read", "app", "body", "write"), 0)
    with connect(listener) as sock:
        wait_until(lambda: listener.load().in_stage == wanted, "a connection without a request")
        sock.sendall(sent.replace(b"%b", str(harness.signals).encode()))
        wait_until(lambda: listener.load().in_stage == wanted | {stage: 1}, f"{stage} to be told")
        harness.leave()
    wait_until(lambda: listener.load().in_stage == wanted, "the end")

"""The contract of every concurrency model with clients that are slow, gone or unwelcome."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from servescope import catalog
from servescope.records.listeners import AppKind
from servescope.request_fields import Method, RequestFlag
from servescope.serving.connection import LOOK_FROM_NS
from tests.contracts.app_for_models import BLOCK, BLOCKS
from tests.contracts.harness import ModelHarness, wait_until
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

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("data", "option"),
    [
        (b"GET / HTTP/1.1\r\nHost:", {"head_seconds": 0.2}),
        (b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", {"body_seconds": 0.2}),
    ],
)
def test_half_a_request_gets_408_after_its_deadline(
    harness: ModelHarness, data: bytes, option: Any, caplog: pytest.LogCaptureFixture
):
    listener = harness.start(**option)
    assert exchange(listener, CLOSING), "it serves: the time to start does not count"
    harness.records(1)
    began = time.monotonic()
    answer = exchange(listener, data)
    assert 0.2 <= time.monotonic() - began < 5
    assert answer.startswith(b"HTTP/1.1 408 ")
    record = harness.records(2)[1]
    assert record["flags"] & RequestFlag.TIMED_OUT
    assert record["stages_ns"].sum() < 5e9
    assert not caplog.records, "a client that is slow is no fault of the app"
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")


def test_idle_connections_are_closed_in_silence(harness: ModelHarness):
    listener = harness.start(head_seconds=0.5, keep_alive_seconds=0.5)
    with connect(listener) as kept:
        kept.sendall(GET)
        assert read_responses(kept, 1)[0][0] == 200
        assert kept.recv(100) == b""
    with connect(listener) as fresh:
        assert fresh.recv(100) == b""
    harness.records(1)


def test_slow_clients_hold_up_nobody(harness: ModelHarness):
    listener = harness.start(threads=1, head_seconds=0.5, body_seconds=0.5)
    half = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"
    with ExitStack() as stack:
        for number in range(50 if harness.is_concurrent else 2):
            slow = stack.enter_context(connect(listener))
            slow.sendall(half if number % 2 else half[:20])
        began = time.monotonic()
        assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")
        # One after the other is what the sequential model is; deadlines end that, too.
        assert time.monotonic() - began < 5


def test_a_client_that_closes_its_side_gets_its_answer(harness: ModelHarness):
    with connect(harness.start()) as sock:
        sock.sendall(asking(b"/pause", GET))
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock).startswith(b"HTTP/1.1 200")


def test_an_upload_nobody_wants_still_gets_its_answer(harness: ModelHarness):
    """The client goes on sending after the refusal: a reset would destroy the answer."""
    head = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 600000\r\n\r\n"
    listener = harness.start(max_body=10)
    assert exchange(listener, head + b"x" * 600_000).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("path", [b"/stream", b"/large"])
def test_a_client_that_stops_reading_is_given_up(harness: ModelHarness, path: bytes):
    listener = harness.start(write_seconds=0.2)
    with connect(listener) as sock:
        sock.sendall(asking(path, GET))
        [record] = harness.records(1)
    assert record["flags"] & RequestFlag.TIMED_OUT
    assert record["flags"] & RequestFlag.ABORTED
    assert record["status"] == 200
    assert 0 < record["bytes_sent"] < len(BLOCK) * BLOCKS
    assert record["stages_ns"].sum() < 10e9


@pytest.mark.parametrize("path", [b"/stream", b"/large"])
def test_a_client_that_leaves_is_recorded_as_aborted(harness: ModelHarness, path: bytes):
    listener = harness.start()
    with connect(listener) as sock:
        sock.sendall(asking(path, GET))
        sock.recv(10)
    [record] = harness.records(1)
    assert record["flags"] & RequestFlag.ABORTED
    assert record["stages_ns"].sum() < 20e9, "no stage is as long as the clock's uptime"
    wait_until(lambda: listener.load().open_connections == 0, "the close")


@pytest.mark.parametrize("resets", [False, True])
def test_an_answer_to_a_client_that_has_gone_is_known_as_such(harness: ModelHarness, resets: bool):
    listener = harness.start()
    assert gauge(listener, catalog.LEFT_CONNECTIONS) == 0
    with connect(listener) as sock:
        if resets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(harness.wait_request())
        wait_until(lambda: harness.entered() == 1, "the request in the app")
        entered_ns = time.monotonic_ns()
    wait_until(lambda: time.monotonic_ns() - entered_ns > LOOK_FROM_NS, "its age")
    if not (resets and harness.kind is AppKind.ASGI):  # a loop closes one that was reset
        wait_until(lambda: gauge(listener, catalog.LEFT_CONNECTIONS) == 1, "the gauge")
    harness.leave()
    [record] = harness.records(1)
    assert record["flags"] & (RequestFlag.ABORTED | RequestFlag.CLIENT_GONE)
    assert record["flags"] & RequestFlag.CLIENT_GONE or not record["bytes_sent"]
    with connect(listener) as sock:  # the file is there: it is answered at once
        sock.sendall(asking(b"/pause", GET))
        read_responses(sock, 1)
    assert not harness.records(2)[1]["flags"] & RequestFlag.CLIENT_GONE, "it was still there"


def test_a_client_that_waits_in_the_accept_queue_is_served_in_the_end(harness: ModelHarness):
    """A kept connection that is idle locks nobody out, in any model."""
    listener = harness.start()
    with connect(listener) as kept:
        kept.sendall(GET)
        assert read_responses(kept, 1)[0][0] == 200
        assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")
    harness.records(2)


def test_a_denied_address_gets_403(harness: ModelHarness):
    listener = harness.start(deny=("127.0.0.0/8",))
    assert exchange(listener, GET).startswith(b"HTTP/1.1 403 Forbidden\r\n")
    [record] = harness.records(1)
    assert (record["status"], record["method"]) == (403, Method.GET)


def test_beyond_the_bound_of_connections_is_503(harness: ModelHarness):
    """Nobody is beyond it where there is one connection at a time."""
    listener = harness.start(max_connections=2, workers=1)
    with connect(listener) as first, connect(listener) as second:
        for sock in (first, second):
            sock.sendall(GET)
            assert read_responses(sock, 1)[0][0] == 200
        status = 503 if harness.is_concurrent else 200
        assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 %d " % status)
        if harness.is_concurrent:
            first.sendall(GET)
            assert read_responses(first, 1)[0][0] == 200
    statuses = [200, 200, 200, 503] if harness.is_concurrent else [200, 200, 200]
    assert sorted(harness.records(len(statuses))["status"]) == statuses


def test_a_slow_reader_gets_it_all(harness: ModelHarness, tmp_path: Path):
    (tmp_path / "large.bin").write_bytes(b"z" * 8_000_000)
    listener = harness.start(str(tmp_path), AppKind.STATIC)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        sock.settimeout(20)
        sock.connect(listener.address)
        sock.sendall(CLOSING.replace(b"/ ", b"/large.bin "))
        assert sock.recv(10)
        time.sleep(0.05)  # a pause of the reader, not a synchronisation
        assert len(read_all(sock)) > 8_000_000
    assert not harness.records(1)["flags"][0] & RequestFlag.ABORTED

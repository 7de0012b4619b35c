"""Where the time of a request goes, held against the client's own clock."""

from __future__ import annotations

import socket
import time

import numpy as np

from servescope.records.requests import Stage
from servescope.serving.connection import Connection
from servescope.sockets.binding import prepare
from tests.serving import apps_for_listeners
from tests.serving.raw_client import CLOSING, GET, connect, read_all, read_responses

CLOCK_ERROR_NS = 5e6
"""How far the sum of the stages may lie from the client's own clock: the two share an interpreter
here, and whoever returns from the kernel waits for its lock."""


def test_the_stages_add_up_to_what_the_client_waits(bench):
    """Within the stated error, for the median of requests of 20 ms and more."""
    listener = bench.start(threads=1)
    waited = []
    with connect(listener) as sock:
        for _ in range(15):
            began = time.perf_counter_ns()
            sock.sendall(GET.replace(b"/ ", b"/pause "))
            read_responses(sock, 1)
            waited.append(time.perf_counter_ns() - began)
    sums = bench.records(15)["stages_ns"].sum(axis=1)
    assert np.median(sums) >= 20e6
    assert np.median(np.abs(np.array(waited) - sums)) < CLOCK_ERROR_NS


def test_the_stages_say_where_the_time_went(bench):
    listener = bench.start(threads=1)
    began = time.perf_counter_ns()
    with connect(listener) as sock:
        sock.sendall(GET.replace(b"/ ", b"/wait "))
        assert apps_for_listeners.entered.acquire(timeout=10)
        time.sleep(0.1)  # the time to be found again, not a synchronisation
        apps_for_listeners.leave.set()
        read_responses(sock, 1)
    waited = time.perf_counter_ns() - began
    [record] = bench.records(1)
    stages = record["stages_ns"]
    assert 0.1e9 <= stages[Stage.APP] <= waited + CLOCK_ERROR_NS
    assert stages.sum() <= waited + CLOCK_ERROR_NS
    assert stages.sum() - stages[Stage.APP] <= waited - 0.1e9 + CLOCK_ERROR_NS


def test_the_kernel_stage_sees_the_wait_in_the_accept_queue(bench):
    """A socket that listens before anybody accepts: what waits in it waits in the kernel."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(16)
    # As `bind` does: from now on the kernel stamps what arrives.

    prepare(listening)
    with socket.create_connection(listening.getsockname(), timeout=10) as sock:
        sent = time.perf_counter_ns()
        sock.sendall(CLOSING)
        time.sleep(0.15)  # the wait to be seen
        bench.start(sock=listening)
        read_all(sock)
        waited = time.perf_counter_ns() - sent
    [record] = bench.records(1)
    assert 0.15e9 <= record["stages_ns"][Stage.KERNEL] <= waited + CLOCK_ERROR_NS
    assert record["stages_ns"].sum() <= waited + CLOCK_ERROR_NS


def test_a_slow_upload_counts_as_reading_not_as_queue(bench):
    """The time between head and body, but for the wait of the head to be read at all."""
    listener = bench.start()
    began = time.perf_counter_ns()
    with connect(listener) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n")
        head_sent = time.perf_counter_ns()
        time.sleep(0.1)  # the time to be found again
        pause = time.perf_counter_ns() - head_sent
        sock.sendall(b"abc")
        read_responses(sock, 1)
    waited = time.perf_counter_ns() - began
    [record] = bench.records(1)
    stages = record["stages_ns"]
    assert stages[Stage.KERNEL] + stages[Stage.READ] >= pause - CLOCK_ERROR_NS
    assert stages[Stage.READ] > 0
    assert stages[Stage.QUEUE] <= waited - pause + CLOCK_ERROR_NS


def test_what_is_handed_to_the_kernel_is_in_the_stage_write(bench, monkeypatch):
    """The call may take long: its thread waits for the interpreter's lock behind the others."""
    seen = []
    send_some = Connection._send_some

    def looking(connection, *given):
        seen.append(connection.stage)
        return send_some(connection, *given)

    monkeypatch.setattr(Connection, "_send_some", looking)
    with connect(bench.start(threads=1)) as sock:
        sock.sendall(GET)
        read_responses(sock, 1)
    bench.records(1)
    assert seen == [Stage.WRITE]

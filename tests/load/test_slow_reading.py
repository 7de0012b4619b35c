"""Clients that read an answer slowly, so that the server has to wait for them."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from servescope.load.connections import Connection, hold_little
from servescope.load.slow_reading import PARTS, UNKNOWN_BYTES, SlowReading
from servescope.load.supervisor import GeneratorProcess
from servescope.load.targets import Target
from servescope.records.load import LoadPlan
from servescope.records.scenarios import Flow, RequestStep, Scenario, Users
from tests.processes import eventually

from .conftest import Outcome, TinyServer
from .test_flows import plan_of
from .test_loop import NOTHING_FAILED

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real_time

Serve = Callable[..., TinyServer]
Run = Callable[[LoadPlan, int], Outcome]


@pytest.mark.parametrize(
    ("first", "part_bytes"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nx", 5_000),
        (b"HTTP/1.1 200 OK\r\ncontent-length:1\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", UNKNOWN_BYTES),
    ],
    ids=["length", "short", "unknown"],
)
def test_parts(first: bytes, part_bytes: int) -> None:
    reading = SlowReading(first, 2_000_000_000)
    assert (reading.part_bytes, reading.every_ns * PARTS) == (part_bytes, 2_000_000_000)


@pytest.mark.parametrize("is_slow", [False, True])
def test_the_kernels_keep_little_for_a_client_that_reads_slowly(is_slow: bool) -> None:
    connection = Connection(socket.AF_INET, 0)
    if is_slow:
        hold_little(connection.socket)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connection.connect("127.0.0.1", listening.getsockname()[1])
        server, _ = listening.accept()
    with server:
        server.settimeout(0.2)
        taken = 0
        with contextlib.suppress(TimeoutError):
            while taken < 16 * 1024 * 1024:
                taken += server.send(bytes(65_536))
    connection.close()
    assert (taken < 512 * 1024) is is_slow


def large(_server: TinyServer, _number: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000


def of_no_length(_server: TinyServer, _number: int) -> bytes:
    chunk = b"c350\r\n" + b"x" * 50_000 + b"\r\n"
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + 2 * chunk + b"0\r\n\r\n"


def test_a_slow_client_reads_an_answer_part_by_part(serve: Serve, run_plan: Run) -> None:
    server = serve(large)
    slow = RequestStep(target="/large", read_seconds=0.2)
    result = run_plan(plan_of(Flow((slow,)), rate=20), server.port).result
    assert (result.answered, result.failed) == (6, NOTHING_FAILED)
    assert result.latency_ms.p50 is not None
    assert result.latency_ms.p50 >= 199
    assert result.phases["receive"].seconds >= 6 * 0.199
    assert server.connections == 6, "each on one of its own, which the kernels keep little for"


def test_parts_of_an_answer_of_unknown_length_have_a_size(serve: Serve, run_plan: Run) -> None:
    slow = RequestStep(target="/stream", read_seconds=2)
    result = run_plan(plan_of(Flow((slow,)), rate=10, seconds=0.1), serve(of_no_length).port).result
    assert (result.answered, result.failed) == (1, NOTHING_FAILED)
    assert result.phases["receive"].seconds >= 0.599, "100,000 bytes in parts of 16,384"


def test_a_slow_client_of_the_closed_model_has_one_connection(serve: Serve, run_plan: Run) -> None:
    server = serve(large)
    steps = (RequestStep(target="/"), RequestStep(target="/large", read_seconds=0.1))
    scenario = Scenario(Users(2, 0.0, 0.5), (Flow(steps),), max_connections=2)
    result = run_plan(LoadPlan("files", scenario), server.port).result
    assert result.failed == NOTHING_FAILED
    assert result.connections_max == 2
    assert result.answered >= 4


def test_a_slow_client_takes_the_place_of_an_idle_connection(serve: Serve, run_plan: Run) -> None:
    flow = Flow((RequestStep(target="/"), RequestStep(target="/large", read_seconds=0.1)))
    plan = plan_of(flow, rate=5, seconds=0.4, max_connections=1)
    result = run_plan(plan, serve(large).port).result
    assert (result.answered, result.failed) == (4, NOTHING_FAILED)
    assert result.connections_max == 1


def test_a_slow_client_can_be_stopped(serve: Serve, tmp_path: Path) -> None:
    server = serve(large)
    plan = plan_of(Flow((RequestStep(target="/large", read_seconds=60),)), rate=20, seconds=30)
    process = GeneratorProcess(1, plan, Target("127.0.0.1", server.port), tmp_path)
    assert eventually(lambda: server.requests >= 2, 20)
    process.stop()
    assert process.wait(10)
    assert process.result is not None
    assert process.result.cancelled >= 2
    assert process.result.answered == 0

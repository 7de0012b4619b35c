"""The phases of each request on real sockets: they add up, and each shows its own wait."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from servescope.records.load import LoadPlan
from servescope.records.scenarios import Constant, Flow, RequestStep, Scenario

from .conftest import OK, Outcome, TinyServer
from .test_loop import plan_of
from .test_tls_load import Identity

if TYPE_CHECKING:
    from pathlib import Path

    from servescope.load.report import Result

pytestmark = pytest.mark.real_time

Serve = Callable[..., TinyServer]
Run = Callable[..., Outcome]


def mean_ms(result: Result, phase: str) -> float:
    return result.phases[phase].seconds / result.answered * 1e3


def check_law(result: Result) -> None:
    """The phases of all requests follow each other without a gap."""
    assert result.answered > 0
    assert all(phase.seconds >= 0 for phase in result.phases.values())
    total_s = sum(phase.seconds for phase in result.phases.values())
    assert total_s == pytest.approx(result.latency_ms.mean * result.answered / 1e3, rel=1e-6)
    for name in ("blocked", "send", "wait", "receive"):
        assert sum(result.phases[name].histogram) == result.answered


@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize("encrypted", [False, True])
def test_phases_add_up_to_the_latency_from_the_intended_time(
    serve: Serve, run_plan: Run, tmp_path: Path, encrypted: bool, keep_alive: bool
) -> None:
    identity = Identity(tmp_path / "identity") if encrypted else None
    server = serve(tls=identity and identity.context)
    plan = plan_of(rate=200, keep_alive=keep_alive)
    result = run_plan(plan, server.port, identity and identity.trust).result
    check_law(result)
    connected = sum(result.phases["connect"].histogram)
    assert connected == sum(result.phases["tls"].histogram) <= server.connections
    assert keep_alive or connected == result.answered
    assert (result.phases["tls"].seconds > 0) == encrypted


def test_the_handshake_is_a_phase_of_its_own(serve: Serve, run_plan: Run, tmp_path: Path) -> None:
    identity = Identity(tmp_path / "identity")
    server = serve(tls=identity.context)
    server.handshake_delay_s = 0.1
    plan = plan_of(rate=50, keep_alive=False)
    result = run_plan(plan, server.port, identity.trust).result
    check_law(result)
    assert mean_ms(result, "tls") >= 99
    assert mean_ms(result, "connect") < mean_ms(result, "tls")


def test_the_wait_for_a_connection_is_blocked(serve: Serve, run_plan: Run) -> None:
    def slow(server: TinyServer, _number: int) -> bytes:
        server.ending.wait(0.05)
        return OK

    result = run_plan(plan_of(rate=100, max_connections=1), serve(slow).port).result
    check_law(result)
    assert mean_ms(result, "wait") >= 50
    assert mean_ms(result, "blocked") > 200  # half of the requests came before half the capacity
    assert result.blocked >= 20
    assert (result.connection_limit, result.connections_max) == (1, 1)


def test_an_answer_in_pieces_is_received_after_its_first_byte(serve: Serve, run_plan: Run) -> None:
    server = serve(None)

    def in_pieces(connection: socket.socket) -> None:
        while connection.recv(65_536):
            connection.sendall(OK[:20])
            server.ending.wait(0.08)
            connection.sendall(OK[20:])

    server._answer = in_pieces
    result = run_plan(plan_of(rate=40, seconds=0.25), server.port).result
    check_law(result)
    assert mean_ms(result, "receive") >= 75


def test_a_body_that_the_server_takes_slowly_is_sent_slowly(run_plan: Run) -> None:
    body = "€" * 1_000_000 + "y"  # three bytes each: more than the buffers of the kernel hold
    done = threading.Event()

    def take(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            done.wait(0.2)  # what the kernel's buffers do not hold waits
            data = b""
            while not data.endswith(b"y"):
                data = connection.recv(65_536)
            connection.sendall(OK)
            done.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        listening.settimeout(10)
        thread = threading.Thread(target=take, args=(listening,))
        thread.start()
        step = RequestStep(method="POST", body=body)
        scenario = Scenario(Constant(10, 0.1), (Flow((step,)),))
        try:
            result = run_plan(LoadPlan("files", scenario), listening.getsockname()[1]).result
        finally:
            done.set()
            thread.join()
    check_law(result)
    assert mean_ms(result, "send") >= 150

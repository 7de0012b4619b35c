"""Load behind TLS against real servers: counted alike, honest about handshakes, sure of whom."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import pytest

from servescope.errors import LoadRefusedError
from servescope.load.plan import check
from servescope.load.supervisor import GeneratorProcess
from servescope.load.targets import Target, Targets
from servescope.load.tls_connections import TlsConnection, Trust, TrustedServer
from servescope.records.listeners import ListenerState, ListenerStatus
from servescope.records.load import LoadOutcome, LoadPlan, RunState
from servescope.records.scenarios import Flow, RequestStep
from servescope.request_fields import RequestFlag
from servescope.serving.tls.certificates import (
    context_of,
    read_pair,
    self_signed_pair,
    shown,
)
from servescope.sockets.timestamps import CONTROL_BYTES

from .conftest import OK, Outcome, TinyServer, answers
from .test_flows import plan_of as plan_of_flows
from .test_loop import NOTHING_FAILED, all_failed, plan_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real_time

Serve = Callable[..., TinyServer]
Run = Callable[..., Outcome]
each_of = partial(plan_of, rate=200, keep_alive=False)
WAIT_S = 10


class Identity:
    """A pair in files of its own, renewed on demand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate, self.key = self_signed_pair(folder)

    @property
    def context(self) -> ssl.SSLContext:
        return context_of(read_pair(self.certificate, self.key))

    @property
    def trust(self) -> Trust:
        return Trust.in_certificate(shown(read_pair(self.certificate, self.key), 0.0))

    def renew(self) -> None:
        for new, old in zip(
            self_signed_pair(self.folder / "renewed"), (self.certificate, self.key), strict=True
        ):
            old.write_bytes(new.read_bytes())


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return Identity(tmp_path / "identity")


def test_kept_connections_carry_many_requests(
    serve: Serve, run_plan: Run, identity: Identity
) -> None:
    server = serve(tls=identity.context)
    outcome = run_plan(plan_of(max_connections=20), server.port, identity.trust)
    result = outcome.result
    assert (result.sent, result.answered, server.requests) == (200, 200, 200)
    assert result.failed == NOTHING_FAILED
    assert result.bytes_received == 200 * len(OK)  # of HTTP, without what TLS adds
    assert server.connections <= 20
    assert (outcome.records["flags"] & RequestFlag.TLS != 0).all()
    assert set(outcome.records["protocol"]) == {LoadOutcome.ANSWERED}


def test_one_connection_each(serve: Serve, run_plan: Run, identity: Identity) -> None:
    server = serve(tls=identity.context)
    outcome = run_plan(each_of(), server.port, identity.trust)
    assert outcome.result.answered == server.connections == server.requests == 50
    assert (outcome.records["flags"] & RequestFlag.NEW_CONNECTION != 0).all()
    assert (outcome.records["stages_ns"][:, 2] > 0).all()


def test_the_handshake_is_part_of_the_latency_and_of_the_time_to_connect(
    serve: Serve, run_plan: Run, identity: Identity
) -> None:
    server = serve(tls=identity.context)
    server.handshake_delay_s = 0.1
    outcome = run_plan(each_of(rate=100), server.port, identity.trust)
    assert outcome.result.answered == 25
    latency, naive, connect = (outcome.records["stages_ns"][:, stage] for stage in range(3))
    assert (latency >= 100e6).all()
    assert (connect >= 100e6).all()
    assert (latency >= 0.999 * (connect + naive)).all()  # the ring keeps stages as float32
    assert outcome.result.naive_ms.p50 < outcome.result.latency_ms.p50 - 90


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_response_of_many_records_is_whole(
    serve: Serve, run_plan: Run, identity: Identity, version: ssl.TLSVersion
) -> None:
    body = b"b" * 300_000
    response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    context = identity.context
    context.maximum_version = version
    server = serve(lambda *_: response, tls=context)
    result = run_plan(plan_of(rate=100), server.port, identity.trust).result
    assert (result.answered, result.failed) == (25, NOTHING_FAILED)
    assert result.bytes_received == 25 * len(response)


def test_a_connection_closed_while_idle_is_replaced(
    serve: Serve, run_plan: Run, identity: Identity
) -> None:
    server = serve(tls=identity.context, closes=True)  # without announcing it in the head
    result = run_plan(plan_of(rate=100), server.port, identity.trust).result
    assert result.answered == server.requests == 25
    assert result.failed == NOTHING_FAILED


@pytest.mark.parametrize(("says", "kind"), [(True, ""), (False, "reset")])
def test_a_response_that_the_end_delimits_is_whole_with_a_close_notify_only(
    serve: Serve, run_plan: Run, identity: Identity, says: bool, kind: str
) -> None:
    server = serve(lambda *_: b"HTTP/1.0 200 OK\r\n\r\ncut?", tls=identity.context, closes=True)
    server.says_close_notify = says
    result = run_plan(each_of(), server.port, identity.trust).result
    assert result.failed == (all_failed(kind, 50) if kind else NOTHING_FAILED)


def test_another_certificate_ends_the_run_before_anything_is_sent(
    serve: Serve, run_plan: Run, identity: Identity, tmp_path: Path
) -> None:
    server = serve(tls=Identity(tmp_path / "other").context)
    with pytest.raises(LoadRefusedError, match="the server's certificate is not the listener's"):
        run_plan(plan_of(), server.port, identity.trust)
    assert server.requests == 0


def test_a_certificate_renewed_during_the_run_is_found_in_its_file(
    serve: Serve, run_plan: Run, identity: Identity
) -> None:
    due = threading.Semaphore()

    def renews_once(server: TinyServer, number: int) -> bytes:
        if server.requests >= 20 and due.acquire(blocking=False):
            identity.renew()
            server.tls = identity.context
        return answers(server, number)

    trusted = identity.trust
    server = serve(renews_once, tls=identity.context)
    result = run_plan(each_of(), server.port, trusted).result
    assert (result.answered, result.failed) == (50, NOTHING_FAILED)
    assert identity.trust != trusted


def test_a_server_that_refuses_the_handshake(
    serve: Serve, run_plan: Run, identity: Identity
) -> None:
    server = serve(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))  # it has no certificate
    outcome = run_plan(each_of(), server.port, identity.trust)
    assert outcome.result.failed == all_failed("handshake", 50)
    assert set(outcome.records["protocol"]) == {LoadOutcome.HANDSHAKE}
    assert set(outcome.records["bytes_sent"]) == {0}


def test_a_handshake_that_never_ends_times_out(
    serve: Serve, run_plan: Run, identity: Identity
) -> None:
    server = serve(tls=identity.context)
    server.handshake_delay_s = 30.0
    cpu = time.process_time()
    plan = each_of(rate=120, timeout_seconds=0.3)
    outcome = run_plan(plan, server.port, identity.trust)
    assert outcome.result.failed == all_failed("timed_out", 30)
    assert time.process_time() - cpu < 0.3, "it waits, it does not spin"


def status_of(identity: Identity, port: int) -> ListenerStatus:
    return ListenerStatus(
        "files", ListenerState.RUNNING, "127.0.0.1", port, "m", "a", port, is_tls=True,
        certificate=shown(read_pair(identity.certificate, identity.key), 0.0),
    )  # fmt: skip


def test_a_slow_client_reads_part_by_part(serve: Serve, run_plan: Run, identity: Identity) -> None:
    slow = RequestStep(target="/large", read_seconds=0.2)
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    server = serve(lambda *_: whole, tls=identity.context)
    plan = plan_of_flows(Flow((slow,)), rate=20)
    result = run_plan(plan, server.port, identity.trust).result
    assert (result.answered, result.failed) == (6, NOTHING_FAILED)
    # A record of TLS has up to 16 KiB, all of which is there at once.
    assert result.phases["receive"].seconds >= 6 * 0.1


def test_bytes_that_follow_some_the_kernel_has_not_taken_are_sent_as_well(
    identity: Identity,
) -> None:
    waiting, following = b"a" * 1_000_000, b"b" * 1_000
    received = bytearray()
    may_read = threading.Event()

    def serve_one(listening: socket.socket) -> None:
        plain, _ = listening.accept()
        plain.settimeout(WAIT_S)
        with identity.context.wrap_socket(plain, server_side=True) as server:
            may_read.wait(WAIT_S)
            with contextlib.suppress(TimeoutError):  # what has not come by then is lost
                while len(received) < len(waiting + following):
                    received.extend(server.recv(65_536))

    connection = TlsConnection(socket.AF_INET, time.monotonic_ns(), TrustedServer(identity.trust))
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)

    def offer(data: bytes) -> bytes:
        """Those that have to be offered again."""
        try:
            return data[connection.send(data) :]
        except BlockingIOError:
            return data

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        thread = threading.Thread(target=serve_one, args=(listening,))
        thread.start()
        connection.connect(*listening.getsockname())
        select.select([], [connection.fd], [], WAIT_S)
        unsent = offer(waiting)
        while connection.awaits_peer:  # the handshake
            select.select([connection.fd], [], [], WAIT_S)
            with contextlib.suppress(BlockingIOError):
                connection.receive(65_536, CONTROL_BYTES)
            unsent = offer(unsent)
        assert unsent == waiting
        unsent = offer(unsent + following)
        assert unsent == waiting + following
        may_read.set()
        while unsent:
            select.select([], [connection.fd], [], WAIT_S)
            unsent = offer(unsent)
        thread.join()
    connection.close()
    assert received == waiting + following


@pytest.mark.process
def test_a_run_in_a_process_of_its_own(serve: Serve, identity: Identity, tmp_path: Path) -> None:
    server = serve(tls=identity.context)
    plan = LoadPlan.constant("files", "/", rate=200, seconds=0.5)
    status = status_of(identity, server.port)
    target = check(plan, Targets([status]), 1_000, 10)
    process = GeneratorProcess(1, plan, target, tmp_path / "rings")
    assert process.wait(20)
    assert (process.state, process.message) == (RunState.DONE, "")
    assert process.result is not None
    assert process.result.answered == server.requests == 100


@pytest.mark.process
def test_a_run_that_meets_another_certificate_fails_with_a_sentence(
    serve: Serve, identity: Identity, tmp_path: Path
) -> None:
    server = serve(tls=Identity(tmp_path / "other").context)
    plan = LoadPlan.constant("files", "/", rate=200, seconds=0.5)
    target = Target("127.0.0.1", server.port, trust=identity.trust)
    process = GeneratorProcess(1, plan, target, tmp_path / "rings")
    assert process.wait(20)
    assert process.state is RunState.FAILED
    assert process.message.startswith("the server's certificate is not the listener's: SHA-256 ")
    assert "\n" not in process.message
    assert server.requests == 0


@pytest.fixture
def trusted_by_system(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the system's authorities certify the test's server."""
    monkeypatch.setenv("SSL_CERT_FILE", str(identity.certificate))


@pytest.mark.usefixtures("trusted_by_system")
def test_a_host_that_the_system_trusts_is_loaded(
    serve: Serve, run_plan: Run, identity: Identity
) -> None:
    server = serve(tls=identity.context)
    outcome = run_plan(plan_of(), server.port, Trust.by_system("localhost"))
    assert (outcome.result.answered, server.requests) == (200, 200)


@pytest.mark.usefixtures("trusted_by_system")
def test_a_certificate_for_another_name_ends_the_run(
    serve: Serve, run_plan: Run, identity: Identity
) -> None:
    server = serve(tls=identity.context)
    with pytest.raises(LoadRefusedError, match=r"certificate of example\.org is not trusted: Host"):
        run_plan(plan_of(), server.port, Trust.by_system("example.org"))
    assert server.requests == 0


def test_a_certificate_of_an_unknown_authority_ends_the_run(
    serve: Serve, run_plan: Run, identity: Identity
) -> None:
    server = serve(tls=identity.context)
    with pytest.raises(LoadRefusedError, match="certificate of localhost is not trusted: self"):
        run_plan(plan_of(), server.port, Trust.by_system("localhost"))
    assert server.requests == 0

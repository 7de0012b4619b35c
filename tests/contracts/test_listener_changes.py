"""Changes of a listener while it serves, held to one contract by every model."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from servescope.errors import ListenerError
from servescope.recording.recorder import Recorder
from servescope.records.listeners import AccessLogFormat, AppKind, ConcurrencyModel
from servescope.serving.handover import retire, succeed, wait_until_serving
from servescope.serving.models import REGISTRY
from tests.contracts.harness import ModelHarness, wait_until
from tests.serving.raw_client import CLOSING, GET, connect, exchange, read_all, read_responses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAUSE_S = 0.002
"""Between two requests of a client: five clients are load enough, and leave the server a core."""

AGENT = b'User-Agent: x" 200 1 "y\\\r\n'


@pytest.fixture(params=list(REGISTRY))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ModelHarness]:
    place = ModelHarness(tmp_path, request.param, AppKind.WSGI, workers=2)
    place.recorder.close()
    place.recorder = Recorder(place.rings, capacity=2**16)  # a load leaves many records
    yield place
    place.close()


# The access log.


def test_each_request_is_a_line(place: ModelHarness, tmp_path: Path):
    log = tmp_path / "logs" / "access.log"
    listener = place.start(access_log=str(log), workers=1)  # several write in any order
    with connect(listener) as sock:
        sock.sendall(
            GET + GET.replace(b"/ ", b"/two?x=y ").replace(b"\r\n\r\n", b"\r\n" + AGENT + b"\r\n")
        )
        read_responses(sock, 2)
    assert exchange(listener, b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    listener.stop()
    lines = log.read_text().splitlines()
    [refused] = [line for line in lines if '"GET /" 400 ' in line]
    first, second = [line for line in lines if line != refused]  # threads may log it in between
    assert first.startswith("127.0.0.1 - - [")
    assert first.endswith('] "GET / HTTP/1.1" 200 12 "-" "-"')
    assert second.endswith(r'"GET /two?x=y HTTP/1.1" 200 15 "-" "x\" 200 1 \"y\\"')
    place.records(3)


def test_no_secret_of_a_target_reaches_the_disk(place: ModelHarness, tmp_path: Path):
    log = tmp_path / "access.log"
    listener = place.start(access_log=str(log))
    secret = b"s3cretVa1ue"
    referer = b"\r\nReferer: http://ann:%b@h/?otp=%b\r\n\r\n" % (secret, secret)
    target = b"/in?user=ann&token=%b " % secret
    request = CLOSING.replace(b"/ ", target, 1).replace(b"\r\n\r\n", referer)
    assert exchange(listener, request).startswith(b"HTTP/1.1 200 ")
    wait_until(lambda: len(place.details()) == 1, "the detail")
    listener.stop()
    assert log.read_text().count("[masked]") == 3
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 2  # the log, and the rings of requests and of their details
    assert [path.name for path in written if secret in path.read_bytes()] == []


def test_the_common_format(place: ModelHarness, tmp_path: Path):
    log = tmp_path / "access.log"
    listener = place.start(access_log=str(log), access_log_format=AccessLogFormat.COMMON)
    exchange(listener, CLOSING)
    listener.stop()
    assert log.read_text().endswith('"GET / HTTP/1.1" 200 12\n')


def test_rotation_loses_no_line(place: ModelHarness, tmp_path: Path):
    log = tmp_path / "access.log"
    listener = place.start(access_log=str(log), access_log_bytes=2_000, access_log_files=50)

    def visit(who: int) -> None:
        for number in range(40):
            exchange(listener, CLOSING.replace(b"/ ", b"/%d-%d " % (who, number)))
            time.sleep(0.005)  # spreads the lines over several rounds of the writer

    threads = [threading.Thread(target=visit, args=(who,)) for who in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    listener.stop()
    files = list(tmp_path.glob("access.log*"))
    found = [line.split('"')[1] for path in files for line in path.read_text().splitlines()]
    assert sorted(found) == sorted(
        f"GET /{who}-{number} HTTP/1.1" for who in range(3) for number in range(40)
    )
    assert len(files) > 1


@pytest.mark.parametrize("path", ["/dev/full", "/proc/version/access.log"])
def test_a_log_that_cannot_be_written_is_told_once_and_harms_nobody(
    place: ModelHarness,
    path: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
):
    listener = place.start(access_log=path)
    for _ in range(3):
        assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200 ")
        time.sleep(0.12)  # more than one round of the writer
    if place.model is not ConcurrencyModel.PREFORK:
        problem = "the access log cannot be written"
        wait_until(lambda: problem in listener.problem, "the problem to be told")
    listener.stop()
    told = caplog.text + capfd.readouterr().err
    workers = 2 if place.model is ConcurrencyModel.PREFORK else 1
    assert 1 <= told.count(f"the access log {path} cannot be written") <= workers
    place.records(3)


# The addresses that are denied.


def test_deny_and_allow_change_for_kept_connections_too(place: ModelHarness):
    listener = place.start()
    with connect(listener) as kept:
        kept.sendall(GET)
        assert read_responses(kept, 1)[0][0] == 200
        listener.change_access(["127.0.0.0/8"], [])

        def is_denied() -> bool:
            kept.sendall(GET)
            return read_responses(kept, 1)[0][0] == 403

        wait_until(is_denied, "the denial")
    wait_until(lambda: exchange(listener, CLOSING).startswith(b"HTTP/1.1 403 "), "all workers")
    listener.change_access([], ["::1"])
    wait_until(lambda: exchange(listener, CLOSING).startswith(b"HTTP/1.1 403 "), "the allow list")
    listener.change_access([], ["127.0.0.1"])
    wait_until(lambda: exchange(listener, CLOSING).startswith(b"HTTP/1.1 200 "), "the end of it")


def test_a_bad_entry_changes_nothing(place: ModelHarness):
    listener = place.start()
    with pytest.raises(ListenerError, match="neither an address nor a network"):
        listener.change_access(["somewhere"], [])
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200 ")


# A restart in place.


class Clients:
    """Clients that count what they are answered, and keep every failure."""

    def __init__(self, address: tuple[str, int], kept: int, new: int) -> None:
        self.address = address
        self.answered = 0
        self.closed = 0
        self.failures: list[BaseException | str] = []
        self.is_over = threading.Event()
        self.threads = [
            *(threading.Thread(target=self.guarded, args=(self.keep,)) for _ in range(kept)),
            *(threading.Thread(target=self.guarded, args=(self.renew,)) for _ in range(new)),
        ]
        for thread in self.threads:
            thread.start()

    def guarded(self, act) -> None:
        while not self.is_over.is_set():
            try:
                act()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(error)

    def keep(self) -> None:
        """One connection, until the server says that it closes it."""
        with closing(http.client.HTTPConnection(*self.address, timeout=20)) as client:
            client.connect()
            while not self.is_over.is_set():
                client.request("GET", "/")
                answer = client.getresponse()
                if answer.read() != b"hello from /":
                    self.failures.append("a wrong answer")
                self.answered += 1
                if answer.getheader("Connection") == "close":
                    self.closed += 1
                    return
                self.is_over.wait(PAUSE_S)

    def renew(self) -> None:
        with closing(socket.create_connection(self.address, 20)) as sock:
            sock.sendall(CLOSING)
            if not read_all(sock).startswith(b"HTTP/1.1 200 "):
                self.failures.append("no answer")
            self.answered += 1
        self.is_over.wait(PAUSE_S)

    def end(self) -> None:
        self.is_over.set()
        for thread in self.threads:
            thread.join(30)


def test_a_restart_under_load_fails_no_request(place: ModelHarness):
    listener = place.start()
    wait_until(lambda: wait_until_serving(listener), "the workers")
    # The model `sequential` closes a kept connection when another client waits, at any time.
    kept, new = (0, 3) if place.model is ConcurrencyModel.SEQUENTIAL else (3, 2)
    clients = Clients(listener.address, kept, new)
    try:
        for _ in range(3):
            answered = clients.answered
            wait_until(lambda seen=answered: clients.answered > seen + 50, "answers")
            old, listener = listener, succeed(listener, listener.spec, place.recorder)
            place.listeners.append(listener)
            assert listener.address == old.address
            retiring = retire(old)
            retiring.join(20)
            assert not retiring.is_alive()
    finally:
        clients.end()
    assert clients.failures == []
    assert clients.closed >= (3 if kept else 0)
    listener.stop(5)
    place.records(clients.answered)


@pytest.mark.parametrize("model", list(REGISTRY))
def test_the_model_changes_and_the_port_stays(place: ModelHarness, model: ConcurrencyModel):
    listener = place.start()
    clients = Clients(listener.address, 0, 2)
    try:
        wait_until(lambda: clients.answered > 20, "answers")
        new = succeed(listener, replace(listener.spec, model=model), place.recorder)
        place.listeners.append(new)
        retire(listener).join(20)
        answered = clients.answered
        wait_until(lambda: clients.answered > answered + 20, "answers of the new model")
    finally:
        clients.end()
    assert new.spec.model is model
    assert new.address == listener.address
    assert clients.failures == []


def test_a_retired_idle_connection_is_answered_and_told_that_it_ends(place: ModelHarness):
    listener = place.start()
    with connect(listener) as kept:
        kept.sendall(GET)
        assert read_responses(kept, 1)[0][0] == 200
        new = succeed(listener, listener.spec, place.recorder)
        place.listeners.append(new)
        retiring = retire(listener)
        assert exchange(new, CLOSING).startswith(b"HTTP/1.1 200 ")

        def is_told() -> bool:
            kept.sendall(GET)
            response = http.client.HTTPResponse(kept)
            response.begin()
            assert response.status == 200
            assert response.read()
            return response.getheader("Connection") == "close"

        wait_until(is_told, "the old generation to hear of its end")
        assert read_all(kept) == b""
    retiring.join(20)
    assert not listener.is_running


def test_a_new_generation_that_cannot_start_leaves_the_old_one(place: ModelHarness):
    listener = place.start()
    with pytest.raises(ListenerError):
        succeed(listener, replace(listener.spec, app="no_such_module:app"), place.recorder)
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200 ")

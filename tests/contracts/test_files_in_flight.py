"""Files on their way in every model, plain and behind TLS: clients reset, files change."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import threading
from contextlib import closing
from email.parser import BytesParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.request_fields import RequestFlag
from servescope.serving.models import REGISTRY
from tests.contracts import file_apps
from tests.contracts.harness import wait_until
from tests.contracts.tls_harness import TlsHarness
from tests.serving.descriptor_ledger import DescriptorLedger
from tests.serving.raw_client import CLOSING, GET, asking, connect, read_all, read_responses
from tests.serving.tls_client import connect_tls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.serving import RunningListener

FILE_APP = "tests.contracts.file_apps:app"
WATCHED_APP = "tests.contracts.file_apps:watched_app"
CONTENT = hashlib.shake_128(b"in flight").digest(8_000_000)  # more than both kernel buffers take
RESET = b"\x01\0\0\0\0\0\0\0"  # SO_LINGER of no time: the close is a reset
IN_PROCESS = [model for model in REGISTRY if model is not ConcurrencyModel.PREFORK]


class FileHall(TlsHarness):
    """Listeners, plain or behind TLS, that send files of a folder."""

    def __init__(self, folder: Path, model: ConcurrencyModel, *, is_tls: bool) -> None:
        super().__init__(folder, model)
        self.is_tls = is_tls
        self.folder = folder / "site"
        self.folder.mkdir()
        self.file = self.folder / "large.bin"
        self.file.write_bytes(CONTENT)

    def serve_files(self, kind: AppKind) -> RunningListener:
        """A folder, or the app that sends a file by `wsgi.file_wrapper`."""
        app = FILE_APP if kind is AppKind.WSGI else str(self.folder)
        return (self.start_tls if self.is_tls else self.start)(app, kind)

    def target(self, kind: AppKind) -> bytes:
        return b"/?" + os.fsencode(self.file) if kind is AppKind.WSGI else b"/large.bin"

    def connect(self, listener: RunningListener, receive_bytes: int = 0) -> socket.socket:
        if not self.is_tls and not receive_bytes:
            return connect(listener)
        if not receive_bytes:
            return connect_tls(listener, self.trust)
        sock = socket.socket()
        sock.settimeout(20)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.connect(listener.address)
        return self.trust.wrap_socket(sock, server_hostname="localhost") if self.is_tls else sock


@pytest.fixture(params=["plain", "tls"])
def is_tls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "tls")


@pytest.fixture(params=list(REGISTRY))
def harness(request: pytest.FixtureRequest, tmp_path: Path, is_tls: bool) -> Iterator[FileHall]:
    harness = FileHall(tmp_path, request.param, is_tls=is_tls)
    yield harness
    harness.close()


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


def none_is_open(listener: RunningListener) -> bool:
    return listener.load().open_connections == 0


@pytest.mark.parametrize("kind", [AppKind.STATIC, AppKind.WSGI])
@pytest.mark.parametrize("harness", IN_PROCESS, indirect=True)
def test_a_file_whose_client_has_reset_is_closed_once(
    harness: FileHall, kind: AppKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = threading.Semaphore(0)
    file_apps.hold_files(monkeypatch.setattr, entered.release)
    listener = harness.serve_files(kind)
    ledger = DescriptorLedger(monkeypatch.setattr)
    for _ in range(3):
        sock = harness.connect(listener)
        sock.sendall(asking(harness.target(kind), GET))
        assert entered.acquire(timeout=20)
        reset(sock)
    records = harness.records(3)
    wait_until(lambda: none_is_open(listener), "the closes")
    assert ledger.faults == []
    assert ledger.open_below(str(harness.folder)) == []
    assert (records["flags"] & RequestFlag.ABORTED == RequestFlag.ABORTED).all()


@pytest.mark.parametrize("harness", [ConcurrencyModel.PREFORK], indirect=True)
def test_a_worker_process_closes_a_file_whose_client_has_reset_once(harness: FileHall) -> None:
    listener = (harness.start_tls if harness.is_tls else harness.start)(WATCHED_APP, AppKind.WSGI)
    for _ in range(3):
        sock = harness.connect(listener)
        sock.sendall(asking(harness.target(AppKind.WSGI), GET))
        wait_until((harness.folder / "entered").exists, "the app")
        (harness.folder / "entered").unlink()
        reset(sock)
    harness.records(3)
    with harness.connect(listener) as sock:
        sock.sendall(asking(b"/ledger"))
        assert read_all(sock).endswith(b"\r\n\r\nclosed twice: 0")


@pytest.mark.parametrize("kind", [AppKind.STATIC, AppKind.WSGI])
def test_clients_that_reset_amid_files_leave_nothing_open(harness: FileHall, kind: AppKind) -> None:
    """And the files that others are sent at the same time arrive whole."""
    listener = harness.serve_files(kind)
    request = asking(harness.target(kind), GET)
    for _ in range(4):
        sock = harness.connect(listener)
        sock.sendall(request)
        assert sock.recv(100)
        reset(sock)
    with harness.connect(listener) as sock:
        sock.sendall(request)
        assert read_responses(sock, 1) == [(200, CONTENT)]
    assert (
        sorted(harness.records(5)["flags"] & RequestFlag.ABORTED) == [0] + [RequestFlag.ABORTED] * 4
    )
    wait_until(lambda: none_is_open(listener), "the closes")
    if harness.model is not ConcurrencyModel.PREFORK:
        assert harness.file not in [one.resolve() for one in Path("/proc/self/fd").iterdir()]


def ask_slowly(
    harness: FileHall, listener: RunningListener, request: bytes
) -> tuple[socket.socket, bytes]:
    """Ask for a file and take its first bytes only: the rest waits for the client."""
    sock = harness.connect(listener, receive_bytes=65_536)
    sock.sendall(request)
    begun = b""
    while b"\r\n\r\n" not in begun:
        begun += sock.recv(4_096)
    return sock, begun


RANGES = {
    "whole": (AppKind.STATIC, b""),
    "range": (AppKind.STATIC, b"Range: bytes=1000-\r\n"),
    "ranges": (AppKind.STATIC, b"Range: bytes=0-9,1000-7999990\r\n"),
    "file_wrapper": (AppKind.WSGI, b""),
}


@pytest.mark.parametrize(("kind", "header"), RANGES.values(), ids=RANGES)
def test_a_file_that_shrinks_ends_its_connection_at_once(
    harness: FileHall, kind: AppKind, header: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    listener = harness.serve_files(kind)
    request = asking(harness.target(kind), GET).replace(b"\r\n\r\n", b"\r\n" + header + b"\r\n")
    sock, begun = ask_slowly(harness, listener, request)
    with closing(sock), caplog.at_level(logging.WARNING):
        os.truncate(harness.file, 20_000)
        head, _, content = begun.partition(b"\r\n\r\n")
        fields = BytesParser().parsebytes(head.partition(b"\r\n")[2])
        content += read_all(sock)
        assert len(content) < int(fields["Content-Length"])
    [record] = harness.records(1)
    assert record["flags"] & RequestFlag.APP_ERROR
    assert not record["flags"] & (RequestFlag.ABORTED | RequestFlag.TIMED_OUT)
    wait_until(lambda: none_is_open(listener), "the close")
    if harness.model is not ConcurrencyModel.PREFORK:
        [line] = [one.getMessage() for one in caplog.records]
        assert "shorter" in line or "less than its Content-Length" in line


def test_a_file_that_grows_and_is_removed_arrives_as_it_was_announced(harness: FileHall) -> None:
    listener = harness.serve_files(AppKind.STATIC)
    sock, begun = ask_slowly(harness, listener, asking(b"/large.bin", GET))
    with closing(sock):
        with harness.file.open("ab") as file:
            file.write(b"more")
        harness.file.chmod(0)
        harness.file.unlink()
        content = bytearray(begun.partition(b"\r\n\r\n")[2])
        while len(content) < len(CONTENT):
            part = sock.recv(1_000_000)
            assert part
            content += part
        assert content == CONTENT
        sock.sendall(asking(b"/none", CLOSING))
        assert read_all(sock).startswith(b"HTTP/1.1 404 ")
    assert not (harness.records(2)["flags"] & ~(RequestFlag.NEW_CONNECTION | RequestFlag.TLS)).any()

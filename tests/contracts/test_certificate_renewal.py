"""A renewed certificate is shown without a restart, in every concurrency model."""

from __future__ import annotations

import os
import socket
import ssl
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.serving.models import REGISTRY
from servescope.serving.tls.certificates import self_signed_pair
from tests.contracts.harness import ModelHarness, wait_until
from tests.serving.raw_client import CLOSING, GET, read_all, read_responses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servescope.serving import RunningListener


class Renewed:
    """A listener's files, and pairs to put in their place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.certificate, self.key = folder / "site.pem", folder / "site.key"
        self._made = 0
        self.install(*self.make())

    def make(self) -> tuple[bytes, bytes]:
        self._made += 1
        files = self_signed_pair(self._folder / f"pair-{self._made}")
        return files[0].read_bytes(), files[1].read_bytes()

    def install(self, certificate: bytes, key: bytes) -> None:
        for path, content in ((self.certificate, certificate), (self.key, key)):
            new = path.with_suffix(".new")
            new.write_bytes(content)
            new.replace(path)


@pytest.fixture(params=list(REGISTRY))
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ModelHarness]:
    harness = ModelHarness(tmp_path, request.param, AppKind.WSGI, workers=2)
    yield harness
    harness.close()


@pytest.fixture
def files(tmp_path: Path) -> Renewed:
    return Renewed(tmp_path)


def start(harness: ModelHarness, files: Renewed) -> RunningListener:
    return harness.start(certificate=str(files.certificate), key=str(files.key))


def serial(pem: bytes) -> int:
    return x509.load_pem_x509_certificate(pem).serial_number


def shake_hands(listener: RunningListener) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(listener.address, timeout=20))


def seen(client: ssl.SSLSocket) -> int:
    return x509.load_der_x509_certificate(client.getpeercert(binary_form=True)).serial_number


def ask(listener: RunningListener) -> int:
    """The serial number a new client sees; its request is answered."""
    with shake_hands(listener) as client:
        client.sendall(CLOSING)
        assert read_all(client).startswith(b"HTTP/1.1 200 ")
        return seen(client)


def look(listener: RunningListener) -> bool:
    return listener.look_at_certificate()


def test_a_renewed_pair_is_shown_to_new_clients_and_open_connections_go_on(harness, files):
    listener = start(harness, files)
    before = serial(files.certificate.read_bytes())
    with closing(shake_hands(listener)) as kept:
        kept.sendall(GET)
        read_responses(kept, 1)
        assert seen(kept) == before
        renewed = files.make()
        files.install(*renewed)
        wait_until(lambda: look(listener), "the renewed pair")
        if harness.is_concurrent:
            # A worker that is busy hears of it later than another one.
            wait_until(
                lambda: {ask(listener) for _ in range(8)} == {serial(renewed[0])}, "each worker"
            )
        kept.sendall(GET)
        assert read_responses(kept, 1) == [(200, b"hello from /")]
        assert seen(kept) == before
    assert ask(listener) == serial(renewed[0])
    assert listener.certificate.serial == f"{serial(renewed[0]):x}"
    assert listener.problem == ""
    assert not look(listener), "nothing has changed since"


def test_a_broken_pair_keeps_the_old_one_and_says_so_until_it_is_mended(harness, files):
    listener = start(harness, files)
    before = serial(files.certificate.read_bytes())
    certificate, key = files.make()
    files.certificate.write_bytes(certificate)  # its key is still the old one's
    assert told(listener).startswith(
        f"the key {files.key} does not belong to the certificate {files.certificate}; "
    )
    assert ask(listener) == before
    files.certificate.unlink()
    wait_until(
        lambda: not look(listener) and "cannot be read: No such file" in listener.problem,
        "the missing file to be told",
    )
    assert ask(listener) == before
    files.install(certificate, key)
    wait_until(lambda: look(listener), "the mended pair")
    assert listener.problem == ""
    wait_until(lambda: ask(listener) == serial(certificate), "each worker")


def told(listener: RunningListener) -> str:
    wait_until(lambda: look(listener) or listener.problem != "", "a word of it")
    assert "stays in use" in listener.problem
    return listener.problem


def test_files_written_one_after_the_other_are_read_once_both_are_there(harness, files):
    listener = start(harness, files)
    certificate, key = files.make()
    files.certificate.write_bytes(certificate)
    began = time.monotonic()
    while time.monotonic() - began < 0.2:  # less than they must lie still
        assert not look(listener)
        time.sleep(0.02)
    files.key.write_bytes(key)
    wait_until(lambda: look(listener) or listener.problem != "", "the renewed pair")
    assert listener.problem == ""
    wait_until(lambda: ask(listener) == serial(certificate), "each worker")


@pytest.mark.parametrize("harness", [ConcurrencyModel.PREFORK], indirect=True)
def test_a_worker_that_is_replaced_shows_what_the_others_show(harness, files):
    listener = start(harness, files)
    wait_until(lambda: listener.load().is_serving, "the workers")
    renewed = files.make()
    files.install(*renewed)
    wait_until(lambda: look(listener), "the renewed pair")
    files.certificate.write_text("broken")
    for pid in listener._model.pids:
        os.kill(pid, 9)
    wait_until(lambda: listener.load().replaced_workers == 2, "their deaths")
    wait_until(lambda: listener.load().is_serving, "those that replace them")
    assert {ask(listener) for _ in range(4)} == {serial(renewed[0])}

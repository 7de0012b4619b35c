"""The contract of every concurrency model behind TLS, over real sockets."""

from __future__ import annotations

import hashlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from servescope.errors import CertificateError
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec
from servescope.request_fields import RequestFlag
from servescope.serving import start_listener
from servescope.serving.models import REGISTRY
from servescope.wire import cipher_suites
from tests.contracts.harness import APPS, wait_until
from tests.contracts.tls_harness import TlsHarness, TlsPair
from tests.serving.raw_client import (
    CLOSING,
    GET,
    asking,
    connect,
    exchange,
    read_all,
    read_responses,
)
from tests.serving.tls_client import connect_tls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


HALF_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)


@pytest.fixture(params=list(REGISTRY))
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TlsHarness]:
    harness = TlsHarness(tmp_path, request.param)
    yield harness
    harness.close()


def test_a_child_that_the_app_forks_leaves_the_encrypted_connection_alone(harness):
    listener = harness.start_tls("tests.faults.app_that_forks:app")
    with harness.https(listener) as client:
        for _ in range(3):
            client.request("GET", "/child-exits")
            assert client.getresponse().read() == b"7"


def test_one_connection_carries_many_requests_all_marked_as_tls(harness):
    listener = harness.start_tls()
    with harness.https(listener) as client:
        for number in range(20):
            client.request("POST", "/echo", b"body %d" % number)
            assert client.getresponse().read() == b"body %d" % number
    records = harness.records(20)
    assert (records["flags"] & RequestFlag.TLS == RequestFlag.TLS).all()
    assert [bool(flags & RequestFlag.NEW_CONNECTION) for flags in records["flags"]] == [True] + [
        False
    ] * 19


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_the_log_names_version_and_cipher_suite_of_the_connection(harness, version):
    listener = harness.start_tls()
    harness.trust.minimum_version = harness.trust.maximum_version = ssl.TLSVersion[version]
    with connect_tls(listener, harness.trust) as client:
        client.sendall(GET + CLOSING.replace(b"GET /", b"GET /second"))
        read_all(client)
        agreed, told_version, _ = client.cipher()
    assert told_version == version.replace("_", ".")
    wait_until(lambda: len(harness.details()) == 2, "the details")
    said = f"{version.replace('v1_', ' 1.')}, {agreed}"
    assert [cipher_suites.words(one.cipher_suite) for one in harness.details()] == [said, said]


def test_plain_http_on_the_port_has_no_cipher_suite(harness):
    listener = harness.start_tls()
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 400 ")
    wait_until(harness.details, "the detail")
    [detail] = harness.details()
    assert (detail.cipher_suite, detail.record.flags) == (0, RequestFlag.NEW_CONNECTION)


def test_pipelined_requests_in_one_record_are_all_answered(harness):
    listener = harness.start_tls()
    data = b"".join(asking(b"/%d" % i, GET) for i in range(50))
    assert len(data) < 16_384  # one record
    with connect_tls(listener, harness.trust) as client:
        client.sendall(data)
        assert read_responses(client, 50) == [(200, b"hello from /%d" % i) for i in range(50)]


def test_a_request_in_records_of_one_byte_is_one_request(harness):
    listener = harness.start_tls()
    with connect_tls(listener, harness.trust) as client:
        for byte in CLOSING:
            client.sendall(bytes((byte,)))
        assert read_all(client).startswith(b"HTTP/1.1 200 ")
    harness.records(1)


def test_large_bodies_go_both_ways(harness):
    listener = harness.start_tls()
    body = hashlib.shake_128(b"both").digest(5_000_000)
    with harness.https(listener) as client:
        for _ in range(2):
            client.request("POST", "/echo", body)
            assert client.getresponse().read() == body
    assert (harness.records(2)["bytes_sent"] > len(body)).all()


def test_a_large_file_arrives_whole_though_its_client_is_slow_to_read(harness, tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    content = hashlib.shake_128(b"large").digest(6_000_000)
    (folder / "large.bin").write_bytes(content)
    listener = harness.start_tls(str(folder), AppKind.STATIC)
    with closing(socket.socket()) as plain:
        plain.settimeout(20)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)  # it is full at once
        plain.connect(listener.address)
        with harness.trust.wrap_socket(plain, server_hostname="localhost") as client:
            for _ in range(2):
                client.sendall(asking(b"/large.bin", GET))
                assert read_responses(client, 1) == [(200, content)]
    harness.records(2)


@pytest.mark.parametrize(
    ("key", "value"), [("wsgi.url_scheme", "https"), ("HTTPS", "on"), ("REMOTE_ADDR", "127.0.0.1")]
)
def test_the_app_is_told_of_tls(harness, key, value):
    listener = harness.start_tls()
    with harness.https(listener) as client:
        client.request("GET", f"/environ?{key}")
        assert client.getresponse().read().decode() == value


def test_plain_http_is_told_to_use_https(harness):
    listener = harness.start_tls()
    for request in (GET, b"G", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n123456789"):
        answer = exchange(listener, request)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"https://" in answer
    records = harness.records(3)
    assert (records["status"] == 400).all()
    assert not (records["flags"] & RequestFlag.TLS).any()


@pytest.mark.parametrize("data", [b"\x00\x01\x02\x03", b"\x16\x03\x01\x00\x05junk!", b"\xff" * 99])
def test_what_is_neither_tls_nor_http_is_closed_and_the_next_is_served(harness, data):
    listener = harness.start_tls()
    with connect(listener) as client:
        client.sendall(data)
        assert b"HTTP" not in read_until_closed(client)
    with connect_tls(listener, harness.trust) as client:
        client.sendall(CLOSING)
        assert read_all(client).startswith(b"HTTP/1.1 200 ")
    harness.records(1)


def read_until_closed(client: socket.socket) -> bytes:
    try:
        return read_all(client)
    except ConnectionResetError:
        return b""


def test_a_client_that_trusts_nobody_harms_nobody(harness):
    listener = harness.start_tls()
    with pytest.raises(ssl.SSLCertVerificationError):
        connect_tls(listener, ssl.create_default_context())
    with connect_tls(listener, harness.trust) as client:
        client.sendall(CLOSING)
        assert read_all(client).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_from_1_2_on_are_spoken_and_http_1_1_is_agreed_on(harness, version):
    listener = harness.start_tls()
    harness.trust.minimum_version = harness.trust.maximum_version = version
    harness.trust.set_alpn_protocols(["h2", "http/1.1"])
    with connect_tls(listener, harness.trust, "127.0.0.1") as client:
        assert client.version() == version.name.replace("_", ".")
        assert client.selected_alpn_protocol() == "http/1.1"
        client.sendall(CLOSING)
        assert read_all(client).startswith(b"HTTP/1.1 200 ")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_older_versions_are_refused(harness):
    listener = harness.start_tls()
    harness.trust.minimum_version = ssl.TLSVersion.TLSv1
    harness.trust.maximum_version = ssl.TLSVersion.TLSv1_1
    harness.trust.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match=r"PROTOCOL_VERSION|protocol version"):
        connect_tls(listener, harness.trust)


def test_a_response_that_ends_the_connection_ends_with_close_notify(harness):
    listener = harness.start_tls()
    requests = (CLOSING, asking(b"/echo", b"GET / HTTP/1.0\r\n\r\n"), b"BAD\r\n\r\n")
    for request in requests:
        with connect_tls(listener, harness.trust) as client:
            client.sendall(request)
            assert read_all(client).startswith(b"HTTP/1.1 ")  # a ragged end would raise


def test_a_request_whose_client_ends_its_side_at_once_is_answered(harness):
    listener = harness.start_tls(keep_alive_seconds=30)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = harness.trust.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with connect(listener) as client:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.sendall(outgoing.read())
                incoming.write(client.recv(65_536))
        tls.write(GET)
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()  # our close_notify; no FIN comes with it
        began = time.monotonic()
        client.sendall(outgoing.read())
        incoming.write(read_all(client))
        assert time.monotonic() - began < 10
    assert tls.read(65_536).startswith(b"HTTP/1.1 200 ")


def test_a_stop_lets_the_request_in_flight_finish_and_says_close_notify(harness):
    listener = harness.start_tls(workers=2)
    with connect_tls(listener, harness.trust) as client:
        client.sendall(harness.wait_request())
        wait_until(lambda: harness.entered() == 1, "the app")
        stop = threading.Thread(target=listener.stop, args=(10,))
        stop.start()
        wait_until(lambda: not listener.is_running, "the stop")
        harness.leave()
        answer = read_all(client)
        stop.join(10)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert not stop.is_alive()


def test_a_stop_says_close_notify_to_who_is_idle(harness):
    listener = harness.start_tls(workers=2)
    with connect_tls(listener, harness.trust) as client:
        client.sendall(GET)
        read_responses(client, 1)
        began = time.monotonic()
        listener.stop(5)
        assert read_all(client) == b""
        assert time.monotonic() - began < 4


def test_slow_handshakes_hold_up_nobody_and_are_closed_at_the_deadline(harness):
    if harness.model is ConcurrencyModel.SEQUENTIAL:
        slow, within = 1, 10.0  # it serves one at a time: the others wait for the deadline
    else:
        slow, within = 100, 1.9
    listener = harness.start_tls(head_seconds=2.5)
    with harness.https(listener) as first:  # a worker of `prefork` is up
        first.request("GET", "/")
        first.getresponse().read()
    with ExitStack() as stack:
        began = time.monotonic()
        waiting = [stack.enter_context(connect(listener)) for _ in range(slow)]
        for client in waiting:
            client.sendall(HALF_HELLO)
        with harness.https(listener) as healthy:
            for _ in range(5):
                asked = time.monotonic()
                healthy.request("GET", "/")
                assert healthy.getresponse().read() == b"hello from /"
                assert time.monotonic() - asked < within
        assert all(read_until_closed(client) == b"" for client in waiting)
        assert 2.3 < time.monotonic() - began < 10
    harness.records(6)


def test_a_full_listener_says_503_and_serves_again(harness):
    listener = harness.start_tls(max_connections=1, workers=1)
    with connect_tls(listener, harness.trust) as first:
        first.sendall(GET)
        read_responses(first, 1)
        if harness.model is not ConcurrencyModel.SEQUENTIAL:  # there the first gives way
            for _ in range(40):  # one after the other, more than are told at a time
                with connect_tls(listener, harness.trust) as client:
                    client.sendall(GET)
                    answer = read_all(client)  # a ragged end would raise
                    assert answer.startswith(b"HTTP/1.1 503 ")
                    assert b"\r\nConnection: close\r\n" in answer
            with harness.https(listener) as client:
                client.request("POST", "/echo", b"b" * 300_000)
                assert client.getresponse().status == 503
            first.sendall(GET)
            assert read_responses(first, 1) == [(200, b"hello from /")]
            records = harness.records(43)
            assert sorted(records["status"]) == [200] * 2 + [503] * 41
            assert (records["flags"] & RequestFlag.TLS != 0).all()
    wait_until(lambda: listener.load().open_connections == 0, "the first to be gone")
    with connect_tls(listener, harness.trust) as client:
        client.sendall(CLOSING)
        assert read_all(client).startswith(b"HTTP/1.1 200 ")


# The model `sequential` has one connection, whatever the bound.
@pytest.mark.parametrize(
    "harness", [model for model in REGISTRY if model != ConcurrencyModel.SEQUENTIAL], indirect=True
)
def test_a_full_listener_shakes_few_hands_at_a_time_and_not_for_long(harness):
    listener = harness.start_tls(max_connections=1, workers=1, head_seconds=2.0)
    with connect_tls(listener, harness.trust) as first, ExitStack() as stack:
        first.sendall(GET)
        read_responses(first, 1)
        waiting = [stack.enter_context(connect(listener)) for _ in range(60)]
        for client in waiting:
            with suppress(ConnectionError):  # closed already
                client.sendall(HALF_HELLO)
        wait_until(lambda: listener.load().open_connections == 17, "the others to be closed")
        asked = time.monotonic()
        first.sendall(GET)
        assert read_responses(first, 1) == [(200, b"hello from /")]
        assert time.monotonic() - asked < 1.9
        assert all(read_until_closed(client) == b"" for client in waiting)
        wait_until(lambda: listener.load().open_connections == 1, "all but the first to be gone")
    harness.records(2)


def test_a_bad_certificate_is_told_at_the_start_and_leaves_nothing(harness, tmp_path):
    other = TlsPair(tmp_path / "other")
    encrypted = tmp_path / "encrypted.key"
    encrypted.write_bytes(other.encrypted_key())
    certificate = str(harness.certificate)
    missing = tmp_path / "missing.pem"
    threads = threading.active_count()
    for options, told in (
        ({"certificate": str(missing)}, f"the certificate {missing} cannot be read: No such file"),
        ({"certificate": certificate, "key": str(missing)}, f"the key {missing} cannot be read"),
        (
            {"certificate": certificate, "key": str(other.key)},
            f"the key {other.key} does not belong to the certificate {certificate}",
        ),
        (
            {"certificate": str(other.certificate), "key": str(encrypted)},
            f"the key {encrypted} is encrypted; give one without a passphrase",
        ),
        ({"certificate": __file__}, "are no certificate and key in PEM form"),
        ({"key": str(harness.key)}, "needs a certificate"),
    ):
        spec = ListenerSpec(
            "it",
            "127.0.0.1",
            0,
            harness.model,
            AppKind.WSGI,
            APPS[AppKind.WSGI],
            options=ListenerOptions(**options),
        )
        with pytest.raises(CertificateError) as caught:
            start_listener(spec, harness.recorder)
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)
    assert threading.active_count() == threads


def test_files_of_ones_own_serve_as_well(harness, tmp_path):
    pair = TlsPair(tmp_path / "own")
    both = tmp_path / "both.pem"
    both.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    trust = ssl.create_default_context(cafile=str(pair.certificate))
    for options in (
        {"certificate": str(pair.certificate), "key": str(pair.key)},
        {"certificate": str(both)},
    ):
        with connect_tls(harness.start_tls(**options), trust) as client:
            client.sendall(CLOSING)
            assert read_all(client).startswith(b"HTTP/1.1 200 ")


def test_httpx_and_curl_are_served(harness):
    listener = harness.start_tls()
    port = listener.address[1]
    with httpx.Client(verify=harness.trust) as client:
        for path in ("/a", "/b"):
            assert client.get(f"https://localhost:{port}{path}").text == f"hello from {path}"
        assert client.post(f"https://127.0.0.1:{port}/echo", content=b"x" * 9).content == b"x" * 9
    curl = shutil.which("curl")
    assert curl is not None
    told = subprocess.run(
        [curl, "-sS", "--cacert", str(harness.certificate), f"https://localhost:{port}/c"],
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert (told.stdout, told.stderr) == (b"hello from /c", b"")
    harness.records(4)

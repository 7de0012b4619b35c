"""TLS without sockets: whatever the chunking, the same bytes and events come out."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.wire import cipher_suites
from servescope.wire.http1_events import BodyData, EndOfMessage, Idle
from servescope.wire.http1_rules import Limits
from servescope.wire.http1_server import Http1Server
from servescope.wire.tls_channel import TlsChannel
from tests.serving.tls_client import serving, trusting

REQUESTS = (
    b"GET /first HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /second HTTP/1.1\r\nHost: h\r\nContent-Length: 40000\r\n\r\n" + b"b" * 40_000,
    b"GET /third HTTP/1.1\r\nHost: h\r\n\r\n",
)


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return serving(folder), trusting(folder)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_both_sides_know_the_cipher_suite_once_hands_are_shaken(tmp_path, version):
    server, client = serving(tmp_path), trusting(tmp_path)
    client.minimum_version = client.maximum_version = ssl.TLSVersion[version]
    assert TlsChannel(server).cipher_suite == cipher_suites.UNKNOWN
    ours, theirs = shake_hands((server, client))
    assert ours.cipher_suite == theirs.cipher_suite != cipher_suites.UNKNOWN
    said = cipher_suites.words(ours.cipher_suite)
    assert said.startswith(version.replace("v1_", " 1."))


def shake_hands(contexts) -> tuple[TlsChannel, TlsChannel]:
    server, client = contexts
    ours = TlsChannel(server)
    theirs = TlsChannel(client, server_side=False, server_hostname="localhost")
    theirs.begin()
    while not (ours.is_established and theirs.is_established):
        ours.receive_data(theirs.take_output())
        theirs.receive_data(ours.take_output())
    return ours, theirs


def chunks(data: bytes, sizes: list[int]) -> list[bytes]:
    found = []
    for size in sizes:
        found.append(data[:size])
        data = data[size:]
    return [part for part in [*found, data] if part]


def events(plaintexts: list[bytes]) -> list[object]:
    """The HTTP events of the plaintexts; the parts of a body as one."""
    wire, found, body = Http1Server(Limits()), [], b""
    for data in plaintexts:
        wire.receive_data(data)
        while True:
            event = wire.next_event()
            if isinstance(event, BodyData):
                body += event.data
            elif isinstance(event, EndOfMessage):
                found.append(body)
                body = b""
                wire.start_next_cycle()
            elif isinstance(event, Idle):
                break
            else:
                found.append((event.method, event.target))
    return found


@given(sizes=st.lists(st.integers(1, 20_000), max_size=30), cuts=st.lists(st.integers(1, 3)))
def test_any_chunking_of_the_ciphertext_gives_the_same_events(contexts, sizes, cuts):
    ours, theirs = shake_hands(contexts)
    plain = b"".join(REQUESTS)
    for part in chunks(plain, cuts):  # some records of a byte or two, then whole ones
        theirs.encrypt(part)
    plaintexts = [ours.receive_data(part) for part in chunks(theirs.take_output(), sizes)]
    assert b"".join(plaintexts) == plain
    assert events(plaintexts) == events([plain])


@given(sizes=st.lists(st.integers(1, 400), max_size=10))
def test_any_chunking_of_a_handshake_leads_to_it(contexts, sizes):
    server, client = contexts
    ours = TlsChannel(server)
    theirs = TlsChannel(client, server_side=False, server_hostname="localhost")
    theirs.begin()
    while not theirs.is_established:
        for part in chunks(theirs.take_output(), sizes):
            assert ours.receive_data(part) == b""
        for part in chunks(ours.take_output(), sizes):
            theirs.receive_data(part)
    theirs.encrypt(b"with the end of the handshake")
    assert ours.receive_data(theirs.take_output()) == b"with the end of the handshake"
    assert ours.is_established
    assert ours.version() == "TLSv1.3"


@given(st.binary(min_size=1, max_size=200_000))
def test_what_is_encrypted_is_decrypted(contexts, data):
    ours, theirs = shake_hands(contexts)
    ours.encrypt(memoryview(data))
    assert theirs.receive_data(ours.take_output()) == data


def test_data_before_a_close_notify_is_given_and_ours_may_follow(contexts):
    ours, theirs = shake_hands(contexts)
    theirs.encrypt(b"last words")
    theirs.end()
    assert ours.receive_data(theirs.take_output()) == b"last words"
    assert ours.has_ended
    ours.encrypt(b"an answer")
    ours.end()
    assert theirs.receive_data(ours.take_output()) == b"an answer"
    assert theirs.has_ended


def test_a_record_that_was_changed_is_refused(contexts):
    ours, theirs = shake_hands(contexts)
    theirs.encrypt(b"x" * 100)
    data = bytearray(theirs.take_output())
    data[-1] ^= 1
    with pytest.raises(ssl.SSLError):
        ours.receive_data(bytes(data))
    assert ours.take_output()  # the alert


def test_nothing_is_encrypted_before_the_handshake(contexts):
    with pytest.raises(ssl.SSLError):
        TlsChannel(contexts[0]).encrypt(b"x")

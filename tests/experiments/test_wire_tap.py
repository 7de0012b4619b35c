"""The tap: it has the bytes that another one on the way has, and ends with its context."""

from __future__ import annotations

import socket

import pytest

from servescope.chapters.state_and_safety import CHAPTER
from servescope.experiments.wire_tap import WireTap, told_of
from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.records.load import RunState
from tests.contracts.harness import ModelHarness
from tests.descriptors import open_sockets
from tests.recording_proxy import RecordingProxy

REQUEST = b"GET /whoami HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n"


@pytest.fixture
def proxy(tmp_path):
    harness = ModelHarness(tmp_path, ConcurrencyModel.THREAD_POOL, AppKind.WSGI)
    proxy = RecordingProxy(harness.start("servescope.demo.flask_app:app").address)
    yield proxy
    proxy.close()
    harness.close()


def test_what_passed_is_what_another_one_on_the_way_saw(proxy):
    tap = WireTap(proxy.address)
    with tap.listening() as address, socket.create_connection(address, 20) as client:
        client.sendall(REQUEST)
        answer = b""
        while block := client.recv(65_536):
            answer += block
    assert bytes(tap.sent) == bytes(proxy.sent) == REQUEST
    assert bytes(tap.received) == bytes(proxy.received) == answer
    assert [one["side"] for one in tap.steps][:2] == ["client", "server"]


def test_a_tap_that_nobody_uses_ends_and_leaves_nothing():
    before = open_sockets()
    tap = WireTap(("127.0.0.1", 1))
    with tap.listening() as address, socket.create_connection(address, 20) as client:
        assert client.recv(1) == b""  # nobody is behind it
    assert open_sockets() <= before


@pytest.mark.parametrize(
    ("setting", "read"), [("http", ["path", "cookie", "page"]), ("https", [])], ids=str
)
def test_tls_hides_path_cookie_and_page(experimenter, setting, read):
    done = experimenter.carry_out(CHAPTER, CHAPTER.setting(setting))
    assert (done.state, done.message) == (RunState.DONE, "")
    assert done.measured["read"] == read
    steps = done.measured["steps"]
    assert steps[0]["data"].startswith("GET /whoami" if read else "16 03 01")
    told = [step["text"].partition(": ")[2] for step in steps]
    if read:
        assert set(told) == {""}
    else:
        assert told[0] == "ClientHello"
        assert told[1].startswith("ServerHello, ChangeCipherSpec")
        assert all("encrypted" in one for one in told[2:])


def record(kind, content):
    return bytes([kind, 3, 3]) + len(content).to_bytes(2) + content


HELLO = record(0x16, b"\x02" + bytes(20))
SECRET = record(0x17, bytes(30))


@pytest.mark.parametrize(
    ("blocks", "told"),
    [
        ([b"GET / HTTP/1.1\r\n\r\n"], ["18 bytes"]),
        ([HELLO], ["26 bytes: ServerHello"]),
        (
            [HELLO + record(0x14, b"\x01") + SECRET * 3],
            ["137 bytes: ServerHello, ChangeCipherSpec, 3 times encrypted"],
        ),
        ([HELLO[:10], HELLO[10:] + SECRET], ["10 bytes: ServerHello", "51 bytes: encrypted"]),
        ([SECRET[:20], SECRET[20:]], ["20 bytes: encrypted", "15 bytes"]),
        (
            [record(0x15, b"\x01\x00"), b"\x7f\x03\x03\x00\x01x"],
            ["7 bytes: an alert", "6 bytes: a record of an unknown kind"],
        ),
    ],
    ids=["text", "hello", "several records", "a hello in two blocks", "a record in two", "unknown"],
)
def test_each_block_of_tls_names_the_records_that_begin_in_it(blocks, told):
    kept, said = bytearray(), []
    for block in blocks:
        start = len(kept)
        kept += block
        said.append(told_of(kept, start))
    assert said == told

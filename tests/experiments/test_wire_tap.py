"""The tap: it has the bytes that another one on the way has, and ends with its context."""

from __future__ import annotations

import socket

import pytest

from servescope.chapters.state_and_safety import CHAPTER
from servescope.experiments.wire_tap import WireTap
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
    first = done.measured["steps"][0]["data"]
    assert first.startswith("GET /whoami" if read else "16 03 01")

"""The frames of a conversation are the bytes that somebody on the wire saw."""

from __future__ import annotations

import pytest

from servescope.errors import LoadRefusedError
from servescope.experiments.websocket_frames import converse
from servescope.records.listeners import AppKind, ConcurrencyModel
from tests.contracts.harness import ModelHarness
from tests.recording_proxy import RecordingProxy

APP = "servescope.demo.asgi_app:app"


@pytest.fixture
def proxy(tmp_path):
    harness = ModelHarness(tmp_path, ConcurrencyModel.ASYNCIO, AppKind.ASGI)
    listener = harness.start(APP)
    proxy = RecordingProxy(listener.address)
    yield proxy
    proxy.close()
    harness.close()


@pytest.mark.parametrize(
    ("text", "sent", "received"),
    [("hello", 11, 7), ("é" * 100, 208, 204), ("x" * 300, 308, 304)],
    ids=["short", "two bytes a character", "a length of two bytes"],
)
def test_each_byte_is_one_that_passed_the_proxy(proxy, text, sent, received):
    frames = converse(proxy.address, "/ws/echo", text)
    by_side = {
        side: b"".join(bytes.fromhex(one["bytes"]) for one in frames if one["side"] == side)
        for side in ("client", "server")
    }
    assert by_side["client"] == bytes(proxy.sent)
    assert by_side["server"] == bytes(proxy.received)
    sizes = [len(one["bytes"]) // 2 for one in frames if one["kind"] == "text"]
    assert sizes == [sent, received]
    kinds = ["handshake", "handshake", "text", "text", "ping", "pong", "close", "close"]
    assert [one["kind"] for one in frames] == kinds
    assert [one["at_ms"] for one in frames] == sorted(one["at_ms"] for one in frames)


def test_a_server_that_opens_no_websocket_is_an_error(proxy):
    with pytest.raises(LoadRefusedError, match="instead of 101"):
        converse(proxy.address, "/ws/none", "hello")

"""WebSockets of the model asyncio, with the client `websockets`."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
import websockets.asyncio.client
from websockets.exceptions import ConnectionClosed, InvalidStatus

from servescope import catalog
from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.request_fields import Method, Protocol
from servescope.serving.models.asyncio import websocket_session as session_module
from tests.serving import asgi_apps_for_listeners
from tests.serving.models.asyncio.held_loop import held
from tests.serving.raw_client import HANDSHAKE, connect, exchange, gauge
from tests.waiting import eventually

APPS = "tests.serving.asgi_apps_for_listeners:"


@pytest.fixture
def listener(bench):
    asgi_apps_for_listeners.left.clear()
    return bench.start(APPS + "app", AppKind.ASGI, model=ConcurrencyModel.ASYNCIO)


def talk(listener, conversation, path="/", **options):
    """Run `conversation(socket)` on an open WebSocket."""

    async def main():
        host, port = listener.address
        uri = f"ws://{host}:{port}{path}"
        async with asyncio.timeout(10):
            async with websockets.asyncio.client.connect(uri, **options) as socket:
                return await conversation(socket)

    return asyncio.run(main())


@pytest.mark.parametrize("compression", ["deflate", None])
@pytest.mark.parametrize("message", ["hé", "", b"\x00\xff" * 500, "x" * 1_000_000])
def test_what_goes_out_comes_back(listener, message, compression):
    async def echo(socket):
        await socket.send(message)
        return await socket.recv()

    assert talk(listener, echo, compression=compression) == message


def test_fragments_come_back_whole(listener):
    async def echo(socket):
        await socket.send(["a" * 500, "b" * 500, "c"])
        return await socket.recv()

    assert talk(listener, echo) == "a" * 500 + "b" * 500 + "c"


def test_pings_are_answered(listener):
    async def ping(socket):
        return await (await socket.ping())

    assert talk(listener, ping) >= 0


def test_what_came_with_the_handshake_and_after_it_is_taken_in_order(listener):
    """More than one read takes, there before the first of them."""
    message = b"\x82\xff" + (300_000).to_bytes(8) + bytes(4) + b"x" * 300_000
    with connect(listener) as sock:
        with held(listener):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
            sock.sendall(HANDSHAKE + message)
        with sock.makefile("rb") as file:
            while file.readline() != b"\r\n":
                pass
            assert file.read(10) == b"\x82\x7f" + (300_000).to_bytes(8)
            assert file.read(300_000) == b"x" * 300_000


def test_a_client_whose_messages_nobody_takes_is_not_given_up(bench, wait_until):
    """Its pongs lie behind them."""
    listener = bench.start(APPS + "deaf", AppKind.ASGI, model=ConcurrencyModel.ASYNCIO)
    with connect(listener) as sock:
        sock.sendall(HANDSHAKE)
        [connection] = eventually(lambda: list(listener._model._connections))
        received = b""
        while b"\r\n\r\n" not in received:
            received += sock.recv(1000)
        # While the app is asked whether it accepts, nothing is read either.
        wait_until(lambda: connection.readable.is_on, "the session to read")
        sock.sendall(b"\x82\xff" + (300_000).to_bytes(8) + bytes(4) + b"x" * 300_000)
        wait_until(lambda: not connection.readable.is_on, "the app to be behind")
        with held(listener):
            for _ in range(3):
                connection.expire()
            assert not connection.is_closed


def test_a_client_that_never_says_a_word_is_asked_whether_it_is_there(listener, monkeypatch):
    monkeypatch.setattr(session_module, "PING_NS", 1)
    with connect(listener) as sock:
        sock.sendall(HANDSHAKE)
        received = b""
        while b"\r\n\r\n\x89\x00" not in received:  # RFC 6455 section 5.5.2
            received += sock.recv(1000)


def test_close_codes_go_both_ways(listener, wait_until):
    async def ask_to_close(socket):
        await socket.send("close")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        return socket.close_code, socket.close_reason

    assert talk(listener, ask_to_close) == (4000, "asked")

    async def close(socket):
        await socket.close(4321, "bye")
        return socket.close_code

    assert talk(listener, close) == 4321
    wait_until(lambda: asgi_apps_for_listeners.left == ["socket 4321"], "the app to hear")


def test_a_message_beyond_the_bound_is_1009(bench):
    listener = bench.start(
        APPS + "app", AppKind.ASGI, model=ConcurrencyModel.ASYNCIO, max_body=1000
    )

    async def shout(socket):
        await socket.send("x" * 1001)
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        return socket.close_code

    assert talk(listener, shout) == 1009


@pytest.mark.parametrize(("path", "status"), [("/refuse", 403), ("/fail", 500)])
def test_a_handshake_that_is_refused(bench, listener, path, status):
    with pytest.raises(InvalidStatus) as caught:
        talk(listener, None, path)
    assert caught.value.response.status_code == status
    assert bench.records(1)["status"] == status


def test_an_app_that_raises_is_1011(listener, caplog):
    async def fail(socket):
        await socket.send("fail")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        return socket.close_code

    assert talk(listener, fail) == 1011
    assert "on purpose" in caplog.text


def test_a_broken_handshake(listener):
    old = HANDSHAKE.replace(b": 13", b": 8").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answer = exchange(listener, old)
    assert answer.startswith(b"HTTP/1.1 426 ")
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in answer
    assert exchange(listener, HANDSHAKE.replace(b"Key", b"Kex")).startswith(b"HTTP/1.1 400 ")


def test_frames_behind_the_handshake_are_not_lost(listener):
    with connect(listener) as sock:
        sock.sendall(HANDSHAKE + b"\x81\x82\x00\x00\x00\x00hi")
        data = b""
        while not data.endswith(b"\x81\x02hi"):
            data += sock.recv(1000)


def test_the_handshake_is_recorded_and_the_traffic_counted(bench, listener, wait_until):
    async def echo(socket):
        [record] = bench.records(1)
        assert record["protocol"] == Protocol.WEBSOCKET
        assert (record["status"], record["method"]) == (101, Method.GET)
        assert gauge(listener, catalog.WEBSOCKETS_OPEN) == 1
        for _ in range(3):
            await socket.send("12345")
            await socket.recv()

    listener.samples()
    talk(listener, echo, compression=None)
    wait_until(lambda: gauge(listener, catalog.OPEN_CONNECTIONS) == 0, "the close")
    assert gauge(listener, catalog.WEBSOCKETS_OPEN) == 0
    bench.records(1)


def test_the_time_of_a_connection_is_told_when_it_ends(listener, wait_until):
    def told():
        return {sample.metric: sample.value for sample in listener.samples()}

    async def wait(socket):
        await socket.send("x")
        await socket.recv()
        assert told()[catalog.WEBSOCKETS_CLOSED] == 0, "it is still open"
        await asyncio.sleep(0.1)  # the time to be found again

    began = time.monotonic()
    talk(listener, wait)
    wait_until(lambda: listener.load().websocket.closed == 1, "the close")
    lived = told()
    assert lived[catalog.WEBSOCKETS_CLOSED] == 1
    assert 0.1 <= lived[catalog.WEBSOCKET_TIME] <= time.monotonic() - began
    assert told()[catalog.WEBSOCKET_TIME] == 0


def test_samples_tell_the_increase_since_the_last_ones(listener):
    def told():
        return {
            (sample.metric, dict(sample.labels)["network.io.direction"]): sample.value
            for sample in listener.samples()
            if sample.metric in (catalog.WEBSOCKET_MESSAGES, catalog.WEBSOCKET_IO)
        }

    async def echo(socket):
        for _ in range(3):
            await socket.send("12345")
            await socket.recv()
        return told()

    assert set(told().values()) == {0}
    seen = talk(listener, echo, compression=None)
    assert seen[catalog.WEBSOCKET_MESSAGES, "receive"] == 3
    assert seen[catalog.WEBSOCKET_MESSAGES, "transmit"] == 3
    assert seen[catalog.WEBSOCKET_IO, "receive"] == 3 * (2 + 4 + 5)
    assert seen[catalog.WEBSOCKET_IO, "transmit"] == 3 * (2 + 5)
    assert told()[catalog.WEBSOCKET_MESSAGES, "receive"] == 0


def test_a_reader_that_is_slow_makes_the_app_wait(listener, wait_until):
    with connect(listener) as sock:
        sock.sendall(HANDSHAKE.replace(b"/ ", b"/flood ", 1))
        assert sock.recv(12) == b"HTTP/1.1 101"
        [connection] = listener._model._connections
        wait_until(lambda: connection.output.is_congested, "the congestion")
        assert len(connection.output.pending) < 400_000
        size = 0
        while part := sock.recv(1_000_000):
            size += len(part)
            if part.endswith(b"\x88\x02\x03\xe8"):
                break
        assert size > 400 * 100_000


def test_a_writer_that_is_slow_to_be_read_is_stopped(bench):
    """Messages nobody takes fill a bounded box; the rest waits at the client."""
    listener = bench.start(APPS + "deaf", AppKind.ASGI, model=ConcurrencyModel.ASYNCIO)
    with connect(listener) as sock:
        sock.sendall(HANDSHAKE)
        sock.settimeout(0.5)
        frame = b"\x82\xfe\x27\x10\x00\x00\x00\x00" + b"x" * 10_000
        with pytest.raises(TimeoutError):
            sock.sendall(frame * 5_000)
        [connection] = listener._model._connections
        assert connection.handler._call._inbox_bytes < 200_000

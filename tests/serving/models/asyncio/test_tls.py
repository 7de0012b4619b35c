"""ASGI behind TLS: scope, WebSocket, streams."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest
import websockets.asyncio.client

from servescope.records.listeners import SELF_SIGNED, AppKind, ConcurrencyModel
from servescope.request_fields import Protocol, RequestFlag
from tests.serving.tls_client import trusting

if TYPE_CHECKING:
    import ssl

SCOPE = "tests.serving.models.asyncio.test_tls:tell_scope"


async def tell_scope(scope, receive, send):
    """Answer the scheme, client and server, on HTTP and on a WebSocket."""
    if scope["type"] == "lifespan":
        return
    told = repr((scope["scheme"], scope["client"] and scope["client"][0], scope["server"]))
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": told})
        while (event := await receive())["type"] != "websocket.disconnect":
            if event["type"] == "websocket.receive":
                await send({"type": "websocket.send", "bytes": event["bytes"]})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": told.encode(), "more_body": True})
    for _ in range(int(scope["query_string"] or b"0")):
        await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
    await send({"type": "http.response.body"})


@pytest.fixture
def listener(bench):
    return bench.start(SCOPE, AppKind.ASGI, model=ConcurrencyModel.ASYNCIO, certificate=SELF_SIGNED)


@pytest.fixture
def trust(tmp_path) -> ssl.SSLContext:
    return trusting(tmp_path)


def test_the_scope_says_https(listener, trust):
    port = listener.address[1]
    with httpx.Client(verify=trust) as client:
        told = client.get(f"https://localhost:{port}/").text
    assert told == repr(("https", "127.0.0.1", ("127.0.0.1", port)))


def test_a_websocket_echoes_over_wss(listener, trust, bench):
    port = listener.address[1]

    async def main():
        async with asyncio.timeout(20):
            uri = f"wss://localhost:{port}/"
            async with websockets.asyncio.client.connect(uri, ssl=trust, max_size=None) as client:
                assert await client.recv() == repr(("wss", "127.0.0.1", ("127.0.0.1", port)))
                for size in (1, 100, 1_000_000):
                    await client.send(bytes(size))
                    assert await client.recv() == bytes(size)

    asyncio.run(main())
    record = bench.records(1)[0]
    assert record["protocol"] == Protocol.WEBSOCKET
    assert record["flags"] & RequestFlag.TLS


def test_a_stream_of_many_parts_arrives_though_it_is_read_slowly(listener, trust):
    port = listener.address[1]
    size = 0
    with (
        httpx.Client(verify=trust) as client,
        client.stream("GET", f"https://localhost:{port}/?200") as answer,
    ):
        for part in answer.iter_raw(4096):
            size += len(part)
    assert size > 20_000_000


def test_a_listener_that_stops_ends_its_websockets_in_order(listener, trust):
    port = listener.address[1]

    async def main():
        async with asyncio.timeout(20):
            uri = f"wss://localhost:{port}/"
            async with websockets.asyncio.client.connect(uri, ssl=trust) as client:
                await client.recv()
                await asyncio.to_thread(listener.stop, 5)
                await client.wait_closed()
                return client.close_code

    assert asyncio.run(main()) in {1001, 1012}


def test_an_asgi_app_at_a_unix_socket_has_no_client(bench, tmp_path):
    from dataclasses import replace

    from servescope.serving import start_listener

    started = bench.start(SCOPE, AppKind.ASGI, model=ConcurrencyModel.ASYNCIO)
    path = tmp_path / "asgi.sock"
    listener = start_listener(replace(started.spec, address=f"unix:{path}"), bench.recorder)
    bench.listeners.append(listener)
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        assert client.get("http://any/").text == repr(("http", None, (str(path), None)))

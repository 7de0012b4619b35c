"""Apps of real frameworks on the model asyncio, asked by real clients over the wire."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest
import websockets.sync.client
from dash import _callback

from servescope.records.listeners import AppKind, ConcurrencyModel
from tests.serving import starlette_app

LOOP = ConcurrencyModel.ASYNCIO


@pytest.fixture
def starlette(bench):
    starlette_app.done.clear()
    return bench.start("tests.serving.starlette_app:app", AppKind.ASGI, model=LOOP)


@pytest.fixture
def client(starlette):
    host, port = starlette.address
    with httpx.Client(base_url=f"http://{host}:{port}", timeout=10) as client:
        yield client


def test_starlette(client, starlette):
    assert client.get("/items/7").json() == {"id": 7, "pool": 5}
    assert client.get("/items/7").headers["x-stamp"] == "yes"
    assert client.post("/upload", content=b"x" * 3_000_000).text == "3000000"
    parts = (b"y" * 1000 for _ in range(100))
    assert client.post("/upload", content=parts).text == "100000", "chunked"
    assert client.get("/stream").content == b"z" * 500_000
    assert client.get("/thread").text == "from a thread"
    assert client.get("/file").content == Path(starlette_app.__file__).read_bytes()
    assert client.get("/static/demo.css").status_code == 200
    assert client.get("/none").status_code == 404
    assert client.put("/upload").status_code == 405
    assert client.get("/items/x").status_code == 404
    starlette.stop(2)
    assert starlette_app.done == ["startup", "background", "shutdown"]


def test_starlette_websocket(starlette, wait_until):
    host, port = starlette.address
    with websockets.sync.client.connect(f"ws://{host}:{port}/ws/lobby") as socket:
        socket.send("hello")
        assert socket.recv(timeout=5) == "HELLO"
    wait_until(lambda: "socket" in starlette_app.done, "the end of the socket")


def test_starlette_tells_its_routes(bench, client, starlette):
    for path in ("/items/7", "/items/8", "/users/3/notes/4", "/static/live.js", "/scan"):
        client.get(path)
    host, port = starlette.address
    with websockets.sync.client.connect(f"ws://{host}:{port}/ws/lobby"):
        records = bench.records(6)
    assert {bench.reader.routes[record["route"]] for record in records} == {
        "/items/{id}",
        "/users/{user}/notes/{id}",
        "/static/{path}",
        "/{path}",
        "/ws/{room}",
    }


def test_httpx_speaks_over_one_connection(bench, client):
    for _ in range(50):
        assert client.get("/items/1").status_code == 200
    assert bench.records(50)["flags"].tolist() == [1] + [0] * 49


@pytest.fixture
def own_callbacks(monkeypatch):
    """Dash hands all callbacks of a process to the first app that answers: ours keeps its own."""
    monkeypatch.setattr(_callback, "GLOBAL_CALLBACK_MAP", {})
    monkeypatch.setattr(_callback, "GLOBAL_CALLBACK_LIST", [])


@pytest.mark.usefixtures("own_callbacks")
def test_a_dash_app_on_threads(bench):
    """Dash is a WSGI app: its index, its layout, its scripts."""
    listener = bench.start("tests.serving.dash_app:server", model=LOOP)
    host, port = listener.address
    began = time.monotonic()
    with httpx.Client(base_url=f"http://{host}:{port}", timeout=20) as client:
        page = client.get("/")
        assert "_dash-config" in page.text
        assert client.get("/_dash-layout").json()["props"]["children"] == "hello"
        answer = client.post(
            "/_dash-update-component",
            json={
                "output": "out.children",
                "outputs": {"id": "out", "property": "children"},
                "inputs": [{"id": "in", "property": "value", "value": "x"}],
                "changedPropIds": ["in.value"],
            },
        )
        assert answer.json()["response"]["out"]["children"] == "x!"
    assert time.monotonic() - began < 20

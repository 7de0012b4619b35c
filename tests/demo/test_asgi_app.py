"""The bundled ASGI app, served by our own loop and asked by httpx, websockets and a browser."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing, contextmanager

import httpx
import pytest
import websockets.sync.client
from websockets.exceptions import InvalidStatus

from servescope.recording.recorder import Recorder
from servescope.recording.ring_reader import RingReader
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerSpec
from servescope.serving import start_listener


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    recorder = Recorder(tmp_path_factory.mktemp("rings"))
    spec = ListenerSpec(
        "asgi",
        "127.0.0.1",
        0,
        ConcurrencyModel.ASYNCIO,
        AppKind.ASGI,
        "servescope.demo.asgi_app:app",
    )
    listener = start_listener(spec, recorder)
    host, port = listener.address
    yield f"{host}:{port}", recorder
    listener.stop(0.2)
    recorder.close()


@pytest.fixture
def client(server):
    with httpx.Client(base_url=f"http://{server[0]}", timeout=10) as client:
        yield client


@contextmanager
def connected(server, path, **options):
    with websockets.sync.client.connect(f"ws://{server[0]}{path}", **options) as socket:
        yield socket


@pytest.mark.parametrize("path", ["/", "/chat", "/static/live.js", "/static/demo.css"])
def test_pages_and_what_they_load(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert "$" not in answer.text.replace("${", "")
    assert client.head(path).headers["content-length"] == str(len(answer.content))


def test_whoami_tells_what_the_server_saw(client):
    told = client.get("/whoami?x=1", headers={"X-Mine": "yes"}).json()
    assert told["address"] == "127.0.0.1"
    assert told["headers"]["x-mine"] == "yes"
    assert told["scope"]["type"] == "http"
    assert "started" in told["state"], "the lifespan's state"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/items/12", 200),
        ("GET", "/items/x", 404),
        ("GET", "/nowhere", 404),
        ("POST", "/", 405),
        ("GET", "/slow?ms=1", 200),
        ("GET", "/slow?ms=-1", 400),
        ("GET", "/slow?ms=99999", 400),
        ("GET", "/slow?ms=", 400),
        ("GET", "/cpu?ms=1", 200),
        ("GET", "/cpu?ms=1001", 400),
        ("GET", "/mixed?cpu_ms=1&wait_ms=1", 200),
        ("GET", "/mixed?cpu_ms=1&wait_ms=x", 400),
        ("GET", "/block?ms=1", 200),
        ("GET", "/block?ms=1001", 400),
        ("GET", "/error", 500),
        ("GET", "/static/../asgi_app.py", 404),
        ("GET", "/favicon.ico", 200),
    ],
)
def test_statuses(client, method, path, status, caplog):
    answer = client.request(method, path)
    assert answer.status_code == status
    if status >= 400:
        assert answer.json()["status"] == status
        page = client.request(method, path, headers={"Accept": "text/html"})
        assert f'">{status}</p>' in page.text
    assert not caplog.records


def test_computing_and_waiting_take_what_was_asked_for(client):
    assert client.get("/cpu?ms=5").json()["cpu_ms"] >= 5
    told = client.get("/mixed?cpu_ms=2&wait_ms=3").json()
    assert told["cpu_ms"] >= 2
    # uvloop's timers count whole milliseconds: one that begins late in one ends up to 1 ms early.
    assert told["waited_ms"] > 2


def test_events_come_one_by_one(client):
    with client.stream("GET", "/events") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = answer.iter_lines()
        assert next(lines) == "event: tick"
        assert next(lines) == "id: 1"
        assert json.loads(next(lines).removeprefix("data: "))["number"] == 1


def test_the_echo(server):
    with connected(server, "/ws/echo") as socket:
        for message in ("hé", b"\x00\x01", "x" * 10_000):
            socket.send(message)
            assert socket.recv(timeout=5) == message


def test_the_chat(server):
    def hear(socket):
        return json.loads(socket.recv(timeout=5))

    with connected(server, "/ws/chat") as one:
        first = hear(one)
        assert first["kind"] == "welcome"
        with connected(server, "/ws/chat") as two:
            second = hear(two)
            assert second["people"] == first["people"] + 1
            assert hear(one)["text"] == f"{second['who']} came in."
            two.send("  hello <b>  ")
            for socket in (one, two):
                assert hear(socket) == {
                    "kind": "said",
                    "who": second["who"],
                    "text": "hello <b>",
                    "people": 2,
                }
        assert hear(one)["text"] == f"{second['who']} left."
    with connected(server, "/ws/chat") as late:
        assert hear(late)["history"][-1]["text"] == "hello <b>"


def test_a_websocket_of_another_origin_or_path_is_refused(server):
    for path, origin in (("/ws/echo", "http://elsewhere.example"), ("/ws/none", None)):
        with pytest.raises(InvalidStatus) as caught, connected(server, path, origin=origin):
            pass
        assert caught.value.response.status_code == 403
    with connected(server, "/ws/echo", origin=f"http://{server[0]}") as socket:
        socket.send("mine")
        assert socket.recv(timeout=5) == "mine"


def test_many_at_once_over_one_loop(server):
    async def ask():
        async with httpx.AsyncClient(base_url=f"http://{server[0]}", timeout=20) as client:
            answers = await asyncio.gather(*(client.get("/slow?ms=100") for _ in range(30)))
            return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [200] * 30


def test_the_routes_told_to_the_record(client, server):
    for number in (1, 2, 3):
        client.get(f"/items/{number}")
    client.get("/scanner/finds/nothing")
    with closing(RingReader(server[1].ring.path)) as reader:
        reader.drain(0, 2**62, 0.0)
        routes = set(reader.routes.values())
    assert {"/items/{id}", "/{path}"} <= routes
    assert not [route for route in routes if route.startswith(("/items/1", "/scanner"))]

"""Clients that leave while an ASGI app waits: nothing of them stays, and nobody else is cut off."""

from __future__ import annotations

import contextlib
import socket
import struct
import time

import pytest

from servescope import catalog
from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.records.requests import reached_nobody
from servescope.request_fields import RequestFlag
from servescope.serving.connection import LOOK_FROM_NS
from servescope.serving.models.asyncio import asgi_handler as handler_module
from servescope.serving.models.asyncio import loop as loop_module
from servescope.serving.models.asyncio import websocket_session as session_module
from tests.descriptors import open_sockets
from tests.serving import apps_whose_clients_leave as apps
from tests.serving.raw_client import (
    GET,
    HANDSHAKE,
    asking,
    connect,
    gauge,
    read_all,
    read_responses,
)
from tests.serving.tls_client import connect_tls, trusting

APPS = "tests.serving.apps_whose_clients_leave:"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: the close is a reset
CLIENTS = 100
HALF_CLOSED_S, LEAVING_S = 0.1, 0.2
TEXT = b"\x81\xfe\xff\xff\x00\x00\x00\x00" + b"x" * 0xFFFF  # a message, masked with nothing
MESSAGES = TEXT * 3  # more than is kept for an app that takes none
CLOSE = b"\x88\x80\x00\x00\x00\x00"


@pytest.fixture(params=["uvloop", "asyncio"])
def loop(request, monkeypatch):
    if request.param == "asyncio":
        monkeypatch.setattr(loop_module, "find_spec", lambda _name: None)


@pytest.fixture
def quickly(monkeypatch):
    """Grant a tenth of a second where two, and two where five are the rule."""
    monkeypatch.setattr(handler_module, "HALF_CLOSED_NS", int(HALF_CLOSED_S * 1e9))
    monkeypatch.setattr(handler_module, "LEAVING_NS", int(LEAVING_S * 1e9))
    monkeypatch.setattr(loop_module, "LEAVING_NS", int(LEAVING_S * 1e9))


@pytest.fixture
def start(bench):
    apps.ends.clear()
    apps.leave.clear()
    while apps.entered.acquire(blocking=False):
        pass

    def start(app="plain", **options):
        options = {
            "keep_alive_seconds": 0.4,
            **options,
        }  # deadlines are looked at 20 times a second
        return bench.start(APPS + app, AppKind.ASGI, model=ConcurrencyModel.ASYNCIO, **options)

    yield start
    apps.leave.set()


def entered():
    return apps.entered.acquire(timeout=20)


def end(sock, way):
    if way == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


def nothing_is_left(listener):
    return not listener._model.driver.tasks and gauge(listener, catalog.OPEN_CONNECTIONS) == 0


def let_pass(seconds, wait_until):
    """Time is what is waited for: nothing is to happen within it."""
    late = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > late, "time to pass")


@pytest.mark.usefixtures("loop", "quickly")
@pytest.mark.parametrize("way", ["reset", "end"])
@pytest.mark.parametrize(
    ("app", "path"),
    [
        ("plain", b"/before"),
        ("plain", b"/after"),
        ("plain", b"/stream"),
        ("starlette", b"/after"),
        ("starlette", b"/stream"),
        ("fastapi", b"/after"),
        ("fastapi", b"/stream"),
    ],
)
def test_a_hundred_clients_leave_no_task_socket_or_connection(
    bench, start, wait_until, caplog, app, path, way
):
    listener = start(app)
    before = open_sockets()
    clients = [connect(listener) for _ in range(CLIENTS)]
    for client in clients:
        client.sendall(asking(path, GET))
    for client in clients:
        assert entered()
        if path == b"/stream":
            assert b"first" in client.recv(1_000)
    assert len(listener._model.driver.tasks) == CLIENTS
    for client in clients:
        end(client, way)
    wait_until(lambda: nothing_is_left(listener), "everything to be gone")
    assert open_sockets() <= before
    assert apps.ends == ["cancelled"] * CLIENTS
    assert (bench.records(CLIENTS)["flags"] & RequestFlag.ABORTED == RequestFlag.ABORTED).all()
    assert not caplog.records


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("way", ["reset", "end"])
def test_behind_tls_it_is_the_same(bench, start, wait_until, tmp_path, way):
    listener = start(certificate="self-signed")
    client = connect_tls(listener, trusting(tmp_path))
    client.sendall(asking(b"/stream", GET))
    assert entered()
    end(client, way)
    wait_until(lambda: nothing_is_left(listener), "everything to be gone")
    assert apps.ends == ["cancelled"]
    bench.records(1)


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize(
    ("app", "path", "content"),
    [
        ("plain", b"/slow", b"first last"),
        ("plain", b"/paused", b"first last"),
        ("starlette", b"/paused", b"first last"),
    ],
)
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_client_that_only_ends_its_side_gets_its_answer(
    start, monkeypatch, app, path, content, version
):
    monkeypatch.setattr(handler_module, "HALF_CLOSED_NS", int(60e9))  # on a busy machine, too
    listener = start(app)
    with connect(listener) as client:
        client.sendall(asking(path).replace(b"HTTP/1.1", b"HTTP/" + version))
        client.shutdown(socket.SHUT_WR)
        assert entered()
        apps.leave.set()
        answer = read_all(client)
    chunks = answer.partition(b"\r\n\r\n")[2].split(b"\r\n")
    body = chunks[0] if version == b"1.0" else b"".join(chunks[1::2])
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert body == content


@pytest.mark.usefixtures("quickly")
def test_who_ended_its_side_is_kept_as_long_as_something_is_sent(start, wait_until, monkeypatch):
    monkeypatch.setattr(handler_module, "LEAVING_NS", int(1e9))
    listener = start()
    with connect(listener) as client:
        client.sendall(asking(b"/group", GET))
        client.shutdown(socket.SHUT_WR)
        assert entered()
        let_pass(HALF_CLOSED_S + 1.5, wait_until)
        assert len(client.recv(100_000)) > 100
        assert gauge(listener, catalog.OPEN_CONNECTIONS) == 1


@pytest.mark.usefixtures("quickly")
def test_tasks_that_send_to_nobody_are_no_fault_of_the_app(start, wait_until, caplog):
    listener = start()
    client = connect(listener)
    client.sendall(asking(b"/group", GET))
    assert entered()
    end(client, "reset")
    wait_until(lambda: nothing_is_left(listener), "everything to be gone")
    assert not caplog.records


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("path", [b"/whole", b"/parts"])
def test_a_loop_that_is_held_up_knows_whose_clients_have_gone(start, bench, wait_until, path):
    """It hears of nothing meanwhile: the second request is read after its client has left."""
    listener = start("blocking")
    with connect(listener) as stays, connect(listener) as leaves, connect(listener) as unread:
        leaves.sendall(asking(path, GET))
        assert entered()
        for client in (unread, stays):
            client.sendall(asking(path, GET))
        leaves.close()
        unread.close()
        let_pass(LOOK_FROM_NS / 1e9, wait_until)
        apps.leave.set()
        assert read_responses(stays, 1)[0][0] == 200
        records = bench.records(3)
    assert (records["status"] == 200).all()
    answered = (records["flags"], records["bytes_sent"], records["status"])
    assert reached_nobody(*answered).sum() == 2, answered


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("way", ["reset", "end"])
def test_an_app_that_knows_works_on_without_its_client(start, wait_until, way):
    listener = start()
    client = connect(listener)
    client.sendall(asking(b"/listen", GET))
    assert entered()
    end(client, way)
    assert entered(), "it has heard"
    wait_until(lambda: gauge(listener, catalog.OPEN_CONNECTIONS) == 0, "the close")
    let_pass(3 * LEAVING_S, wait_until)
    apps.leave.set()
    wait_until(lambda: nothing_is_left(listener), "the app to end")
    assert apps.ends == ["worked on"]


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("way", ["reset", "end"])
def test_what_an_app_does_after_a_whole_response_is_not_cancelled(start, wait_until, way):
    listener = start("starlette")
    client = connect(listener)
    client.sendall(asking(b"/background", GET))
    assert entered()
    end(client, way)
    wait_until(lambda: gauge(listener, catalog.OPEN_CONNECTIONS) == 0, "the close")
    let_pass(3 * LEAVING_S, wait_until)
    apps.leave.set()
    wait_until(lambda: nothing_is_left(listener), "the app to end")
    assert apps.ends == ["worked on"]


POST = b"POST /stream HTTP/1.1\r\nHost: h\r\nContent-Length: 400000\r\n\r\n"


@pytest.mark.usefixtures("loop", "quickly")
@pytest.mark.parametrize("way", ["reset", "end"])
@pytest.mark.parametrize(
    "request_bytes",
    [
        asking(b"/stream", GET) + GET + GET[:10],
        POST + b"x" * 10,
        POST + b"x" * 200_000,
        POST + b"x" * 400_000,
    ],
    ids=["another request behind it", "half a body", "half a body unread", "a body unread"],
)
def test_a_client_that_is_not_read_is_seen_to_leave(bench, start, wait_until, request_bytes, way):
    listener = start()
    client = connect(listener)
    client.sendall(request_bytes)
    assert entered()
    wait_until(lambda: client.recv(5, socket.MSG_PEEK), "the response to begin")
    end(client, way)
    wait_until(lambda: nothing_is_left(listener), "everything to be gone")
    assert apps.ends == ["cancelled"]
    bench.records(1)


@pytest.mark.usefixtures("quickly")
def test_an_app_whose_request_was_refused_under_it_is_cancelled(start, wait_until):
    listener = start(body_seconds=0.2)
    with connect(listener) as client:
        client.sendall(POST.replace(b"/stream", b"/before") + b"x")
        assert entered()
        assert read_all(client).startswith(b"HTTP/1.1 408 ")
    wait_until(lambda: nothing_is_left(listener), "everything to be gone")
    assert apps.ends == ["cancelled"]


@pytest.mark.usefixtures("loop", "quickly")
@pytest.mark.parametrize("way", ["reset", "end", "close frame"])
@pytest.mark.parametrize(
    ("path", "sent"),
    [(b"/before", b""), (b"/", b""), (b"/", MESSAGES)],
    ids=["before it is accepted", "open", "open and unread"],
)
def test_a_websocket_leaves_nothing_either(start, wait_until, monkeypatch, path, sent, way):
    monkeypatch.setattr(session_module, "PING_NS", 200_000_000)
    listener = start()
    client = connect(listener)
    client.sendall(asking(path, HANDSHAKE))
    assert entered()
    if path == b"/":
        assert client.recv(12) == b"HTTP/1.1 101"
    client.sendall(sent)
    if way == "close frame":
        client.sendall(CLOSE)
    end(client, way)
    wait_until(lambda: nothing_is_left(listener), "everything to be gone")
    assert apps.ends == ["cancelled"]


@pytest.mark.usefixtures("quickly")
def test_a_websocket_that_its_app_closes_unread_is_closed(start, wait_until):
    listener = start()
    with connect(listener) as client:
        client.sendall(asking(b"/close", HANDSHAKE) + MESSAGES)
        assert entered()
        apps.leave.set()
        with contextlib.suppress(ConnectionResetError):
            assert b"\x88" in read_all(client)
        wait_until(lambda: nothing_is_left(listener), "everything to be gone")


def test_the_kernel_asks_whether_a_silent_client_is_there(start):
    listener = start()
    with connect(listener) as client:
        client.sendall(asking(b"/stream", GET))
        assert entered()
        [connection] = listener._model._connections
        assert connection._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        for option, value in ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10)):
            assert connection._socket.getsockopt(socket.IPPROTO_TCP, option) == value

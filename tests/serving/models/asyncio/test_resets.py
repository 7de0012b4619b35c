"""A reset that arrives together with data: the loop hears of both at once, and must act on both."""

import socket
import struct

import pytest

from servescope import catalog
from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.serving.models.asyncio import loop as loop_module
from tests.serving import asgi_apps_for_listeners
from tests.serving.models.asyncio.held_loop import held
from tests.serving.raw_client import GET, HANDSHAKE, asking, connect, gauge, read_responses

APPS = "tests.serving.asgi_apps_for_listeners:"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: the close is a reset
POST = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc"


@pytest.fixture(params=["installed", "asyncio"], autouse=True)
def _loop(request, monkeypatch):
    if request.param == "asyncio":
        monkeypatch.setattr(loop_module, "find_spec", lambda _name: None)


@pytest.fixture
def listener(bench):
    asgi_apps_for_listeners.left.clear()
    return bench.start(APPS + "app", AppKind.ASGI, model=ConcurrencyModel.ASYNCIO)


def send_and_reset(listener, sock, data):
    with held(listener):
        sock.sendall(data)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        sock.close()


def is_forgotten(listener):
    return gauge(listener, catalog.OPEN_CONNECTIONS) == 0


@pytest.mark.parametrize("data", [b"GET / HT", GET, GET + b"GET /", POST, POST + b"x" * 997])
def test_with_a_first_request_of_which_it_may_be_a_part(listener, wait_until, data):
    with connect(listener) as sock:
        wait_until(lambda: gauge(listener, catalog.OPEN_CONNECTIONS) == 1, "the connection")
        send_and_reset(listener, sock, data)
        wait_until(lambda: is_forgotten(listener), "the close", 5)


def test_with_more_of_a_head(listener, wait_until):
    with connect(listener) as sock:
        sock.sendall(GET)
        assert read_responses(sock, 1)[0][0] == 200
        send_and_reset(listener, sock, b"GET / HT")
        wait_until(lambda: is_forgotten(listener), "the close", 5)


def test_with_more_of_a_body_its_app_waits_for(listener, wait_until):
    with connect(listener) as sock:
        sock.sendall(POST)
        wait_until(lambda: gauge(listener, catalog.ACTIVE_REQUESTS) == 1, "the request")
        send_and_reset(listener, sock, b"more")
        wait_until(lambda: is_forgotten(listener), "the close", 5)
    assert asgi_apps_for_listeners.left == ["disconnect in the body"]


def test_with_a_request_whose_app_waits_for_the_client_to_leave(listener, wait_until):
    with connect(listener) as sock:
        wait_until(lambda: gauge(listener, catalog.OPEN_CONNECTIONS) == 1, "the connection")
        send_and_reset(listener, sock, asking(b"/gone", GET))
        wait_until(
            lambda: asgi_apps_for_listeners.left == ["http.disconnect"], "the app to hear", 5
        )


def test_with_a_message_that_gets_no_answer(bench, wait_until):
    listener = bench.start(APPS + "deaf", AppKind.ASGI, model=ConcurrencyModel.ASYNCIO)
    with connect(listener) as sock:
        sock.sendall(HANDSHAKE)
        assert sock.recv(12) == b"HTTP/1.1 101"
        send_and_reset(listener, sock, b"\x82\x81\x00\x00\x00\x00x")
        wait_until(lambda: is_forgotten(listener), "the close", 5)


def test_an_app_that_waited_has_no_watch_renewed(listener):
    with connect(listener) as sock:
        sock.sendall(GET)
        assert read_responses(sock, 1)[0][0] == 200
        changes = []
        with held(listener):  # what belongs to the first request is over
            [connection] = listener._model._connections
            connection.readable._remove = changes.append
            connection.readable._add = lambda descriptor, _report: changes.append(descriptor)
        sock.sendall(asking(b"/pause", GET) * 3)
        assert [status for status, _ in read_responses(sock, 3)] == [200] * 3
        assert not changes

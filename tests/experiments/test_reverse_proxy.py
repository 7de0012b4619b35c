"""The proxy of experiments does what a real nginx does, each behaviour asked of both."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from servescope.experiments import reverse_proxy
from servescope.experiments.reverse_proxy import proxying
from servescope.load.connections import hold_little
from servescope.load.timed_exchange import exchange, request_bytes
from tests.nginx import running_nginx
from tests.ports import free_port

SECONDS = 20
LONG = b"x" * 480_000
LOCATIONS = """
location / {{
    proxy_pass http://127.0.0.1:{port};
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
}}
"""


class ServerBehind:
    """Accepts one connection after the other; a test says what it receives and sends."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.settimeout(SECONDS)
        self.address = self.listening.getsockname()

    def has_a_client(self, within_s):
        with selectors.DefaultSelector() as selector:
            selector.register(self.listening, selectors.EVENT_READ)
            return bool(selector.select(within_s))

    def answer(self, response):
        """Take a request whole, send this, and end the connection; the request."""
        with self.listening.accept()[0] as client:
            client.settimeout(SECONDS)
            request = b""
            while b"\r\n\r\n" not in request:
                request += client.recv(65_536)
            client.sendall(response)
        return request


@pytest.fixture
def behind():
    server = ServerBehind()
    yield server
    server.listening.close()


@contextmanager
def ours(upstream, folder):
    del folder
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        proxying(listening, upstream),
    ):
        yield listening.getsockname()


@contextmanager
def nginx(upstream, folder):
    port = free_port()
    with running_nginx(folder / "nginx", port, LOCATIONS.format(port=upstream[1])):
        yield "127.0.0.1", port


@pytest.fixture(params=[ours, nginx], ids=["ours", "nginx"])
def proxy(request, behind, tmp_path):
    with request.param(behind.address, tmp_path) as address:
        yield address


def response(content=b"", *, head=b""):
    return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (head, len(content), content)


def connected(address, *, is_slow=False):
    client = socket.socket()
    client.settimeout(SECONDS)
    if is_slow:
        hold_little(client)
    client.bind(("127.0.0.2", 0))
    client.connect(address)
    return client


def rest_of(client):
    received = b""
    while block := client.recv(65_536):
        received += block
    return received


def test_the_server_behind_gets_a_request_when_it_is_whole(proxy, behind):
    request = request_bytes(proxy, "/slow?a=b", {"X-Forwarded-For": "203.0.113.9"})
    with connected(proxy) as client:
        client.sendall(request[:30])
        assert not behind.has_a_client(0.2)
        client.sendall(request[30:])
        passed_on = behind.answer(response(b"hello")).decode()
        received = rest_of(client)
    line, *fields = passed_on.split("\r\n")
    assert line.startswith("GET /slow?a=b HTTP/1.")
    assert f"Host: 127.0.0.1:{proxy[1]}" in fields
    assert "X-Forwarded-For: 127.0.0.2" in fields  # in place of what the client made up
    assert "203.0.113.9" not in passed_on
    assert "X-Forwarded-Proto: http" in fields
    assert "Connection: close" in fields
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\nhello")


def test_the_server_behind_is_free_before_a_slow_client_has_read(proxy, behind):
    with connected(proxy, is_slow=True) as client:
        client.sendall(request_bytes(proxy, "/"))
        behind.answer(response(LONG))  # returns when the proxy, or the kernel, has taken all
        assert rest_of(client).endswith(LONG)


def test_a_long_response_is_no_matter_of_the_kernels_buffers_alone(behind):
    """Without a proxy that server waits: else the test above would prove nothing."""
    with connected(behind.address, is_slow=True) as client:
        client.sendall(request_bytes(behind.address, "/"))
        answering = threading.Thread(target=behind.answer, args=(response(LONG),))
        answering.start()
        answering.join(0.2)
        assert answering.is_alive()
        assert rest_of(client).endswith(LONG)
        answering.join(SECONDS)


def test_without_a_server_behind_it_is_a_bad_gateway(proxy, behind):
    behind.listening.close()
    assert exchange(proxy, request_bytes(proxy, "/"), SECONDS).status == 502


def test_a_server_behind_that_says_nothing_is_a_bad_gateway(proxy, behind):
    answering = threading.Thread(target=behind.answer, args=(b"",))
    answering.start()
    assert exchange(proxy, request_bytes(proxy, "/"), SECONDS).status == 502
    answering.join(SECONDS)


def test_a_malformed_request_is_answered_by_the_proxy(proxy, behind):
    assert exchange(proxy, b"GET / HTTP/1.1\r\n\r\n", SECONDS).status == 400  # without Host
    assert not behind.has_a_client(0)


def test_a_server_behind_that_takes_too_long_is_a_gateway_timeout(behind, tmp_path, monkeypatch):
    monkeypatch.setattr(reverse_proxy, "WITHIN_S", 0.1)
    with ours(behind.address, tmp_path) as address:
        assert exchange(address, request_bytes(address, "/"), SECONDS).status == 504


def descriptors():
    return {one.name for one in Path("/proc/self/fd").iterdir()}


def test_nothing_is_left_of_a_proxy_that_ends_amid_requests(behind):
    before = len(descriptors()), threading.active_count()
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        connected(listening.getsockname(), is_slow=True) as reads_nothing,
        connected(listening.getsockname()) as unfinished,
    ):
        with proxying(listening, behind.address) as proxy:
            unfinished.sendall(b"GET /")
            reads_nothing.sendall(request_bytes(listening.getsockname(), "/"))
            behind.answer(response(LONG))
            assert proxy.has_passed_on.wait(SECONDS)
        for client in (reads_nothing, unfinished):
            with suppress(ConnectionResetError):
                rest_of(client)  # comes to an end
    assert (len(descriptors()), threading.active_count()) == before

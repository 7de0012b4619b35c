"""A hundred thousand requests are a hundred thousand in the store, on each listener."""

import socket
import threading
from contextlib import closing

import pytest

from tests.faults.test_handover import total_requests
from tests.processes import eventually

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

CONNECTIONS = 8
DEPTH = 50  # requests sent ahead on a connection: pipelining
TOTAL = 100_000


def pipeline(port, target, times, bodies):
    """Send `times` requests, DEPTH at a time; count the responses by their status lines."""
    request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    seen = 0
    with closing(socket.create_connection(("127.0.0.1", port), 10)) as connection:
        for _ in range(times // DEPTH):
            connection.sendall(request * DEPTH)
            wanted = seen + DEPTH
            tail = b""
            while seen < wanted:
                block = connection.recv(1 << 16)
                assert block, "the server closed the connection"
                tail += block
                found = tail.count(b"HTTP/1.1 200 OK\r\n")
                seen += found
                tail = tail[-16:] if found == 0 else tail[tail.rfind(b"HTTP/1.1 200 OK\r\n") + 17 :]
            connection.settimeout(10)
    bodies.append(seen)


@pytest.mark.parametrize(
    ("listener", "target"),
    [("files", "/data/stages.json"), ("wsgi", "/whoami"), ("asgi", "/items/7")],
)
def test_every_request_is_counted_once(start_dashboard, listener, target):
    # The app of the contracts, for Flask would take most of the time.
    running = start_dashboard(WSGI_APP="tests.contracts.app_for_models:app")
    port, seen = running.port(listener), []
    clients = [
        threading.Thread(target=pipeline, args=(port, target, TOTAL // CONNECTIONS, seen))
        for _ in range(CONNECTIONS)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert sum(seen) == TOTAL
    assert running.end() == 0
    eventually(lambda: total_requests(running.folder, listener) == TOTAL)

"""Ten thousand clients that vanish, at every stage of a request, leave nothing behind."""

import socket
import struct
import threading

import pytest

from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.request_fields import RequestFlag
from tests.processes import eventually
from tests.serving.raw_client import CLOSING, read_all

pytestmark = [pytest.mark.process, pytest.mark.real_time]

STAGES = {
    "before the head": b"",
    "in the head": b"GET / HTTP/1.1\r\nHo",
    "in the body": b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc",
    "while the app runs": b"GET /pause HTTP/1.1\r\nHost: h\r\n\r\n",
    "in the response": b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n",
}
TOTAL = 10_000
WARM_UP = 1_000  # free lists, arenas and tables reach their size
CLIENTS = 4
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: the close is a reset
GROWTH_KIB = 4_096


def vanish(address, times):
    """Connect, send what the stage is about, and be gone: by a reset, every other time."""
    for number in range(times):
        for stage, data in STAGES.items():
            with socket.create_connection(address, 10) as sock:
                if number % 2:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                sock.sendall(data)
                if stage == "in the response":
                    assert sock.recv(10)


def vanish_together(address, total):
    each = total // len(STAGES) // CLIENTS
    threads = [threading.Thread(target=vanish, args=(address, each)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def settled(server, wanted):
    """Descriptors once all connections are closed."""
    return eventually(lambda: server.descriptors() <= wanted and server.descriptors())


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (ConcurrencyModel.THREAD_POOL, AppKind.WSGI),
        (ConcurrencyModel.ASYNCIO, AppKind.ASGI),
    ],
)
def test_no_descriptor_thread_or_memory_is_leaked(host, model, kind, record_property):
    server = host(model, kind)
    idle = server.descriptors()
    vanish_together(server.address, WARM_UP)
    before = settled(server, idle), server.threads(), server.memory_kib()
    vanish_together(server.address, TOTAL)
    after = settled(server, idle), server.threads(), server.memory_kib()
    record_property("descriptors, threads, KiB before", before)
    record_property("descriptors, threads, KiB after", after)
    assert after[:2] == before[:2]
    assert after[2] - before[2] < GROWTH_KIB
    records = server.records()
    in_the_app_or_later = 2 * (TOTAL + WARM_UP) // len(STAGES)
    assert len(records) >= in_the_app_or_later // 2, "they did reach the app"
    assert (records["flags"] & RequestFlag.ABORTED).any()
    with socket.create_connection(server.address, 10) as sock:
        sock.sendall(CLOSING)
        assert read_all(sock).startswith(b"HTTP/1.1 200")

"""A thousand clients that send their requests as slowly as they can."""

import select
import socket
import threading
import time
from contextlib import ExitStack

import numpy as np
import pytest

from servescope.records import AppKind, ConcurrencyModel
from tests.serving.raw_client import CLOSING, GET, read_all, read_responses

pytestmark = pytest.mark.process

EACH = 500
DEADLINE_S = 5.0
UNDISTURBED_S = 0.5
NOTICED_S = 2.0  # an eighth of the deadline at the latest; the rest is the machine's
HEAD = b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: "
BODY = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n"


def drip(socks, is_over):
    """A byte from each, again and again: no read of theirs ever times out."""
    while not is_over.wait(0.3):
        for sock in socks:
            try:
                sock.send(b"a")
            except OSError:
                return  # the deadlines have begun to pass


def ask_in_health(address, seconds):
    """How long a kept connection and new ones wait for their answers meanwhile."""
    waited = []
    with socket.create_connection(address, 10) as kept:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.perf_counter()
            kept.sendall(GET)
            assert read_responses(kept, 1)[0][0] == 200
            waited.append(time.perf_counter() - began)
            began = time.perf_counter()
            with socket.create_connection(address, 10) as new:
                new.sendall(CLOSING)
                assert read_all(new).startswith(b"HTTP/1.1 200")
            waited.append(time.perf_counter() - began)
            time.sleep(0.001)
    return waited


def read_ends(socks, until):
    """What each socket got before its end, by descriptor."""
    poll, got = select.poll(), {sock.fileno(): b"" for sock in socks}
    by_descriptor = {sock.fileno(): sock for sock in socks}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    while by_descriptor and time.monotonic() < until:
        for descriptor, _ in poll.poll(100):
            try:
                data = by_descriptor[descriptor].recv(65_536)
            except ConnectionResetError:  # it dripped on into the closed connection
                data = b""
            got[descriptor] += data
            if not data:
                poll.unregister(descriptor)
                del by_descriptor[descriptor]
    assert not by_descriptor, f"{len(by_descriptor)} are still open"
    return got


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (ConcurrencyModel.THREAD_POOL, AppKind.WSGI),
        (ConcurrencyModel.ASYNCIO, AppKind.ASGI),
    ],
)
def test_slow_heads_and_bodies_cost_healthy_clients_nothing_and_get_408(
    host, model, kind, record_property
):
    server = host(model, kind, head_seconds=DEADLINE_S, body_seconds=DEADLINE_S)
    undisturbed_s = float(np.quantile(ask_in_health(server.address, UNDISTURBED_S), 0.99))
    is_over = threading.Event()
    with ExitStack() as stack:
        socks = [
            stack.enter_context(socket.create_connection(server.address, 10))
            for _ in range(2 * EACH)
        ]
        began = time.monotonic()
        for number, sock in enumerate(socks):
            sock.sendall(HEAD if number % 2 else BODY)
        all_sent = time.monotonic()
        dripping = threading.Thread(target=drip, args=(socks, is_over))
        dripping.start()
        waited = ask_in_health(server.address, began + DEADLINE_S - 0.8 - time.monotonic())
        is_over.set()
        dripping.join()
        assert server.descriptors() > 2 * EACH, "all of them are still connected"
        got = read_ends(socks, all_sent + DEADLINE_S + NOTICED_S)
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in got.values())
    assert len(waited) >= 20
    p99_s = float(np.quantile(waited, 0.99))
    record_property("p99 of healthy clients, ms", p99_s * 1e3)
    # On a machine that is busy with other things nobody is quicker than that.
    assert p99_s < max(0.050, 3 * undisturbed_s)
    assert np.sum(server.records()["status"] == 408) == 2 * EACH

"""A thousand clients that send their requests as slowly as they can."""

import os
import select
import socket
import threading
import time
from contextlib import ExitStack

import numpy as np
import pytest

from servescope.records.listeners import AppKind, ConcurrencyModel
from tests.faults.healthy_client import HealthyClient

pytestmark = [pytest.mark.process, pytest.mark.real_time]

CROWD = 1_000
DEADLINE_S = 4.0
WINDOW_S = 0.6  # two rounds of dripping
QUICK_S = 0.025  # half of what is allowed
JUDGED = 3  # windows at least
MOST_TIMES = 9
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


def windows_of(answers, start, end):
    """How long the answers took, by the whole window between the two moments."""
    asked, took = np.array(answers).T
    starts = np.arange(start, end - WINDOW_S, WINDOW_S)
    return [took[(asked >= at) & (asked < at + WINDOW_S)] for at in starts]


def judged(beset, at_peace):
    """Answers of the beset server in those windows in which the other one, on the same core, was
    quick: in the rest other processes had the core, and nothing could be told."""
    pairs = zip(beset, at_peace, strict=True)
    return [one for one, other in pairs if len(other) > 50 and np.quantile(other, 0.99) < QUICK_S]


def read_ends(socks, until):
    """The bytes that each socket got before its end, by descriptor."""
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


def beset(server, twin, cores):
    """A thousand slow clients at the server until each got its 408; its healthy answers' times.

    From the first of the thousand to come to the last moment before they are sent away.
    """
    is_over = threading.Event()
    with ExitStack() as stack:
        healthy = HealthyClient(cores[-1], (server.address[1], twin.address[1]))
        stack.callback(healthy.close)
        began = time.monotonic()
        socks = [
            stack.enter_context(socket.create_connection(server.address, 10)) for _ in range(CROWD)
        ]
        first_sent = time.monotonic()
        for number, sock in enumerate(socks):
            sock.sendall(HEAD if number % 2 else BODY)
        all_sent = time.monotonic()
        dripping = threading.Thread(target=drip, args=(socks, is_over))
        dripping.start()
        is_over.wait(first_sent + DEADLINE_S - 0.3 - time.monotonic())
        before_deadline = time.monotonic()
        connected = server.descriptors()
        is_over.set()
        dripping.join()
        got = read_ends(socks, all_sent + DEADLINE_S + NOTICED_S)
        answers = healthy.stop()
    assert connected > CROWD, "all of them are still connected"
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in got.values())
    return judged(*(windows_of(one, began, before_deadline) for one in answers))


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
    cores = sorted(os.sched_getaffinity(0))
    server, twin = (
        host(model, kind, head_seconds=DEADLINE_S, body_seconds=DEADLINE_S, pin_core=cores[0])
        for _ in range(2)
    )
    windows, times = [], 0
    while len(windows) < JUDGED and times < MOST_TIMES:
        windows += beset(server, twin, cores)
        times += 1
        assert np.sum(server.records()["status"] == 408) == times * CROWD
    assert len(windows) >= JUDGED, "this machine is too busy with other things to judge"
    p99s_s = [float(np.quantile(took, 0.99)) for took in windows]
    record_property("p99 of healthy clients by window, ms", [round(one * 1e3, 2) for one in p99s_s])
    assert np.quantile(np.concatenate(windows), 0.99) < 0.050

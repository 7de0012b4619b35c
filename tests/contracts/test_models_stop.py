"""The contract of every concurrency model when it is stopped."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import ExitStack

import pytest

from servescope.records.listeners import AppKind
from servescope.request_fields import RequestFlag
from servescope.serving.connection import LOOK_FROM_NS
from tests.contracts.harness import ModelHarness, wait_until
from tests.serving.raw_client import (
    CLOSING,
    GET,
    connect,
    exchange,
    read_all,
    read_responses,
)

WORKERS = 2  # a stop is heard by all


def test_a_graceful_stop_lets_the_request_in_flight_finish(harness: ModelHarness):
    listener = harness.start()
    with connect(listener) as flying:
        flying.sendall(harness.wait_request())
        wait_until(lambda: harness.entered() == 1, "the request to be in the app")
        stopping = threading.Thread(target=listener.stop, args=(10,))
        stopping.start()
        wait_until(lambda: not listener.is_running, "the stop to begin")
        harness.leave()
        answer = read_all(flying)
        stopping.join(20)
    assert not stopping.is_alive()
    assert answer.startswith(b"HTTP/1.1 200")
    with pytest.raises(ConnectionRefusedError):
        connect(listener)
    harness.records(1)


def test_a_child_forked_after_the_stop_leaves_reused_descriptors_alone(harness: ModelHarness):
    listener = harness.start()
    with connect(listener) as client:
        client.sendall(GET)
        assert read_responses(client, 1)[0][0] == 200
    listener.stop(0.5)  # and is not forgotten: a reference to it may live on anywhere
    with ExitStack() as ends:
        reused = [os.pipe() for _ in range(64)]
        for end in (end for pipe in reused for end in pipe):
            ends.callback(os.close, end)
        child = os.fork()
        if not child:  # nothing of pytest may run here
            held = [os.path.exists(f"/proc/self/fd/{end}") for pipe in reused for end in pipe]  # noqa: PTH110
            os._exit(0 if all(held) else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert not listener.is_running


def test_while_stopping_idle_connections_end_and_late_requests_are_answered(
    concurrent_harness: ModelHarness,
):
    harness = concurrent_harness
    listener = harness.start()
    flying, idle, late = connect(listener), connect(listener), connect(listener)
    with flying, idle, late:
        idle.sendall(GET)
        assert read_responses(idle, 1)[0][0] == 200
        late.sendall(GET + GET[:10])
        assert late.recv(1000).startswith(b"HTTP/1.1 200")
        flying.sendall(harness.wait_request())
        wait_until(lambda: harness.entered() == 1, "the request to be in the app")
        stopping = threading.Thread(target=listener.stop, args=(10,))
        stopping.start()
        assert idle.recv(100) == b""
        late.sendall(GET[10:])
        assert b"\r\nConnection: close\r\n" in read_all(late)
        harness.leave()
        assert b"\r\nConnection: close\r\n" in read_all(flying)
        stopping.join(20)
    assert not stopping.is_alive()
    assert (harness.records(4)["status"] == 200).all()


def test_connections_that_were_not_accepted_yet_are_served(harness: ModelHarness):
    """They were told that they are connected, so they are not reset."""
    listener = harness.start()
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")
    with ExitStack() as stack:
        socks = [stack.enter_context(connect(listener)) for _ in range(20)]
        for sock in socks:
            sock.sendall(CLOSING)
        listener.stop(5)
        for sock in socks:
            assert read_all(sock).startswith(b"HTTP/1.1 200")
    harness.records(21)


def test_a_stop_is_bounded_when_the_app_hangs(harness: ModelHarness):
    listener = harness.start()
    with connect(listener) as flying:
        flying.sendall(harness.wait_request())
        wait_until(lambda: harness.entered() == 1, "the request to be in the app")
        began = time.monotonic()
        listener.stop(0.2)
        assert time.monotonic() - began < 4.0
        with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
            connect(listener)


def test_requests_that_a_stop_cuts_off_have_no_answer_and_their_clients_had_not_gone(
    harness: ModelHarness,
):
    """One waits for a thread where there are threads, the others are in the app.

    Two worker processes may have them all in the app.
    """
    listener = harness.start(threads=2)
    number = 3 if harness.is_concurrent else 1
    in_app = number if harness.kind is AppKind.ASGI else min(number, 2)
    with ExitStack() as stack:
        flying = [stack.enter_context(connect(listener)) for _ in range(number)]
        for client in flying:
            client.sendall(harness.wait_request())
        wait_until(lambda: harness.entered() >= in_app, "the requests to be in the app")
        entered_ns = time.monotonic_ns()
        wait_until(lambda: time.monotonic_ns() - entered_ns > LOOK_FROM_NS, "their age")
        stopping = threading.Thread(target=listener.stop, args=(0.3,))
        stopping.start()
        for client in flying:
            assert read_all(client) == b""
        harness.leave()  # the app answers clients that the stop has cut off
        stopping.join(20)
        records = harness.records(number)
    assert not records["status"].any()
    assert not records["bytes_sent"].any()
    assert (records["flags"] & RequestFlag.ABORTED).all()
    assert (records["flags"] & RequestFlag.CUT_OFF).all()
    assert not (records["flags"] & RequestFlag.CLIENT_GONE).any()


def test_stop_is_idempotent_and_frees_the_port(harness: ModelHarness):
    before = set(threading.enumerate())  # a stop that was bounded may have left one for a moment
    listener = harness.start()
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")
    for _ in range(3):
        listener.stop()
    assert listener.samples() == []
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(listener.address)
    prefix = listener.spec.name + "-"
    own = set(threading.enumerate()) - before
    assert not [thread for thread in own if thread.name.startswith(prefix)]

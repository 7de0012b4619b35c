"""Apps that raise, block or never end, dead workers, and descriptors that run out."""

import os
import signal
import socket
import threading
import time
from contextlib import ExitStack

import pytest

from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.serving.models import REGISTRY
from tests.processes import children, eventually
from tests.serving.raw_client import CLOSING, GET, read_all, read_responses

pytestmark = [pytest.mark.process, pytest.mark.real_time]

OTHERS = [model for model in REGISTRY if model is not ConcurrencyModel.SEQUENTIAL]
GRACE_S = 0.5  # each of these stops uses it up
DRAINED_S = GRACE_S + 1.5 + 2.0  # and what may follow it, and a process's end while it is busy


def kind_of(model):
    return AppKind.ASGI if model is ConcurrencyModel.ASYNCIO else AppKind.WSGI


def ask(address, path=b"/"):
    with socket.create_connection(address, 10) as sock:
        sock.sendall(CLOSING.replace(b"/ ", path + b" "))
        return read_all(sock)


def connected(stack, server, data):
    sock = stack.enter_context(socket.create_connection(server.address, 10))
    sock.sendall(data)
    return sock


@pytest.mark.parametrize("model", OTHERS)
@pytest.mark.parametrize("path", [b"/never", b"/endless"])
def test_the_others_are_served_beside_an_app_that_does_not_end_and_the_stop_is_bounded(
    host, model, path
):
    """Half of the threads are held: by an app that blocks, or a client that does not read on."""
    server = host(model, kind_of(model), GRACE_S)
    with ExitStack() as stack:
        for _ in range(2):
            sock = connected(stack, server, GET.replace(b"/ ", path + b" "))
            if path == b"/endless":
                assert sock.recv(10)
        began = time.monotonic()
        for _ in range(50):
            assert ask(server.address).startswith(b"HTTP/1.1 200")
            assert ask(server.address, b"/fail").startswith(b"HTTP/1.1 500")
        assert time.monotonic() - began < 5.0
        code, took_s = server.terminate()
    assert code == 0
    assert took_s < DRAINED_S
    assert server.log().count("ZeroDivisionError: on purpose") == 50


@pytest.mark.parametrize("path", [b"/never", b"/endless"])
def test_the_stop_of_the_sequential_model_is_bounded_too(host, path):
    server = host(ConcurrencyModel.SEQUENTIAL, grace_s=GRACE_S)
    assert ask(server.address, b"/fail").startswith(b"HTTP/1.1 500")
    with ExitStack() as stack:
        connected(stack, server, GET.replace(b"/ ", path + b" "))
        code, took_s = server.terminate()
    assert code == 0
    assert took_s < DRAINED_S


def test_a_killed_worker_costs_no_more_than_what_it_had_in_flight(host):
    server = host(ConcurrencyModel.PREFORK)
    eventually(lambda: len(children(server.process.pid)) == 2)
    answered, broken = [0] * 4, [0] * 4
    is_over = threading.Event()

    def visit(who):
        while not is_over.is_set():
            try:
                with socket.create_connection(server.address, 10) as sock:
                    while not is_over.is_set():
                        sock.sendall(GET)
                        read_responses(sock, 1)
                        answered[who] += 1
            except (OSError, IndexError):  # reset, or an end where a status line should be
                broken[who] += 1

    clients = [threading.Thread(target=visit, args=(who,)) for who in range(4)]
    for client in clients:
        client.start()
    eventually(lambda: min(answered) > 50)
    victim = int(ask(server.address, b"/pid").rpartition(b"\r\n\r\n")[2])
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: len({*children(server.process.pid)} - {victim}) == 2)
    after = sum(answered)
    eventually(lambda: sum(answered) > after + 200)
    is_over.set()
    for client in clients:
        client.join(10)
    assert sum(broken) <= 4, "each client loses one connection at most"
    assert server.terminate()[0] == 0
    # Recorded and not received, or received by nobody: only what was in flight may differ.
    assert abs(len(server.records()) - sum(answered) - 1) <= sum(broken)
    assert f"worker {victim} ended with -9; replacing it" in server.log()


@pytest.mark.parametrize("model", [ConcurrencyModel.THREAD_POOL, ConcurrencyModel.ASYNCIO])
def test_running_out_of_descriptors_is_survived(host, model):
    """A client without a descriptor waits in the accept queue, and is served when one is free."""
    server = host(model, kind_of(model))
    ask(server.address)
    server.allow_descriptors(server.descriptors() + 10)
    with ExitStack() as stack:
        kept = connected(stack, server, GET)
        assert read_responses(kept, 1)[0][0] == 200
        idle = [connected(stack, server, b"") for _ in range(20)]
        waiting = connected(stack, server, CLOSING)
        eventually(lambda: "cannot accept" in server.log())
        kept.sendall(GET)
        assert read_responses(kept, 1)[0][0] == 200, "who is connected notices nothing"
        for sock in idle:
            sock.close()
        assert read_all(waiting).startswith(b"HTTP/1.1 200")
    assert server.log().count("cannot accept") < 5, "no flood of the log"
    assert server.terminate()[0] == 0

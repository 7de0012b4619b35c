"""SIGTERM under load, in every model: what was asked before it is answered, and it is over soon."""

import socket
import threading
import time
from dataclasses import dataclass

import pytest

from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.request_fields import RequestFlag
from servescope.serving.models import REGISTRY
from tests.processes import eventually
from tests.serving.raw_client import GET, read_all

pytestmark = [pytest.mark.process, pytest.mark.real_time]

CLIENTS = 8
OVER_S = 2.0
PAUSE = GET.replace(b"/ ", b"/pause ")
SLOW = GET.replace(b"/ ", b"/slow ")


@dataclass
class Visit:
    answered: int = 0
    last_asked: float = 0.0  # time.monotonic()
    was_told: bool = False  # by Connection: close
    trouble: str = ""


def visit(address, seen, is_over):
    """Ask again and again on a kept connection, and on a new one when it was closed unasked."""
    while not is_over.is_set() and not seen.trouble and not seen.was_told:
        try:
            sock = socket.create_connection(address, 10)
        except ConnectionRefusedError:
            return
        with sock:
            stay(sock, seen)


def stay(sock, seen):
    """Ask on one connection until it ends."""
    answered = 0
    while not seen.was_told:
        seen.last_asked = time.monotonic()
        got = b""
        try:
            sock.sendall(PAUSE)
            while not got.endswith(b"hello"):
                data = sock.recv(65_536)
                if not data:
                    break
                got += data
        except OSError as error:
            seen.trouble = repr(error)
        if not got.endswith(b"hello"):
            if got:
                seen.trouble = f"half a response: {got!r}"
            elif not answered:
                seen.trouble = seen.trouble or "closed before any answer"
            else:  # the race of a kept connection that is closed while idle
                seen.trouble = seen.trouble or "closed"
            return
        answered += 1
        seen.answered += 1
        seen.was_told = b"\r\nConnection: close\r\n" in got


def kinds(model):
    return AppKind.ASGI if model is ConcurrencyModel.ASYNCIO else AppKind.WSGI


@pytest.mark.parametrize("model", list(REGISTRY))
def test_what_was_asked_before_is_answered_and_it_is_over_in_two_seconds(host, model):
    server = host(model, kinds(model))
    seen = [Visit() for _ in range(1 if model is ConcurrencyModel.SEQUENTIAL else CLIENTS)]
    is_over = threading.Event()
    clients = [
        threading.Thread(target=visit, args=(server.address, one, is_over), daemon=True)
        for one in seen
    ]
    for client in clients:
        client.start()
    eventually(lambda: all(one.answered >= 20 for one in seen))
    asked_to_stop = time.monotonic()
    code, took_s = server.terminate()
    is_over.set()
    for client in clients:
        client.join(10)
    assert code == 0
    assert took_s < OVER_S
    for one in seen:
        # Without a response only who asked while its idle connection was being closed.
        assert not one.trouble or one.last_asked >= asked_to_stop, one
    assert sum(one.was_told for one in seen) >= len(seen) // 2, seen
    records = server.records()
    assert len(records) == sum(one.answered for one in seen)
    assert not (records["flags"] & RequestFlag.ABORTED).any()


@pytest.mark.parametrize("model", [model for model in REGISTRY if model != "sequential"])
def test_a_late_request_on_a_kept_connection_is_answered_and_closed(host, model):
    server = host(model, kinds(model))
    with (
        socket.create_connection(server.address, 10) as flying,
        socket.create_connection(server.address, 10) as late,
    ):
        late.sendall(GET + GET[:10])  # half of the second is there when the stop comes
        assert late.recv(65_536).startswith(b"HTTP/1.1 200")
        flying.sendall(SLOW)
        ended = []
        stopping = threading.Thread(target=lambda: ended.append(server.terminate()))
        stopping.start()
        eventually(lambda: not listens(server.address))
        late.sendall(GET[10:])
        for sock in (late, flying):
            answer = read_all(sock)
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"\r\nConnection: close\r\n" in answer
    stopping.join(10)
    [(code, took_s)] = ended
    assert (code, took_s < OVER_S) == (0, True)


def listens(address):
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0

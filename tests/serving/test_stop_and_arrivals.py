"""A client that connects or sends before the stop is served, however little before."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack

import pytest

from servescope.records.listeners import ConcurrencyModel
from servescope.serving.acceptor import Acceptor
from servescope.serving.connection import Connection
from tests.serving.raw_client import CLOSING, read_all
from tests.waiting import wait_until

IN_THIS_PROCESS = [model for model in ConcurrencyModel if model is not ConcurrencyModel.PREFORK]
BY_THREADS = [ConcurrencyModel.SEQUENTIAL, ConcurrencyModel.THREAD_POOL]
"""The event loop hears of a stop between two steps only."""

QUEUED = 200


class Stopped:
    """A listener that is stopped just after it found nothing, and just after a client moved."""

    def __init__(self):
        self.sock = socket.socket()
        self.sock.settimeout(10)
        self.listener = None
        self._is_ready = threading.Event()
        self._has_moved = threading.Event()
        self._lock = threading.Lock()
        self._stop = None

    def ready(self, listener):
        self.listener = listener
        self._is_ready.set()

    def nothing_found(self, move):
        """Let the client move and the stop begin, the first time."""
        with self._lock:
            if self._stop is not None:
                return
            self._stop = threading.Thread(target=lambda: self.listener.stop(5))
        assert self._is_ready.wait(10)
        move()
        self._has_moved.set()
        self._stop.start()
        wait_until(lambda: self.listener._model._stop_at_ns, "the stop to be told")

    def answer(self):
        assert self._has_moved.wait(10)
        with self.sock:
            answer = read_all(self.sock)
        self._stop.join(10)
        assert not self._stop.is_alive()
        return answer


@pytest.mark.parametrize("model", BY_THREADS)
def test_what_is_sent_after_a_reading_and_before_the_stop(bench, monkeypatch, model):
    stopped = Stopped()
    read = Connection.read

    def read_and_stop(connection):
        found = read(connection)
        if found is None:
            stopped.nothing_found(lambda: stopped.sock.sendall(CLOSING))
        return found

    monkeypatch.setattr(Connection, "read", read_and_stop)
    listener = bench.start(model=model)
    stopped.sock.connect(listener.address)
    stopped.ready(listener)
    assert stopped.answer().startswith(b"HTTP/1.1 200 ")
    bench.records(1)


def test_who_connects_after_an_accept_and_before_the_stop(bench, monkeypatch):
    stopped = Stopped()
    accept = Acceptor.accept

    def connect_and_send():
        stopped.sock.connect(stopped.listener.address)
        stopped.sock.sendall(CLOSING)

    def accept_and_stop(acceptor):
        connection = accept(acceptor)
        if connection is None:
            stopped.nothing_found(connect_and_send)
        return connection

    monkeypatch.setattr(Acceptor, "accept", accept_and_stop)
    stopped.ready(bench.start(model=ConcurrencyModel.SEQUENTIAL))
    assert stopped.answer().startswith(b"HTTP/1.1 200 ")
    bench.records(1)


@pytest.mark.parametrize("model", IN_THIS_PROCESS)
def test_all_who_wait_in_the_accept_queue(bench, model):
    listening = socket.create_server(("127.0.0.1", 0), backlog=QUEUED)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(listening.getsockname(), 10))
            for _ in range(QUEUED)
        ]
        for client in clients:
            client.sendall(CLOSING)
        bench.start(sock=listening, model=model, backlog=QUEUED).stop(10)
        assert all(read_all(client).startswith(b"HTTP/1.1 200 ") for client in clients)
    bench.records(QUEUED)

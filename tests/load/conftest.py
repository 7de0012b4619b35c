"""A tiny real server on port 0, one thread a connection, whose behaviour a test chooses."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from servescope.load.scenario_run import ScenarioRun
from servescope.load.tls_connections import TrustedServer
from servescope.recording.recorder import Recorder
from servescope.recording.ring_file import RingKind
from servescope.recording.ring_reader import RingReader

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    import numpy as np

    from servescope.load.report import Progress, Result
    from servescope.load.tls_connections import Trust
    from servescope.records.load import LoadPlan

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)

# Gives the answer to request number n (from 1) on a connection; None closes without one.
Behaviour = Callable[["TinyServer", int], bytes | None]


class TinyServer:
    """Counts every request it reads. `ending` is set when the test is over."""

    def __init__(
        self,
        behaviour: Behaviour,
        closes: bool = False,
        resets: bool = False,
        tls: ssl.SSLContext | None = None,
        reads_whole: bool = True,
    ) -> None:
        self.reads_whole = reads_whole  # else it answers a head, and takes no notice of a body
        self.behaviour = behaviour
        self.tls = tls  # from the next connection on
        self.handshake_delay_s = 0.0
        self.says_close_notify = True
        self.closes = closes  # after each response
        self.resets = resets  # closes with RST instead of FIN
        self.requests = 0
        self.connections = 0
        self.last_request = b""
        self.seen: list[bytes] = []
        self._of_thread = threading.local()
        self.ending = threading.Event()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def request(self) -> bytes:
        """The request that a behaviour answers."""
        return self._of_thread.request

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._sockets.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if self.resets:
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            if self.tls is None:
                self._answer(connection)
                return
            self.ending.wait(self.handshake_delay_s)
            with self.tls.wrap_socket(connection, server_side=True) as encrypted:
                self._answer(encrypted)
                if self.says_close_notify:
                    encrypted.settimeout(5)
                    encrypted.unwrap()

    def _answer(self, connection: socket.socket) -> None:
        number, data = 0, b""
        while chunk := connection.recv(65_536):
            data += chunk
            while b"\r\n\r\n" in data:
                head, rest = data.split(b"\r\n\r\n", 1)
                length = _LENGTH.search(head)
                size = int(length[1]) if length else 0
                if len(rest) < size and self.reads_whole:
                    break
                data = rest[size:]
                with self._lock:
                    self.requests += 1
                    self.last_request = head + b"\r\n\r\n" + rest[:size]
                    self.seen.append(self.last_request)
                    self._of_thread.request = self.last_request
                number += 1
                response = self.behaviour(self, number)
                if response is None:
                    return
                connection.sendall(response)
                if self.closes:
                    return

    def close(self) -> None:
        self.ending.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._threads[0].join()
        with self._lock:
            for connection in self._sockets:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()


def answers(_server: TinyServer, _number: int) -> bytes:
    return OK


def never_answers(server: TinyServer, _number: int) -> bytes | None:
    server.ending.wait()
    return None


@pytest.fixture
def serve() -> Iterator[Callable[..., TinyServer]]:
    servers: list[TinyServer] = []

    def start(behaviour: Behaviour = answers, **options: Any) -> TinyServer:
        servers.append(TinyServer(behaviour, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@dataclass(frozen=True)
class Outcome:
    result: Result
    records: np.ndarray
    listeners: dict[int, str]
    routes: dict[int, str]
    progress: list[Progress]
    connections: int  # the most that were open at a tick


@pytest.fixture
def run_plan(tmp_path: Path) -> Callable[[LoadPlan, int], Outcome]:
    """Run a plan in this process, recording into a real ring."""

    def run(plan: LoadPlan, port: int, trust: Trust | None = None) -> Outcome:
        recorder = Recorder(tmp_path / "rings", RingKind.LOAD)
        server = TrustedServer(trust) if trust else None
        scenario_run = ScenarioRun(
            plan.scenario,
            recorder,
            plan.listener,
            destination=("127.0.0.1", port),
            host=f"127.0.0.1:{port}",
            agent="tests",
            server=server,
        )
        ticks: list[Progress] = []
        reading, writing = os.pipe()
        try:
            scenario_run.run(reading, scenario_run.stop, ticks.append)
        finally:
            os.close(reading)
            os.close(writing)
        result = scenario_run.result()
        reader = RingReader(recorder.ring.path)
        drained = reader.drain(0, 2**62, 0.0)
        reader.close()
        recorder.close()
        most = max(tick.connections for tick in ticks)
        return Outcome(result, drained.records, reader.listeners, reader.routes, ticks, most)

    return run

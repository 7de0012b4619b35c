"""Requests to a real gunicorn while one of its processes gets a signal."""

from __future__ import annotations

import os
import re
import selectors
import socket
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from servescope.demo import programs
from servescope.errors import LoadRefusedError
from servescope.experiments.child_command import running
from servescope.load.timed_exchange import request_bytes
from servescope.records.temporary_listeners import EXPERIMENT

if TYPE_CHECKING:
    import signal

    from servescope.experiments.child_command import ChildCommand
    from servescope.experiments.host import ExperimentHost

REQUEST_S: Final = 1.0
"""How long the app takes for a request."""

SIGNAL_S: Final = 0.5
"""When the signal comes after the requests were sent: each worker has taken what it can."""

_STARTED_S: Final = 20.0
_ENDED_S: Final = 15.0
_ROUNDS: Final = 5
_CONNECT_S: Final = 5.0
_READ_BYTES: Final = 65_536
_NS_PER_S: Final = 1e9
_MS: Final = 1e3
_BOOTED: Final = r"Booting worker with pid: (\d+)"
_STAMP: Final = re.compile(r"^\[[^\]]*\] \[\d+\] (\[\w+\] )?")
_CONFIGURATION: Final = """\
from servescope.middleware.wsgi import ServescopeMiddleware

control_socket_disable = True  # it would be a file in the home folder

def post_worker_init(worker):
    worker.wsgi = ServescopeMiddleware(worker.wsgi, listener={listener!r}, data_dir={folder!r})
"""


@dataclass(slots=True)
class _Client:
    """A request under way; `ended_ns` is 0 until it is answered, or its connection is gone."""

    sock: socket.socket
    received: bytearray = field(default_factory=bytearray)
    ended_ns: int = 0
    error: str = ""

    @property
    def pid(self) -> int:
        """The process that answered; 0 for none."""
        head, _, content = bytes(self.received).partition(b"\r\n\r\n")
        is_answer = head.startswith(b"HTTP/1.1 200 ") and content.strip().isdigit()
        return int(content) if is_answer else 0


@dataclass(frozen=True, slots=True)
class SignalledServer:
    """`requests` requests at one moment to gunicorn; half a second later a process gets a signal.

    `to_worker`: a worker gets it, else the process that was started. The app is
    `demo.programs.deployed_app`. Measured are `outcomes`, for each request when it ended and by
    which process it was answered (0: it failed, `error` says how), `log`, the lines of gunicorn,
    all times in milliseconds since the requests were sent, and `signalled` and `signalled_ms`.
    """

    workers: int
    threads: int
    signal: signal.Signals
    to_worker: bool
    requests: int

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Start gunicorn, wait until each worker has answered, send, signal, and wait for all."""
        (host.folder / "app.py").write_text(programs.source("deployed_app"), "utf-8")
        (host.folder / "gunicorn.conf.py").write_text(
            _CONFIGURATION.format(listener=EXPERIMENT, folder=str(host.settings.data_dir)), "utf-8"
        )
        with running(self.command(), host.folder) as server:
            found = server.await_line(r"Listening at: http://127\.0\.0\.1:(\d+)", _STARTED_S)
            address = "127.0.0.1", int(found[1])
            self._warm_up(address, host)
            with host.span():
                began_ns, signalled, clients = self._send(server, address, host)
        return {
            "outcomes": [
                {
                    "at_ms": (one.ended_ns - began_ns) / 1e6,
                    "pid": one.pid,
                    "error": one.error,
                }
                for one in clients
            ],
            "log": [
                [(line.at_ns - began_ns) / 1e6, _STAMP.sub("", line.text)]
                for line in server.lines
                if line.at_ns >= began_ns
            ],
            "signalled": signalled[0],
            "signalled_ms": (signalled[1] - began_ns) / 1e6,
            "server": server.pid,
        }

    def command(self) -> list[str]:
        """The command as it is run; settings of the environment are left out."""
        threads = ["--threads", str(self.threads)] if self.threads > 1 else []
        return [
            *("env", "-u", "GUNICORN_CMD_ARGS", sys.executable, "-m", "gunicorn", "app:server"),
            *("--workers", str(self.workers), *threads, "--bind", "127.0.0.1:0"),
        ]

    def _warm_up(self, address: tuple[str, int], host: ExperimentHost) -> None:
        """Send requests until each worker has answered one. Raises LoadRefusedError."""
        seen: set[int] = set()
        for _ in range(_ROUNDS):
            with ExitStack() as opened:
                clients = _asking(address, self.workers, opened)
                _await_ends(clients, time.monotonic() + min(_ENDED_S, host.left_s()))
            seen |= {one.pid for one in clients if one.pid}
            if len(seen) == self.workers:
                return
        raise LoadRefusedError(f"of {self.workers} workers {len(seen)} answered")

    def _send(
        self, server: ChildCommand, address: tuple[str, int], host: ExperimentHost
    ) -> tuple[int, tuple[int, int], list[_Client]]:
        with ExitStack() as opened:
            began_ns = time.perf_counter_ns()
            clients = _asking(address, self.requests, opened)
            _await_ends(clients, time.monotonic() + SIGNAL_S)
            pid = _a_worker(server) if self.to_worker else server.pid
            signalled = pid, time.perf_counter_ns()
            with suppress(ProcessLookupError):
                os.kill(pid, self.signal)
            _await_ends(clients, time.monotonic() + min(_ENDED_S, host.left_s()))
        return began_ns, signalled, clients


def _a_worker(server: ChildCommand) -> int:
    booted = (re.search(_BOOTED, line.text) for line in server.lines)
    return next(int(found[1]) for found in booted if found)


def _asking(address: tuple[str, int], requests: int, opened: ExitStack) -> list[_Client]:
    """So many requests, each on a connection of its own, all sent."""
    try:
        clients = [
            _Client(opened.enter_context(socket.create_connection(address, _CONNECT_S)))
            for _ in range(requests)
        ]
        for one in clients:
            one.sock.sendall(request_bytes(address, "/"))
            one.sock.setblocking(False)
    except OSError as error:
        raise LoadRefusedError(f"a request could not be sent: {error.strerror}") from error
    return clients


def _await_ends(clients: list[_Client], until_s: float) -> None:
    """Read until all connections have ended, or until this moment of time.monotonic."""
    with selectors.DefaultSelector() as selector:
        for one in clients:
            if not one.ended_ns:
                selector.register(one.sock, selectors.EVENT_READ, one)
        while selector.get_map() and (left_s := until_s - time.monotonic()) > 0:
            for key, _ in selector.select(left_s):
                one = key.data
                try:
                    block = one.sock.recv(_READ_BYTES)
                except ConnectionError as error:
                    block, one.error = b"", str(error.strerror)
                one.received += block
                if not block:
                    one.ended_ns = time.perf_counter_ns()
                    selector.unregister(one.sock)
                    one.sock.close()  # else gunicorn waits for it, and its next request too
                    if not one.pid and not one.error:
                        one.error = "The connection was closed without a response"

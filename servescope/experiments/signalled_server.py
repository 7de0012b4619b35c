"""Requests to a real gunicorn while one of its processes gets a signal."""

from __future__ import annotations

import os
import re
import socket
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.experiments import gunicorn_server
from servescope.experiments.open_requests import OpenRequest, await_ends
from servescope.load.timed_exchange import request_bytes

if TYPE_CHECKING:
    import signal

    from servescope.experiments.child_command import ChildCommand
    from servescope.experiments.host import ExperimentHost

REQUEST_S: Final = 1.0
"""How long the app takes for a request."""

SIGNAL_S: Final = 0.5
"""When the signal comes after the requests were sent: each worker has taken what it can."""

_ENDED_S: Final = 15.0
_ROUNDS: Final = 5
_CONNECT_S: Final = 5.0
_BOOTED: Final = r"Booting worker with pid: (\d+)"
_STAMP: Final = re.compile(r"^\[[^\]]*\] \[\d+\] (\[\w+\] )?")
_UNANSWERED: Final = "The connection was closed without a response"


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
        serving = gunicorn_server.serving(host, "deployed_app", self.workers, self.threads)
        with serving as (server, address):
            self._warm_up(address, host)
            with host.span():
                began_ns, signalled, clients = self._send(server, address, host)
        return {
            "outcomes": [
                {
                    "at_ms": (one.ended_ns - began_ns) / 1e6,
                    "pid": _answered_by(one),
                    "error": one.error or ("" if _answered_by(one) else _UNANSWERED),
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

    def _warm_up(self, address: tuple[str, int], host: ExperimentHost) -> None:
        """Send requests until each worker has answered one. Raises LoadRefusedError."""
        seen: set[int] = set()
        for _ in range(_ROUNDS):
            with ExitStack() as opened:
                clients = _asking(address, self.workers, opened)
                await_ends(clients, time.monotonic() + min(_ENDED_S, host.left_s()))
            seen |= {pid for one in clients if (pid := _answered_by(one))}
            if len(seen) == self.workers:
                return
        raise LoadRefusedError(f"of {self.workers} workers {len(seen)} answered")

    def _send(
        self, server: ChildCommand, address: tuple[str, int], host: ExperimentHost
    ) -> tuple[int, tuple[int, int], list[OpenRequest]]:
        with ExitStack() as opened:
            began_ns = time.perf_counter_ns()
            clients = _asking(address, self.requests, opened)
            await_ends(clients, time.monotonic() + SIGNAL_S)
            pid = _a_worker(server) if self.to_worker else server.pid
            signalled = pid, time.perf_counter_ns()
            with suppress(ProcessLookupError):
                os.kill(pid, self.signal)
            await_ends(clients, time.monotonic() + min(_ENDED_S, host.left_s()))
        return began_ns, signalled, clients


def _a_worker(server: ChildCommand) -> int:
    booted = (re.search(_BOOTED, line.text) for line in server.lines)
    return next(int(found[1]) for found in booted if found)


def _answered_by(request: OpenRequest) -> int:
    """The process that answered; 0 for none."""
    content = request.content.strip()
    return int(content) if content.isdigit() else 0


def _asking(address: tuple[str, int], requests: int, opened: ExitStack) -> list[OpenRequest]:
    """So many requests, each on a connection of its own, all sent."""
    try:
        clients = [
            OpenRequest(opened.enter_context(socket.create_connection(address, _CONNECT_S)))
            for _ in range(requests)
        ]
        for one in clients:
            one.sock.sendall(request_bytes(address, "/"))
            one.sock.setblocking(False)
    except OSError as error:
        raise LoadRefusedError(f"a request could not be sent: {error.strerror}") from error
    return clients

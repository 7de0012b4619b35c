"""Many connections that stay open and say nothing: the memory and the threads that they take."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psutil

from servescope.errors import LoadRefusedError
from servescope.load.connections import descriptors_lent
from servescope.load.simultaneous import CONNECT_S, answered_ms
from servescope.sampling.inet_diag import connection_counts
from servescope.sampling.tcp_sockets import TcpState
from servescope.wire.http1_client import request_bytes
from servescope.wire.websocket_handshake import client_fields, client_key

if TYPE_CHECKING:
    from servescope.experiments.host import ExperimentHost, TemporaryListener

WARM_REQUESTS: Final = 20
_READ_BYTES: Final = 65_536
_NONCE_BYTES: Final = 16
_SWITCHED: Final = b"HTTP/1.1 101 "
_OK: Final = b"HTTP/1.1 200 "


@dataclass(frozen=True, slots=True)
class IdleConnections:
    """So many `connections`, each after one short answer, or a WebSocket each; then silence.

    Measured are `before` and `beside`, each with `memory_bytes` (resident) and `threads` of the
    server's process, how many connections the kernel then has `established` at the server, and
    `answered_ms` of one more request beside them.
    """

    listener: TemporaryListener
    connections: int
    page: str  # the target of ordinary requests
    websocket: str = ""  # that of WebSockets; empty: connections that are kept alive

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Open them one after the other, look, and close them."""
        with ExitStack() as opened:
            if opened.enter_context(descriptors_lent(self.connections)) < self.connections:
                raise LoadRefusedError(
                    f"this process may not have {self.connections} descriptors more: see "
                    "`ulimit -n`"
                )
            process = opened.enter_context(host.listener(self.listener))
            for _ in range(WARM_REQUESTS):
                answered_ms(process.address, self.page, 1, host.left_s())
            before = process_figures(process.pid)
            with host.span():
                for _ in range(self.connections):
                    host.left_s()
                    opened.enter_context(self._opened(process.address))
                port = process.address[1]
                established = connection_counts([port]).get((port, TcpState.ESTABLISHED), 0)
                beside = process_figures(process.pid)
                (alone_ms,) = answered_ms(process.address, self.page, 1, host.left_s())
        return {
            "before": before,
            "beside": beside,
            "established": established,
            "answered_ms": alone_ms,
        }

    def _opened(self, address: tuple[str, int]) -> socket.socket:
        """A connection that had its answer."""
        request = request_bytes(
            self.websocket or self.page,
            "{}:{}".format(*address),
            headers=client_fields(client_key(secrets.token_bytes(_NONCE_BYTES)))
            if self.websocket
            else (),
        )
        wanted = _SWITCHED if self.websocket else _OK
        try:
            client = socket.create_connection(address, CONNECT_S)
        except OSError as error:
            raise LoadRefusedError(f"a client could not connect: {error.strerror}") from error
        try:
            client.sendall(request)
            received = client.recv(_READ_BYTES)
        except OSError as error:
            client.close()
            raise LoadRefusedError(f"a client had no answer: {error.strerror or error}") from error
        if not received.startswith(wanted):
            client.close()
            line = received.partition(b"\r\n")[0].decode("latin-1")
            raise LoadRefusedError(f"the server answered {line!r}")
        return client


def process_figures(pid: int) -> dict[str, int]:
    """Resident memory in bytes, and threads, of a process."""
    process = psutil.Process(pid)
    return {"memory_bytes": process.memory_info().rss, "threads": process.num_threads()}

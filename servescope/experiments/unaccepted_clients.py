"""Clients that connect to a listening socket while nobody accepts their connections.

Theory of operation. The kernel shakes hands for a listening socket by itself, and keeps each
connection until accept(2) takes it. Linux keeps one more than the backlog of listen(2), and passes
over a SYN that comes while so many wait; its client sends it again after a second. A client's
TCP_INFO says how far it is, and sock_diag how many wait: the page Ports shows the same number.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.experiments.transcript import Transcript
from servescope.load.timed_exchange import request_bytes
from servescope.sampling.inet_diag import listening_sockets
from servescope.sampling.tcp_sockets import TcpState
from servescope.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.experiments.host import ExperimentHost

ANSWER_S: Final = 0.1
"""How long a client may take to connect: on the loopback interface it takes far less."""

HELD_S: Final = 1.6
"""How long nobody accepts: the gauge is read once a second."""

LATER_S: Final = 3.0
"""How long after the first accept those without an answer are waited for."""

_LOOPBACK: Final = "127.0.0.1"
_INFO: Final = struct.Struct("=B135xII")  # linux/tcp.h: state, segments out, segments in
_READ_BYTES: Final = 65_536
_RESPONSE: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n"
    b"Connection: close\r\n\r\nHello\n"
)


@dataclass(slots=True)
class _Client:
    """One client; `segments` are those it has sent and received by the kernel's count."""

    name: str
    connection: socket.socket
    is_refused: bool = False
    state: TcpState = TcpState.CLOSED
    segments: tuple[int, int] = (0, 0)

    def look(self) -> None:
        told = self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
        state, *segments = _INFO.unpack(told)
        self.state = TcpState(state)
        self.segments = segments[0], segments[1]


@dataclass(frozen=True, slots=True)
class UnacceptedClients:
    """`clients` connect one after the other to a socket that nobody accepts from.

    `backlog` is that of listen(2), or None: the port is held, and nobody listens. Measured are
    `connected`, `unanswered` and `refused` clients after HELD_S, then the kernel's `queue_depth`
    and `queue_limit`, the segments of a connected and of an unanswered client, and how many
    (`later`) of the unanswered are connected after all once the server accepts.
    """

    backlog: int | None
    clients: int

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Connect, look, accept. Raises LoadRefusedError when the dashboard ends meanwhile."""
        with ExitStack() as opened, host.span():
            if self.backlog is None:
                held = opened.enter_context(socket.socket())
                held.bind((_LOOPBACK, 0))
                return self._watch(host, opened, held, None)
            listening = opened.enter_context(host.listening(self.backlog))
            return self._watch(host, opened, listening, self.backlog)

    def _watch(
        self, host: ExperimentHost, opened: ExitStack, server: socket.socket, backlog: int | None
    ) -> dict[str, Any]:
        told = Transcript()
        port = server.getsockname()[1]
        how = f"socket, bind: has port {port}, and does not listen"
        if backlog is not None:
            how = f"socket, bind, listen: port {port} listens with a backlog of {backlog}"
        told.add("server", how)
        clients = list(self._connected(opened, server.getsockname(), told))
        accepts_at = time.monotonic() + (0.0 if backlog is None else HELD_S)
        if host.ending.wait(max(0.0, accepts_at - time.monotonic())):
            raise LoadRefusedError("the dashboard is being stopped")
        for client in clients:
            if not client.is_refused:
                client.look()
        waiting = [one for one in clients if one.state is TcpState.ESTABLISHED]
        unanswered = [one for one in clients if one.state is TcpState.SYN_SENT]
        depth, limit = _gauge(port)
        if backlog is not None:
            told.add("kernel", f"counts {counted(depth, 'connection')} in the accept queue")
        found = {
            "connected": len(waiting),
            "unanswered": len(unanswered),
            "refused": sum(one.is_refused for one in clients),
            "queue_depth": depth,
            "queue_limit": limit,
            "segments_connected": waiting[0].segments if waiting else None,
            "segments_unanswered": unanswered[0].segments if unanswered else None,
            "clients": self.clients,
            "backlog": backlog,
        }
        if waiting:
            _converse(server, waiting[0], opened, told)
        return found | {
            "later": _accept_rest(server, clients, unanswered, opened, told),
            "steps": told.steps,
        }

    def _connected(
        self, opened: ExitStack, address: tuple[str, int], told: Transcript
    ) -> Iterator[_Client]:
        for number in range(1, self.clients + 1):
            connection = opened.enter_context(socket.socket())
            connection.setblocking(False)
            client = _Client(f"client {number}", connection)
            connection.connect_ex(address)
            select.select([], [connection], [], ANSWER_S)
            client.is_refused = bool(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            if client.is_refused:
                text = "SYN sent, RST received: connection refused"
            else:
                client.look()
                is_connected = client.state is TcpState.ESTABLISHED
                text = (
                    "SYN sent, SYN-ACK received, ACK sent: connected"
                    if is_connected
                    else "SYN sent; no answer"
                )
            told.add(client.name, text)
            yield client


def _gauge(port: int) -> tuple[int, int | None]:
    """Depth and limit of the accept queue at a port, as the page Ports has them."""
    try:
        for one in listening_sockets():
            if one.port == port and one.address == _LOOPBACK:
                return one.accept_queue_depth, one.backlog
    except OSError as error:
        raise LoadRefusedError(f"the kernel shows no queues: {error.strerror}") from error
    return 0, None


def _converse(server: socket.socket, client: _Client, opened: ExitStack, told: Transcript) -> None:
    """The first client sends its request before anybody accepts, and is answered after that."""
    request = request_bytes(server.getsockname(), "/")
    try:
        client.connection.sendall(request)
        told.add(client.name, "sends its request; the kernel keeps it for the server", request)
        server.settimeout(LATER_S)
        accepted, _ = server.accept()
        opened.enter_context(accepted)
        told.add("server", f"accept: takes {client.name} out of the queue")
        accepted.settimeout(LATER_S)
        accepted.recv(_READ_BYTES)
        accepted.sendall(_RESPONSE)
        told.add("server", "recv, send: reads the request and answers it")
        client.connection.settimeout(LATER_S)
        told.add(client.name, "gets the response", client.connection.recv(_READ_BYTES))
    except OSError as error:
        raise LoadRefusedError(f"the first client could not be answered: {error}") from error


def _accept_rest(
    server: socket.socket,
    clients: list[_Client],
    unanswered: list[_Client],
    opened: ExitStack,
    told: Transcript,
) -> int:
    """Accept whoever is there or comes within LATER_S; how many of the unanswered did."""
    names = {one.connection.getsockname(): one.name for one in clients if not one.is_refused}
    late = {one.name for one in unanswered}
    expected = sum(not one.is_refused for one in clients) - 1  # one was accepted
    give_up = time.monotonic() + LATER_S
    later = 0
    while expected > 0 and (left_s := give_up - time.monotonic()) > 0:
        server.settimeout(left_s)
        try:
            accepted, address = server.accept()
        except TimeoutError:
            break
        opened.enter_context(accepted)
        expected -= 1
        name = names.get(address, "a client")
        is_late = name in late
        later += is_late
        who = f"{name}, whose SYN came once more and found room" if is_late else name
        told.add("server", f"accept: takes {who}")
    return later

"""A second server that asks the kernel for a port which a first one has, or had a moment ago."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import LoadRefusedError
from servescope.experiments.transcript import Transcript
from servescope.load.timed_exchange import request_bytes
from servescope.sampling.inet_diag import socket_table
from servescope.sampling.owners import ANOTHER_PROCESS, find_holder, in_words
from servescope.sampling.tcp_sockets import TcpState
from servescope.sentences import counted
from servescope.sockets.binding import FIRST_UNPRIVILEGED, next_free_port

if TYPE_CHECKING:
    from servescope.experiments.host import ExperimentHost, TemporaryListener

CLIENT_S: Final = 5.0
_LOOPBACK: Final = "127.0.0.1"
_GREETING: Final = b"Hello from the second server\n"
_READ_BYTES: Final = 65_536
_SYSCTL: Final = Path("/proc/sys/net/ipv4")


class Outcome(StrEnum):
    """The kernel's answer to the second server."""

    REFUSED = "refused"  # EADDRINUSE
    SAME_PORT = "same-port"
    OTHER_PORT = "other-port"
    FIRST_CUT_OFF = "first-cut-off"  # it has the port, and the first one serves no more


@dataclass(frozen=True, slots=True)
class TakenPort:
    """`listener` serves; a second server asks for its port, in the way that the fields say.

    Measured are the `outcome`, the first server's `port`, its `holder` in words, the port that the
    second one `got` in the end (after a refusal the next free one), and what the system says of
    ports: `first_unprivileged` and the `given` range for port 0.
    """

    listener: TemporaryListener
    address: str = _LOOPBACK
    is_udp: bool = False
    wants_any: bool = False
    first_has_ended: bool = False
    reuses_address: bool = False

    def carry_out(self, host: ExperimentHost) -> dict[str, Any]:
        """Ask for the port. Raises LoadRefusedError when a server does not answer its client."""
        with ExitStack() as opened, ExitStack() as first:
            process = first.enter_context(host.listener(self.listener))
            opened.enter_context(host.span())
            told = Transcript()
            try:
                return self._take(process.address, first, opened, told)
            except OSError as error:
                why = error.strerror or error
                raise LoadRefusedError(f"the port could not be asked for: {why}") from error

    def _take(
        self, address: tuple[str, int], first: ExitStack, opened: ExitStack, told: Transcript
    ) -> dict[str, Any]:
        port = address[1]
        told.add("server 1", f"listens at {_LOOPBACK}, port {port}")
        _ask_first(address, told)
        holder = in_words(find_holder(port, _LOOPBACK))
        told.add("kernel", f"port {port} is held by {holder}")
        if self.first_has_ended:
            first.close()
            told.add("server 1", "ends")
            holder = _left_over(port)
            told.add("kernel", f"port {port}: {holder}")
        wanted = 0 if self.wants_any else port
        second = opened.enter_context(
            socket.socket(type=socket.SOCK_DGRAM if self.is_udp else socket.SOCK_STREAM)
        )
        second.settimeout(CLIENT_S)
        if self.reuses_address:
            second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            told.add("server 2", "sets SO_REUSEADDR")
        outcome = Outcome.SAME_PORT
        transport = "UDP" if self.is_udp else "TCP"
        asks = f"bind: asks for {transport} port {wanted} at {self.address}"
        try:
            second.bind((self.address, wanted))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            outcome = Outcome.REFUSED
            told.add("server 2", f"{asks}: [Errno {error.errno}] {os.strerror(error.errno)}")
            free = next_free_port(_LOOPBACK, port)
            if free is None:
                raise LoadRefusedError(f"no port near {port} is free") from error
            second.bind((_LOOPBACK, free))
            told.add("server 2", f"bind: asks for port {free}, the next free one, and gets it")
        else:
            told.add("server 2", f"{asks}: it gets port {second.getsockname()[1]}")
        _answer_one(second, self.is_udp, told)
        got = second.getsockname()[1]
        if outcome is not Outcome.REFUSED and got != port:
            outcome = Outcome.OTHER_PORT
        if not self.first_has_ended and not _ask_first(address, told):
            outcome = Outcome.FIRST_CUT_OFF
        return {
            "outcome": outcome,
            "port": port,
            "holder": holder,
            "got": got,
            "first_unprivileged": _first_unprivileged(),
            "given": _given_range(),
            "steps": told.steps,
        }


def _ask_first(address: tuple[str, int], told: Transcript) -> bool:
    """A client of the first server; whether it was answered. The server closes: it asks for that.

    So the connection stays in TIME_WAIT at the server's port (RFC 9293 section 3.3.2).
    """
    host, port = address
    with socket.create_connection(address, CLIENT_S) as client:
        client.sendall(request_bytes(address, "/README.txt"))
        received = bytearray()
        while block := client.recv(_READ_BYTES):
            received += block
    status_line = received.partition(b"\r\n")[0].decode("latin-1")
    told.add("client", f"asks http://{host}:{port}/README.txt of server 1: {status_line}")
    return bool(received)


def _answer_one(second: socket.socket, is_udp: bool, told: Transcript) -> None:
    """The second server greets a client, at whatever port it has."""
    address = second.getsockname()
    kind = socket.SOCK_DGRAM if is_udp else socket.SOCK_STREAM
    if not is_udp:
        second.listen()
    with socket.socket(type=kind) as client:
        client.settimeout(CLIENT_S)
        client.connect(address)
        if is_udp:
            client.send(b"Hello?\n")
            _, sender = second.recvfrom(_READ_BYTES)
            second.sendto(_GREETING, sender)
        else:
            accepted, _ = second.accept()
            with accepted:
                accepted.sendall(_GREETING)
        received = client.recv(_READ_BYTES)
    told.add("client", f"asks {address[0]}, port {address[1]}, and has an answer", received)


def _left_over(port: int) -> str:
    """The sockets at a port whose server has ended, in words."""
    states = [one.state for one in socket_table().sockets_on(port)]
    waiting = states.count(TcpState.TIME_WAIT)
    if waiting:
        kept = counted(waiting, "connection")
        return f"nobody listens, but the kernel keeps {kept} in TIME_WAIT for a minute"
    return "nobody has it" if not states else ANOTHER_PROCESS


def _first_unprivileged() -> int:
    try:
        return int((_SYSCTL / "ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):  # not everywhere is /proc/sys to be read
        return FIRST_UNPRIVILEGED


def _given_range() -> list[int]:
    """First and last port that the kernel gives to whoever asks for port 0; empty if unknown."""
    try:
        return [int(one) for one in (_SYSCTL / "ip_local_port_range").read_text().split()]
    except (OSError, ValueError):
        return []

"""The kernel's TCP sockets, from whichever source."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection


class TcpState(IntEnum):
    """TCP states by the kernel's numbers (net/tcp_states.h).

    In lower case the names are OpenTelemetry's values of `network.connection.state`.
    """

    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECEIVED = 3
    FIN_WAIT_1 = 4
    FIN_WAIT_2 = 5
    TIME_WAIT = 6
    CLOSED = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11
    BOUND_INACTIVE = 13  # bound, neither listening nor connected; Linux 6.8 and later tell of it


SERVER_SIDE_STATES: Final = (
    TcpState.ESTABLISHED,
    TcpState.SYN_RECEIVED,
    TcpState.FIN_WAIT_1,
    TcpState.FIN_WAIT_2,
    TcpState.TIME_WAIT,
    TcpState.CLOSE_WAIT,
    TcpState.LAST_ACK,
    TcpState.CLOSING,
)
"""States in which a connection that a server accepted, or is about to accept, can be."""


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """A listening TCP socket of this network namespace."""

    address: str
    port: int
    accept_queue_depth: int  # connections that wait for accept()
    backlog: int | None  # most that may wait; None where the source does not tell
    inode: int
    uid: int


@dataclass(frozen=True, slots=True)
class BoundSocket:
    """A socket that holds a local port, in whatever state. In TIME_WAIT nobody owns it: inode 0."""

    address: str
    port: int
    state: TcpState
    inode: int
    uid: int


class SocketTable(Protocol):
    """A source of the kernel's TCP sockets, IPv4 and IPv6; may be called from any thread.

    Every method raises OSError when the kernel does not answer this time.
    """

    def listening_sockets(self) -> list[ListeningSocket]:
        """Every listening socket, of all users."""

    def connection_counts(self, ports: Collection[int]) -> dict[tuple[int, TcpState], int]:
        """Connections by local port and state, for these local ports; zeros are left out.

        The states are SERVER_SIDE_STATES. A connection that waits in an accept queue counts as
        established.
        """

    def sockets_on(self, port: int) -> list[BoundSocket]:
        """Every socket that holds this local port."""

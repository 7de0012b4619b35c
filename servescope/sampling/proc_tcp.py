"""TCP sockets from /proc/net/tcp and tcp6, where netlink is refused: dearer, and no backlog.

Every connection of the host is read and parsed, whoever's it is (proc_net_tcp.rst). psutil's
`net_connections` reads the same tables in 1.2 times the time (`benchmarks/sampling.py`), without
the accept queues, inodes and users in them.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servescope.sampling.tcp_sockets import (
    SERVER_SIDE_STATES,
    BoundSocket,
    ListeningSocket,
    TcpState,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_STATES: Final = frozenset(TcpState)
_WORD_DIGITS: Final = 8


class ProcTcp:
    """The socket table as text."""

    def __init__(self, net: Path = Path("/proc/net")) -> None:
        self._tables = ((socket.AF_INET, net / "tcp"), (socket.AF_INET6, net / "tcp6"))

    def listening_sockets(self) -> list[ListeningSocket]:
        """Every listening socket; their backlog is None."""
        return [
            ListeningSocket(bound.address, bound.port, waiting, None, bound.inode, bound.uid)
            for bound, waiting in self._rows()
            if bound.state is TcpState.LISTEN
        ]

    def connection_counts(self, ports: Collection[int]) -> dict[tuple[int, TcpState], int]:
        """Connections by local port and state, see SocketTable."""
        counts: dict[tuple[int, TcpState], int] = {}
        for bound, _ in self._rows():
            if bound.port in ports and bound.state in SERVER_SIDE_STATES:
                key = bound.port, bound.state
                counts[key] = counts.get(key, 0) + 1
        return counts

    def sockets_on(self, port: int) -> list[BoundSocket]:
        """Every socket that holds this local port, but for those only bound."""
        return [bound for bound, _ in self._rows() if bound.port == port]

    def _rows(self) -> Iterator[tuple[BoundSocket, int]]:
        for family, path in self._tables:
            try:
                text = path.read_text("ascii")
            except FileNotFoundError:
                if family == socket.AF_INET6:  # switched off on this host
                    continue
                raise
            yield from parse_proc_tcp(text, family)


def parse_proc_tcp(text: str, family: int) -> Iterator[tuple[BoundSocket, int]]:
    """Each socket of a table with its receive queue, which for a listening one is its accept queue.

    Rows in states we have no name for are passed over.
    """
    for line in text.splitlines()[1:]:
        _, local, _, state, queues, _, _, uid, _, inode, *_ = line.split()
        number = int(state, 16)
        if number not in _STATES:
            continue
        address, port = local.split(":")
        bound = BoundSocket(
            _address(address, family), int(port, 16), TcpState(number), int(inode), int(uid)
        )
        yield bound, int(queues.split(":")[1], 16)


def _address(digits: str, family: int) -> str:
    """The kernel prints an address as 32-bit words in the machine's own byte order."""
    words = (
        int(digits[start : start + _WORD_DIGITS], 16)
        for start in range(0, len(digits), _WORD_DIGITS)
    )
    return socket.inet_ntop(family, b"".join(struct.pack("=I", word) for word in words))

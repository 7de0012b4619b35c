"""Accept queues and connections of our own ports, each second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from servescope.catalog import ACCEPT_QUEUE_BACKLOG, ACCEPT_QUEUE_DEPTH, CONNECTION_COUNT
from servescope.records import Sample
from servescope.sampling.inet_diag import socket_table
from servescope.sampling.tcp_sockets import SocketTable, TcpState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from servescope.sampling.tcp_sockets import ListeningSocket

READING_SHARE: Final = 0.003
"""Most of a core that each of the two readings, queues and connections, may take.

What a reading cost is spread over as many seconds as that needs, and its answer stands meanwhile.
One of up to 3 ms is taken each second: that is what netlink needs for some 2,000 connections of
ours (`benchmarks/sampling.py --connections 2000`).
"""

Answer = TypeVar("Answer")


class _Rationed(Generic[Answer]):
    """A reading of some ports, taken anew when the last one's cost is paid off or ports change."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._answer: tuple[frozenset[int], Answer] | None = None
        self._next_s = 0.0

    def get(self, ports: frozenset[int], read: Callable[[], Answer]) -> Answer:
        if self._answer and self._answer[0] == ports and time.monotonic() < self._next_s:
            return self._answer[1]
        start = time.thread_time()
        answer = read()
        self._next_s = time.monotonic() + (time.thread_time() - start) / self._share
        self._answer = ports, answer
        return answer


class SocketSampler:
    """ACCEPT_QUEUE_DEPTH, ACCEPT_QUEUE_BACKLOG and CONNECTION_COUNT of the ports in `ports()`.

    Sockets that share a port (several addresses, or SO_REUSEPORT) are added up. A port that
    listens reports its established connections from the start, and any other state from when it
    was first seen, zeros included, until `ports()` leaves the port out.
    """

    name = "socket"

    def __init__(
        self,
        ports: Callable[[], Sequence[int]],
        table: SocketTable | None = None,
        reading_share: float = READING_SHARE,
    ) -> None:
        """`table` is this process's own source unless given."""
        self._ports = ports
        self._table = table
        self._listening: _Rationed[list[ListeningSocket]] = _Rationed(reading_share)
        self._connections: _Rationed[dict[tuple[int, TcpState], int]] = _Rationed(reading_share)
        self._seen: set[tuple[int, TcpState]] = set()

    def sample(self) -> Iterator[Sample]:
        """Readings of now; nothing is asked of the kernel while there is no port."""
        ports = frozenset(self._ports())
        self._seen = {key for key in self._seen if key[0] in ports}
        if not ports:
            return
        table = self._table or socket_table()
        depths: dict[int, int] = {}
        backlogs: dict[int, int] = {}
        for listening in self._listening.get(ports, table.listening_sockets):
            port = listening.port
            if port in ports:
                depths[port] = depths.get(port, 0) + listening.accept_queue_depth
                if listening.backlog is not None:
                    backlogs[port] = backlogs.get(port, 0) + listening.backlog
        counts = self._connections.get(ports, lambda: table.connection_counts(ports))
        self._seen |= counts.keys() | {(port, TcpState.ESTABLISHED) for port in depths}
        for port, depth in depths.items():
            yield Sample(ACCEPT_QUEUE_DEPTH, float(depth), (("port", str(port)),))
        for port, backlog in backlogs.items():
            yield Sample(ACCEPT_QUEUE_BACKLOG, float(backlog), (("port", str(port)),))
        for port, state in sorted(self._seen):
            labels = (("network.connection.state", state.name.lower()), ("port", str(port)))
            yield Sample(CONNECTION_COUNT, float(counts.get((port, state), 0)), labels)

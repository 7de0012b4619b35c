"""Accept queues and connections of our own ports, each second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from servescope.catalog import ACCEPT_QUEUE_BACKLOG, ACCEPT_QUEUE_DEPTH, CONNECTION_COUNT
from servescope.records import Sample
from servescope.sampling.inet_diag import socket_table
from servescope.sampling.tcp_sockets import SocketTable, TcpState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

COUNTING_SHARE: Final = 0.003
"""Most of a core that counting connections may take: what one count cost is spread over as many
seconds as that needs, and the counts of the last one stand meanwhile. A second of 4,000 connections
or fewer costs less than that; 28,000 in TIME_WAIT are counted every 7 s or so."""


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
        counting_share: float = COUNTING_SHARE,
    ) -> None:
        """`table` is this process's own source unless given."""
        self._ports = ports
        self._table = table
        self._counting_share = counting_share
        self._counts: dict[tuple[int, TcpState], int] = {}
        self._counted_ports: frozenset[int] = frozenset()
        self._next_count_s = 0.0

    def sample(self) -> Iterator[Sample]:
        """Readings of now; nothing is asked of the kernel while there is no port."""
        ports = frozenset(self._ports())
        if not ports:
            self._counts.clear()
            return
        table = self._table or socket_table()
        depths: dict[int, int] = {}
        backlogs: dict[int, int] = {}
        for listening in table.listening_sockets():
            port = listening.port
            if port in ports:
                depths[port] = depths.get(port, 0) + listening.accept_queue_depth
                if listening.backlog is not None:
                    backlogs[port] = backlogs.get(port, 0) + listening.backlog
        self._count(table, ports, depths)
        for port, depth in depths.items():
            yield Sample(ACCEPT_QUEUE_DEPTH, float(depth), (("port", str(port)),))
        for port, backlog in backlogs.items():
            yield Sample(ACCEPT_QUEUE_BACKLOG, float(backlog), (("port", str(port)),))
        for (port, state), count in self._counts.items():
            labels = (("network.connection.state", state.name.lower()), ("port", str(port)))
            yield Sample(CONNECTION_COUNT, float(count), labels)

    def _count(self, table: SocketTable, ports: frozenset[int], listening: dict[int, int]) -> None:
        """Bring the counts up to date, when that is due."""
        now_s = time.monotonic()
        if ports == self._counted_ports and now_s < self._next_count_s:
            return
        start = time.thread_time()
        found = table.connection_counts(ports)
        cost_s = time.thread_time() - start
        self._counted_ports = ports
        self._next_count_s = now_s + cost_s / self._counting_share
        known = {key for key in self._counts if key[0] in ports}
        known |= {(port, TcpState.ESTABLISHED) for port in listening}
        self._counts = {key: found.get(key, 0) for key in sorted(known | found.keys())}

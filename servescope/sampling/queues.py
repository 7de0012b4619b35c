"""Accept queues and connections of our own ports, each second."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from servescope.catalog import ACCEPT_QUEUE_BACKLOG, ACCEPT_QUEUE_DEPTH, CONNECTION_COUNT
from servescope.records.metrics import Sample
from servescope.sampling.inet_diag import socket_table
from servescope.sampling.tcp_sockets import SocketTable, TcpState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from servescope.records.metrics import Labels
    from servescope.sampling.tcp_sockets import ListeningSocket

READING_SHARE: Final = 0.003
"""Most of a core that each of the two readings, queues and connections, may take.

The cost of a reading is spread over as many seconds as that needs, and its answer stands meanwhile.
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


class PortLabels(NamedTuple):
    """The values of a port's labels; `listener` is empty where several listeners share them."""

    port: str
    listener: str = ""

    @property
    def labels(self) -> Labels:
        """Its labels, without one that is empty."""
        whose = (("listener", self.listener),) if self.listener else ()
        return (*whose, ("port", self.port))


class SocketSampler:
    """ACCEPT_QUEUE_DEPTH, ACCEPT_QUEUE_BACKLOG and CONNECTION_COUNT of the ports in `ports()`.

    `ports()` gives each port with what the label `port` says of it, and with the listener that has
    it: ports that come and go may share a label, or each would leave a series behind. Ports of the
    same labels are added up, as are sockets that share a port (several addresses, or SO_REUSEPORT).
    A port that listens reports its established connections from the start, and any other state from
    when it was first seen, zeros included, until `ports()` leaves the port out.
    """

    name = "socket"

    def __init__(
        self,
        ports: Callable[[], Mapping[int, PortLabels]],
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
        labels = self._ports()
        ports = frozenset(labels)
        self._seen = {key for key in self._seen if key[0] in ports}
        if not ports:
            return
        table = self._table or socket_table()
        depths: Counter[PortLabels] = Counter()
        backlogs: Counter[PortLabels] = Counter()
        listening_ports = set()
        for listening in self._listening.get(ports, table.listening_sockets):
            port = listening.port
            if port in ports:
                listening_ports.add(port)
                depths[labels[port]] += listening.accept_queue_depth
                if listening.backlog is not None:
                    backlogs[labels[port]] += listening.backlog
        counts = self._connections.get(ports, lambda: table.connection_counts(ports))
        self._seen |= counts.keys() | {(port, TcpState.ESTABLISHED) for port in listening_ports}
        connections: Counter[tuple[str, TcpState]] = Counter()
        for port, state in self._seen:
            connections[labels[port].port, state] += counts.get((port, state), 0)
        for one, depth in depths.items():
            yield Sample(ACCEPT_QUEUE_DEPTH, float(depth), one.labels)
        for one, backlog in backlogs.items():
            yield Sample(ACCEPT_QUEUE_BACKLOG, float(backlog), one.labels)
        for (label, state), count in sorted(connections.items()):
            by_state = (("network.connection.state", state.name.lower()), ("port", label))
            yield Sample(CONNECTION_COUNT, float(count), by_state)

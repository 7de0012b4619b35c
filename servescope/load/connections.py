"""One non-blocking connection of the generator, and what it is doing.

The kernel stamps the arrival of received bytes (`sockets.timestamps`), so that a latency ends when
the response was there, not when the generator came to read it.
"""

from __future__ import annotations

import resource
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from servescope.records.load import LoadOutcome
from servescope.sockets.timestamps import stamp_arrivals
from servescope.wire.http1_client import ClientConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servescope.load.exchange import Exchange
    from servescope.load.websocket_conversation import WebSocketConversation

RECEIVE_BYTES: Final = 65_536
SLOW_BUFFER_BYTES: Final = 16_384
SLOW_SEGMENT_BYTES: Final = 1_448  # of Ethernet, with timestamps: loopback's are of 64 KiB

_SPARE_DESCRIPTORS: Final = 64  # pipes, rings, epoll and what the interpreter has open


class Connection:
    """A TCP connection that carries one exchange at a time.

    Made unconnected; `connect` starts the handshake. The epoll loop in `loop` drives it and owns
    its fields; times are `time.monotonic_ns()`.
    """

    __slots__ = (
        "awaits_peer",
        "connect_ns",
        "conversation",
        "early_end",
        "established",
        "exchange",
        "fd",
        "http",
        "interest",
        "is_closed",
        "opened_ns",
        "read_bytes",
        "receive",
        "send",
        "served",
        "socket",
        "tls_ns",
        "unsent",
        "user",
    )

    def __init__(self, family: socket.AddressFamily, opened_ns: int) -> None:
        self.socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stamp_arrivals(self.socket)
        self.fd = self.socket.fileno()
        self.send: Callable[[bytes], int] = self.socket.send
        self.receive: Callable[[int, int], Any] = self.socket.recvmsg
        self.http = ClientConnection()
        self.interest = 0  # the epoll events it is registered for; 0: not registered
        self.opened_ns = opened_ns
        self.connect_ns = 0  # how long connecting took, TLS included
        self.tls_ns = 0  # how long the handshake of TLS took
        self.established = False
        self.early_end = LoadOutcome.REFUSED  # what its end means before it is established
        self.is_closed = False
        self.awaits_peer = False  # nothing can be sent before something was received
        self.served = 0  # requests answered before the present one
        self.exchange: Exchange | None = None
        self.conversation: WebSocketConversation | None = None
        self.user: int | None = None  # in the closed model
        self.unsent = b""  # what the kernel has not taken yet
        self.read_bytes = RECEIVE_BYTES  # how much may be read at a time

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request to carry."""
        return self.exchange is None and self.conversation is None

    def establish(self, now_ns: int) -> None:
        """It is connected, and behind TLS the handshake is done."""
        self.established = True
        self.connect_ns = now_ns - self.opened_ns

    def connect(self, address: str, port: int) -> None:
        """Start connecting; whether it succeeds shows at the first send."""
        self.socket.connect_ex((address, port))

    def close(self) -> None:
        """Close the socket, which also ends its registration (epoll(7))."""
        self.is_closed = True
        self.socket.close()
        self.http.close()
        del self.send, self.receive


def hold_little(client: socket.socket) -> None:
    """Let the kernels keep little of an answer that is read slowly; before `connect`.

    With the buffers of loopback, a server's kernel takes megabytes that nobody has read.
    """
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SLOW_SEGMENT_BYTES)


def descriptors_for(connections: int) -> int:
    """Raise the soft limit on descriptors as needed; return how many connections it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return connections
    return max(min(connections, soft - _SPARE_DESCRIPTORS), 1)


@contextmanager
def descriptors_lent(connections: int) -> Iterator[int]:
    """The same for the time of the context: then the soft limit is what it was.

    Nothing is taken back that somebody has raised further meanwhile.
    """
    before = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    allowed = descriptors_for(connections)
    raised, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        yield allowed
    finally:
        if resource.getrlimit(resource.RLIMIT_NOFILE) == (raised, hard):
            resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def wall_offset_ns(tries: int = 5) -> int:
    """The difference of `time.time_ns()` and `time.monotonic_ns()`, within about 0.1 µs.

    Of a few readings the one counts that took the least time: it was not interrupted.
    """
    readings = []
    for _ in range(tries):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1]

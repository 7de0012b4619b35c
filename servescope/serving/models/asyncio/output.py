"""The event-loop output buffer: bytes of a connection that its client has not taken yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.errors import ClientDisconnectedError, ClientGoneError
from servescope.hosting.asgi.host import Waiters
from servescope.serving.connection import now_ns
from servescope.sockets.stream import PARENTS_SOCKET

if TYPE_CHECKING:
    import asyncio

    from servescope.hosting.exchange import Exchange
    from servescope.serving.models.asyncio.watch import Watch
    from servescope.sockets.stream import StreamSocket

HIGH_WATER: Final = 65_536
"""Bytes unsent beyond which an app has to wait."""

LOW_WATER: Final = 16_384
"""Bytes unsent from which on it goes on."""

SEND_BYTES: Final = 262_144
"""Most bytes sent in one turn, so that a fast client does not starve the others."""


class OutputBuffer:
    """Sends what the client takes at once and keeps the rest; sending never waits.

    It has the loop report the socket as writable while bytes are pending. The connection, which
    owns the socket, calls `flush` then, and gives up when `deadline_ns` passes before that.
    """

    __slots__ = (
        "_began_ns",
        "_drained",
        "_is_closed",
        "_loop",
        "_socket",
        "_timeout_ns",
        "_writable",
        "deadline_ns",
        "held",
        "is_congested",
        "pending",
    )

    def __init__(
        self,
        sock: StreamSocket,
        loop: asyncio.AbstractEventLoop,
        writable: Watch,
        timeout_ns: int,
    ) -> None:
        self._socket = sock
        self._loop = loop
        self._writable = writable
        self._timeout_ns = timeout_ns
        self._began_ns = 0
        self._drained: Waiters | None = None
        self._is_closed = False
        self.pending = bytearray()
        self.deadline_ns = 0  # of the client's next sign of taking something, while pending
        self.is_congested = False  # the client is far behind (see Output)
        self.held = b""  # a whole response that was not offered to the client yet (see WriteBatch)

    def send(self, exchange: Exchange, data: bytes) -> bool:
        """Send bytes of this exchange or its WebSocket; whether nothing is pending.

        Raises ClientGoneError.
        """
        if self.pending:
            self._keep(data)
            return False
        # A head that was made just now is what is sent here.
        began_ns = now_ns() if exchange.bytes_sent else exchange.head_ready_ns
        sent = self._send_some(data) if data else 0
        exchange.bytes_sent += sent
        exchange.last_sent_ns = ended_ns = now_ns()
        exchange.write_ns += ended_ns - began_ns
        if sent < len(data):
            self._keep(data[sent:])
            return False
        return True

    def _send_some(self, data: bytes | memoryview) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:  # EBADF among them, once the connection is closed
            raise ClientGoneError("the client closed the connection") from error

    def _keep(self, data: bytes) -> None:
        if not self.pending:
            self._began_ns = now_ns()
            self.deadline_ns = self._began_ns + self._timeout_ns
        self.pending += data
        self.is_congested = len(self.pending) > HIGH_WATER
        self._writable.on()

    def flush(self, exchange: Exchange) -> bool:
        """Send what the client takes now; whether nothing is pending any more.

        Raises ClientGoneError.
        """
        pending = self.pending
        with memoryview(pending) as view, view[:SEND_BYTES] as turn:
            sent = self._send_some(turn)
        exchange.bytes_sent += sent
        del pending[:sent]
        self.is_congested = len(pending) > HIGH_WATER
        if sent:
            self.deadline_ns = now_ns() + self._timeout_ns
        if self._drained is not None and len(pending) <= LOW_WATER:
            self._drained.wake()
        if pending:
            return False
        self._writable.off()
        if not exchange.is_recorded:
            self.count_writing(exchange)
        return True

    def count_writing(self, exchange: Exchange) -> None:
        """The write that left bytes pending ends now, be it that it was broken off."""
        exchange.last_sent_ns = now_ns()
        exchange.write_ns += exchange.last_sent_ns - self._began_ns

    def limit_stall(self, timeout_ns: int) -> None:
        """Let the client take no longer than this between two signs of taking something."""
        self._timeout_ns = min(self._timeout_ns, timeout_ns)
        self.deadline_ns = min(self.deadline_ns, now_ns() + timeout_ns)

    def make_waiter(self) -> asyncio.Future[None]:
        """A new waiter (see Output)."""
        return self._loop.create_future()

    async def drain(self) -> None:
        """Wait until little is pending. Raises ClientDisconnectedError (see Output)."""
        while len(self.pending) > LOW_WATER and not self._is_closed:
            if self._drained is None:
                self._drained = Waiters(self.make_waiter)
            await self._drained.wait()
        if self._is_closed:
            raise ClientDisconnectedError("the client has closed the connection")

    def disown(self) -> None:
        """Leave the socket to the parent, in a forked child (see Connection)."""
        self._socket = PARENTS_SOCKET

    def close(self) -> None:
        """The connection is closed: give up what is pending, and wake who waits for it."""
        self._is_closed = True
        self.held = b""
        self.pending.clear()
        self.is_congested = False
        if self._drained is not None:
            self._drained.wake()

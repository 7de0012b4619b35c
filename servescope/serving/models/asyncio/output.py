"""The way out of a connection on an event loop: what the client does not take yet is kept."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from servescope.errors import ClientDisconnectedError, ClientGoneError
from servescope.hosting.asgi.host import Waiters
from servescope.serving.connection import Connection, now_ns
from servescope.serving.models.asyncio.phases import Phase

if TYPE_CHECKING:
    import asyncio

    from servescope.hosting.exchange import Exchange
    from servescope.records import RequestFlag

HIGH_WATER: Final = 65_536
"""Bytes unsent beyond which an app is told to wait."""

LOW_WATER: Final = 16_384
"""Bytes unsent from which on it goes on."""

SEND_BYTES: Final = 262_144
"""Most bytes sent in one turn, so that a fast client does not starve the others."""

# A member looked up on its Enum class costs three times a global in Python 3.11.
_THREAD: Final = Phase.THREAD


class LoopOutput(Connection):
    """A connection whose `send` never waits; `prepare_output` comes first.

    `deadline_ns` is that of the client's next sign of taking something, while bytes are pending.
    """

    __slots__ = (
        "_drained",
        "_ends",
        "_is_driving",
        "_is_writing",
        "_loop",
        "_pending",
        "_pending_began_ns",
        "is_congested",
        "phase",
    )

    def prepare_output(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to a loop."""
        self._loop = loop
        self._drained: Waiters | None = None
        self._pending = bytearray()  # of a response or a WebSocket
        self._pending_began_ns = 0
        self.is_congested = False  # the client is far behind (see Channel)
        self._ends = False  # the response ends with what is pending
        self._is_writing = False
        self._is_driving = False  # the app is called right now: what it did is seen to after that
        self.phase = Phase.READING

    @abstractmethod
    def _has_ended(self) -> None:
        """The response is out."""

    @abstractmethod
    def _has_flushed(self) -> None:
        """Nothing is pending any more."""

    @abstractmethod
    def _flush_guarded(self) -> None:
        """The socket takes more: see to it that `_flush` is called."""

    def make_waiter(self) -> asyncio.Future[None]:
        """A new waiter (see Channel)."""
        return self._loop.create_future()

    async def drain(self) -> None:
        """Wait while congested (see Channel)."""
        while len(self._pending) > LOW_WATER and not self.is_closed:
            if self._drained is None:
                self._drained = Waiters(self.make_waiter)
            await self._drained.wait()
        if self.is_closed:
            raise ClientDisconnectedError("the client has closed the connection")

    def send(self, data: bytes, *, last: bool) -> None:
        """Send a part of the response (see ResponseSink)."""
        if self.phase is _THREAD:  # it owns the connection, and may wait
            super().send(data, last=last)
            return
        if self._pending:
            self._keep_pending(data)
            self._ends |= last
            return
        exchange = self.conversation.exchange or self._exchange()
        # A head that was made just now is what is sent here.
        began_ns = now_ns() if exchange.bytes_sent else exchange.head_ready_ns
        try:  # as `_send_some`, without the call
            sent = self._socket.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        except OSError as error:  # EBADF among them, once we have closed it
            raise ClientGoneError("the client closed the connection") from error
        exchange.bytes_sent += sent
        exchange.last_sent_ns = ended_ns = now_ns()
        exchange.write_ns += ended_ns - began_ns
        if sent < len(data):
            self._ends = last
            self._keep_pending(data[sent:])
        elif last:
            record = self._record
            record(exchange)
            if not self._is_driving:
                self._has_ended()

    def send_frames(self, data: bytes) -> None:
        """Send frames of a WebSocket (see Channel)."""
        if self.is_closed:
            raise ClientGoneError("the connection is closed")
        sent = 0 if self._pending else self._send_some(self._exchange(), data)
        if sent < len(data):
            self._keep_pending(data[sent:])

    def _keep_pending(self, data: bytes) -> None:
        if not self._pending:
            now = now_ns()
            self._pending_began_ns = now
            self.deadline_ns = now + self._write_timeout_ns
        self._pending += data
        self.is_congested = len(self._pending) > HIGH_WATER
        self._write_on()

    def _write_on(self) -> None:
        if not self._is_writing and not self.is_closed:
            self._is_writing = True
            self._loop.add_writer(self.descriptor, self._flush_guarded)

    def _stop_writing(self) -> None:
        if self._is_writing:
            self._is_writing = False
            self._loop.remove_writer(self.descriptor)

    def _flush(self) -> bool:
        """Send what the client takes now; False when it has gone."""
        exchange = self._exchange()
        try:
            with memoryview(self._pending) as pending, pending[:SEND_BYTES] as turn:
                sent = self._send_some(exchange, turn)
        except ClientGoneError:
            return False
        del self._pending[:sent]
        self.is_congested = len(self._pending) > HIGH_WATER
        if sent:
            self.deadline_ns = now_ns() + self._write_timeout_ns
        if self._drained is not None and len(self._pending) <= LOW_WATER:
            self._drained.wake()
        if not self._pending:
            self._stop_writing()
            self._count_writing(exchange)
            if self._ends:
                self._ends = False
                self._record(exchange)
            self._has_flushed()
        return True

    def _count_writing(self, exchange: Exchange) -> None:
        if not exchange.is_recorded:
            exchange.last_sent_ns = now_ns()
            exchange.write_ns += exchange.last_sent_ns - self._pending_began_ns

    def drop_pending(self) -> None:
        """Give up what was not sent."""
        self._pending.clear()
        self.is_congested = self._ends = False
        self._stop_writing()

    def record_broken_off(self, flags: RequestFlag) -> None:
        """Record a response that will not be completed, if there is one."""
        exchange = self.conversation.exchange
        if exchange is None or exchange.is_recorded:
            return
        now = now_ns()
        exchange.flags |= flags
        exchange.taken_ns = exchange.taken_ns or now
        exchange.last_sent_ns = now
        if self._pending:
            exchange.write_ns += now - self._pending_began_ns
        elif self.unsent is not None:
            exchange.write_ns += now - self._write_began_ns
        self._record(exchange)

    def close(self) -> None:
        """Close the socket, give up what is pending, and tell who waits for it."""
        self._stop_writing()
        super().close()
        self._pending.clear()
        self.is_congested = False
        if self._drained is not None:
            self._drained.wake()

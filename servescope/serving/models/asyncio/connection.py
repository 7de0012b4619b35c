"""A connection on an event loop: its socket, its phase, and who handles what happens to it.

Theory of operation. The loop reports when the socket can be read or written; all reading is by
recvmsg, so that the kernel's stamp comes along (asyncio's transports hide it). The connection
itself reads requests and lingers at the end. Between the two it has exactly one handler, which is
told of all that happens: an `AsgiHandler` while the app answers on the loop, a `ThreadHandler`
while a thread does, a `WebSocketSession` once the protocol was switched. The Conversation says what
comes next; `enter` checks it against the table of phases (`phases`), which also names the handlers.

    owner (loop.py) -- makes --> LoopConnection -- has --> OutputBuffer, two Watches
                                       |
                                       +-- tells --> Handler: AsgiHandler | ThreadHandler
                                                              | WebSocketSession
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Final, Protocol

from servescope.hosting.conversation import Need
from servescope.request_fields import RequestFlag
from servescope.serving.connection import LINGER, READ_BYTES, STOP_LINGER, Connection, now_ns
from servescope.serving.models.asyncio.output import OutputBuffer
from servescope.serving.models.asyncio.phases import BUSY, TRANSITIONS, Phase
from servescope.serving.models.asyncio.watch import Watch
from servescope.sockets.timestamps import receive

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from servescope.hosting.asgi.http import HttpCall
    from servescope.hosting.asgi.websocket import WebSocketCall
    from servescope.hosting.conversation import Conversation
    from servescope.hosting.exchange import Exchange
    from servescope.serving.connection import ConnectionContext
    from servescope.serving.models.asyncio.write_batch import WriteBatch
    from servescope.sockets.stream import StreamSocket

# Looked up once, here, in `asgi_handler` and in `hosting.asgi.http`: 14 look-ups a request on the
# Enum classes cost asyncio 4.8 % of its CPU in `benchmarks/serving.py`, plain (CPython 3.11).
_READING: Final = Phase.READING
_LINGERING: Final = Phase.LINGERING
_READ: Final = Need.READ
_RUN: Final = Need.RUN
_LINGER: Final = Need.LINGER
_CLOSE: Final = Need.CLOSE


class Handler(Protocol):
    """The receiver of all that happens to a connection until the phase changes."""

    def on_readable(self) -> None:
        """The loop reports bytes, the end, or a reset."""

    def on_writable(self) -> None:
        """The client takes more."""

    def on_half_close(self) -> None:
        """The client has ended its side, behind bytes that nobody has read yet."""

    def on_deadline(self) -> None:
        """The deadline of the connection, or of its output, has passed."""

    def on_stop(self) -> None:
        """The listener stops."""

    def on_close(self) -> None:
        """The connection was closed under it."""


class RequestHandler(Handler, Protocol):
    """The handler that answers the requests of a connection, one after the other."""

    def answer(self, exchange: Exchange) -> Need | None:
        """Enter a phase and answer; what comes next, or None when the answer takes its time.

        In that case it has the connection carry out what comes next by itself.
        """


class LoopOwner(Protocol):
    """The interface to the model that owns a connection and its handlers."""

    loop: asyncio.AbstractEventLoop
    batch: WriteBatch
    body_ns: int  # how long a body may keep us waiting
    is_stopping: bool

    def request_handler(self, connection: LoopConnection) -> RequestHandler:
        """Make the handler of a connection's requests."""

    def guard(self, connection: LoopConnection, act: Callable[[], None]) -> None:
        """Do something with a connection; a fault costs this connection only."""

    def give_up(self, connection: LoopConnection) -> None:
        """Log the exception at hand, a fault of ours, and close its connection."""

    def cancel_if_unaware(self, call: HttpCall | WebSocketCall) -> None:
        """The client of a call has gone: cancel the call unless it soon knows."""

    def forget(self, connection: LoopConnection) -> None:
        """The connection is closed."""


class LoopConnection(Connection):
    """One accepted socket on the loop."""

    __slots__ = ("_request_handler", "handler", "output", "owner", "phase", "readable", "writable")

    def __init__(
        self,
        owner: LoopOwner,
        sock: StreamSocket,
        conversation: Conversation,
        context: ConnectionContext,
    ) -> None:
        super().__init__(sock, conversation, context)
        loop, descriptor = owner.loop, self.descriptor
        self.owner = owner
        self.phase = _READING
        self.deadline_ns = conversation.deadline_ns
        self.readable = Watch(descriptor, loop.add_reader, loop.remove_reader, self.on_readable)
        self.writable = Watch(descriptor, loop.add_writer, loop.remove_writer, self._on_writable)
        self.output = OutputBuffer(sock, loop, self.writable, context.write_timeout_ns)
        self.handler: Handler | None = None
        self._request_handler = owner.request_handler(self)

    def enter(self, phase: Phase, handler: Handler | None = None) -> None:
        """Change the phase, and with it the handler. Raises RuntimeError (see `TRANSITIONS`)."""
        if phase not in TRANSITIONS[self.phase]:
            raise RuntimeError(f"a connection may not go from {self.phase!r} to {phase!r}")
        self.phase = phase
        self.handler = handler

    # Called by the loop.

    def on_readable(self) -> None:
        """Read once, and do what follows from it; a fault costs this connection only."""
        try:
            handler = self.handler
            if handler is not None:
                handler.on_readable()
                return
            if self.phase is not _READING:
                self._read_last()
                return
            try:
                data, kernel_ns = receive(self._socket, READ_BYTES)
            except BlockingIOError:
                self.readable.on()
                return
            except OSError:
                data, kernel_ns = b"", 0
            if data:
                self._receive(data, kernel_ns)
            else:
                self.carry_out(self.conversation.receive_eof())
        except BaseException:  # noqa: BLE001 - the loop's boundary: the fault costs its connection only
            self.owner.give_up(self)

    def _receive(self, data: bytes, kernel_ns: int) -> None:
        need = self.conversation.receive(data, now_ns(), kernel_ns)
        if need is _READ:  # a part of a request
            self.readable.renew()
        self.carry_out(need)
        batch = self.owner.batch
        if batch.is_due:
            batch.write()

    def _read_last(self) -> None:
        if self.phase is not _LINGERING:
            return
        if self.discard():
            self.close()
        else:
            self.readable.renew()

    def _on_writable(self) -> None:
        if self.handler is not None:
            self.owner.guard(self, self.handler.on_writable)

    def disown(self) -> None:
        """Leave the socket to the parent, unwatched (see Connection)."""
        self.readable.disown()
        self.writable.disown()
        self.output.disown()
        super().disown()

    # The next step.

    def carry_out(self, need: Need | None) -> None:
        """Do what the conversation needs, and go on as long as that needs no waiting."""
        while need is _RUN:
            exchange = self.conversation.exchange or self.current_exchange()
            need = self._request_handler.answer(exchange)
        if need is _READ:
            conversation = self.conversation
            if conversation.interim:
                self.send_interim(conversation.take_interim())
            self.enter(_READING)
            self.deadline_ns = conversation.deadline_ns
            if not self.readable.is_on:
                self.readable.on()
        elif need is _LINGER:
            self.linger()
        elif need is _CLOSE:
            self.close()

    def linger(self) -> None:
        """Tell the client that no more comes, and read on for a while (see Linger)."""
        self.enter(_LINGERING)
        self.begin_linger(STOP_LINGER if self.owner.is_stopping else LINGER)
        self.readable.on()

    def call_soon(self, act: Callable[[], None]) -> None:
        """Do something in a turn of the loop of its own; a fault costs this connection only."""
        self.owner.loop.call_soon(self.owner.guard, self, act)

    def refuse(self) -> None:
        """Answer the refusal that the conversation was given."""
        self.carry_out(Need.RUN)

    # Called by the owner.

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self.phase in BUSY

    @property
    def is_writing(self) -> bool:
        """Whether bytes of the response wait for the client, here or with a thread."""
        return bool(self.output.pending or self.output.held) or super().is_writing

    @property
    def is_unread(self) -> bool:
        """Whether the loop does not report that its client leaves, for it is not read."""
        return (
            self.phase is Phase.RUNNING or self.phase is Phase.WEBSOCKET
        ) and not self.readable.is_on

    def notice(self, events: int) -> None:
        """The events that poll(2) finds while `is_unread`."""
        if events & ~select.POLLRDHUP:  # a reset
            self.close()
        elif self.handler is not None:
            self.handler.on_half_close()

    def is_overdue(self, now: int) -> bool:
        """Whether a deadline has passed; that of the output holds while bytes are pending."""
        return now >= (self.output.deadline_ns if self.output.pending else self.deadline_ns)

    def expire(self) -> None:
        """The deadline has passed."""
        if self.handler is not None:
            self.handler.on_deadline()
        elif self.phase is _READING:
            self.carry_out(self.conversation.expire())
        else:
            self.close()

    def begin_stop(self) -> None:
        """The listener stops: close what is idle, unless a request has arrived just now."""
        if self.handler is not None:
            self.handler.on_stop()
        elif self.phase is _LINGERING:
            self.shorten_linger(STOP_LINGER)
        elif self.phase is _READING and self.conversation.is_idle:
            found = self.read()
            if found is None or not found[0]:
                self.close()
            else:
                self._receive(*found)

    # The end.

    def close(self, flags: RequestFlag = RequestFlag.ABORTED) -> None:
        """Close the socket; a request at hand is recorded with `flags`, and its handler told.

        A connection that a thread has is broken off, and closed once the thread is done with it.
        """
        if self.is_closed:
            return
        if self.phase is Phase.THREAD:
            self.abort()
            return
        self._record_broken_off(flags)
        handler = self.handler
        self.enter(Phase.CLOSED)
        self.readable.end()
        self.writable.end()
        super().close()
        self.output.close()
        if handler is not None:
            handler.on_close()
        del self._request_handler  # which knows us: no cycle is left to the garbage collector
        self.owner.forget(self)

    def _record_broken_off(self, flags: RequestFlag) -> None:
        """Record a response that will not be completed, if there is one."""
        exchange = self.conversation.exchange
        if exchange is None or exchange.is_recorded:
            return
        now = now_ns()
        exchange.flags |= flags
        exchange.last_sent_ns = now
        if self.output.pending:
            self.output.count_writing(exchange)
        elif self.unsent is not None:
            exchange.write_ns += now - self._write_began_ns
        self.note_cut_off(exchange)
        self.record(exchange)

"""An accepted connection: its socket, its conversation, and the way out for responses."""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from servescope.errors import ClientGoneError
from servescope.forked_child import in_children
from servescope.records.requests import Stage
from servescope.request_fields import RequestFlag
from servescope.sockets.stream import PARENTS_SOCKET
from servescope.sockets.timestamps import receive
from servescope.sockets.tls import TlsSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from servescope.hosting.conversation import Conversation
    from servescope.hosting.exchange import Exchange
    from servescope.hosting.open_file import OpenFile
    from servescope.sockets.stream import StreamSocket
    from servescope.wire.http1_response import Dates

now_ns = time.perf_counter_ns
"""The one monotonic clock of a listener."""

READ_BYTES: Final = 65_536
FILE_TURN_BYTES: Final = 1_048_576
"""Most bytes of a file sent in one turn, so that a fast client does not starve the others."""

DISCARD_TURN_BYTES: Final = 262_144
"""Most bytes thrown away in one turn, so that a fast client does not starve the others."""


class Linger(NamedTuple):
    """How long to read on after a response that closes the connection (RFC 9112 section 9.6).

    An upload that nobody wanted may be of any size: a client that goes on sending it loses the
    response to a reset when the connection is closed under it. So it is the time that is bounded.
    """

    idle_ns: int  # without a byte
    most_ns: int  # in all


LINGER: Final = Linger(2_000_000_000, 30_000_000_000)  # nginx waits for 5 s and 30 s
STOP_LINGER: Final = Linger(250_000_000, 1_000_000_000)
"""The same while stopping."""

LOOK_FROM_NS: Final = 10_000_000
"""From this age of a request on, its client is looked for before the last bytes are sent: to ask
costs 2 µs, and few clients have gone earlier."""

NOT_REGISTERED: Final = -1
"""`Connection.armed` while epoll does not know the connection; else the events it reports."""


STAGES_IN_HAND: Final = {
    stage.name.lower(): stage for stage in (Stage.READ, Stage.APP, Stage.BODY, Stage.WRITE)
}
"""By name, the stages that `requests_in_stage` counts: before these the kernel has a request, and
the queue for a thread has a count of its own."""

_FILE_FAULTS: Final = frozenset(
    (errno.EIO, errno.EINVAL, errno.ESTALE, errno.EBADMSG, errno.EUCLEAN, errno.EOVERFLOW)
)
"""Errors of sendfile(2) that are the file's; all others are the socket's."""

_ending: Final = threading.Lock()
"""Held for the close of a socket, and to break off one that another thread uses: between looking at
its descriptor and shutdown(2), that one could close it, and a new client be given the number."""


def _release(lock: threading.Lock) -> None:
    """Free a lock that a thread holds which is no more."""
    if lock.locked():
        lock.release()


in_children(_ending, _release)


@dataclass(slots=True)
class Unsent:
    """The rest of a complete response: bytes first, then `count` bytes of a file, if any."""

    data: memoryview
    file: OpenFile | None = None
    offset: int = 0
    count: int = 0

    def close(self) -> None:
        """Give up the file."""
        if self.file is not None:
            self.file.close()


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """Values that all connections of one listener share."""

    record: Callable[[Exchange], None]  # to be called once the last byte is out
    date: Dates  # see ResponseSink
    write_timeout_ns: int  # for each bit of progress


class Connection:
    """One accepted socket, non-blocking; it is the ResponseSink of its exchanges.

    A response whose end is known never waits here: bytes that the kernel does not take stay in
    `unsent`, and the model calls `send_unsent` when the socket takes more. A response that still
    grows waits for the client, at most `write_ns` for each bit of progress.
    """

    __slots__ = (
        "_is_sending",
        "_linger_idle_ns",
        "_linger_until_ns",
        "_socket",
        "_waits_for_client",
        "_write_began_ns",
        "_write_timeout_ns",
        "armed",
        "conversation",
        "date",
        "deadline_ns",
        "descriptor",
        "is_closed",
        "is_lingering",
        "is_parked",
        "now_ns",
        "record",
        "unsent",
        "was_cut_off",
    )

    def __init__(
        self, sock: StreamSocket, conversation: Conversation, context: ConnectionContext
    ) -> None:
        self._socket = sock
        self.record = context.record
        self.date = context.date
        self.now_ns = now_ns
        self._write_timeout_ns = context.write_timeout_ns
        self._write_began_ns = 0
        self._is_sending = False
        self._waits_for_client = False  # a response that still grows does
        self._linger_idle_ns = self._linger_until_ns = 0
        self.conversation = conversation
        self.descriptor = sock.fileno()
        self.deadline_ns = 0
        self.unsent: Unsent | None = None
        self.is_closed = False
        self.was_cut_off = False  # by the server, since the grace of its stop is over
        self.is_lingering = False
        # For models with a selector: who owns the connection, and what epoll reports of it.
        self.is_parked = False
        self.armed = NOT_REGISTERED

    @property
    def stage(self) -> Stage | None:
        """The stage of the request at hand; None without one. A sample that any thread may take."""
        conversation = self.conversation
        exchange = conversation.exchange
        if exchange is None:
            return None if self.is_lingering or conversation.is_idle else Stage.READ
        try:
            if exchange.is_recorded:
                return None
            if not exchange.taken_ns:
                return Stage.QUEUE if exchange.complete_ns else Stage.READ
            if not exchange.head_ready_ns:
                return Stage.APP
        except AttributeError:  # made this instant, and not yet opened
            return Stage.READ
        return Stage.WRITE if self.is_writing else Stage.BODY

    @property
    def is_writing(self) -> bool:
        """Whether bytes of the response are handed to the kernel, or wait for the client."""
        return self._is_sending or self.unsent is not None or self._waits_for_client

    def read(self) -> tuple[bytes, int] | None:
        """Bytes that have arrived, and their ns in the kernel; None: nothing, b"": the end."""
        try:
            return receive(self._socket, READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b"", 0

    def has_hung_up(self) -> bool:
        """Whether the connection is broken in both directions: by a reset, say."""
        poll = select.poll()
        poll.register(self.descriptor, 0)  # POLLHUP and POLLERR are told without being asked
        return bool(poll.poll(0))

    def send_interim(self, data: bytes) -> None:
        """Send an interim response; a client that cannot take 25 bytes will not miss them."""
        with suppress(OSError):
            self._socket.send(data)

    def send(self, data: bytes, *, last: bool) -> None:
        """Send a part of the response (see ResponseSink)."""
        exchange = self.current_exchange()
        began_ns = now_ns()
        if last or not exchange.bytes_sent:
            self.look_for_client(exchange, began_ns)
        self._is_sending = True
        try:
            sent = self._send_some(exchange, data) if data else 0
        finally:
            self._is_sending = False
        if sent < len(data):
            rest = memoryview(data)[sent:]
            if last:
                self._keep_unsent(Unsent(rest), began_ns)
                return
            self._send_waiting(exchange, rest, began_ns)
        ended_ns = now_ns()
        exchange.write_ns += ended_ns - began_ns
        exchange.last_sent_ns = ended_ns
        if last:
            self.record(exchange)

    def send_file(self, head: bytes, file: OpenFile, offset: int, count: int) -> None:
        """Send a head and then a file's bytes, which end the response (see ResponseSink)."""
        began_ns = now_ns()
        self.look_for_client(self.current_exchange(), began_ns)
        self._keep_unsent(Unsent(memoryview(head), file.moved(), offset, count), began_ns)
        self.send_unsent()

    def look_for_client(self, exchange: Exchange, now: int) -> None:
        """Note when the client of an older request has closed its side.

        The kernel takes bytes for nobody, too.
        """
        if now - exchange.first_byte_ns + exchange.kernel_ns < LOOK_FROM_NS or self.was_cut_off:
            return
        poll = select.poll()
        poll.register(self.descriptor, select.POLLRDHUP)
        if poll.poll(0):
            exchange.flags |= RequestFlag.CLIENT_GONE

    def _keep_unsent(self, unsent: Unsent, began_ns: int) -> None:
        self.unsent = unsent
        self._write_began_ns = began_ns
        self.renew_write_deadline()

    def renew_write_deadline(self) -> None:
        """The client has its whole time again to take more of `unsent`."""
        self.deadline_ns = now_ns() + self._write_timeout_ns

    def send_unsent(self) -> None:
        """Send what the kernel takes now; `unsent` is None when all of it is out.

        Raises ClientGoneError; then, too, nothing is left unsent.
        """
        exchange = self.current_exchange()
        unsent = self.unsent
        if unsent is None:
            return
        try:
            is_out = self._send_turn(exchange, unsent)
        except ClientGoneError:
            self._drop_unsent(exchange)
            raise
        if is_out:
            self._drop_unsent(exchange)
            self.record(exchange)
        else:
            self.renew_write_deadline()

    def _send_turn(self, exchange: Exchange, unsent: Unsent) -> bool:
        """Send until the kernel is full or the turn is over; whether no more is to be sent."""
        if unsent.data:
            more = socket.MSG_MORE if unsent.count else 0
            unsent.data = unsent.data[self._send_some(exchange, unsent.data, more) :]
            if unsent.data:
                return False
        return unsent.file is None or self._send_from_file(exchange, unsent, unsent.file)

    def _send_from_file(self, exchange: Exchange, unsent: Unsent, file: OpenFile) -> bool:
        """The part of a turn that comes from the file."""
        turn = min(unsent.count, FILE_TURN_BYTES)
        while turn > 0:
            try:
                sent = self._send_part_of_file(file, unsent.offset, turn)
            except BlockingIOError:
                return False
            except OSError as error:
                # An SSLError has codes of its own, one of which is the number of EIO.
                if error.errno in _FILE_FAULTS and not isinstance(error, ssl.SSLError):
                    exchange.cut_short(f"the file cannot be read any more: {error.strerror}")
                    return True
                raise ClientGoneError("the client closed the connection") from error
            if not sent:
                exchange.cut_short(f"the file has become shorter, {unsent.count} bytes are missing")
                return True
            exchange.bytes_sent += sent
            unsent.offset += sent
            unsent.count -= sent
            turn -= sent
        return not unsent.count

    def _send_part_of_file(self, file: OpenFile, offset: int, count: int) -> int:
        sock = self._socket
        if isinstance(sock, TlsSocket):  # the kernel cannot encrypt what it sends by itself
            return sock.send_file(file.fileno(), offset, count)
        return os.sendfile(self.descriptor, file.fileno(), offset, count)

    def _drop_unsent(self, exchange: Exchange) -> None:
        exchange.last_sent_ns = now_ns()
        if self.unsent is not None:  # else no write is under way
            self.unsent.close()
            self.unsent = None
            exchange.write_ns += exchange.last_sent_ns - self._write_began_ns

    def break_off(self, flags: RequestFlag) -> None:
        """Give up a response that is under way, and record it so."""
        exchange = self.conversation.exchange
        if exchange is not None and not exchange.is_recorded:
            self._drop_unsent(exchange)
            exchange.aborted = True
            exchange.flags |= flags
            self.note_cut_off(exchange)
            self.record(exchange)

    def note_cut_off(self, exchange: Exchange) -> None:
        """Mark what a stop cut off; an answer that begins after it is none."""
        if self.was_cut_off:
            exchange.flags |= RequestFlag.CUT_OFF
            if not exchange.bytes_sent:
                exchange.status = 0

    def record_if_not_yet(self) -> None:
        """Record a response that did not reach its last byte."""
        exchange = self.conversation.exchange
        if exchange is not None and not exchange.is_recorded and self.unsent is None:
            exchange.last_sent_ns = exchange.last_sent_ns or now_ns()
            self.note_cut_off(exchange)
            self.record(exchange)

    def _send_some(self, exchange: Exchange, data: bytes | memoryview, flags: int = 0) -> int:
        try:
            sent = self._socket.send(data, flags)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ClientGoneError("the client closed the connection") from error
        exchange.bytes_sent += sent
        return sent

    def _send_waiting(self, exchange: Exchange, rest: memoryview, began_ns: int) -> None:
        """Send all of `rest`, waiting for the client in between."""
        self._waits_for_client = True
        try:
            while rest:
                self._wait_for_client(exchange)
                rest = rest[self._send_some(exchange, rest) :]
        except ClientGoneError:
            exchange.last_sent_ns = now_ns()
            exchange.write_ns += exchange.last_sent_ns - began_ns
            raise
        finally:
            self._waits_for_client = False

    def _wait_for_client(self, exchange: Exchange) -> None:
        poll = select.poll()
        poll.register(self.descriptor, select.POLLOUT)
        if not poll.poll(self._write_timeout_ns / 1_000_000):
            exchange.flags |= RequestFlag.TIMED_OUT
            raise ClientGoneError("the client stopped reading")

    def current_exchange(self) -> Exchange:
        """The request at hand. Raises RuntimeError without one."""
        exchange = self.conversation.exchange
        if exchange is None:
            raise RuntimeError("nothing is being answered on this connection")
        return exchange

    def begin_linger(self, linger: Linger) -> None:
        """Tell the client that no more comes, and go on reading until `deadline_ns`."""
        self.is_lingering = True
        now = now_ns()
        self._linger_idle_ns = linger.idle_ns
        self._linger_until_ns = now + linger.most_ns
        self.deadline_ns = now + linger.idle_ns
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def shorten_linger(self, linger: Linger) -> None:
        """Wait no longer than this from the first call on."""
        self._linger_idle_ns = min(self._linger_idle_ns, linger.idle_ns)
        self._linger_until_ns = min(self._linger_until_ns, now_ns() + linger.most_ns)
        self.deadline_ns = min(self.deadline_ns, self._linger_until_ns)

    def discard(self) -> bool:
        """Throw away a turn of what has come, which renews the deadline; whether it is all over."""
        discarded = 0
        while discarded < DISCARD_TURN_BYTES:
            found = self.read()
            if found is None:
                break
            if not found[0]:
                return True
            discarded += len(found[0])
        if discarded:
            self.deadline_ns = min(now_ns() + self._linger_idle_ns, self._linger_until_ns)
        return False

    def abort(self) -> None:
        """Break the connection under whoever uses it, and who alone may close it."""
        with _ending, suppress(OSError):
            if not self.is_closed:
                self.was_cut_off = True
                self._socket.shutdown(socket.SHUT_RDWR)

    def disown(self) -> None:
        """Close a forked child's copy of the socket; neither client nor parent notice it."""
        sock, self._socket = self._socket, PARENTS_SOCKET
        if isinstance(sock, TlsSocket):
            sock.disown()
        else:
            sock.close()

    def close(self) -> None:
        """Close the socket and give up what was not sent; for the owner of the connection only."""
        self.is_closed = True
        self.conversation.close()
        if self.unsent is not None:
            self.unsent.close()
            self.unsent = None
        with _ending, suppress(OSError):
            self._socket.close()


def left_by_clients(connections: Iterable[Connection]) -> int:
    """How many connections the clients have closed, at least for sending; from any thread.

    Of 4,000 connections it takes 1.3 ms of CPU.
    """
    poll = select.poll()
    for connection in connections:
        if not connection.is_closed:
            poll.register(connection.descriptor, select.POLLRDHUP)
    # One that is closed in between is none of them (POLLNVAL).
    return sum(not events & select.POLLNVAL for _, events in poll.poll(0))


def requests_in_stage(connections: Iterable[Connection]) -> dict[str, int]:
    """How many requests are in each of `STAGES_IN_HAND` now, by the stage's name."""
    found = Counter(connection.stage for connection in connections)
    return {name: found[stage] for name, stage in STAGES_IN_HAND.items()}

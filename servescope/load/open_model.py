"""The open model: requests leave by the schedule, whether or not the server keeps up.

Theory of operation. One thread, one epoll set. Each turn of the loop takes up the requests that
came due, hands them to an idle connection or a new one, reads what arrived, and sleeps until the
next is due. A request for which there is no connection waits in order; its latency runs already,
for it counts from the *intended* time (no coordinated omission). The naive latency, from the actual
send, is kept beside it to show the difference.

The sleep is `select` on the epoll descriptor itself: its timeout has microseconds, where that of
`epoll_wait` is rounded up to milliseconds. To sleep and wake costs more than to send and receive,
so when the next request is due within `DEFER_NS`, responses wait in the kernel until then: it has
stamped their arrival, and the stamp ends the latency.

A kept connection which the server closes while it is idle is simply replaced. When a *reused* one
breaks after the request was sent and before any byte of a response, the request is sent once more
on a fresh connection, as RFC 9112 section 9.3.1 allows for an idempotent method: it remains one
request, with its first intended and send times. On a fresh connection the same counts as RESET.

Behind TLS a fresh connection shakes hands first (`tls_connections`), while the latency of its
request runs already.
"""

from __future__ import annotations

import select
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from servescope.errors import ProtocolError
from servescope.load.connections import Connection, descriptors_for
from servescope.load.tls_connections import TlsConnection
from servescope.records.load import LoadOutcome
from servescope.sockets.binding import family_of
from servescope.sockets.timestamps import CONTROL_BYTES, arrival_ns

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Sequence

    from servescope.load.tally import Tally
    from servescope.load.tls_connections import TrustedServer
    from servescope.records.load import LoadPlan
    from servescope.wire.http1_client import Response

_NS: Final = 1_000_000_000
_IN: Final = select.EPOLLIN
_OUT: Final = select.EPOLLOUT
_NEVER_NS: Final = 2**63
_ANSWERED: Final = int(LoadOutcome.ANSWERED)

RECEIVE_BYTES: Final = 65_536
TAKE_UP_LIMIT: Final = 64
"""Requests taken up in one turn, so that a backlog does not keep responses from being read."""

TICK_NS: Final = _NS
STOP_GRACE_NS: Final = 500_000_000
"""How long requests in flight may still be answered after a stop."""

DEFER_NS: Final = 1_000_000
"""When the next request is due within this, responses wait until then to be read."""

START_DELAY_NS: Final = 2_000_000  # the first request shall not be late for our own preparations


class OpenModel:
    """Runs one plan to its end.

    `on_tick(now_ns)` is called at the start and once a second; `on_control()` whenever the
    descriptor `control` is readable.
    """

    def __init__(
        self,
        plan: LoadPlan,
        due_ns: array[int],
        request: bytes,
        destination: tuple[str, int],
        tally: Tally,
        server: TrustedServer | None = None,
    ) -> None:
        self._request = request
        self._server = server  # None: without TLS
        self._destination = destination
        self._family = family_of(destination[0])
        self._tally = tally
        self._keep_alive = plan.scenario.keep_alive
        self._timeout_ns = int(plan.scenario.timeout_seconds * _NS)
        self._schedule_ns = int(plan.seconds * _NS)
        # Often enough that a timeout is noticed within 2 % of itself.
        self._sweep_every_ns = min(max(self._timeout_ns // 50, 2_000_000), 100_000_000)
        self._max_connections = descriptors_for(plan.scenario.max_connections)
        self._due_ns = due_ns
        self._count = len(due_ns)
        self._next = 0
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._idle: list[Connection] = []  # the last used first: few connections stay warm
        self._waiting: deque[int] = deque()  # intended times
        self._opening = 0  # connections that are not established yet
        self._next_due_ns = self._next_sweep_ns = self._next_tick_ns = 0
        self._stop_by_ns = _NEVER_NS
        self._saw_close_delimited = False
        self.start_ns = 0

    @property
    def connections(self) -> int:
        """Connections open or being opened."""
        return len(self._connections)

    @property
    def stopped(self) -> bool:
        """Whether a stop was asked for."""
        return self._stop_by_ns != _NEVER_NS

    @property
    def schedule_seconds(self) -> float:
        """For how long requests came due: as planned, or until a stop was asked for."""
        if not self.stopped:
            return self._schedule_ns / _NS
        until_stop_ns = self._stop_by_ns - STOP_GRACE_NS - self.start_ns
        return min(max(until_stop_ns, 0), self._schedule_ns) / _NS

    def stop(self) -> None:
        """Send nothing more; those in flight have `STOP_GRACE_NS` to be answered."""
        if self.stopped:
            return
        self._stop_by_ns = time.monotonic_ns() + STOP_GRACE_NS
        self._count = self._next
        self._next_due_ns = _NEVER_NS
        self._next_sweep_ns = 0
        self._tally.cancel(len(self._waiting))
        self._waiting.clear()

    def run(
        self,
        control: int,
        on_control: Callable[[], None],
        on_tick: Callable[[int], None],
    ) -> None:
        """Send every request of the schedule and wait until each has ended.

        Raises LoadRefusedError when the server turns out to be another one.
        """
        self._epoll.register(control, _IN)
        self.start_ns = time.monotonic_ns() + START_DELAY_NS
        self._tally.begin(self.start_ns + self._schedule_ns)
        self._next_due_ns = self.start_ns + self._due_ns[0]
        self._next_tick_ns = self.start_ns + TICK_NS
        on_tick(self.start_ns)
        try:
            self._loop(control, on_control, on_tick)
        finally:
            for connection in list(self._connections.values()):
                self._close(connection)
            self._epoll.close()

    def _loop(
        self, control: int, on_control: Callable[[], None], on_tick: Callable[[int], None]
    ) -> None:
        clock, poll, descriptor = time.monotonic_ns, self._epoll.poll, [self._epoll.fileno()]
        while True:
            self._do_what_is_due(clock(), on_tick)
            events = poll(0)
            for fd, mask in events:
                if fd == control:
                    on_control()
                else:
                    self._on_event(fd, mask)
            pause = min(self._next_due_ns, self._next_sweep_ns, self._next_tick_ns) - clock()
            if 0 < pause < DEFER_NS and self._may_defer():
                time.sleep(pause / _NS)
            elif not events:
                if self._next >= self._count and self._tally.ended == self._tally.sent:
                    break
                if pause > 0:
                    select.select(descriptor, (), (), pause / _NS)

    def _may_defer(self) -> bool:
        """Whether responses may wait in the kernel until the next request is due.

        Not when a connection that is read would carry a waiting request, or go on with its
        handshake, and not when the end of responses is a close, which the kernel does not stamp.
        """
        return (
            not self._waiting
            and not self._opening
            and len(self._connections) < self._max_connections
            and not self._saw_close_delimited
        )

    def _do_what_is_due(self, now: int, on_tick: Callable[[int], None]) -> None:
        if now >= self._next_due_ns:
            self._take_up()
        if now >= self._next_sweep_ns:
            self._sweep(now)
        if now >= self._next_tick_ns:
            # Ticks that were missed, say while the process was stopped, are left out.
            self._next_tick_ns += TICK_NS * ((now - self._next_tick_ns) // TICK_NS + 1)
            on_tick(now)
        if self._waiting:
            self._launch_waiting()

    def _take_up(self) -> None:
        clock, due, start = time.monotonic_ns, self._due_ns, self.start_ns
        index = self._next
        last = min(index + TAKE_UP_LIMIT, self._count)
        while index < last:
            intended = start + due[index]
            lag = clock() - intended
            if lag < 0:
                break
            index += 1
            self._tally.take_up(lag)
            if self._waiting or not self._launch(intended):
                self._waiting.append(intended)
        self._next = index
        self._next_due_ns = start + due[index] if index < self._count else _NEVER_NS

    def _launch_waiting(self) -> None:
        waiting = self._waiting
        while waiting and self._launch(waiting[0]):
            waiting.popleft()

    def _launch(self, intended_ns: int) -> bool:
        """Put a request on a connection; False when there is none to be had."""
        if self._idle:
            connection = self._idle.pop()
        elif len(self._connections) < self._max_connections:
            connection = self._open()
        else:
            return False
        connection.busy = True
        connection.intended_ns = intended_ns
        connection.sent_ns = 0
        connection.resent = False
        self._send(connection, self._request)
        return True

    def _open(self) -> Connection:
        now, server = time.monotonic_ns(), self._server
        if server is None:
            connection = Connection(self._family, now)
        else:
            connection = TlsConnection(self._family, now, server)
        self._connections[connection.fd] = connection
        self._opening += 1
        connection.connect(*self._destination)
        return connection

    def _send(self, connection: Connection, data: bytes) -> None:
        """Send what the kernel takes.

        On a connection just opened this is tried at once: over loopback it is mostly established
        when connect(2) returns, which saves a turn of the loop.
        """
        now = time.monotonic_ns()
        try:
            taken = connection.send(data)
        except BlockingIOError:
            taken = 0
        except OSError:
            self._broke(connection, now)
            return
        if taken:
            if not connection.established:
                connection.established = True
                self._opening -= 1
                connection.connect_ns = now - connection.opened_ns
            if not connection.sent_ns:
                connection.sent_ns = now
        connection.unsent = data[taken:] if taken < len(data) else b""
        interest = _IN if taken == len(data) or connection.awaits_peer else _IN | _OUT
        if interest != connection.interest:
            if connection.interest:
                self._epoll.modify(connection.fd, interest)
            else:
                self._epoll.register(connection.fd, interest)
            connection.interest = interest

    def _on_event(self, fd: int, mask: int) -> None:
        connection = self._connections[fd]
        if connection.unsent and mask != _IN:
            self._send(connection, connection.unsent)
            if not mask & _IN or self._connections.get(fd) is not connection:
                return
        try:
            data, control_data, _, _ = connection.receive(RECEIVE_BYTES, CONTROL_BYTES)
        except BlockingIOError:
            if connection.unsent:  # the handshake went on
                self._send(connection, connection.unsent)
            return
        except OSError:  # not even a response that the end delimits is whole (RFC 9112 section 8)
            data, control_data = None, ()
        now = time.monotonic_ns()
        if not connection.busy:  # closed while idle, or spoke unasked: of no further use
            self._idle.remove(connection)
            self._close(connection)
        elif data is None:
            self._broke(connection, now)
        else:
            self._take(connection, data, control_data, now)

    def _take(
        self,
        connection: Connection,
        data: bytes,
        control_data: Sequence[tuple[int, int, bytes]],
        now: int,
    ) -> None:
        """Bytes of the response that is awaited, or the end."""
        if not data:
            response = connection.http.receive_eof()
            if response is None:
                self._broke(connection, now)
                return
            self._saw_close_delimited = True
        else:
            try:
                response = connection.http.receive(data)
            except ProtocolError:
                self._end(connection, LoadOutcome.PROTOCOL, now)
                return
        if response is not None:
            arrived = arrival_ns(control_data) - self._tally.wall_offset_ns
            # A stamp outside of these bounds tells of a stepped wall clock, or there was none.
            end = arrived if connection.sent_ns <= arrived <= now else now
            self._answered(connection, response, end)

    def _answered(self, connection: Connection, response: Response, now: int) -> None:
        self._tally.end(
            _ANSWERED,
            response.status,
            connection.intended_ns,
            connection.sent_ns,
            now,
            connection.connect_ns,
            not connection.served,
            response.bytes_received,
        )
        if self._keep_alive and response.keep_alive and not connection.unsent:
            connection.busy = False
            connection.connect_ns = 0
            connection.served += 1
            self._idle.append(connection)
        else:
            self._close(connection)

    def _broke(self, connection: Connection, now: int) -> None:
        """The connection ended without a whole response."""
        if not connection.established:
            self._end(connection, connection.early_end, now)
        elif connection.served and not connection.resent and not connection.http.bytes_received:
            self._close(connection)
            self._tally.resent += 1
            fresh = self._open()
            fresh.busy = True
            fresh.intended_ns = connection.intended_ns
            fresh.sent_ns = connection.sent_ns
            fresh.resent = True
            self._send(fresh, self._request)
        else:
            self._end(connection, LoadOutcome.RESET, now)

    def _end(self, connection: Connection, outcome: LoadOutcome, now: int) -> None:
        """Count a request that failed, and give up its connection."""
        received = connection.http.bytes_received
        self._close(connection)
        self._tally.end(
            int(outcome),
            0,
            connection.intended_ns,
            connection.sent_ns,
            now,
            connection.connect_ns,
            not connection.served,
            received,
        )

    def _close(self, connection: Connection) -> None:
        del self._connections[connection.fd]
        self._opening -= not connection.established
        connection.close()

    def _sweep(self, now: int) -> None:
        """End what is past its timeout and, after a stop, what had its grace."""
        self._next_sweep_ns = now + self._sweep_every_ns
        if now < self._stop_by_ns:
            self._next_sweep_ns = min(self._next_sweep_ns, self._stop_by_ns)
        oldest = now - self._timeout_ns
        while self._waiting and self._waiting[0] <= oldest:
            intended = self._waiting.popleft()
            self._tally.end(int(LoadOutcome.TIMED_OUT), 0, intended, 0, now, 0, False, 0)
        given_up = now >= self._stop_by_ns
        for connection in list(self._connections.values()):
            if not connection.busy:
                continue
            if connection.intended_ns <= oldest:
                self._end(connection, LoadOutcome.TIMED_OUT, now)
            elif given_up:
                self._close(connection)
                self._tally.cancel()

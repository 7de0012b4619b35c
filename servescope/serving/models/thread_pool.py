"""The model `thread_pool`: one selector thread reads, N threads answer.

Theory of operation. The selector thread accepts, reads heads and bodies, and parks every connection
that waits for its client: idle, half a request, a response the client is slow to read, a last
reading before the close. A complete request goes through one queue to a worker thread, which
answers it and parks the connection again. So a slow client holds no worker.

A connection has one owner at a time: the selector thread while `is_parked`, else whoever took it.
Parking is the hand-over: the owner sets the flag, arms the descriptor (EPOLLONESHOT, epoll(7)) and
touches the connection no more. An event, a passed deadline or the stop hands it back.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from servescope.errors import ClientGoneError
from servescope.hosting.conversation import Need
from servescope.records import RequestFlag
from servescope.serving.acceptor import ACCEPTS_PER_TURN, Acceptor
from servescope.serving.connection import Connection, now_ns
from servescope.serving.model import Assignment, Load
from servescope.serving.pinning import pin_this_thread

if TYPE_CHECKING:
    from collections.abc import Callable

LINGER_NS: Final = 2_000_000_000
"""How long to read on after a response that closes the connection."""

STOP_LINGER_NS: Final = 250_000_000
"""The same while stopping."""

_STOP_POLL_S: Final = 0.02
_SWEEPS_PER_DEADLINE: Final = 8
_SWEEP_BOUNDS_NS: Final = (20_000_000, 1_000_000_000)
_READ: Final = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT
_WRITE: Final = select.EPOLLOUT | select.EPOLLONESHOT
_NS: Final = 1_000_000_000
_log = logging.getLogger(__name__)


class ThreadPool:
    """Serves an assignment; see `serving.model.Model`.

    A deadline is noticed at the latest an eighth of the shortest configured one, or one second,
    after it has passed.
    """

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._name = assignment.site.name
        self._acceptor = Acceptor(assignment)
        self._listening_descriptor = assignment.listening.fileno()
        self._connections: dict[int, Connection] = {}
        self._work: SimpleQueue[Connection | None] = SimpleQueue()
        self._busy = [False] * assignment.options.threads  # one writer each: no lock
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stop_at_ns = 0  # when the grace is over; 0 while nobody asked for the stop
        self._is_accepting = True
        self._is_over = False
        options = assignment.options
        shortest_s = min(
            options.head_seconds,
            options.body_seconds,
            options.write_seconds,
            options.keep_alive_seconds,
        )
        low, high = _SWEEP_BOUNDS_NS
        self._sweep_ns = min(max(int(shortest_s * _NS) // _SWEEPS_PER_DEADLINE, low), high)
        self._threads = [
            self._thread(f"worker-{number}", self._work_forever, number)
            for number in range(options.threads)
        ]
        self._selector = self._thread("selector", self._select_forever)

    def _thread(self, role: str, target: Callable[..., None], *arguments: int) -> threading.Thread:
        name = f"{self._name}-{role}"
        return threading.Thread(target=target, args=arguments, name=name, daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self._epoll.register(self._listening_descriptor, select.EPOLLIN)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._selector.start()
        for thread in self._threads:
            thread.start()

    def load(self) -> Load:
        """How busy the pool is."""
        busy = sum(self._busy)
        queued = self._work.qsize()
        return Load(len(self._connections), busy, queued, busy + queued)

    # The selector thread.

    def _select_forever(self) -> None:
        pin_this_thread(self._assignment.options.pin_core)
        next_sweep_ns = now_ns() + self._sweep_ns
        while not self._is_over:
            for descriptor, _ in self._epoll.poll(self._poll_timeout_s()):
                if descriptor == self._listening_descriptor:
                    self._accept_some()
                elif descriptor == self._wake:
                    os.eventfd_read(self._wake)
                else:
                    connection = self._connections.get(descriptor)
                    if connection is not None and connection.is_parked:
                        self._guarded(self._attend, connection)
            now = now_ns()
            if now >= next_sweep_ns:
                next_sweep_ns = now + self._sweep_ns
                self._sweep(now)
            if self._stop_at_ns:
                self._continue_stop(now)

    def _poll_timeout_s(self) -> float | None:
        """None, to sleep until something comes, when no deadline can pass."""
        if self._stop_at_ns:
            return _STOP_POLL_S
        if self._connections or not self._is_accepting:
            return self._sweep_ns / _NS
        return None

    def _guarded(self, act: Callable[[Connection], None], connection: Connection) -> None:
        """Do something with a connection; no fault of one may end the loop for all."""
        try:
            act(connection)
        except Exception:  # noqa: BLE001 - the loop's boundary: the fault costs its connection only
            _log.exception("listener %s: a connection failed", self._name)
            self._close(connection)

    def _accept_some(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            connection = self._acceptor.accept()
            if connection is None:
                if self._acceptor.paused_until_ns > now_ns():
                    self._epoll.unregister(self._listening_descriptor)
                    self._is_accepting = False
                return
            self._guarded(self._welcome, connection)

    def _welcome(self, connection: Connection) -> None:
        has_room = self._acceptor.has_room(connection, len(self._connections))
        if connection.is_closed:
            return
        self._connections[connection.descriptor] = connection
        if has_room:
            self._attend(connection)  # its request is often here already
        else:
            self._answer(connection)

    def _attend(self, connection: Connection) -> None:
        """A parked connection can be read, or written."""
        connection.is_parked = False
        if connection.unsent is not None:
            # A worker reads the file: a disk must not hold up the selector thread.
            if connection.unsent.descriptor >= 0:
                self._work.put(connection)
            else:
                self._send_on(connection)
        elif connection.is_lingering:
            if connection.discard():
                self._close(connection)
            else:
                self._park(connection)
        else:
            self._receive(connection)

    def _receive(self, connection: Connection) -> None:
        found = connection.read()
        if found is None:
            connection.deadline_ns = connection.conversation.deadline_ns
            self._park(connection)
            return
        data, kernel_ns = found
        conversation = connection.conversation
        if data:
            need = conversation.receive(data, now_ns(), kernel_ns)
        else:
            need = conversation.receive_eof()
        self._carry_out(connection, need)

    def _sweep(self, now: int) -> None:
        """See to passed deadlines."""
        may_accept = now >= self._acceptor.paused_until_ns and not self._stop_at_ns
        if may_accept and not self._is_accepting:
            self._is_accepting = True
            self._epoll.register(self._listening_descriptor, select.EPOLLIN)
        for connection in list(self._connections.values()):  # one step under the GIL
            if connection.is_parked and now >= connection.deadline_ns:
                connection.is_parked = False
                self._guarded(self._expire, connection)

    def _expire(self, connection: Connection) -> None:
        if connection.unsent is not None:
            connection.break_off(RequestFlag.ABORTED | RequestFlag.TIMED_OUT)
            self._close(connection)
        elif connection.is_lingering:
            self._close(connection)
        else:
            self._carry_out(connection, connection.conversation.expire())

    # Both kinds of threads, for a connection they own.

    def _carry_out(self, connection: Connection, need: Need) -> None:
        match need:
            case Need.READ:
                interim = connection.conversation.take_interim()
                if interim:
                    connection.send_interim(interim)
                connection.deadline_ns = connection.conversation.deadline_ns
                self._park(connection)
            case Need.RUN:
                exchange = connection.conversation.exchange
                if exchange is not None and not exchange.complete_ns:
                    exchange.complete_ns = now_ns()
                if exchange is not None and exchange.refusal is not None:
                    self._answer(connection)  # short, and never the app: no worker needed
                else:
                    self._work.put(connection)
            case Need.LINGER:
                wait_ns = STOP_LINGER_NS if self._stop_at_ns else LINGER_NS
                connection.begin_linger(now_ns() + wait_ns)
                self._park(connection)
            case Need.CLOSE:
                self._close(connection)

    def _answer(self, connection: Connection) -> None:
        connection.conversation.run(connection)
        if connection.unsent is not None:
            self._park(connection)
            return
        connection.record_if_not_yet()
        self._carry_out(connection, connection.conversation.finish_cycle(now_ns()))

    def _send_on(self, connection: Connection) -> None:
        """The client takes more of a response whose end is known."""
        try:
            connection.send_unsent()
        except ClientGoneError:
            connection.break_off(RequestFlag.ABORTED)
            self._close(connection)
            return
        if connection.unsent is not None:
            self._park(connection)
        else:
            self._carry_out(connection, connection.conversation.finish_cycle(now_ns()))

    def _park(self, connection: Connection) -> None:
        """Hand the connection to the selector thread; the caller must not touch it after."""
        events = _WRITE if connection.unsent is not None else _READ
        arm = self._epoll.modify if connection.is_registered else self._epoll.register
        connection.is_registered = True
        connection.is_parked = True
        try:
            arm(connection.descriptor, events)
        except (OSError, ValueError):  # the stop has closed it, or the selector, in between
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        if not connection.is_closed:
            connection.break_off(RequestFlag.ABORTED)
            # First out of the table: its descriptor's number may be given away at once.
            self._connections.pop(connection.descriptor, None)
            connection.close()

    # The worker threads.

    def _work_forever(self, number: int) -> None:
        pin_this_thread(self._assignment.options.pin_core)
        take, busy = self._work.get, self._busy
        while True:
            connection = take()
            if connection is None:
                return
            busy[number] = True
            if self._is_over:  # the grace is over: what was not begun is not begun
                self._close(connection)
            elif connection.unsent is not None:
                self._guarded(self._send_on, connection)
            else:
                self._guarded(self._answer, connection)
            busy[number] = False

    # Stopping.

    def stop(self, grace_seconds: float) -> None:
        """Stop accepting, finish what is in flight, end the threads; bounded by the grace."""
        self._assignment.site.draining = True
        self._stop_at_ns = now_ns() + int(grace_seconds * _NS)
        os.eventfd_write(self._wake, 1)
        self._selector.join(grace_seconds + 1.0)
        for _ in self._threads:
            self._work.put(None)
        # A thread inside the app cannot be ended; it is a daemon, and its connection is broken.
        give_up = time.monotonic() + 0.5
        for thread in self._threads:
            thread.join(max(give_up - time.monotonic(), 0.0))
        stuck = [thread.name for thread in self._threads if thread.is_alive()]
        if stuck:
            _log.warning("listener %s: still in the app: %s", self._name, ", ".join(stuck))
        with suppress(OSError):
            self._epoll.close()
        os.close(self._wake)

    def _continue_stop(self, now: int) -> None:
        """One step of the stop: take what has arrived, close what is idle, end when all is done."""
        if self._listening_descriptor >= 0:
            self._accept_some()  # these were told that they are connected
            if self._is_accepting:
                self._epoll.unregister(self._listening_descriptor)
            self._is_accepting = False
            self._listening_descriptor = -1
            self._assignment.listening.close()
        for connection in list(self._connections.values()):
            if connection.is_parked:
                self._guarded(self._close_if_idle, connection)
        if not self._connections or now >= self._stop_at_ns:
            self._is_over = True
            for connection in list(self._connections.values()):
                if connection.is_parked:
                    self._close(connection)
                else:
                    connection.abort()

    def _close_if_idle(self, connection: Connection) -> None:
        if connection.unsent is not None or connection.is_lingering:
            return
        if connection.conversation.is_idle:
            connection.is_parked = False
            with suppress(OSError):
                self._epoll.modify(connection.descriptor, 0)  # no event while it has another owner
            self._receive_last(connection)

    def _receive_last(self, connection: Connection) -> None:
        """Serve a request that arrived just before the close; else close."""
        found = connection.read()
        if found is None or not found[0]:
            self._close(connection)
        else:
            self._carry_out(
                connection, connection.conversation.receive(found[0], now_ns(), found[1])
            )

"""The model `thread_pool`: N threads answer, and their leader reads.

Theory of operation. The leader accepts, reads heads and bodies, and parks every connection that
waits for its client: idle, half a request, a response the client is slow to read, a last reading
before the close. So a slow client holds no thread. A complete request is answered by the leader
itself when it is likely to be quick (`handoff`), else by another thread; should it block all the
same, another thread leads on meanwhile (`leader_followers`). A thread that answers a client with
pipelined requests goes on with them, and gives way after some: the leader to ready connections, a
worker to queued requests. A hand-over between threads costs more than most requests.

A connection has one owner at a time: the leader while `is_parked`, else the thread that took it.
The leader leaves its connections armed (epoll(7), level-triggered), which costs no system call a
request; it disarms a connection before it gives it to another thread. A worker arms for one event
(EPOLLONESHOT) when it parks, and touches the connection no more.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Final

from servescope.errors import ClientGoneError
from servescope.hosting.conversation import Need
from servescope.hosting.unfailing_log import UnfailingLogger
from servescope.request_fields import RequestFlag
from servescope.serving.accept_queue import AcceptQueue
from servescope.serving.acceptor import ACCEPTS_PER_TURN, Acceptor
from servescope.serving.connection import (
    LINGER,
    STOP_LINGER,
    Connection,
    left_by_clients,
    now_ns,
    requests_in_stage,
)
from servescope.serving.model import Assignment, Load, sweep_seconds
from servescope.serving.models.thread_pool.handoff import HandoffPolicy
from servescope.serving.models.thread_pool.leader_followers import (
    LeaderFollowers,
    Order,
    PoolThread,
)
from servescope.serving.models.thread_pool.readiness import Readiness
from servescope.serving.worker_threads import join_answering
from servescope.sockets.cpu_affinity import pin_this_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servescope.hosting.exchange import Exchange

_STOP_POLL_NS: Final = 20_000_000
_ANSWERS_PER_TURN: Final = 16  # the leader's, to one client, before the others' turn
_NS: Final = 1_000_000_000
_log = UnfailingLogger(__name__)


class ThreadPool:
    """Serves an assignment; see `serving.model.Model`.

    A deadline is noticed at the latest an eighth of the shortest configured one, or one second,
    after it has passed.
    """

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._name = assignment.site.name
        self._acceptor = Acceptor(assignment, Connection)
        self._connections: dict[int, Connection] = {}
        self._roles = LeaderFollowers(assignment.options.threads, self._on_takeover)
        self._handoff = HandoffPolicy()
        self._readiness = Readiness()
        self._queue = AcceptQueue(
            assignment,
            self._acceptor,
            self._readiness.watch,
            self._readiness.unwatch,
            # One at a time leaves some for the processes that share the socket.
            1 if assignment.shares_socket else ACCEPTS_PER_TURN,
        )
        self._ready: Iterator[int] = iter(())  # descriptors; a new leader goes on with these
        self._gave_way: deque[Connection] = deque()  # and with these: their next request is here
        self._stop_at_ns = 0  # when the grace is over; 0 while nobody asked for the stop
        self._is_retiring = False
        self._is_over = threading.Event()
        self._has_led_to_the_end = threading.Event()  # the leader has closed all that it owned
        self._sweep_ns = int(sweep_seconds(assignment.options) * _NS)
        self._next_sweep_ns = 0
        self._threads = [
            threading.Thread(
                target=self._live, args=(me,), name=f"{self._name}-{number}", daemon=True
            )
            for number, me in enumerate(self._roles.threads)
        ]

    def start(self) -> None:
        """Begin to accept."""
        self._queue.watch()
        for thread in self._threads:
            thread.start()

    def load(self) -> Load:
        """How busy the pool is."""
        busy, queued = self._roles.busy, self._roles.queued + len(self._gave_way)
        connections = list(self._connections.values())  # one step under the GIL
        in_stage = requests_in_stage(connections)
        return Load(
            len(connections),
            busy,
            queued,
            busy + queued,
            in_stage=in_stage,
            left_connections=left_by_clients(connections),
            accepted=self._acceptor.accepted,
            turned_away=self._acceptor.turned_away,
        )

    def _live(self, me: PoolThread) -> None:
        """A thread's whole life."""
        pin_this_thread(self._assignment.options.pin_core)
        order = Order.LEAD if me.leads else self._roles.await_order(me)
        while order is not Order.END:
            if isinstance(order, Connection):
                self._guarded(self._work_on, me, order)
            else:
                self._lead(me)
            del order  # an idle thread holds nothing of the last request
            order = self._roles.next_order(me)

    # The leader.

    def _lead(self, me: PoolThread) -> None:
        """Lead until the stop, or until another thread does."""
        while self._take_turns(me):
            now = now_ns()
            if now >= self._next_sweep_ns:
                self._next_sweep_ns = now + self._sweep_ns
                self._sweep(me, now)
            if self._stop_at_ns:
                self._continue_stop(me, now)
                if not me.leads or self._is_over.is_set():
                    return
            self._ready = self._readiness.poll(self._poll_timeout_ns())

    def _take_turns(self, me: PoolThread) -> bool:
        """See to what is ready, then to who gave way to it; whether this thread still leads."""
        for descriptor in self._ready:
            connection = self._connections.get(descriptor)
            if connection is None:
                if descriptor == self._queue.watched:
                    self._accept_some(me)
            elif self._readiness.take(connection):
                self._guarded(self._attend, me, connection)
            if not me.leads:
                return False
        for _ in range(len(self._gave_way)):
            self._guarded(self._work_on, me, self._gave_way.popleft())
            if not me.leads:
                return False
        return True

    def _poll_timeout_ns(self) -> int | None:
        """None, to sleep until something comes, when no deadline can pass."""
        if self._gave_way:
            return 0
        if self._stop_at_ns:
            return _STOP_POLL_NS
        if self._connections or self._queue.watched is None:
            return self._sweep_ns
        return None

    def _guarded(
        self, act: Callable[[PoolThread, Connection], None], me: PoolThread, connection: Connection
    ) -> None:
        """Do something with a connection; no fault of one may end the loop for all."""
        try:
            act(me, connection)
        except BaseException:  # noqa: BLE001 - the loop's boundary: the fault costs its connection only
            _log.exception("listener %s: a connection failed", self._name)
            self._close(connection)

    def _accept_some(self, me: PoolThread, *, is_last: bool = False) -> None:
        for connection in self._queue.take(is_last=is_last):
            self._guarded(self._welcome, me, connection)
            if not me.leads:
                return

    def _welcome(self, me: PoolThread, connection: Connection) -> None:
        has_room = self._acceptor.has_room(connection, len(self._connections))
        if connection.is_closed:
            return
        self._connections[connection.descriptor] = connection
        if has_room:
            self._attend(me, connection)  # its request is often here already
        else:
            self._carry_out(me, connection, Need.RUN)

    def _attend(self, me: PoolThread, connection: Connection) -> None:
        """A parked connection can be read, or written."""
        if connection.unsent is not None:
            # A worker reads the file: a disk must not hold up the leader.
            if connection.unsent.file is not None:
                self._dispatch(connection)
            else:
                self._send_on(me, connection)
        elif connection.is_lingering:
            if connection.discard():
                self._close(connection)
            else:
                self._park(me, connection)
        else:
            self._receive(me, connection)

    def _receive(self, me: PoolThread, connection: Connection) -> None:
        stop_at_ns = self._stop_at_ns  # asked before: requests sent by then are answered
        found = connection.read()
        if found is None:
            if stop_at_ns and connection.conversation.is_idle:
                self._close(connection)
                return
            connection.deadline_ns = connection.conversation.deadline_ns
            self._park(me, connection)
            return
        data, kernel_ns = found
        conversation = connection.conversation
        need = (
            conversation.receive(data, now_ns(), kernel_ns) if data else conversation.receive_eof()
        )
        self._carry_out(me, connection, need)

    def _dispatch(self, connection: Connection) -> None:
        """Give a connection to a thread that waits, or to the first that has time."""
        self._readiness.disarm(connection)
        self._roles.dispatch(connection)

    def _on_takeover(self, connection: Connection) -> None:
        """The former leader is stuck in this connection's answer; see LeaderFollowers."""
        with suppress(OSError, ValueError):  # closed in between
            self._readiness.disarm(connection)
        exchange = connection.conversation.exchange
        if exchange is not None:
            self._handoff.note_stuck(exchange.target, exchange.taken_ns)

    def _sweep(self, me: PoolThread, now: int) -> None:
        """See to passed deadlines, and to the order to retire."""
        if self._is_retiring:
            self._is_retiring = False
            self._queue.leave()
        if not self._stop_at_ns:
            self._queue.resume(now)
        for connection in list(self._connections.values()):  # one step under the GIL
            is_due = connection.is_parked and now >= connection.deadline_ns
            if is_due and self._readiness.take(connection):
                self._guarded(self._expire, me, connection)

    def _expire(self, me: PoolThread, connection: Connection) -> None:
        if connection.unsent is not None:
            connection.break_off(RequestFlag.ABORTED | RequestFlag.TIMED_OUT)
            self._close(connection)
        elif connection.is_lingering:
            self._close(connection)
        else:
            self._carry_out(me, connection, connection.conversation.expire())

    # Any thread, for a connection it owns.

    def _carry_out(self, me: PoolThread, connection: Connection, need: Need) -> None:
        """Do what the conversation needs until it waits, ends, or another thread goes on."""
        if need is Need.RUN:
            need = self._answer(me, connection)
        if need is Need.READ:
            interim = connection.conversation.take_interim()
            if interim:
                connection.send_interim(interim)
            connection.deadline_ns = connection.conversation.deadline_ns
            self._park(me, connection)
        elif need is Need.LINGER:
            connection.begin_linger(STOP_LINGER if self._stop_at_ns else LINGER)
            self._park(me, connection)
        elif need is Need.CLOSE:
            self._close(connection)

    def _answer(self, me: PoolThread, connection: Connection) -> Need:
        """Answer request after request while they are here; RUN when another turn goes on.

        Refusals are short and never reach the application: the leader answers them in any case.
        """
        conversation = connection.conversation
        for answered in count():
            exchange = conversation.exchange
            if exchange is None:
                raise RuntimeError("there is no request to answer")
            if not exchange.complete_ns:
                exchange.complete_ns = now_ns()
            if exchange.refusal is not None:
                conversation.run(connection)
            elif not self._run(me, connection, exchange, answered):
                return Need.RUN
            if connection.unsent is not None:
                self._park(me, connection)
                return Need.RUN
            connection.record_if_not_yet()
            need = conversation.finish_cycle(now_ns())
            if need is not Need.RUN:
                break
        return need

    def _run(
        self, me: PoolThread, connection: Connection, exchange: Exchange, answered: int
    ) -> bool:
        """Let the application answer, after `answered` others; False when it is another's turn."""
        if not me.leads:
            if answered and self._roles.queued:
                self._dispatch(connection)
                return False
            connection.conversation.run(connection)
        elif answered >= _ANSWERS_PER_TURN:
            self._gave_way.append(connection)
            return False
        elif self._roles.waiting and self._handoff.is_quick(exchange.target, exchange.complete_ns):
            self._roles.enter_app(me, connection)
            try:
                connection.conversation.run(connection)
            finally:
                self._roles.leave_app(me)
        else:
            self._dispatch(connection)
            return False
        taken_ns = exchange.taken_ns
        took_ns = exchange.last_sent_ns - taken_ns
        self._handoff.note(exchange.target, took_ns, taken_ns, by_leader=me.leads)
        return True

    def _send_on(self, me: PoolThread, connection: Connection) -> None:
        """The client takes more of a response whose end is known."""
        try:
            connection.send_unsent()
        except ClientGoneError:
            self._close(connection)
            return
        if connection.unsent is not None:
            self._park(me, connection)
        else:
            self._carry_out(me, connection, connection.conversation.finish_cycle(now_ns()))

    def _park(self, me: PoolThread, connection: Connection) -> None:
        """Hand the connection to whoever leads; the caller must not touch it after."""
        if not self._readiness.park(connection, by_leader=me.leads):
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        if not connection.is_closed:
            connection.break_off(RequestFlag.ABORTED)
            # First out of the table: its descriptor's number may be given away at once.
            self._connections.pop(connection.descriptor, None)
            connection.close()

    def _cut_off(self, connection: Connection) -> None:
        """Close a connection since the grace of the stop is over."""
        connection.was_cut_off = True
        self._close(connection)

    def _work_on(self, me: PoolThread, connection: Connection) -> None:
        """Go on with a connection whose request waited for a thread, or for the leader's turn."""
        if self._is_over.is_set():  # the grace is over: no request is begun any more
            self._cut_off(connection)
        elif connection.unsent is not None:
            self._send_on(me, connection)
        else:
            self._carry_out(me, connection, Need.RUN)

    # Stopping.

    def retire(self) -> None:
        """Leave the accept queue to somebody else; see `Model`."""
        self._assignment.site.draining = True
        self._is_retiring = True
        self._next_sweep_ns = 0
        self._readiness.wake()

    def stop(self, grace_seconds: float) -> None:
        """Stop accepting, finish what is in flight, end the threads; bounded by the grace."""
        self._assignment.site.draining = True
        self._stop_at_ns = now_ns() + int(grace_seconds * _NS)
        self._readiness.wake()
        has_ended = self._has_led_to_the_end.wait(grace_seconds + 1.0)
        for connection in self._roles.end():
            self._cut_off(connection)
        # A thread inside the app cannot be ended; it is a daemon, and its connection is broken.
        join_answering(self._name, self._threads, 0.5)
        self._readiness.close()  # from here on a thread that wants to park a connection closes it
        for connection in list(self._connections.values()):
            if has_ended and self._readiness.take(connection):
                self._cut_off(connection)

    def disown(self) -> None:
        """Let go, in a forked child, of what is the parent's; see `Model`."""
        self._assignment.site.is_left_to_parent = True
        self._readiness.disown()
        for connection in self._connections.values():
            connection.disown()

    def _continue_stop(self, me: PoolThread, now: int) -> None:
        """One step of the stop: take what has arrived, close what is idle, end when all is done."""
        if self._queue.is_open:
            self._accept_some(me, is_last=True)
            if not me.leads:
                return
            self._queue.leave()
        for connection in list(self._connections.values()):
            if connection.is_parked:
                self._guarded(self._close_if_idle, me, connection)
            if not me.leads:
                return
        if not self._connections or now >= self._stop_at_ns:
            self._is_over.set()
            for connection in list(self._connections.values()):
                if connection in self._gave_way or self._readiness.take(connection):
                    self._cut_off(connection)
                else:
                    connection.abort()
            self._has_led_to_the_end.set()

    def _close_if_idle(self, me: PoolThread, connection: Connection) -> None:
        """Serve a request that arrived just before the close; else close."""
        if connection.is_lingering:
            connection.shorten_linger(STOP_LINGER)
            return
        is_idle = connection.unsent is None and connection.conversation.is_idle
        if is_idle and self._readiness.take(connection):
            self._receive(me, connection)

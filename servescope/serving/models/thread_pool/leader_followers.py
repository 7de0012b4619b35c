"""Leader and followers: one thread of the pool leads, the others work or wait.

Theory of operation. The leader owns everything that is nobody else's. Its lead lock stands for its
right to lead: it holds the lock while it leads, releases it while it is inside an application
itself, and acquires it again after. A waiting thread, the watchdog, looks every `TICK_S`; when the
leader was in the same answer at two looks, the watchdog acquires that lock and leads, and the
former leader works on its answer like any worker. So an application that answers at once costs no
hand-over between threads, and one that blocks holds up the others for two ticks, once (the
`HandoffPolicy` remembers it). Each thread has a lead lock of its own: with one for all, the former
leader would come out of the application, find the lock that the new one has released, and lead
beside it.

    role     | becomes | when
    LEADER   | worker  | the watchdog acquired its lead lock while it was inside the application
    worker   | waiting | its work is done and no other is queued
    waiting  | worker  | the leader dispatches to it (the last one to wait goes first)
    watchdog | LEADER  | it acquires the lead lock of a leader that is stuck

The watchdog is the thread that has waited longest. The leader enters the application itself only
while some thread waits, so there is a watchdog whenever one is needed, and of N + 1 threads at most
N are in the application at any time.

The pattern is that of Schmidt et al., "Leader/Followers" (PLoP 2000). There the next leader is
promoted before each answer, here only once an answer takes its time.
"""

from __future__ import annotations

import threading
from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.serving.connection import Connection

TICK_S: Final = 0.002
"""How often the watchdog looks at a busy leader: 0.3 % of a core, only while there is traffic."""

QUIET_TICKS: Final = 8
"""Looks without an answer begun in between, after which the watchdog sleeps until it is woken."""


class Order(Enum):
    """Why a waiting thread is woken, when it is not to answer a connection."""

    LEAD = auto()
    WATCH = auto()  # be the watchdog
    END = auto()


class PoolThread:
    """The role of one thread of the pool."""

    __slots__ = ("lead_lock", "leads", "order", "wakeup")

    def __init__(self) -> None:
        self.leads = False
        self.lead_lock = threading.Lock()  # free only while a leader is inside the application
        self.lead_lock.acquire()
        self.order: Connection | Order | None = None
        self.wakeup = threading.Lock()  # a binary semaphore: free when there is an order
        self.wakeup.acquire()

    def wake(self, order: Connection | Order) -> None:
        """Wake the waiting thread; under the mutex of all. The last order counts."""
        self.order = order
        if self.wakeup.locked():  # else it was not awake yet since the last time
            self.wakeup.release()


class LeaderFollowers:
    """The roles of `size` threads that may be in the application at a time, and one more.

    `on_takeover` is called with the connection a stuck leader is answering, by the new leader,
    before the former one can notice; it must not block.
    """

    def __init__(self, size: int, on_takeover: Callable[[Connection], None]) -> None:
        self._on_takeover = on_takeover
        self._mutex = threading.Lock()  # guards roles and backlog; never held while waiting
        self.threads = [PoolThread() for _ in range(size + 1)]
        """The first leads at the start."""
        self.threads[0].leads = True
        self._leader = self.threads[0]
        self.waiting = self.threads[1:]
        """Those that wait, the watchdog first. Read by anyone, changed under the mutex."""
        self._backlog: deque[Connection] = deque()
        self._in_app: Connection | None = None  # what the leader answers itself
        self._entries = 0
        self._watchdog_sleeps = False
        self._is_over = False
        self.waiting[0].wake(Order.WATCH)

    @property
    def queued(self) -> int:
        """Connections with a complete request that wait for a thread."""
        return len(self._backlog)

    @property
    def busy(self) -> int:
        """Threads in the application."""
        workers = len(self.threads) - 1 - len(self.waiting)
        return workers + (self._in_app is not None)

    # The leader.

    def enter_app(self, me: PoolThread, connection: Connection) -> None:
        """Release the lead lock to answer this connection; some thread must be waiting."""
        self._in_app = connection
        self._entries += 1
        if self._watchdog_sleeps:
            self._wake_watchdog()
        me.lead_lock.release()

    def leave_app(self, me: PoolThread) -> None:
        """Acquire the lead lock again; `me.leads` is False when the watchdog was faster."""
        if me.lead_lock.acquire(blocking=False):
            self._in_app = None
            return
        me.leads = False  # the lock stays acquired: it counts again when we lead again
        with self._mutex:  # the new leader has what it needs of our connection when this is free
            pass

    def dispatch(self, connection: Connection) -> None:
        """Give the connection to a waiting thread, or queue it."""
        with self._mutex:
            if not self.waiting:
                self._backlog.append(connection)
                return
            thread = self.waiting.pop()
            if not self.waiting:
                self._watchdog_sleeps = False
            thread.wake(connection)

    def end(self) -> list[Connection]:
        """Let every thread end as soon as it has nothing in hand; what no thread has begun."""
        with self._mutex:
            self._is_over = True
            waiting, self.waiting = self.waiting, []
            for thread in waiting:
                thread.wake(Order.END)
            left = list(self._backlog)
            self._backlog.clear()
            return left

    def _wake_watchdog(self) -> None:
        with self._mutex:
            if self._watchdog_sleeps:
                self._watchdog_sleeps = False
                self.waiting[0].wake(Order.WATCH)

    # Workers, and those that wait.

    def next_order(self, me: PoolThread) -> Connection | Order:
        """Wait for something to do."""
        with self._mutex:
            if self._backlog:
                return self._backlog.popleft()
            if self._is_over:
                return Order.END
            self.waiting.append(me)
            is_watchdog = len(self.waiting) == 1
        return self._watch(me) if is_watchdog else self.await_order(me)

    def await_order(self, me: PoolThread) -> Connection | Order:
        """Wait among the others until woken."""
        while True:
            me.wakeup.acquire()
            order = self._order(me)
            if order is Order.WATCH:
                return self._watch(me)
            if order is not None:
                return order

    def _order(self, me: PoolThread) -> Connection | Order | None:
        """The order that the thread was woken for; None when an earlier look has taken it."""
        with self._mutex:
            order, me.order = me.order, None
            return order

    def _watch(self, me: PoolThread) -> Connection | Order:
        """Wait as the watchdog."""
        seen, quiet_ticks = -1, 0
        while True:
            sleeps = quiet_ticks >= QUIET_TICKS and self._may_sleep(seen)
            if me.wakeup.acquire(timeout=-1 if sleeps else TICK_S):
                order = self._order(me)
                if order is not None and order is not Order.WATCH:
                    return order
                quiet_ticks = 0
                continue
            entries = self._entries
            if entries != seen:
                seen, quiet_ticks = entries, 0
            elif self._in_app is None:
                quiet_ticks += 1
            elif self._take_over(me):
                return Order.LEAD

    def _may_sleep(self, seen: int) -> bool:
        """Say that we sleep, then look once more: the leader looks at that after it has entered."""
        with self._mutex:
            self._watchdog_sleeps = True
            if self._in_app is not None or self._entries != seen:
                self._watchdog_sleeps = False
            return self._watchdog_sleeps

    def _take_over(self, me: PoolThread) -> bool:
        with self._mutex:
            if self.waiting[:1] != [me] or not self._leader.lead_lock.acquire(blocking=False):
                return False  # woken to work, or the leader is back
            connection, self._in_app = self._in_app, None
            if connection is not None:
                self._on_takeover(connection)
            self.waiting.pop(0)
            me.leads = True
            self._leader = me
            if self.waiting:
                self.waiting[0].wake(Order.WATCH)
            return True

"""The threads of a pool and their roles: one leads, the others work or wait.

Theory of operation. The leader owns everything that is nobody else's. Its baton is its right to
lead: while it is inside an application itself it lays the baton down, and takes it up again after.
A waiting thread, the watch, looks every `TICK_S`; when the leader was in the same answer at two
looks, the watch takes that baton and leads, and the former leader works on what it has in hand,
like any worker. So an application that answers at once costs no hand-over between threads, and one
that blocks holds up the others for two ticks, once (`Pace` remembers it). Each member has a baton
of its own: with one for all, the former leader would come out of the application, find the baton of
the new one laid down, and lead beside it.

    role    | becomes | when
    LEADER  | worker  | the watch took its baton while it was inside the application
    worker  | waiting | its work is done and no other is queued
    waiting | worker  | the leader dispatches to it (the last one to wait goes first)
    watch   | LEADER  | it takes the baton of a leader that is stuck

The watch is the thread that has waited longest. The leader enters the application itself only while
somebody waits, so there is a watch whenever one is needed, and of N + 1 threads at most N are in
the application at any time.
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
"""How often the watch looks at a busy leader: 0.3 % of a core, and only while there is traffic."""

QUIET_TICKS: Final = 8
"""Looks without an answer begun in between, after which the watch sleeps until it is called."""


class Order(Enum):
    """What a waiting thread is called for, when it is no connection to answer."""

    LEAD = auto()
    WATCH = auto()
    END = auto()


class Member:
    """A thread's place in the crew."""

    __slots__ = ("baton", "bell", "leads", "order")

    def __init__(self) -> None:
        self.leads = False
        self.baton = threading.Lock()  # free only while a leader is inside the application
        self.baton.acquire()
        self.order: Connection | Order | None = None
        self.bell = threading.Lock()
        self.bell.acquire()

    def call(self, order: Connection | Order) -> None:
        """Wake the waiting thread; under the crew's mutex. The last order counts."""
        self.order = order
        if self.bell.locked():  # else a call was not heard yet
            self.bell.release()


class Crew:
    """`size` threads that may be in the application at a time, and one more.

    `on_takeover` is called with the connection a stuck leader is answering, by the new leader,
    before the former one can notice; it must not block.
    """

    def __init__(self, size: int, on_takeover: Callable[[Connection], None]) -> None:
        self._on_takeover = on_takeover
        self._mutex = threading.Lock()  # guards roles and backlog; never held while waiting
        self.members = [Member() for _ in range(size + 1)]
        """One for each thread; the first leads at the start."""
        self.members[0].leads = True
        self._leader = self.members[0]
        self.waiting = self.members[1:]
        """Members that wait, the watch first. Read by anyone, changed under the mutex."""
        self._backlog: deque[Connection] = deque()
        self._in_app: Connection | None = None  # what the leader answers itself
        self._entries = 0
        self._watch_sleeps = False
        self._is_over = False
        self.waiting[0].call(Order.WATCH)

    @property
    def queued(self) -> int:
        """Connections with a complete request that wait for a thread."""
        return len(self._backlog)

    @property
    def busy(self) -> int:
        """Threads in the application."""
        workers = len(self.members) - 1 - len(self.waiting)
        return workers + (self._in_app is not None)

    # The leader.

    def enter_app(self, me: Member, connection: Connection) -> None:
        """Lay the baton down to answer this connection; somebody must be waiting."""
        self._in_app = connection
        self._entries += 1
        if self._watch_sleeps:
            self._call_watch()
        me.baton.release()

    def leave_app(self, me: Member) -> None:
        """Take the baton up again; `me.leads` is False when the watch was faster."""
        if me.baton.acquire(blocking=False):
            self._in_app = None
            return
        me.leads = False  # the baton stays taken: it counts again when we lead again
        with self._mutex:  # the new leader has what it needs of our connection when this is free
            pass

    def dispatch(self, connection: Connection) -> None:
        """Give the connection to a waiting thread, or queue it."""
        with self._mutex:
            if not self.waiting:
                self._backlog.append(connection)
                return
            member = self.waiting.pop()
            if not self.waiting:
                self._watch_sleeps = False
            member.call(connection)

    def end(self) -> list[Connection]:
        """Let every thread end as soon as it has nothing in hand; what no thread has begun."""
        with self._mutex:
            self._is_over = True
            members, self.waiting = self.waiting, []
            for member in members:
                member.call(Order.END)
            left = list(self._backlog)
            self._backlog.clear()
            return left

    def _call_watch(self) -> None:
        with self._mutex:
            if self._watch_sleeps:
                self._watch_sleeps = False
                self.waiting[0].call(Order.WATCH)

    # Workers, and those that wait.

    def next_order(self, me: Member) -> Connection | Order:
        """Wait for something to do."""
        with self._mutex:
            if self._backlog:
                return self._backlog.popleft()
            if self._is_over:
                return Order.END
            self.waiting.append(me)
            is_watch = len(self.waiting) == 1
        return self._watch(me) if is_watch else self.await_order(me)

    def await_order(self, me: Member) -> Connection | Order:
        """Wait among the others until called."""
        while True:
            me.bell.acquire()
            order = self._order(me)
            if order is Order.WATCH:
                return self._watch(me)
            if order is not None:
                return order

    def _order(self, me: Member) -> Connection | Order | None:
        """What the bell was rung for; None when an earlier look has told it already."""
        with self._mutex:
            order, me.order = me.order, None
            return order

    def _watch(self, me: Member) -> Connection | Order:
        """Wait, and look after the leader."""
        seen, quiet_ticks = -1, 0
        while True:
            sleeps = quiet_ticks >= QUIET_TICKS and self._may_sleep(seen)
            if me.bell.acquire(timeout=-1 if sleeps else TICK_S):
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
        """Say that we sleep, then look once more: the leader looks after it has entered."""
        with self._mutex:
            self._watch_sleeps = True
            if self._in_app is not None or self._entries != seen:
                self._watch_sleeps = False
            return self._watch_sleeps

    def _take_over(self, me: Member) -> bool:
        with self._mutex:
            if self.waiting[:1] != [me] or not self._leader.baton.acquire(blocking=False):
                return False  # called to work, or the leader is back
            connection, self._in_app = self._in_app, None
            if connection is not None:
                self._on_takeover(connection)
            self.waiting.pop(0)
            me.leads = True
            self._leader = me
            if self.waiting:
                self.waiting[0].call(Order.WATCH)
            return True

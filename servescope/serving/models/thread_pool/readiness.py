"""The connections that can be read or written: epoll(7), with as few system calls as will do.

A connection of the leader stays armed level-triggered from request to request. A connection of
another thread is disarmed, and armed for one event (EPOLLONESHOT) when that thread gives it back.
Giving back is one step: were the leader to close the connection in the middle, at a deadline, the
thread would arm another file that has got the descriptor's number since.
"""

from __future__ import annotations

import os
import select
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from servescope.serving.connection import NOT_REGISTERED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.serving.connection import Connection

_READ: Final = int(select.EPOLLIN)
_READ_ONCE: Final = int(select.EPOLLIN | select.EPOLLONESHOT)
_WRITE_ONCE: Final = int(select.EPOLLOUT | select.EPOLLONESHOT)
_DISARMED: Final = int(select.EPOLLONESHOT)  # a hang-up is reported all the same, but only once
_EVENTS_PER_TURN: Final = 256
_NS: Final = 1_000_000_000


class Readiness:
    """One epoll set. The leader polls; any thread parks what it owns, and wakes the leader."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._giving_back = threading.Lock()

    def poll(self, timeout_ns: int | None) -> Iterator[int]:
        """Descriptors that are ready now, or within the time; None: wait for ever."""
        timeout_s = None if timeout_ns is None else timeout_ns / _NS
        for descriptor, _ in self._epoll.poll(timeout_s, _EVENTS_PER_TURN):
            if descriptor == self._wake:
                os.eventfd_read(self._wake)
            else:
                yield descriptor

    def watch(self, descriptor: int) -> None:
        """Report a listening socket while connections wait in it.

        Without EPOLLEXCLUSIVE: of the processes that share it, the one that waited last would be
        woken first, again and again, and get nearly all the connections.
        """
        self._epoll.register(descriptor, select.EPOLLIN)

    def unwatch(self, descriptor: int) -> None:
        """Stop reporting waiting connections."""
        self._epoll.unregister(descriptor)

    def wake(self) -> None:
        """Let a poll return."""
        os.eventfd_write(self._wake, 1)

    def take(self, connection: Connection) -> bool:
        """The leader takes a connection if it is parked, whether or not it was reported."""
        if connection.armed == _READ:  # nobody else parks so
            is_parked, connection.is_parked = connection.is_parked, False
            return is_parked
        with self._giving_back:
            is_parked, connection.is_parked = connection.is_parked, False
            if is_parked:
                connection.armed = _DISARMED  # or about to be: an event of ours finds it taken
        return is_parked

    def disarm(self, connection: Connection) -> None:
        """The leader gives the connection to another thread."""
        if connection.armed == _READ:
            connection.armed = _DISARMED
            self._epoll.modify(connection.descriptor, _DISARMED)

    def park(self, connection: Connection, *, by_leader: bool) -> bool:
        """Report the connection when its client moves; from here on the leader owns it.

        False when that cannot be: the stop has closed it, or this, in between.
        """
        if by_leader:
            return self._arm(connection, _READ if connection.unsent is None else _WRITE_ONCE)
        with self._giving_back:
            return self._arm(connection, _READ_ONCE if connection.unsent is None else _WRITE_ONCE)

    def _arm(self, connection: Connection, wanted: int) -> bool:
        before, connection.armed = connection.armed, wanted
        connection.is_parked = True
        if before == wanted == _READ:
            return True
        arm = self._epoll.register if before == NOT_REGISTERED else self._epoll.modify
        try:
            arm(connection.descriptor, wanted)
        except (OSError, ValueError):
            connection.is_parked = False  # the caller's to close, and nobody else's
            return False
        return True

    def disown(self) -> None:
        """Close a forked child's copies; the set itself is its parent's."""
        self.close()

    def close(self) -> None:
        """Give up the descriptors."""
        with suppress(OSError):
            self._epoll.close()
        wake, self._wake = self._wake, -1
        if wake >= 0:  # a number closed twice may be somebody else's by then
            os.close(wake)

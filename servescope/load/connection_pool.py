"""The generator's connections to one server: which are idle, and how many there may be."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from servescope.load.connections import Connection, descriptors_for, hold_little
from servescope.load.tls_connections import TlsConnection
from servescope.sockets.binding import family_of

if TYPE_CHECKING:
    import select

    from servescope.load.tls_connections import TrustedServer


class ConnectionPool:
    """Opens connections and owns them until `close`; `by_fd` has all of them.

    The last used of the idle ones goes first, so that few stay warm. A user's connection is that
    user's alone.
    """

    def __init__(
        self, destination: tuple[str, int], server: TrustedServer | None, max_connections: int
    ) -> None:
        self._destination = destination
        self._family = family_of(destination[0])
        self._server = server  # None: without TLS
        self.idle: list[Connection] = []  # of no user
        self._of_users: dict[int, Connection] = {}  # idle ones, by user
        self.limit = descriptors_for(max_connections)
        self.by_fd: dict[int, Connection] = {}
        self.opening = 0  # of them, those that are not established yet
        self.most = 0  # open at once

    def take(self, user: int | None) -> Connection | None:
        """A connection for one exchange, idle or just opened; None when the limit is reached."""
        if user is not None:
            return self._of_users.pop(user, None) or self.open(user)
        if self.idle:
            return self.idle.pop()
        return self.open() if len(self.by_fd) < self.limit else None

    def take_slow(self, user: int | None) -> Connection | None:
        """A new connection for one answer that is read slowly; None when the limit is reached.

        One that is idle, and the user's own, make room for it.
        """
        own = self._of_users.pop(user, None) if user is not None else None
        if own is not None:
            self.close(own)
        elif self.idle and len(self.by_fd) >= self.limit:
            self.close(self.idle.pop(0))
        if user is None and len(self.by_fd) >= self.limit:
            return None
        return self.open(user, is_slow=True)

    def open(self, user: int | None = None, *, is_slow: bool = False) -> Connection:
        """Begin to connect, whatever the limit."""
        now, server = time.monotonic_ns(), self._server
        if server is None:
            connection = Connection(self._family, now)
        else:
            connection = TlsConnection(self._family, now, server)
        connection.user = user
        self.by_fd[connection.fd] = connection
        self.opening += 1
        self.most = max(self.most, len(self.by_fd))
        if is_slow:
            hold_little(connection.socket)
        connection.connect(*self._destination)
        return connection

    def release(self, connection: Connection) -> None:
        """Keep it for the next exchange."""
        if connection.user is None:
            self.idle.append(connection)
        else:
            self._of_users[connection.user] = connection

    def establish(self, connection: Connection, now_ns: int) -> None:
        """Note that it is connected."""
        connection.establish(now_ns)
        self.opening -= 1

    def discard_idle(self, connection: Connection) -> None:
        """Close one that is idle: the server closed it, or spoke unasked."""
        if connection.user is None:
            self.idle.remove(connection)
        else:
            del self._of_users[connection.user]
        self.close(connection)

    def close(self, connection: Connection) -> None:
        """Close one that is not idle."""
        del self.by_fd[connection.fd]
        self.opening -= not connection.established
        connection.close()

    def close_all(self) -> None:
        """Close all of them."""
        for connection in list(self.by_fd.values()):
            self.close(connection)
        self.idle.clear()

    def watch(self, epoll: select.epoll, connection: Connection, interest: int) -> None:
        """Have the epoll set tell of these events of the connection."""
        if interest != connection.interest:
            if connection.interest:
                epoll.modify(connection.fd, interest)
            else:
                epoll.register(connection.fd, interest)
            connection.interest = interest

"""Accepting connections: access, the bound on their number, and running out of descriptors."""

from __future__ import annotations

import errno
import logging
import socket
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from servescope.hosting.conversation import Conversation
from servescope.hosting.over_capacity import NO_ROOM, OverCapacityConversation
from servescope.hosting.unfailing_log import UnfailingLogger
from servescope.rate_limited_log import RateLimitedLog
from servescope.request_fields import RequestFlag
from servescope.serving.connection import Connection, ConnectionContext, now_ns
from servescope.serving.date_header import date_header
from servescope.sockets.timestamps import stamp_arrivals
from servescope.sockets.tls import TlsSocket
from servescope.wire.tls_channel import TlsChannel

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.serving.model import Assignment
    from servescope.sockets.stream import StreamSocket

ACCEPTS_PER_TURN: Final = 64
"""Connections taken in one turn, so that a flood of new ones does not starve the open ones."""

REFUSED_AT_ONCE: Final = 64
"""Connections beyond the bound that get a 503; any further are closed without an answer."""

TLS_REFUSED_AT_ONCE: Final = 16
"""The same behind TLS, where each costs a handshake just when there is no room."""

BACK_OFF_NS: Final = 100_000_000
"""Pause in accepting when descriptors or memory have run out."""

# accept(2): these pass when something is closed elsewhere.
_SCARCE: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_MAPPED: Final = "::ffff:"  # an IPv4-mapped address (RFC 4291 section 2.5.5.2)
_log = UnfailingLogger(__name__)


C = TypeVar("C", bound=Connection)


class Acceptor(Generic[C]):
    """Takes connections from one listening socket; used by one thread.

    `paused_until_ns` lies in the future while descriptors are scarce: do not ask before.
    `accepted` and `turned_away` count connections since the start, the second those of the first
    for which there was no room; other threads may read them.
    """

    def __init__(
        self,
        assignment: Assignment,
        make_connection: Callable[[StreamSocket, Conversation, ConnectionContext], C],
    ) -> None:
        self._assignment = assignment
        self._make_connection = make_connection
        self._listening = assignment.listening
        self._context = ConnectionContext(
            assignment.record, date_header(), int(assignment.options.write_seconds * 1_000_000_000)
        )
        self._troubles = RateLimitedLog(_log)
        self._family = assignment.listening.family
        self._tls = assignment.tls
        self.paused_until_ns = 0
        self.accepted = self.turned_away = 0

    def accept(self) -> C | None:
        """The next connection; None when none waits or none can be taken now."""
        while True:
            try:
                sock, peer = self._listening.accept()
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno in _SCARCE:
                    self._pause(error)
                    return None
                if self._listening.fileno() < 0:
                    return None
                continue  # accept(2): errors of the connection itself mean: take the next one
            self.accepted += 1
            try:
                return self._make(sock, peer)
            except OSError:  # reset before we could set it up
                sock.close()
            except BaseException:
                sock.close()
                raise

    def _make(self, sock: socket.socket, peer: Any) -> C:
        sock.setblocking(False)
        stamp_arrivals(sock)
        assignment = self._assignment
        tls = None if self._tls is None else TlsChannel(self._tls.context)
        conversation = Conversation(assignment.site, self._client(peer), now_ns(), tls)
        stream = sock if tls is None else _behind_tls(sock, tls, conversation)
        return self._make_connection(stream, conversation, self._context)

    def _client(self, peer: Any) -> tuple[str, int]:
        """Address and port of a peer by accept(2); none of a unix socket's."""
        if self._family == socket.AF_UNIX:
            return "", 0
        address, port = peer[:2]
        if self._family == socket.AF_INET6 and address.startswith(_MAPPED):
            address = address[len(_MAPPED) :]  # an IPv4 client of a dual-stack listener
        return address, port

    def has_room(self, connection: Connection, open_connections: int) -> bool:
        """Whether the connection is to be read; if not it was given a 503 to run, or was closed.

        Behind TLS one without room is read as well: it gets its 503 once the TLS handshake is done.
        """
        most = self._assignment.options.max_connections
        if open_connections < most:
            return True
        self.turned_away += 1
        self._troubles.line(
            logging.WARNING,
            "full",
            "listener %s: all %d connections are taken",
            self._assignment.site.name,
            most,
        )
        is_encrypted = self._tls is not None
        if open_connections >= most + (TLS_REFUSED_AT_ONCE if is_encrypted else REFUSED_AT_ONCE):
            connection.close()
            return False
        if is_encrypted:
            site, accepted = self._assignment.site, connection.conversation
            connection.conversation = OverCapacityConversation(
                site, accepted.client, now_ns(), accepted.tls
            )
            connection.deadline_ns = connection.conversation.deadline_ns
            return True
        connection.conversation.refuse(*NO_ROOM, now_ns())
        return False

    def _pause(self, error: OSError) -> None:
        self.paused_until_ns = now_ns() + BACK_OFF_NS
        self._troubles.line(
            logging.WARNING,
            "scarce",
            "listener %s: cannot accept: %s",
            self._assignment.site.name,
            error.strerror,
        )


def _behind_tls(sock: socket.socket, tls: TlsChannel, conversation: Conversation) -> TlsSocket:
    return TlsSocket(sock, tls, partial(_refuse_plain_http, conversation))


def _refuse_plain_http(conversation: Conversation) -> None:
    conversation.refuse(HTTPStatus.BAD_REQUEST, "This port speaks HTTPS: use https://.", now_ns())
    if conversation.exchange is not None:
        conversation.exchange.flags = RequestFlag.NEW_CONNECTION  # there was no TLS

"""A connection that waits for its answers: sockets that block, or greenlets where Locust is."""

from __future__ import annotations

import socket
import ssl
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from servescope.errors import LoadRefusedError, ProtocolError, ServescopeError
from servescope.load.failure_examples import KEPT_BYTES, start_of, words_of
from servescope.records.load import LoadOutcome
from servescope.wire.http1_client import ClientConnection, Response

if TYPE_CHECKING:
    from servescope.load.steps import CompiledStep
    from servescope.load.tls_connections import TrustedServer

_NS: Final = 1_000_000_000
_RECEIVE_BYTES: Final = 65_536


class ExchangeFailedError(ServescopeError):
    """A request had no whole answer; its text is an example. `sent_ns` is 0 if it was not sent."""

    def __init__(self, outcome: LoadOutcome, example: str, sent_ns: int = 0) -> None:
        super().__init__(example)
        self.outcome = outcome
        self.sent_ns = sent_ns


class Answer(NamedTuple):
    """A whole answer; times are `time.monotonic_ns()`."""

    response: Response
    first_bytes: bytes
    sent_ns: int
    end_ns: int


class WaitingConnection:
    """One connection after the other to one server; the owner closes it."""

    def __init__(
        self, destination: tuple[str, int], server: TrustedServer | None, *, keep_alive: bool
    ) -> None:
        self._destination = destination
        self._server = server
        self._keep_alive = keep_alive
        self._socket: socket.socket | None = None
        self._http = ClientConnection()
        self._served = 0
        self._received = False  # something of the answer that is awaited
        self.resent = 0
        """Requests that broke a kept connection and went out again on another one."""

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return self._socket is not None

    def close(self) -> None:
        """Close it; the next exchange opens another one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._http.close()

    def exchange(self, data: bytes, step: CompiledStep, deadline_ns: int) -> Answer:
        """Send a request and wait for its answer. Raises ExchangeFailedError."""
        is_kept = self.is_open and self._served > 0
        try:
            return self._exchange(data, step, deadline_ns)
        except ExchangeFailedError as error:
            # The server may close a kept connection at any time (RFC 9112 section 9.3.1).
            is_closed_by_age = error.outcome is LoadOutcome.RESET and is_kept and not self._received
            if not (is_closed_by_age and step.is_idempotent):
                raise
        self.resent += 1
        return self._exchange(data, step, deadline_ns)

    def _exchange(self, data: bytes, step: CompiledStep, deadline_ns: int) -> Answer:
        sent_ns = 0
        self._received = False
        is_whole = False
        try:
            connection = self._socket or self._open(deadline_ns)
            self._http.expect(content=step.has_content, keeps=step.is_kept)
            connection.settimeout(_left_s(deadline_ns))
            sent_ns = time.monotonic_ns()
            connection.sendall(data)
            response, first_bytes = self._response(connection, deadline_ns)
            end_ns = time.monotonic_ns()
            is_whole = True
        except TimeoutError:
            raise ExchangeFailedError(
                LoadOutcome.TIMED_OUT, "no whole answer before the timeout", sent_ns
            ) from None
        except ProtocolError as error:
            raise ExchangeFailedError(LoadOutcome.PROTOCOL, str(error), sent_ns) from None
        except OSError as error:
            raise ExchangeFailedError(LoadOutcome.RESET, words_of(error), sent_ns) from None
        finally:
            if not is_whole:  # a greenlet that is killed leaves an answer under way, too
                self.close()
        self._served += 1
        if not (self._keep_alive and response.keep_alive):
            self.close()
        return Answer(response, first_bytes, sent_ns, end_ns)

    def _open(self, deadline_ns: int) -> socket.socket:
        try:
            opened = socket.create_connection(self._destination, _left_s(deadline_ns))
        except TimeoutError:
            raise
        except OSError as error:
            raise ExchangeFailedError(LoadOutcome.REFUSED, words_of(error)) from None
        self._socket, self._http, self._served = opened, ClientConnection(), 0
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._server is not None:
            self._socket = opened = self._wrap_in_tls(opened, self._server)
        return opened

    @staticmethod
    def _wrap_in_tls(plain: socket.socket, server: TrustedServer) -> socket.socket:
        try:
            encrypted = server.context.wrap_socket(plain, server_hostname=server.server_name)
            server.check(encrypted.getpeercert(binary_form=True) or b"")
        except TimeoutError:
            raise
        except (OSError, ssl.CertificateError, LoadRefusedError) as error:
            reason = words_of(error) if isinstance(error, OSError) else str(error)
            raise ExchangeFailedError(LoadOutcome.HANDSHAKE, reason) from None
        return encrypted

    def _response(self, connection: socket.socket, deadline_ns: int) -> tuple[Response, bytes]:
        """The whole answer and its first bytes. Raises OSError, ProtocolError."""
        first_bytes = b""
        while True:
            connection.settimeout(_left_s(deadline_ns))
            data = connection.recv(_RECEIVE_BYTES)
            if not data:
                response = self._http.receive_eof()
                if response is None:
                    raise ConnectionResetError("the connection ended before a whole answer")
                return response, first_bytes
            self._received = True
            first_bytes = first_bytes or data[:KEPT_BYTES]
            try:
                response = self._http.receive(data)
            except ProtocolError as error:
                raise ProtocolError(error.status, f"{error}: {start_of(first_bytes)}") from None
            if response is not None:
                return response, first_bytes


def _left_s(deadline_ns: int) -> float:
    """Seconds until then. Raises TimeoutError when there are none."""
    left_ns = deadline_ns - time.monotonic_ns()
    if left_ns <= 0:
        raise TimeoutError
    return left_ns / _NS

"""Send a request again, to a listener that is hosted here and to nowhere else."""

from __future__ import annotations

import http.client
import secrets
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from servescope.actions import fields
from servescope.capturing.document import CONNECTION_FIELDS
from servescope.errors import CaptureRefusedError
from servescope.recording.trace_context import TRACEPARENT
from servescope.records.listeners import UNIX, ListenerState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.control import Control
    from servescope.records.listeners import ListenerStatus

SAFE_METHODS: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""RFC 9110 section 9.2.1: these change nothing."""

UNKNOWN_METHOD: Final = "OTHER"
"""The request log's word for a method outside the known set, or none."""

TIMEOUT_S: Final = 10.0
"""How long the connection may stay silent."""

MOST_BYTES: Final = 16 * 1024 * 1024
"""Bytes of a response that are read."""

_BLOCK_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class RequestAgain:
    """A request as it was captured, or as much of it as the request log knows."""

    method: str
    target: str
    fields: Sequence[tuple[str, str]] = ()  # names and values as latin-1
    content: bytes = b""
    is_confirmed: bool = False  # a person was asked, for a method that is not safe


@dataclass(frozen=True, slots=True)
class Answer:
    """The response, as its client saw it; `trace_id` names the request in the request log."""

    status: int
    size_bytes: int  # of the content, without transfer coding
    took_s: float  # from connecting to the last byte
    trace_id: str
    is_cut: bool  # more than MOST_BYTES


def needs_confirmation(method: str) -> bool:
    """Whether a person is to be asked before a request of this method is sent again."""
    return method not in SAFE_METHODS


def is_recorded(method: str, target: str) -> bool:
    """Whether a request is known at all: one may be turned away before it is read."""
    return bool(target) and method != UNKNOWN_METHOD


def send(control: Control, listener: object, request: RequestAgain) -> Answer:
    """Send a request again; it is part of a trace of its own.

    Raises CaptureRefusedError when it aims at no listener that runs here, was not confirmed, or
    gets no answer.
    """
    name = fields.text(listener)
    running = (one for one in control.listeners.statuses() if one.state is ListenerState.RUNNING)
    status = next((one for one in running if one.name == name), None)
    if status is None:
        raise CaptureRefusedError(f"no listener {fields.quoted(name)} runs here")
    if not is_recorded(request.method, request.target):
        raise CaptureRefusedError("its method and its target were not recorded")
    if needs_confirmation(request.method) and not request.is_confirmed:
        raise CaptureRefusedError(f"{request.method} may change something: confirm it first")
    try:
        return _exchange(status, request)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise CaptureRefusedError(f"listener {name} gave no answer: {reason}") from error


class _UnixConnection(http.client.HTTPConnection):
    """A connection to a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self._path)


def _connection(status: ListenerStatus) -> http.client.HTTPConnection:
    if status.address.startswith(UNIX):
        return _UnixConnection(status.address.removeprefix(UNIX))
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(status.address, status.address)  # noqa: S104 - replaced
    if not status.is_tls:
        return http.client.HTTPConnection(host, status.port, timeout=TIMEOUT_S)
    # It is hosted here, and its certificate may be its own or name another host.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, status.port, timeout=TIMEOUT_S, context=context)


def _exchange(status: ListenerStatus, request: RequestAgain) -> Answer:
    trace_id = secrets.token_hex(16)
    own = {TRACEPARENT, *CONNECTION_FIELDS}
    kept = [(name, value) for name, value in request.fields if name.lower() not in own]
    connection = _connection(status)
    began_s = time.perf_counter()
    try:
        connection.putrequest(
            request.method,
            request.target,
            skip_host=any(name.lower() == "host" for name, _ in kept),
            skip_accept_encoding=True,
        )
        for name, value in kept:
            connection.putheader(name, value.encode("latin-1", "replace"))
        connection.putheader(TRACEPARENT, f"00-{trace_id}-{secrets.token_hex(8)}-01")
        connection.putheader("Connection", "close")
        if request.content:
            connection.putheader("Content-Length", str(len(request.content)))
        connection.endheaders(request.content or None)
        response = connection.getresponse()
        size = 0
        while size < MOST_BYTES and (block := response.read(_BLOCK_BYTES)):
            size += len(block)
        took_s = time.perf_counter() - began_s
        return Answer(response.status, size, took_s, trace_id, size >= MOST_BYTES)
    finally:
        connection.close()

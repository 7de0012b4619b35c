"""The opening handshake of a WebSocket (RFC 6455 section 4, RFC 7692 section 7).

The server judges a request and agrees on compression; the client offers none.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha1
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from servescope.errors import ProtocolError
from servescope.wire.http1_response import SERVER, ResponseError
from servescope.wire.http1_rules import TCHAR, list_members

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from servescope.wire.http1_events import RequestHead

VERSION: Final = b"13"

REFUSAL_FIELDS: Final = {
    HTTPStatus.METHOD_NOT_ALLOWED: [("Allow", "GET")],  # RFC 9110 section 15.5.6
    # RFC 9110 section 15.5.22, RFC 6455 section 4.4.
    HTTPStatus.UPGRADE_REQUIRED: [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")],
}
"""The fields that belong to a status with which `read_handshake` refuses."""

SERVER_WINDOW_BITS: Final = 12
"""Window we compress with: 4 KiB, an eighth of the most, so that thousands of sockets fit."""

CLIENT_WINDOW_BITS: Final = 12
"""Window we ask the client to compress with, when it lets us choose."""

_ACCEPT_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_KEY_BYTES: Final = 16
_MOST_WINDOW_BITS: Final = 15
_LEAST_WINDOW_BITS: Final = 9  # RFC 7692 allows 8, which zlib cannot do without a header
_TOKEN: Final = re.compile(rb"[" + TCHAR + rb"]+")
_FIELD_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_OURS: Final = frozenset(
    (
        b"connection",
        b"upgrade",
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-protocol",
        b"content-length",
        b"transfer-encoding",
    )
)

_NOT_OFFERED: Final = {
    b"sec-websocket-extensions": "the answer agrees on an extension that was not offered",
    b"sec-websocket-protocol": "the answer agrees on a subprotocol that was not offered",
}


@dataclass(frozen=True, slots=True)
class Deflate:
    """An agreement on permessage-deflate (RFC 7692 section 7.1)."""

    server_no_context_takeover: bool
    client_no_context_takeover: bool
    server_max_window_bits: int
    client_max_window_bits: int | None  # None: the client has not let us choose

    def header(self) -> bytes:
        """Value of Sec-WebSocket-Extensions."""
        parts = ["permessage-deflate", f"server_max_window_bits={self.server_max_window_bits}"]
        if self.client_max_window_bits is not None:
            parts.append(f"client_max_window_bits={self.client_max_window_bits}")
        if self.server_no_context_takeover:
            parts.append("server_no_context_takeover")
        if self.client_no_context_takeover:
            parts.append("client_no_context_takeover")
        return "; ".join(parts).encode()


@dataclass(frozen=True, slots=True)
class Handshake:
    """A valid opening handshake: what the client offers, and the proof it wants."""

    accept: bytes  # value of Sec-WebSocket-Accept
    subprotocols: tuple[str, ...]
    deflate: Deflate | None

    def response(
        self, date: bytes, subprotocol: str | None, headers: Iterable[tuple[bytes, bytes]]
    ) -> bytes:
        """Bytes of the 101 that opens the WebSocket.

        Server and Date are added where they lack; headers that belong to the handshake itself are
        left out. Raises ResponseError when the subprotocol was not offered or a header is unfit.
        """
        lines = [
            b"HTTP/1.1 101 Switching Protocols",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Accept: " + self.accept,
        ]
        if subprotocol is not None:
            if subprotocol not in self.subprotocols:
                raise ResponseError(f"the client has not offered the subprotocol {subprotocol!r}")
            lines.append(b"Sec-WebSocket-Protocol: " + subprotocol.encode())
        if self.deflate is not None:
            lines.append(b"Sec-WebSocket-Extensions: " + self.deflate.header())
        given = set()
        for name, value in headers:
            if _TOKEN.fullmatch(name) is None or _FIELD_VALUE.fullmatch(value) is None:
                raise ResponseError(f"header {name!r}: {value!r} holds bytes HTTP does not allow")
            folded = name.lower()
            if folded not in _OURS:
                lines.append(name + b": " + value)
                given.add(folded)
        if b"server" not in given:
            lines.append(b"Server: " + SERVER.encode())
        if b"date" not in given:
            lines.append(b"Date: " + date)
        return b"\r\n".join(lines) + b"\r\n\r\n"


def asks_for_websocket(head: RequestHead) -> bool:
    """Whether the client wants to leave HTTP for a WebSocket (RFC 6455 section 4.2.1).

    An Upgrade on 1.0 has no meaning (RFC 9110 section 7.8).
    """
    if not head.minor_version or head.header(b"upgrade") is None:
        return False
    upgrades = {token.lower() for token in _members(head.headers, b"upgrade")}
    options = {token.lower() for token in _members(head.headers, b"connection")}
    return b"websocket" in upgrades and b"upgrade" in options


def read_handshake(head: RequestHead, *, compress: bool = True) -> Handshake:
    """Judge a request that asks for a WebSocket.

    Raises ProtocolError: 405 for a method but GET, 426 for a version but 13, else 400; the answer
    has the REFUSAL_FIELDS of its status.
    """
    if head.method != "GET":
        raise ProtocolError(HTTPStatus.METHOD_NOT_ALLOWED, "A WebSocket is opened with GET.")
    if head.has_body:
        raise ProtocolError(HTTPStatus.BAD_REQUEST, "A WebSocket handshake has no body.")
    versions = _values(head.headers, b"sec-websocket-version")
    if len(versions) != 1 or versions[0] != VERSION:
        raise ProtocolError(
            HTTPStatus.UPGRADE_REQUIRED, "The only WebSocket version implemented is 13."
        )
    keys = _values(head.headers, b"sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        raise ProtocolError(
            HTTPStatus.BAD_REQUEST,
            "Sec-WebSocket-Key is not exactly one value of 16 bytes in base64.",
        )
    subprotocols = _members(head.headers, b"sec-websocket-protocol")
    if any(_TOKEN.fullmatch(name) is None for name in subprotocols):
        raise ProtocolError(HTTPStatus.BAD_REQUEST, "Sec-WebSocket-Protocol is malformed.")
    return Handshake(
        accept=_accept_of(keys[0]),
        subprotocols=tuple(name.decode() for name in subprotocols),
        deflate=_agree(head) if compress else None,
    )


def client_key(nonce: bytes) -> str:
    """Value of Sec-WebSocket-Key; the nonce has 16 random bytes (RFC 6455 section 4.1)."""
    return b64encode(nonce).decode()


def client_fields(key: str) -> list[tuple[str, str]]:
    """The fields by which a GET asks for a WebSocket."""
    return [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", VERSION.decode()),
    ]


def why_not_opened(status: int, headers: Sequence[tuple[bytes, bytes]], key: str) -> str:
    """Why this answer opens no WebSocket, as a sentence; empty when it does (section 4.1).

    The names of headers are in lower case. The request had the `client_fields` with this key: it
    offered neither an extension nor a subprotocol.
    """
    if status != HTTPStatus.SWITCHING_PROTOCOLS:
        return f"the answer to the handshake has status {status}, not 101"
    if [token.lower() for token in _members(headers, b"upgrade")] != [b"websocket"]:
        return "Upgrade of the answer does not name websocket alone"
    if b"upgrade" not in {token.lower() for token in _members(headers, b"connection")}:
        return "Connection of the answer does not name upgrade"
    if _values(headers, b"sec-websocket-accept") != [_accept_of(key.encode())]:
        return (
            "Sec-WebSocket-Accept of the answer does not prove that it was made for the handshake"
        )
    return next((told for name, told in _NOT_OFFERED.items() if _values(headers, name)), "")


def _accept_of(key: bytes) -> bytes:
    return b64encode(sha1(key + _ACCEPT_GUID, usedforsecurity=False).digest())


def _is_key(value: bytes) -> bool:
    try:
        return len(b64decode(value, validate=True)) == _KEY_BYTES
    except Base64Error:
        return False


def _values(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for known, value in headers if known == name]


def _members(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """Members of a list over all lines of a field."""
    return list_members(_values(headers, name))


def _agree(head: RequestHead) -> Deflate | None:
    """The first offer of permessage-deflate we can meet; one we cannot read is passed over."""
    for offer in _members(head.headers, b"sec-websocket-extensions"):
        name, *parameters = (part.strip(b" \t") for part in offer.split(b";"))
        if name == b"permessage-deflate":
            agreed = _read_offer(parameters)
            if agreed is not None:
                return agreed
    return None


def _read_offer(parameters: Iterable[bytes]) -> Deflate | None:
    """RFC 7692 section 7.1: an unknown, repeated or ill-valued parameter declines the offer."""
    given: dict[bytes, bytes | None] = {}
    for parameter in parameters:
        name, equals, value = parameter.partition(b"=")
        name = name.strip(b" \t")
        if name in given:
            return None
        given[name] = value.strip(b' \t"') if equals else None
    server_alone = _take_flag(given, b"server_no_context_takeover")
    client_alone = _take_flag(given, b"client_no_context_takeover")
    lets_us_choose = b"client_max_window_bits" in given
    client_most = _bits(given.pop(b"client_max_window_bits", None))
    # RFC 7692 section 7.1.2.1: unlike the client's, the server's size is never left open.
    server_most = _bits(given.pop(b"server_max_window_bits", b"15") or b"")
    if given or server_alone is None or client_alone is None:
        return None
    if server_most is None or client_most is None:
        return None
    return Deflate(
        server_no_context_takeover=server_alone,
        client_no_context_takeover=client_alone,
        server_max_window_bits=min(server_most, SERVER_WINDOW_BITS),
        client_max_window_bits=min(client_most, CLIENT_WINDOW_BITS) if lets_us_choose else None,
    )


def _take_flag(given: dict[bytes, bytes | None], name: bytes) -> bool | None:
    """Whether a parameter without a value is there; None when it has one."""
    if name not in given:
        return False
    return True if given.pop(name) is None else None


def _bits(value: bytes | None) -> int | None:
    """A window size; 15 without a value, None when it cannot be had."""
    if value is None:
        return _MOST_WINDOW_BITS
    fits = value.isdigit() and not value.startswith(b"0") and len(value) <= len(b"15")
    return int(value) if fits and _LEAST_WINDOW_BITS <= int(value) <= _MOST_WINDOW_BITS else None

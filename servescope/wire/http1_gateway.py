"""HTTP/1.1, gateway role: heads of messages as a reverse proxy sends them on (RFC 9110, 7.6).

Fields that are about one connection alone are left out: Connection, those that it names, and those
of section 7.6.1 that old peers send without naming them. All other fields pass in their order and
spelling. Each connection, to the client and to the server behind, carries one message.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from servescope.errors import ProtocolError

if TYPE_CHECKING:
    from servescope.wire.http1_events import RequestHead

VIA: Final = b"1.1 servescope"
"""Received protocol and pseudonym of a gateway, which it has to add (RFC 9110 section 7.6.3)."""

_CONNECTION: Final = b"connection"
_TRANSFER_ENCODING: Final = b"transfer-encoding"
_HOP_BY_HOP: Final = frozenset(
    {_CONNECTION, b"proxy-connection", b"keep-alive", b"te", _TRANSFER_ENCODING, b"upgrade"}
)
_OF_REQUEST: Final = frozenset(
    {
        b"host",
        b"content-length",
        b"expect",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"forwarded",
    }
)
"""Fields of a request that are written anew, or were seen to: its content is whole."""

_BAD_GATEWAY: Final = 502
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] [2-5][0-9]{2} [^\r\n]*")
_END: Final = [b"Connection: close", b"", b""]


def forwarded_request(
    head: RequestHead, raw_head: bytes, content: bytes, client: str, scheme: str
) -> bytes:
    """The request as the server behind gets it, whole.

    `raw_head` is the head as it came, `client` the address that it came from, `scheme` that of its
    connection: http or https. The client's own claims of both are replaced, those in `Forwarded`
    (RFC 7239) left out, so that the server can believe ours. The content, if it came in chunks,
    gets a length.
    """
    host = head.header(b"host") or b""
    lines = [f"{head.method} {head.target} HTTP/1.1".encode("latin-1"), b"Host: " + host]
    lines += _end_to_end(raw_head, _HOP_BY_HOP | _OF_REQUEST)
    lines += [f"X-Forwarded-For: {client}".encode(), f"X-Forwarded-Proto: {scheme}".encode()]
    lines.append(b"Via: " + VIA)
    if head.has_body:
        lines.append(b"Content-Length: %d" % len(content))
    return b"\r\n".join([*lines, *_END]) + content


def forwarded_response_head(raw_head: bytes) -> bytes:
    """The head of a response as the client gets it; its content passes unchanged.

    A transfer coding stays, since the content keeps it: the client has to speak HTTP/1.1. Raises
    ProtocolError for bytes that are no head of a final response.
    """
    status_line = raw_head.partition(b"\r\n")[0]
    if not _STATUS_LINE.fullmatch(status_line):
        raise ProtocolError(_BAD_GATEWAY, "The server behind did not answer with HTTP.")
    status = status_line.partition(b" ")[2]
    fields = _end_to_end(raw_head, _HOP_BY_HOP - {_TRANSFER_ENCODING})
    return b"\r\n".join([b"HTTP/1.1 " + status, *fields, *_END])


def _end_to_end(raw_head: bytes, left_out: frozenset[bytes]) -> list[bytes]:
    """The field lines of a head but for these, and but for those that Connection names."""
    lines = [line for line in raw_head.split(b"\r\n")[1:] if line]
    named = {
        option.strip().lower()
        for line in lines
        if _name(line) == _CONNECTION
        for option in line.partition(b":")[2].split(b",")
    }
    return [line for line in lines if _name(line) not in left_out | named]


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()

"""HTTP/1.1, client role: a request as bytes once, and responses out of whatever bytes arrive.

Sans-IO: the caller owns socket and clock. One request is outstanding at a time (no pipelining).

    NEED_DATA --receive: not yet whole--> NEED_DATA
    NEED_DATA --receive: whole----------> Response, and NEED_DATA for the next request's response
    NEED_DATA --receive: no HTTP--------> ProtocolError, for good
    NEED_DATA --receive_eof-------------> Response when only the close delimits it, else None

Interim responses (1xx, RFC 9110 section 15.2) are passed over; their bytes count towards the final
response. `101` is an error unless an upgrade was asked for. Fields and content of a response are
kept only where that was asked for (`expect`): a count of answers pays nothing for them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import httptools

from servescope.errors import ProtocolError
from servescope.wire.http1_rules import list_members

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
FIELD_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 section 5.5
VISIBLE: Final = re.compile(r"[\x21-\x7e]+")

_BAD_GATEWAY: Final = 502  # what a gateway says of such a peer (RFC 9110 section 15.6.3)
_SWITCHING_PROTOCOLS: Final = 101
_FIRST_STATUS: Final = 100
_FIRST_FINAL_STATUS: Final = 200

MAX_KEPT_CONTENT: Final = 1_048_576
"""Most bytes of content that are kept; of longer content a few more are, which tells that it is."""

_CONTENT_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})


def request_bytes(
    target: str,
    host: str,
    *,
    keep_alive: bool = True,
    headers: Sequence[tuple[str, str]] = (),
    method: str = "GET",
    content: bytes = b"",
) -> bytes:
    """Serialise a request.

    `target` is the request target as sent, `host` the value of the Host field (RFC 9110 section
    7.2). HTTP/1.1 connections persist by default, so only
    `keep_alive=False` sends a Connection field. Content-Length is sent with content, and with
    methods that mean to have some (RFC 9110 section 8.6). Raises ValueError for anything that would
    not be one well-formed request.
    """
    if not VISIBLE.fullmatch(target) or not VISIBLE.fullmatch(host):
        raise ValueError(f"target and host are visible ASCII, got {target!r} and {host!r}")
    fields = [("Host", host), *headers]
    given = {name.lower() for name, _ in headers}
    if not keep_alive:
        fields.append(("Connection", "close"))
    if content or method in _CONTENT_METHODS:
        fields.append(("Content-Length", str(len(content))))
    if (
        not TOKEN.fullmatch(method)
        or given & _FRAMING
        or not all(TOKEN.fullmatch(name) and FIELD_VALUE.fullmatch(value) for name, value in fields)
    ):
        raise ValueError(f"method or field is malformed: {method!r}, {fields!r}")
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + content


class Response(NamedTuple):
    """A final response that is whole. A tuple, since one is made for every request of a load run.

    `keep_alive` tells whether the connection may carry another request (RFC 9112 section 9.3);
    `bytes_received` counts head, body and the interim responses before it. `headers`, their names
    in lower case, and `content` are there when they were asked for. With status 101 `content` is
    what came behind the head, in the protocol switched to.
    """

    status: int
    keep_alive: bool
    bytes_received: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content: bytes = b""


class ClientConnection:
    """The client's side of one connection. Call `close` when done: the parser refers back here."""

    __slots__ = (
        "_awaits_content",
        "_awaits_upgrade",
        "_broken",
        "_content",
        "_content_bytes",
        "_delimited",
        "_ended",
        "_excess",
        "_feed",
        "_head_complete",
        "_headers",
        "_keeps",
        "_parser",
        "_persists",
        "_says_close",
        "bytes_received",
        "is_plain",
        "on_body",
    )

    def __init__(self) -> None:
        self.bytes_received = 0
        """Bytes of the response under way; 0 when none of it has arrived."""
        self.is_plain = True
        """Whether `expect` asked for nothing out of the common."""
        self._awaits_content = True  # False: the request was HEAD
        self._awaits_upgrade = False
        self._keeps = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._content: list[bytes] = []
        self._content_bytes = 0
        self._ended = 0  # status of the response that ended in the present call
        self._excess = False  # bytes after it, which belong to no request
        self._persists = False
        self._says_close = False
        self._broken = False
        self._head_complete = False
        self._delimited = False  # the body's end is known from the head
        self._renew_parser()

    def expect(self, *, content: bool = True, keeps: bool = False, upgrade: bool = False) -> None:
        """Tell of the next request, and of those after it until told otherwise.

        Its response has no `content` when the method is HEAD; `keeps` asks for fields and content,
        `upgrade` for another protocol. Only between two requests.
        """
        self.is_plain = content and not keeps and not upgrade
        if (content, keeps) != (self._awaits_content, self._keeps):
            self._awaits_content, self._keeps = content, keeps
            self._renew_parser()
        self._awaits_upgrade = upgrade

    def _renew_parser(self) -> None:
        # The parser looks for callbacks once, and copies the content for `on_body` if it is there.
        if self._keeps or not self._awaits_content:
            self.on_body = self._take_content
        elif hasattr(self, "on_body"):
            del self.on_body
        self._parser = httptools.HttpResponseParser(self)
        self._feed = self._parser.feed_data

    def receive(self, data: bytes) -> Response | None:
        """Take bytes as they came; return the response when this made it whole.

        Bytes beyond the response answer no request: then its `keep_alive` is false and the next
        call fails. Raises ProtocolError when the bytes are not a response.
        """
        if self._broken:
            raise ProtocolError(_BAD_GATEWAY, "bytes came that answer no request")
        self.bytes_received += len(data)
        behind = len(data)
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade as error:
            behind = error.args[0]
            self._broken = True
        except httptools.HttpParserError as error:
            self._broken = True
            if not self._ended:
                raise ProtocolError(_BAD_GATEWAY, f"the response is no HTTP: {error}") from None
        if not self._ended:
            if self._broken:
                raise ProtocolError(_BAD_GATEWAY, "the response has a status nobody asked for")
            return None
        clean = not (self._broken or self._excess)
        persists = clean and self._persists
        if self._keeps:
            response = self._kept_response(self._ended, persists, data[behind:])
        else:
            response = Response(self._ended, persists, self.bytes_received)
        self._broken = not clean
        self._ended = self.bytes_received = 0
        if not self._awaits_content and clean:  # this parser still waits for the content
            self._renew_parser()
        return response

    def receive_eof(self) -> Response | None:
        """The peer closed: the response this completes, or None when nothing or a part came.

        A response with neither length nor chunks ends with the connection (RFC 9112 section 6.3).
        """
        if self._broken or not self._head_complete or self._delimited:
            return None
        status, received = self._parser.get_status_code(), self.bytes_received
        self._broken = True
        if self._keeps:
            response = self._kept_response(status, persists=False, upgraded=b"")
        else:
            response = Response(status, keep_alive=False, bytes_received=received)
        self.bytes_received = 0
        return response

    def _kept_response(self, status: int, persists: bool, upgraded: bytes) -> Response:
        content = upgraded if status == _SWITCHING_PROTOCOLS else b"".join(self._content)
        return Response(status, persists, self.bytes_received, tuple(self._headers), content)

    def close(self) -> None:
        """Break the reference cycles with the parser, so that memory is freed at once."""
        del self._feed, self._parser
        if hasattr(self, "on_body"):
            del self.on_body

    # The callbacks of httptools, by the names it looks for; `on_body` is there when it is needed.

    def on_message_begin(self) -> None:
        """A message starts; after the one that was awaited, it is excess."""
        self._excess = self._ended > 0
        self._head_complete = self._delimited = False
        if not self._excess and self._keeps:
            self._headers.clear()
            self._content.clear()
            self._content_bytes = 0
        self._says_close = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note whether the head delimits the body: a length, or chunked as the final coding."""
        folded = name.lower()
        if folded == b"content-length":
            self._delimited = True
        elif folded == b"transfer-encoding":
            self._delimited = value.lower().rstrip().endswith(b"chunked")
        elif folded == b"connection":
            self._says_close |= b"close" in list_members([value.lower()])
        if self._keeps and not self._excess and not self._head_complete:  # else it is a trailer
            # llhttp leaves the optional white space behind a value (RFC 9112 section 5).
            self._headers.append((folded, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """The head is whole; to HEAD it is the whole response (RFC 9112 section 6.3)."""
        self._head_complete = True
        if self._awaits_content or self._ended:
            return
        status = self._parser.get_status_code()
        if status >= _FIRST_FINAL_STATUS:
            self._ended = status
            self._persists = self._parser.get_http_version() == "1.1" and not self._says_close
            self._head_complete = False

    def on_message_complete(self) -> None:
        """A message is whole: the final response, an interim one, or one that must not be."""
        self._head_complete = False
        status = self._parser.get_status_code()
        if status >= _FIRST_FINAL_STATUS:
            if not self._ended:
                self._ended = status
                self._persists = self._parser.should_keep_alive()  # forgotten once we return
        elif status == _SWITCHING_PROTOCOLS and self._awaits_upgrade:
            self._ended = status
        elif status < _FIRST_STATUS or status == _SWITCHING_PROTOCOLS:
            self._broken = True

    def _take_content(self, data: bytes) -> None:
        if not self._awaits_content:
            self._excess = True  # content in answer to HEAD, or of a message behind it
        elif self._content_bytes <= MAX_KEPT_CONTENT and not self._excess:
            self._content.append(data)
            self._content_bytes += len(data)

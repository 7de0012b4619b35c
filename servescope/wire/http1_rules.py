"""The rules above llhttp: each breach is a ProtocolError with its status.

llhttp, strict, judges field names, field values, line ends and folding. This module judges the
rest, and all that needs a status of its own. `RULES` lists every refusal; the tests read it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from servescope.errors import ProtocolError

MAX_METHOD: Final = 32
"""Bytes of the longest method: the longest one registered, UPDATEREDIRECTREF, has 17."""

MAX_METHOD_AND_VERSION: Final = 48
"""Bytes of a request line beside its target, of which the version takes 8."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest sizes accepted, in bytes and header lines; defaults as in `ListenerOptions`."""

    max_target: int = 8_190
    max_header_count: int = 100
    max_head: int = 65_536
    max_body: int = 16 * 1024 * 1024


class Rule(Enum):
    """Every reason to refuse a request: status, and the sentence the client gets."""

    FIRST_BYTE = (400, "The connection does not begin with an HTTP request.")
    REQUEST_LINE = (400, "The request line is not `method target HTTP/version`.")
    BARE_LF = (400, "A line ends without a carriage return.")
    FRAGMENT = (400, "The request target has a fragment.")
    TARGET_ESCAPE = (400, "The path has a % without two hexadecimal digits behind it.")
    TARGET_FORM = (400, "The request target has a form that does not fit the method.")
    TARGET_LENGTH = (414, "The request target is too long.")
    METHOD = (501, "The method is not implemented.")
    VERSION = (505, "Only HTTP/1.0 and HTTP/1.1 are supported.")
    HEAD_SIZE = (431, "The request head is too large.")
    HEADER_COUNT = (431, "The request has too many header fields.")
    HEADER_SYNTAX = (400, "A header field is malformed.")
    HOST_MISSING = (400, "The Host header field is missing.")
    HOST_REPEATED = (400, "The Host header field occurs more than once.")
    HOST_SYNTAX = (400, "The Host header field is malformed.")
    LENGTH_REPEATED = (400, "The Content-Length header field occurs more than once.")
    LENGTH_SYNTAX = (400, "The Content-Length header field is not a number.")
    LENGTH_AND_CODING = (400, "Content-Length and Transfer-Encoding occur together.")
    CODING_UNKNOWN = (501, "The only transfer coding implemented is `chunked`.")
    CODING_SYNTAX = (400, "Transfer-Encoding is repeated or does not end in `chunked`.")
    CODING_VERSION = (400, "HTTP/1.0 has no Transfer-Encoding.")
    EXPECTATION = (417, "The only expectation that can be met is `100-continue`.")
    BODY_SIZE = (413, "The request body is too large.")
    CHUNK_SIZE = (400, "A chunk size is malformed.")
    CHUNK_END = (400, "A chunk does not end where its size says.")
    CHUNK_OVERHEAD = (400, "The chunk extensions are larger than the limit.")
    TRAILER = (400, "A trailer field is malformed or too large.")

    def error(self) -> ProtocolError:
        """The error to raise for a breach."""
        status, reason = self.value
        return ProtocolError(status, reason)


KNOWN_METHODS: Final = frozenset(
    b"""GET HEAD POST PUT DELETE OPTIONS TRACE PATCH
    COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND UNBIND ACL
    MKCALENDAR REPORT MKACTIVITY CHECKOUT MERGE PURGE LINK UNLINK QUERY""".decode().split()
)
"""Methods that llhttp knows, without CONNECT and without those of other protocols. Any other token
is a method as well, which the app judges (RFC 9110 section 9.1: the set of methods is open)."""

_CONNECT: Final = "CONNECT"
"""The one method that no app sees: we are no proxy (RFC 9110 section 9.3.6)."""

# token = 1*tchar (RFC 9110 section 5.6.2); a target is visible ASCII (RFC 3986).
TCHAR: Final = rb"!#$%&'*+\-.^_`|~0-9A-Za-z"
_FIRST_BYTE = re.compile(rb"[" + TCHAR + rb"]")
_REQUEST_LINE = re.compile(rb"([" + TCHAR + rb"]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])\r\n")
# uri-host [ ":" port ] (RFC 9110 section 7.2): reg-name or IPv4, or an IP-literal in brackets.
_AUTHORITY = re.compile(
    rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=]*(?:%[0-9A-Fa-f]{2}[A-Za-z0-9\-._~!$&'()*+,;=]*)*"
    rb"|\[[0-9A-Fa-f:.]+\]|\[v[0-9A-Fa-f]+\.[A-Za-z0-9\-._~:]+\])"
    rb"(?::[0-9]{0,5})?"
)
_ABSOLUTE = re.compile(rb"https?://([^/?:][^/?]*)(/[^?]*)?(\?.*)?", re.IGNORECASE)
# pct-encoded = "%" HEXDIG HEXDIG (RFC 3986 section 2.1). Judged in the path, which we decode; the
# query is the app's, and browsers send a lone % in it as it was typed (URL Standard, query state).
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_DIGITS = re.compile(rb"[0-9]{1,40}")
_TRAILER_LINE = re.compile(rb"([" + TCHAR + rb"]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*\r\n")


class RequestLine(NamedTuple):
    """A valid request line; `authority` is that of an absolute-form target, else None."""

    method: str
    target: str
    minor_version: int
    authority: bytes | None


def check_first_byte(data: bytes) -> None:
    """Refuse what cannot become a request (a TLS hello, say) without waiting for a line end."""
    if data and _FIRST_BYTE.match(data) is None:
        raise Rule.FIRST_BYTE.error()


def parse_request_line(data: bytes, limits: Limits) -> RequestLine | None:
    """Read the request line at the beginning of `data`; None while it may still become one."""
    match = _REQUEST_LINE.match(data)
    longest = limits.max_target + MAX_METHOD_AND_VERSION
    if match is None or match.end() > longest:
        line_end = data.find(b"\n", 0, longest)
        if line_end < 0:
            if len(data) >= longest:
                # RFC 9112 section 3: 501 for a method that is too long, 414 for a target.
                is_method = b" " not in data[: MAX_METHOD + 1]
                raise (Rule.METHOD if is_method else Rule.TARGET_LENGTH).error()
            return None
        bare = data[line_end - 1 : line_end] != b"\r"
        raise (Rule.BARE_LF if bare else Rule.REQUEST_LINE).error()
    method, target, major, minor = match.groups()
    if major != b"1" or minor not in b"01":
        raise Rule.VERSION.error()
    name = method.decode()
    if name not in KNOWN_METHODS and (name == _CONNECT or len(name) > MAX_METHOD):
        raise Rule.METHOD.error()
    if len(target) > limits.max_target:
        raise Rule.TARGET_LENGTH.error()
    if b"%" in target and _BAD_ESCAPE.search(target.partition(b"?")[0]):
        raise Rule.TARGET_ESCAPE.error()
    authority = None
    if target[:1] != b"/" or b"#" in target:
        target, authority = _split_target(name, target)
    return RequestLine(name, target.decode(), minor[0] & 1, authority)


def _split_target(method: str, target: bytes) -> tuple[bytes, bytes | None]:
    """Origin-form and authority of a target that is not plainly in origin-form."""
    if b"#" in target:
        raise Rule.FRAGMENT.error()
    if target == b"*" and method == "OPTIONS":
        return target, None
    match = _ABSOLUTE.fullmatch(target)
    if match is None or _AUTHORITY.fullmatch(match[1]) is None:
        raise Rule.TARGET_FORM.error()
    return (match[2] or b"/") + (match[3] or b""), match[1]


def check_partial_head(data: bytes, limits: Limits) -> None:
    """Refuse a head that has no end yet, when no further byte can make it valid."""
    if _BARE_LF.search(data, 0, limits.max_head):
        raise Rule.BARE_LF.error()
    if len(data) >= limits.max_head:
        raise Rule.HEAD_SIZE.error()


_LLHTTP_REASONS: Final = {
    "Content-Length can't be present with Transfer-Encoding": Rule.LENGTH_AND_CODING,
    "Transfer-Encoding can't be present with Content-Length": Rule.LENGTH_AND_CODING,
    "Duplicate Content-Length": Rule.LENGTH_REPEATED,
    "Content-Length already present": Rule.LENGTH_REPEATED,
    "Invalid character in Content-Length": Rule.LENGTH_SYNTAX,
    "Empty Content-Length": Rule.LENGTH_SYNTAX,
    "Content-Length overflow": Rule.BODY_SIZE,
    "Invalid `Transfer-Encoding` header value": Rule.CODING_SYNTAX,
    "Request has invalid `Transfer-Encoding`": Rule.CODING_SYNTAX,
}
"""Our rules that llhttp was first to see broken; its other reasons are about field syntax."""


def header_error(head: bytes, llhttp_reason: str) -> ProtocolError:
    """Why llhttp refused this head, as far as the client can use it."""
    if _BARE_LF.search(head):
        return Rule.BARE_LF.error()
    return _LLHTTP_REASONS.get(llhttp_reason, Rule.HEADER_SYNTAX).error()


class Fields(NamedTuple):
    """The facts about the message itself that its header fields state."""

    keep_alive: bool
    expects_continue: bool
    body_length: int | None  # None: chunked
    has_upgrade: bool


_FRAMING = frozenset(
    (b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade")
)


def read_fields(headers: list[tuple[bytes, bytes]], minor_version: int, limits: Limits) -> Fields:
    """Judge the fields that frame the message. Raises ProtocolError for each breach."""
    if len(headers) > limits.max_header_count:
        raise Rule.HEADER_COUNT.error()
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in _FRAMING:
            if name in found:
                found[name].append(value)
            else:
                found[name] = [value]
    none: list[bytes] = []
    _check_host(found.get(b"host", none), minor_version)
    keep_alive = _keeps_alive(found.get(b"connection", none), minor_version)
    expectations = list_members(found.get(b"expect", none)) if minor_version else none
    if any(member.lower() != b"100-continue" for member in expectations):
        raise Rule.EXPECTATION.error()
    body_length = _body_length(
        found.get(b"content-length", none), found.get(b"transfer-encoding", none), minor_version
    )
    if body_length is not None and body_length > limits.max_body:
        raise Rule.BODY_SIZE.error()
    return Fields(keep_alive, bool(expectations), body_length, b"upgrade" in found)


def list_members(lines: list[bytes]) -> list[bytes]:
    """Members of a comma-separated list over all lines of a field; empty ones do not count.

    RFC 9110 section 5.6.1, for lists of tokens: a comma in a quoted string separates as well.
    """
    parts = (part.strip(b" \t") for part in b",".join(lines).split(b","))
    return [part for part in parts if part]


def _keeps_alive(options: list[bytes], minor_version: int) -> bool:
    """Whether the client means to keep the connection (RFC 9112 section 9.3)."""
    if not options:
        return minor_version == 1
    tokens = [token.lower() for token in list_members(options)]
    return b"close" not in tokens and (minor_version == 1 or b"keep-alive" in tokens)


def _check_host(hosts: list[bytes], minor_version: int) -> None:
    """RFC 9112 section 3.2: exactly one Host on 1.1, at most one on 1.0, and a valid one."""
    if len(hosts) != 1:
        if hosts:
            raise Rule.HOST_REPEATED.error()
        if minor_version == 1:
            raise Rule.HOST_MISSING.error()
    elif _AUTHORITY.fullmatch(hosts[0]) is None:
        raise Rule.HOST_SYNTAX.error()


def _body_length(lengths: list[bytes], codings: list[bytes], minor_version: int) -> int | None:
    """How long the body is (RFC 9112 section 6); ambiguous framing is refused."""
    if codings:
        if lengths:
            raise Rule.LENGTH_AND_CODING.error()
        if minor_version == 0:
            raise Rule.CODING_VERSION.error()
        if len(codings) > 1:
            raise Rule.CODING_SYNTAX.error()
        if codings[0].lower() != b"chunked":
            raise Rule.CODING_UNKNOWN.error()
        return None
    if not lengths:
        return 0
    if len(lengths) > 1:
        raise Rule.LENGTH_REPEATED.error()
    if _DIGITS.fullmatch(lengths[0]) is None:
        raise Rule.LENGTH_SYNTAX.error()
    return int(lengths[0])


def parse_trailer_line(line: bytes) -> tuple[bytes, bytes]:
    """Name and value of one trailer line; raises ProtocolError when it is no field line."""
    match = _TRAILER_LINE.fullmatch(line)
    if match is None:
        raise Rule.TRAILER.error()
    return match[1].lower(), match[2]

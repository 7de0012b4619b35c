"""Response bytes of the server role: head, framing of the body, and what may follow.

RFC 9112 section 6.3 and RFC 9110 section 8.6: a response is framed by Content-Length when its size
is known, by chunks for a 1.1 client, by the end of the connection for a 1.0 client.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

SERVER: Final = "servescope"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

Headers = list[tuple[str, str]]
RawHeaders = tuple[tuple[bytes, bytes], ...]
"""Names and values as the bytes they are on the wire."""

Dates = Callable[[int], tuple[bytes, int]]
"""The value of the Date header field at a moment of some clock, and until when it holds."""

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_STATUS = re.compile(r"[1-5][0-9]{2} [\t\x20-\x7e\x80-\xff]*")
_FRAMING: Final = frozenset(("transfer-encoding", "connection", "keep-alive", "trailer"))
_SERVER, _DATE, _LENGTH, _CLOSE, _UPGRADE = 1, 2, 4, 8, 16
"""Bits for the headers of the app that `head` looks at."""

_SERVER_LINE: Final = f"Server: {SERVER}\r\n".encode()
_CACHED: Final = 64  # longest value worth remembering
_LONGEST_PLANNED: Final = 2_048
_MOST_PLANNED: Final = 512
"""Heads remembered at most, of so many bytes at most: 2 MiB with what they were made of."""

_NO_CONTENT: Final = 204
_RESET_CONTENT: Final = 205
_NOT_MODIFIED: Final = 304
_BODILESS: Final = (_NO_CONTENT, _NOT_MODIFIED)
_UPGRADE_REQUIRED: Final = 426


class ResponseError(ValueError):
    """The app's response cannot be sent as HTTP; the text says what is wrong with it."""


@lru_cache(maxsize=256)
def reason_phrase(status: int) -> str:
    """The phrase of RFC 9110 for a status, empty for an unknown one."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _render(name: str, value: str) -> tuple[int, bytes]:
    """The meaning of a header for `head`, and its line: empty where only the server may set it."""
    if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
        raise ResponseError(f"header {name!r}: {value!r} holds bytes HTTP does not allow")
    line = f"{name}: {value}\r\n".encode("latin-1")
    match name.lower():
        case "content-length":
            if not (value.isascii() and value.isdigit()):
                raise ResponseError(f"Content-Length {value!r} is no number")
            return _LENGTH, line
        case "connection" if "close" in (part.strip(" \t") for part in value.lower().split(",")):
            return _CLOSE, b""
        case "upgrade":  # RFC 9110 section 7.8: with its name among the connection options
            return _UPGRADE, line + b"Connection: Upgrade\r\n"
        case "server":
            return _SERVER, line
        case "date":
            return _DATE, line
        case lower:
            return 0, b"" if lower in _FRAMING else line


_cached = lru_cache(maxsize=1024)(_render)


def _as_text(name: str | bytes, value: str | bytes) -> tuple[str, str]:
    """A header as text, whichever it is; raises ResponseError when it is a mixture."""
    if isinstance(name, bytes) and isinstance(value, bytes):
        return name.decode("latin-1"), value.decode("latin-1")
    if isinstance(name, str) and isinstance(value, str):
        return name, value
    raise ResponseError(f"header {name!r}: {value!r} is neither text nor bytes")


def as_content(part: object) -> bytes:
    """A part of an app's content that is not exactly `bytes`, as such.

    PEP 3333 and ASGI ask for bytes. A bytearray or memoryview (Starlette sends such) is copied: its
    `len` need not be its size in bytes, and it may change. Raises ResponseError for anything else.
    """
    if isinstance(part, (bytes, bytearray, memoryview)):
        return memoryview(part).tobytes()
    raise ResponseError(f"content is bytes, the app gave {type(part).__name__}")


def render_block(headers: Headers) -> bytes:
    """Header lines rendered once for many heads; none of those `head` looks at.

    Raises ResponseError for a header that is unfit, ValueError for one it must see.
    """
    rendered = [_render(name, value) for name, value in headers]
    if any(meaning for meaning, _ in rendered):
        raise ValueError(f"only `head` can render all of {headers!r}")
    return b"".join(line for _, line in rendered)


@lru_cache(maxsize=256)
def _status_line(status: int, phrase: str) -> bytes:
    return f"HTTP/1.1 {status} {phrase}\r\n".encode("latin-1")


@lru_cache(maxsize=256)
def check_status(status: str) -> int:
    """The number of a status such as `200 OK`; raises ResponseError when it is none."""
    if not isinstance(status, str):
        raise ResponseError(f"a status is text such as '200 OK', the app gave {status!r}")
    if _STATUS.fullmatch(status) is None:
        raise ResponseError(f"{status!r} is no status: three digits, a space, a phrase")
    number = int(status[:3])
    if number < HTTPStatus.OK:
        raise ResponseError(f"{number} is an interim status, a final one is needed")
    return number


Answer = tuple[int, str | None, tuple[Any, ...], int | None, bytes]
"""An answer: status; its phrase, None for RFC 9110's; the app's headers; the body's size
where the server knows it: then it is not chunked; a block of `render_block`."""


@dataclass(slots=True)
class HeadPlan:
    """The parts of a head beside Connection and Date, and its word about the body.

    `latest` is the head made of it last, after what it was made with: whose date and until when
    that holds, and `keep_alive`. Most heads of a second are the same. It is replaced in one step,
    so threads may share a plan.
    """

    answer: Answer
    lines: bytes  # from the status line on
    minor_version: int
    length: int | None  # of the body, where there is one and its length is announced
    has_body: bool
    is_chunked: bool
    closes: bool  # the connection ends with the response
    has_date: bool
    latest: tuple[Dates | None, int, bool, bytes] = (None, 0, False, b"")

    def head_at(self, now_ns: int, keep_alive: bool, dates: Dates) -> bytes:
        """The whole head at a moment of the clock that `dates` goes by."""
        source, until_ns, kept_alive, head = self.latest
        if now_ns >= until_ns or source is not dates or kept_alive is not keep_alive:
            date, until_ns = dates(now_ns)
            head = self.head(date, keep_alive)
            self.latest = (dates, until_ns, keep_alive, head)
        return head

    def head(self, date: bytes, keep_alive: bool) -> bytes:
        parts = [self.lines]
        if not keep_alive:
            parts.append(b"Connection: close\r\n")
        elif self.minor_version == 0:
            parts.append(b"Connection: keep-alive\r\n")
        parts.append(b"\r\n" if self.has_date else b"Date: %b\r\n\r\n" % date)
        return b"".join(parts)

    def body(self, content: bytes) -> bytes:
        """The body of a response whose content is whole; cut off at the announced length."""
        return content[: self.length] if self.length is not None else b""


_plans: dict[tuple[Answer, int, bool], HeadPlan] = {}
"""By answer, minor version of the request, and whether its method is HEAD: all that a plan depends
on. Each step on it is atomic; to forget too much costs time only."""


def _app_lines(status: int, headers: tuple[Any, ...]) -> tuple[int, int | None, list[bytes]]:
    """The meaning of an app's headers, the length they announce, and their lines."""
    seen = 0
    length = None
    lines = []
    for raw_name, raw_value in headers:
        name, value = _as_text(raw_name, raw_value)
        meaning, line = _render(name, value) if len(value) > _CACHED else _cached(name, value)
        if meaning == _LENGTH:
            if seen & _LENGTH:
                raise ResponseError("Content-Length is repeated")
            length = int(value)
            line = b"" if status in (_NO_CONTENT, _RESET_CONTENT) else line
        elif meaning == _UPGRADE and status != _UPGRADE_REQUIRED:
            line = b""  # the protocols are offered where one of them is demanded, and only there
        seen |= meaning
        lines.append(line)
    return seen, length, lines


def _plan(answer: Answer, minor_version: int, is_head: bool) -> HeadPlan:
    """Make the plan of a head, and remember it; raises ResponseError when a header is unfit."""
    status, phrase, headers, known_length, block = answer
    seen, length, lines = _app_lines(status, headers)
    has_body = not is_head and status not in _BODILESS
    is_chunked = False
    closes = bool(seen & _CLOSE)
    if status == _RESET_CONTENT:  # RFC 9110 section 15.3.6: no content, and it is framed so
        has_body = False
        lines.append(b"Content-Length: 0\r\n")
    elif not seen & _LENGTH:
        length = known_length
        if status in _BODILESS or (is_head and not length):
            # 304 announces the length of the 200 it stands for, which is not known here. Nor is
            # that of a GET's content when a HEAD was given none (RFC 9110 section 8.6).
            pass
        elif length is not None:
            lines.append(b"Content-Length: %d\r\n" % length)
        elif has_body and minor_version:
            is_chunked = True
            lines.append(b"Transfer-Encoding: chunked\r\n")
        elif has_body:
            closes = True
    if not seen & _SERVER:
        lines.append(_SERVER_LINE)
    start = _status_line(status, reason_phrase(status) if phrase is None else phrase)
    plan = HeadPlan(
        answer,
        b"".join((start, block, *lines)),
        minor_version,
        length if has_body else None,
        has_body,
        is_chunked,
        closes,
        bool(seen & _DATE),
    )
    if len(plan.lines) <= _LONGEST_PLANNED:
        if len(_plans) >= _MOST_PLANNED:
            _plans.clear()
        _plans[answer, minor_version, is_head] = plan
    return plan


def plan_head(answer: Answer, minor_version: int, is_head: bool) -> HeadPlan:
    """The plan of a response's head, to a request of this version, with the method HEAD or not.

    A Content-Length among its headers wins; Date and Server are added where they lack. Raises
    ResponseError when a header is unfit.
    """
    try:
        found = _plans.get((answer, minor_version, is_head))
        return found or _plan(answer, minor_version, is_head)
    except TypeError:  # a pair that is a list has no hash
        pairs = tuple((name, value) for name, value in answer[2])
        return _plan((*answer[:2], pairs, *answer[3:]), minor_version, is_head)


class ResponseFraming:
    """Turns a response that comes in parts into bytes; the arguments are those of `Answer`.

    `keep_alive` says whether the connection may be kept; it turns False when the response can only
    end with the connection. Raises ResponseError before any byte when the headers are unfit.
    """

    __slots__ = (
        "_chunked",
        "_has_body",
        "_minor_version",
        "head_bytes",
        "is_head",
        "keep_alive",
        "missing_bytes",
    )

    def __init__(self, minor_version: int, *, is_head: bool, keep_alive: bool) -> None:
        self._minor_version = minor_version
        self.is_head = is_head
        self.keep_alive = keep_alive
        self._chunked = False
        self._has_body = True
        self.head_bytes = 0  # of the last head given out
        self.missing_bytes: int | None = None
        """Bytes announced and not given; None where none are announced."""

    @property
    def is_satisfied(self) -> bool:
        """Whether nothing may follow what was framed so far: all bytes announced were given."""
        return not self._has_body or self.missing_bytes == 0

    def head(
        self,
        status: int,
        phrase: str | None,
        headers: Headers | RawHeaders,
        date: bytes,
        length: int | None,
        block: bytes = b"",
    ) -> bytes:
        """The response head; see `Answer` and `plan_head`."""
        answer = status, phrase, tuple(headers), length, block
        plan = plan_head(answer, self._minor_version, self.is_head)
        self._chunked = plan.is_chunked
        self._has_body = plan.has_body
        self.missing_bytes = plan.length
        if plan.closes:
            self.keep_alive = False
        head = plan.head(date, self.keep_alive)
        self.head_bytes = len(head)
        return head

    def content(self, data: bytes) -> bytes:
        """Frame a part of the body; bytes beyond the announced length are cut off."""
        if not data or not self._has_body:
            return b""
        if self._chunked:
            return b"%x\r\n%b\r\n" % (len(data), data)
        if self.missing_bytes is not None:
            data = data[: self.missing_bytes]
            self.missing_bytes -= len(data)
        return data

    def end(self) -> bytes:
        """The end of the body: the last chunk, or nothing."""
        return b"0\r\n\r\n" if self._chunked else b""

    def admit_file(self, count: int) -> int:
        """How many of `count` bytes of a file may follow a head that announced a length.

        They count as given. None follow where a response has no content, nor beyond the length.
        """
        if self.missing_bytes is None:
            return 0
        admitted = min(count, self.missing_bytes)
        self.missing_bytes -= admitted
        return admitted

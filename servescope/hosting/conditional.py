"""Conditional requests and ranges: RFC 9110 sections 13 and 14, as far as files need them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from servescope.wire.http_date import http_date, parse_http_date

if TYPE_CHECKING:
    from collections.abc import Callable

_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_SINGLE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one version of a file from another: size in bytes, modification time in ns."""

    size: int
    mtime_ns: int

    @property
    def etag(self) -> str:
        """A strong entity tag: it changes with every change the file system can tell."""
        return f'"{self.mtime_ns:x}-{self.size:x}"'

    @property
    def mtime_s(self) -> int:
        """Whole seconds, as an HTTP date can say them."""
        return self.mtime_ns // 1_000_000_000

    @property
    def last_modified(self) -> str:
        """The Last-Modified field."""
        return http_date(self.mtime_s)


@dataclass(frozen=True, slots=True)
class Selection:
    """What to answer: status, and which bytes of the file."""

    status: HTTPStatus
    offset: int
    count: int


def select(validators: Validators, header: Callable[[bytes], str], *, is_get: bool) -> Selection:
    """Evaluate the preconditions and the range, in the order of RFC 9110 section 13.2.2."""
    whole = Selection(HTTPStatus.OK, 0, validators.size)
    status = _precondition(validators, header)
    if status is not None:
        return Selection(status, 0, 0)
    wanted = header(b"range")
    if not wanted or not is_get or not _if_range_holds(validators, header(b"if-range")):
        return whole
    match = _SINGLE_RANGE.fullmatch(wanted)
    if match is None or match[1] == match[2] == "":
        return whole  # section 14.2: an unknown unit, several ranges: the whole is an answer too
    return _single_range(match[1], match[2], validators.size) or whole


def _precondition(validators: Validators, header: Callable[[bytes], str]) -> HTTPStatus | None:
    """304 or 412, or None when the request goes on."""
    if_match = header(b"if-match")
    if if_match and not _matches(if_match, validators.etag, strong=True):
        return HTTPStatus.PRECONDITION_FAILED
    unmodified = parse_http_date(header(b"if-unmodified-since")) if not if_match else None
    if unmodified is not None and validators.mtime_s > unmodified:
        return HTTPStatus.PRECONDITION_FAILED
    if_none_match = header(b"if-none-match")
    if if_none_match:
        seen = _matches(if_none_match, validators.etag, strong=False)
        return HTTPStatus.NOT_MODIFIED if seen else None
    since = parse_http_date(header(b"if-modified-since"))
    if since is not None and validators.mtime_s <= since:
        return HTTPStatus.NOT_MODIFIED
    return None


def _matches(field: str, etag: str, *, strong: bool) -> bool:
    if field.strip() == "*":
        return True
    return any(
        found[1] == etag and not (strong and found[0].startswith("W/"))
        for found in _ENTITY_TAG.finditer(field)
    )


def _if_range_holds(validators: Validators, field: str) -> bool:
    """Section 13.1.5: an exact date, or a strong tag; without the field the range holds."""
    if not field:
        return True
    if field.startswith('"'):
        return field == validators.etag
    return parse_http_date(field) == validators.mtime_s


def _single_range(first: str, last: str, size: int) -> Selection | None:
    """The bytes of one range; 416 when it lies outside; None when it makes no sense."""
    if not first:
        count = min(int(last), size)
        if not count:
            return Selection(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, 0)
        return Selection(HTTPStatus.PARTIAL_CONTENT, size - count, count)
    start = int(first)
    end = int(last) if last else size - 1
    if last and end < start:
        return None
    if start >= size:
        return Selection(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, 0)
    return Selection(HTTPStatus.PARTIAL_CONTENT, start, min(end, size - 1) - start + 1)

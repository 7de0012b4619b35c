"""Conditional requests and ranges: RFC 9110 sections 13 and 14, as far as files need them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from servescope.hosting.static.byte_ranges import ByteRange, read_ranges
from servescope.wire.http_date import http_date, parse_http_date

if TYPE_CHECKING:
    from collections.abc import Callable

_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


@dataclass(frozen=True, slots=True)
class Validators:
    """A mark of one version of a file: size in bytes, modification time in ns.

    `coding` names the content coding: representations of one file must not share a tag
    (RFC 9110 section 8.8.3.3).
    """

    size: int
    mtime_ns: int
    coding: str = ""

    @property
    def etag(self) -> str:
        """A strong entity tag: it changes with every change that the file system shows."""
        version = f"{self.mtime_ns:x}-{self.size:x}"
        return f'"{version}-{self.coding}"' if self.coding else f'"{version}"'

    @property
    def mtime_s(self) -> int:
        """Whole seconds, as an HTTP date can say them."""
        return self.mtime_ns // 1_000_000_000

    @property
    def last_modified(self) -> str:
        return http_date(self.mtime_s)


@dataclass(frozen=True, slots=True)
class Selection:
    """The answer: status, and with 200 and 206 which ranges of the file, one or more."""

    status: HTTPStatus
    ranges: tuple[ByteRange, ...] = ()

    @property
    def offset(self) -> int:
        """Where the first range begins."""
        return self.ranges[0].offset

    @property
    def count(self) -> int:
        """Bytes of the first range."""
        return self.ranges[0].count


def select(
    validators: Validators,
    header: Callable[[bytes], str],
    date: Callable[[], str],
    *,
    is_get: bool,
) -> Selection:
    """Evaluate the preconditions and the ranges, in the order of RFC 9110 section 13.2.2.

    `header` gives a field by its lower-case name, its lines joined with commas; empty without one.
    `date` gives the Date field of the answer.
    """
    status = _precondition(validators, header)
    if status is not None:
        return Selection(status)
    whole = Selection(HTTPStatus.OK, (ByteRange(0, validators.size),))
    wanted = header(b"range")
    if not wanted or not is_get or not _if_range_holds(validators, header(b"if-range"), date):
        return whole
    ranges = read_ranges(wanted, validators.size)
    if ranges is None:
        return whole
    if not ranges:
        return Selection(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
    return Selection(HTTPStatus.PARTIAL_CONTENT, ranges)


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


def _if_range_holds(validators: Validators, field: str, date: Callable[[], str]) -> bool:
    """Section 13.1.5: an exact and strong date, or a strong tag; without the field it holds."""
    if not field:
        return True
    if field.startswith('"'):
        return field == validators.etag
    if parse_http_date(field) != validators.mtime_s:
        return False
    # While the second of a change lasts, its date is weak: another may follow (section 8.8.2.2).
    answered_s = parse_http_date(date())
    return answered_s is not None and answered_s > validators.mtime_s

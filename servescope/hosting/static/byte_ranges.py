"""Byte ranges: the Range field and `multipart/byteranges` (RFC 9110 sections 14.1.2, 14.2, 14.6).

A field that could cost more than it is worth (section 17.15: many ranges, overlapping ranges) is
never answered as asked. Ranges that overlap, or lie no further apart than a part's head is long,
are joined; more than `MOST_RANGES` are ignored; and parts that together are no shorter than the
whole give way to the whole. So no body of a 206 is longer than the file.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_RANGES: Final = 64
PART_OVERHEAD: Final = 256
"""Bytes a part's head and the last boundary may take: a smaller gap is sent along (15.3.7.2)."""
READ_BYTES: Final = 65_536

_UNIT = re.compile(r"bytes=(.*)", re.IGNORECASE | re.DOTALL)
_SPEC = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """`count` bytes from `offset`; zero bytes are the whole of an empty file."""

    offset: int
    count: int

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + self.count

    def content_range(self, size: int) -> str:
        """The Content-Range field of a representation of `size` bytes (section 14.4)."""
        return f"bytes {self.offset}-{self.end - 1}/{size}"


def read_ranges(field: str, size: int) -> tuple[ByteRange, ...] | None:
    """The ranges a Range field asks of `size` bytes, in its order, joined where that is less.

    Empty: nothing of it lies inside, the answer is 416. None: the field is not understood or not
    worth it, the answer is the whole (section 14.2 allows that for any field).
    """
    unit = _UNIT.fullmatch(field.strip())
    if unit is None:
        return None
    # The grammar of a list lets a recipient skip empty elements (section 5.6.1.2), some of them.
    specs = [text for part in unit[1].split(",") if (text := part.strip(" \t"))]
    if not 0 < len(specs) <= MOST_RANGES or unit[1].count(",") > 2 * MOST_RANGES:
        return None
    wanted: list[ByteRange] = []
    for spec in specs:
        match = _SPEC.fullmatch(spec)
        if match is None or not (match[1] or match[2]):
            return None
        if match[1] and match[2] and int(match[2]) < int(match[1]):
            return None
        found = _inside(match[1], match[2], size)
        if found is not None:
            wanted.append(found)
    ranges = _join(wanted)
    if len(ranges) > 1 and sum(each.count + PART_OVERHEAD for each in ranges) >= size:
        return None
    return ranges


def _inside(first: str, last: str, size: int) -> ByteRange | None:
    """The part of one range that the representation has; None when there is none."""
    if not first:
        count = min(int(last), size)
        return ByteRange(size - count, count) if count else None
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    return ByteRange(start, end - start + 1) if start < size else None


def _join(wanted: Sequence[ByteRange]) -> tuple[ByteRange, ...]:
    """Without overlaps and small gaps; each stands where the first of its members stood."""
    joined: list[tuple[int, ByteRange]] = []
    for position, each in sorted(enumerate(wanted), key=lambda item: item[1].offset):
        if joined and each.offset - joined[-1][1].end <= PART_OVERHEAD:
            place, before = joined[-1]
            end = max(before.end, each.end)
            joined[-1] = (min(place, position), ByteRange(before.offset, end - before.offset))
        else:
            joined.append((position, each))
    return tuple(each for _, each in sorted(joined, key=lambda item: item[0]))


class MultipartRanges:
    """The body of a 206 with several ranges: its parts' heads and its length, before any reading.

    `boundary` must not occur in the file, which random text does not (RFC 2046 section 5.1.1).
    """

    def __init__(
        self, ranges: Sequence[ByteRange], size: int, content_type: str, boundary: str
    ) -> None:
        self._parts = [
            (
                f"\r\n--{boundary}\r\n"
                f"Content-Type: {content_type}\r\n"
                f"Content-Range: {each.content_range(size)}\r\n\r\n".encode("latin-1"),
                each,
            )
            for each in ranges
        ]
        self._close = f"\r\n--{boundary}--\r\n".encode("latin-1")
        self.content_type = f"multipart/byteranges; boundary={boundary}"
        self.length = len(self._close) + sum(len(head) + each.count for head, each in self._parts)

    def blocks(self, descriptor: int) -> Iterator[bytes]:
        """The body in blocks of at most `READ_BYTES`.

        Ends early when the file has become shorter: the announced length then shows it to the
        client.
        """
        for head, each in self._parts:
            yield head
            offset = each.offset
            while offset < each.end:
                block = os.pread(descriptor, min(READ_BYTES, each.end - offset), offset)
                if not block:
                    return
                offset += len(block)
                yield block
        yield self._close

"""The chunked transfer coding (RFC 9112 section 7.1), strict: CRLF only, hexadecimal sizes only.

`chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF`, closed by a chunk of size 0, trailer
fields and an empty line. Extensions are checked for illegal bytes and dropped.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from servescope.wire.http1_rules import Limits, Rule, parse_trailer_line

MAX_SIZE_LINE: Final = 512
"""Longest line with a chunk size and its extensions, in bytes; 16 digits say any 64-bit size."""

MAX_OVERHEAD: Final = 65_536
"""Most bytes of extensions and surplus zeros in one body; a flood of them is an attack."""

_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})([ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n")


class _Expecting(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()
    NOTHING = auto()


class ChunkedDecoder:
    """Takes the bytes after a head and gives the content, piece by piece."""

    __slots__ = (
        "_content",
        "_expecting",
        "_left",
        "_limits",
        "_overhead",
        "_trailer_bytes",
        "trailers",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._expecting = _Expecting.SIZE
        self._left = 0
        self._content = self._overhead = self._trailer_bytes = 0
        self.trailers: list[tuple[bytes, bytes]] = []

    @property
    def is_complete(self) -> bool:
        """Whether the last chunk and its trailer section were read."""
        return self._expecting is _Expecting.NOTHING

    def decode(self, data: bytes, start: int) -> tuple[bytes, int]:
        """Read `data` from `start`; return content and the offset of the first unread byte.

        No content means more bytes are needed, unless `is_complete`. Raises ProtocolError.
        """
        while True:
            match self._expecting:
                case _Expecting.DATA:
                    content = data[start : start + self._left]
                    self._left -= len(content)
                    if not self._left:
                        self._expecting = _Expecting.DATA_END
                    return content, start + len(content)
                case _Expecting.NOTHING:
                    return b"", start
                case _Expecting.DATA_END:
                    after = self._read_data_end(data, start)
                case _Expecting.SIZE:
                    after = self._read_size(data, start)
                case _Expecting.TRAILER:
                    after = self._read_trailer(data, start)
            if after == start:
                return b"", start
            start = after

    def _read_data_end(self, data: bytes, start: int) -> int:
        end = data[start : start + 2]
        if end == b"\r\n":
            self._expecting = _Expecting.SIZE
            return start + 2
        if not b"\r\n".startswith(end):
            raise Rule.CHUNK_END.error()
        return start

    def _read_size(self, data: bytes, start: int) -> int:
        after = data.find(b"\n", start, start + MAX_SIZE_LINE) + 1
        if not after:
            if len(data) - start >= MAX_SIZE_LINE:
                raise Rule.CHUNK_OVERHEAD.error()
            return start
        match = _SIZE_LINE.fullmatch(data, start, after)
        if match is None:
            raise Rule.CHUNK_SIZE.error()
        self._left = int(match[1], 16)
        self._content += self._left
        if self._content > self._limits.max_body:
            raise Rule.BODY_SIZE.error()
        # All bytes beyond the shortest spelling of the size count as overhead.
        self._overhead += after - start - len(b"%x\r\n" % self._left)
        if self._overhead > MAX_OVERHEAD:
            raise Rule.CHUNK_OVERHEAD.error()
        self._expecting = _Expecting.DATA if self._left else _Expecting.TRAILER
        return after

    def _read_trailer(self, data: bytes, start: int) -> int:
        longest = self._limits.max_head - self._trailer_bytes
        after = data.find(b"\n", start, start + longest) + 1
        if not after:
            if len(data) - start >= longest:
                raise Rule.TRAILER.error()
            return start
        self._trailer_bytes += after - start
        line = data[start:after]
        if line == b"\r\n":
            self._expecting = _Expecting.NOTHING
        else:
            self.trailers.append(parse_trailer_line(line))
            if len(self.trailers) > self._limits.max_header_count:
                raise Rule.TRAILER.error()
        return after

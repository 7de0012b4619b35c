"""How much of an answer a slow client reads, and when.

Theory of operation. The client reads the first bytes at once. They say how long the answer is; the
rest is read in PARTS equal parts, the last `read_seconds` after the first bytes. Between two parts
nothing is read: the buffers of both kernels fill, and the server has to wait, as it does for a
client behind a slow line. Where the answer does not say how long it is, a part has UNKNOWN_BYTES.
"""

from __future__ import annotations

import re
from typing import Final

PARTS: Final = 20
FIRST_BYTES: Final = 2_048
UNKNOWN_BYTES: Final = 16_384
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)


class SlowReading:
    """The pace of one answer, by its first bytes."""

    __slots__ = ("every_ns", "part_bytes")

    def __init__(self, first: bytes, read_ns: int) -> None:
        self.every_ns = read_ns // PARTS
        length = _LENGTH.search(first)
        left = int(length[1]) if length is not None else UNKNOWN_BYTES * PARTS
        self.part_bytes = -(-left // PARTS) or 1

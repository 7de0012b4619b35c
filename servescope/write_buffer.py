"""A file that is only written to, and emptied as it grows: for writers whose bytes are streamed."""

from __future__ import annotations

import io
from typing import Any


class WriteBuffer(io.RawIOBase):
    """Keeps what was written until it is taken."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        block = bytes(data)
        self._blocks.append(block)
        self._written += len(block)
        return len(block)

    def tell(self) -> int:
        return self._written

    def taken(self) -> bytes:
        """The bytes that were written since the last call."""
        blocks, self._blocks = self._blocks, []
        return b"".join(blocks)

"""The heads of the frames of a WebSocket, read from the bytes of one direction (RFC 6455, 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_FINAL: Final = 0x80
_COMPRESSED: Final = 0x40  # RSV1, of permessage-deflate (RFC 7692 section 6)
_OPCODE: Final = 0x0F
_MASKED: Final = 0x80
_LENGTH: Final = 0x7F
_LENGTH_BYTES: Final = {126: 2, 127: 8}
_MASK_BYTES: Final = 4
_SHORTEST: Final = 2


class FrameHead(NamedTuple):
    """The fields of a frame's head; `length` in bytes of the payload."""

    opcode: int
    is_final: bool
    is_compressed: bool
    length: int


class FrameHeads:
    """Reads the frames of one direction, in any cut; payloads are passed over."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._payload = 0  # bytes still to come of the frame at hand

    def feed(self, data: bytes) -> Iterator[FrameHead]:
        """The heads that are complete with these bytes."""
        buffer = self._buffer
        buffer += data
        while buffer:
            passed = min(self._payload, len(buffer))
            del buffer[:passed]
            self._payload -= passed
            if self._payload:
                return
            head = self._read()
            if head is None:
                return
            yield head

    def _read(self) -> FrameHead | None:
        buffer = self._buffer
        if len(buffer) < _SHORTEST:
            return None
        first, second = buffer[0], buffer[1]
        length = second & _LENGTH
        more = _LENGTH_BYTES.get(length, 0)
        size = _SHORTEST + more + (_MASK_BYTES if second & _MASKED else 0)
        if len(buffer) < size:
            return None
        if more:
            length = int.from_bytes(buffer[_SHORTEST : _SHORTEST + more])
        del buffer[:size]
        self._payload = length
        return FrameHead(first & _OPCODE, bool(first & _FINAL), bool(first & _COMPRESSED), length)

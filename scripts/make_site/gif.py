"""A small GIF89a writer: one palette, frames that hold only what changed (GIF89a specification)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TRANSPARENT = 255  # palette index of a pixel that did not change
_CODE_BITS = 8
_CLEAR, _END = 1 << _CODE_BITS, (1 << _CODE_BITS) + 1
_MOST_CODES = 4096


def encode(frames: Sequence[NDArray[np.uint8]], palette: NDArray[np.uint8], delay_cs: int) -> bytes:
    """Frames of palette indices, shape (height, width), shown `delay_cs` hundredths each, looping.

    `palette` has the shape (255, 3); index 255 is kept for pixels that did not change.
    """
    height, width = frames[0].shape
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    parts = [
        b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0) + table.tobytes(),
        b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00",  # loop without end
    ]
    before: NDArray[np.uint8] | None = None
    for frame in frames:
        top, left, part = _changed(before, frame)
        parts.append(b"\x21\xf9\x04" + struct.pack("<BHBB", 0x05, delay_cs, TRANSPARENT, 0))
        parts.append(struct.pack("<BHHHHB", 0x2C, left, top, part.shape[1], part.shape[0], 0))
        data = _compress(part.tobytes())
        blocks = (data[start : start + 255] for start in range(0, len(data), 255))
        parts.append(bytes([_CODE_BITS]) + b"".join(bytes([len(b)]) + b for b in blocks) + b"\0")
        before = frame
    return b"".join(parts) + b"\x3b"


def _changed(
    before: NDArray[np.uint8] | None, frame: NDArray[np.uint8]
) -> tuple[int, int, NDArray[np.uint8]]:
    """Top, left and pixels of the smallest rectangle that holds all changes."""
    if before is None:
        return 0, 0, frame
    changed = before != frame
    if not changed.any():
        return 0, 0, np.full((1, 1), TRANSPARENT, np.uint8)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    area = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    part = np.where(changed[area], frame[area], np.uint8(TRANSPARENT))
    return int(rows[0]), int(columns[0]), part


def _compress(pixels: bytes) -> bytes:
    """LZW with codes of growing width, least significant bit first (GIF89a, appendix F)."""
    out = bytearray()
    buffer, filled, width = _CLEAR, _CODE_BITS + 1, _CODE_BITS + 1
    codes: dict[int, int] = {}
    following = _END + 1
    prefix = pixels[0]
    for pixel in pixels[1:]:
        key = prefix << 8 | pixel
        code = codes.get(key)
        if code is not None:
            prefix = code
            continue
        buffer |= prefix << filled
        filled += width
        if following < _MOST_CODES:
            codes[key] = following
            if following == 1 << width:
                width += 1
            following += 1
        else:
            buffer |= _CLEAR << filled
            filled += width
            codes.clear()
            following, width = _END + 1, _CODE_BITS + 1
        prefix = pixel
        whole = filled // 8
        out += (buffer & ((1 << 8 * whole) - 1)).to_bytes(whole, "little")
        buffer >>= 8 * whole
        filled -= 8 * whole
    buffer |= prefix << filled
    filled += width
    if following == 1 << width < _MOST_CODES:  # the decoder's table grew as well
        width += 1
    buffer |= _END << filled
    filled += width
    out += buffer.to_bytes((filled + 7) // 8, "little")
    return bytes(out)

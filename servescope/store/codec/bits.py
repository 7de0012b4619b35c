"""Numbers of one, two or four bits, several in a byte, the first one in the lowest bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BYTES: Final = np.arange(256, dtype=np.uint8)


def _spread(bits: int) -> NDArray[np.unsignedinteger]:
    """Of each byte, the numbers in it, as the bytes of one wider number."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    numbers = (_BYTES[:, None] >> shifts) & np.uint8(2**bits - 1)
    spread: NDArray[np.unsignedinteger] = numbers.view(f"<u{shifts.size}").ravel()
    return spread


_SPREAD: Final = {bits: _spread(bits) for bits in (1, 2, 4)}


def bytes_of(numbers: int, bits: int) -> int:
    """Bytes that so many numbers take."""
    return -(-numbers * bits // 8)


def packed(numbers: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Pack lines of numbers, (lines, n), each into whole bytes, (lines, `bytes_of(n, bits)`)."""
    lines, n = numbers.shape
    width = bytes_of(n, bits)
    filled = np.zeros((lines, width * (8 // bits)), np.uint8)
    filled[:, :n] = numbers
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    together = filled.reshape(lines, width, -1) << shifts
    whole: NDArray[np.uint8] = np.bitwise_or.reduce(together, axis=2)
    return whole


def unpacked(lines: NDArray[np.uint8], bits: int, n: int) -> NDArray[np.uint8]:
    """Undo `packed`: (lines, n)."""
    numbers: NDArray[np.uint8] = _SPREAD[bits].take(lines).view(np.uint8)
    return numbers[:, :n]

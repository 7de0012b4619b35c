"""The site's icon: three bars of falling length, as a 32 x 32 bitmap in an ICO container."""

from __future__ import annotations

import struct

SIZE = 32
BARS = ((7, 26, (0xE8, 0x87, 0x1E)), (14, 20, (0x2F, 0x7F, 0xD1)), (21, 13, (0x1F, 0x9D, 0x78)))
LEFT, HEIGHT = 4, 5


def make() -> bytes:
    """An ICO file with one 32-bit image (BITMAPINFOHEADER, rows from the bottom, then a mask)."""
    rows = []
    for y in reversed(range(SIZE)):
        row = bytearray(SIZE * 4)
        for top, right, (red, green, blue) in BARS:
            if top <= y < top + HEIGHT:
                for x in range(LEFT, right + 2):
                    row[x * 4 : x * 4 + 4] = bytes((blue, green, red, 255))
        rows.append(bytes(row))
    mask = bytes(SIZE * SIZE // 8)
    # The height counts image and mask.
    header = struct.pack("<IiiHHIIiiII", 40, SIZE, SIZE * 2, 1, 32, 0, 0, 0, 0, 0, 0)
    image = header + b"".join(rows) + mask
    entry = struct.pack("<BBBBHHII", SIZE, SIZE, 0, 0, 1, 32, len(image), 6 + 16)
    return struct.pack("<HHH", 0, 1, 1) + entry + image

"""The outside of every chunk: a checksum, a head, and a body compressed with zstd."""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING, Final

import zstandard

from servescope.errors import StoreCorruptError
from servescope.store.frames import check, seal

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    from numpy.typing import NDArray

ROWS: Final = 60
"""Rows of a chunk: a chunk of tier t spans 60 t seconds."""

_LEVEL: Final = 3
_HEAD: Final = struct.Struct("<IIIHxB")  # CRC, series, cells, unused, layout


class _Codec(threading.local):
    """A zstd context may serve one thread at a time."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=_LEVEL).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_codec = _Codec()


def pack(layout: int, series: int, cells: int, body: bytes) -> bytes:
    """Compress and seal the body of a chunk."""
    head = struct.pack("<IIHxB", series, cells, 0, layout)
    return seal(head + _codec.compress(body))


def unpack(blob: bytes, layouts: Collection[int]) -> tuple[int, int, int, bytes]:
    """Layout, series, cells and body; raises StoreCorruptError when the blob was damaged.

    Layout 0 is that of schema version 1, which kept its cells in the eight bytes of which the
    layout is now the last: nobody had 2**56 cells.
    """
    check(blob)
    try:
        _, series, cells, _, layout = _HEAD.unpack_from(blob)
        body = _codec.decompress(memoryview(blob)[_HEAD.size :])
    except (struct.error, zstandard.ZstdError) as error:
        raise StoreCorruptError(f"a chunk of the store cannot be unpacked: {error}") from error
    if layout not in layouts:
        raise StoreCorruptError(f"a chunk of the store has the unknown layout {layout}")
    return layout, series, cells, body


def joined_bytes(planes: NDArray[np.uint8]) -> NDArray[np.unsignedinteger]:
    """Unsigned numbers (...,) from their shuffled bytes (1, 2, 4 or 8, ...), lowest first."""
    if len(planes) == 1:
        single: NDArray[np.unsignedinteger] = planes[0]
        return single
    joined: NDArray[np.unsignedinteger] = planes[-1].astype(f"<u{len(planes)}")
    for plane in planes[-2::-1]:
        joined <<= 8
        joined |= plane
    return joined

"""The outside of every chunk: a checksum, a head, and a body compressed with zstd."""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING, Final

import numpy as np
import zstandard

from servescope.errors import StoreCorruptError
from servescope.store.codec.rows import check, seal

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

ROWS: Final = 60
"""Rows of a chunk: a chunk of tier t spans 60 t seconds."""

PAGE_BYTES: Final = 4096
"""Of the SQLite file (its default), which blobs are made to fill."""

_LEVEL: Final = 11
"""Of zstd: 3 % less than level 3 on a host's figures, for half the time more, once a minute."""

_ROW_HEAD_BYTES: Final = 22  # of a row of `chunk`: its columns beside the blob, and their types
_CELL_BYTES: Final = 12  # payload's size, rowid, overflow page, and the cell's place
_PAGE_HEAD_BYTES: Final = 8
_HEAD: Final = struct.Struct("<IIIHxB")  # CRC, series, cells, unused, layout


_OWN_BLOCK_BYTES: Final = 768
"""From how many bytes on a part is worth the table of symbols that a block of its own brings."""


class _Codec(threading.local):
    """A zstd context may serve one thread at a time."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self.decompress = zstandard.ZstdDecompressor().decompress


_codec = _Codec()


def pack(layout: int, series: int, cells: int, parts: Sequence[bytes]) -> bytes:
    """Compress and seal the body of a chunk, whose parts are unlike each other.

    zstd gives each block one table of symbols (RFC 8878, section 3.1.1.3): bytes that are noise
    would spoil that of the others, so long parts become blocks of their own.
    """
    head = struct.pack("<IIHxB", series, cells, 0, layout)
    stream = _codec.compressor.compressobj(size=sum(map(len, parts)))
    blocks = [head]
    begun = False
    for part in parts:
        is_long = len(part) >= _OWN_BLOCK_BYTES
        if is_long and begun:
            blocks.append(stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
        blocks.append(stream.compress(part))
        if is_long:
            blocks.append(stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
        begun = not is_long
    blocks.append(stream.flush())
    return seal(b"".join(blocks))


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


def joined_bytes(planes: Sequence[NDArray[np.uint8]]) -> NDArray[np.unsignedinteger]:
    """Unsigned numbers (...,) from their shuffled bytes: one to eight planes, lowest first."""
    if len(planes) == 1:
        return planes[0]
    width = 1 << (len(planes) - 1).bit_length()
    joined: NDArray[np.unsignedinteger] = planes[-1].astype(f"<u{width}")
    for plane in planes[-2::-1]:
        joined <<= 8
        joined |= plane
    return joined


def shuffled(numbers: NDArray[np.generic], count: int) -> list[bytes]:
    """The lowest `count` bytes of little-endian numbers, each plane of bytes for itself."""
    width = numbers.dtype.itemsize
    planes = np.ascontiguousarray(numbers).view("u1").reshape(-1, width).T
    return [plane.tobytes() for plane in planes[:count]]


def id_steps(ids: NDArray[np.uint32]) -> bytes:
    """Ids as the difference of each to the one before: mostly neighbours."""
    return np.diff(ids, prepend=np.uint32(0)).astype("<u4").tobytes()


def ids_from(body: bytes, number: int, at: int) -> NDArray[np.uint32]:
    """Undo `id_steps`."""
    return np.cumsum(np.frombuffer(body, "<u4", number, at), dtype=np.uint32)


def page_bytes(blob: bytes) -> int:
    """Bytes of a leaf page of `chunk` that a row with this blob takes; the rest overflows.

    sqlite.org/fileformat2.html, section 1.6: of a payload larger than `most` so much stays that the
    overflow pages are full, or `least` when that is still too much.
    """
    payload = len(blob) + _ROW_HEAD_BYTES
    least, most = (PAGE_BYTES - 12) * 32 // 255 - 23, PAGE_BYTES - 35
    if payload > most:
        kept = least + (payload - least) % (PAGE_BYTES - 4)
        payload = kept if kept <= most else least
    return payload + _CELL_BYTES


def filling_pages(blobs: Sequence[bytes]) -> list[int]:
    """In which order to insert rows with these blobs, so that little of the leaf pages is left.

    Rows are added to the last page until one does not fit: therefore always the largest that does.
    """
    left = sorted(range(len(blobs)), key=lambda index: -page_bytes(blobs[index]))
    order: list[int] = []
    room = 0
    while left:
        fitting = next((index for index in left if page_bytes(blobs[index]) <= room), None)
        if fitting is None:
            room = PAGE_BYTES - _PAGE_HEAD_BYTES
            fitting = left[0]
        room -= page_bytes(blobs[fitting])
        left.remove(fitting)
        order.append(fitting)
    return order

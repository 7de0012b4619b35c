"""Chunks of histograms: how the values of each series spread over the buckets, row by row.

Kept dense, one plane (series, rows) for each bucket between the lowest and the highest in use:
zeros cost nothing once compressed, and quantiles, heatmaps and totals are sums along an axis.

A bucket's counts are kept in as few bits as the largest needs: those at the edges take one or two.

Body, little endian: seconds (60,) u2 · steps of ids (n,) u4 · lowest bucket u1 · bits that the
largest count of each bucket needs (buckets,) u1 · counts (n, 60) of the buckets that need 1 bit, 2
bits and so on, kept in 1, 2, 4 (see `bits`), 8, 16, 32 or 64 bits each, shuffled. `cells` of the
head is the number of buckets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from servescope.histogram import BUCKETS
from servescope.store.codec.bits import bytes_of, packed, unpacked
from servescope.store.codec.envelope import (
    ROWS,
    id_steps,
    ids_from,
    joined_bytes,
    pack,
    shuffled,
    unpack,
)
from servescope.store.codec.rows import COUNT_KINDS, width_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPARSE_LAYOUT: Final = 0  # of schema version 1: sorted keys of the cells in use
_WHOLE_LAYOUT: Final = 1  # of version 3: all counts in as many bytes as the largest needs
_LAYOUT: Final = 2
_BYTE: Final = 8
_ROOM: Final = tuple(
    next(room for room in (0, 1, 2, 4, _BYTE, 16, 32, 64) if bits <= room) for bits in range(65)
)
"""In how many bits a count is kept that needs so many."""

_LARGEST: Final = np.array([2**bits - 1 for bits in range(64)], np.int64)


class Buckets(NamedTuple):
    """A chunk of plane HIST_BUCKETS: `counts[b, i, r]` values of series i in bucket `lowest+b`."""

    seconds: NDArray[np.uint16]  # (ROWS,): seconds with a frame in each row
    ids: NDArray[np.uint32]
    lowest: int
    counts: NDArray[np.integer]  # (buckets, n, ROWS)

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return self.ids.nbytes + self.counts.nbytes


def buckets_of(
    seconds: NDArray[np.uint16],
    ids: NDArray[np.uint32],
    position: NDArray[np.integer],
    row: NDArray[np.integer],
    bucket: NDArray[np.integer],
    counts: NDArray[np.integer],
) -> Buckets:
    """A chunk from cells: `counts[k]` values in `bucket[k]` of series `position[k]` in `row[k]`.

    Each cell is named once.
    """
    lowest = int(bucket.min(initial=BUCKETS - 1))
    width = max(int(bucket.max(initial=0)) + 1 - lowest, 0)
    kind = COUNT_KINDS[width_of(int(counts.max(initial=0)))]
    dense = np.zeros((width, ids.size, ROWS), kind)
    dense[bucket.astype(np.intp) - lowest, position, row] = counts
    return Buckets(seconds, ids, lowest, dense)


def encode_buckets(buckets: Buckets) -> bytes:
    counts = buckets.counts.reshape(len(buckets.counts), buckets.ids.size * ROWS)
    needed = np.searchsorted(_LARGEST, counts.max(axis=1, initial=0)).astype(np.uint8)
    parts = [
        buckets.seconds.astype("<u2").tobytes()
        + id_steps(buckets.ids)
        + bytes((buckets.lowest,))
        + needed.tobytes()
    ]
    for least in sorted(set(needed.tolist()) - {0}):
        some, bits = counts[needed == least], _ROOM[least]
        if bits < _BYTE:
            parts.append(packed(some.astype(np.uint8), bits).tobytes())
        else:
            parts += shuffled(some.astype(f"<u{bits // _BYTE}"), bits // _BYTE)
    return pack(_LAYOUT, buckets.ids.size, len(counts), parts)


def decode_buckets(blob: bytes) -> Buckets:
    """Undo `encode_buckets`; raises StoreCorruptError when the blob was damaged."""
    layout, n, cells, body = unpack(blob, (_SPARSE_LAYOUT, _WHOLE_LAYOUT, _LAYOUT))
    if layout == _SPARSE_LAYOUT:
        return _from_sparse(n, cells, body)
    if layout == _WHOLE_LAYOUT:
        return _from_whole(n, cells, body)
    at = 2 * ROWS + 4 * n
    lowest = body[at]
    needed = np.frombuffer(body, "u1", cells, at + 1)
    at += 1 + cells
    width = max(_ROOM[int(needed.max(initial=0))] // _BYTE, 1)
    ordered = np.zeros((cells, n * ROWS), COUNT_KINDS[width])
    high = 0
    for least, size in enumerate(np.bincount(needed).tolist()):
        low, high = high, high + size
        if not (size and least):
            continue
        bits = _ROOM[least]
        length = bytes_of(n * ROWS, bits)
        planes = np.frombuffer(body, "u1", size * length, at)
        at += planes.size
        if bits < _BYTE:
            ordered[low:high] = unpacked(planes.reshape(size, length), bits, n * ROWS)
        else:
            ordered[low:high] = joined_bytes(list(planes.reshape(bits // _BYTE, size, -1)))
    counts = np.empty_like(ordered)
    counts[np.argsort(needed, kind="stable")] = ordered
    return Buckets(
        np.frombuffer(body, "<u2", ROWS),
        ids_from(body, n, 2 * ROWS),
        lowest,
        counts.reshape(cells, n, ROWS),
    )


def _from_whole(n: int, cells: int, body: bytes) -> Buckets:
    at = 2 * ROWS + 4 * n
    lowest, width = body[at : at + 2]
    planes = np.frombuffer(body, "u1", width * cells * n * ROWS, at + 2)
    counts = joined_bytes(list(planes.reshape(width, -1)))
    return Buckets(
        np.frombuffer(body, "<u2", ROWS),
        np.frombuffer(body, "<u4", n, 2 * ROWS),
        lowest,
        counts.view(COUNT_KINDS[width]).reshape(cells, n, ROWS),
    )


def _from_sparse(n: int, cells: int, body: bytes) -> Buckets:
    at = 2 * ROWS + 4 * n
    steps = np.frombuffer(body, "u1", 4 * cells, at).reshape(4, cells).T
    keys = np.cumsum(np.ascontiguousarray(steps).view("<u4").ravel(), dtype=np.int64)
    counts = np.frombuffer(body, "u1", 8 * cells, at + 4 * cells).reshape(8, cells).T
    place, bucket = np.divmod(keys, BUCKETS)
    position, row = np.divmod(place, ROWS)
    return buckets_of(
        np.frombuffer(body, "<u2", ROWS),
        np.frombuffer(body, "<u4", n, 2 * ROWS),
        position,
        row,
        bucket,
        np.ascontiguousarray(counts).view("<i8").ravel(),
    )

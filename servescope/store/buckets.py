"""Chunks of histograms: how the values of each series spread over the buckets, row by row.

Kept dense, one plane (series, rows) for each bucket between the lowest and the highest in use:
zeros cost nothing once compressed, and quantiles, heatmaps and totals are sums along an axis.

Body, little endian: seconds (60,) u2 · ids (n,) u4 · lowest bucket u1, bytes of a count u1 · counts
(buckets, n, 60), shuffled. `cells` of the head is the number of buckets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from servescope.histogram import BUCKETS
from servescope.store.frames import COUNT_KINDS, width_of
from servescope.store.packing import ROWS, joined_bytes, pack, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPARSE_LAYOUT: Final = 0  # of schema version 1: sorted keys of the cells in use
_LAYOUT: Final = 1


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
    """Seal buckets."""
    counts = buckets.counts
    width = counts.dtype.itemsize
    body = (
        buckets.seconds.astype("<u2").tobytes()
        + buckets.ids.astype("<u4").tobytes()
        + bytes((buckets.lowest, width))
        + np.ascontiguousarray(counts).view("u1").reshape(-1, width).T.tobytes()
    )
    return pack(_LAYOUT, buckets.ids.size, len(counts), body)


def decode_buckets(blob: bytes) -> Buckets:
    """Undo `encode_buckets`; raises StoreCorruptError when the blob was damaged."""
    layout, n, cells, body = unpack(blob, (_SPARSE_LAYOUT, _LAYOUT))
    if layout == _SPARSE_LAYOUT:
        return _from_sparse(n, cells, body)
    at = 2 * ROWS + 4 * n
    lowest, width = body[at : at + 2]
    planes = np.frombuffer(body, "u1", width * cells * n * ROWS, at + 2)
    counts = joined_bytes(planes.reshape(width, -1))
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

"""Rows of open spans: how one second (or one minute, in tier 60) of everything becomes blobs.

A blob begins with the CRC-32 of what follows it. Columns are arrays one after the other, eight-byte
ones first, all little endian.

- gauges, counts: n; values (k, n) float64; series ids (n,) uint32. k is 1, but 4 for the gauges of
  a coarser tier: sum, number of readings, lowest, highest.
- histograms: n, cells, width; sums (n,) float64; counts (cells,) of 1, 2, 4 or 8 bytes; series ids
  (n,) uint32; cells of each series (n,) uint32; bucket of each cell (cells,) uint8.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import numpy as np

from servescope.errors import StoreCorruptError
from servescope.histogram import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from servescope.store.base import HistogramDelta

T = TypeVar("T", np.uint32, np.int64)

_CRC: Final = struct.Struct("<I")
_COLUMNS: Final = struct.Struct("<II")  # CRC, n
_HISTOGRAMS: Final = struct.Struct("<IIIHxB")  # CRC, n, cells, unused, bytes of a count
COUNT_KINDS: Final[dict[int, np.dtype[np.integer]]] = {
    width: np.dtype(kind) for width, kind in ((1, "<u1"), (2, "<u2"), (4, "<u4"), (8, "<i8"))
}
"""How counts are kept, by the bytes of each."""


def seal(body: bytes) -> bytes:
    """Put the CRC before the body."""
    return _CRC.pack(zlib.crc32(body)) + body


def check(blob: bytes) -> None:
    """Raise StoreCorruptError when the blob is not what was sealed."""
    if len(blob) < _CRC.size or _CRC.unpack_from(blob)[0] != zlib.crc32(memoryview(blob)[4:]):
        raise StoreCorruptError("a blob of the store fails its checksum")


def distinct(numbers: NDArray[T]) -> NDArray[T]:
    """Each number once, ascending.

    Without a further wish `np.unique` imports numpy.ma when it is first called: 30 ms and more.
    """
    return np.unique(numbers, return_counts=True)[0]


class Columns(NamedTuple):
    """Gauges or counts of one row: ids (n,) and values (k, n)."""

    ids: NDArray[np.uint32]
    values: NDArray[np.float64]


class Histograms(NamedTuple):
    """Sparse histograms of one row; `lengths[i]` cells belong to series `ids[i]`, in order."""

    ids: NDArray[np.uint32]
    sums: NDArray[np.float64]
    lengths: NDArray[np.uint32]
    buckets: NDArray[np.uint8]
    counts: NDArray[np.int64]

    def totals(self) -> NDArray[np.float64]:
        """Number of values in each series, shape (n,)."""
        owner = np.repeat(np.arange(self.ids.size), self.lengths)
        return np.bincount(owner, self.counts, minlength=self.ids.size).astype(np.float64)


def encode_columns(columns: Columns) -> bytes:
    """Seal gauges or counts."""
    ids, values = columns
    return seal(
        struct.pack("<I", ids.size)
        + values.astype("<f8", copy=False).tobytes()
        + ids.astype("<u4", copy=False).tobytes()
    )


def decode_columns(blob: bytes, like: NDArray[np.uint32] | None = None) -> Columns:
    """Undo `encode_columns`; the arrays are views of the blob.

    `like`: ids that are likely the same; then they are told by this very array. Raises
    StoreCorruptError when the blob was damaged.
    """
    check(blob)
    (_, n) = _COLUMNS.unpack_from(blob)
    if n == 0:
        return NO_COLUMNS
    cells = (len(blob) - _COLUMNS.size - 4 * n) // 8
    values = np.frombuffer(blob, "<f8", cells, _COLUMNS.size).reshape(-1, n)
    if like is not None and like.size == n and blob.endswith(like.data):
        return Columns(like, values)
    return Columns(np.frombuffer(blob, "<u4", n, _COLUMNS.size + 8 * cells), values)


def merge_columns(old: Columns, new: Columns, *, adding: bool) -> Columns:
    """Both seconds, with values of the same series added, or the new one kept."""
    ids = distinct(np.concatenate((old.ids, new.ids)))
    values = np.zeros((1, ids.size))
    values[0, np.searchsorted(ids, old.ids)] = old.values[0]
    at = np.searchsorted(ids, new.ids)
    values[0, at] = values[0, at] + new.values[0] if adding else new.values[0]
    return Columns(ids, values)


def merge_readings(old: Columns, new: Columns) -> Columns:
    """Both summaries of gauges: sum and number of readings added, lowest and highest kept."""
    ids = distinct(np.concatenate((old.ids, new.ids)))
    values = np.empty((4, ids.size))
    values[:2], values[2:] = 0.0, np.nan
    for columns in (old, new):
        if columns.ids.size:
            at = np.searchsorted(ids, columns.ids)
            values[:2, at] += columns.values[:2]
            values[2, at] = np.fmin(values[2, at], columns.values[2])
            values[3, at] = np.fmax(values[3, at], columns.values[3])
    return Columns(ids, values)


def histograms_from(ids: NDArray[np.uint32], deltas: Sequence[HistogramDelta]) -> Histograms:
    """Make dense deltas sparse. Raises ValueError when one has not BUCKETS buckets."""
    if not deltas:
        return NO_HISTOGRAMS
    dense = np.concatenate([delta.counts for delta in deltas])
    if dense.shape != (BUCKETS * len(deltas),):
        raise ValueError(f"a histogram has {BUCKETS} buckets: {dense.shape} for {len(deltas)}")
    cells = dense.astype(bool).nonzero()[0]
    begins = cells.searchsorted(BUCKETS * np.arange(len(deltas) + 1))
    return Histograms(
        ids,
        np.array([delta.sum_s for delta in deltas]),
        (begins[1:] - begins[:-1]).astype(np.uint32),
        (cells % BUCKETS).astype(np.uint8),
        dense[cells].astype(np.int64, copy=False),
    )


def encode_histograms(histograms: Histograms) -> bytes:
    """Seal histograms."""
    counts = histograms.counts
    width = width_of(int(counts.max(initial=0)))
    return seal(
        struct.pack("<IIHxB", histograms.ids.size, counts.size, 0, width)
        + histograms.sums.astype("<f8", copy=False).tobytes()
        + counts.astype(COUNT_KINDS[width]).tobytes()
        + histograms.ids.astype("<u4", copy=False).tobytes()
        + histograms.lengths.astype("<u4", copy=False).tobytes()
        + histograms.buckets.tobytes()
    )


def decode_histograms(blob: bytes) -> Histograms:
    """Undo `encode_histograms`; raises StoreCorruptError when the blob was damaged."""
    check(blob)
    (_, n, cells, _, width) = _HISTOGRAMS.unpack_from(blob)
    width = width or 8  # schema version 1 kept each count in eight bytes and a zero here
    at = _HISTOGRAMS.size
    sums = np.frombuffer(blob, "<f8", n, at)
    counts = np.frombuffer(blob, COUNT_KINDS[width], cells, at + 8 * n)
    at += 8 * n + width * cells
    ids = np.frombuffer(blob, "<u4", n, at)
    lengths = np.frombuffer(blob, "<u4", n, at + 4 * n)
    buckets = np.frombuffer(blob, "u1", cells, at + 8 * n)
    return Histograms(ids, sums, lengths, buckets, counts.astype(np.int64))


def width_of(largest: int) -> int:
    """How many bytes a count up to the largest needs."""
    return next(width for width, kind in COUNT_KINDS.items() if largest <= np.iinfo(kind).max)


def merge_histograms(several: Sequence[Histograms]) -> Histograms:
    """Add histograms of the same series."""
    several = [one for one in several if one.ids.size]
    if not several:
        return NO_HISTOGRAMS
    all_ids = np.concatenate([one.ids for one in several])
    ids, position = np.unique(all_ids, return_inverse=True)
    sums = np.zeros(ids.size)
    np.add.at(sums, position, np.concatenate([one.sums for one in several]))
    owner = np.repeat(position, np.concatenate([one.lengths for one in several]))
    keys = owner * BUCKETS + np.concatenate([one.buckets for one in several])
    cells, cell_of = np.unique(keys, return_inverse=True)
    counts = np.zeros(cells.size, np.int64)
    np.add.at(counts, cell_of, np.concatenate([one.counts for one in several]))
    return Histograms(
        ids,
        sums,
        np.bincount(cells // BUCKETS, minlength=ids.size).astype(np.uint32),
        (cells % BUCKETS).astype(np.uint8),
        counts,
    )


NO_COLUMNS: Final = Columns(np.empty(0, np.uint32), np.empty((4, 0)))
NO_HISTOGRAMS: Final = Histograms(
    np.empty(0, np.uint32),
    np.empty(0),
    np.empty(0, np.uint32),
    np.empty(0, np.uint8),
    np.empty(0, np.int64),
)

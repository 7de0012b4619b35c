"""Rows of open spans: how one second (or one minute, in tier 60) of everything becomes blobs.

A blob begins with the CRC-32 of what follows it. Columns are arrays one after the other, eight-byte
ones first, all little endian.

- gauges, counts: n; values (k, n) float64; series ids (n,) uint32. k is 1, but 4 for the gauges of
  a coarser tier: sum, number of readings, lowest, highest. Where 2**31 is added to n, k is 1 and
  the ids are runs, pairs of first id and length.
- histograms: n, cells, 0, width; sums (n,) float64; counts (cells,) of 1, 2, 4 or 8 bytes; series
  ids (n,) uint32; cells of each series (n,) uint32; bucket of each cell (cells,) uint8.
- few histograms: n, span, 1 + lowest bucket, width; sums (n,) float64; counts (n, span) of buckets
  `lowest` and on; series ids (n,) uint32.
"""

from __future__ import annotations

import struct
import zlib
from itertools import groupby
from operator import itemgetter
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
_HISTOGRAMS: Final = struct.Struct("<IIIHxB")  # CRC, n, cells, lowest, bytes of a count
RUNS: Final = 2**31
NOT_BUCKETS: Final = f"a histogram has {BUCKETS} buckets"
COUNT_KINDS: Final[dict[int, np.dtype[np.integer]]] = {
    width: np.dtype(kind) for width, kind in ((1, "<u1"), (2, "<u2"), (4, "<u4"), (8, "<i8"))
}
"""The type of kept counts, by the bytes of each."""
_LARGEST: Final = {width: int(np.iinfo(kind).max) for width, kind in COUNT_KINDS.items()}


def seal(body: bytes) -> bytes:
    """Put the CRC before the body."""
    return _CRC.pack(zlib.crc32(body)) + body


def is_intact(blob: bytes) -> bool:
    """Whether the blob is what was sealed."""
    return blob[:4] == zlib.crc32(memoryview(blob)[4:]).to_bytes(4, "little")


def check(blob: bytes) -> None:
    """Raise StoreCorruptError when the blob is not what was sealed."""
    if not is_intact(blob):
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
        upto = np.concatenate(([0], np.cumsum(self.counts)))
        ends = np.cumsum(self.lengths, dtype=np.int64)
        totals: NDArray[np.float64] = (upto[ends] - upto[ends - self.lengths]).astype(np.float64)
        return totals


def encode_columns(columns: Columns) -> bytes:
    """Seal gauges or counts."""
    ids, values = columns
    return seal(
        struct.pack("<I", ids.size)
        + values.astype("<f8", copy=False).tobytes()
        + ids.astype("<u4", copy=False).tobytes()
    )


def decode_columns(blob: bytes) -> Columns:
    """Undo `encode_columns`; the arrays are views of the blob.

    Raises StoreCorruptError when the blob was damaged.
    """
    check(blob)
    return _columns(blob)


def _columns(blob: bytes) -> Columns:
    n = _COLUMNS.unpack_from(blob)[1]
    if n == 0:
        return NO_COLUMNS
    if n & RUNS:
        n ^= RUNS
        runs = np.frombuffer(blob, "<u4", -1, _COLUMNS.size + 8 * n).reshape(-1, 2).tolist()
        ids = np.concatenate([np.arange(low, low + size, dtype=np.uint32) for low, size in runs])
        return Columns(ids, np.frombuffer(blob, "<f8", n, _COLUMNS.size)[None])
    cells = (len(blob) - _COLUMNS.size - 4 * n) // 8
    values = np.frombuffer(blob, "<f8", cells, _COLUMNS.size).reshape(-1, n)
    return Columns(np.frombuffer(blob, "<u4", n, _COLUMNS.size + 8 * cells), values)


class ColumnRows(NamedTuple):
    """Gauges or counts of several rows: `first`, of the first one, and the blobs of all."""

    first: Columns
    blobs: Sequence[bytes]
    are_alike: bool  # all rows hold the same series

    def columns(self) -> list[Columns]:
        """Each row by itself."""
        return [_columns(blob) for blob in self.blobs]

    def table(self, index: int, low: int, high: int) -> NDArray[np.float64]:
        """Row `index` of the values, of some neighbouring series: (rows, high - low).

        Only where the rows are alike; nothing else of the blobs is touched.
        """
        n = self.first.ids.size
        begin, end = (_COLUMNS.size + 8 * (index * n + at) for at in (low, high))
        joined = b"".join([blob[begin:end] for blob in self.blobs])
        return np.frombuffer(joined, "<f8").reshape(len(self.blobs), high - low)


def decode_column_rows(blobs: Sequence[bytes]) -> ColumnRows:
    """Undo `encode_columns` for several rows that are intact."""
    if not blobs:
        return ColumnRows(NO_COLUMNS, blobs, are_alike=False)
    first = _columns(blobs[0])
    length, number = len(blobs[0]), blobs[0][4:8]
    ids = blobs[0][_COLUMNS.size + first.values.nbytes :]
    are_alike = first.ids.size > 0 and all(
        len(blob) == length and blob[4:8] == number and blob.endswith(ids) for blob in blobs
    )
    return ColumnRows(first, blobs, are_alike)


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
    if dense.size != BUCKETS * len(deltas):
        raise ValueError(NOT_BUCKETS)
    cells = dense.astype(bool).nonzero()[0]
    begins = cells.searchsorted(np.arange(0, dense.size + 1, BUCKETS))
    return Histograms(
        ids,
        np.array([delta.sum_s for delta in deltas]),
        (begins[1:] - begins[:-1]).astype(np.uint32),
        (cells % BUCKETS).astype(np.uint8),
        dense[cells],
    )


def encode_histograms(histograms: Histograms) -> bytes:
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
    is_empty = not _HISTOGRAMS.unpack_from(blob)[1]
    return NO_HISTOGRAMS if is_empty else decode_histogram_rows([blob]).histograms


class HistogramRows(NamedTuple):
    """Histograms of several rows, one after the other, and the row of each series."""

    histograms: Histograms
    row: NDArray[np.intp]  # (series of all rows,)


def decode_histogram_rows(blobs: Sequence[bytes]) -> HistogramRows:
    """Undo `encode_histograms`, and the work of `row_packers`, for several rows that are intact."""
    several = [
        _windows(list(group)) if windowed else _sparse(list(group))
        for windowed, group in groupby(blobs, key=lambda blob: _HISTOGRAMS.unpack_from(blob)[3] > 0)
    ]
    series = [_HISTOGRAMS.unpack_from(blob)[1] for blob in blobs]
    row = np.repeat(np.arange(len(blobs)), series)
    if len(several) == 1:
        return HistogramRows(several[0], row)
    arrays = zip(*several, strict=True) if several else [[array] for array in NO_HISTOGRAMS]
    return HistogramRows(Histograms(*(np.concatenate(list(array)) for array in arrays)), row)


def _sparse(blobs: list[bytes]) -> Histograms:
    arrays: tuple[list[bytes], ...] = ([], [], [], [], [])  # sums, counts, ids, lengths, buckets
    widths = []
    for blob in blobs:
        (_, n, cells, _, width) = _HISTOGRAMS.unpack_from(blob)
        width = width or 8  # schema version 1 kept each count in eight bytes and a zero here
        at = _HISTOGRAMS.size
        for array, size in zip(arrays, (8 * n, width * cells, 4 * n, 4 * n, cells), strict=True):
            array.append(blob[at : at + size])
            at += size
        widths.append(width)
    sums, _, ids, lengths, buckets = (b"".join(array) for array in arrays)
    return Histograms(
        np.frombuffer(ids, "<u4"),
        np.frombuffer(sums, "<f8"),
        np.frombuffer(lengths, "<u4"),
        np.frombuffer(buckets, "u1"),
        _counts(arrays[1], widths).astype(np.int64),
    )


def _windows(blobs: list[bytes]) -> Histograms:
    arrays: tuple[list[bytes], ...] = ([], [], [])  # sums, counts, ids
    heads = [_HISTOGRAMS.unpack_from(blob) for blob in blobs]
    for blob, (_, n, span, _, width) in zip(blobs, heads, strict=True):
        at = _HISTOGRAMS.size
        for array, size in zip(arrays, (8 * n, width * n * span, 4 * n), strict=True):
            array.append(blob[at : at + size])
            at += size
    _, series, spans, lowest, widths = np.array(heads, np.int64).T
    counts = _counts(arrays[1], widths.tolist())
    there = counts.astype(bool)
    span_of = np.repeat(spans, series)
    begins = np.cumsum(span_of) - span_of
    lengths = np.add.reduceat(there, begins, dtype=np.uint32)
    cells = there.nonzero()[0]
    return Histograms(
        np.frombuffer(b"".join(arrays[2]), "<u4"),
        np.frombuffer(b"".join(arrays[0]), "<f8"),
        lengths,
        (cells - np.repeat(begins - np.repeat(lowest - 1, series), lengths)).astype(np.uint8),
        counts[cells].astype(np.int64),
    )


def _counts(parts: list[bytes], widths: list[int]) -> NDArray[np.integer]:
    """Counts of rows in order, whose widths may differ."""
    alike = [
        np.frombuffer(b"".join([part for _, part in group]), COUNT_KINDS[width])
        for width, group in groupby(zip(widths, parts, strict=True), key=itemgetter(0))
    ]
    return alike[0] if len(alike) == 1 else np.concatenate(alike)


def width_of(largest: int) -> int:
    """Bytes that a count up to the largest needs."""
    for width, most in _LARGEST.items():
        if largest <= most:
            return width
    raise OverflowError(f"a count of {largest} needs more than eight bytes")


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

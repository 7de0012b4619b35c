"""Chunks: sixty closed rows of a tier as blobs, one for each plane and section.

A plane is one aspect of all series: the gauges' values, the counters' increases, and so on. Where a
plane has many series, they are kept in sections of 64 neighbouring ids, so that a question about a
few of them reads and decompresses little else. A chunk holds, beside its numbers, how many
seconds of each row had a frame, so that any plane can be read alone. See `matrices` and
`histograms` for the layout of the blobs.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.store.codec.histograms import Buckets, decode_buckets, encode_buckets
from servescope.store.codec.matrices import Matrix, PackedMatrix, decode_matrix, encode_matrix
from servescope.store.codec.rows import distinct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

_CACHE_BYTES: Final = 4 * 1024 * 1024
"""A page that is watched needs the chunks of its span, a third of a MiB a minute; the rest of the
cache would only grow towards its bound. So a process grows with each minute that closes, until the
cache is full a quarter of an hour later."""

SECTION_SERIES: Final = 64
"""Ids of a section. Smaller ones would each bring a table of symbols that zstd has to learn."""

Chunk = Matrix | PackedMatrix | Buckets


class Plane(IntEnum):
    """The figure of each series that a chunk holds."""

    VALUE = 0  # a gauge's reading; in coarser tiers the sum of its readings
    READINGS = 1  # coarser tiers: how many readings; left out where each second had one
    LOWEST = 2  # coarser tiers only
    HIGHEST = 3  # coarser tiers only
    INCREASE = 4  # of a counter
    HIST_COUNT = 5  # how many values a histogram took
    HIST_SUM = 6  # and their sum in seconds
    HIST_BUCKETS = 7  # and how they spread


GAUGE_PLANES: Final = (Plane.VALUE, Plane.READINGS, Plane.LOWEST, Plane.HIGHEST)


def numbered(plane: Plane, section: int) -> int:
    """The number of a section of a plane in the table `chunk`.

    Section 0 holds all series of a plane that has few; of one that has many it holds none, and is
    there for planes that add, to say that the span has no other increases. Series of the ids
    `64 * s` to `64 * s + 63` are in section `s + 1`.
    """
    return plane + len(Plane) * section


def numbers_for(plane: Plane, ids: NDArray[np.intp]) -> list[int]:
    """The numbers of the sections that keep series of these ids, ascending."""
    sections = distinct(ids.astype(np.int64) // SECTION_SERIES)
    return [numbered(plane, section) for section in (0, *(sections + 1).tolist())]


def sections_of(matrix: Matrix) -> Iterator[tuple[int, Matrix]]:
    """The sections of a matrix, whose ids ascend; section 0 is among them."""
    if matrix.ids.size <= SECTION_SERIES:
        yield 0, matrix
        return
    yield 0, Matrix(matrix.seconds, matrix.ids[:0], matrix.values[:0])
    for section, low, high in _cuts(matrix.ids):
        yield section, Matrix(matrix.seconds, matrix.ids[low:high], matrix.values[low:high])


def bucket_sections_of(buckets: Buckets) -> Iterator[tuple[int, Buckets]]:
    """The sections of buckets, whose ids ascend; section 0 is among them."""
    if buckets.ids.size <= SECTION_SERIES:
        yield 0, buckets
        return
    yield 0, Buckets(buckets.seconds, buckets.ids[:0], 0, buckets.counts[:0, :0])
    for section, low, high in _cuts(buckets.ids):
        counts = buckets.counts[:, low:high]
        used = np.flatnonzero(counts.any(axis=(1, 2)))
        first, past = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
        yield (
            section,
            Buckets(
                buckets.seconds,
                buckets.ids[low:high],
                buckets.lowest + first,
                counts[first:past],
            ),
        )


def _cuts(ids: NDArray[np.uint32]) -> Iterator[tuple[int, int, int]]:
    """Section, first series and the one past it."""
    sections, sizes = np.unique(ids // SECTION_SERIES, return_counts=True)
    low = 0
    for section, size in zip(sections.tolist(), sizes.tolist(), strict=True):
        yield section + 1, low, low + size
        low += size


def encode(chunk: Matrix | Buckets) -> bytes:
    return encode_buckets(chunk) if isinstance(chunk, Buckets) else encode_matrix(chunk)


def decode(plane: Plane, blob: bytes) -> Chunk:
    """Decode a chunk of the plane; raises StoreCorruptError."""
    return decode_buckets(blob) if plane is Plane.HIST_BUCKETS else decode_matrix(blob)


class ChunkCache:
    """Decoded chunks by their id, the least recently used dropped beyond 4 MiB. Thread-safe."""

    def __init__(self, limit_bytes: int = _CACHE_BYTES) -> None:
        self._limit = limit_bytes
        self._held = 0
        self._chunks: OrderedDict[int, Chunk] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, chunk_ids: Iterable[int]) -> dict[int, Chunk]:
        """Those of the chunks that are in memory."""
        found = {}
        with self._lock:
            for chunk_id in chunk_ids:
                chunk = self._chunks.get(chunk_id)
                if chunk is not None:
                    self._chunks.move_to_end(chunk_id)
                    found[chunk_id] = chunk
        return found

    def keep(self, chunks: dict[int, Chunk]) -> None:
        """Keep chunks, as far as there is room."""
        with self._lock:
            for chunk_id, chunk in chunks.items():
                if chunk_id not in self._chunks:
                    self._held += chunk.nbytes
                self._chunks[chunk_id] = chunk
            while self._held > self._limit and len(self._chunks) > 1:
                _, dropped = self._chunks.popitem(last=False)
                self._held -= dropped.nbytes

    def clear(self) -> None:
        """Forget everything: another file holds other chunks under the same ids."""
        with self._lock:
            self._chunks.clear()
            self._held = 0

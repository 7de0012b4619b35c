"""Chunks: sixty closed rows of a tier as one blob for each plane.

A plane is one aspect of all series: the gauges' values, the counters' increases, and so on. A chunk
tells, beside its numbers, of how many seconds each of its rows had a frame, so that any plane can
be read alone. See `matrices` and `buckets` for what the blobs hold.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from servescope.store.buckets import Buckets, decode_buckets
from servescope.store.matrices import Matrix, PackedMatrix, decode_matrix

if TYPE_CHECKING:
    from collections.abc import Callable

_CACHE_BYTES: Final = 32 * 1024 * 1024

Chunk = Matrix | PackedMatrix | Buckets


class Plane(IntEnum):
    """What a chunk holds of every series of a kind."""

    VALUE = 0  # a gauge's reading; in coarser tiers the sum of its readings
    READINGS = 1  # coarser tiers: how many readings; left out where each second had one
    LOWEST = 2  # coarser tiers only
    HIGHEST = 3  # coarser tiers only
    INCREASE = 4  # of a counter
    HIST_COUNT = 5  # how many values a histogram took
    HIST_SUM = 6  # and their sum in seconds
    HIST_BUCKETS = 7  # and how they spread


GAUGE_PLANES: Final = (Plane.VALUE, Plane.READINGS, Plane.LOWEST, Plane.HIGHEST)


def decode(plane: Plane, blob: bytes) -> Chunk:
    """Decode a chunk of the plane; raises StoreCorruptError."""
    return decode_buckets(blob) if plane is Plane.HIST_BUCKETS else decode_matrix(blob)


class ChunkCache:
    """Decoded chunks by their id, the least recently used dropped beyond 32 MiB. Thread-safe."""

    def __init__(self, limit_bytes: int = _CACHE_BYTES) -> None:
        self._limit = limit_bytes
        self._held = 0
        self._chunks: OrderedDict[int, Chunk] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, chunk_id: int, load: Callable[[], Chunk]) -> Chunk:
        """The chunk, from memory or from `load`."""
        with self._lock:
            chunk = self._chunks.get(chunk_id)
            if chunk is not None:
                self._chunks.move_to_end(chunk_id)
                return chunk
        chunk = load()
        with self._lock:
            if chunk_id not in self._chunks:
                self._held += chunk.nbytes
            self._chunks[chunk_id] = chunk
            while self._held > self._limit and len(self._chunks) > 1:
                _, dropped = self._chunks.popitem(last=False)
                self._held -= dropped.nbytes
        return chunk

    def clear(self) -> None:
        """Forget everything: another file holds other chunks under the same ids."""
        with self._lock:
            self._chunks.clear()
            self._held = 0

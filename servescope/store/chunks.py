"""Chunks: sixty closed rows of a tier as one matrix for each plane.

A plane is one aspect of all series: the gauges' values, the counters' increases, and so on. A chunk
tells, beside its matrix (series, rows), of how many seconds each of its rows had a frame, so that
any plane can be read alone. Matrices are xor-ed along time (neighbours in time share their leading
bytes), their bytes shuffled (byte i of all values together) and compressed with zstd; buckets are
kept sparse, as differences of sorted keys. Each blob begins with its CRC (see `frames.seal`).
"""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import zstandard

from servescope.errors import StoreCorruptError
from servescope.histogram import BUCKETS
from servescope.store.frames import check, seal

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ROWS: Final = 60
"""Rows of a chunk: a chunk of tier t spans 60 t seconds."""

_LEVEL: Final = 3
_HEAD: Final = struct.Struct("<IIQ")  # CRC, series, cells
_CACHE_BYTES: Final = 32 * 1024 * 1024


class Plane(IntEnum):
    """What a chunk holds of every series of a kind."""

    VALUE = 0  # a gauge's reading; in coarser tiers the sum of its readings
    READINGS = 1  # coarser tiers only: how many readings
    LOWEST = 2  # coarser tiers only
    HIGHEST = 3  # coarser tiers only
    INCREASE = 4  # of a counter
    HIST_COUNT = 5  # how many values a histogram took
    HIST_SUM = 6  # and their sum in seconds
    HIST_BUCKETS = 7  # and how they spread


GAUGE_PLANES: Final = (Plane.VALUE, Plane.READINGS, Plane.LOWEST, Plane.HIGHEST)


class Matrix(NamedTuple):
    """A chunk of any plane but HIST_BUCKETS: `values` (n, ROWS), NaN where a gauge was not read."""

    seconds: NDArray[np.uint16]  # (ROWS,): seconds with a frame in each row
    ids: NDArray[np.uint32]
    values: NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return self.values.nbytes + self.ids.nbytes


class Buckets(NamedTuple):
    """A chunk of plane HIST_BUCKETS: cells sorted by series position, row and bucket."""

    seconds: NDArray[np.uint16]
    ids: NDArray[np.uint32]
    position: NDArray[np.int32]
    row: NDArray[np.uint8]
    bucket: NDArray[np.uint8]
    counts: NDArray[np.int64]

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return sum(column.nbytes for column in self)


Chunk = Matrix | Buckets


class _Codec(threading.local):
    """A zstd context may serve one thread at a time."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=_LEVEL).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_codec = _Codec()


def encode_matrix(matrix: Matrix) -> bytes:
    """Seal a matrix."""
    bits = np.ascontiguousarray(matrix.values, "<f8").view("<u8").copy()
    bits[:, 1:] ^= bits[:, :-1].copy()
    shuffled = bits.view("u1").reshape(-1, 8).T
    body = matrix.seconds.astype("<u2").tobytes() + matrix.ids.astype("<u4").tobytes()
    packed = _codec.compress(body + shuffled.tobytes())
    return seal(struct.pack("<IQ", matrix.ids.size, 0) + packed)


def decode_matrix(blob: bytes) -> Matrix:
    """Undo `encode_matrix`; raises StoreCorruptError when the blob was damaged."""
    n, _, body = _open(blob)
    at = 2 * ROWS + 4 * n
    shuffled = np.frombuffer(body, "u1", n * ROWS * 8, at).reshape(8, n * ROWS)
    bits = np.ascontiguousarray(shuffled.T).view("<u8").reshape(n, ROWS)
    values = np.bitwise_xor.accumulate(bits, axis=1).view("<f8") if n else np.empty((0, ROWS))
    return Matrix(np.frombuffer(body, "<u2", ROWS), np.frombuffer(body, "<u4", n, 2 * ROWS), values)


def encode_buckets(buckets: Buckets) -> bytes:
    """Seal buckets."""
    keys = (buckets.position.astype(np.int64) * ROWS + buckets.row) * BUCKETS + buckets.bucket
    steps = np.diff(keys, prepend=0).astype("<u4")
    body = (
        buckets.seconds.astype("<u2").tobytes()
        + buckets.ids.astype("<u4").tobytes()
        + steps.view("u1").reshape(-1, 4).T.tobytes()
        + buckets.counts.astype("<i8").view("u1").reshape(-1, 8).T.tobytes()
    )
    packed = _codec.compress(body)
    return seal(struct.pack("<IQ", buckets.ids.size, keys.size) + packed)


def decode_buckets(blob: bytes) -> Buckets:
    """Undo `encode_buckets`; raises StoreCorruptError when the blob was damaged."""
    n, cells, body = _open(blob)
    at = 2 * ROWS + 4 * n
    steps = np.frombuffer(body, "u1", 4 * cells, at).reshape(4, cells).T
    keys = np.cumsum(np.ascontiguousarray(steps).view("<u4").ravel(), dtype=np.int64)
    counts = np.frombuffer(body, "u1", 8 * cells, at + 4 * cells).reshape(8, cells).T
    place, bucket = np.divmod(keys, BUCKETS)
    position, row = np.divmod(place, ROWS)
    return Buckets(
        np.frombuffer(body, "<u2", ROWS),
        np.frombuffer(body, "<u4", n, 2 * ROWS),
        position.astype(np.int32),
        row.astype(np.uint8),
        bucket.astype(np.uint8),
        np.ascontiguousarray(counts).view("<i8").ravel(),
    )


def decode(plane: Plane, blob: bytes) -> Chunk:
    """Decode a chunk of the plane; raises StoreCorruptError."""
    return decode_buckets(blob) if plane is Plane.HIST_BUCKETS else decode_matrix(blob)


def _open(blob: bytes) -> tuple[int, int, bytes]:
    check(blob)
    try:
        _, n, cells = _HEAD.unpack_from(blob)
        return n, cells, _codec.decompress(memoryview(blob)[_HEAD.size :])
    except (struct.error, zstandard.ZstdError) as error:
        raise StoreCorruptError(f"a chunk of the store cannot be unpacked: {error}") from error


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

"""Packers turn second after second of the same series into blobs, in the layout of `rows`.

Work that depends on the ids of the series alone is done once, when their packer is made.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.catalog import Kind
from servescope.histogram import BUCKETS
from servescope.store.codec.rows import (
    COUNT_KINDS,
    NOT_BUCKETS,
    RUNS,
    encode_histograms,
    histograms_from,
    seal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from servescope.store.base import HistogramDelta

    _HistogramsPacker = Callable[[Collection[HistogramDelta]], bytes]

_WINDOW_CELLS: Final = 2048
_WORD_BITS: Final = 64
_BEYOND: Final = {
    width: int.from_bytes((bytes(width) + b"\xff" * (8 - width)) * BUCKETS, "little")
    for width in COUNT_KINDS
}
"""The bits of BUCKETS words of eight bytes that a count of this width leaves empty."""

_BEYOND_A_BYTE: Final = _BEYOND[1]
_union: Final = np.bitwise_or.reduce


def packer(kind: Kind, ids: NDArray[np.uint32]) -> Callable[[Collection[Any]], bytes]:
    """A function that packs one second's values: a float or a HistogramDelta for each id."""
    return histograms_packer(ids) if kind is Kind.HISTOGRAM else columns_packer(ids)


def columns_packer(ids: NDArray[np.uint32]) -> Callable[[Collection[float]], bytes]:
    """A function that packs one line of values of these series, as `encode_columns` would."""
    mark, packed = _packed_ids(ids)
    pack, number = struct.Struct(f"<I{ids.size}d").pack, ids.size | mark
    return lambda values: seal(pack(number, *values) + packed)


def _packed_ids(ids: NDArray[np.uint32]) -> tuple[int, bytes]:
    """Ids as they end the columns of a second, and what their number is marked with.

    A second has mostly the ids of neighbours: then they are kept as runs, first id and length.
    """
    breaks = np.flatnonzero(np.diff(ids.astype(np.int64)) != 1) + 1
    begins = np.concatenate(([0], breaks)) if ids.size else breaks
    if 2 * begins.size >= ids.size:
        return 0, ids.astype("<u4").tobytes()
    runs = np.stack((ids[begins], np.diff(np.append(begins, ids.size))), axis=1)
    return RUNS, runs.astype("<u4").tobytes()


def histograms_packer(ids: NDArray[np.uint32]) -> _HistogramsPacker:
    """A function that packs dense deltas as `encode_histograms` would.

    Few series are packed as a window of the buckets in use.

    Finding the cells in use takes longer than writing those around them. The function raises
    ValueError when a delta has not BUCKETS buckets.
    """

    def pack_sparse(deltas: Collection[HistogramDelta]) -> bytes:
        return encode_histograms(histograms_from(ids, list(deltas)))

    is_few = 0 < ids.size <= _WINDOW_CELLS // 16
    return _window_packer(ids, pack_sparse) if is_few else pack_sparse


def _window_packer(ids: NDArray[np.uint32], pack_sparse: _HistogramsPacker) -> _HistogramsPacker:
    n = ids.size
    shape, dense_bytes, named = (n, BUCKETS), 8 * BUCKETS * n, ids.astype("<u4").tobytes()
    pack_head = struct.Struct(f"<IIHxB{n}d").pack

    def pack(deltas: Collection[HistogramDelta]) -> bytes:
        counts: Any  # only from Python 3.12 on do stubs say that arrays are buffers
        counts, sums = zip(*deltas, strict=True)
        dense = b"".join(counts)
        if len(dense) != dense_bytes:
            raise ValueError(NOT_BUCKETS)
        table = np.ndarray(shape, np.int64, dense)
        # As many bits as the largest count has; for few words one long number is fastest.
        used = int.from_bytes(_union(table).tobytes(), "little")
        low = max((used & -used).bit_length() - 1, 0) // _WORD_BITS
        span = max(-(-used.bit_length() // _WORD_BITS), 1) - low
        if n * span > _WINDOW_CELLS:
            return pack_sparse(deltas)
        width = 1 if not used & _BEYOND_A_BYTE else _width_of_words(used)
        cells = table[:, low : low + span].astype(COUNT_KINDS[width]).tobytes()
        return seal(b"".join((pack_head(n, span, low + 1, width, *sums), cells, named)))

    return pack


def _width_of_words(words: int) -> int:
    """Bytes that each word of eight bytes of this long number needs."""
    return next(width for width, rest in _BEYOND.items() if not words & rest)

"""Chunks of numbers: sixty rows of many series, each series packed by what its values are like.

Most metrics are whole numbers or decimals of few digits, which as float64 share no bytes with their
neighbours. Where all sixty values of a series are integers over one power of ten, these integers
are kept: the first one, and differences in as few bytes as the largest needs (none at all where
nothing changes). What is no such decimal is xor-ed along time. Bytes are shuffled (byte i of all
numbers together) and compressed with zstd; every value comes back to the bit.

Body, arrays little endian, series ordered by class: seconds (60,) u2 · series of each class (6,) u4
· ids (n,) u4 · exponents (m,) u1 · firsts (m,) i8 shuffled · u1: 1 when a mask of the values that
are there follows, (m, 60) bits · differences (59) of each class, zigzag, shuffled · xor-ed float64
of the rest, shuffled. m counts the series that are kept as integers.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from servescope.store.packing import ROWS, joined_bytes, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_WIDTHS: Final = (0, 1, 2, 4, 8)  # bytes of a difference, by class; the last class is kept as float
_FLOATS: Final = len(_WIDTHS)
_SIGNED: Final[dict[int, np.dtype[np.signedinteger]]] = {
    width: np.dtype(kind) for width, kind in ((1, "i4"), (2, "i4"), (4, "i8"), (8, "i8"))
}
_CLASSES: Final = struct.Struct("<6I")
_POWERS: Final = 10.0 ** np.arange(10)
_EXACT: Final = 2.0**53
_NOT_DECIMAL: Final = 255
_SERIES_AT_ONCE: Final = 128
_XORED_LAYOUT: Final = 0  # of schema version 1: every series xor-ed
_LAYOUT: Final = 1


class Matrix(NamedTuple):
    """A chunk of any plane but HIST_BUCKETS: `values` (n, ROWS), NaN where a gauge was not read."""

    seconds: NDArray[np.uint16]  # (ROWS,): seconds with a frame in each row
    ids: NDArray[np.uint32]
    values: NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return self.values.nbytes + self.ids.nbytes


class PackedMatrix:
    """A chunk as it lies in the store, decompressed: `unpack_series` unpacks what is asked for."""

    def __init__(self, series: int, body: bytes) -> None:
        self.seconds: NDArray[np.uint16] = np.frombuffer(body, "<u2", ROWS)
        sizes = _CLASSES.unpack_from(body, 2 * ROWS)
        at = 2 * ROWS + _CLASSES.size
        self.ids: NDArray[np.uint32] = np.frombuffer(body, "<u4", series, at)
        at += 4 * series
        packed = series - sizes[_FLOATS]
        self.exponents: NDArray[np.uint8] = np.frombuffer(body, "u1", packed, at)
        at += packed
        firsts = np.frombuffer(body, "u1", 8 * packed, at).reshape(8, packed)
        self.firsts: NDArray[np.int64] = np.ascontiguousarray(firsts.T).view("<i8").ravel()
        at += 8 * packed
        self.there: NDArray[np.uint8] | None = None
        (masked,) = body[at : at + 1]
        at += 1
        if masked:
            length = -(-packed * ROWS // 8)
            bits = np.unpackbits(np.frombuffer(body, "u1", length, at), count=packed * ROWS)
            self.there = bits.reshape(packed, ROWS)
            at += length
        self.classes: list[tuple[int, int, int, NDArray[np.uint8]]] = []
        """Of each class in use: its number, its first series, the one past it, its bytes."""
        low = 0
        for number, size in enumerate(sizes):
            if size:
                width, columns = (8, ROWS) if number == _FLOATS else (_WIDTHS[number], ROWS - 1)
                planes = np.frombuffer(body, "u1", width * size * columns, at)
                at += planes.size
                self.classes.append((number, low, low + size, planes.reshape(width, size, columns)))
                low += size
        self.nbytes = len(body) + packed * (8 + (ROWS if masked else 0))

    @property
    def values(self) -> NDArray[np.float64]:
        """All values, (n, ROWS)."""
        size = int(self.ids.max(initial=0)) + 1
        places, values = unpack_series([(0, self)], 1, np.arange(size, dtype=np.intp), np.nan)
        whole: NDArray[np.float64] = values[np.searchsorted(places, self.ids), 0]
        return whole


class _Taken(NamedTuple):
    """Series of one class, from one chunk, and where their values belong."""

    planes: NDArray[np.uint8]  # (bytes of a number, series, numbers of a series)
    firsts: NDArray[np.int64]
    exponents: NDArray[np.uint8]
    there: NDArray[np.uint8] | None
    row: NDArray[np.intp]
    column: int


def unpack_series(
    chunks: Sequence[tuple[int, Matrix | PackedMatrix]],
    columns: int,
    place_of: NDArray[np.intp],
    absent: float,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Places, ascending, and values (places, columns, ROWS) of the series asked for.

    `chunks`: the column of each, and the chunk. `place_of[id]` is the place of a series, no two the
    same, or -1. What no chunk tells is `absent`. Series of one class are unpacked together,
    whatever chunk they come from: a day is 24 chunks of few series each.
    """
    places_of_chunks = [place_of[chunk.ids] for _, chunk in chunks]
    row_of = np.full(int(place_of.max(initial=-1)) + 2, -1, np.intp)  # the last one: not asked for
    for places in places_of_chunks:
        row_of[places] = 0
    row_of[-1] = -1
    found = np.flatnonzero(row_of >= 0)
    row_of[found] = np.arange(found.size)
    values = np.full((found.size, columns, ROWS), absent)
    of_class: list[list[_Taken]] = [[] for _ in range(_FLOATS + 1)]
    for (column, chunk), places in zip(chunks, places_of_chunks, strict=True):
        rows = row_of[places]
        if isinstance(chunk, Matrix):
            kept = rows >= 0
            values[rows[kept], column] = chunk.values[kept]
        else:
            _take(of_class, chunk, column, rows)
    for number, several in enumerate(of_class):
        for taken in _batches(several):
            row = np.concatenate([one.row for one in taken])
            column_of = np.repeat([one.column for one in taken], [one.row.size for one in taken])
            values[row, column_of] = _unpacked(number, taken)
    return found, values


def _batches(several: list[_Taken]) -> Iterator[list[_Taken]]:
    """As many at a time as stay in a core's cache."""
    batch: list[_Taken] = []
    series = 0
    for one in several:
        batch.append(one)
        series += one.row.size
        if series >= _SERIES_AT_ONCE:
            yield batch
            batch, series = [], 0
    if batch:
        yield batch


def _take(
    of_class: list[list[_Taken]], chunk: PackedMatrix, column: int, rows: NDArray[np.intp]
) -> None:
    """Take the series of a chunk whose row is not -1."""
    all_of_them = rows.min(initial=0) >= 0
    for number, low, high, planes in chunk.classes:
        row = rows[low:high]
        firsts, exponents = chunk.firsts[low:high], chunk.exponents[low:high]
        there = None if chunk.there is None or number == _FLOATS else chunk.there[low:high]
        if not all_of_them:
            kept = np.flatnonzero(row >= 0)
            if not kept.size:
                continue
            row, planes = row[kept], planes[:, kept]  # noqa: PLW2901 - its part that is asked for
            if number != _FLOATS:
                firsts, exponents = firsts[kept], exponents[kept]
                there = None if there is None else there[kept]
        of_class[number].append(_Taken(planes, firsts, exponents, there, row, column))


def _unpacked(number: int, several: list[_Taken]) -> NDArray[np.float64]:
    """Values (series, ROWS) of series of one class."""
    planes = (
        several[0].planes
        if len(several) == 1
        else np.concatenate([one.planes for one in several], axis=1)
    )
    if number == _FLOATS:
        return _from_xored(planes)
    firsts = np.concatenate([one.firsts for one in several])
    powers = _POWERS[np.concatenate([one.exponents for one in several])]
    width = _WIDTHS[number]
    if width == 0:
        values = np.repeat((firsts / powers)[:, None], ROWS, axis=1)
    else:
        zigzag = joined_bytes(planes).astype(_SIGNED[width])
        integers = np.empty((firsts.size, ROWS), np.int64)
        integers[:, 0] = firsts
        integers[:, 1:] = (zigzag >> 1) ^ -(zigzag & 1)
        np.cumsum(integers, axis=1, out=integers)
        values = integers / powers[:, None]  # exact: integers below 2**53
    low = 0
    for one in several:
        if one.there is not None:
            values[low : low + one.row.size][one.there == 0] = np.nan
        low += one.row.size
    return values


def encode_matrix(matrix: Matrix) -> bytes:
    """Seal a matrix."""
    values = np.ascontiguousarray(matrix.values, "<f8")
    exponents, integers, there = _as_integers(values)
    zigzag = np.diff(integers, axis=1)
    zigzag = (zigzag << 1) ^ (zigzag >> 63)
    largest = zigzag.max(axis=1, initial=0)
    of_class = np.searchsorted([1, 2**8, 2**16, 2**32], largest, side="right")
    of_class[exponents == _NOT_DECIMAL] = _FLOATS
    order = np.argsort(of_class, kind="stable")
    sizes = np.bincount(of_class, minlength=_FLOATS + 1)
    packed = order[: order.size - sizes[_FLOATS]]
    all_there = bool(there[packed].all())
    parts = [
        matrix.seconds.astype("<u2").tobytes(),
        _CLASSES.pack(*sizes.tolist()),
        matrix.ids[order].astype("<u4").tobytes(),
        exponents[packed].astype("u1").tobytes(),
        _shuffled(integers[packed, 0].astype("<i8")),
        b"\0" if all_there else b"\1" + np.packbits(there[packed]).tobytes(),
    ]
    for number, width in enumerate(_WIDTHS):
        if width:
            parts.append(_shuffled(zigzag[of_class == number].astype(f"<u{width}")))
    bits = values[of_class == _FLOATS].view("<u8").copy()
    bits[:, 1:] ^= bits[:, :-1].copy()
    parts.append(_shuffled(bits))
    return pack(_LAYOUT, matrix.ids.size, 0, b"".join(parts))


def decode_matrix(blob: bytes) -> Matrix | PackedMatrix:
    """Undo `encode_matrix`; raises StoreCorruptError when the blob was damaged."""
    layout, n, _, body = unpack(blob, (_XORED_LAYOUT, _LAYOUT))
    if layout == _LAYOUT:
        return PackedMatrix(n, body)
    at = 2 * ROWS + 4 * n
    planes = np.frombuffer(body, "u1", n * ROWS * 8, at).reshape(8, n, ROWS)
    values = _from_xored(planes) if n else np.empty((0, ROWS))
    return Matrix(np.frombuffer(body, "<u2", ROWS), np.frombuffer(body, "<u4", n, 2 * ROWS), values)


def without_noise(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of decimals as decimals again: 0.30000000000000004 is 0.3.

    Changes a value by no more than one part in 10**12, what adding some hundred floats may cost.
    """
    rounded = np.round(values, 7)
    with np.errstate(invalid="ignore"):  # inf - inf
        noise = np.abs(rounded - values) <= 1e-12 * np.abs(values)
    return np.where(noise, rounded, values)


def _as_integers(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.bool_]]:
    """Power of ten and integers of each series, and which values are there.

    The exponent is _NOT_DECIMAL where a value is no decimal of that kind, or infinite.
    """
    there = ~np.isnan(values)
    filled = values if there.all() else _filled(values, there)
    integers = np.zeros(values.shape, np.int64)
    exponents = np.full(len(values), _NOT_DECIMAL, np.intp)
    left = np.flatnonzero(np.isfinite(filled).all(axis=1))
    for exponent, power in enumerate(_POWERS):
        if not left.size:
            break
        some = filled[left]
        with np.errstate(over="ignore"):
            scaled = np.rint(some * power)
        # A negative zero would come back as a positive one.
        fits = (scaled / power == some) & (np.abs(scaled) < _EXACT)
        fits &= (some != 0) | ~np.signbit(some)
        good = fits.all(axis=1)
        integers[left[good]] = scaled[good]
        exponents[left[good]] = exponent
        left = left[~good]
    return exponents, integers, there


def _filled(values: NDArray[np.float64], there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The values with the last one there in the place of those that are not."""
    last = np.maximum.accumulate(np.where(there, np.arange(ROWS), -1), axis=1)
    first = there.argmax(axis=1)[:, None]
    filled = np.take_along_axis(values, np.where(last < 0, first, last), axis=1)
    filled[~there.any(axis=1)] = 0.0
    return filled


def _shuffled(numbers: NDArray[np.generic]) -> bytes:
    width = numbers.dtype.itemsize
    return np.ascontiguousarray(numbers).view("u1").reshape(-1, width).T.tobytes()


def _from_xored(planes: NDArray[np.uint8]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.bitwise_xor.accumulate(joined_bytes(planes), axis=1).view(
        "<f8"
    )
    return values

"""Chunks of numbers: sixty rows of many series, each series packed by what its values are like.

Most metrics are whole numbers or decimals of few digits, which as float64 share no bytes with their
neighbours. Where all sixty values of a series are integers over one power of ten, these integers
are kept: the first one, and differences in as few bits as the largest needs (none at all where
nothing changes). Of a series that varies around a level, where neighbours have little in
common, it is the lowest one, and the difference of each from it. Other numbers are xor-ed along
time. Bytes are shuffled (byte i of all numbers together) and compressed with zstd; every value
comes back to the bit.

Body, arrays little endian, series ordered by class: seconds (60,) u2 · series of each class (22,)
u2 · steps of ids (n,) u4 · exponents (m,) u1 · firsts (m,) i8 shuffled · u1: 1 when a mask of the
values that are there follows, (m, 60) bits · of each class differences (59), zigzag, or
distances from the lowest (60): their whole bytes shuffled, then the bits left, see `bits` · xor-ed
float64 of the rest, shuffled. m counts the series that are kept as integers.

Layout 1, of version 3, has other classes (of 0, 1, 2, 4 and 8 bytes) and the ids themselves.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

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

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_FLOATS: Final = -1
_LEVEL: Final = 128
_BITS: Final = (0, 2, 4, 8, 10, 12, 16, 20, 24, 32, 64)
"""That differences of neighbours are kept in."""

_CLASSES: Final = (*_BITS, *(_LEVEL + bits for bits in _BITS[1:]), _FLOATS)
"""_LEVEL + bits: distances from the lowest value are kept in so many. The last one: floats."""

_CLASSES_BEFORE: Final = (0, 8, 16, 32, 64, _FLOATS)
_LARGEST: Final = np.array([2**bits for bits in _BITS[:-1]], np.int64)
_SIGNED: Final[dict[int, np.dtype[np.signedinteger]]] = {
    **dict.fromkeys(_BITS[:6], np.dtype("<i2")),  # up to 12 bits
    **dict.fromkeys(_BITS[6:9], np.dtype("<i4")),  # up to 24
    **dict.fromkeys(_BITS[9:], np.dtype("<i8")),
}
"""Integer types for differences while they are unpacked."""

_POWERS: Final = 10.0 ** np.arange(10)
_EXACT: Final = 2.0**53
_MOST: Final = 2**53
_NOT_DECIMAL: Final = 255
_FEW: Final = 4
_SERIES_AT_ONCE: Final = 128
_XORED_LAYOUT: Final = 0  # of schema version 1: every series xor-ed
_BYTES_LAYOUT: Final = 1  # of version 3
_LAYOUT: Final = 2


class Matrix(NamedTuple):
    """A chunk of any plane but HIST_BUCKETS: `values` (n, ROWS), NaN where a gauge was not read."""

    seconds: NDArray[np.uint16]  # (ROWS,): seconds with a frame in each row
    ids: NDArray[np.uint32]
    values: NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return self.values.nbytes + self.ids.nbytes


class _Class(NamedTuple):
    """Series of one class in a chunk, `low` to `high`."""

    number: int  # one of _CLASSES
    low: int
    high: int
    planes: NDArray[np.uint8]  # (whole bytes of a number, series, numbers of a series)
    rest: NDArray[np.uint8]  # (series, bytes): the bits that make no whole byte


class PackedMatrix:
    """A chunk as it lies in the store, decompressed: `unpack_series` unpacks what is asked for."""

    def __init__(self, layout: int, series: int, body: bytes) -> None:
        classes, size_of = (_CLASSES, "H") if layout == _LAYOUT else (_CLASSES_BEFORE, "I")
        self.seconds: NDArray[np.uint16] = np.frombuffer(body, "<u2", ROWS)
        at = 2 * ROWS
        sizes = struct.unpack_from(f"<{len(classes)}{size_of}", body, at)
        at += struct.calcsize(size_of) * len(classes)
        self.ids: NDArray[np.uint32] = (
            ids_from(body, series, at)
            if layout == _LAYOUT
            else np.frombuffer(body, "<u4", series, at)
        )
        at += 4 * series
        packed = series - sizes[-1]
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
        self.classes: list[_Class] = []
        """Those in use."""
        low = 0
        for number, size in zip(classes, sizes, strict=True):
            if size:
                self.classes.append(_class_at(body, at, number, low, size))
                at += self.classes[-1].planes.size + self.classes[-1].rest.size
                low += size
        self.nbytes = len(body) + packed * (8 + (ROWS if masked else 0))

    @property
    def values(self) -> NDArray[np.float64]:
        """All values, (n, ROWS)."""
        size = int(self.ids.max(initial=0)) + 1
        places, values = unpack_series([(0, self)], 1, np.arange(size, dtype=np.intp), np.nan)
        whole: NDArray[np.float64] = values[np.searchsorted(places, self.ids), 0]
        return whole


def _class_at(body: bytes, at: int, number: int, low: int, size: int) -> _Class:
    bits = _bits_of(number)
    columns = ROWS if number == _FLOATS or number >= _LEVEL else ROWS - 1
    whole, rest = bits // 8, bytes_of(columns, bits % 8)
    planes = np.frombuffer(body, "u1", whole * size * columns, at)
    bytes_of_rest = np.frombuffer(body, "u1", rest * size, at + planes.size)
    return _Class(
        number,
        low,
        low + size,
        planes.reshape(whole, size, columns),
        bytes_of_rest.reshape(size, rest),
    )


def _bits_of(number: int) -> int:
    return 64 if number == _FLOATS else number % _LEVEL


class _Taken(NamedTuple):
    """Series of one class, from one chunk, and where their values belong."""

    planes: NDArray[np.uint8]  # (whole bytes of a number, series, numbers of a series)
    rest: NDArray[np.uint8]
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
    same, or -1. Values in no chunk are `absent`. Series of one class are unpacked together,
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
    of_class: dict[int, list[_Taken]] = {}
    for (column, chunk), places in zip(chunks, places_of_chunks, strict=True):
        rows = row_of[places]
        if isinstance(chunk, Matrix):
            kept = rows >= 0
            values[rows[kept], column] = chunk.values[kept]
        else:
            _take(of_class, chunk, column, rows)
    for number, several in of_class.items():
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
    of_class: dict[int, list[_Taken]], chunk: PackedMatrix, column: int, rows: NDArray[np.intp]
) -> None:
    """Take the series of a chunk whose row is not -1."""
    all_of_them = rows.min(initial=0) >= 0
    for number, low, high, planes, rest in chunk.classes:
        row = rows[low:high]
        firsts, exponents = chunk.firsts[low:high], chunk.exponents[low:high]
        there = None if chunk.there is None or number == _FLOATS else chunk.there[low:high]
        taken = _Taken(planes, rest, firsts, exponents, there, row, column)
        if not all_of_them:
            kept = np.flatnonzero(row >= 0)
            if not kept.size:
                continue
            taken = taken._replace(row=row[kept], planes=planes[:, kept], rest=rest[kept])
            if number != _FLOATS:
                taken = taken._replace(
                    firsts=firsts[kept],
                    exponents=exponents[kept],
                    there=None if there is None else there[kept],
                )
        of_class.setdefault(number, []).append(taken)


def _unpacked(number: int, several: list[_Taken]) -> NDArray[np.float64]:
    """Values (series, ROWS) of series of one class."""
    planes = [*_joined([one.planes for one in several], 1)]
    if number == _FLOATS:
        return _from_xored(planes)
    bits = _bits_of(number)
    if bits % 8:
        columns = ROWS if number >= _LEVEL else ROWS - 1
        rest = _joined([one.rest for one in several], 0)
        planes.append(unpacked(rest, bits % 8, columns))
    firsts = np.concatenate([one.firsts for one in several])
    powers = _POWERS[np.concatenate([one.exponents for one in several])]
    if bits == 0:
        values = np.repeat((firsts / powers)[:, None], ROWS, axis=1)
    elif number >= _LEVEL:
        above = joined_bytes(planes).astype(np.int64)
        above += firsts[:, None]
        values = above / powers[:, None]
    else:
        zigzag = joined_bytes(planes).astype(_SIGNED[bits])
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


def _joined(arrays: list[NDArray[np.uint8]], axis: int) -> NDArray[np.uint8]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=axis)


def encode_matrix(matrix: Matrix) -> bytes:
    values = np.ascontiguousarray(matrix.values, "<f8")
    exponents, integers, there = _as_integers(values)
    zigzag = np.diff(integers, axis=1)
    zigzag = (zigzag << 1) ^ (zigzag >> 63)
    largest = zigzag.max(axis=1, initial=0)
    lowest = integers.min(axis=1, initial=_MOST)
    above = integers - lowest[:, None]
    highest = above.max(axis=1, initial=0)
    is_level = highest < largest
    if _FEW * np.count_nonzero(is_level) < is_level.size:  # not worth a class to unpack for itself
        is_level[:] = False
    number_of = np.array(_BITS)[
        np.searchsorted(_LARGEST, np.where(is_level, highest, largest), side="right")
    ]
    number_of[is_level] += _LEVEL
    number_of[exponents == _NOT_DECIMAL] = _FLOATS
    class_of = [np.flatnonzero(number_of == number) for number in _CLASSES]
    order = np.concatenate(class_of)
    whole = order[: order.size - class_of[-1].size]
    all_there = bool(there[whole].all())
    firsts = np.where(is_level, lowest, integers[:, 0])[whole]
    head = (
        matrix.seconds.astype("<u2").tobytes(),
        struct.pack(f"<{len(_CLASSES)}H", *[places.size for places in class_of]),
        id_steps(matrix.ids[order]),
        exponents[whole].astype("u1").tobytes(),
        *shuffled(firsts.astype("<i8"), 8),
        b"\0" if all_there else b"\1" + np.packbits(there[whole]).tobytes(),
    )
    parts = [b"".join(head)]
    for number, places in zip(_CLASSES[1:-1], class_of[1:-1], strict=True):
        if places.size:
            numbers = above if number >= _LEVEL else zigzag
            parts += _plane_bytes(numbers[places].astype("<u8"), _bits_of(number))
    xored = values[class_of[-1]].view("<u8").copy()
    xored[:, 1:] ^= xored[:, :-1].copy()
    return pack(_LAYOUT, matrix.ids.size, 0, [*parts, *shuffled(xored, 8)])


def _plane_bytes(numbers: NDArray[np.uint64], bits: int) -> list[bytes]:
    planes = shuffled(numbers, bits // 8)
    if bits % 8:
        rest = (numbers >> np.uint64(bits // 8 * 8)).astype(np.uint8)
        planes.append(packed(rest, bits % 8).tobytes())
    return planes


def decode_matrix(blob: bytes) -> Matrix | PackedMatrix:
    """Undo `encode_matrix`; raises StoreCorruptError when the blob was damaged."""
    layout, n, _, body = unpack(blob, (_XORED_LAYOUT, _BYTES_LAYOUT, _LAYOUT))
    if layout != _XORED_LAYOUT:
        return PackedMatrix(layout, n, body)
    at = 2 * ROWS + 4 * n
    planes = np.frombuffer(body, "u1", n * ROWS * 8, at).reshape(8, n, ROWS)
    values = _from_xored(list(planes)) if n else np.empty((0, ROWS))
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


def _from_xored(planes: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.bitwise_xor.accumulate(joined_bytes(planes), axis=1).view(
        "<f8"
    )
    return values

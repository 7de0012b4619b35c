"""Remote-write requests, packed by hand: prompb.WriteRequest of Prometheus Remote-Write 1.0.

    message WriteRequest { repeated TimeSeries timeseries = 1; }
    message TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
    message Label        { string name = 1; string value = 2; }
    message Sample       { double value = 1; int64 timestamp = 2; }  // milliseconds

Fields on the wire by protobuf.dev/programming-guides/encoding: a tag byte (number << 3 | type),
then for type 2 a length as a varint.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import cramjam

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_MORE: Final = 0x80
_SAMPLE: Final = struct.Struct("<cBcd")  # field 2 with its length, then field 1, a fixed64


def varint(number: int) -> bytes:
    """A non-negative integer, seven bits a byte, low ones first."""
    out = bytearray()
    while number >= _MORE:
        out.append(number & ~_MORE & 0xFF | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(tag: int, body: bytes) -> bytes:
    return bytes((tag,)) + varint(len(body)) + body


def packed_labels(labels: Mapping[str, str]) -> bytes:
    """The `labels` fields of a series, sorted by name; those without a value are left out."""
    return b"".join(
        _field(
            0x0A, _field(0x0A, name.encode()) + _field(0x12, labels[name].encode(errors="replace"))
        )
        for name in sorted(labels)
        if labels[name]
    )


def packed_request(series: Iterable[tuple[bytes, Sequence[tuple[int, float]]]]) -> bytes:
    """A compressed request of series, each its packed labels and its samples by epoch second."""
    stamps: dict[int, bytes] = {}
    parts = []
    for labels, samples in series:
        body = [labels]
        for ts, value in samples:
            stamp = stamps.get(ts)
            if stamp is None:
                stamp = stamps[ts] = b"\x10" + varint(ts * 1000)
            body += (_SAMPLE.pack(b"\x12", 9 + len(stamp), b"\x09", value), stamp)
        parts.append(_field(0x0A, b"".join(body)))
    return bytes(cramjam.snappy.compress_raw(b"".join(parts)))

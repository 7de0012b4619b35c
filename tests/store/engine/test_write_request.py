"""Write requests packed by hand, read back by the letter of the protobuf encoding."""

import struct

import cramjam
from hypothesis import given
from hypothesis import strategies as st

from servescope.store.engine.write_request import packed_labels, packed_request, varint


def number(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    """Number and value of each field of a message."""
    at, found = 0, []
    while at < len(data):
        tag, at = number(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = number(data, at)
        elif kind == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        else:
            assert kind == 2
            length, at = number(data, at)
            value, at = data[at : at + length], at + length
        found.append((tag >> 3, value))
    return found


def read(request):
    """Series as their labels and samples."""
    series = []
    for tag, one in fields(bytes(cramjam.snappy.decompress_raw(request))):
        assert tag == 1
        labels, samples = [], []
        for kind, value in fields(one):
            inner = dict(fields(value))
            if kind == 1:
                labels.append((inner[1].decode(), inner[2].decode()))
            else:
                samples.append((inner[2], inner[1]))
        series.append((labels, samples))
    return series


@given(st.integers(0, 2**63 - 1))
def test_varints(value):
    assert number(varint(value), 0) == (value, len(varint(value)))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(
    st.lists(
        st.tuples(
            st.dictionaries(texts, texts, max_size=5),
            st.lists(st.tuples(st.integers(0, 2**33), st.floats(allow_nan=False)), max_size=5),
        ),
        max_size=5,
    )
)
def test_what_is_packed_can_be_read(wanted):
    request = packed_request((packed_labels(labels), samples) for labels, samples in wanted)
    assert read(request) == [
        (
            sorted((name, text) for name, text in labels.items() if text),
            [(ts * 1000, value) for ts, value in samples],
        )
        for labels, samples in wanted
    ]


def test_what_is_no_utf_8_does_not_stop_the_rest():
    ((labels, _),) = read(packed_request([(packed_labels({"a": "\udcff/b"}), [])]))
    assert labels == [("a", "?/b")]

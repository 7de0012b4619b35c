"""The heads of WebSocket frames, in any cut of their bytes (RFC 6455 section 5.2)."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.capturing.frames import FrameHead, FrameHeads


def written(head, *, is_masked):
    first = head.opcode | (0x80 if head.is_final else 0) | (0x40 if head.is_compressed else 0)
    length = head.length
    if length < 126:
        size = bytes([length | (0x80 if is_masked else 0)])
    elif length < 65_536:
        size = bytes([126 | (0x80 if is_masked else 0)]) + length.to_bytes(2)
    else:
        size = bytes([127 | (0x80 if is_masked else 0)]) + length.to_bytes(8)
    mask = os.urandom(4) if is_masked else b""
    return bytes([first]) + size + mask + bytes(length)


HEADS = st.builds(
    FrameHead,
    st.sampled_from([0, 1, 2, 8, 9, 10]),
    st.booleans(),
    st.booleans(),
    st.one_of(st.integers(0, 130), st.sampled_from([65_535, 65_536])),
)


@given(st.lists(HEADS, max_size=6), st.booleans(), st.lists(st.integers(0, 70_000), max_size=8))
def test_each_frame_is_found_however_its_bytes_are_cut(heads, is_masked, cuts):
    data = b"".join(written(head, is_masked=is_masked) for head in heads)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    reader = FrameHeads()
    found = []
    for begin, end in zip(edges, [*edges[1:], len(data)], strict=True):
        found += reader.feed(data[begin:end])
    assert found == heads


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_half_a_head_is_none(size):
    data = written(FrameHead(1, True, False, 300), is_masked=True)
    reader = FrameHeads()
    assert list(reader.feed(data[:size])) == []
    assert list(reader.feed(data[size:])) == [FrameHead(1, True, False, 300)]

"""Blobs come back as they went in, merge as their numbers do, and tell when they were damaged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as some

from servescope.errors import StoreCorruptError
from servescope.histogram import BUCKETS
from servescope.store.base import HistogramDelta
from servescope.store.chunks import (
    ROWS,
    Buckets,
    ChunkCache,
    Matrix,
    decode_buckets,
    decode_matrix,
    encode_buckets,
    encode_matrix,
)
from servescope.store.frames import (
    NO_HISTOGRAMS,
    Columns,
    decode_columns,
    decode_histograms,
    encode_columns,
    encode_histograms,
    histograms_from,
    merge_columns,
    merge_histograms,
    merge_readings,
)

ids = st.lists(st.integers(0, 5_000), unique=True, max_size=12).map(
    lambda numbers: np.array(sorted(numbers), np.uint32)
)
finite = st.floats(-1e15, 1e15)


@st.composite
def columns(draw, k=1):
    number = draw(ids)
    return Columns(number, draw(some.arrays(np.float64, (k, number.size), elements=finite)))


@st.composite
def deltas(draw):
    number = draw(ids)
    dense = []
    for _ in number:
        counts = np.zeros(BUCKETS, np.int64)
        for bucket in draw(st.lists(st.integers(0, BUCKETS - 1), max_size=5)):
            counts[bucket] += draw(st.integers(1, 2**40))
        dense.append(HistogramDelta(counts, draw(st.floats(0, 1e9))))
    return number, dense


def dense_of(histograms):
    """Counts and sums by id."""
    found = {}
    at = 0
    for number, sum_s, length in zip(
        histograms.ids.tolist(), histograms.sums, histograms.lengths, strict=True
    ):
        counts = np.zeros(BUCKETS, np.int64)
        counts[histograms.buckets[at : at + length]] = histograms.counts[at : at + length]
        found[number] = (counts.tolist(), float(sum_s))
        at += length
    return found


@given(columns())
def test_columns_come_back(one):
    found = decode_columns(encode_columns(one))
    assert found.ids.tolist() == one.ids.tolist()
    assert found.values[0].tolist() == one.values[0].tolist()


@given(columns(4).filter(lambda one: one.ids.size))
def test_summaries_come_back(one):
    assert decode_columns(encode_columns(one)).values.tolist() == one.values.tolist()


@given(columns(), columns())
def test_merging_adds_counters_and_replaces_gauges(old, new):
    before = dict(zip(old.ids.tolist(), old.values[0].tolist(), strict=True))
    after = dict(zip(new.ids.tolist(), new.values[0].tolist(), strict=True))
    added = merge_columns(old, new, adding=True)
    replaced = merge_columns(old, new, adding=False)
    every = sorted(before.keys() | after.keys())
    assert added.ids.tolist() == replaced.ids.tolist() == every
    assert added.values[0].tolist() == [before.get(i, 0.0) + after.get(i, 0.0) for i in every]
    assert replaced.values[0].tolist() == [after.get(i, before.get(i)) for i in every]


def test_merging_summaries():
    old = Columns(np.array([1, 2], np.uint32), np.array([[6.0, 1], [3, 1], [1, 1], [3, 1]]))
    new = Columns(np.array([2, 9], np.uint32), np.array([[5.0, 7], [2, 1], [-1, 7], [4, 7]]))
    merged = merge_readings(old, new)
    assert merged.ids.tolist() == [1, 2, 9]
    assert merged.values.tolist() == [[6, 6, 7], [3, 3, 1], [1, -1, 7], [3, 4, 7]]


@given(deltas())
def test_histograms_come_back(one):
    number, dense = one
    histograms = histograms_from(number, dense)
    found = decode_histograms(encode_histograms(histograms))
    expected = {
        i: (delta.counts.tolist(), delta.sum_s)
        for i, delta in zip(number.tolist(), dense, strict=True)
    }
    assert dense_of(found) == expected
    assert found.totals().tolist() == [delta.counts.sum() for delta in dense]


@given(st.lists(deltas(), max_size=4))
def test_merging_histograms_adds_them(several):
    merged = dense_of(merge_histograms([histograms_from(*one) for one in several]))
    expected = {}
    for number, dense in several:
        for i, delta in zip(number.tolist(), dense, strict=True):
            counts, sum_s = expected.get(i, (np.zeros(BUCKETS, np.int64), 0.0))
            expected[i] = (counts + delta.counts, sum_s + delta.sum_s)
    assert merged.keys() == expected.keys()
    for i, (counts, sum_s) in expected.items():
        assert merged[i][0] == counts.tolist()
        assert merged[i][1] == pytest.approx(sum_s)


@settings(max_examples=40)
@given(
    ids.flatmap(
        lambda number: st.tuples(
            st.just(number),
            some.arrays(np.float64, (number.size, ROWS), elements=st.floats(width=64)),
            some.arrays(np.uint16, (ROWS,)),
        )
    )
)
def test_matrices_come_back_to_the_bit(parts):
    number, values, seconds = parts
    found = decode_matrix(encode_matrix(Matrix(seconds, number, values)))
    assert found.ids.tolist() == number.tolist()
    assert found.seconds.tolist() == seconds.tolist()
    assert found.values.tobytes() == values.tobytes()


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, ROWS - 1), st.integers(0, BUCKETS - 1)),
        unique=True,
        max_size=60,
    ),
    st.integers(1, 2**60),
)
def test_buckets_come_back(cells, count):
    cells = np.array(sorted(cells), np.intp).reshape(-1, 3).T
    chunk = Buckets(
        np.arange(ROWS, dtype=np.uint16),
        np.arange(10, dtype=np.uint32) * 7,
        *cells,
        np.full(cells.shape[1], count, np.int64),
    )
    found = decode_buckets(encode_buckets(chunk))
    for one, other in zip(found, chunk, strict=True):
        assert one.tolist() == other.tolist()


def blobs():
    number = np.arange(3, dtype=np.uint32)
    seconds = np.ones(ROWS, np.uint16)
    nothing = np.empty(0, np.intp)
    return {
        "columns": (decode_columns, encode_columns(Columns(number, np.ones((1, 3))))),
        "histograms": (decode_histograms, encode_histograms(NO_HISTOGRAMS)),
        "matrix": (decode_matrix, encode_matrix(Matrix(seconds, number, np.ones((3, ROWS))))),
        "buckets": (
            decode_buckets,
            encode_buckets(Buckets(seconds, number, nothing, nothing, nothing, nothing)),
        ),
    }


@pytest.mark.parametrize("kind", blobs())
def test_one_flipped_bit_anywhere_is_noticed(kind):
    decode, blob = blobs()[kind]
    for place in range(len(blob)):
        damaged = bytearray(blob)
        damaged[place] ^= 0x10
        with pytest.raises(StoreCorruptError):
            decode(bytes(damaged))


@pytest.mark.parametrize("kind", blobs())
def test_a_cut_blob_is_noticed(kind):
    decode, blob = blobs()[kind]
    for length in range(len(blob)):
        with pytest.raises(StoreCorruptError):
            decode(blob[:length])


def test_neighbouring_values_pack_well():
    random = np.random.default_rng(3)
    values = np.cumsum(random.integers(-2, 3, (500, ROWS)), axis=1).astype(float) + 1_000
    blob = encode_matrix(Matrix(np.ones(ROWS, np.uint16), np.arange(500, dtype=np.uint32), values))
    assert len(blob) < 1.6 * values.size


def test_the_cache_drops_the_least_recently_used():
    def chunk():
        return Matrix(np.ones(ROWS, np.uint16), np.empty(0, np.uint32), np.ones((1, ROWS)))

    cache, loads = ChunkCache(limit_bytes=3 * chunk().nbytes), []

    def load():
        loads.append(1)
        return chunk()

    for number in (1, 2, 3, 1, 4, 1, 3):
        cache.get(number, load)
    assert len(loads) == 4
    cache.get(2, load)
    assert len(loads) == 5
    cache.clear()
    cache.get(1, load)
    assert len(loads) == 6

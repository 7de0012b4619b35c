"""Blobs come back as they went in, merge as their numbers do, and tell when they were damaged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as some

from servescope.errors import StoreCorruptError
from servescope.histogram import BUCKETS
from servescope.store.base import HistogramDelta
from servescope.store.codec.chunks import ChunkCache
from servescope.store.codec.envelope import ROWS
from servescope.store.codec.histograms import Buckets, buckets_of, decode_buckets, encode_buckets
from servescope.store.codec.matrices import Matrix, decode_matrix, encode_matrix, without_noise
from servescope.store.codec.row_packers import columns_packer, histograms_packer
from servescope.store.codec.rows import (
    NO_HISTOGRAMS,
    Columns,
    Histograms,
    decode_column_rows,
    decode_columns,
    decode_histogram_rows,
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


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=4),
    st.lists(st.floats(width=64, allow_nan=False), min_size=0, max_size=40),
)
def test_a_second_of_columns_comes_back(runs, values):
    number = np.array([low * 1000 + at for low, size in runs for at in range(size)], np.uint32)
    told = (values * 40 + [0.5] * number.size)[: number.size]
    found = decode_columns(columns_packer(number)(told))
    assert found.ids.tolist() == number.tolist()
    assert found.values[0].tolist() == told
    rows = decode_column_rows([columns_packer(number)(told)] * 3)
    assert rows.are_alike == bool(number.size)
    if number.size:
        assert rows.table(0, 0, number.size).tolist() == [told] * 3


def test_rows_of_other_series_are_not_alike():
    one, other = np.arange(1, 9, dtype=np.uint32), np.arange(2, 10, dtype=np.uint32)
    blobs = [columns_packer(number)([1.0] * 8) for number in (one, other)]
    assert not decode_column_rows(blobs).are_alike
    assert [c.ids.tolist() for c in decode_column_rows(blobs).columns()] == [
        one.tolist(),
        other.tolist(),
    ]


@given(st.lists(st.tuples(deltas(), st.booleans()), max_size=4))
def test_seconds_of_histograms_come_back_however_they_were_packed(several):
    blobs = [
        histograms_packer(one[0])(one[1]) if dense else encode_histograms(histograms_from(*one))
        for one, dense in several
    ]
    told, row = decode_histogram_rows(blobs)
    assert told.ids.tolist() == [number for (ids_, _), _ in several for number in ids_.tolist()]
    at = 0
    for place, (one, _) in enumerate(several):
        of_row = np.flatnonzero(row == place)
        lengths = told.lengths[of_row]
        cells = slice(at, at + int(lengths.sum()))
        at = cells.stop
        found = Histograms(
            told.ids[of_row], told.sums[of_row], lengths, told.buckets[cells], told.counts[cells]
        )
        assert dense_of(found) == dense_of(histograms_from(*one))


@pytest.mark.parametrize(
    ("largest", "width"),
    [(0, 1), (1, 1), (255, 1), (256, 2), (2**16 - 1, 2), (2**16, 4), (2**32, 8), (2**62, 8)],
)
@pytest.mark.parametrize("bucket", [0, 7, BUCKETS - 1])
def test_counts_of_a_second_take_the_bytes_they_need(largest, width, bucket):
    counts = np.zeros((2, BUCKETS), np.int64)
    counts[1, bucket] = largest
    pack = histograms_packer(np.array([3, 4], np.uint32))
    blob = pack([HistogramDelta(row, 0.5) for row in counts])
    assert blob[15] == width
    told = dense_of(decode_histograms(blob))
    assert [told[number][0] for number in (3, 4)] == counts.tolist()


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


rows_of_values = st.one_of(
    some.arrays(np.float64, (ROWS,), elements=st.floats(width=64)),
    some.arrays(np.float64, (ROWS,), elements=st.sampled_from([0.0, -0.0, 7.0, np.nan])),
    st.tuples(
        some.arrays(np.int64, (ROWS,), elements=st.integers(-(2**54), 2**54)),
        st.integers(0, 11),
        some.arrays(np.bool_, (ROWS,)),
    ).map(lambda parts: np.where(parts[2], parts[0] / 10.0 ** parts[1], np.nan)),
    st.tuples(st.integers(0, 255), some.arrays(np.int8, (ROWS,)), st.integers(0, 4)).map(
        lambda parts: (parts[0] + parts[1].astype(float)) / 10.0 ** parts[2]
    ),
)


@settings(max_examples=60)
@given(
    ids.flatmap(
        lambda number: st.tuples(
            st.just(number),
            st.lists(rows_of_values, min_size=number.size, max_size=number.size),
            some.arrays(np.uint16, (ROWS,)),
        )
    )
)
def test_matrices_come_back_to_the_bit(parts):
    number, values, seconds = parts
    values = np.array(values).reshape(-1, ROWS)
    values[np.isnan(values)] = np.nan  # any NaN means: not there
    found = decode_matrix(encode_matrix(Matrix(seconds, number, values)))
    order = np.argsort(found.ids)
    assert found.ids[order].tolist() == number.tolist()
    assert found.seconds.tolist() == seconds.tolist()
    back = found.values[order]
    assert np.array_equal(back, values, equal_nan=True)
    there = ~np.isnan(values)
    assert (np.signbit(back) == np.signbit(values))[there].all()


@given(some.arrays(np.int64, (30,), elements=st.integers(-(10**9), 10**9)), st.integers(0, 7))
def test_sums_of_decimals_are_decimals_again(numbers, digits):
    decimals = numbers / 10.0**digits
    total = without_noise(np.array([decimals.sum()]))[0]
    assert total == pytest.approx(numbers.sum() / 10.0**digits, rel=1e-9, abs=1e-9)


def test_what_is_no_noise_stays():
    values = np.array([1 / 3, np.pi * 1e-9, 1e300, -2.5, np.inf])
    assert without_noise(values).tolist() == values.tolist()
    assert without_noise(np.array([0.1 + 0.2])).tolist() == [0.3]


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, ROWS - 1), st.integers(0, BUCKETS - 1)),
        unique=True,
        max_size=60,
    ),
    st.one_of(st.integers(1, 300), st.integers(1, 2**60)),
)
def test_buckets_come_back(cells, count):
    position, row, bucket = np.array(sorted(cells), np.intp).reshape(-1, 3).T
    chunk = buckets_of(
        np.arange(ROWS, dtype=np.uint16),
        np.arange(10, dtype=np.uint32) * 7,
        position,
        row,
        bucket,
        np.full(position.size, count, np.int64),
    )
    found = decode_buckets(encode_buckets(chunk))
    assert found.seconds.tolist() == chunk.seconds.tolist()
    assert found.ids.tolist() == chunk.ids.tolist()
    told = {
        (i, r, found.lowest + b): int(found.counts[b, i, r])
        for b, i, r in zip(*np.nonzero(found.counts), strict=True)
    }
    assert told == dict.fromkeys(cells, count)


def blobs():
    number = np.arange(3, dtype=np.uint32)
    seconds = np.ones(ROWS, np.uint16)
    nothing = np.zeros((0, 3, ROWS), np.uint8)
    return {
        "columns": (decode_columns, encode_columns(Columns(number, np.ones((1, 3))))),
        "histograms": (decode_histograms, encode_histograms(NO_HISTOGRAMS)),
        "matrix": (decode_matrix, encode_matrix(Matrix(seconds, number, np.ones((3, ROWS))))),
        "buckets": (
            decode_buckets,
            encode_buckets(Buckets(seconds, number, 0, nothing)),
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
    assert len(blob) < 0.5 * values.size


def test_the_cache_drops_the_least_recently_used():
    def chunk():
        return Matrix(np.ones(ROWS, np.uint16), np.empty(0, np.uint32), np.ones((1, ROWS)))

    cache, loads = ChunkCache(limit_bytes=3 * chunk().nbytes), []

    def get(*numbers):
        missing = set(numbers) - cache.known(numbers).keys()
        loads.extend(missing)
        cache.keep({number: chunk() for number in missing})

    for number in (1, 2, 3, 1, 4, 1, 3):
        get(number)
    assert len(loads) == 4
    get(2, 3)
    assert len(loads) == 5
    cache.clear()
    get(1)
    assert len(loads) == 6

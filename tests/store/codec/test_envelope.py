"""Bits, planes and pages: what chunks are packed with comes back, and takes the room it should."""

import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as some

from servescope.histogram import BUCKETS
from servescope.store.codec.bits import bytes_of, packed, unpacked
from servescope.store.codec.envelope import (
    PAGE_BYTES,
    ROWS,
    filling_pages,
    id_steps,
    ids_from,
    joined_bytes,
    page_bytes,
    shuffled,
)
from servescope.store.codec.histograms import Buckets, decode_buckets, encode_buckets
from servescope.store.codec.matrices import Matrix, decode_matrix, encode_matrix
from servescope.store.sqlite.schema import TABLES

SECONDS = np.ones(ROWS, np.uint16)


@given(st.sampled_from([1, 2, 4]), st.integers(1, 9), st.integers(1, 130), st.integers(0, 2**32))
def test_bits_come_back(bits, lines, n, seed):
    numbers = np.random.default_rng(seed).integers(0, 2**bits, (lines, n)).astype(np.uint8)
    together = packed(numbers, bits)
    assert together.shape == (lines, bytes_of(n, bits))
    assert np.array_equal(unpacked(together, bits, n), numbers)


@given(some.arrays(np.uint64, 20, elements=st.integers(0, 2**64 - 1)), st.integers(1, 8))
def test_bytes_come_back(numbers, count):
    numbers &= np.uint64(2 ** (8 * count) - 1)
    planes = [np.frombuffer(plane, np.uint8) for plane in shuffled(numbers, count)]
    assert joined_bytes(planes).astype(np.uint64).tolist() == numbers.tolist()


@given(some.arrays(np.uint32, st.integers(0, 40)))
def test_ids_come_back_in_any_order(ids):
    assert ids_from(b"abc" + id_steps(ids), ids.size, 3).tolist() == ids.tolist()


@settings(max_examples=80)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 53),
            st.integers(-(2**52), 2**52),
            st.booleans(),
            st.integers(0, 6),
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 2**32),
)
def test_series_of_any_width_come_back_whether_they_walk_or_stay(kinds, seed):
    """Every class of differences, and of what is above a level, among its likes and alone."""
    random = np.random.default_rng(seed)
    rows = []
    for bits, base, walks, digits in kinds:
        noise = random.integers(0, 2**bits, ROWS)
        integers = np.cumsum(noise // ROWS - 2**bits // (2 * ROWS)) if walks else noise
        rows.append((base + integers) / 10.0**digits)
    values = np.array(rows)
    values[random.random(values.shape) < 0.02] = np.nan
    ids = np.sort(random.choice(5_000, len(rows), replace=False)).astype(np.uint32)
    found = decode_matrix(encode_matrix(Matrix(SECONDS, ids, values)))
    order = np.argsort(found.ids)
    assert found.ids[order].tolist() == ids.tolist()
    there = ~np.isnan(values)
    assert np.array_equal(np.isnan(found.values[order]), ~there)
    assert found.values[order][there].tobytes() == values[there].tobytes()


def test_floats_that_are_no_decimals_come_back_to_the_bit():
    strange = [np.inf, -np.inf, -0.0, 0.0, 5e-324, -2.2250738585072e-308, 1 / 3, 1e308, 2.0**53 + 2]
    values = np.array([np.roll((strange * 7)[:ROWS], shift) for shift in range(9)])
    ids = np.arange(9, dtype=np.uint32)
    found = decode_matrix(encode_matrix(Matrix(SECONDS, ids, values)))
    assert found.values[np.argsort(found.ids)].tobytes() == values.tobytes()


@pytest.mark.parametrize("largest", [1, 3, 7, 15, 16, 255, 256, 65_535, 2**20, 2**62])
def test_counts_of_any_width_come_back(largest):
    random = np.random.default_rng(largest % 1000)
    counts = random.integers(0, largest + 1, (9, 4, ROWS))
    counts[0], counts[3, :, 1:] = 0, 1
    ids = np.array([3, 4, 9, 200], np.uint32)
    found = decode_buckets(encode_buckets(Buckets(SECONDS, ids, BUCKETS - 9, counts)))
    assert np.array_equal(found.counts.astype(np.int64), counts)
    assert (found.lowest, found.ids.tolist()) == (BUCKETS - 9, ids.tolist())


def test_noise_takes_little_more_than_its_entropy():
    """Steps of sigma 100 have 8.69 bits; kept in two whole bytes each they took 10.3."""
    random = np.random.default_rng(1)
    steps = np.rint(random.normal(0, 100, (64, ROWS)))
    values = (10_000 + np.cumsum(steps, axis=1)) / 10_000
    ids = np.arange(256, 320, dtype=np.uint32)
    blob = encode_matrix(Matrix(SECONDS, ids, values))
    assert 8 * len(blob) / values.size < 9.3


sizes = st.lists(st.integers(40, 30_000), min_size=1, max_size=40)


def pages_needed(blobs):
    pages, room = 0, 0
    for blob in blobs:
        if page_bytes(blob) > room:
            pages, room = pages + 1, PAGE_BYTES - 8
        room -= page_bytes(blob)
    return pages


@given(sizes)
def test_rows_fill_pages(lengths):
    blobs = [bytes(length) for length in lengths]
    order = filling_pages(blobs)
    assert sorted(order) == list(range(len(blobs)))
    least = sum(map(page_bytes, blobs)) / (PAGE_BYTES - 8)
    assert pages_needed([blobs[index] for index in order]) <= 1.7 * least + 1


@settings(max_examples=20)
@given(sizes)
def test_sqlite_takes_as_many_pages_as_are_reckoned(lengths):
    connection = sqlite3.connect(":memory:")
    for statement in TABLES:
        connection.execute(statement)
    (before,) = connection.execute("PRAGMA page_count").fetchone()
    blobs = [bytes(length) for length in lengths]
    connection.executemany(
        "INSERT INTO chunk (tier, plane, t0, first, data) VALUES (60, ?, ?, ?, ?)",
        [(64 + number, 10**9, 10**9, blob) for number, blob in enumerate(blobs)],
    )
    (after,) = connection.execute("PRAGMA page_count").fetchone()
    connection.close()
    overflow = sum(
        -(-(len(blob) + 34 - page_bytes(blob)) // (PAGE_BYTES - 4))
        for blob in blobs
        if len(blob) > PAGE_BYTES - 60
    )
    reckoned = pages_needed(blobs) + overflow - 1  # the root was there
    assert abs(after - before - reckoned) <= 2 + len(blobs) // 20

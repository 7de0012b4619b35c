"""Histograms against exact answers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.histogram import (
    BUCKETS,
    EDGES,
    ERROR_BOUND,
    are_lower_bounds,
    bucket_indexes,
    count,
    least_count,
    quantiles,
    quantiles_by_bucket,
    supported_quantiles,
)

QS = [0.0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0]
SIZE = 20_000


def distributions():
    random = np.random.default_rng(7)
    return {
        "constant 5 us": np.full(SIZE, 5e-6),
        "uniform 20-90 us": random.uniform(20e-6, 90e-6, SIZE),
        "exponential 300 us": random.exponential(300e-6, SIZE) + 2e-6,
        "normal 1 ms": np.abs(random.normal(1e-3, 1e-4, SIZE)),
        "log-normal 5 ms": random.lognormal(math.log(5e-3), 1.0, SIZE),
        "pareto": 2e-4 * (1 + random.pareto(1.5, SIZE)).clip(max=1e5),
        "two humps": np.concatenate(
            [random.normal(4e-4, 2e-5, SIZE // 2), random.normal(0.5, 0.02, SIZE // 2)]
        ),
        "Weibull 40 ms": 0.04 * random.weibull(0.7, SIZE) + 1e-5,
        "stalls: 1 in 100 takes 1-9 s": np.where(
            random.random(SIZE) < 0.01, random.uniform(1, 9, SIZE), 2e-3
        ),
        "on the edges": EDGES[np.arange(SIZE) % EDGES.size],
    }


@pytest.mark.parametrize("name", distributions())
@pytest.mark.parametrize("size", [1, 2, 10, 999, SIZE])
def test_quantiles_are_within_the_bound_of_the_exact_ones(name, size):
    values = distributions()[name][:size]
    exact = np.sort(values)[np.maximum(np.ceil(np.array(QS) * size - 1e-9), 1).astype(int) - 1]
    found = quantiles(count(values), QS)
    within = (exact > EDGES[0]) & (exact <= EDGES[-1])
    assert (np.abs(found - exact) / exact)[within].max(initial=0.0) <= ERROR_BOUND + 1e-9


def test_the_bound_is_what_the_docs_say():
    assert pytest.approx(0.0433, abs=5e-5) == ERROR_BOUND
    assert BUCKETS == 210


@given(st.lists(st.floats(min_value=0, max_value=1e4), max_size=50), st.integers(0, 50))
def test_merging_is_adding(values, cut):
    assert (count(values[:cut]) + count(values[cut:]) == count(values)).all()


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), min_size=1))
def test_every_value_is_counted_in_one_bucket(values):
    assert count(values).sum() == len(values)


@given(st.floats(min_value=1e-9, max_value=1e4))
def test_buckets_include_their_upper_edge(value):
    (index,) = bucket_indexes([value])
    lower = EDGES[index - 1] if index > 0 else -math.inf
    upper = EDGES[index] if index < EDGES.size else math.inf
    assert lower < value <= upper


def test_buckets_agree_with_a_search_at_and_beside_every_edge():
    beside = np.concatenate(
        [EDGES, np.nextafter(EDGES, 0), np.nextafter(EDGES, np.inf), [0, 5e-324, 1e9, np.inf]]
    )
    assert (bucket_indexes(beside) == np.searchsorted(EDGES, beside, side="left")).all()


def test_what_is_no_duration_counts_as_zero():
    assert list(bucket_indexes([float("nan"), -1.0, -math.inf, 0.0])) == [0, 0, 0, 0]


def test_beyond_the_bounds_is_kept_apart():
    assert bucket_indexes([64.0, 64.1, 1e6]).tolist() == [BUCKETS - 2, BUCKETS - 1, BUCKETS - 1]


def test_nothing_has_no_quantile():
    assert np.isnan(quantiles(np.zeros((2, BUCKETS), int), [0.5])).all()


def test_many_histograms_at_once_and_any_cut_around_what_is_used():
    values = distributions()["log-normal 5 ms"].reshape(4, -1)
    counts = np.stack([count(row) for row in values])
    whole = quantiles(counts, QS)
    used = np.flatnonzero(counts.any(axis=0))
    assert whole.shape == (4, len(QS))
    cut = quantiles(counts[:, used[0] : used[-1] + 1], QS, first_bucket=int(used[0]))
    assert (cut == whole).all()


@given(st.lists(st.lists(st.floats(0, 100), max_size=30), min_size=1, max_size=6))
def test_a_walk_over_the_buckets_finds_the_same_quantiles(rows):
    counts = np.stack([count(row) for row in rows])
    whole = quantiles(counts, QS)
    walked = quantiles_by_bucket(np.ascontiguousarray(counts.T), QS)
    assert np.array_equal(walked.T, whole, equal_nan=True)
    used = np.flatnonzero(counts.any(axis=0))
    if used.size:
        cut = counts.T[used[0] : used[-1] + 1].astype(np.uint16)
        assert np.array_equal(quantiles_by_bucket(cut, QS, int(used[0])).T, whole, equal_nan=True)


@pytest.mark.parametrize("q", [-0.1, 1.01])
def test_a_quantile_outside_0_to_1_is_refused(q):
    with pytest.raises(ValueError, match="quantiles lie"):
        quantiles(count([1.0]), [q])
    with pytest.raises(ValueError, match="quantiles lie"):
        quantiles_by_bucket(count([1.0])[:, None], [q])


@pytest.mark.parametrize(
    ("q", "least"), [(0.5, 2), (0.9, 10), (0.95, 20), (0.99, 100), (0.999, 1000)]
)
def test_a_quantile_takes_enough_values_for_one_to_lie_beyond_it(q, least):
    assert least_count(q) == least
    few, enough = (count(np.full(size, 0.01)) for size in (least - 1, least))
    assert np.isnan(supported_quantiles(few, [q])).all()
    assert supported_quantiles(enough, [q]) == pytest.approx(0.01, rel=ERROR_BOUND)
    assert np.array_equal(
        supported_quantiles(np.stack([few, enough]), [q, 0.0]),
        [[np.nan, quantiles(few, [0.0])[0]], quantiles(enough, [q, 0.0])],
        equal_nan=True,
    )


@given(st.lists(st.tuples(st.floats(1e-6, 60.0), st.floats(1e-6, 60.0)), min_size=1, max_size=60))
def test_a_quantile_is_a_lower_bound_where_longer_times_would_raise_it(times):
    """Each value is given up at a limit of its own."""
    true_s, limits_s = np.array(times).T
    seen_s, is_late = np.minimum(true_s, limits_s), true_s > limits_s
    counts, timed_out = count(seen_s), count(seen_s[is_late])
    slowest = count(np.where(is_late, 1e9, true_s))  # as late as can be
    are_bounds = are_lower_bounds(counts, timed_out, QS)
    lowest, highest, true = (quantiles(one, QS) for one in (counts, slowest, count(true_s)))
    assert (are_bounds == (highest > lowest)).all()
    assert (true >= lowest).all()
    assert (true == lowest)[~are_bounds].all()


def test_many_histograms_at_once_have_the_bounds_of_each():
    counts = np.stack([count([0.1] * 9 + [5.0]), count([0.1] * 10), count([])], axis=1)
    timed_out = np.stack([count([5.0]), count([]), count([])], axis=1)
    found = are_lower_bounds(counts, timed_out, [0.5, 0.95])
    assert found.tolist() == [[False, False, False], [True, False, False]]

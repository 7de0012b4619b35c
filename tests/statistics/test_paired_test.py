"""The interval of a mean, held against simulated truth: it may be looked at after each value."""

import math

import numpy as np
import pytest

from servescope.statistics.paired_test import (
    MOST_PAIRS_FORESEEN,
    critical_t,
    detectable_difference,
    least_pairs,
    mean_interval,
    pairs_needed,
)

ALPHA = 0.05
RUNS = 4_000
MOST = 60


def running_t(values):
    """Student's t after each value, shape (runs, values); NaN after the first."""
    count = np.arange(1, values.shape[1] + 1)
    mean = np.cumsum(values, axis=1) / count
    squares = np.cumsum(values**2, axis=1) - count * mean**2
    with np.errstate(divide="ignore", invalid="ignore"):
        return mean / np.sqrt(squares / (count - 1) / count)


def share_ever_outside(values, alpha=ALPHA):
    bounds = np.array([critical_t(count, alpha) for count in range(1, values.shape[1] + 1)])
    return float((np.abs(running_t(values)) > bounds).any(axis=1).mean())


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 3], ids=["5 %", "5 % of three quantiles"])
def test_of_normal_values_the_interval_leaves_the_truth_no_oftener_than_it_says(alpha):
    values = np.random.default_rng(1).normal(size=(RUNS, MOST))
    outside = share_ever_outside(values, alpha)
    three_sigma = 3 * math.sqrt(alpha * (1 - alpha) / RUNS)
    assert outside <= alpha + three_sigma
    assert outside >= alpha / 10  # nor is it so wide that it says nothing


@pytest.mark.parametrize(
    "draw",
    [
        lambda random: random.standard_t(3, size=(RUNS, MOST)),
        lambda random: random.laplace(size=(RUNS, MOST)),
        lambda random: random.normal(size=(RUNS, MOST)) * random.choice([1, 10], (RUNS, MOST)),
        lambda random: np.tile([-1.0, 1.0], MOST // 2) + random.normal(0, 0.3, (RUNS, MOST)),
    ],
    ids=["heavy tails", "Laplace", "a machine quiet and busy by turns", "an effect of the order"],
)
def test_of_other_symmetric_values_it_does_so_too(draw):
    assert share_ever_outside(draw(np.random.default_rng(2))) <= ALPHA


def test_a_usual_interval_that_is_looked_at_after_each_value_is_wrong_far_more_often():
    values = np.random.default_rng(1).normal(size=(RUNS, MOST))
    count = np.arange(1, MOST + 1)
    wrong = (np.abs(running_t(values)) > 1.96) & (count >= 5)
    assert wrong.any(axis=1).mean() > 0.25


def test_the_bound_is_where_the_evidence_reaches_one_over_alpha():
    for count in range(least_pairs(ALPHA), MOST):
        t = critical_t(count, ALPHA)
        information, ratio = 1 + count, t**2 / (count - 1)
        evidence = information**-0.5 * ((1 + ratio) / (1 + ratio / information)) ** (count / 2)
        assert evidence == pytest.approx(1 / ALPHA)


def test_too_few_values_bound_nothing():
    few = least_pairs(ALPHA) - 1
    assert critical_t(few, ALPHA) == math.inf
    assert mean_interval(np.arange(few), ALPHA).half_width == math.inf
    assert mean_interval([3.0], ALPHA).low == -math.inf
    with pytest.raises(ValueError, match="no value"):
        mean_interval([], ALPHA)


def test_equal_values_are_certain_of_their_mean_once_there_are_enough():
    assert mean_interval([0.0] * 4, ALPHA).half_width == math.inf
    found = mean_interval([2.0] * 8, ALPHA)
    assert (found.low, found.high) == (2.0, 2.0)


def test_the_interval_is_that_of_student_with_the_wider_bound():
    values = np.random.default_rng(3).normal(5, 2, 12)
    found = mean_interval(values, ALPHA)
    assert found.mean == pytest.approx(values.mean())
    assert found.deviation == pytest.approx(values.std(ddof=1))
    error = found.deviation / math.sqrt(12)
    assert found.high - found.mean == pytest.approx(critical_t(12, ALPHA) * error)


@pytest.mark.parametrize("count", [10, 20, 40])
def test_a_difference_of_the_stated_size_is_found_as_often_as_stated(count):
    difference = detectable_difference(1.0, count, ALPHA, power=0.8)
    values = np.random.default_rng(count).normal(difference, 1.0, size=(RUNS, count))
    bounds = critical_t(count, ALPHA)
    assert (running_t(values)[:, -1] > bounds).mean() == pytest.approx(0.8, abs=0.05)


def test_as_many_pairs_are_needed_as_make_the_difference_detectable():
    needed = pairs_needed(0.03, 0.02, ALPHA)
    assert detectable_difference(0.03, needed, ALPHA) <= 0.02
    assert detectable_difference(0.03, needed - 1, ALPHA) > 0.02


def test_a_difference_too_small_for_any_number_of_pairs_is_told_as_none():
    assert pairs_needed(1.0, 0.01, ALPHA) is None
    assert pairs_needed(1.0, 0.0, ALPHA) is None
    assert detectable_difference(1.0, MOST_PAIRS_FORESEEN, ALPHA) > 0.01

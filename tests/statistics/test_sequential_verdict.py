"""The verdict between two servers, held against simulated servers whose truth is known."""

import math
from functools import cache

import numpy as np
import pytest

from servescope.statistics.sequential_verdict import (
    ALPHA,
    MOST_PAIRS,
    PairOrder,
    SequentialVerdict,
    Side,
    VerdictKind,
)
from tests.statistics.simulated_queue import latencies, poisson_gaps, quantiles

COMPARISONS = 200
REQUESTS = 600
QUANTILES = (0.5, 0.9, 0.99)
UTILISATIONS = [0.3, 0.7, 0.85]


@cache
def simulated(utilisation, service_time):
    """Latencies of both sides at each quantile, shape (2, 3, comparisons, pairs)."""
    random = np.random.default_rng(20)
    gaps = poisson_gaps(random, utilisation, REQUESTS, COMPARISONS * MOST_PAIRS)
    sides = [quantiles(latencies(random, gaps, time), QUANTILES) for time in (1.0, service_time)]
    return np.array(sides).reshape(2, len(QUANTILES), COMPARISONS, MOST_PAIRS)


def with_each_pair(pairs):
    """One comparison with one more pair each time, from pairs of shape (2, 3, pairs)."""
    sequence = SequentialVerdict(tolerance=0.05)
    for before, after in zip(pairs[0].T, pairs[1].T, strict=True):
        sequence.add(
            dict(zip(QUANTILES, before.tolist(), strict=True)),
            dict(zip(QUANTILES, after.tolist(), strict=True)),
        )
        yield sequence


def looks(pairs):
    """The verdict after each pair of one comparison."""
    return (sequence.verdict() for sequence in with_each_pair(pairs))


def last_look(pairs):
    """The verdict after all pairs of one comparison."""
    *_, sequence = with_each_pair(pairs)
    return sequence.verdict()


@cache
def comparisons(utilisation, service_time):
    """The verdicts after each pair of each simulated comparison."""
    pairs = simulated(utilisation, service_time)
    return [list(looks(pairs[:, :, one])) for one in range(COMPARISONS)]


@pytest.mark.parametrize("utilisation", UTILISATIONS)
def test_of_a_server_and_itself_no_more_than_the_stated_share_raise_an_alarm(utilisation):
    """At any of 30 looks, of any quantile, in either direction: however small the difference."""
    alarms = [
        any(quantile.differs for look in comparison for quantile in look.quantiles)
        for comparison in comparisons(utilisation, 1.0)
    ]
    assert np.mean(alarms) <= ALPHA


@pytest.mark.parametrize("utilisation", UTILISATIONS)
def test_ten_percent_more_service_time_is_found_at_p50(utilisation):
    found = [
        any(look.quantiles[0].low > 1 for look in comparison)
        for comparison in comparisons(utilisation, 1.1)
    ]
    assert np.mean(found) >= 0.95


@pytest.mark.parametrize("utilisation", UTILISATIONS)
def test_the_intervals_of_all_quantiles_contain_the_true_ratios_at_each_look(utilisation):
    pairs = simulated(utilisation, 1.1)
    truth = np.exp(np.log(pairs[1] / pairs[0]).mean(axis=(1, 2)))
    covered = [
        all(
            quantile.low <= true <= quantile.high
            for look in comparison
            for quantile, true in zip(look.quantiles, truth, strict=True)
        )
        for comparison in comparisons(utilisation, 1.1)
    ]
    assert np.mean(covered) >= 1 - ALPHA


@pytest.mark.parametrize("utilisation", UTILISATIONS)
def test_a_slower_server_is_never_called_as_fast_nor_a_server_slower_than_itself(utilisation):
    kinds = {
        service_time: [look[-1].kind for look in comparisons(utilisation, service_time)]
        for service_time in (1.0, 1.1)
    }
    unfair = [kinds[1.0].count(VerdictKind.SLOWER), kinds[1.1].count(VerdictKind.NOT_SLOWER)]
    assert max(unfair) <= ALPHA * COMPARISONS


def mann_whitney_z(one, other):
    """The statistic of Mann and Whitney (1947) as a normal one; there are no ties."""
    ranks = np.argsort(np.argsort(np.concatenate((one, other)))) + 1
    count, others = len(one), len(other)
    u = ranks[:count].sum() - count * (count + 1) / 2
    return (u - count * others / 2) / math.sqrt(count * others * (count + others + 1) / 12)


def test_mann_whitney_on_single_latencies_raises_far_too_many_alarms():
    """The reason why single latencies are never taken for independent here."""
    random = np.random.default_rng(11)
    before, after = (
        latencies(random, poisson_gaps(random, 0.7, 3_000, COMPARISONS)) for _ in range(2)
    )
    alarms = [
        abs(mann_whitney_z(before[:, one], after[:, one])) > 1.96 for one in range(COMPARISONS)
    ]
    assert np.mean(alarms) > 0.4
    independent = random.exponential(size=(2, 3_000, COMPARISONS))
    fair = [abs(mann_whitney_z(*independent[:, :, one])) > 1.96 for one in range(COMPARISONS)]
    assert np.mean(fair) < 0.1  # the test itself is right, of what it is made for


def noisy_pairs(ratio, deviation, pairs=MOST_PAIRS, seed=4):
    """Pairs whose logarithms of ratios are normal, all quantiles alike; shape (2, 3, pairs)."""
    noise = np.random.default_rng(seed).normal(0, deviation, (len(QUANTILES), pairs))
    before = np.full_like(noise, 10.0)
    return np.array([before, before * ratio * np.exp(noise)])


@pytest.mark.parametrize(
    ("ratio", "kind"),
    [
        (1.0, VerdictKind.NOT_SLOWER),
        (1.02, VerdictKind.NOT_SLOWER),
        (1.3, VerdictKind.SLOWER),
        (0.6, VerdictKind.FASTER),
        (1.05, VerdictKind.UNDECIDED),
    ],
    ids=["the same", "a little slower", "much slower", "much faster", "at the tolerance"],
)
def test_the_verdict_follows_from_the_intervals(ratio, kind):
    assert last_look(noisy_pairs(ratio, 0.02)).kind is kind


def test_a_quantile_that_is_only_watched_is_not_waited_for_but_tells_of_a_slower_server():
    pairs = noisy_pairs(1.0, 0.02)
    pairs[1, 2] *= np.exp(np.random.default_rng(5).normal(0, 1.0, MOST_PAIRS))  # p99 is all noise
    noisy = last_look(pairs)
    assert noisy.kind is VerdictKind.NOT_SLOWER
    assert noisy.quantiles[2].kind is VerdictKind.UNDECIDED
    pairs = noisy_pairs(1.0, 0.02)
    pairs[1, 2] *= 2
    assert last_look(pairs).kind is VerdictKind.SLOWER


def test_the_side_that_goes_first_alternates_and_each_pair_has_a_seed_of_its_own():
    sequence = SequentialVerdict(0.05, seed=7)
    same = dict.fromkeys(QUANTILES, 1.0)
    assert sequence.next_pair() == PairOrder(1, 7, Side.BEFORE)
    assert sequence.next_pair() == PairOrder(1, 7, Side.BEFORE)
    sequence.add(same, same)
    assert sequence.next_pair() == PairOrder(2, 8, Side.AFTER)
    sequence.discard()
    again = sequence.next_pair()
    assert again == PairOrder(2, 9, Side.AFTER)
    assert again.sides == (Side.AFTER, Side.BEFORE)


@pytest.mark.parametrize(
    ("ratio", "ends"), [(1.0, True), (2.0, True), (1.05, False)], ids=["same", "slow", "between"]
)
def test_it_asks_for_pairs_until_it_is_certain_or_has_had_them_all(ratio, ends):
    sequence = SequentialVerdict(0.05)
    pairs = noisy_pairs(ratio, 0.02)
    while (order := sequence.next_pair()) is not None:
        values = pairs[:, :, order.number - 1]
        sequence.add(*(dict(zip(QUANTILES, side.tolist(), strict=True)) for side in values))
    assert sequence.verdict().is_certain is ends
    assert (sequence.pairs < MOST_PAIRS) is ends


def alternating_pairs(ratio, deviation):
    """Pairs whose mean and deviation are exactly these; all quantiles alike."""
    noise = np.resize([deviation, -deviation], (len(QUANTILES), MOST_PAIRS))
    return np.array([np.ones_like(noise), ratio * np.exp(noise)])


def test_without_a_decision_it_tells_how_many_more_pairs_would_decide():
    verdict = last_look(alternating_pairs(1.0, 0.1))
    assert verdict.kind is VerdictKind.UNDECIDED
    enough = MOST_PAIRS + verdict.more_pairs
    decided = [last_look(noisy_pairs(1.0, 0.1, enough, seed)).is_certain for seed in range(100)]
    assert np.mean(decided) > 0.5  # each of two quantiles with the power that is stated


def test_at_the_tolerance_itself_it_says_that_no_number_of_pairs_will_do():
    assert last_look(alternating_pairs(1.05, 0.1)).more_pairs is None


def test_the_ratio_that_it_would_find_is_found_as_often_as_stated():
    detectable = last_look(noisy_pairs(1.0, 0.05)).quantiles[0].detectable_ratio
    found = [
        last_look(noisy_pairs(detectable, 0.05, seed=seed)).quantiles[0].low > 1
        for seed in range(100)
    ]
    assert 0.6 <= np.mean(found) <= 0.95


def test_the_first_pairs_decide_nothing_and_bound_nothing():
    first = next(looks(noisy_pairs(5.0, 0.01)))
    assert first.kind is VerdictKind.UNDECIDED
    assert (first.quantiles[0].low, first.quantiles[0].high) == (0, math.inf)
    assert first.more_pairs is None


@pytest.mark.parametrize("latency", [0.0, -1.0, math.nan, math.inf])
def test_a_latency_without_a_logarithm_is_refused_and_leaves_the_pairs_as_they_were(latency):
    sequence = SequentialVerdict(0.05)
    with pytest.raises(ValueError, match="positive"):
        sequence.add(dict.fromkeys(QUANTILES, 1.0), {0.5: 1.0, 0.9: 1.0, 0.99: latency})
    assert sequence.pairs == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"tolerance": 0},
        {"tolerance": math.nan},
        {"judged": ()},
        {"judged": (1.0,)},
        {"most_pairs": 4},
    ],
    ids=["no tolerance", "no number", "nothing judged", "the maximum", "too few pairs"],
)
def test_numbers_that_make_no_test_are_refused(wrong):
    with pytest.raises(ValueError, match=r"quantiles|tolerance|pairs"):
        SequentialVerdict(**{"tolerance": 0.05, **wrong})

"""Times of requests at one server: by hand, and in the long run."""

from __future__ import annotations

import statistics
from itertools import repeat

import numpy as np
import pytest

from servescope.statistics.queues import mean_seconds_in_system, seconds_in_system


@pytest.mark.parametrize(
    ("arrivals", "services", "stays"),
    [
        ([0, 1, 2], [1, 1, 1], [1, 1, 1]),
        ([0, 0, 0], [1, 1, 1], [1, 2, 3]),
        ([0, 0.5, 9], [1, 2, 1], [1, 2.5, 1]),
        ([], [], []),
    ],
    ids=["one after the other", "all at once", "one waits", "none"],
)
def test_each_waits_for_those_before_it(arrivals, services, stays):
    assert seconds_in_system(arrivals, services) == stays


@pytest.mark.parametrize("utilisation", [0.1, 0.5, 0.8])
def test_random_arrivals_stay_as_long_as_the_formula_says(utilisation):
    gaps = np.random.default_rng(1).exponential(1 / utilisation, 400_000)
    stays = seconds_in_system(np.cumsum(gaps).tolist(), repeat(1.0))
    assert statistics.fmean(stays) == pytest.approx(mean_seconds_in_system(utilisation, 1.0), 0.02)

"""Arrival times: how many, how far apart, and the same again."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from servescope.load.schedule import arrivals_ns
from servescope.records.scenarios import Constant, Scenario

RATES = st.floats(0.1, 20_000, allow_nan=False)
SECONDS = st.floats(0.1, 5, allow_nan=False)


@given(RATES, SECONDS, st.integers(0, 2**32))
def test_constant_has_its_count_and_spacing(rate: float, seconds: float, seed: int) -> None:
    due = np.array(arrivals_ns(Scenario(Constant(rate, seconds), seed=seed)))
    assert due.size == max(round(rate * seconds), 1)
    assert due[0] == 0
    assert due[-1] < seconds * 1e9
    exact = np.arange(due.size) / rate * 1e9
    assert np.abs(due - exact).max() <= 1.001  # nanoseconds: rounding never adds up


@given(rate=RATES, seconds=SECONDS, seed=st.integers(0, 2**32))
def test_every_schedule_ascends_and_repeats(rate: float, seconds: float, seed: int) -> None:
    scenario = Scenario(Constant(rate, seconds), seed=seed)
    due = arrivals_ns(scenario)
    assert due == arrivals_ns(scenario)
    assert due.typecode == "q"
    assert (np.diff(due) >= 0).all()

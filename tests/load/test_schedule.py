"""Arrival times: how many, how far apart, and the same again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.load.schedule import SCHEDULES, arrivals_ns

RATES = st.floats(0.1, 20_000, allow_nan=False)
SECONDS = st.floats(0.1, 5, allow_nan=False)


@given(RATES, SECONDS, st.integers(0, 2**32))
def test_constant_has_its_count_and_spacing(rate: float, seconds: float, seed: int) -> None:
    due = np.array(arrivals_ns(rate, seconds, seed))
    assert due.size == max(round(rate * seconds), 1)
    assert due[0] == 0
    assert due[-1] < seconds * 1e9
    exact = np.arange(due.size) / rate * 1e9
    assert np.abs(due - exact).max() <= 1.001  # nanoseconds: rounding never adds up


@pytest.mark.parametrize("name", SCHEDULES)
@given(rate=RATES, seconds=SECONDS, seed=st.integers(0, 2**32))
def test_every_schedule_ascends_and_repeats(
    name: str, rate: float, seconds: float, seed: int
) -> None:
    due = arrivals_ns(rate, seconds, seed, name)
    assert due == arrivals_ns(rate, seconds, seed, name)
    assert due.typecode == "q"
    assert (np.diff(due) >= 0).all()


def test_unknown_schedule_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'tidal'; known are constant"):
        arrivals_ns(1, 1, 1, "tidal")

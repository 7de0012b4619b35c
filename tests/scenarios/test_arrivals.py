"""Arrival times and flows: how many, how far apart, by what law, and the same again."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.errors import LoadRefusedError
from servescope.records.scenarios import (
    SCHEDULES,
    Constant,
    Flow,
    Poisson,
    Ramp,
    Recorded,
    RequestStep,
    Scenario,
    Spike,
    Steps,
    Users,
)
from servescope.scenarios.arrivals import arrivals_ns, flow_choices

NS = 1_000_000_000
RATES = st.floats(0.1, 5_000)
SECONDS = st.floats(0.1, 5)
SEEDS = st.integers(0, 2**32)
CONSTANT = st.builds(Constant, RATES, SECONDS)
POISSON = st.builds(Poisson, RATES, SECONDS)
RAMP = st.builds(Ramp, st.just(0.0) | RATES, RATES, SECONDS) | st.builds(
    Ramp, RATES, st.just(0.0), SECONDS
)
STEPS = st.builds(
    Steps, st.lists(st.just(0.0) | RATES, max_size=4).map(lambda x: (*x, 7.0)), SECONDS
)
SPIKE = st.builds(Spike, RATES, RATES, st.floats(0, 2), st.floats(0.1, 6), st.floats(2.1, 5))
COUNTS = st.integers(1, 5).flatmap(
    lambda flows: st.lists(st.tuples(*[st.integers(0, 40)] * flows), min_size=1, max_size=5).filter(
        lambda rows: sum(map(sum, rows)) > 1
    )
)
RECORDED = st.builds(Recorded, COUNTS.map(tuple), st.floats(0.5, 4))
PLANNED = CONSTANT | RAMP | STEPS | SPIKE
OPEN = PLANNED | POISSON | RECORDED


def due_of(schedule, seed=1, flows=()) -> np.ndarray:
    return np.array(arrivals_ns(scenario_of(schedule, seed, flows)))


def scenario_of(schedule, seed=1, flows=()) -> Scenario:
    return Scenario(schedule, tuple(flows) or (Flow((RequestStep(),)),), seed=seed)


def flow_of(weight: float) -> Flow:
    return Flow((RequestStep(),), weight)


@given(OPEN, SEEDS)
def test_times_ascend_within_the_schedule_and_repeat(schedule, seed):
    due = arrivals_ns(scenario_of(schedule, seed))
    assert due == arrivals_ns(scenario_of(schedule, seed))
    assert due.typecode == "q"
    assert len(due) > 0
    assert (np.diff(due) >= 0).all()
    assert due[0] >= 0
    assert due[-1] < schedule.seconds * NS


@given(OPEN, SEEDS, st.lists(st.floats(0.1, 10), min_size=2, max_size=5))
def test_another_mix_leaves_the_times_as_they_are(schedule, seed, weights):
    mixed = due_of(schedule, seed, map(flow_of, weights))
    assert mixed.tolist() == due_of(schedule, seed).tolist()


@given(PLANNED)
def test_a_planned_schedule_has_the_count_of_its_mean_rate(schedule):
    expected = schedule.mean_rate * schedule.seconds
    assert abs(due_of(schedule).size - max(expected, 1)) <= 0.5 + 1e-6


@given(CONSTANT)
def test_constant_is_evenly_spaced(schedule):
    due = due_of(schedule)
    assert due[0] == 0
    exact = np.arange(due.size) / schedule.rate * NS
    assert np.abs(due - exact).max() <= 1.001  # nanoseconds: rounding never adds up


@given(RAMP, st.floats(0.01, 1))
def test_a_ramp_has_at_each_moment_the_integral_of_its_rate(schedule, part):
    moment = schedule.seconds * part
    slope = (schedule.to_rate - schedule.from_rate) / schedule.seconds
    integral = schedule.from_rate * moment + slope * moment**2 / 2
    sent = (due_of(schedule) < moment * NS).sum()
    assert abs(sent - integral) <= 1.001


@given(STEPS)
def test_each_step_has_its_own_count(schedule):
    ends = np.arange(len(schedule.rates) + 1) * schedule.step_seconds * NS
    sent, _ = np.histogram(due_of(schedule) + 1, ends)  # they are rounded down to a nanosecond
    assert np.abs(sent - np.array(schedule.rates) * schedule.step_seconds).max() <= 1.501


def test_a_spike_has_its_peak_where_it_was_put():
    due = due_of(Spike(100, 500, peak_at=10, peak_seconds=5, seconds=30))
    sent, _ = np.histogram(due, np.arange(31) * NS)
    assert sent.tolist() == [100] * 10 + [500] * 5 + [100] * 15


def test_a_spike_that_lasts_beyond_the_end_is_cut():
    sent, _ = np.histogram(due_of(Spike(10, 50, 3, 9, 5)), np.arange(6) * NS)
    assert sent.tolist() == [10, 10, 10, 50, 50]


def test_poisson_gaps_are_exponential_and_independent():
    due = due_of(Poisson(1_000, 100), seed=4)
    gaps = np.diff(due) / NS * 1_000  # of mean 1
    assert abs(due.size - 100_000) < 5 * math.sqrt(100_000)
    # Kolmogorov and Smirnov's distance: 1.95 / sqrt(n) is passed once in a thousand samples.
    ordered = np.sort(gaps)
    distance = np.abs(np.arange(1, gaps.size + 1) / gaps.size - (1 - np.exp(-ordered))).max()
    assert distance < 1.95 / math.sqrt(gaps.size)
    assert abs(np.corrcoef(gaps[1:], gaps[:-1])[0, 1]) < 4 / math.sqrt(gaps.size)


def test_poisson_counts_vary_as_much_as_they_should():
    counts = np.array([due_of(Poisson(50, 1), seed).size for seed in range(1_000)])
    assert abs(counts.mean() - 50) < 4 * math.sqrt(50 / 1_000)
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=0.2)


def test_other_seeds_give_other_times():
    assert len({due_of(Poisson(10, 5), seed).tobytes() for seed in range(20)}) == 20


def test_a_seed_says_the_same_with_every_version():
    due = due_of(Poisson(2, 3), seed=42)
    assert (due // 1_000).tolist() == [1_242_918, 2_452_403]  # microseconds


@given(RECORDED, SEEDS)
def test_a_recording_has_factor_times_the_arrivals_of_each_second(schedule, seed):
    due = due_of(schedule, seed)
    counts = np.array(schedule.arrivals).sum(axis=1)
    assert due.size == math.floor(counts.sum() * schedule.factor + 0.5)
    sent, _ = np.histogram(due, np.arange(counts.size + 1) * NS)
    assert np.abs(sent - counts * schedule.factor).max() <= 1.001


@given(RECORDED, SEEDS)
def test_a_recording_times_one_has_exactly_its_flows(schedule, seed):
    schedule = replace(schedule, factor=1.0)
    scenario = scenario_of(schedule, seed)
    due = np.array(arrivals_ns(scenario))
    flows = np.array(flow_choices(scenario, due.size))
    sent = np.zeros(np.shape(schedule.arrivals), dtype=int)
    np.add.at(sent, (due // NS, flows), 1)
    assert sent.tolist() == np.array(schedule.arrivals).tolist()


def test_half_a_recording_prefers_no_flow():
    scenario = scenario_of(Recorded(((5, 5),) * 400, factor=0.5))
    flows = np.array(flow_choices(scenario, 2_000))
    assert flows.size == 2_000
    assert abs((flows == 0).mean() - 0.5) < 4 * 0.5 / math.sqrt(2_000)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6), SEEDS, st.integers(0, 200))
def test_a_longer_choice_of_flows_begins_with_the_shorter(weights, seed, count):
    scenario = scenario_of(Constant(1, 1), seed, map(flow_of, weights))
    longer = flow_choices(scenario, 300)
    assert longer[:count] == flow_choices(scenario, count)
    assert longer.typecode == "H"
    assert max(longer) < len(weights)


def test_flows_have_the_share_of_their_weight():
    scenario = scenario_of(Constant(1, 1), 3, map(flow_of, (1, 3, 6)))
    shares = np.bincount(flow_choices(scenario, 100_000)) / 100_000
    assert shares == pytest.approx([0.1, 0.3, 0.6], abs=4 * 0.5 / math.sqrt(100_000))


def test_one_flow_is_always_chosen():
    assert flow_choices(scenario_of(Constant(1, 1)), 4) == array("H", [0, 0, 0, 0])


def test_the_closed_model_has_no_due_times():
    with pytest.raises(LoadRefusedError, match="users wait for answers"):
        arrivals_ns(scenario_of(Users(1, 1, 1)))


def test_every_schedule_is_tried():
    tried = {"constant", "poisson", "ramp", "steps", "spike", "recorded", "users"}
    assert tried == set(SCHEDULES)

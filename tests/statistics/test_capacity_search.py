"""Searches on simulated queues, whose true capacity is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pytest

from servescope.statistics.capacity_search import (
    CapacitySearch,
    Judgement,
    Objective,
    Outcome,
    SearchBounds,
    StepResult,
    edge_of,
)
from tests.statistics.simulated_queues import Queue, constant, search, simulate, true_capacity


def equal(_rng: np.random.Generator, count: int) -> np.ndarray:
    return np.full(count, 0.02)


def log_normal(rng: np.random.Generator, count: int) -> np.ndarray:
    return 0.02 * np.exp(rng.normal(-0.125, 0.5, count))


EVEN: Final = SearchBounds(10, 20_000)
RANDOM: Final = SearchBounds(40, 20_000, warm_up_s=1.0, total_s=160.0)
FAST: Final = Objective(0.05)


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_a_pool_that_takes_20_ms_carries_50_for_each_worker(workers: int) -> None:
    found = CapacitySearch(FAST, EVEN)
    search(Queue(workers, equal, constant), found)
    result = found.result()
    assert result.outcome is Outcome.CARRIES
    assert result.capacity is not None
    assert result.capacity.rate == pytest.approx(50 * workers, rel=0.02)
    assert result.capacity.low <= 50 * workers <= result.capacity.high
    assert result.capacity.half_width <= 0.02
    assert all(step.agrees_with_littles_law for step in found.steps)
    assert found.spent_s <= EVEN.total_s


def test_the_interval_covers_the_truth_in_93_of_100_searches() -> None:
    """At random arrivals; a search that claims nothing is neither right nor wrong."""
    cases = [
        (Queue(4, equal), FAST, 60, (120, 180)),
        (Queue(4, log_normal), Objective(0.1), 40, (120, 200)),
    ]
    covered = claimed = 0
    for queue, objective, searches, (low, high) in cases:
        truth = true_capacity(queue, objective, low, high)
        for seed in range(1, searches + 1):
            found = CapacitySearch(objective, RANDOM, seed)
            search(queue, found)
            result = found.result()
            if result.outcome is Outcome.CARRIES:
                assert result.capacity is not None
                claimed += 1
                covered += result.capacity.low <= truth <= result.capacity.high
    assert claimed >= 60
    assert covered >= 0.93 * claimed


def test_a_rate_that_may_not_be_exceeded_is_a_lower_bound() -> None:
    found = CapacitySearch(FAST, replace(EVEN, most_rate=150.0))
    search(Queue(4, equal, constant), found)
    result = found.result()
    assert (result.outcome, result.bound, result.capacity) == (Outcome.AT_LEAST, 150.0, None)


def test_a_server_that_is_always_too_slow_carries_less_than_the_lowest_rate() -> None:
    found = CapacitySearch(Objective(0.01), EVEN)
    search(Queue(4, equal, constant), found)
    result = found.result()
    assert (result.outcome, result.bound) == (Outcome.LESS_THAN, EVEN.least_rate)


def test_a_late_generator_claims_no_capacity() -> None:
    found = CapacitySearch(FAST, EVEN)
    queue = Queue(8, equal, constant)
    while (step := found.next_step()) is not None:
        result = simulate(queue, step, FAST)
        found.add(replace(result, generator_limited=step.rate > 100))
    result = found.result()
    assert (result.outcome, result.bound, result.capacity) == (Outcome.GENERATOR, 80.0, None)


def test_a_disturbed_machine_claims_no_capacity() -> None:
    """Other programs take the processor whenever a step breaks: it might have held without."""
    found = CapacitySearch(FAST, EVEN)
    queue = Queue(2, equal, constant)
    while (step := found.next_step()) is not None:
        found.add(replace(simulate(queue, step, FAST), disturbed=True))
    result = found.result()
    assert result.outcome is Outcome.UNDECIDED
    assert "other programs" in result.reason


def test_a_generator_that_other_programs_hold_up_is_not_the_limit() -> None:
    found = CapacitySearch(FAST, EVEN)
    queue = Queue(2, equal, constant)
    while (step := found.next_step()) is not None:
        result = simulate(queue, step, FAST)
        found.add(replace(result, disturbed=True, generator_limited=True))
    result = found.result()
    assert result.outcome is Outcome.UNDECIDED
    assert "other programs" in result.reason


def test_one_disturbance_does_not_move_the_edge() -> None:
    found = CapacitySearch(FAST, EVEN)
    queue = Queue(4, equal, constant)
    stalls = {1, 4}
    while (step := found.next_step()) is not None:
        result = simulate(queue, step, FAST)
        if len(found.steps) in stalls:  # the server stood still for a while
            result = replace(result, late=result.sent // 3)
        found.add(result)
    capacity = found.result().capacity
    assert capacity is not None
    assert capacity.low <= 200 <= capacity.high


STEP: Final = StepResult(
    rate=100, seconds=5, sent=500, answered_in_schedule=498, late=0, failed=0,
    mean_latency_s=0.02, shortest_latency_s=0.02, quantile_s=0.02, elapsed_s=5, spent_s=6,
    in_flight=2.0,
)  # fmt: skip


def test_overloaded_steps_do_not_pull_the_edge_away() -> None:
    """Measured: eight threads that compute, at most 500 ms for a request.

    Far above the edge the throughput says how many are late, and no line through their odds.
    """
    objective = Objective(0.5)
    late = {
        40.0: (0, 0), 80.0: (1,), 160.0: (0, 0, 0), 320.0: (0,), 334.1: (0,), 341.4: (0,),
        345.1: (0,), 347.0: (6, 36), 348.9: (3, 39, 207, 247), 380.5: (1116, 1148),
        452.5: (1758, 1841), 640.0: (2940, 2941),
    }  # fmt: skip
    steps = [
        replace(
            STEP,
            rate=rate,
            sent=round(rate * 5),
            answered_in_schedule=min(round(rate * 5), 350 * 5),
            late=of_one,
            in_flight=None,
        )
        for rate, of_rate in late.items()
        for of_one in of_rate
    ]
    capacity = edge_of(steps, objective)
    assert capacity is not None
    assert capacity.low <= 347 <= capacity.high
    assert capacity.half_width < 0.2


def test_failures_break_the_objective_as_lateness_does() -> None:
    """A server that refuses what is above 100 requests per second, and is fast all the same."""
    found = CapacitySearch(FAST, EVEN)
    queue = Queue(40, equal, constant)
    while (step := found.next_step()) is not None:
        result = simulate(queue, step, FAST)
        refused = max(0, result.sent - int(100 * step.seconds))
        found.add(replace(result, failed=refused))
    capacity = found.result().capacity
    assert capacity is not None
    assert capacity.low <= 101 <= capacity.high


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, Judgement.HELD, id="all-in-time"),
        pytest.param({"late": 5}, Judgement.HELD, id="as-many-late-as-allowed"),
        pytest.param({"late": 6}, Judgement.BROKE, id="one-more-late"),
        pytest.param({"failed": 5}, Judgement.HELD, id="as-many-failed-as-allowed"),
        pytest.param({"failed": 6}, Judgement.BROKE, id="one-more-failed"),
        pytest.param({"answered_in_schedule": 480}, Judgement.BROKE, id="piling-up"),
        pytest.param({"in_flight": 9.0}, Judgement.USELESS, id="against-littles-law"),
        pytest.param({"in_flight": None}, Judgement.HELD, id="nothing-counted"),
        pytest.param({"generator_limited": True}, Judgement.USELESS, id="late-generator"),
        pytest.param({"disturbed": True}, Judgement.HELD, id="held-although-disturbed"),
        pytest.param({"disturbed": True, "late": 9}, Judgement.USELESS, id="broke-disturbed"),
    ],
)
def test_judgement_of_a_step(changes: dict[str, object], expected: Judgement) -> None:
    assert replace(STEP, **changes).judge(FAST) is expected  # type: ignore[arg-type]


def test_a_step_survives_the_store() -> None:
    assert StepResult.from_json(STEP.to_json()) == STEP


def test_the_same_results_give_the_same_steps() -> None:
    one, other = CapacitySearch(FAST, EVEN, seed=3), CapacitySearch(FAST, EVEN, seed=3)
    queue = Queue(2, equal, constant)
    search(queue, one)
    search(queue, other)
    assert one.steps == other.steps
    assert one.result() == other.result()

"""The bound that awaited requests set for the p99, checked on simulated requests."""

import math
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest

from servescope.load.awaited import awaited_requests, longest, proven_due_ns

SECOND = 1_000_000_000


def simulated(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Due moments and times until the end, nanoseconds, of requests in the order of their dues."""
    number = int(random.integers(1, 3_000))
    due = np.sort(random.uniform(0, 10, number))
    took = [
        random.lognormal(-5, 2, number),
        np.where(random.random(number) < random.uniform(0, 0.05), 60.0, 0.005),  # some hang
        np.where(due > random.uniform(0, 10), 30.0, 0.002),  # it stalls
        np.maximum(0.1 * np.arange(number) - due, 0.1),  # a queue that only grows
    ][random.integers(4)]
    return (due * SECOND).astype(np.int64), (took * SECOND).astype(np.int64)


def at_rank(took: np.ndarray, q: float) -> int:
    """The value at rank ceil(q n), which is what the result of a run calls a percentile."""
    return int(np.sort(took)[max(math.ceil(q * took.size), 1) - 1])


def cohort(due: np.ndarray, took: np.ndarray, now: int) -> tuple[slice, np.ndarray]:
    """The requests due by `now` since the first that has not ended, and which of all have not."""
    is_due = due <= now
    awaited = is_due & (due + took > now)
    first = int(np.argmax(awaited)) if awaited.any() else int(is_due.sum())
    return slice(first, int(is_due.sum())), awaited


@pytest.mark.parametrize("seed", range(300))
def test_the_bound_is_never_more_than_the_percentile_turns_out_to_be(seed):
    random = np.random.default_rng(seed)
    due, took = simulated(random)
    now = int(random.uniform(0.5, 12) * SECOND)
    q = (0.5, 0.95, 0.99, 0.999)[seed % 4]
    since, awaited = cohort(due, took, now)
    requests = max(since.stop - since.start, 1)
    due_of_bound = proven_due_ns(due[awaited].tolist(), requests, q)
    if due_of_bound is None:
        assert awaited.sum() < longest(requests, q)
        return
    bound = now - due_of_bound
    assert bound <= at_rank(took[since], q)
    at_least = np.where(awaited, now - due, 0)[since]  # all others may have taken nothing
    assert bound == at_rank(at_least, q), "and no higher bound is true whatever they took"


def test_a_few_that_hang_among_many_prove_nothing():
    due = np.arange(10_000) * SECOND // 200
    assert proven_due_ns(due[:100].tolist(), 10_000, 0.99) is None
    assert proven_due_ns(due[:101].tolist(), 10_000, 0.99) == due[100]


@pytest.mark.parametrize("connections", [0, 1, 8, 500])
def test_those_that_wait_for_a_connection_count_as_those_on_one(connections):
    requests = deque(
        SimpleNamespace(number=number, intended_ns=number * 5_000_000) for number in range(41, 541)
    )
    in_flight = [requests.popleft() for _ in range(connections)]
    found = awaited_requests(in_flight[::-1], requests, taken_up=740)
    assert found is not None
    assert (found.oldest_due_ns, found.taken_up) == (41 * 5_000_000, 700)
    assert found.p99_due_ns == (41 + 7) * 5_000_000, "7 of 700 may have taken longer than the p99"


def test_where_all_have_ended_nothing_is_awaited():
    assert awaited_requests([], deque(), taken_up=12) is None

"""Queues with c workers, first come first served, simulated exactly; and steps of load on them."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from servescope.statistics.capacity_steps import StepResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from servescope.statistics.capacity_search import CapacitySearch
    from servescope.statistics.capacity_steps import Objective, Step

    Floats = NDArray[np.float64]
    Draw = Callable[[np.random.Generator, int], Floats]


def poisson(rng: np.random.Generator, rate: float, seconds: float) -> Floats:
    return np.sort(rng.uniform(0, seconds, rng.poisson(rate * seconds)))


def constant(_rng: np.random.Generator, rate: float, seconds: float) -> Floats:
    return np.arange(int(rate * seconds)) / rate


@dataclass(frozen=True)
class Queue:
    """`workers` servers whose service times in seconds `draw` gives."""

    workers: int
    draw: Draw
    arrive: Callable[[np.random.Generator, float, float], Floats] = poisson

    def ends(self, arrivals: Floats, service: Floats) -> Floats:
        """When each request ends: Kiefer and Wolfowitz's recursion."""
        if service.size and np.all(service == service[0]):
            return self._equal_ends(arrivals, float(service[0]))
        free = [0.0] * self.workers
        ends = np.empty_like(arrivals)
        for index, (arrival, taken) in enumerate(
            zip(arrivals.tolist(), service.tolist(), strict=True)
        ):
            end = max(arrival, free[0]) + taken
            heapq.heapreplace(free, end)
            ends[index] = end
        return ends

    def _equal_ends(self, arrivals: Floats, service: float) -> Floats:
        """With equal times request i follows request i - c: Lindley's recursion, c times."""
        ends = np.empty_like(arrivals)
        for first in range(self.workers):
            mine = arrivals[first :: self.workers]
            done = service * np.arange(1, mine.size + 1)
            ends[first :: self.workers] = done + np.maximum.accumulate(mine - done + service)
        return ends

    def latencies(self, rng: np.random.Generator, rate: float, seconds: float) -> Floats:
        arrivals = self.arrive(rng, rate, seconds)
        return self.ends(arrivals, self.draw(rng, arrivals.size)) - arrivals


def simulate(queue: Queue, step: Step, objective: Objective) -> StepResult:
    """Carry a step out on the queue, which is empty at its start."""
    rng = np.random.default_rng(step.seed)
    arrivals = queue.arrive(rng, step.rate, step.warm_up_s + step.seconds)
    all_ends = queue.ends(arrivals, queue.draw(rng, arrivals.size))
    counted = arrivals >= step.warm_up_s
    ends, latency = all_ends[counted], (all_ends - arrivals)[counted]
    schedule_end = step.warm_up_s + step.seconds
    elapsed = max(float(ends.max()), schedule_end) - step.warm_up_s
    instants = step.warm_up_s + np.arange(0.5, elapsed, 1.0)
    under_way = np.searchsorted(arrivals, instants) - np.searchsorted(np.sort(all_ends), instants)
    left = int((all_ends[~counted] > step.warm_up_s).sum())  # answered in place of later ones
    return StepResult(
        rate=step.rate,
        seconds=step.seconds,
        sent=ends.size,
        answered_in_schedule=int((ends <= schedule_end).sum()) + left,
        late=int((latency > objective.latency_limit_s).sum()),
        failed=0,
        mean_latency_s=float(latency.mean()),
        shortest_latency_s=0.0 if left else float(latency.min()),
        quantile_s=float(np.quantile(latency, objective.quantile)),
        elapsed_s=elapsed,
        spent_s=elapsed + step.warm_up_s + 1,
        in_flight=float(under_way.mean()),
        in_flight_error=float(under_way.std() / math.sqrt(under_way.size)),
    )


def search(queue: Queue, capacity_search: CapacitySearch) -> None:
    """Carry out all steps."""
    while (step := capacity_search.next_step()) is not None:
        capacity_search.add(simulate(queue, step, capacity_search.objective))


def true_capacity(queue: Queue, objective: Objective, low: float, high: float) -> float:
    """The rate at which a long run has as many late requests as the objective allows.

    Ten halvings of a bracket of less than one octave tell it to a thousandth.
    """
    allowed = 1 - objective.quantile
    for attempt in range(10):
        rate = math.sqrt(low * high)
        latency = queue.latencies(np.random.default_rng(attempt), rate, 400_000 / rate)
        if (latency[20_000:] > objective.latency_limit_s).mean() > allowed:
            high = rate
        else:
            low = rate
    return math.sqrt(low * high)

"""When flows are due, and which flow each arrival starts: pure, seeded, repeatable.

Theory of operation. Constant, ramp, steps and spike are pieces of a rate that changes linearly:
arrival i is due when the integral of the rate has reached i, so that rounding never adds up. Only
Poisson and recorded arrivals are drawn. They come from the raw bits of PCG64, whose stream NumPy
keeps for good (NEP 19) where it does not keep those of its distributions: a seed says the same on
another machine and with another version, to a nanosecond.

Times and flows have streams of their own: another mix leaves the arrival times as they are.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.errors import LoadRefusedError
from servescope.records.scenarios import Constant, Poisson, Ramp, Recorded, Spike, Steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from servescope.records.scenarios import Flow, Scenario

_NS: Final = 1_000_000_000
_TIMES: Final = 0
_FLOWS: Final = 1
_SIGMAS: Final = 6
"""Poisson draws this many standard deviations more than the mean: a second draw is rare."""


def arrivals_ns(scenario: Scenario) -> array[int]:
    """Due times in nanoseconds from the start of the run, ascending, as an array of type 'q'.

    All are within [0, seconds), and there is at least one. Constant, ramp, steps and spike have
    round(mean rate * seconds) of them, a recording round(factor * count). Raises LoadRefusedError
    for the closed model, whose flows have no due time.
    """
    schedule = scenario.schedule
    if isinstance(schedule, Poisson):
        times = _poisson(schedule, _Uniforms(scenario.seed, _TIMES))
    elif isinstance(schedule, Recorded):
        times, _ = _recorded(schedule, scenario.seed)
    elif isinstance(schedule, Constant | Ramp | Steps | Spike):
        times = _integrated(_pieces(schedule))
    else:
        raise LoadRefusedError("the closed model has no due times: users wait for answers")
    due_ns = (times * _NS).astype(np.int64)
    # A time that rounding put at the very end belongs to the last nanosecond.
    np.minimum(due_ns, math.ceil(schedule.seconds * _NS) - 1, out=due_ns)
    return array("q", due_ns.tobytes())


def flow_choices(scenario: Scenario, count: int) -> array[int]:
    """The index of the flow that each of the first `count` arrivals starts, an array of type 'H'.

    Independent draws by weight; a longer answer begins with the shorter one. A recording knows its
    flows itself, and has no more of them than arrivals.
    """
    if isinstance(scenario.schedule, Recorded):
        _, flows = _recorded(scenario.schedule, scenario.seed)
        flows = flows[:count]
    else:
        flows = _weighted(scenario.flows, _Uniforms(scenario.seed, _FLOWS)(count))
    return array("H", flows.astype(np.uint16).tobytes())


class _Uniforms:
    """An endless stream of numbers in [0, 1), by seed and number of the stream."""

    def __init__(self, seed: int, stream: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(stream,)))

    def __call__(self, count: int) -> NDArray[np.float64]:
        """The next `count` numbers."""
        mantissas = self._bits.random_raw(count) >> np.uint64(11)  # the 53 bits of a double's
        return mantissas.astype(np.float64) * 2.0**-53


def _pieces(schedule: Constant | Ramp | Steps | Spike) -> list[tuple[float, float, float]]:
    """The rate as (from, to, seconds), one after the other."""
    if isinstance(schedule, Constant):
        return [(schedule.rate, schedule.rate, schedule.seconds)]
    if isinstance(schedule, Ramp):
        return [(schedule.from_rate, schedule.to_rate, schedule.seconds)]
    if isinstance(schedule, Steps):
        return [(rate, rate, schedule.step_seconds) for rate in schedule.rates]
    before = min(schedule.peak_at, schedule.seconds)
    peak = min(schedule.peak_seconds, schedule.seconds - before)
    return [
        (schedule.rate, schedule.rate, before),
        (schedule.peak_rate, schedule.peak_rate, peak),
        (schedule.rate, schedule.rate, schedule.seconds - before - peak),
    ]


def _integrated(pieces: list[tuple[float, float, float]]) -> NDArray[np.float64]:
    """The seconds at which the integral of the rate reaches 0, 1, 2 and so on."""
    count = max(round(sum((first + last) / 2 * seconds for first, last, seconds in pieces)), 1)
    times, begin, reached, number = [], 0.0, 0.0, 0
    for first, last, seconds in pieces:
        end = reached + (first + last) / 2 * seconds
        inside = np.arange(number, min(math.ceil(end), count), dtype=np.float64) - reached
        times.append(begin + _time_of_integral(inside, first, last, seconds))
        number += inside.size
        begin, reached = begin + seconds, end
    return np.concatenate(times) if number else np.zeros(1)  # an integral too small for a double


def _time_of_integral(
    wanted: NDArray[np.float64], first: float, last: float, seconds: float
) -> NDArray[np.float64]:
    """When the integral of a rate that goes from `first` to `last` has reached what is wanted."""
    if first == last or not wanted.size:
        return wanted / (first or 1.0)
    # The root of slope / 2 * t**2 + first * t = wanted, in the form that cancels nothing.
    slope = (last - first) / seconds
    divisor = first + np.sqrt(np.maximum(first**2 + 2 * slope * wanted, 0.0))
    return 2 * wanted / np.where(divisor > 0, divisor, 1.0)


def _poisson(schedule: Poisson, uniforms: _Uniforms) -> NDArray[np.float64]:
    """Sums of exponential times; where none falls into the schedule, one anywhere in it."""
    expected = schedule.rate * schedule.seconds
    count = int(expected + _SIGMAS * np.sqrt(expected)) + 1
    times = np.empty(0)
    while not times.size or times[-1] < schedule.seconds:
        gaps = -np.log1p(-uniforms(count)) / schedule.rate
        times = np.concatenate((times, np.cumsum(gaps) + (times[-1] if times.size else 0.0)))
    within = times[times < schedule.seconds]
    return within if within.size else uniforms(1) * schedule.seconds


def _recorded(schedule: Recorded, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Seconds and flows of a recording, times its factor.

    Each second has factor times its arrivals, to within one. Which of them a factor that is no
    whole number leaves out or repeats is drawn among those of a second, so that no flow is
    preferred.
    """
    counts = np.array(schedule.arrivals, dtype=np.int64).reshape(len(schedule.arrivals), -1)
    second, flow = np.divmod(
        np.repeat(np.arange(counts.size), counts.ravel()), max(counts.shape[1], 1)
    )
    uniforms = _Uniforms(seed, _TIMES)
    drawn = np.lexsort((uniforms(flow.size), second))
    reached = np.floor(np.arange(flow.size + 1) * schedule.factor + 0.5).astype(np.int64)
    sent = np.repeat(drawn, np.diff(reached))
    times = second[sent] + uniforms(sent.size)
    order = np.argsort(times, kind="stable")
    return times[order], flow[sent][order]


def _weighted(flows: tuple[Flow, ...], uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
    """The flow into whose part of all weights each number falls."""
    upto = np.cumsum([flow.weight for flow in flows])
    chosen: NDArray[np.int64] = np.searchsorted(upto, uniforms * upto[-1], side="right")
    return np.minimum(chosen, len(flows) - 1)

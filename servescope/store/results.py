"""Answers of a store: arrays by group and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from servescope.histogram import BUCKETS, EDGES, ERROR_BOUND

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from servescope.store.steps import Steps


@dataclass(frozen=True, slots=True)
class RangeResult:
    """`times` of shape (T,), epoch seconds at the start of each step; `values` (groups, T).

    `groups[i]` holds the values of the labels `Query.by`, "" where a series lacks one.
    """

    times: NDArray[np.int64]
    groups: list[tuple[str, ...]]
    values: NDArray[np.float64]
    actual_step: int

    @classmethod
    def empty(cls, steps: Steps) -> RangeResult:
        """No group."""
        return cls(steps.times, [], np.empty((0, len(steps))), steps.step)


@dataclass(frozen=True, slots=True)
class QuantileResult:
    """`values` of shape (groups, quantiles, T) in seconds, NaN where nothing was counted."""

    times: NDArray[np.int64]
    groups: list[tuple[str, ...]]
    values: NDArray[np.float64]
    actual_step: int
    error_bound: float

    @classmethod
    def empty(cls, steps: Steps, quantiles: int) -> QuantileResult:
        """No group, for so many quantiles."""
        values = np.empty((0, quantiles, len(steps)))
        return cls(steps.times, [], values, steps.step, ERROR_BOUND)


@dataclass(frozen=True, slots=True)
class HeatmapResult:
    """`counts` of shape (buckets, T), NaN in gaps; bucket i covers (edges[i], edges[i+1]] s."""

    times: NDArray[np.int64]
    edges: NDArray[np.float64]
    counts: NDArray[np.float64]
    actual_step: int

    @classmethod
    def empty(cls, steps: Steps) -> HeatmapResult:
        """No bucket."""
        return cls(steps.times, np.zeros(1), np.empty((0, len(steps))), steps.step)

    @classmethod
    def of_buckets(cls, steps: Steps, lowest: int, counts: NDArray[np.float64]) -> HeatmapResult:
        """`counts` of the buckets from `lowest` on."""
        edges = np.concatenate(([0.0], EDGES, [np.inf]))[lowest : lowest + len(counts) + 1]
        return cls(steps.times, edges, counts, steps.step)


@dataclass(frozen=True, slots=True)
class TotalResult:
    """Over the whole span: counts and sums by group; for a histogram also its merged buckets.

    `count` (groups,): a counter's increase, or a histogram's number of values; `sum_s` (groups,):
    a histogram's sum in seconds, else zero; `buckets` (groups, BUCKETS): zero for a counter.
    """

    groups: list[tuple[str, ...]]
    count: NDArray[np.float64]
    sum_s: NDArray[np.float64]
    buckets: NDArray[np.int64]

    @classmethod
    def empty(cls) -> TotalResult:
        """No group."""
        return cls([], np.empty(0), np.empty(0), np.empty((0, BUCKETS), np.int64))


@dataclass(frozen=True, slots=True)
class RequestColumns:
    """Request details as columns of the same length N, newest first.

    `stages_ns` (N, stages). `is_cut`: the span has older ones, which were not read. `oldest_ns`:
    the end of the oldest request that is kept at all, whatever the span; None where there is none.
    """

    ids: tuple[int, ...]
    end_ns: NDArray[np.int64]
    listeners: tuple[str, ...]
    routes: tuple[str, ...]
    targets: tuple[str, ...]
    clients: tuple[str, ...]
    user_agents: tuple[str, ...]
    methods: tuple[int, ...]
    statuses: NDArray[np.int64]
    bytes_sent: NDArray[np.int64]
    flags: NDArray[np.int64]
    stages_ns: NDArray[np.float64]
    is_cut: bool = False
    oldest_ns: int | None = None

    @classmethod
    def empty(cls, stages: int, oldest_ns: int | None = None) -> RequestColumns:
        """No request, of so many stages."""
        none = np.empty(0, np.int64)
        lacking = np.empty((0, stages))
        return cls((), none, (), (), (), (), (), (), *(none,) * 3, lacking, oldest_ns=oldest_ns)


def means(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over count, NaN where nothing was counted."""
    is_counted = counts > 0
    return np.where(is_counted, sums / np.where(is_counted, counts, 1.0), np.nan)

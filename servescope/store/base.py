"""The store's interface: every backend is a sibling that passes `tests/contracts/`.

Time is epoch seconds. A span is half open, `[start, end)`. A frame at `ts` tells of the second
`[ts, ts + 1)`. A second without a frame is a gap: NaN for every kind, never zero and never carried
over; in a second that has a frame, a counter or histogram that did not move is zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from servescope.records import Labels, RequestDetail


class SeriesKey(NamedTuple):
    """A series: a catalog name and its labels, sorted by label name."""

    metric: str
    labels: Labels = ()


class HistogramDelta(NamedTuple):
    """What one second added to a histogram: counts of shape (BUCKETS,) and the sum in seconds."""

    counts: NDArray[np.int64]
    sum_s: float


@dataclass(frozen=True, slots=True)
class Frame:
    """One second of everything."""

    ts: int
    gauges: Mapping[SeriesKey, float] = field(default_factory=dict)
    counts: Mapping[SeriesKey, float] = field(default_factory=dict)  # increases in this second
    histograms: Mapping[SeriesKey, HistogramDelta] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction commits: frames, and how far the rings they came from were read."""

    frames: Sequence[Frame]
    cursors: Mapping[str, int] = field(default_factory=dict)  # ring file name → cursor
    dropped_rings: Sequence[str] = ()  # drained rings of dead writers: their cursors go
    details: Sequence[RequestDetail] = ()


class Matching(NamedTuple):
    """Which series: one metric, and labels that must be equal."""

    metric: str
    where: Labels = ()


class Aggregation(StrEnum):
    """How `range` combines the seconds of a step, and after that the series of a group.

    Over time: AVG, MIN, MAX of a gauge; SUM of a counter's increases; RATE: SUM per second of
    frames present. Over series: always the sum, except MIN and MAX, which stay so.
    """

    AVG = "avg"
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class RangeResult:
    """`times` of shape (T,), epoch seconds at the start of each step; `values` (groups, T).

    `groups[i]` holds the values of the `by` labels, "" where a series lacks one.
    """

    times: NDArray[np.int64]
    groups: list[tuple[str, ...]]
    values: NDArray[np.float64]
    actual_step: int


@dataclass(frozen=True, slots=True)
class QuantileResult:
    """`values` of shape (groups, quantiles, T) in seconds, NaN where nothing was counted."""

    times: NDArray[np.int64]
    groups: list[tuple[str, ...]]
    values: NDArray[np.float64]
    actual_step: int
    error_bound: float


@dataclass(frozen=True, slots=True)
class HeatmapResult:
    """`counts` of shape (buckets, T), NaN in gaps; bucket i covers (edges[i], edges[i+1]] s."""

    times: NDArray[np.int64]
    edges: NDArray[np.float64]
    counts: NDArray[np.float64]
    actual_step: int


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


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What callers may expect of a backend."""

    name: str
    visibility_delay_s: float  # how long after its end a second can be read, at most
    error_bound: float  # largest relative error of a quantile within the histograms' bounds
    amends: bool = True  # whether more can be told of a second after it was committed


@dataclass(frozen=True, slots=True)
class HostSeen:
    """A host whose frames an engine holds: its oldest and newest second."""

    name: str
    oldest_s: int
    newest_s: int


class Store(Protocol):
    """A metrics store. Every method may be called from any thread.

    Raises StoreError and its children, nothing of the backend's own.
    """

    def write(self, batch: Batch) -> None:
        """Commit the batch whole or not at all; a frame whose second exists is merged into it.

        Raises StoreFullError when there is no room: nothing was written.
        """

    def cursors(self) -> dict[str, int]:
        """How far each ring was read, as last committed."""

    def bounds(self) -> tuple[int, int] | None:
        """Seconds of the oldest and the newest frame, None when there is none."""

    def series(self, metric: str) -> list[SeriesKey]:
        """The known series of a metric, sorted."""

    def range(
        self,
        match: Matching,
        start: int,
        end: int,
        step: int,
        agg: Aggregation,
        by: Sequence[str] = (),
    ) -> RangeResult:
        """Values over time, steps aligned to multiples of `actual_step` (≥ `step`).

        A histogram answers as the counter of its values.
        """

    def mean(
        self, match: Matching, start: int, end: int, step: int, by: Sequence[str] = ()
    ) -> RangeResult:
        """Mean in seconds of a histogram's values: sum over count; NaN where there are none."""

    def quantiles(
        self,
        qs: Sequence[float],
        match: Matching,
        start: int,
        end: int,
        step: int,
        by: Sequence[str] = (),
    ) -> QuantileResult:
        """Quantiles of merged histograms, never of averages."""

    def heatmap(self, match: Matching, start: int, end: int, step: int) -> HeatmapResult:
        """Counts by bucket over time, only the buckets between the lowest and highest in use."""

    def total(self, match: Matching, start: int, end: int, by: Sequence[str] = ()) -> TotalResult:
        """One figure for the whole span."""

    def details(self, limit: int, after_id: int = 0) -> list[tuple[int, RequestDetail]]:
        """The newest request details with an id above `after_id`, newest first, with their ids."""

    def version(self) -> int:
        """A number that changes when anything was committed; cheap enough to ask at each poll."""

    def capabilities(self) -> Capabilities:
        """What this backend promises."""

    def close(self) -> None:
        """Let go of files and connections."""


class FleetStore(Store, Protocol):
    """A store that holds other hosts' frames as well."""

    instance: str
    """This host's name among them."""

    @property
    def local(self) -> Store:
        """What this host has written, whether or not others see it yet."""

    def hosts(self) -> list[HostSeen]:
        """The hosts, by name; those last known while they cannot be asked for."""

    def view(self, instance: str | None) -> Store:
        """Another host's figures, or those of all together (None)."""

    def seconds_by_host(self, start: int, end: int) -> dict[str, int]:
        """How many seconds of the span each host has a frame of."""

    def notices(self) -> list[str]:
        """What a person should know of it now: whole sentences."""

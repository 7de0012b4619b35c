"""The store's interface: every backend is a sibling that passes `tests/contracts/`.

Time is epoch seconds. A span is half open, `[start, end)`. A frame at `ts` holds the second
`[ts, ts + 1)`. A second without a frame is a gap: NaN for every kind, never zero and never carried
over; in a second that has a frame, a counter or histogram that did not move is zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from servescope.records.metrics import Labels
    from servescope.records.requests import RequestDetail
    from servescope.store.query import Aggregation, Query
    from servescope.store.results import (
        HeatmapResult,
        QuantileResult,
        RangeResult,
        RequestColumns,
        TotalResult,
    )


class SeriesKey(NamedTuple):
    """A series: a catalog name and its labels, sorted by label name."""

    metric: str
    labels: Labels = ()


class HistogramDelta(NamedTuple):
    """Values of one second in a histogram: counts of shape (BUCKETS,) and their sum in seconds."""

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
    """Commits in one transaction: frames, and how far the rings they came from were read."""

    frames: Sequence[Frame]
    cursors: Mapping[str, int] = field(default_factory=dict)  # ring file name → cursor
    dropped_rings: Sequence[str] = ()  # drained rings of dead writers: their cursors go
    request_details: Sequence[RequestDetail] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Guarantees of a backend."""

    name: str
    visibility_delay_s: float  # how long after its end a second can be read, at most
    error_bound: float  # largest relative error of a quantile within the histograms' bounds
    amends: bool = True  # whether a second that was committed can still be added to


@dataclass(frozen=True, slots=True)
class HostSeen:
    """A host whose frames an engine holds: its oldest and newest second."""

    name: str
    oldest_s: int
    newest_s: int


class KeptDetails(NamedTuple):
    """The request details that are kept: ids ascend with time, and none is used twice."""

    oldest_id: int
    oldest_end_ns: int
    newest_id: int


class Queryable(Protocol):
    """Answers queries. Every method may be called from any thread.

    Raises StoreError and its children, nothing of the backend's own, and ValueError where an
    operation does not suit the kind of the metric.
    """

    def bounds(self) -> tuple[int, int] | None:
        """Seconds of the oldest and the newest frame, None when there is none."""

    def series(self, metric: str) -> list[SeriesKey]:
        """The known series of a metric, sorted."""

    def aggregate(self, query: Query, aggregation: Aggregation) -> RangeResult:
        """Values over time, steps aligned to multiples of `actual_step` (≥ `query.step`).

        A histogram answers as the counter of its values.
        """

    def mean(self, query: Query) -> RangeResult:
        """Mean in seconds of a histogram's values: sum over count; NaN where there are none."""

    def quantiles(self, query: Query, qs: Sequence[float]) -> QuantileResult:
        """Quantiles of merged histograms, never of averages."""

    def heatmap(self, query: Query) -> HeatmapResult:
        """Counts by bucket over time, only the buckets between the lowest and highest in use.

        All groups together.
        """

    def total(self, query: Query) -> TotalResult:
        """One figure for the whole span, whatever its steps."""


class Store(Queryable, Protocol):
    """A metrics store: frames in, answers out."""

    def write(self, batch: Batch) -> None:
        """Commit the batch whole or not at all; a frame whose second exists is merged into it.

        Raises StoreFullError when there is no room: nothing was written.
        """

    def cursors(self) -> dict[str, int]:
        """The cursor of each ring, by file name, as last committed."""

    def request_details(self, limit: int, after_id: int = 0) -> list[tuple[int, RequestDetail]]:
        """The newest request details with an id above `after_id`, newest first, with their ids."""

    def request_detail(self, detail_id: int) -> RequestDetail | None:
        """One request detail; None when it is not kept any more, or there is none of this id."""

    def request_detail_of_trace(self, trace_id: str) -> int | None:
        """The id of the newest detail of a trace; None while there is none."""

    def kept_request_details(self) -> KeptDetails | None:
        """The request details that are kept; None when there are none."""

    def request_columns(self, start_s: int, end_s: int, limit: int) -> RequestColumns:
        """The details of requests that ended in `[start_s, end_s)`: at most the `limit` newest."""

    def request_details_by_ids(self, ids: Sequence[int]) -> list[tuple[int, RequestDetail]]:
        """The details of these ids, in their order; those that are not kept are left out."""

    def version(self) -> int:
        """A number that changes when anything was committed; cheap enough to ask at each poll."""

    def capabilities(self) -> Capabilities:
        """The guarantees of this backend."""

    def close(self) -> None:
        """Close files and connections."""


class FleetStore(Store, Protocol):
    """A store that holds other hosts' frames as well."""

    instance: str
    """This host's name among them."""

    @property
    def local(self) -> Store:
        """The store that this host writes, whether or not others see its frames yet."""

    def hosts(self) -> list[HostSeen]:
        """The hosts, by name; those last known while they cannot be asked for."""

    def view(self, instance: str | None) -> Store:
        """A store that reads the figures of another host, or of all together (None)."""

    def seconds_by_host(self, start: int, end: int) -> dict[str, int]:
        """Seconds of `[start, end)` of which each host has a frame."""

    def notices(self) -> list[str]:
        """Whole sentences about trouble that a person should know of now."""

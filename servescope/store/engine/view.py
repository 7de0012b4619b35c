"""One host of the engine, or all of them, as a store to read from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from servescope.errors import EngineAwayError, EngineRefusedError, StoreError
from servescope.histogram import ERROR_BOUND
from servescope.records.requests import Stage
from servescope.store.base import Capabilities
from servescope.store.engine.hosts import UNSETTLED_S
from servescope.store.engine.queries import EngineQueries
from servescope.store.results import RequestColumns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from servescope.records.requests import RequestDetail
    from servescope.store.base import Batch, KeptDetails, Queryable, SeriesKey
    from servescope.store.engine.hosts import Fleet
    from servescope.store.engine.reader import EngineReader
    from servescope.store.query import Aggregation, Query
    from servescope.store.results import HeatmapResult, QuantileResult, RangeResult, TotalResult
    from servescope.store.sqlite.store import SqliteStore

T = TypeVar("T")

COARSE_S: Final = 60
"""The step from which on the own file is asked, which needs no way to the engine. Such steps are
whole minutes, so that rows of a minute make them up."""

BEHIND_S: Final = 10
"""Seconds that may wait to be sent before a page says so, and the own file answers."""


class EngineView:
    """A `Store` to read from.

    `local`, this host's own file, answers in coarse steps, which it keeps ready, as far back as it
    has the data of the engine; and everything while the engine is away. None: it is another host.
    """

    def __init__(
        self, reader: EngineReader, fleet: Fleet, local: SqliteStore | None = None
    ) -> None:
        self._reader = reader
        self._fleet = fleet
        self._remote = EngineQueries(reader, fleet)
        self._local = local

    def write(self, batch: Batch) -> None:
        """Not here: each host writes for itself."""
        raise StoreError(f"host {self._reader.instance!r} is another one: {batch.frames[:1]}")

    def cursors(self) -> dict[str, int]:
        """None: the rings are another host's."""
        return {}

    def request_details(self, limit: int, after_id: int = 0) -> list[tuple[int, RequestDetail]]:
        """None: request details stay where they were recorded."""
        del limit, after_id
        return []

    def request_detail(self, detail_id: int) -> RequestDetail | None:
        """None: request details stay where they were recorded."""
        del detail_id
        return None

    def request_detail_of_trace(self, trace_id: str) -> int | None:
        """None: request details stay where they were recorded."""
        del trace_id
        return None

    def kept_request_details(self) -> KeptDetails | None:
        """None: request details stay where they were recorded."""
        return None

    def request_columns(self, start_s: int, end_s: int, limit: int) -> RequestColumns:
        """None: request details stay where they were recorded."""
        del start_s, end_s, limit
        return RequestColumns.empty(len(Stage))

    def request_details_by_ids(self, ids: Sequence[int]) -> list[tuple[int, RequestDetail]]:
        """None: request details stay where they were recorded."""
        del ids
        return []

    def version(self) -> int:
        """The newest second that can be read; 0 while the engine is away."""
        try:
            bounds = self._remote.bounds()
        except (EngineAwayError, EngineRefusedError):
            return 0
        return bounds[1] if bounds else 0

    def close(self) -> None:
        """Nothing: the store that made this view closes the connections."""

    def bounds(self) -> tuple[int, int] | None:
        """Seconds of the oldest and the newest frame, None when there is none."""
        return self._or_local(self._bounds, lambda local: local.bounds())

    def _bounds(self) -> tuple[int, int] | None:
        theirs = self._remote.bounds()
        ours = self._local.bounds() if self._local is not None and self._lags() else None
        if ours is None or theirs is None:
            return ours or theirs
        return min(ours[0], theirs[0]), ours[1]

    def series(self, metric: str) -> list[SeriesKey]:
        """The known series of a metric, sorted."""
        return self._or_local(
            lambda: self._remote.series(metric), lambda local: local.series(metric)
        )

    def capabilities(self) -> Capabilities:
        """Exact counts, visible a little later; a second that was sent is not amended."""
        try:
            delay = float(UNSETTLED_S) if self._reader.metrics_ql else 1.0
        except (EngineAwayError, EngineRefusedError):
            delay = float(UNSETTLED_S)
        return Capabilities(self._reader.backend, delay, ERROR_BOUND, amends=False)

    def aggregate(self, query: Query, aggregation: Aggregation) -> RangeResult:
        """Values over time."""
        return self._ask(query, lambda source: source.aggregate(query, aggregation))

    def mean(self, query: Query) -> RangeResult:
        """Mean in seconds of a histogram's values."""
        return self._ask(query, lambda source: source.mean(query))

    def quantiles(self, query: Query, qs: Sequence[float]) -> QuantileResult:
        """Quantiles of merged histograms."""
        return self._ask(query, lambda source: source.quantiles(query, qs))

    def heatmap(self, query: Query) -> HeatmapResult:
        """Counts by bucket over time."""
        return self._ask(query, lambda source: source.heatmap(query))

    def total(self, query: Query) -> TotalResult:
        """One figure for the whole span."""
        whole = replace(query, step=max(query.end - query.start, 1))
        return self._ask(whole, lambda source: source.total(query))

    def _ask(self, query: Query, operation: Callable[[Queryable], T]) -> T:
        """Have the engine answer, or the own file where it is ready to or the engine is away."""
        return self._or_local(lambda: operation(self._source(query)), operation)

    def _source(self, query: Query) -> Queryable:
        if self._local is not None and self._keeps_ready(query.start, query.step):
            return self._local
        return self._remote

    def _or_local(self, ask: Callable[[], T], ask_local: Callable[[SqliteStore], T]) -> T:
        try:
            return ask()
        except (EngineAwayError, EngineRefusedError):
            if self._local is None:
                raise
            return ask_local(self._local)

    def _keeps_ready(self, start: int, step: int) -> bool:
        """Whether the own file answers at once, with all that the engine has from `start` on.

        In coarse steps it does; in fine ones it does better where the engine lags behind it.
        """
        if self._local is None or (step < COARSE_S and not self._lags()):
            return False
        ours, theirs = self._local.bounds(), self._remote.bounds()
        return ours is not None and (theirs is None or ours[0] <= max(start, theirs[0]))

    def _lags(self) -> bool:
        """Whether the engine lacks what the own file has had for a while: it takes no data."""
        ours = self._local.bounds() if self._local is not None else None
        theirs = self._remote.bounds()
        return ours is not None and (theirs is None or ours[1] - theirs[1] > BEHIND_S)

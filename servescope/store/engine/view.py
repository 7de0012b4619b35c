"""One host of the engine, or all of them, as a store to read from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from servescope import histogram
from servescope.catalog import BY_NAME, Kind
from servescope.errors import EngineAwayError, EngineRefusedError, StoreError
from servescope.store.base import (
    Aggregation,
    Capabilities,
    HeatmapResult,
    Matching,
    QuantileResult,
    RangeResult,
    TotalResult,
)
from servescope.store.engine import gauges
from servescope.store.engine.hosts import UNSETTLED_S
from servescope.store.engine.names import BUCKET
from servescope.store.engine.reader import Cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from servescope.records import RequestDetail
    from servescope.store.base import Batch, SeriesKey
    from servescope.store.engine.hosts import Fleet
    from servescope.store.engine.reader import EngineReader
    from servescope.store.sqlite.store import SqliteStore

T = TypeVar("T")

COARSE_S: Final = 60
"""The step from which on the own file is asked, which needs no way to the engine. Such steps are
whole minutes, so that rows of a minute make them up."""

BEHIND_S: Final = 10
"""How many seconds may wait to be sent before a page tells so, and the own file answers."""

_DAY_S: Final = 86_400

_ALLOWED: Final = {
    Kind.GAUGE: (Aggregation.AVG, Aggregation.MIN, Aggregation.MAX),
    Kind.COUNTER: (Aggregation.SUM, Aggregation.RATE),
    Kind.HISTOGRAM: (Aggregation.SUM, Aggregation.RATE),
}
_COUNT: Final = {Kind.COUNTER: "", Kind.HISTOGRAM: "_count"}


class EngineView:
    """A `Store` to read from.

    `local`, this host's own file, answers in coarse steps, which it keeps ready, as far back as it
    has what the engine has; and everything while the engine is away. None: it is another host.
    """

    def __init__(
        self, reader: EngineReader, fleet: Fleet, local: SqliteStore | None = None
    ) -> None:
        self._reader = reader
        self._fleet = fleet
        self._local = local

    def write(self, batch: Batch) -> None:
        """Not here: each host writes for itself."""
        raise StoreError(f"host {self._reader.instance!r} is another one: {batch.frames[:1]}")

    def cursors(self) -> dict[str, int]:
        """None: the rings are another host's."""
        return {}

    def details(self, limit: int, after_id: int = 0) -> list[tuple[int, RequestDetail]]:
        """None: details stay where they were recorded."""
        del limit, after_id
        return []

    def version(self) -> int:
        """The newest second that can be read; 0 while the engine is away."""
        try:
            bounds = self._fleet.bounds(self._reader.instance)
        except (EngineAwayError, EngineRefusedError):
            return 0
        return bounds[1] if bounds else 0

    def close(self) -> None:
        """Nothing: the store that made this view closes the connections."""

    def bounds(self) -> tuple[int, int] | None:
        """Seconds of the oldest and the newest frame, None when there is none."""
        return self._ask(self._bounds, lambda local: local.bounds())

    def _bounds(self) -> tuple[int, int] | None:
        theirs = self._fleet.bounds(self._reader.instance)
        ours = self._local.bounds() if self._local is not None and self._lags() else None
        if ours is None or theirs is None:
            return ours or theirs
        return min(ours[0], theirs[0]), ours[1]

    def series(self, metric: str) -> list[SeriesKey]:
        """The known series of a metric, sorted."""
        return self._ask(lambda: self._reader.series(metric), lambda local: local.series(metric))

    def capabilities(self) -> Capabilities:
        """Exact counts, visible a little later; what was sent is not amended."""
        try:
            delay = float(UNSETTLED_S) if self._reader.metrics_ql else 1.0
        except (EngineAwayError, EngineRefusedError):
            delay = float(UNSETTLED_S)
        return Capabilities(self._reader.backend, delay, histogram.ERROR_BOUND, amends=False)

    def range(
        self,
        match: Matching,
        start: int,
        end: int,
        step: int,
        agg: Aggregation,
        by: Sequence[str] = (),
    ) -> RangeResult:
        """Values over time. Raises ValueError when `agg` does not suit the metric's kind."""
        return self._ask(
            lambda: self._range(match, start, end, step, agg, by),
            lambda local: local.range(match, start, end, step, agg, by),
            (start, step),
        )

    def mean(
        self, match: Matching, start: int, end: int, step: int, by: Sequence[str] = ()
    ) -> RangeResult:
        """Mean in seconds of a histogram's values: sum over count; NaN where there are none."""
        return self._ask(
            lambda: self._mean(match, start, end, step, by),
            lambda local: local.mean(match, start, end, step, by),
            (start, step),
        )

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
        return self._ask(
            lambda: self._quantiles(qs, match, start, end, step, by),
            lambda local: local.quantiles(qs, match, start, end, step, by),
            (start, step),
        )

    def heatmap(self, match: Matching, start: int, end: int, step: int) -> HeatmapResult:
        """Counts by bucket over time, only the buckets between the lowest and highest in use."""
        return self._ask(
            lambda: self._heatmap(match, start, end, step),
            lambda local: local.heatmap(match, start, end, step),
            (start, step),
        )

    def total(self, match: Matching, start: int, end: int, by: Sequence[str] = ()) -> TotalResult:
        """One figure for the whole span. Raises ValueError for a gauge, which has no total."""
        return self._ask(
            lambda: self._total(match, start, end, by),
            lambda local: local.total(match, start, end, by),
            (start, COARSE_S if end - start >= COARSE_S else 1),
        )

    def _ask(
        self,
        ask: Callable[[], T],
        ask_local: Callable[[SqliteStore], T],
        asked: tuple[int, int] | None = None,
    ) -> T:
        """Ask the engine or the own file; `asked` are begin and step of a span."""
        try:
            if self._local is not None and asked is not None and self._keeps_ready(*asked):
                return ask_local(self._local)
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
        ours, theirs = self._local.bounds(), self._fleet.bounds(self._reader.instance)
        return ours is not None and (theirs is None or ours[0] <= max(start, theirs[0]))

    def _lags(self) -> bool:
        """Whether the engine lacks what the own file has had for a while: it takes no data."""
        ours = self._local.bounds() if self._local is not None else None
        theirs = self._fleet.bounds(self._reader.instance)
        return ours is not None and (theirs is None or ours[1] - theirs[1] > BEHIND_S)

    def _range(
        self,
        match: Matching,
        start: int,
        end: int,
        step: int,
        agg: Aggregation,
        by: Sequence[str],
    ) -> RangeResult:
        times, step = _axis(start, end, step)
        groups = self._groups(match, by, times)
        if not groups:
            return RangeResult(times, [], np.empty((0, times.size)), step)
        kind = BY_NAME[match.metric].kind
        if agg not in _ALLOWED[kind]:
            raise ValueError(
                f"{match.metric} is a {kind}: it takes {', '.join(_ALLOWED[kind])}, not {agg}"
            )
        reader = self._reader
        if kind is Kind.GAUGE:
            ask_gauge = gauges.average if agg is Aggregation.AVG else gauges.extreme(agg)
            found = ask_gauge(reader, match, by, start, end, step)
            groups, values = _in_order(groups, found, np.nan)
            return RangeResult(times, groups, values, step)
        ask = reader.rates if agg is Aggregation.RATE else reader.summed
        found = ask(match, _COUNT[kind], by, start, end, step)
        groups, values = _in_order(groups, found, 0.0)
        values[:, reader.seconds(start, end, step) == 0] = np.nan
        return RangeResult(times, groups, values, step)

    def _mean(
        self, match: Matching, start: int, end: int, step: int, by: Sequence[str]
    ) -> RangeResult:
        times, step = _axis(start, end, step)
        groups = self._groups(match, by, times, Kind.HISTOGRAM)
        if not groups:
            return RangeResult(times, [], np.empty((0, times.size)), step)
        found = self._reader.summed(match, "_count", by, start, end, step)
        groups, counts = _in_order(groups, found, 0.0)
        found = self._reader.summed(match, "_sum", by, start, end, step)
        groups, sums = _in_order(groups, found, 0.0)
        counts = np.concatenate([counts, np.zeros((len(groups) - len(counts), times.size))])
        means = np.where(counts > 0, sums / np.where(counts > 0, counts, 1.0), np.nan)
        return RangeResult(times, groups, means, step)

    def _quantiles(
        self,
        qs: Sequence[float],
        match: Matching,
        start: int,
        end: int,
        step: int,
        by: Sequence[str],
    ) -> QuantileResult:
        times, step = _axis(start, end, step)
        groups = self._groups(match, by, times, Kind.HISTOGRAM)
        if not groups:
            values = np.empty((0, len(qs), times.size))
            return QuantileResult(times, [], values, step, histogram.ERROR_BOUND)
        found = self._reader.summed(match, "_bucket", (*by, BUCKET), start, end, step)
        groups, low, counts = _dense(groups, found)
        values = histogram.quantiles(counts, qs, low).transpose(0, 2, 1)
        return QuantileResult(times, groups, values, step, histogram.ERROR_BOUND)

    def _heatmap(self, match: Matching, start: int, end: int, step: int) -> HeatmapResult:
        times, step = _axis(start, end, step)
        if not self._groups(match, (), times, Kind.HISTOGRAM):
            return HeatmapResult(times, np.zeros(1), np.empty((0, times.size)), step)
        found = self._reader.summed(match, "_bucket", (BUCKET,), start, end, step)
        _, low, counts = _dense([()], found)
        used = counts[0].T if found.groups else np.empty((0, times.size))
        used[:, self._reader.seconds(start, end, step) == 0] = np.nan
        edges = np.concatenate(([0.0], histogram.EDGES, [np.inf]))
        return HeatmapResult(times, edges[low : low + len(used) + 1], used, step)

    def _total(self, match: Matching, start: int, end: int, by: Sequence[str]) -> TotalResult:
        groups = self._groups(match, by, _axis(start, end, _DAY_S)[0])
        if not groups:
            none = np.empty(0)
            return TotalResult([], none, none, np.empty((0, histogram.BUCKETS), np.int64))
        kind = BY_NAME[match.metric].kind
        if kind is Kind.GAUGE:
            raise ValueError(f"{match.metric} is a gauge: it has no total")
        bounds = self._fleet.bounds(self._reader.instance)
        if bounds is not None:  # years before the first frame need no windows of their own
            start = min(max(start, bounds[0]), end - 1)
        ask = self._reader.totals
        if kind is Kind.COUNTER:
            counts = ask(match, "", by, start, end)
            groups = groups + sorted(set(counts) - set(groups))
            shape = (len(groups), histogram.BUCKETS)
            told = np.array([counts.get(group, 0.0) for group in groups])
            return TotalResult(groups, told, np.zeros(len(groups)), np.zeros(shape, np.int64))
        cells = ask(match, "_bucket", (*by, BUCKET), start, end)
        found = Cells(list(cells), np.array(list(cells.values())).reshape(-1, 1))
        groups, low, dense = _dense(groups, found)
        buckets = np.zeros((len(groups), histogram.BUCKETS), np.int64)
        buckets[:, low : low + dense.shape[2]] = np.rint(dense[:, 0])
        sums = ask(match, "_sum", by, start, end)
        return TotalResult(
            groups,
            buckets.sum(axis=1).astype(np.float64),
            np.array([sums.get(group, 0.0) for group in groups]),
            buckets,
        )

    def _groups(
        self, match: Matching, by: Sequence[str], times: NDArray[np.int64], kind: Kind | None = None
    ) -> list[tuple[str, ...]]:
        groups = self._reader.groups(match, by) if times.size else []
        if groups and kind not in {None, BY_NAME[match.metric].kind}:
            raise ValueError(f"{match.metric} is a {BY_NAME[match.metric].kind}, not a {kind}")
        return groups


def _axis(start: int, end: int, step: int) -> tuple[NDArray[np.int64], int]:
    """Begin of each step that touches `[start, end)`, and the step it is answered in."""
    if step > COARSE_S:
        step = -(-step // COARSE_S) * COARSE_S
    times = np.arange(start // step * step, max(start, end), step, dtype=np.int64)
    return times[: None if start < end else 0], step


def _in_order(
    groups: list[tuple[str, ...]], found: Cells, filling: float
) -> tuple[list[tuple[str, ...]], NDArray[np.float64]]:
    """The answer's rows in the order of the groups; those it lacks filled, those it has added."""
    groups = groups + sorted(set(found.groups) - set(groups))
    place = {group: index for index, group in enumerate(groups)}
    values = np.full((len(groups), found.values.shape[1]), filling)
    for group, row in zip(found.groups, found.values, strict=True):
        values[place[group]] = np.where(np.isnan(row), filling, row)
    return groups, values


def _dense(
    groups: list[tuple[str, ...]], found: Cells
) -> tuple[list[tuple[str, ...]], int, NDArray[np.float64]]:
    """Counts (groups, steps, buckets) of rows whose last label is the bucket, and the lowest."""
    numbers = [int(group[-1]) if group[-1].isdecimal() else 0 for group in found.groups]
    groups = groups + sorted({group[:-1] for group in found.groups} - set(groups))
    place = {group: index for index, group in enumerate(groups)}
    kept = [
        (place[group[:-1]], number, row)
        for group, number, row in zip(found.groups, numbers, found.values, strict=True)
        if number < histogram.BUCKETS and np.nansum(row) > 0
    ]
    low = min((number for _, number, _ in kept), default=0)
    width = max((number for _, number, _ in kept), default=low) + 1 - low
    counts = np.zeros((len(groups), found.values.shape[1], width))
    for index, number, row in kept:
        counts[index, :, number - low] += np.nan_to_num(row)
    return groups, low, counts

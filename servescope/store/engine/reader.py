"""Questions to the engine about one host or all: expressions out, matrices in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from servescope.catalog import BY_NAME, Kind
from servescope.errors import EngineRefusedError
from servescope.store.base import SeriesKey
from servescope.store.engine.names import (
    INSTANCE,
    by_clause,
    engine_label,
    engine_name,
    frames_name,
    over_time,
    own_labels,
    selector,
)
from servescope.store.engine.windows import MOST_ROWS, Window, windows
from servescope.store.sqlite.segments import Segment
from servescope.store.steps import Steps
from servescope.store.tiers import FINE, MINUTE, TEN_MINUTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from servescope.store.engine.client import Engine
    from servescope.store.engine.hosts import Fleet
    from servescope.store.query import Query

SERIES_FRESH_S: Final = 30.0
"""Seconds that the list of a metric's series is kept; one that brings data is known at once."""

NO_SERIES_FRESH_S: Final = 1.0
"""The same of an empty one: VictoriaMetrics lists a series a second after its first sample."""

SHIFT_S: Final = 3600
"""VictoriaMetrics is asked to evaluate so far in the past, with an offset that leads back: within
`-search.latencyOffset` of now it would answer with the point before."""


TOTAL_WINDOW_S: Final = {FINE: 3600, MINUTE: 86_400, TEN_MINUTES: 864_000}
"""Seconds that one evaluation of a total covers, by tier: an engine bounds the samples of one."""

Expression = Callable[[int, int], str]
"""The expression of a tier over a window of so many seconds."""


class Cells(NamedTuple):
    """Values by series of an answer: its labels, in the order asked for, and (series, steps)."""

    groups: list[tuple[str, ...]]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Mapping[tuple[str, ...], NDArray[np.float64]], steps: int) -> Cells:
        """Rows of so many steps, by group."""
        return cls(list(rows), np.array(list(rows.values())) if rows else np.empty((0, steps)))


@dataclass(slots=True)
class _Known:
    keys: set[SeriesKey] = field(default_factory=set)
    read_at: float = float("-inf")


class EngineReader:
    """Asks about `instance`; None: about all hosts together. Any thread may ask."""

    def __init__(self, engine: Engine, fleet: Fleet, instance: str | None) -> None:
        self._engine = engine
        self._fleet = fleet
        self.instance = instance
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    @property
    def backend(self) -> str:
        """The backend's name in the registry."""
        return "prometheus+https" if self._engine.address.secure else "prometheus+http"

    @property
    def metrics_ql(self) -> bool:
        """Whether the engine is VictoriaMetrics."""
        return self._engine.traits().metrics_ql

    def forget_series(self) -> None:
        """A series is new: ask for the lists anew."""
        with self._lock:
            self._known.clear()

    def series(self, metric: str) -> list[SeriesKey]:
        """The series of a metric that the engine has, sorted."""
        known = BY_NAME.get(metric)
        if known is None:
            return []
        with self._lock:
            entry = self._known.setdefault(metric, _Known())
            fresh_s = SERIES_FRESH_S if entry.keys else NO_SERIES_FRESH_S
            if time.monotonic() - entry.read_at < fresh_s:
                return sorted(entry.keys)
        suffix = "_count" if known.kind is Kind.HISTOGRAM else ""
        found = self._engine.ask(
            "/api/v1/series",
            {
                "match[]": selector(engine_name(metric) + suffix, (), self.instance),
                "start": "1",  # 0 stands for a default at VictoriaMetrics
                "end": str(int(time.time()) + SHIFT_S),
            },
        )
        ours = own_labels(metric)
        keys = {
            SeriesKey(
                metric,
                tuple(sorted((ours[name], text) for name, text in labels.items() if name in ours)),
            )
            for labels in found
        }
        with self._lock:
            if self._known.get(metric) is entry:  # else it was forgotten while we asked
                self._known[metric] = _Known(keys, time.monotonic())
        return sorted(keys)

    def groups(self, query: Query) -> list[tuple[str, ...]]:
        """The groups of the series that the query selects, sorted; empty when it selects none."""
        groups = {query.group_of(key.labels) for key in self.series(query.metric)}
        return sorted(group for group in groups if group is not None)

    def selected(self, query: Query, suffix: str = "", tier: int = FINE) -> str:
        """The selector of a query's series, on this reader's hosts."""
        name = engine_name(query.metric, tier) + suffix
        return selector(name, query.where, self.instance, query.without)

    def over(self, function: str, selected: str, window_s: int, tier: int = FINE) -> str:
        """`function`_over_time, each row counted once, whatever engine this is."""
        # Too long for that: rows that an outage had sent twice then count twice.
        distinct = self._engine.traits().keeps_doubles and window_s <= MOST_ROWS * tier
        return over_time(function, selected, window_s, self._shift, tier=tier, distinct=distinct)

    def cells(
        self,
        expression: Expression,
        labels: Sequence[str],
        steps: Steps,
        fold: np.ufunc = np.add,
    ) -> Cells:
        """Evaluate over every step, tier by tier; `fold` joins what several tiers have of one step.

        `labels` are those of the answer's series, by our names. NaN where the engine has nothing.
        """
        segments = self._fleet.segments(self.instance, steps)
        return self._cells(expression, labels, segments, steps, fold)

    def _cells(
        self,
        expression: Expression,
        labels: Sequence[str],
        segments: Sequence[Segment],
        steps: Steps,
        fold: np.ufunc = np.add,
    ) -> Cells:
        rows: dict[tuple[str, ...], NDArray[np.float64]] = {}
        names = [engine_label(label) for label in labels]
        doubles = self._engine.traits().keeps_doubles
        for segment in segments:
            row_s = segment.tier if doubles else 0
            within = Steps(segment.start, segment.end, steps.step)
            for window in windows(within, origin=steps.start, row_s=row_s):
                asked = expression(segment.tier, window.seconds)
                for series in self._evaluate(asked, window):
                    group = tuple(series["metric"].get(name, "") for name in names)
                    row = rows.get(group)
                    if row is None:
                        row = rows[group] = np.full(len(steps), np.nan)
                    _place(row, series["values"], window, self._shift, fold)
        return Cells.of(rows, len(steps))

    def frames(self, steps: Steps) -> dict[str, NDArray[np.float64]]:
        """Seconds of each step that have a frame, by host."""
        found = self.cells(self._counted, (INSTANCE,), steps)
        counts = np.nan_to_num(found.values)
        return {group[0]: row for group, row in zip(found.groups, counts, strict=True)}

    def _counted(self, tier: int, window_s: int) -> str:
        frames = selector(frames_name(tier), (), self.instance)
        function = "count" if tier == FINE else "sum"
        return f"sum by ({INSTANCE}) ({self.over(function, frames, window_s, tier)})"

    def seconds(self, steps: Steps) -> NDArray[np.float64]:
        """Seconds of each step that have a frame; of all hosts, those of the host with the most."""
        none = np.zeros(len(steps))
        most: NDArray[np.float64] = np.max([none, *self.frames(steps).values()], axis=0)
        return most

    def seconds_by_host(self, start: int, end: int) -> dict[str, int]:
        """Seconds of `[start, end)` of which each host has a frame."""
        found = self.frames(Steps(start, end, end - start))
        return {host: int(counts.sum()) for host, counts in found.items()}

    def has(self, tier: int, ts: int) -> bool:
        """Whether the engine has this reader's row of a tier."""
        row = Segment(tier, ts, ts + tier)
        return bool(self._cells(self._counted, (), [row], Steps(ts, ts + tier, tier)).groups)

    def summed(self, query: Query, suffix: str) -> Cells:
        """Sums of increases; the label `bucket` may be among those of `query.by`."""
        return self.cells(self._sums(query, suffix), query.by, query.steps)

    def _sums(self, query: Query, suffix: str) -> Expression:
        def expression(tier: int, window_s: int) -> str:
            selected = self.selected(query, suffix, tier)
            return f"sum {by_clause(query.by)} ({self.over('sum', selected, window_s, tier)})"

        return expression

    def totals(self, query: Query, suffix: str) -> dict[tuple[str, ...], float]:
        """Sums of increases over the whole span, by group."""
        totals: dict[tuple[str, ...], float] = {}
        expression = self._sums(query, suffix)
        whole = Steps(query.start, query.end, TEN_MINUTES)
        for segment in self._fleet.segments(self.instance, whole):
            step = min(TOTAL_WINDOW_S[segment.tier], segment.end - segment.start)
            steps = Steps(segment.start, segment.end, step)
            found = self._cells(expression, query.by, [segment], steps)
            for group, row in zip(found.groups, found.values, strict=True):
                totals[group] = totals.get(group, 0.0) + float(np.nansum(row))
        return totals

    def rates(self, query: Query, suffix: str) -> Cells:
        """Increases per second with a frame, host by host, then summed by group."""
        by = (*(label for label in query.by if label != INSTANCE), INSTANCE)
        found = self.summed(replace(query, by=by), suffix)
        frames = self.frames(query.steps)
        rates: dict[tuple[str, ...], NDArray[np.float64]] = {}
        for group, row in zip(found.groups, found.values, strict=True):
            value_of = dict(zip(by, group, strict=True))
            seconds = frames.get(value_of[INSTANCE], np.zeros(row.size))
            rate = np.where(seconds > 0, np.nan_to_num(row) / np.maximum(seconds, 1.0), 0.0)
            key = tuple(value_of[label] for label in query.by)
            rates[key] = rates.get(key, 0.0) + rate
        return Cells.of(rates, found.values.shape[1])

    @property
    def _shift(self) -> int:
        return SHIFT_S if self.metrics_ql else 0

    def _evaluate(self, expression: str, window: Window) -> Any:
        shift = self._shift
        found = self._engine.ask(
            "/api/v1/query_range",
            {
                "query": expression,
                "start": f"{window.first_s - shift:.3f}",
                "end": f"{window.last_s - shift:.3f}",
                "step": str(window.step),
                "nocache": "1",  # VictoriaMetrics would move the times to multiples of the step
            },
        )
        if found.get("resultType") != "matrix":
            raise EngineRefusedError(f"{self._engine.address.shown} answered no matrix")
        return found["result"]


def _place(
    row: NDArray[np.float64], points: list[Any], window: Window, shift: int, fold: np.ufunc
) -> None:
    """Put the points of a series where their steps are."""
    stamps, values_of = zip(*points, strict=True)
    times = np.array(stamps, np.float64)
    at = np.rint((times + shift - window.first_s) / window.step).astype(np.intp) + window.first
    values = np.array(list(map(float, values_of)))
    before = row[at]
    row[at] = np.where(np.isnan(before), values, fold(before, values))

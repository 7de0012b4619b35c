"""Questions to the engine about one host or all: expressions out, matrices in."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from servescope.catalog import BY_NAME, Kind
from servescope.errors import EngineRefusedError
from servescope.store.base import Matching, SeriesKey
from servescope.store.promql.names import (
    FRAMES,
    INSTANCE,
    by_clause,
    engine_label,
    engine_name,
    over_time,
    own_labels,
    selector,
)
from servescope.store.promql.windows import LONGEST_S, Window, windows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from servescope.store.promql.engine import Engine

SERIES_FRESH_S: Final = 30.0
"""How old the list of a metric's series may be; one that brings data is known at once."""

NO_SERIES_FRESH_S: Final = 1.0
"""The same of an empty one: VictoriaMetrics lists a series a second after its first sample."""

SHIFT_S: Final = 3600
"""How far in the past VictoriaMetrics is asked to evaluate, with an offset that leads back: what it
evaluates within `-search.latencyOffset` of now it replaces by the point before."""


class Cells(NamedTuple):
    """Values by series of an answer: its labels, in the order asked for, and (series, steps)."""

    groups: list[tuple[str, ...]]
    values: NDArray[np.float64]


@dataclass(slots=True)
class _Known:
    keys: set[SeriesKey] = field(default_factory=set)
    read_at: float = float("-inf")


class EngineReader:
    """Asks about `instance`; None: about all hosts together. Any thread may ask."""

    def __init__(self, engine: Engine, instance: str | None) -> None:
        self._engine = engine
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
            self._known[metric] = _Known(keys, time.monotonic())
        return sorted(keys)

    def groups(self, match: Matching, by: Sequence[str]) -> list[tuple[str, ...]]:
        """The groups of the series that match, sorted; empty when none does."""
        found = set()
        for key in self.series(match.metric):
            labels = dict(key.labels)
            if all(labels.get(name, "") == text for name, text in match.where):
                found.add(tuple(labels.get(name, "") for name in by))
        return sorted(found)

    def selected(self, match: Matching, suffix: str = "") -> str:
        """The selector of what matches, on this reader's hosts."""
        return selector(engine_name(match.metric) + suffix, match.where, self.instance)

    def over(self, function: str, selected: str, window_s: int) -> str:
        """`function`_over_time, each second counted once, whatever engine this is."""
        # Too long for that (steps of a day): what an outage had sent twice then counts twice.
        distinct = self._engine.traits().keeps_doubles and window_s <= LONGEST_S
        return over_time(function, selected, window_s, self._shift, distinct=distinct)

    def cells(
        self,
        expression: Callable[[int], str],
        labels: Sequence[str],
        start: int,
        end: int,
        step: int,
    ) -> Cells:
        """Evaluate over every step; `expression(seconds)` is the one of a window so long.

        `labels` are those of the answer's series, by our names. NaN where nothing is told.
        """
        steps = -(-(end - start // step * step) // step)
        rows: dict[tuple[str, ...], NDArray[np.float64]] = {}
        names = [engine_label(label) for label in labels]
        doubles = self._engine.traits().keeps_doubles
        for window in windows(start, end, step, every_second=doubles):
            for series in self._evaluate(expression(window.seconds), window):
                group = tuple(series["metric"].get(name, "") for name in names)
                row = rows.get(group)
                if row is None:
                    row = rows[group] = np.full(steps, np.nan)
                _place(row, series["values"], window, self._shift)
        values = np.array(list(rows.values())) if rows else np.empty((0, steps))
        return Cells(list(rows), values)

    def seconds(self, start: int, end: int, step: int) -> NDArray[np.float64]:
        """How many seconds of each step have a frame; of all hosts, the host with the most."""
        frames = selector(FRAMES, (), self.instance)
        found = self.cells(
            lambda window: f"max({self.over('count', frames, window)})", (), start, end, step
        )
        steps = found.values.shape[1]
        return np.nan_to_num(found.values[0]) if len(found.groups) else np.zeros(steps)

    def seconds_by_host(self, start: int, end: int) -> dict[str, int]:
        """How many seconds of the span each host has a frame of."""
        frames = selector(FRAMES, (), self.instance)
        found = self.cells(
            lambda window: f"sum by ({INSTANCE}) ({self.over('count', frames, window)})",
            (INSTANCE,),
            start,
            end,
            end - start,
        )
        seconds = np.nansum(found.values, axis=1)
        return {group[0]: int(count) for group, count in zip(found.groups, seconds, strict=True)}

    def summed(
        self, match: Matching, suffix: str, labels: Sequence[str], start: int, end: int, step: int
    ) -> Cells:
        """Sums of increases by labels; `bucket` may be among them."""
        selected = self.selected(match, suffix)
        return self.cells(
            lambda window: f"sum {by_clause(labels)} ({self.over('sum', selected, window)})",
            labels,
            start,
            end,
            step,
        )

    def rates(
        self, match: Matching, suffix: str, labels: Sequence[str], start: int, end: int, step: int
    ) -> Cells:
        """Increases per second with a frame, host by host, then summed by labels."""
        selected = self.selected(match, suffix)
        frames = selector(FRAMES, (), self.instance)
        return self.cells(
            lambda window: (
                f"sum {by_clause(labels)} ({self.over('sum', selected, window)}"
                f" / on ({INSTANCE}) group_left () {self.over('count', frames, window)})"
            ),
            labels,
            start,
            end,
            step,
        )

    def has_second(self, ts: int) -> bool:
        """Whether the engine has this reader's frame of a second."""
        return bool(self.seconds(ts, ts + 1, 1)[0])

    def instant(self, expression: str, at_s: float) -> dict[str, float]:
        """The value of each instance."""
        found = self._engine.ask(
            "/api/v1/query", {"query": expression, "time": f"{at_s:.3f}", "nocache": "1"}
        )
        return {
            str(one["metric"].get(INSTANCE, "")): float(one["value"][1]) for one in found["result"]
        }

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


def _place(row: NDArray[np.float64], points: list[Any], window: Window, shift: int) -> None:
    """Put the points of a series where their steps are."""
    times = np.fromiter((point[0] for point in points), np.float64, len(points))
    at = np.rint((times + shift - window.first_s) / window.step).astype(np.intp) + window.first
    row[at] = np.fromiter((float(point[1]) for point in points), np.float64, len(points))

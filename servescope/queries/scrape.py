"""Figures for a scraper: the newest gauges, and counters as totals over the store's life.

Theory of operation. The store keeps increases, and in time forgets the oldest; a scraper wants
totals that never decrease. So the totals up to some second are kept in the store beside it (the
checkpoint), and later seconds are added one by one. Every process adds the same figures,
rounded the same way second by second (seconds to whole ns, all else to whole units), so the totals
agree to the last digit whichever worker is asked: a total that differed in its last digit would
pass for a counter's reset. A restart goes on from the checkpoint. A store file that was set aside
ends the life: totals then begin at what the new file holds.
"""

from __future__ import annotations

import json
import logging
import math
import secrets
import threading
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.catalog import BY_NAME, Kind
from servescope.control.scrape_totals import Checkpoint
from servescope.errors import StoreError
from servescope.histogram import BUCKETS
from servescope.store.query import Aggregation, Query

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from servescope.catalog import Metric
    from servescope.queries.context import QueryContext
    from servescope.records.metrics import Labels

logger = logging.getLogger(__name__)

CHECKPOINT_S: Final = 600
"""Seconds that are added before the totals are kept anew."""

FRESH_S: Final = 10.0
"""Gauges older than this are left out: a scraper would take them for the present."""

_NS_PER_S: Final = 1_000_000_000
_Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class HistogramTotal:
    """All values so far: `buckets` (BUCKETS,), and their sum in seconds."""

    buckets: NDArray[np.int64]
    sum_s: float


@dataclass(frozen=True, slots=True)
class Family:
    """A metric and its series; labels in the order of the catalog."""

    metric: Metric
    points: list[tuple[Labels, float | HistogramTotal]]


@dataclass(slots=True)
class _State:
    """Totals of all seconds before `until`, as integers: ns where the unit is s, else units."""

    until: int
    sums: dict[_Key, int] = field(default_factory=dict)
    buckets: dict[_Key, NDArray[np.int64]] = field(default_factory=dict)

    def add(self, key: _Key, increase: int) -> None:
        self.sums[key] = self.sums.get(key, 0) + increase

    def add_buckets(self, key: _Key, counts: NDArray[np.int64]) -> None:
        known = self.buckets.get(key)
        self.buckets[key] = counts.copy() if known is None else known + counts

    def pack(self) -> bytes:
        """As it is kept in the store."""
        sparse = {
            key: [[int(at), int(counts[at])] for at in np.flatnonzero(counts)]
            for key, counts in self.buckets.items()
        }
        entries = [[*key, total, sparse.get(key)] for key, total in self.sums.items()]
        return zlib.compress(json.dumps(entries).encode())

    @classmethod
    def unpack(cls, until: int, packed: bytes) -> _State:
        """Undo `pack`."""
        state = cls(until)
        entries: list[Any] = json.loads(zlib.decompress(packed))
        for metric, group, total, sparse in entries:
            key = (metric, tuple(group))
            state.sums[key] = total
            if sparse is not None:
                counts = state.buckets[key] = np.zeros(BUCKETS, np.int64)
                for at, number in sparse:
                    counts[at] = number
        return state


class Totals:
    """Answers scrapes of one process. Any thread may ask; one at a time is answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: _State | None = None
        self._kept: Checkpoint | None = None

    def families(self, context: QueryContext, now_s: float) -> list[Family]:
        """All metrics of the catalog, in its order, up to the newest frame."""
        newest = context.newest()
        if newest is None:
            return []
        with self._lock:
            state = self._state = self._advanced(context, newest + 1)
            is_fresh = now_s - (newest + 1) < FRESH_S
            return [
                _gauges(context, metric, newest if is_fresh else None)
                if metric.kind is Kind.GAUGE
                else _totals(metric, state)
                for metric in BY_NAME.values()
            ]

    def _advanced(self, context: QueryContext, end: int) -> _State:
        """The totals of all seconds before `end`."""
        state = self._begin(context) or self._leap(context, _State(0), end)
        if state.until < end and not _add_seconds(context, state, end):
            state = self._leap(context, state, end)
            if state.until < end:  # another process's, of a moment ago
                _add_seconds(context, state, end)
        if self._kept is not None and state.until - self._kept.until >= CHECKPOINT_S:
            self._keep(context, state)
        return state

    def _begin(self, context: QueryContext) -> _State | None:
        """Our own totals while they are of the store's present life, else those it keeps."""
        kept = context.process.control.scrape_totals.checkpoint()
        ours = self._kept
        if kept is None or ours is None or kept.life != ours.life:
            self._state = None
        self._kept = kept
        if self._state is not None and kept is not None and kept.until <= self._state.until:
            return self._state
        return self._load(context)

    def _leap(self, context: QueryContext, state: _State, end: int) -> _State:
        """Add all later seconds of the store at once; totals that another process has kept win.

        Only one outcome counts, because sums of minutes are not rounded as those of seconds are.
        """
        for metric in BY_NAME.values():
            if metric.kind is Kind.GAUGE:
                continue
            query = Query(metric.name, state.until, end, by=metric.labels)
            found = context.store.total(query)
            sums = found.sum_s if metric.kind is Kind.HISTOGRAM else found.count
            for index, group in enumerate(found.groups):
                state.add((metric.name, group), round(float(sums[index]) * _scale(metric)))
                if metric.kind is Kind.HISTOGRAM:
                    state.add_buckets((metric.name, group), found.buckets[index])
        state.until = end
        self._keep(context, state)
        return self._load(context) or state

    def _keep(self, context: QueryContext, state: _State) -> None:
        life = self._kept.life if self._kept else secrets.token_hex(8)
        try:
            context.process.control.scrape_totals.replace(
                self._kept, Checkpoint(life, state.until), state.pack()
            )
        except StoreError as error:  # a full disk: they are kept when there is room again
            logger.warning("the totals cannot be kept: %s", error)

    def _load(self, context: QueryContext) -> _State | None:
        found = context.process.control.scrape_totals.read()
        if found is None:
            return None
        self._kept, packed = found
        return _State.unpack(self._kept.until, packed)


def _add_seconds(context: QueryContext, state: _State, end: int) -> bool:
    """Add each second from `state.until`; False when these are no more to be had singly."""
    start = state.until
    increases: list[tuple[_Key, int]] = []
    buckets: list[tuple[_Key, NDArray[np.int64]]] = []
    for metric in BY_NAME.values():
        if metric.kind is Kind.GAUGE:
            continue
        query = Query(metric.name, start, end, by=metric.labels)
        found = context.store.aggregate(query, Aggregation.SUM)
        if found.actual_step != 1:
            return False
        values = found.values
        if metric.kind is Kind.HISTOGRAM and found.groups:
            values = values * context.store.mean(query).values
            total = context.store.total(query)
            buckets += [
                ((metric.name, group), counts)
                for group, counts in zip(total.groups, total.buckets, strict=True)
            ]
        whole = np.rint(np.nan_to_num(values) * _scale(metric)).astype(np.int64).sum(axis=1)
        increases += [
            ((metric.name, group), increase)
            for group, increase in zip(found.groups, whole.tolist(), strict=True)
        ]
    for key, increase in increases:
        state.add(key, increase)
    for key, counts in buckets:
        state.add_buckets(key, counts)
    state.until = end
    return True


def _scale(metric: Metric) -> int:
    return _NS_PER_S if metric.unit == "s" else 1


def _totals(metric: Metric, state: _State) -> Family:
    points: list[tuple[Labels, float | HistogramTotal]] = []
    for key, total in state.sums.items():
        if key[0] == metric.name:
            value = total / _NS_PER_S if metric.unit == "s" else total
            labels = tuple(zip(metric.labels, key[1], strict=True))
            counts = state.buckets.get(key)
            points.append((labels, value if counts is None else HistogramTotal(counts, value)))
    return Family(metric, sorted(points, key=lambda point: point[0]))


def _gauges(context: QueryContext, metric: Metric, newest: int | None) -> Family:
    if newest is None:
        return Family(metric, [])
    query = Query(metric.name, newest, newest + 1, by=metric.labels)
    found = context.store.aggregate(query, Aggregation.AVG)
    return Family(
        metric,
        [
            (tuple(zip(metric.labels, group, strict=True)), float(row[-1]))
            for group, row in zip(found.groups, found.values, strict=True)
            if not math.isnan(row[-1])
        ],
    )

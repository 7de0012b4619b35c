"""The collector: each second the records of the rings and the samples become one frame.

Frames and ring cursors commit together, so that a kill at any moment neither loses nor repeats a
record. When the store takes nothing, the cursors stay where they are: the rings hold the
records until it does, and records that they cannot hold count as lost. Each further try adds up
anew all that waits, so tries come the more rarely the longer they take (`_REST`).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Final, NamedTuple

from servescope import catalog
from servescope.catalog import Kind
from servescope.collecting.aggregation import RecordAggregator, Second, seconds_of
from servescope.collecting.growth import CLOCK_TOLERANCE_S, Growth, Moment
from servescope.collecting.rings import RingFolder
from servescope.errors import ServescopeError
from servescope.recording.ring_file import RingKind
from servescope.store.base import Batch, SeriesKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from servescope.records.metrics import Labels, Sample
    from servescope.records.requests import RequestDetail
    from servescope.store.base import Store

logger = logging.getLogger(__name__)

_NS_PER_S: Final = 1_000_000_000
_STALL_SECONDS: Final = 10
"""Longest pause between ticks that is a stall of a living collector, whose seconds were recorded,
and not a gap."""

_REPORTED_FROM_S: Final = 3.0
"""Smaller steps are a clock being put right, and cost no more than a gap of that length."""

_REST: Final = 20
"""After a try that the store refused, the next one comes so many times the CPU time of that one
later: a disk that stays full costs a twentieth of a core, not all of one."""

_LONGEST_REST_S: Final = 60.0

_RATIO_DIGITS: Final = 4
"""Decimals kept of a ratio: a hundredth of a percent. Finer digits are noise, eight bytes of it."""

_LOST: Final = SeriesKey(catalog.RING_LOST)
_COST: Final = SeriesKey(catalog.COLLECT_DURATION)


@dataclass(frozen=True, slots=True)
class CollectorStatus:
    """The state of collecting, for a person. Counts are since the start of this collector."""

    last_ts: int | None = None  # second of the newest frame it committed
    records: int = 0
    lost: int = 0
    rings: int = 0
    store_problem: str = ""  # why the store took nothing at the last tick; empty when it did
    source_problem: str = ""  # the last failure of a source
    ring_problem: str = ""  # files that are no rings
    listeners: frozenset[str] = frozenset()  # names of listeners and apps in the rings of requests
    clock_jump: str = ""  # the last time the wall clock moved by other than the time that passed


class _Drained(NamedTuple):
    """New data from the rings, grouped by second, and how far each ring was read."""

    seconds: dict[int, Second]
    cursors: dict[str, int]
    details: list[RequestDetail]
    sampled: dict[str, int]  # the newest second of each ring of samples
    taken: int  # records
    lost: int


class Collector:
    """Moves records and samples into the store. One thread calls it; any may read `status`.

    `sources` are asked once a tick. Readings of now go into the newest frame, and what a counter
    grew by into the seconds since the last tick. No method raises when the store takes nothing:
    `status.store_problem` says so, and a later tick tries again.
    """

    def __init__(
        self,
        store: Store,
        rings_folder: Path,
        sources: Sequence[Callable[[], Iterable[Sample]]] = (),
    ) -> None:
        self._store = store
        self._folder = rings_folder
        self._sources = sources
        self._rings: RingFolder | None = None
        self._aggregator = RecordAggregator()
        self._keys: dict[tuple[str, Labels], SeriesKey] = {}
        self._last_ts: int | None = None
        self._ticked: tuple[int, float] | None = None  # boundary and monotonic time
        self._growth = Growth()
        self._sampled: dict[str, int] = {}  # the newest second of each ring of samples
        self._cost_s = 0.0
        self._rests_until_s = 0.0  # monotonic: since the store refused what was tried last
        self.status = CollectorStatus()

    def tick(self, now_ns: int, monotonic_s: float) -> None:
        """Commit the seconds that are over; a second call within the same second does nothing."""
        boundary = now_ns // _NS_PER_S
        if self._ticked is not None and self._ticked[0] == boundary:
            return
        self._look_at_the_clock(boundary, monotonic_s)
        now = Moment.of_reading(now_ns, monotonic_s)
        self._collect(boundary - 1, boundary * _NS_PER_S, now)

    def flush(self, now_ns: int, monotonic_s: float) -> None:
        """Commit everything, the current second included; call when recording has ended."""
        self.tick(now_ns, monotonic_s)
        now = Moment.of_reading(now_ns, monotonic_s)
        self._collect(now_ns // _NS_PER_S, now_ns + _NS_PER_S, now, final=True)

    def close(self) -> None:
        """Unmap all rings."""
        if self._rings is not None:
            self._rings.close()
            self._rings = None

    def _collect(self, newest: int, until_ns: int, now: Moment, *, final: bool = False) -> None:
        tried = began = time.thread_time()
        try:
            rings = self._attach()
            # Before the rings, which take a while when they are full: counters are read as of now.
            gauges = {} if final else self._sample()
            if not final and now.monotonic_s < self._rests_until_s:
                return
            rings.discover()
            drained = self._drain(rings, newest, until_ns, now.monotonic_s)
            seconds = drained.seconds
            if final and not (seconds or drained.details or rings.any_over()):
                return
            if not final:
                seconds.setdefault(newest, Second()).gauges.update(gauges)
                for ts in self._stalled(newest, now.monotonic_s):
                    seconds.setdefault(ts, Second())
                self._cost_s += time.thread_time() - began
                began = time.thread_time()
                seconds[newest].count(_COST, self._cost_s)
            rest = self._growth.divide(seconds, now)
            if seconds:
                seconds[max(seconds)].count(_LOST, float(drained.lost))
            frames = [seconds[ts].frame(ts) for ts in sorted(seconds)]
            dropped = rings.stale_cursors()
            self._store.write(Batch(frames, drained.cursors, dropped, drained.details))
        except ServescopeError as error:
            if not self.status.store_problem:
                logger.warning("the store takes nothing, the rings keep it: %s", error)
            self.status = replace(self.status, store_problem=str(error))
            rest_s = _REST * (time.thread_time() - tried)
            self._rests_until_s = now.monotonic_s + min(rest_s, _LONGEST_REST_S)
            return
        finally:
            self._ticked = (until_ns // _NS_PER_S, now.monotonic_s)
        rings.commit(drained.cursors, dropped)
        self._growth = rest
        self._sampled = drained.sampled
        self._cost_s = time.thread_time() - began
        self._last_ts = newest
        self.status = replace(
            self.status,
            last_ts=newest,
            records=self.status.records + drained.taken,
            lost=self.status.lost + drained.lost,
            rings=len(rings.records),
            listeners=_named(rings),
            store_problem="",
            ring_problem="; ".join(rings.problems.values()),
        )

    def _attach(self) -> RingFolder:
        if self._rings is None:
            bounds = self._store.bounds()
            self._last_ts = bounds[1] if bounds else None
            self._rings = RingFolder(self._folder, self._store.cursors())
        return self._rings

    def _drain(self, rings: RingFolder, newest: int, until_ns: int, monotonic_s: float) -> _Drained:
        """Take everything new; it is taken again where the store does not take it."""
        # A second that has its frame gets no more: readers are done with it. Only a clock that was
        # set back leaves no other choice.
        after = self._last_ts
        lowest = newest if after is not None and after >= newest else (after or 0) + 1
        seconds: dict[int, Second] = {}
        cursors: dict[str, int] = {}
        details: list[RequestDetail] = []
        sampled: dict[str, int] = {}
        taken = lost = 0
        for name, ring in rings.records.items():
            drained = ring.drain(
                lambda reader, cursor: reader.drain(cursor, until_ns, monotonic_s),
                lambda drained: drained.held_back,
            )
            cursors[name] = drained.cursor
            taken += drained.records.size
            lost += drained.lost
            reader = ring.reader
            for ts, records in seconds_of(drained.records, lowest, newest):
                second = seconds.setdefault(ts, Second())
                if reader.header.kind == RingKind.LOAD:
                    self._aggregator.add_load(second, records, reader.listeners)
                else:
                    self._aggregator.add_requests(second, records, reader.listeners, reader.routes)
        for name, detail_ring in rings.request_details.items():
            some, cursors[name] = detail_ring.drain(lambda reader, cursor: reader.drain(cursor))
            details += some
        for name, sample_ring in rings.samples.items():
            by_second, cursors[name] = sample_ring.drain(
                lambda reader, cursor: reader.drain(cursor, until_ns // _NS_PER_S)
            )
            last = self._sampled.get(name)
            for at, samples in by_second:
                ts = min(max(at, lowest), newest)
                second = seconds.setdefault(ts, Second())
                growth = Growth()
                for sample in samples:
                    if sample.metric in catalog.BY_NAME:  # else a newer Servescope wrote it
                        self._add(sample, second.gauges, growth.add)
                since = max(at if last is None else last + 1, lowest)
                last = at
                growth.divide_from(since if ts - since < _STALL_SECONDS else ts, ts, seconds)
            if last is not None:
                sampled[name] = last
        details.sort(key=lambda detail: detail.record.end_ns)
        return _Drained(seconds, cursors, details, sampled, taken, lost)

    def _look_at_the_clock(self, boundary: int, monotonic_s: float) -> None:
        """Note when wall clock and monotonic clock parted; the latter stands still in a suspend."""
        if self._ticked is None:
            return
        ahead_s = boundary - self._ticked[0] - (monotonic_s - self._ticked[1])
        if abs(ahead_s) < _REPORTED_FROM_S:
            return
        jump = (
            f"The clock went {ahead_s:.0f} s further than time did: it was set forward, or the "
            "machine slept. That span is a gap."
            if ahead_s > 0
            else f"The clock was set back by {-ahead_s:.0f} s: later counts are "
            "added to the seconds it repeats."
        )
        self.status = replace(self.status, clock_jump=jump)

    def _stalled(self, newest: int, monotonic_s: float) -> range:
        """Seconds between the last tick and this one that were recorded all the while."""
        if self._ticked is None or self._last_ts is None:
            return range(0)
        boundary, before_s = self._ticked
        passed = newest + 1 - boundary
        is_stall = 1 < passed <= _STALL_SECONDS and (
            abs(monotonic_s - before_s - passed) < CLOCK_TOLERANCE_S
        )
        return range(max(boundary, self._last_ts + 1), newest) if is_stall else range(0)

    def _sample(self) -> dict[SeriesKey, float]:
        """Ask the sources: their gauges; the growth of counters is added to what is not written."""
        gauges: dict[SeriesKey, float] = {}
        for source in self._sources:
            try:
                for sample in source():
                    self._add(sample, gauges, self._growth.add)
            except Exception as error:
                # The boundary of a source: one that fails costs its own samples and no others.
                problem = f"{type(error).__name__}: {error}"
                if problem != self.status.source_problem:
                    logger.exception("a source of samples failed")
                    self.status = replace(self.status, source_problem=problem)
        return gauges

    def _add(
        self,
        sample: Sample,
        gauges: dict[SeriesKey, float],
        count: Callable[[SeriesKey, float], None],
    ) -> None:
        """Put a gauge's reading into `gauges`; `count` what a counter grew by."""
        if not isfinite(sample.value):
            return
        key = self._keys.get((sample.metric, sample.labels))
        if key is None:
            key = SeriesKey(sample.metric, tuple(sorted(sample.labels)))
            self._keys[sample.metric, sample.labels] = key
        metric = catalog.BY_NAME[sample.metric]
        if metric.kind is Kind.GAUGE:
            is_ratio = metric.unit == "1"
            gauges[key] = round(sample.value, _RATIO_DIGITS) if is_ratio else sample.value
        else:
            count(key, sample.value)


def _named(rings: RingFolder) -> frozenset[str]:
    """The names of listeners and apps in the rings of requests; number 0 is that of none."""
    return frozenset(
        name
        for ring in rings.records.values()
        if ring.reader.header.kind != RingKind.LOAD
        for number, name in ring.reader.listeners.items()
        if number
    )

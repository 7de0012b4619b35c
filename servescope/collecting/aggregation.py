"""From ring records to catalog metrics, a second at a time, with numpy throughout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from servescope import catalog
from servescope.histogram import BUCKETS, bucket_indexes
from servescope.recording.record_layout import OTHER_ROUTE
from servescope.records.load import LoadOutcome
from servescope.records.requests import CLIENT_GONE, CUT_OFF, Stage, reached_nobody
from servescope.request_fields import Method, RequestFlag
from servescope.store.base import Frame, HistogramDelta, SeriesKey
from servescope.store.codec.rows import distinct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_NS_PER_S: Final = 1_000_000_000
_UNKNOWN: Final = "unknown"
_METHODS: Final = {int(method): method.name for method in Method}
_STAGES: Final = [stage.name.lower() for stage in Stage]
_OUTCOMES: Final = {int(outcome): outcome.name.lower() for outcome in LoadOutcome}


class _RequestClass(NamedTuple):
    """Requests of the same labels: one series of their duration."""

    listener: str
    method: int
    route: str
    status: int

    def key(self) -> SeriesKey:
        return SeriesKey(
            catalog.REQUEST_DURATION,
            (
                ("http.request.method", _METHODS.get(self.method, "_OTHER")),
                ("http.response.status_code", str(self.status)),
                ("http.route", self.route),
                ("listener", self.listener),
            ),
        )


class Second:
    """The sums of one second, while they are added up."""

    def __init__(self) -> None:
        self.gauges: dict[SeriesKey, float] = {}
        self.counts: dict[SeriesKey, float] = {}
        self.histograms: dict[SeriesKey, HistogramDelta] = {}

    def count(self, key: SeriesKey, increase: float) -> None:
        """Add to a counter."""
        self.counts[key] = self.counts.get(key, 0.0) + increase

    def observe(self, key: SeriesKey, counts: NDArray[np.int64], sum_s: float) -> None:
        """Add to a histogram."""
        known = self.histograms.get(key)
        if known is not None:
            counts, sum_s = known.counts + counts, known.sum_s + sum_s
        self.histograms[key] = HistogramDelta(counts, sum_s)

    def frame(self, ts: int) -> Frame:
        """This second as a frame."""
        return Frame(ts, self.gauges, self.counts, self.histograms)


class RecordAggregator:
    """Adds ring records up into seconds; keeps the keys it made, which recur each second."""

    def __init__(self) -> None:
        self._request_keys: dict[_RequestClass, SeriesKey] = {}
        self._listener_keys: dict[tuple[str, str], SeriesKey] = {}
        self._pair_keys: dict[tuple[str, str, str], SeriesKey] = {}

    def add_requests(
        self,
        second: Second,
        records: NDArray[np.void],
        listeners: Mapping[int, str],
        routes: Mapping[int, str],
    ) -> None:
        """Add records of a server's ring, all of the same second."""
        stages_s = records["stages_ns"].astype(np.float64) * 1e-9
        totals_s = stages_s.sum(axis=1)
        classes = (
            records["listener"].astype(np.int64) << 40
            | records["route"].astype(np.int64) << 24
            | records["method"].astype(np.int64) << 16
            | records["status"].astype(np.int64)
        )
        found, of_record = np.unique(classes, return_inverse=True)
        counts, sums = _histograms(totals_s, of_record, found.size)
        for code, row, sum_s in zip(found.tolist(), counts, sums.tolist(), strict=True):
            request_class = _RequestClass(
                listeners.get(code >> 40, _UNKNOWN),
                code >> 16 & 0xFF,
                routes.get(code >> 24 & 0xFFFF, _UNKNOWN),
                code & 0xFFFF,
            )
            key = self._request_keys.get(request_class)
            if key is None:
                key = self._request_keys[request_class] = request_class.key()
            second.observe(key, row, sum_s)
        self._add_by_listener(second, records, stages_s, listeners)
        to_nobody = reached_nobody(records["flags"], records["bytes_sent"], records["status"])
        self._add_to_nobody(second, records[to_nobody], listeners)
        self._add_unanswered(second, records[records["status"] == 0], listeners)

    def _add_to_nobody(
        self, second: Second, records: NDArray[np.void], listeners: Mapping[int, str]
    ) -> None:
        """Count answers whose clients had gone, by status."""
        if not records.size:
            return
        of_whom = records["listener"].astype(np.int64) << 16 | records["status"].astype(np.int64)
        found, times = np.unique(of_whom, return_counts=True)
        for code, number in zip(found.tolist(), times.tolist(), strict=True):
            listener = listeners.get(code >> 16, _UNKNOWN)
            key = self._pair(catalog.ANSWERS_TO_NOBODY, listener, str(code & 0xFFFF))
            second.count(key, float(number))

    def _add_unanswered(
        self, second: Second, records: NDArray[np.void], listeners: Mapping[int, str]
    ) -> None:
        """Count requests without an answer, by why their connections were closed."""
        is_cut_off = (records["flags"] & RequestFlag.CUT_OFF) != 0
        for reason, of_reason in ((CUT_OFF, is_cut_off), (CLIENT_GONE, ~is_cut_off)):
            found, times = np.unique(records["listener"][of_reason], return_counts=True)
            for number, count in zip(found.tolist(), times.tolist(), strict=True):
                listener = listeners.get(number, _UNKNOWN)
                second.count(self._pair(catalog.UNANSWERED, listener, reason), float(count))

    def _add_by_listener(
        self,
        second: Second,
        records: NDArray[np.void],
        stages_s: NDArray[np.float64],
        listeners: Mapping[int, str],
    ) -> None:
        found, of_record = np.unique(records["listener"], return_inverse=True)
        n, stages = found.size, len(_STAGES)
        read = ~_unread(records)
        groups = (of_record[read, None] * stages + np.arange(stages)).ravel()
        counts, sums = _histograms(stages_s[read].ravel(), groups, n * stages)
        received = np.bincount(of_record, records["bytes_received"], n)
        sent = np.bincount(of_record, records["bytes_sent"], n)
        for index, number in enumerate(found.tolist()):
            listener = listeners.get(number, _UNKNOWN)
            for stage, name in enumerate(_STAGES):
                key = self._pair(catalog.STAGE_DURATION, listener, name)
                at = index * stages + stage
                if counts[at].any():
                    second.observe(key, counts[at], float(sums[at]))
            second.count(self._key(catalog.BYTES_RECEIVED, listener), float(received[index]))
            second.count(self._key(catalog.BYTES_SENT, listener), float(sent[index]))

    def add_load(
        self, second: Second, records: NDArray[np.void], listeners: Mapping[int, str]
    ) -> None:
        """Add records of a load generator's ring, all of the same second."""
        found, of_record = np.unique(records["listener"], return_inverse=True)
        answered = records["protocol"] == LoadOutcome.ANSWERED
        timed_out = records["protocol"] == LoadOutcome.TIMED_OUT
        for index, number in enumerate(found.tolist()):
            listener = listeners.get(number, _UNKNOWN)
            ours = of_record == index
            second.count(self._key(catalog.LOAD_SENT, listener), float(ours.sum()))
            # A timeout is a latency of at least so much; one that was never sent has no naive one.
            has_latency = ours & (answered | timed_out)
            durations = records["stages_ns"][has_latency].astype(float) * 1e-9
            naive = durations[:, 1]
            is_late = timed_out[has_latency]
            for metric, column in (
                (catalog.LOAD_DURATION, durations[:, 0]),
                (catalog.LOAD_NAIVE_DURATION, naive[naive > 0]),
                (catalog.LOAD_TIMED_OUT_NAIVE_DURATION, naive[is_late & (naive > 0)]),
            ):
                if column.size:
                    counts, sums = _histograms(column, np.zeros(column.size, np.intp), 1)
                    second.observe(self._key(metric, listener), counts[0], float(sums[0]))
            failed, how_often = np.unique(records["protocol"][ours & ~answered], return_counts=True)
            for outcome, times in zip(failed.tolist(), how_often.tolist(), strict=True):
                name = _OUTCOMES.get(outcome, "_OTHER")
                key = self._pair(catalog.LOAD_ERRORS, listener, name)
                second.count(key, float(times))

    def _key(self, metric: str, listener: str) -> SeriesKey:
        key = self._listener_keys.get((metric, listener))
        if key is None:
            key = SeriesKey(metric, (("listener", listener),))
            self._listener_keys[metric, listener] = key
        return key

    def _pair(self, metric: str, listener: str, value: str) -> SeriesKey:
        """A key of the two labels `listener` and the other one the metric has."""
        key = self._pair_keys.get((metric, listener, value))
        if key is None:
            other = next(name for name in catalog.BY_NAME[metric].labels if name != "listener")
            key = SeriesKey(metric, tuple(sorted((("listener", listener), (other, value)))))
            self._pair_keys[metric, listener, value] = key
        return key


def seconds_of(
    records: NDArray[np.void], lowest: int, highest: int
) -> list[tuple[int, NDArray[np.void]]]:
    """Split records by the second they ended in, clamped to `[lowest, highest]`, ascending."""
    if not records.size:
        return []
    second = np.clip(records["end_ns"].astype(np.int64) // _NS_PER_S, lowest, highest)
    found = distinct(second).tolist()
    if len(found) == 1:
        return [(found[0], records)]
    return [(ts, records[second == ts]) for ts in found]


def _unread(records: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which records are of connections that were answered before a request was read.

    Over capacity they passed through no stage: their zeros would be taken for requests that did
    not wait. Half a head that came to nothing is no request either, and no percentile has it.
    """
    is_unread: NDArray[np.bool_] = (records["method"] == Method["_OTHER"]) & (
        records["route"] == OTHER_ROUTE
    )
    return is_unread


def _histograms(
    seconds: NDArray[np.float64], groups: NDArray[np.intp], number: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Histograms (number, BUCKETS) and sums (number,) of durations, by group."""
    cells = groups * BUCKETS + bucket_indexes(seconds)
    counts = np.bincount(cells, minlength=number * BUCKETS).reshape(number, BUCKETS)
    # To the nanosecond, which is what was recorded: decimals take half the room of other floats.
    sums: NDArray[np.float64] = np.round(np.bincount(groups, seconds, number), 9).astype(
        np.float64, copy=False
    )
    return counts.astype(np.int64, copy=False), sums

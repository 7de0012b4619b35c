"""Counts and latencies of one run, and the ring record of each request as it ends."""

from __future__ import annotations

import time
from array import array
from typing import TYPE_CHECKING

import numpy as np

from servescope import histogram
from servescope.load.connections import wall_offset_ns
from servescope.load.report import (
    FAILURES,
    LagSummary,
    LatencySummary,
    Progress,
    Result,
    quantile_ms,
)
from servescope.records.load import LoadOutcome
from servescope.request_fields import Method, RequestFlag

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_NS: int = 1_000_000_000
_NS_PER_MS = 1e6
_NEVER_NS = 2**63 - 1
_ANSWERED = int(LoadOutcome.ANSWERED)
_TIMED_OUT = int(LoadOutcome.TIMED_OUT)
_NEW_CONNECTION = int(RequestFlag.NEW_CONNECTION)
_TIMED_OUT_FLAG = int(RequestFlag.TIMED_OUT)
_GET = int(Method.GET)
_NO_FLAGS = RequestFlag(0)


class Tally:
    """Keeps every latency: 8 bytes each, at most three a request (`scenarios.bounds.MAX_REQUESTS`).

    `record` is a ring's `record` function, see `RingWriter`; times given to a tally are
    `time.monotonic_ns()`.
    """

    def __init__(
        self,
        record: Callable[..., None],
        listener_id: int,
        route_id: int,
        request_bytes: int,
        flags: RequestFlag = _NO_FLAGS,
    ) -> None:
        self._record = record
        self._listener_id = listener_id
        self._route_id = route_id
        self._request_bytes = request_bytes
        self._flags = int(flags)  # of every request
        self._latencies_ns = array("q")
        self._naive_ns = array("q")
        self._lags_ns = array("q")
        self._by_outcome = [0] * len(LoadOutcome)
        self._statuses: dict[int, int] = {}
        self._bytes_received = 0
        self._seen = (0, 0, 0, 0)  # requests and array lengths at the last progress
        self._seen_ns = 0
        self._cpu_start_s = time.process_time()
        self._answered_in_schedule = 0
        self._timed_out_from_ns = 0  # the shortest latency of those that timed out
        self._schedule_end_ns = _NEVER_NS
        self.last_end_ns = 0
        self.sent = 0
        self.ended = 0  # answered, failed or cancelled
        self.cancelled = 0
        self.resent = 0
        self.wall_offset_ns = wall_offset_ns()

    def begin(self, schedule_end_ns: int) -> None:
        """Requests come due until then; without it all answers are within the schedule."""
        self._schedule_end_ns = schedule_end_ns

    def align_clock(self) -> None:
        """Take the wall clock's offset anew, since it may be stepped during a run."""
        self.wall_offset_ns = wall_offset_ns()

    def take_up(self, lag_ns: int) -> None:
        """A request came due and was taken up, `lag_ns` after its intended time."""
        self.sent += 1
        self._lags_ns.append(lag_ns)

    def end(
        self,
        outcome: int,
        status: int,
        intended_ns: int,
        sent_ns: int,
        end_ns: int,
        connect_ns: int,
        is_new: bool,
        bytes_received: int,
    ) -> None:
        """A request ended; `sent_ns` is 0 when it never was sent, then its naive latency is too."""
        latency_ns = end_ns - intended_ns
        naive_ns = end_ns - sent_ns if sent_ns else 0
        self.ended += 1
        self.last_end_ns = end_ns
        self._by_outcome[outcome] += 1
        flags = self._flags | _NEW_CONNECTION if is_new else self._flags
        if outcome == _ANSWERED:
            self._statuses[status] = self._statuses.get(status, 0) + 1
            if end_ns <= self._schedule_end_ns:
                self._answered_in_schedule += 1
            self._bytes_received += bytes_received
            self._latencies_ns.append(latency_ns)
            self._naive_ns.append(naive_ns)
        elif outcome == _TIMED_OUT:
            flags |= _TIMED_OUT_FLAG
            if latency_ns < self._timed_out_from_ns or not self._timed_out_from_ns:
                self._timed_out_from_ns = latency_ns
            self._latencies_ns.append(latency_ns)
            if sent_ns:
                self._naive_ns.append(naive_ns)
        self._record(
            end_ns + self.wall_offset_ns,
            self._listener_id,
            self._route_id,
            _GET,
            outcome,
            status,
            flags,
            bytes_received,
            self._request_bytes if sent_ns else 0,
            latency_ns,
            naive_ns,
            connect_ns,
            0,
            0,
            0,
        )

    def cancel(self, count: int = 1) -> None:
        """Requests given up because a person stopped the run; they are no record."""
        self.cancelled += count
        self.ended += count

    def progress(self, now_ns: int, start_ns: int, connections: int) -> Progress:
        """The run so far, and what was new since the last call."""
        answered = self._by_outcome[_ANSWERED]
        seen_answered, seen_latencies, seen_naive, seen_lags = self._seen
        interval_s = (now_ns - (self._seen_ns or start_ns)) / _NS
        lags = _since(self._lags_ns, seen_lags)
        progress = Progress(
            sent=self.sent,
            answered=answered,
            failed=self._failed(),
            in_flight=self.sent - self.ended,
            connections=connections,
            elapsed_s=round((now_ns - start_ns) / _NS, 6),
            answered_per_s=(answered - seen_answered) / interval_s if interval_s > 0 else 0.0,
            p99_ms=quantile_ms(_since(self._latencies_ns, seen_latencies), 0.99),
            naive_p99_ms=quantile_ms(_since(self._naive_ns, seen_naive), 0.99),
            lag_max_ms=quantile_ms(lags, 1.0),
        )
        self._seen = (answered, len(self._latencies_ns), len(self._naive_ns), len(self._lags_ns))
        self._seen_ns = now_ns
        return progress

    def result(
        self, rate_asked: float, seconds: float, schedule_seconds: float, stopped: bool
    ) -> Result:
        """The whole run; `schedule_seconds` is for how long requests came due."""
        cpu_seconds = time.process_time() - self._cpu_start_s
        answered = self._by_outcome[_ANSWERED]
        latencies, lags = _since(self._latencies_ns, 0), _since(self._lags_ns, 0)
        classes: dict[str, int] = {}
        for status, number in self._statuses.items():
            name = f"{status // 100}xx"
            classes[name] = classes.get(name, 0) + number
        return Result(
            sent=self.sent,
            answered=answered,
            failed=self._failed(),
            cancelled=self.cancelled,
            resent=self.resent,
            statuses={str(status): self._statuses[status] for status in sorted(self._statuses)},
            status_classes=dict(sorted(classes.items())),
            latency_ms=LatencySummary.of(latencies),
            naive_ms=LatencySummary.of(_since(self._naive_ns, 0)),
            lag_ms=LagSummary(quantile_ms(lags, 0.99), quantile_ms(lags, 1.0)),
            seconds=seconds,
            rate_asked=rate_asked,
            schedule_seconds=schedule_seconds,
            answered_in_schedule=self._answered_in_schedule,
            rate_achieved=(
                self._answered_in_schedule / schedule_seconds if schedule_seconds > 0 else 0.0
            ),
            timed_out_from_ms=self._timed_out_from_ns / _NS_PER_MS or None,
            bytes_received=self._bytes_received,
            cpu_seconds=cpu_seconds,
            stopped=stopped,
            histogram=histogram.count(latencies / _NS).tolist(),
        )

    def _failed(self) -> dict[str, int]:
        return {outcome.name.lower(): self._by_outcome[outcome] for outcome in FAILURES}


def _since(values: array[int], start: int) -> NDArray[np.int64]:
    """A copy of the values from `start` on: an array that is looked at could not grow."""
    return np.array(values[start:] if start else values, dtype=np.int64)

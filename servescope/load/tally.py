"""Counts of one run, step by step, and the ring record of each request as it ends."""

from __future__ import annotations

import time
from array import array
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from servescope.histogram import least_count
from servescope.load.connections import wall_offset_ns
from servescope.load.report import (
    FAILURES,
    Flows,
    LagSummary,
    LatencySummary,
    LoadModel,
    Phase,
    Progress,
    Result,
    StepKind,
    classes_of,
    lower_bounds,
    quantile_ms,
)
from servescope.load.step_tally import EACH_PHASES, FOLD_FROM, NEVER_NS, StepTally
from servescope.load.stretches import SecondMarks
from servescope.records.load import LoadOutcome
from servescope.records.scenarios import RequestStep
from servescope.request_fields import METHODS, Method, RequestFlag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from servescope.load.awaited import Awaited
    from servescope.load.connections import Connection
    from servescope.load.exchange import Exchange
    from servescope.recording.recorder import Recorder
    from servescope.records.scenarios import Step
    from servescope.wire.http1_client import Response

_NS: Final = 1_000_000_000
_NS_PER_MS: Final = 1e6
_ANSWERED: Final = int(LoadOutcome.ANSWERED)
_FIRST_ERROR: Final = 400  # status; RFC 9110 section 15
_TIMED_OUT: Final = int(LoadOutcome.TIMED_OUT)
_NEW_CONNECTION: Final = int(RequestFlag.NEW_CONNECTION)
_TIMED_OUT_FLAG: Final = int(RequestFlag.TIMED_OUT)
_NO_FLAGS: Final = RequestFlag(0)
_PENDING: Final = FOLD_FROM * len(EACH_PHASES)
_ENOUGH: Final = least_count(0.99)


class _Moment(NamedTuple):
    """How many latencies each row had at a moment of the run."""

    at_ns: int
    latencies: tuple[int, ...]
    naive: tuple[int, ...]


class Tally:
    """Keeps every latency: 8 bytes each, at most three a request (`scenarios.bounds.MAX_REQUESTS`).

    A request that timed out has four. One byte more says whether the request was an error.

    Records go into the ring of `recorder`, under the listener's name; times given to a tally are
    `time.monotonic_ns()`. Messages of WebSockets are counted in rows of their own alone: a
    conversation is one request, as at the server. A request that timed out took `timeout_ns`,
    however much later that was noticed.
    """

    def __init__(
        self,
        recorder: Recorder,
        listener: str,
        flags: RequestFlag = _NO_FLAGS,
        model: LoadModel = LoadModel.OPEN,
        timeout_ns: int = NEVER_NS,
    ) -> None:
        self._timeout_ns = timeout_ns
        self._recorder = recorder
        self._record = recorder.record
        self._listener_id = recorder.listener_id(listener)
        self._flags = int(flags)  # of every request
        self._model = model
        self._steps: dict[tuple[str, bool], StepTally] = {}
        self._lags_ns = array("q")
        self._seen_lags = 0
        self._seen_classes: dict[str, int] = {}
        self._seen_ns = 0
        self._moments: deque[_Moment] = deque()  # of earlier progress, the oldest first
        self._cpu_start_s = self._seen_cpu_s = time.process_time()
        self._marks = SecondMarks()
        self._answered_in_schedule = 0
        self._schedule_end_ns = NEVER_NS
        self._in_flight_ns = 0  # for which requests were in flight, of all together
        self._counted_ns = 0
        self.last_end_ns = 0
        self.sent = 0
        self.ended = 0  # answered, failed or cancelled
        self.cancelled = 0
        self.resent = 0
        self.blocked = 0  # requests that waited since all connections were in use
        self.flows_ended = 0
        self.flows_failed = 0
        self.flows_cancelled = 0
        self.wall_offset_ns = wall_offset_ns()

    def step(self, step: Step, label: str) -> StepTally:
        """The row for requests of a step; steps of the same label share it."""
        path = step.target.partition("?")[0]
        kind, method = StepKind.WEBSOCKET, Method.GET
        if isinstance(step, RequestStep):
            kind = StepKind.REQUEST
            method = METHODS.get(step.method, Method["_OTHER"])
        route_id = self._recorder.route_id(self._listener_id, path)
        row = StepTally(label, kind, route_id, int(method), self._timeout_ns)
        return self._steps.setdefault((label, False), row)

    def messages(self, label: str) -> StepTally:
        """The row for the messages of a WebSocket step."""
        row = StepTally(f"{label}: messages", StepKind.MESSAGE, 0, 0, self._timeout_ns)
        return self._steps.setdefault((label, True), row)

    def begin(self, schedule_end_ns: int) -> None:
        """Requests come due until then; without it all answers are within the schedule."""
        self._schedule_end_ns = schedule_end_ns

    def count_in_flight(self, now_ns: int) -> None:
        """The requests that are in flight now have been since the last call."""
        self._in_flight_ns += (self.sent - self.ended) * (now_ns - self._counted_ns)
        self._counted_ns = now_ns

    def align_clock(self) -> None:
        """Take the wall clock's offset anew, since it may be stepped during a run."""
        self.wall_offset_ns = wall_offset_ns()

    def take_up(self, step: StepTally, lag_ns: int) -> None:
        """A request came due and was taken up, `lag_ns` after its intended time."""
        self.sent += 1
        step.sent += 1
        self._lags_ns.append(lag_ns)

    def answered(
        self, exchange: Exchange, connection: Connection, response: Response, end_ns: int
    ) -> None:
        """A request got its whole answer on this connection, at `end_ns`."""
        status, _, received, _, _ = response
        step = exchange.step.tally
        intended_ns = exchange.intended_ns
        latency_ns = end_ns - intended_ns
        naive_ns = end_ns - exchange.sent_ns
        self.ended += 1
        self.last_end_ns = end_ns
        if end_ns <= self._schedule_end_ns:
            self._answered_in_schedule += 1
        step.by_outcome[_ANSWERED] += 1
        step.statuses[status] = step.statuses.get(status, 0) + 1
        step.bytes_received += received
        step.latencies_ns.append(latency_ns)
        step.is_error.append(status >= _FIRST_ERROR)
        step.naive_ns.append(naive_ns)
        flags, connect_ns = self._flags, 0
        if not connection.served:
            flags |= _NEW_CONNECTION
            connect_ns = connection.connect_ns
            step.connecting.pending.extend((connect_ns - connection.tls_ns, connection.tls_ns))
        self._add_phases(step, exchange, connect_ns, end_ns)
        self._record(
            end_ns + self.wall_offset_ns,
            self._listener_id,
            step.route_id,
            step.method,
            _ANSWERED,
            status,
            flags,
            received,
            len(exchange.data),
            latency_ns,
            naive_ns,
            connect_ns,
            0,
            0,
            0,
        )

    @staticmethod
    def _add_phases(step: StepTally, exchange: Exchange, connect_ns: int, end_ns: int) -> None:
        assigned_ns = exchange.assigned_ns
        first_ns = exchange.first_byte_ns or end_ns
        handed_ns = exchange.handed_ns
        # An answer may come before the send returns, or before all of the request was sent.
        if handed_ns > first_ns or not handed_ns:
            handed_ns = first_ns
        pending = step.each.pending
        pending.extend(
            (
                assigned_ns - exchange.intended_ns,
                handed_ns - assigned_ns - connect_ns,
                first_ns - handed_ns,
                end_ns - first_ns,
            )
        )
        if len(pending) >= _PENDING:
            step.each.fold()

    def message_answered(self, step: StepTally, exchange: Exchange, size: int, end_ns: int) -> None:
        """A message of a WebSocket had one in return, of `size` bytes."""
        self.last_end_ns = end_ns
        step.answer(size, end_ns - exchange.intended_ns, end_ns - exchange.sent_ns)
        self._add_phases(step, exchange, 0, end_ns)

    def failed(
        self,
        exchange: Exchange,
        connection: Connection | None,
        outcome: LoadOutcome,
        end_ns: int,
        example: str,
        status: int = 0,
    ) -> None:
        """A request ended without the answer it wanted; `connection` is None when it had none.

        `example` says how, in a few words.
        """
        step = exchange.step.tally
        self.ended += 1
        received = connection.http.bytes_received if connection else 0
        latency_ns, naive_ns = self._count_failure(step, exchange, outcome, end_ns, example)
        flags = self._flags
        if connection is not None and not connection.served:
            flags |= _NEW_CONNECTION
        if outcome == _TIMED_OUT:
            flags |= _TIMED_OUT_FLAG
        self._record(
            end_ns + self.wall_offset_ns,
            self._listener_id,
            step.route_id,
            step.method,
            int(outcome),
            status,
            flags,
            received,
            len(exchange.data) if exchange.sent_ns else 0,
            latency_ns,
            naive_ns or 0,
            connection.connect_ns if connection else 0,
            0,
            0,
            0,
        )

    def message_failed(
        self, step: StepTally, exchange: Exchange, outcome: LoadOutcome, end_ns: int, example: str
    ) -> None:
        """A message of a WebSocket had none in return."""
        self._count_failure(step, exchange, outcome, end_ns, example)

    def _count_failure(
        self, step: StepTally, exchange: Exchange, outcome: LoadOutcome, end_ns: int, example: str
    ) -> tuple[int, int | None]:
        """See `StepTally.fail`."""
        self.last_end_ns = end_ns
        return step.fail(outcome, exchange.intended_ns, exchange.sent_ns, end_ns, example)

    def cancel(self, count: int = 1) -> None:
        """Requests given up because a person stopped the run; they are no record."""
        self.cancelled += count
        self.ended += count

    def progress(
        self,
        now_ns: int,
        start_ns: int,
        *,
        flows: int,
        connections: int,
        waiting: int = 0,
        awaited: Awaited | None = None,
    ) -> Progress:
        """The run so far, and what was new since the last call; `flows` were started."""
        requests = self.requests()
        counts = [len(step.latencies_ns) for step in requests]
        self._marks.mark((now_ns - start_ns) / _NS, counts, *self._ended_and_failed())
        statuses = self._statuses()
        classes = classes_of(statuses)
        interval_s = (now_ns - (self._seen_ns or start_ns)) / _NS
        classes_per_s = {
            name: (number - self._seen_classes.get(name, 0)) / interval_s
            for name, number in classes.items()
            if interval_s > 0 and number > self._seen_classes.get(name, 0)
        }
        cpu_s = time.process_time()
        begin_ns, latencies, naive = self._newest(requests, now_ns, start_ns)
        has_p99 = len(latencies) >= _ENOUGH
        progress = Progress(
            sent=self.sent,
            answered=self._count(_ANSWERED),
            failed=self._failed(),
            in_flight=self.sent - self.ended,
            connections=connections,
            elapsed_s=round((now_ns - start_ns) / _NS, 6),
            answered_per_s=sum(classes_per_s.values()),
            p99_ms=quantile_ms(latencies, 0.99) if has_p99 else None,
            naive_p99_ms=quantile_ms(naive, 0.99) if len(naive) >= _ENOUGH else None,
            lag_max_ms=quantile_ms(_array(self._lags_ns[self._seen_lags :]), 1.0),
            model=self._model,
            waiting=waiting,
            cpu_ratio=(cpu_s - self._seen_cpu_s) / interval_s if interval_s > 0 else None,
            flows=self._flows(flows),
            steps={step.name: step.progress() for step in self._steps.values()},
            statuses=statuses,
            status_classes=classes,
            status_classes_per_s=classes_per_s,
            p99_over_s=round((now_ns - begin_ns) / _NS, 6) if has_p99 else None,
            awaited_for_ms=None
            if awaited is None
            else (now_ns - awaited.oldest_due_ns) / _NS_PER_MS,
            never_sent=self._never_sent(),
            awaited_p99_ms=_proven_p99_ms(awaited, now_ns),
        )
        self._seen_classes, self._seen_lags = classes, len(self._lags_ns)
        self._seen_ns, self._seen_cpu_s = now_ns, cpu_s
        return progress

    def _newest(
        self, requests: Sequence[StepTally], now_ns: int, start_ns: int
    ) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
        """The newest latencies, and naive ones, in nanoseconds, and since when they ended.

        Those since the last progress or, where that are fewer than a p99 takes, since the newest
        earlier one that makes them enough; all of the run where none does.
        """
        now = _Moment(
            now_ns,
            tuple(len(step.latencies_ns) for step in requests),
            tuple(len(step.naive_ns) for step in requests),
        )
        moments, enough = self._moments, sum(now.latencies) - _ENOUGH
        if not moments:
            none = (0,) * len(requests)
            moments.append(_Moment(start_ns, none, none))
        while len(moments) > 1 and sum(moments[1].latencies) <= enough:
            moments.popleft()
        begin = moments[0]
        moments.append(now)
        latencies = _since(begin.latencies, [step.latencies_ns for step in requests])
        return begin.at_ns, latencies, _since(begin.naive, [step.naive_ns for step in requests])

    def result(
        self,
        rate_asked: float | None,
        seconds: float,
        schedule_seconds: float,
        *,
        flows: int,
        stopped: bool,
    ) -> Result:
        """The whole run; `schedule_seconds` is for how long requests came due."""
        cpu_seconds = time.process_time() - self._cpu_start_s
        requests = self.requests()
        steps = [step.result() for step in self._steps.values()]
        latencies = np.concatenate([_EMPTY, *(_array(step.latencies_ns) for step in requests)])
        is_error = np.frombuffer(b"".join(step.is_error for step in requests), dtype=bool)
        naive = np.concatenate([_EMPTY, *(_array(step.naive_ns) for step in requests)])
        timed_out = np.concatenate([_EMPTY, *(_array(one.naive_timed_out_ns) for one in requests)])
        lags = _array(self._lags_ns)
        statuses = self._statuses()
        timed_out_from_ns = min(
            (step.timed_out_from_ns for step in requests if step.timed_out_from_ns), default=0
        )
        of_requests = [step for step in steps if step.kind is not StepKind.MESSAGE]
        ended, failed = self._ended_and_failed()
        return Result(
            sent=self.sent,
            answered=self._count(_ANSWERED),
            failed=self._failed(),
            cancelled=self.cancelled,
            resent=self.resent,
            statuses=statuses,
            status_classes=classes_of(statuses),
            latency_ms=LatencySummary.of(latencies),
            naive_ms=LatencySummary.of(naive),
            lag_ms=LagSummary.of(lags),
            seconds=seconds,
            rate_asked=rate_asked,
            schedule_seconds=schedule_seconds,
            answered_in_schedule=self._answered_in_schedule,
            rate_achieved=(
                self._answered_in_schedule / schedule_seconds if schedule_seconds > 0 else 0.0
            ),
            timed_out_from_ms=timed_out_from_ns / _NS_PER_MS or None,
            bytes_received=sum(step.bytes_received for step in requests),
            cpu_seconds=cpu_seconds,
            stopped=stopped,
            histogram=_sum([step.histogram for step in of_requests]),
            model=self._model,
            flows=self._flows(flows),
            steps=steps,
            phases={
                name: Phase(
                    sum(step.phases[name].seconds for step in of_requests),
                    _sum([step.phases[name].histogram for step in of_requests]),
                )
                for name in of_requests[0].phases
            },
            blocked=self.blocked,
            naive_bounds=lower_bounds(naive, timed_out),
            naive_p10_ms=quantile_ms(naive, 0.1),
            never_sent=self._never_sent(),
            in_flight_mean=self._in_flight_ns / _NS / seconds if seconds > 0 else None,
            success_ms=LatencySummary.of(latencies[~is_error]) if is_error.any() else None,
            error_ms=LatencySummary.of(latencies[is_error]) if is_error.any() else None,
            stretches=()
            if rate_asked is None
            else self._marks.stretches(
                [step.latencies_ns for step in requests],
                schedule_seconds,
                rate_asked,
                ended=ended,
                failed=failed,
            ),
        )

    def requests(self) -> list[StepTally]:
        """The rows of requests, without those of messages."""
        return [step for step in self._steps.values() if step.kind is not StepKind.MESSAGE]

    def _ended_and_failed(self) -> tuple[int, int]:
        """Requests that ended, those given up aside; and those without an answer below 400."""
        requests = self.requests()
        ended = sum(sum(step.by_outcome) for step in requests)
        good = sum(
            count
            for step in requests
            for status, count in step.statuses.items()
            if status < _FIRST_ERROR
        )
        return ended, ended - good

    def _never_sent(self) -> int:
        """Requests that timed out before a byte of them could be offered to a connection."""
        return sum(len(step.latencies_ns) - len(step.naive_ns) for step in self.requests())

    def _statuses(self) -> dict[str, int]:
        """Answers by status code, ascending."""
        found: dict[int, int] = {}
        for step in self.requests():
            for status, number in step.statuses.items():
                found[status] = found.get(status, 0) + number
        return {str(status): found[status] for status in sorted(found)}

    def _count(self, outcome: int) -> int:
        return sum(step.by_outcome[outcome] for step in self.requests())

    def _failed(self) -> dict[str, int]:
        return {outcome.name.lower(): self._count(outcome) for outcome in FAILURES}

    def _flows(self, started: int) -> Flows:
        completed = self.flows_ended - self.flows_failed - self.flows_cancelled
        return Flows(started, completed, self.flows_failed, self.flows_cancelled)


def _proven_p99_ms(awaited: Awaited | None, now_ns: int) -> float | None:
    """The lower bound that awaited requests set for the p99; None where they are too few."""
    if awaited is None or awaited.p99_due_ns is None or awaited.taken_up < _ENOUGH:
        return None
    return (now_ns - awaited.p99_due_ns) / _NS_PER_MS


_EMPTY: Final = np.empty(0, np.int64)


def _array(values: array[int]) -> NDArray[np.int64]:
    """A copy: an array that is looked at could not grow."""
    return np.array(values, dtype=np.int64)


def _since(begins: Sequence[int], rows: Sequence[array[int]]) -> NDArray[np.int64]:
    """All values of the rows, each from where it begins."""
    return np.concatenate(
        [_EMPTY, *(_array(row[begin:]) for begin, row in zip(begins, rows, strict=True))]
    )


def _sum(histograms: Sequence[Sequence[int]]) -> list[int]:
    total: list[int] = np.sum(histograms, axis=0).tolist()
    return total

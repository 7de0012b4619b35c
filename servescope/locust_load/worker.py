"""A worker's part of a scenario: its users take what is due, and each latency is kept."""

from __future__ import annotations

import threading
import time
from array import array
from itertools import count, cycle
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from servescope.errors import UnfitValueError
from servescope.load.failure_examples import start_of, why_not_written
from servescope.load.mix import Mix, Share
from servescope.load.report import StepKind
from servescope.load.step_tally import StepTally
from servescope.load.tls_connections import TrustedServer
from servescope.locust_load.client import Answer, ExchangeFailedError, WaitingConnection
from servescope.records.load import LoadOutcome
from servescope.records.scenarios import Users
from servescope.scenarios.arrivals import arrivals_ns, flow_choices

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from servescope.load.flows import ActiveFlow
    from servescope.load.steps import CompiledStep
    from servescope.locust_load.order import WorkersOrder
    from servescope.records.scenarios import Scenario, Step

AGENT: Final = "servescope-load (Locust)"
START_DELAY_NS: Final = 100_000_000
"""In which hundreds of users come to wait for the first arrivals."""

_NS: Final = 1_000_000_000
_FIRST_ERROR_STATUS: Final = 400
_CHOICES: Final = 65_536
"""Flows of the closed model are drawn once, for so many; then the same follow again."""


class EndedRequest(NamedTuple):
    """A request as Locust counts it: from the actual send."""

    method: str
    label: str
    milliseconds: float
    received: int  # bytes
    fault: str  # empty: none


class StepTallies:
    """The rows of a mix, by label."""

    def __init__(self, timeout_ns: int) -> None:
        self._timeout_ns = timeout_ns
        self._rows: dict[str, StepTally] = {}

    def step(self, step: Step, label: str) -> StepTally:
        """The row for requests of a step; steps of the same label share it."""
        del step
        row = StepTally(label, StepKind.REQUEST, 0, 0, self._timeout_ns)
        return self._rows.setdefault(label, row)

    def messages(self, label: str) -> StepTally:
        """None: the coordinator refuses WebSockets."""
        raise NotImplementedError(label)

    def all(self) -> list[StepTally]:
        """All rows, in the order of the mix."""
        return list(self._rows.values())


class WorkerLoad:
    """One worker's part. Its users are threads or greenlets, each of which calls `be_user`.

    `on_request` is called for each request that ends, `on_end` once, with the report of all of it
    (see `merging`). Raises LoadRefusedError, ValueError as `Mix` does.
    """

    def __init__(
        self,
        order: WorkersOrder,
        share: Share,
        on_request: Callable[[EndedRequest], None],
        on_end: Callable[[dict[str, Any]], None],
    ) -> None:
        self._order = order
        self._share = share
        self._scenario = order.scenario
        flows, is_closed = self._scenario.flows, isinstance(self._scenario.schedule, Users)
        self._on_request = on_request
        self._on_end = on_end
        trust = order.trust
        self._server = None if trust is None else TrustedServer(trust)
        self._timeout_ns = int(self._scenario.timeout_seconds * _NS)
        self._tallies = StepTallies(self._timeout_ns)
        self._mix = Mix(
            self._scenario,
            self._tallies,
            host=order.host,
            agent=AGENT,
            is_tls=trust is not None,
            share=share,
        )
        self._users = count()
        self._working = 0
        self._expected = 0
        self._has_begun = False
        self._due: SimpleQueue[tuple[int, int] | None] = SimpleQueue()
        self._began = threading.Event()
        self._lock = threading.Lock()
        self._is_over = False
        self._start_ns = 0
        self._started_s = 0.0
        self._cpu_start_s = 0.0
        self._last_end_ns = 0
        self._arrivals = [] if is_closed else _arrivals(self._scenario, share)
        self._planned = sum(len(flows[choice].steps) for _, choice in self._arrivals)  # requests
        self._lags_ns = array("q")
        self._counts = dict.fromkeys(
            (
                "flows_started",
                "flows_completed",
                "flows_failed",
                "resent",
                "blocked",
                "answered_in_schedule",
            ),
            0,
        )

    def begin(self, users: int) -> None:
        """Start the schedule as soon as so many users are there; the first call counts."""
        with self._lock:
            self._expected = self._expected or users
            is_due = self._is_due()
        if is_due:
            self._begin()

    def _is_due(self) -> bool:
        """Whether the schedule starts now: all users are there, and it has not begun."""
        is_due = not self._has_begun and 0 < self._expected <= self._working
        self._has_begun = self._has_begun or is_due
        return is_due

    def _begin(self) -> None:
        self._started_s = time.time() + START_DELAY_NS / _NS
        self._cpu_start_s = time.process_time()
        self._start_ns = self._last_end_ns = time.monotonic_ns() + START_DELAY_NS
        self._began.set()
        if not isinstance(self._scenario.schedule, Users):
            threading.Thread(target=self._hand_out, daemon=True).start()

    def be_user(self) -> None:
        """Carry out flows until the schedule has no more of them."""
        with self._lock:
            number = next(self._users)
            self._working += 1
            is_due = self._is_due()
        if is_due:
            self._begin()
        connection = WaitingConnection(
            self._order.destination, self._server, keep_alive=self._scenario.keep_alive
        )
        self._began.wait()
        try:
            if isinstance(self._scenario.schedule, Users):
                self._come_and_go(self._scenario.schedule, number, connection)
            else:
                self._take_what_is_due(connection)
        finally:
            connection.close()
            self._counts["resent"] += connection.resent
            with self._lock:
                self._working -= 1
                is_last = not self._working
        if is_last:
            self.finish(stopped=False)

    def finish(self, *, stopped: bool) -> None:
        """Report; the first call counts."""
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
        self._on_end(self._report(stopped=stopped))

    # The open model

    def _hand_out(self) -> None:
        """Hand out each arrival when it is due, and then tell each user that there are no more."""
        for due_ns, choice in self._arrivals:
            intended_ns = self._start_ns + due_ns
            while (left_ns := intended_ns - time.monotonic_ns()) > 0:
                time.sleep(left_ns / _NS)
            if self._is_over:
                return
            self._due.put((intended_ns, choice))
        end_ns = self._start_ns + int(self._scenario.schedule.seconds * _NS)
        time.sleep(max(end_ns - time.monotonic_ns(), 0) / _NS)
        for _ in range(self._working):
            self._due.put(None)

    def _take_what_is_due(self, connection: WaitingConnection) -> None:
        while True:
            was_free = self._due.empty()
            taken = self._due.get()
            if taken is None:
                return
            intended_ns, choice = taken
            if was_free:
                self._lags_ns.append(time.monotonic_ns() - intended_ns)
            else:
                self._counts["blocked"] += 1
            self._carry_out(choice, intended_ns, connection)

    # The closed model

    def _come_and_go(self, users: Users, number: int, connection: WaitingConnection) -> None:
        part, parts = self._share.part, self._share.parts
        end_ns = self._start_ns + int(users.seconds * _NS)
        place = number * parts + part
        choices = cycle(flow_choices(self._scenario, _CHOICES)[place % _CHOICES :: users.users])
        think_ns = int(users.think_seconds * _NS)
        due_ns = self._start_ns + think_ns * place // users.users
        while due_ns < end_ns:
            time.sleep(max(due_ns - time.monotonic_ns(), 0) / _NS)
            now_ns = time.monotonic_ns()
            self._lags_ns.append(now_ns - due_ns)
            self._carry_out(next(choices), now_ns, connection)
            due_ns = time.monotonic_ns() + think_ns

    # Flows

    def _carry_out(self, choice: int, intended_ns: int, connection: WaitingConnection) -> None:
        self._counts["flows_started"] += 1
        flow = self._mix.begin(choice)
        while (end_ns := self._request(flow, intended_ns, connection)) is not None:
            if flow.position + 1 >= len(flow.steps):
                self._counts["flows_completed"] += 1
                return
            flow.position += 1
            intended_ns = end_ns
        self._counts["flows_failed"] += 1

    def _request(
        self, flow: ActiveFlow, intended_ns: int, connection: WaitingConnection
    ) -> int | None:
        """Send the flow's present step; return when its answer was whole, None if there is none."""
        step = flow.steps[flow.position]
        step.tally.sent += 1
        try:
            data = b"" if flow.missing else step.constant or flow.render()
        except (UnfitValueError, KeyError) as error:
            flow.missing = why_not_written(error)
        try:
            if flow.missing:
                raise ExchangeFailedError(LoadOutcome.VALUE, flow.missing)  # noqa: TRY301
            answer = connection.exchange(data, step, intended_ns + self._timeout_ns)
        except ExchangeFailedError as error:
            self._failed(step, error, intended_ns)
            return None
        self._answered(step, answer, intended_ns)
        if step.is_kept:
            flow.take(answer.response)
        return answer.end_ns

    def _answered(self, step: CompiledStep, answer: Answer, intended_ns: int) -> None:
        response, first_bytes, sent_ns, end_ns = answer
        tally = step.tally
        tally.statuses[response.status] = tally.statuses.get(response.status, 0) + 1
        tally.answer(response.bytes_received, end_ns - intended_ns, end_ns - sent_ns)
        self._last_end_ns = max(self._last_end_ns, end_ns)
        if end_ns - self._start_ns <= self._scenario.schedule.seconds * _NS:
            self._counts["answered_in_schedule"] += 1
        fault = ""
        if response.status >= _FIRST_ERROR_STATUS:
            fault = f"status {response.status}"
            tally.note(f"status_{response.status}", start_of(first_bytes))
        self._tell(step, (end_ns - sent_ns) / 1e6, response.bytes_received, fault)

    def _failed(self, step: CompiledStep, error: ExchangeFailedError, intended_ns: int) -> None:
        now_ns = time.monotonic_ns()
        _, naive_ns = step.tally.fail(error.outcome, intended_ns, error.sent_ns, now_ns, str(error))
        self._last_end_ns = max(self._last_end_ns, now_ns)
        kind = error.outcome.name.lower().replace("_", " ")
        self._tell(step, (naive_ns or 0) / 1e6, 0, f"{kind}: {error}")

    def _tell(self, step: CompiledStep, milliseconds: float, received: int, fault: str) -> None:
        self._on_request(EndedRequest(step.method, step.label, milliseconds, received, fault))

    # The end

    def _report(self, *, stopped: bool) -> dict[str, Any]:
        """The counts so far; requests under way are given up."""
        elapsed_s = max(time.monotonic_ns() - self._start_ns, 0) / _NS if self._start_ns else 0.0
        tallies = self._tallies.all()
        counts = self._counts
        ended_flows = counts["flows_completed"] + counts["flows_failed"]
        return {
            "part": self._share.part,
            "stopped": stopped,
            "started_s": self._started_s,
            "elapsed_s": (self._last_end_ns - self._start_ns) / _NS,
            "schedule_s": min(elapsed_s, self._scenario.schedule.seconds),
            "planned": self._planned,
            "cpu_s": time.process_time() - self._cpu_start_s,
            "lags_ns": self._lags_ns.tobytes(),
            "counts": {
                **counts,
                "flows_cancelled": counts["flows_started"] - ended_flows,
                "cancelled": sum(tally.sent - sum(tally.by_outcome) for tally in tallies),
            },
            "steps": list(map(_row, tallies)),
        }


def _arrivals(scenario: Scenario, share: Share) -> list[tuple[int, int]]:
    """When the flows of a share are due, in nanoseconds from the start, and which they are."""
    due = arrivals_ns(scenario)
    choices = flow_choices(scenario, len(due))
    own = slice(share.part, None, share.parts)
    return list(zip(due[own], choices[own], strict=True))


def _row(tally: StepTally) -> dict[str, Any]:
    return {
        "name": tally.name,
        "sent": tally.sent,
        "by_outcome": _whole(tally.by_outcome),
        "statuses": [list(pair) for pair in tally.statuses.items()],
        "bytes_received": tally.bytes_received,
        "timed_out_from_ns": tally.timed_out_from_ns,
        "examples": tally.examples,
        "latencies_ns": tally.latencies_ns.tobytes(),
        "naive_ns": tally.naive_ns.tobytes(),
        "naive_timed_out_ns": tally.naive_timed_out_ns.tobytes(),
    }


def _whole(numbers: Sequence[int]) -> list[int]:
    return list(map(int, numbers))

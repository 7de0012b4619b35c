"""Searches for the rate that a listener carries: the leader carries out step after step.

Theory of operation. People ask for a search in the store; the leader carries it out on a thread of
its own. Each step is a load run of a few seconds with a generator process, which is in no list of
runs: its result goes to `statistics.capacity_search`, which says what the next step is. The CPU
time of the server, of the dashboard's processes, of the generator and of the machine is read around
the schedule of each step, so that a step in which other programs took the processor is known. The
target's load and its accept queue are read while a step goes on: they say what limits.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psutil

from servescope import histogram
from servescope.actions.load_targets import load_targets
from servescope.errors import LoadRefusedError
from servescope.load.draining import await_drained
from servescope.load.generator_limits import (
    FULL_CORE,
    ConnectionUse,
    is_behind_schedule,
    is_latency_delayed,
)
from servescope.load.plan import check
from servescope.load.supervisor import GeneratorProcess
from servescope.queries.capacity import search_of
from servescope.records.capacity import QUANTILE
from servescope.records.load import RunState
from servescope.runtime.server_readings import LoadedServer, ServerReadings, accept_queue_share
from servescope.runtime.task_thread import TaskStoppedError, TaskThread
from servescope.statistics.capacity_limits import EdgeEvidence
from servescope.statistics.capacity_search import Outcome
from servescope.statistics.capacity_steps import Judgement, StepResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from servescope.control import Control
    from servescope.load.report import Result
    from servescope.records.capacity import CapacityPlan, SearchedCapacity
    from servescope.serving.model import Load
    from servescope.settings import Settings
    from servescope.statistics.capacity_search import CapacitySearch
    from servescope.statistics.capacity_steps import Step

POLL_S: Final = 0.05
POLLS_PER_QUERY: Final = 4
STOP_GRACE_S: Final = 2.0

EDGE_STEPS: Final = 3
"""Of how many steps above the edge the readings say what limits."""

_MS: Final = 1e3


@dataclass(frozen=True, slots=True)
class _MeasuredStep:
    """A step with the readings around its schedule."""

    result: StepResult
    evidence: EdgeEvidence


class CapacitySearchReconciler:
    """Carries out the store's searches, one at a time.

    `load` returns how busy a listener is, None where that is not known.
    """

    def __init__(
        self,
        control: Control,
        rings: Path,
        settings: Settings,
        load: Callable[[str], Load | None],
    ) -> None:
        self._control = control
        self._rings = rings
        self._settings = settings
        self._load = load
        self._generator: GeneratorProcess | None = None
        self._task = TaskThread(
            "search for a capacity", control.capacity_searches.active, self._carry_out, self._end
        )

    def abandon_orphans(self) -> None:
        """End what a former leader left; its generator ended with it."""
        self._task.abandon_orphan()

    def pids(self) -> list[int]:
        """Pid of the generator, while one runs."""
        generator = self._generator
        return [] if generator is None else [generator.pid]

    def reconcile(self) -> None:
        """Begin the search that is requested; called a few times a second."""
        self._task.reconcile()

    def stop(self) -> None:
        """End the search under way; its steps so far stay."""
        self._task.stop()

    def _carry_out(self, searched: SearchedCapacity) -> None:
        self._control.capacity_searches.begin(searched.id, time.time())
        with self._control.events.under_way(
            f"search {searched.id}: what {searched.plan.listener} carries"
        ):
            self._search(searched)

    def _end(self, searched: SearchedCapacity, state: RunState, message: str) -> None:
        self._control.capacity_searches.end(searched.id, state, time.time(), message)

    def _search(self, searched: SearchedCapacity) -> None:
        search, measured = search_of(searched.plan), list[_MeasuredStep]()
        while (step := search.next_step()) is not None:
            self._raise_if_stopped(searched.id)
            under_way = {"rate": step.rate, "seconds": step.seconds, "started_s": time.time()}
            self._control.capacity_searches.write_step(searched.id, under_way)
            done = self._carry_out_step(searched, step)
            search.add(done.result)
            measured.append(done)
            self._control.capacity_searches.write_steps(
                searched.id,
                [one.result.to_json() for one in measured],
                asdict(_at_edge(search, measured)),
            )

    def _carry_out_step(self, searched: SearchedCapacity, step: Step) -> _MeasuredStep:
        began = time.monotonic()
        plan = searched.plan
        self._await_drained(searched)
        load = plan.load_at(step.rate, step.seconds, step.seed)
        load = replace(load, scenario=replace(load.scenario, timeout_seconds=plan.timeout_s))
        settings = self._settings
        targets = load_targets(self._control, settings)
        target = check(load, targets, settings.load_max_rate, settings.load_max_seconds)
        server = LoadedServer.of_target(plan.listener, targets, target)
        generator = GeneratorProcess(0, load, target, self._rings, target.free_core)
        self._generator = generator
        try:
            readings = self._follow(searched, step, server, generator)
        finally:
            self._stop_generator(generator)
        if generator.result is None:
            raise LoadRefusedError(generator.message or "the load generator was ended")
        return _measured(plan, step, generator.result, readings, time.monotonic() - began)

    def _follow(
        self,
        searched: SearchedCapacity,
        step: Step,
        server: LoadedServer,
        generator: GeneratorProcess,
    ) -> _Readings:
        """Watch a step to its end."""
        alive = [one.pid for one in self._control.instances.alive(time.time())]
        readings = _Readings(server, generator.pid, alive)
        polls = 0
        while not generator.wait(POLL_S):
            polls += 1
            if polls % POLLS_PER_QUERY == 0:
                self._raise_if_stopped(searched.id)
            progress = generator.progress
            if progress is not None:
                load = self._load(server.name)
                readings.take(progress.elapsed_s, progress.in_flight, load, step.seconds)
        readings.of_server.finish()
        return readings

    def _await_drained(self, searched: SearchedCapacity) -> None:
        """Wait until the requests of the step before are answered, for a bounded time."""

        def wait(seconds: float) -> None:
            self._raise_if_stopped(searched.id)
            self._task.ending.wait(seconds)

        await_drained(partial(self._unfinished, searched.plan.listener), wait)

    def _unfinished(self, listener: str) -> int | None:
        load = self._load(listener)
        return None if load is None else load.active_requests

    def _stop_generator(self, generator: GeneratorProcess) -> None:
        generator.stop()
        if not generator.wait(STOP_GRACE_S):
            generator.kill()
            generator.wait(STOP_GRACE_S)
        self._generator = None

    def _raise_if_stopped(self, search_id: int) -> None:
        searched = self._control.capacity_searches.by_id(search_id)
        if self._task.ending.is_set() or searched is None or searched.state is RunState.STOPPING:
            raise TaskStoppedError


class _Readings:
    """Readings of the server and of the generator while a step goes on."""

    def __init__(
        self, server: LoadedServer, generator_pid: int, dashboard_pids: Sequence[int]
    ) -> None:
        self.of_server = ServerReadings(server, [generator_pid], dashboard_pids)
        self.in_flight: list[int] = []
        self._seen_s = -1.0

    def take(self, elapsed_s: float, in_flight: int, load: Load | None, seconds: float) -> None:
        """Note a poll; `elapsed_s` is of the generator's last report, one a second."""
        self.of_server.take(load, accept_queue_share(self.of_server.server.port), seconds)
        if elapsed_s != self._seen_s:
            self._seen_s = elapsed_s
            if elapsed_s > 0:
                self.in_flight.append(in_flight)


def _measured(
    plan: CapacityPlan, step: Step, result: Result, readings: _Readings, spent_s: float
) -> _MeasuredStep:
    """A step's result, from the generator's report and the readings beside it."""
    counts = np.array(result.histogram or [0] * histogram.BUCKETS)
    failed = sum(result.failed.values())
    server_errors = result.status_classes.get("5xx", 0)
    generator_cores = result.cpu_seconds / max(min(result.seconds, step.seconds), 1e-3)
    cores = readings.of_server.cores(generator_cores)
    cores_of_machine = psutil.cpu_count() or 1
    is_at_limit = _is_generator_at_limit(plan, step, result, generator_cores)
    # Without a latency a request is in no mean, but it was under way.
    counted = readings.in_flight if failed == result.failed.get("timed_out", 0) else []
    measured = StepResult(
        rate=step.rate,
        seconds=step.seconds,
        sent=result.sent,
        answered_in_schedule=result.answered_in_schedule,
        late=_late(counts, result, plan.latency_limit_s),
        failed=failed + server_errors,
        mean_latency_s=(result.latency_ms.mean or 0.0) / _MS,
        shortest_latency_s=_shortest_s(counts),
        quantile_s=None if result.latency_ms.p99 is None else result.latency_ms.p99 / _MS,
        elapsed_s=result.seconds,
        spent_s=spent_s,
        in_flight=float(np.mean(counted)) if counted else None,
        in_flight_error=float(np.std(counted)) / max(len(counted), 1) ** 0.5 if counted else 0.0,
        generator_limited=is_at_limit,
        disturbed=cores is not None and cores.is_disturbed(cores_of_machine),
        others_cores=None if cores is None else max(cores.others, 0.0),
    )
    evidence = readings.of_server.evidence(cores, generator_cores, is_late=is_at_limit)
    return _MeasuredStep(measured, evidence)


def _is_generator_at_limit(
    plan: CapacityPlan, step: Step, result: Result, cores_used: float
) -> bool:
    """Whether the step measured the generator: late, out of CPU, or out of connections."""
    lag_ms, p99_ms, naive_ms = result.lag_ms.p99, result.latency_ms.p99, result.naive_ms.p99
    return (
        is_latency_delayed(lag_ms, p99_ms, naive_ms, plan.latency_limit_s * _MS)
        or is_behind_schedule((lag_ms or 0.0) / _MS, step.seconds)
        or cores_used >= FULL_CORE
        or _lacked_connections(plan, step, result)
    )


def _lacked_connections(plan: CapacityPlan, step: Step, result: Result) -> bool:
    """Whether a server that keeps to the limit was sent less than the step asks for."""
    naive_p50_s = None if result.naive_ms.p50 is None else result.naive_ms.p50 / _MS
    used = ConnectionUse(result.sent, result.blocked or 0, result.connection_limit, naive_p50_s)
    return used.were_too_few(step.rate, plan.latency_limit_s, 1 - QUANTILE)


def _late(counts: np.ndarray[Any, Any], result: Result, limit_s: float) -> int:
    """How many were answered after the limit, or never.

    The histogram says how many, within the bucket of the limit by proportion; the exact percentile
    says on which side of the objective that is.
    """
    bucket = int(histogram.bucket_indexes([limit_s])[0])
    upper = histogram.EDGES[min(bucket, histogram.EDGES.size - 1)]
    within = np.log(upper / limit_s) / np.log(histogram.GROWTH)
    late = round(float(counts[bucket + 1 :].sum() + counts[bucket] * min(max(within, 0.0), 1.0)))
    allowed = int((1 - QUANTILE) * result.sent + 1e-9)
    p99_ms = result.latency_ms.p99
    if p99_ms is None:
        return result.sent
    return min(late, allowed) if p99_ms <= limit_s * _MS else max(late, allowed + 1)


def _shortest_s(counts: np.ndarray[Any, Any]) -> float:
    """The lower edge of the first bucket with a request in it."""
    first = int(np.argmax(counts > 0)) if counts.any() else 0
    return float(histogram.EDGES[first - 1]) if first else 0.0


def _at_edge(search: CapacitySearch, measured: list[_MeasuredStep]) -> EdgeEvidence:
    """The mean of the readings of the steps that broke at the lowest rates."""
    if search.result().outcome is Outcome.GENERATOR:
        late = [one.evidence for one in measured if one.result.generator_limited]
        return late[-1]
    broke = [one for one in measured if one.result.judge(search.objective) is Judgement.BROKE]
    lowest = sorted(broke, key=lambda one: one.result.rate)[:EDGE_STEPS]
    if not lowest:
        return EdgeEvidence()
    chosen = [one.evidence for one in lowest]
    return EdgeEvidence(
        process_cores=_mean([one.process_cores for one in chosen]),
        processes=max(one.processes for one in chosen),
        threads=chosen[0].threads,
        busy_threads=_mean([one.busy_threads for one in chosen]),
        machine_busy=_mean([one.machine_busy for one in chosen]),
        accept_queue=_mean([one.accept_queue for one in chosen]),
        in_app=_mean([one.in_app for one in chosen]),
        app_share=_mean([one.app_share for one in chosen]),
        generator_cpu=_mean([one.generator_cpu for one in chosen]),
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None

"""Comparisons: the same load on models, listeners, apps and hosts, one by one or at once.

Theory of operation. People ask for a comparison in the store; the leader carries it out on a thread
of its own. Each model gets a process (`serving.workers.contender`) with a listener for a while. A
server that runs already is taken as it is: a listener once it has answered its requests, an app
that records under another server, and a host that the operator named, whose unanswered requests are
not known. Each then gets a load run as anybody could start one, and readings while it goes on say
what limits it. The listeners of the models are in no settings and no overrides: they live in their
processes and end with them, at the latest when the leader does. The next leader marks as failed
what a dead one left.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Final

from servescope.actions.load_targets import load_targets
from servescope.errors import ListenerError, LoadRefusedError
from servescope.load.draining import await_drained
from servescope.load.targets import target_of
from servescope.records.listeners import ConcurrencyModel
from servescope.records.load import TERMINAL_STATES, RunState
from servescope.runtime.listener_config import temporary_listener
from servescope.runtime.run_series import run_series
from servescope.runtime.server_readings import LoadedServer, ServerReadings
from servescope.runtime.task_thread import TaskStoppedError, TaskThread
from servescope.sampling.process_tree import usage_of
from servescope.serving.workers.contender import ContenderProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from servescope.control import Control
    from servescope.records.comparisons import (
        ComparedTarget,
        Comparison,
        ComparisonPlan,
        Contender,
    )
    from servescope.records.listeners import ListenerSpec, ListenerStatus
    from servescope.records.load import LoadRun
    from servescope.sampling.process_tree import TreeUsage
    from servescope.serving.model import Load
    from servescope.settings import Settings
    from servescope.store.base import Store

UP_S: Final = 30.0
"""How long a contender may take to start: it imports the app."""

POLL_S: Final = 0.02
"""How often the accept queues are read; the store is asked every tenth time."""

WARM_UP_S: Final = 5.0
POLLS_PER_QUERY: Final = 10
GRACE_S: Final = 1.0
SEEN_LATE_S: Final = 0.4
"""How long it may take until the first report of a generator is known here: readings begin so late,
and must end with its schedule, after which the server may be idle."""

_US: Final = 1e3


class RunningContender:
    """A contender under way: its server, its load run, and the readings of both.

    `process` is that of a model's listener; None of what stands.
    """

    def __init__(
        self, position: int, server: LoadedServer, process: ContenderProcess | None = None
    ) -> None:
        self.position = position
        self.process = process
        self.server = server
        self.before: TreeUsage | None = None
        self.accept_queue_max: int | None = None
        self.run_id = 0
        self.readings: ServerReadings | None = None

    @property
    def has_own_process(self) -> bool:
        """Whether its CPU time and memory are its own, and not the dashboard's as well."""
        return bool(self.server.pids) and os.getpid() not in self.server.pids

    def usage(self) -> TreeUsage | None:
        """The usage of its processes; None where they are the dashboard's as well, or elsewhere."""
        return usage_of(*self.server.pids) if self.has_own_process else None

    def accept_queue(self) -> float | None:
        """How full its accept queue is now, as a share of the backlog; None where nobody tells."""
        if self.process is None:
            return self.server.accept_queue()
        depth = self.process.accept_queue()
        self.accept_queue_max = max(self.accept_queue_max or 0, depth)
        return depth / self.process.status().options.backlog


class ComparisonReconciler:
    """Reconciles the store's comparisons with their processes, one comparison at a time.

    `load` returns how busy a listener is, None where that is not known; `generators` the pids of
    those that send load.
    """

    def __init__(
        self,
        control: Control,
        store: Store,
        rings: Path,
        settings: Settings,
        load: Callable[[str], Load | None],
        generators: Callable[[], Collection[int]],
    ) -> None:
        self._control = control
        self._load = load
        self._generators = generators
        self._store = store
        self._rings = rings
        self._settings = settings
        self._running: list[RunningContender] = []  # replaced, never changed: other threads read it
        self._contenders: list[Contender] = []
        self._read_s = 0.0  # how long each of its runs is read
        self._task = TaskThread(
            "comparison", control.comparisons.active, self._carry_out, self._end
        )

    def abandon_orphans(self) -> None:
        """End what a former leader left; its processes ended with it."""
        left = self._control.comparisons.active()
        if left is not None and left.state is not RunState.REQUESTED:
            contenders = [
                one if one.state in TERMINAL_STATES else replace(one, state=RunState.FAILED)
                for one in left.contenders
            ]
            self._control.comparisons.write_contenders(left.id, contenders)
            self._control.comparisons.end(
                left.id, RunState.FAILED, time.time(), "The process that ran it ended."
            )

    def reconcile(self) -> None:
        """Begin the comparison that is requested; called a few times a second."""
        self._task.reconcile()

    def statuses(self) -> list[ListenerStatus]:
        """The listeners there are for the comparison under way."""
        return [one.process.status() for one in self._running if one.process is not None]

    def stop(self) -> None:
        """End the comparison under way; its measurements stay."""
        self._task.stop()

    def _carry_out(self, comparison: Comparison) -> None:
        plan, self._contenders = comparison.plan, list(comparison.contenders)
        positions = range(len(plan.targets))
        seconds = plan.scenario.schedule.seconds
        self._read_s = max(seconds - SEEN_LATE_S, seconds / 2)
        groups = [list(positions)] if plan.together else [[one] for one in positions]
        rate = plan.scenario.schedule.mean_rate or 0
        self._control.comparisons.begin(comparison.id, time.time())
        # One annotation of the whole: the host's graphs show its load as well.
        with self._control.events.under_way(f"comparison {comparison.id}: {rate:g}/s"):
            for group in groups:
                self._measure_together(comparison, group)
            self._add_series()
        if not any(one.state == RunState.DONE for one in self._contenders):
            raise ListenerError("Nothing could be measured.")

    def _end(self, comparison: Comparison, state: RunState, message: str) -> None:
        left = [
            one if one.state in TERMINAL_STATES else replace(one, state=RunState.STOPPED)
            for one in self._contenders
        ]
        self._control.comparisons.write_contenders(comparison.id, left)
        self._control.comparisons.end(comparison.id, state, time.time(), message)

    def _measure_together(self, comparison: Comparison, group: Sequence[int]) -> None:
        """Let these contenders take their load at the same time."""
        try:
            contenders = []
            for order, position in enumerate(group):
                contender = self._start_contender(comparison, position, order)
                if contender is not None:
                    contenders.append(contender)
                    self._running = list(contenders)
            self._await_listed(comparison.id, contenders)
            for contender in contenders:
                self._begin_run(comparison, contender)
            self._follow(comparison.id, contenders)
        finally:
            self._stop_running()

    def _start_contender(
        self, comparison: Comparison, position: int, order: int
    ) -> RunningContender | None:
        """A contender that serves; None when it cannot: its part of the row says why."""
        try:
            if comparison.plan.targets[position].model is None:
                return self._standing(comparison, position)
            return self._hosted(comparison, position, order)
        except (ListenerError, LoadRefusedError) as error:
            self._update_contender(
                comparison.id, position, state=RunState.FAILED, message=str(error)
            )
            return None

    def _standing(self, comparison: Comparison, position: int) -> RunningContender:
        """A server that runs already, once its requests are answered. Raises LoadRefusedError."""
        compared = comparison.plan.targets[position]
        name, targets = compared.label, load_targets(self._control, self._settings)
        target = target_of(comparison.plan.load_on(compared), targets)
        server = LoadedServer.of_target(name, targets, target)
        status = targets.listener(name)
        if status is None:
            is_app = not server.is_elsewhere
            self._update_contender(
                comparison.id, position, state="starting", is_recorded_app=is_app
            )
        else:
            self._write_hosting(comparison.id, position, status)

        def wait(seconds: float) -> None:
            self._raise_if_stopped(comparison.id)
            self._task.ending.wait(seconds)

        await_drained(partial(self._unfinished, name), wait)
        return RunningContender(position, server)

    def _unfinished(self, name: str) -> int | None:
        load = self._load(name)
        return None if load is None else load.active_requests

    def _hosted(self, comparison: Comparison, position: int, order: int) -> RunningContender:
        """A model with a listener of its own. Raises ListenerError when it does not start."""
        spec = self._spec(comparison.plan, comparison.plan.targets[position], order)
        process = ContenderProcess(spec, self._rings)
        try:
            self._write_hosting(comparison.id, position, process.status())
            self._await_ready(comparison.id, process)
        except BaseException:
            process.stop(0)
            raise
        return RunningContender(position, LoadedServer.of_listener(process.status()), process)

    def _write_hosting(self, comparison_id: int, position: int, status: ListenerStatus) -> None:
        """Write how a contender is hosted."""
        self._update_contender(
            comparison_id,
            position,
            state="starting",
            model=ConcurrencyModel(status.model),
            app=status.app,
            app_kind=status.app_kind,
            threads=status.options.threads,
            workers=status.options.workers,
        )

    def _await_ready(self, comparison_id: int, process: ContenderProcess) -> None:
        """Wait until it serves. Raises ListenerError when it does not."""
        give_up = time.monotonic() + UP_S
        while not process.is_up(POLL_S * POLLS_PER_QUERY):
            self._raise_if_stopped(comparison_id)
            if time.monotonic() > give_up:
                raise ListenerError(f"it did not start within {UP_S:.0f} s")

    def _spec(self, plan: ComparisonPlan, target: ComparedTarget, order: int) -> ListenerSpec:
        """The listener of a model. Raises ListenerError when the app cannot be hosted by it."""
        cores = sorted(os.sched_getaffinity(0))
        model = target.model or ConcurrencyModel.THREAD_POOL
        core = cores[order % len(cores)]
        return temporary_listener(self._settings, target.listener, model, plan.app_of(target), core)

    def _await_listed(self, comparison_id: int, contenders: Sequence[RunningContender]) -> None:
        """Wait until the store knows the models' listeners: a load run asks it where to send."""
        names = {one.server.name for one in contenders if one.process is not None}
        while not names <= {one.name for one in self._control.listeners.statuses()}:
            self._raise_if_stopped(comparison_id)
            self._task.ending.wait(POLL_S)

    def _begin_run(self, comparison: Comparison, contender: RunningContender) -> None:
        plan = comparison.plan.load_on(comparison.plan.targets[contender.position], comparison.id)
        if contender.process is not None:
            _warm_up(contender.process.address, plan.target)
        contender.before = contender.usage()
        contender.run_id = self._control.load_runs.request(plan, time.time()).id
        self._update_contender(
            comparison.id, contender.position, state=RunState.RUNNING, run_id=contender.run_id
        )

    def _follow(self, comparison_id: int, contenders: Sequence[RunningContender]) -> None:
        """Watch the runs to their ends."""
        going, polls = list(contenders), 0
        while going:
            for contender in going:
                is_cheap = contender.process is not None
                if is_cheap or polls % POLLS_PER_QUERY == 0:
                    self._take_readings(contender)
            self._task.ending.wait(POLL_S)
            polls += 1
            if polls % POLLS_PER_QUERY:
                continue
            self._raise_if_stopped(comparison_id, going)
            for contender in list(going):
                run = self._control.load_runs.by_id(contender.run_id)
                if run is None or run.state in TERMINAL_STATES:
                    going.remove(contender)
                    self._write_result(comparison_id, contender, run)
                elif contender.readings is None and run.progress:
                    contender.readings = self._readings(contender.server)

    def _readings(self, server: LoadedServer) -> ServerReadings:
        alive = [one.pid for one in self._control.instances.alive(time.time())]
        return ServerReadings(server, self._generators(), alive)

    def _take_readings(self, contender: RunningContender) -> None:
        """Read a contender now; the first reading is taken when its generator has begun to send."""
        accept_queue = contender.accept_queue()
        if contender.readings is None:
            return
        process = contender.process
        load = self._load(contender.server.name) if process is None else process.load
        contender.readings.take(load, accept_queue, self._read_s)

    def _write_result(
        self, comparison_id: int, contender: RunningContender, run: LoadRun | None
    ) -> None:
        """Write down what was measured of a contender whose run is over."""
        result = run.result if run is not None else {}
        answered = int(result.get("answered") or 0)
        after, cost = contender.usage(), None
        if answered and after is not None and contender.before is not None:
            cost = (after.cpu_ns - contender.before.cpu_ns) / _US / answered
        self._update_contender(
            comparison_id,
            contender.position,
            state=run.state if run is not None else RunState.FAILED,
            message=run.message if run is not None else "",
            result=result,
            cpu_us_per_request=cost,
            memory_bytes=None if after is None else after.memory_bytes,
            processes=None if after is None else after.processes,
            all_threads=None if after is None else after.threads,
            accept_queue_max=contender.accept_queue_max,
            readings=_evidence(contender.readings, result),
        )
        if run is not None and run.state is RunState.STOPPED:
            raise TaskStoppedError

    def _add_series(self) -> None:
        """Add to each contender its latency second by second."""
        runs = {
            one.run_id: self._control.load_runs.by_id(one.run_id)
            for one in self._contenders
            if one.run_id
        }
        for position, one in enumerate(self._contenders):
            run = runs.get(one.run_id)
            if run is not None and run.state is RunState.DONE:
                self._contenders[position] = replace(one, series=run_series(self._store, run))

    def _raise_if_stopped(
        self, comparison_id: int, contenders: Sequence[RunningContender] = ()
    ) -> None:
        """Raise TaskStoppedError when it is to end; its runs are stopped before."""
        comparison = self._control.comparisons.by_id(comparison_id)
        goes_on = comparison is not None and comparison.state is not RunState.STOPPING
        if goes_on and not self._task.ending.is_set():
            return
        for contender in contenders:
            self._control.load_runs.request_stop(contender.run_id)
        raise TaskStoppedError

    def _stop_running(self) -> None:
        running, self._running = self._running, []
        for process in [one.process for one in running if one.process is not None]:
            process.stop(0 if self._task.ending.is_set() else GRACE_S)

    def _update_contender(self, comparison_id: int, position: int, **changes: object) -> None:
        self._contenders[position] = replace(self._contenders[position], **changes)  # type: ignore[arg-type]
        self._control.comparisons.write_contenders(comparison_id, self._contenders)


def _evidence(readings: ServerReadings | None, result: Mapping[str, Any]) -> dict[str, Any]:
    """The evidence for the limit of a contender, as JSON; nothing where nothing was read.

    Whether the generator was late is judged from the run's result (`findings.load_run`).
    """
    schedule_s = float(result.get("schedule_seconds") or 0.0)
    if readings is None or not schedule_s:
        return {}
    readings.finish()
    generator = float(result.get("cpu_seconds") or 0.0) / schedule_s
    cores = readings.cores(generator)
    return asdict(readings.evidence(cores, generator, is_late=False))


def _warm_up(address: tuple[str, int], target: str) -> None:
    """One request before the load: the work of an app at its first one is no cost of a request."""
    connection = HTTPConnection(*address, timeout=WARM_UP_S)
    with suppress(OSError, HTTPException):
        connection.request("GET", target, headers={"Connection": "close"})
        connection.getresponse().read()
    connection.close()

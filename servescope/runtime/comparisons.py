"""Comparisons: the same load on several concurrency models, one listener for each, for a while.

Theory of operation. People ask for a comparison in the store; the leader carries it out on a thread
of its own. Each model gets a process (`serving.workers.contender`) whose listener is on the pages
like any other, and a load run as anybody could start one. The listeners are in no settings and no
overrides: they live in their processes and end with them, at the latest when the leader does. The
next leader marks as failed what a dead one left.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Final

from servescope.actions.hostable_apps import why_not_hostable
from servescope.errors import ListenerError
from servescope.hosting.app_import import import_app, kind_of
from servescope.records.comparisons import NAME, Contender
from servescope.records.dashboard import Event, EventKind
from servescope.records.listeners import (
    AppKind,
    ConcurrencyModel,
    ListenerSpec,
)
from servescope.records.load import TERMINAL_STATES, RunState
from servescope.runtime.listener_config import common_options
from servescope.runtime.run_series import run_series
from servescope.runtime.task_thread import TaskStoppedError, TaskThread
from servescope.sampling.process_tree import usage_of
from servescope.serving.workers.contender import ContenderProcess
from servescope.settings import names_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from servescope.control import Control
    from servescope.records.comparisons import Comparison, ComparisonPlan
    from servescope.records.listeners import ListenerStatus
    from servescope.records.load import LoadRun
    from servescope.sampling.process_tree import TreeUsage
    from servescope.settings import Settings
    from servescope.store.base import Store

UP_S: Final = 30.0
"""How long a contender may take to start: it imports the app."""

POLL_S: Final = 0.02
"""How often the accept queues are read; the store is asked every tenth time."""

WARM_UP_S: Final = 5.0
POLLS_PER_QUERY: Final = 10
GRACE_S: Final = 1.0
_LOOPBACK: Final = "127.0.0.1"
_US: Final = 1e3


class RunningContender:
    """A contender under way: its process, its load run, and the readings of both."""

    def __init__(self, position: int, process: ContenderProcess, status: ListenerStatus) -> None:
        self.position = position
        self.process = process
        self.status = status
        self.before: TreeUsage | None = None
        self.accept_queue_max = 0
        self.run_id = 0
        self.run: LoadRun | None = None


class ComparisonReconciler:
    """Reconciles the store's comparisons with their processes, one comparison at a time."""

    def __init__(self, control: Control, store: Store, rings: Path, settings: Settings) -> None:
        self._control = control
        self._store = store
        self._rings = rings
        self._settings = settings
        self._running: list[RunningContender] = []  # replaced, never changed: other threads read it
        self._contenders: list[Contender] = []
        self._event_id: int | None = None  # of the annotation of the comparison under way
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
        return [contender.status for contender in self._running]

    def stop(self) -> None:
        """End the comparison under way; what it had measured stays."""
        self._task.stop()

    def _carry_out(self, comparison: Comparison) -> None:
        plan, self._contenders = comparison.plan, list(comparison.contenders)
        positions = range(len(plan.models))
        now = time.time()
        try:
            self._control.comparisons.begin(comparison.id, now)
            # One annotation of the whole: the host's graphs show its load as well.
            text = f"comparison {comparison.id}: {plan.rate:g}/s"
            self._event_id = self._control.events.add(Event(EventKind.LOAD_RUN, now, text))
            groups = [list(positions)] if plan.together else [[one] for one in positions]
            for group in groups:
                self._measure_together(comparison, group)
            self._add_series()
        finally:
            self._stop_running()
        if not any(one.state == RunState.DONE for one in self._contenders):
            raise ListenerError("No model could be measured.")

    def _end(self, comparison: Comparison, state: RunState, message: str) -> None:
        left = [
            one if one.state in TERMINAL_STATES else replace(one, state=RunState.STOPPED)
            for one in self._contenders
        ]
        self._control.comparisons.write_contenders(comparison.id, left)
        self._control.comparisons.end(comparison.id, state, time.time(), message)
        if self._event_id is not None:
            self._control.events.end(self._event_id, time.time())
            self._event_id = None

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
        """Start a contender's process; None when it cannot be: its part of the row says why."""
        plan, model = comparison.plan, comparison.plan.models[position]
        try:
            spec = self._spec(plan, model, order)
            options = spec.options
            self._update_contender(
                comparison.id,
                position,
                state="starting",
                app_kind=spec.app_kind,
                threads=options.threads,
                workers=options.workers,
            )
            process = ContenderProcess(spec, self._rings)
        except ListenerError as error:
            self._update_contender(
                comparison.id, position, state=RunState.FAILED, message=str(error)
            )
            return None
        try:
            self._await_ready(comparison.id, process)
        except ListenerError as error:
            process.stop(0)
            self._update_contender(
                comparison.id, position, state=RunState.FAILED, message=str(error)
            )
            return None
        except BaseException:
            process.stop(0)
            raise
        return RunningContender(position, process, process.status())

    def _await_ready(self, comparison_id: int, process: ContenderProcess) -> None:
        """Wait until it serves. Raises ListenerError when it does not."""
        give_up = time.monotonic() + UP_S
        while not process.is_up(POLL_S * POLLS_PER_QUERY):
            self._raise_if_stopped(comparison_id)
            if time.monotonic() > give_up:
                raise ListenerError(f"it did not start within {UP_S:.0f} s")

    def _spec(self, plan: ComparisonPlan, model: ConcurrencyModel, order: int) -> ListenerSpec:
        """The listener of a model. Raises ListenerError when the app cannot be hosted by it."""
        app = plan.app_of(model)
        why_not = why_not_hostable(self._settings, app)
        if why_not:
            raise ListenerError(why_not)
        kind = AppKind.STATIC if names_folder(app) else kind_of(import_app(app))
        cores = sorted(os.sched_getaffinity(0))
        name = NAME.format(model)
        options = common_options(self._settings, name, cores[order % len(cores)])
        options = replace(options, deny=(), allow=(), access_log="")  # loopback, and only us
        return ListenerSpec(name, _LOOPBACK, 0, model, kind, app, options=options)

    def _await_listed(self, comparison_id: int, contenders: Sequence[RunningContender]) -> None:
        """Wait until the store knows the listeners: a load run asks it where to send."""
        names = {contender.status.name for contender in contenders}
        while not names <= {one.name for one in self._control.listeners.statuses()}:
            self._raise_if_stopped(comparison_id)
            self._task.ending.wait(POLL_S)

    def _begin_run(self, comparison: Comparison, contender: RunningContender) -> None:
        model = comparison.plan.models[contender.position]
        _warm_up(contender.process.address, comparison.plan.target)
        contender.before = usage_of(contender.process.pid)
        plan = comparison.plan.load_on(model, comparison.id)
        contender.run_id = self._control.load_runs.request(plan, time.time()).id
        self._update_contender(
            comparison.id, contender.position, state=RunState.RUNNING, run_id=contender.run_id
        )

    def _follow(self, comparison_id: int, contenders: Sequence[RunningContender]) -> None:
        """Watch the runs to their ends."""
        going, polls = list(contenders), 0
        while going:
            for contender in going:
                contender.accept_queue_max = max(
                    contender.accept_queue_max, contender.process.accept_queue()
                )
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

    def _write_result(
        self, comparison_id: int, contender: RunningContender, run: LoadRun | None
    ) -> None:
        """Write down what was measured of a contender whose run is over."""
        contender.run = run
        result = run.result if run is not None else {}
        figures = {name: value for name, value in result.items() if name != "histogram"}
        answered = int(result.get("answered") or 0)
        after, cost = usage_of(contender.process.pid), None
        if answered and contender.before is not None:
            cost = (after.cpu_ns - contender.before.cpu_ns) / _US / answered
        self._update_contender(
            comparison_id,
            contender.position,
            state=run.state if run is not None else RunState.FAILED,
            message=run.message if run is not None else "",
            result=figures,
            cpu_us_per_request=cost,
            memory_bytes=after.memory_bytes,
            processes=after.processes,
            all_threads=after.threads,
            accept_queue_max=contender.accept_queue_max,
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
        for contender in running:
            contender.process.stop(0 if self._task.ending.is_set() else GRACE_S)

    def _update_contender(self, comparison_id: int, position: int, **changes: object) -> None:
        self._contenders[position] = replace(self._contenders[position], **changes)  # type: ignore[arg-type]
        self._control.comparisons.write_contenders(comparison_id, self._contenders)


def _warm_up(address: tuple[str, int], target: str) -> None:
    """One request before the load: what an app does at its first one is no cost of a request."""
    connection = HTTPConnection(*address, timeout=WARM_UP_S)
    with suppress(OSError, HTTPException):
        connection.request("GET", target, headers={"Connection": "close"})
        connection.getresponse().read()
    connection.close()

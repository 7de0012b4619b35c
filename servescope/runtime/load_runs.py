"""Load runs: reconciles those of the store with generator processes, and writes the results."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from servescope.actions.load_targets import load_targets
from servescope.addresses import host_and_port
from servescope.errors import LoadRefusedError
from servescope.figures.run_texts import offered_text
from servescope.load.plan import check
from servescope.load.supervisor import GeneratorProcess
from servescope.load.targets import destination
from servescope.records.dashboard import Event, EventKind
from servescope.records.listeners import ListenerState
from servescope.records.load import TERMINAL_STATES, RunState
from servescope.sampling.run_environment import read_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from servescope.control import Control
    from servescope.load.report import Progress
    from servescope.load.targets import Target, Targets
    from servescope.records.load import LoadPlan, LoadRun
    from servescope.records.run_environment import RunEnvironment
    from servescope.settings import Settings

logger = logging.getLogger(__name__)

STOP_GRACE_S: Final = 2.0


@dataclass(slots=True)
class _ActiveRun:
    """A run under way."""

    generator: GeneratorProcess
    event_id: int | None  # None: a comparison's, which has an annotation of its own
    listener: str
    destination: tuple[str, int]
    unfinished_at_start: int | None
    written: Progress | None = None
    moved: str = ""  # why the run ends although nobody stopped it


class LoadRunReconciler:
    """Reconciles the store's load runs with generator processes, one a run.

    The store lets one run go on at a time, or those of one comparison. `unfinished` tells how many
    requests a listener has taken and not answered, None where that is not known: a run that begins
    among the requests of an earlier one measures these too.
    """

    def __init__(
        self,
        control: Control,
        rings: Path,
        settings: Settings,
        unfinished: Callable[[str], int | None],
    ) -> None:
        self._control = control
        self._unfinished = unfinished
        self._rings = rings
        self._settings = settings
        self._active: dict[int, _ActiveRun] = {}

    def abandon_orphans(self) -> None:
        """End what a former leader left running: its generator died with it."""
        for run in self._control.load_runs.all_active():
            if run.state is not RunState.REQUESTED or run.plan.comparison:
                self._control.load_runs.update(
                    run.id,
                    state=RunState.FAILED,
                    ended_s=time.time(),
                    message="the process that ran it ended; its measurements are in the graphs",
                )
        for event in self._control.events.between(0, int(time.time()) + 1):
            if event.kind is EventKind.LOAD_RUN and event.end_s is None:
                self._control.events.end(event.id, time.time())

    def pids(self) -> list[int]:
        """Pids of the generators that run."""
        return [active_run.generator.pid for active_run in list(self._active.values())]

    def reconcile(self) -> None:
        """Start what is requested, report progress, pass on a stop, write the result."""
        active = {run.id: run for run in self._control.load_runs.all_active()}
        new = [run for run in active.values() if run.id not in self._active]
        for run_id, active_run in list(self._active.items()):
            if run_id in active and active[run_id].state is RunState.STOPPING:
                active_run.generator.stop()
            self._end_if_moved(active_run)
            self._report(active_run)
        for run in new:
            if run.state is RunState.REQUESTED:
                self._start(run)
            else:
                self._finish(run.id, RunState.STOPPED, "stopped before it began")

    def _start(self, run: LoadRun) -> None:
        plan, settings = run.plan, self._settings
        targets = load_targets(self._control, settings)  # those of other processes too
        try:
            target = check(plan, targets, settings.load_max_rate, settings.load_max_seconds)
            # A comparison tells of its servers itself, and lets them wait for nothing.
            environment = None if plan.comparison else _environment(plan, targets, target)
            unfinished = self._unfinished(plan.listener) if plan.listener else None
            generator = GeneratorProcess(run.id, plan, target, self._rings, target.free_core)
        except (LoadRefusedError, OSError) as error:
            self._finish(run.id, RunState.FAILED, str(error))
            return
        now = time.time()
        try:
            self._control.load_runs.update(
                run.id, state=RunState.RUNNING, started_s=now, environment=environment
            )
        except BaseException:  # the run is still asked for: the next round would start another
            generator.kill()
            raise
        place = target.address, target.port
        active_run = _ActiveRun(generator, None, plan.listener, place, unfinished)
        self._active[run.id] = active_run
        # Short: it stands on each graph.
        text = f"run {run.id}: {offered_text(plan.scenario)} on {plan.destination}"
        if not plan.comparison:
            active_run.event_id = self._control.events.add(Event(EventKind.LOAD_RUN, now, text))
        logger.info("load run %d started: %s to %s", run.id, text, host_and_port(*place))

    def _end_if_moved(self, active_run: _ActiveRun) -> None:
        """End a run whose listener is at another address by now: there is nothing left to load."""
        if active_run.moved:
            return
        for status in self._control.listeners.statuses():
            is_same = status.name == active_run.listener and status.state is ListenerState.RUNNING
            if is_same and destination(status) != active_run.destination:
                address, port = destination(status)
                active_run.moved = (
                    f"listener {status.name} moved to {host_and_port(address, port)} while the run "
                    "loaded its former address"
                )
                active_run.generator.stop()

    def _report(self, active_run: _ActiveRun) -> None:
        generator, progress = active_run.generator, active_run.generator.progress
        if progress is not None and progress is not active_run.written:
            self._control.load_runs.update(generator.run_id, progress=progress.to_json())
            active_run.written = progress
        if generator.state not in TERMINAL_STATES:
            return
        result = None
        if generator.result is not None:
            result = generator.result.to_json()
            result["unfinished_at_start"] = active_run.unfinished_at_start
        state = RunState.FAILED if active_run.moved else generator.state
        self._finish(generator.run_id, state, active_run.moved or generator.message, result)
        if active_run.event_id is not None:
            self._control.events.end(active_run.event_id, time.time())
        del self._active[generator.run_id]

    def _finish(
        self, run_id: int, state: RunState, message: str, result: dict[str, Any] | None = None
    ) -> None:
        """Write all that is known of the end at once: a page has the result or the progress."""
        self._control.load_runs.update(
            run_id, state=state, ended_s=time.time(), message=message, result=result
        )
        logger.info("load run %d is %s%s", run_id, state, f": {message}" if message else "")

    def stop(self) -> None:
        """Stop the runs under way and write what they had measured."""
        for active_run in list(self._active.values()):
            active_run.generator.stop()
        for active_run in list(self._active.values()):
            if not active_run.generator.wait(STOP_GRACE_S):
                active_run.generator.kill()
                active_run.generator.wait(STOP_GRACE_S)
        for active_run in list(self._active.values()):
            self._report(active_run)


def _environment(plan: LoadPlan, targets: Targets, target: Target) -> RunEnvironment:
    """Where a run takes place; of an app under another server the port is what is known."""
    environment = read_environment(targets.listener(plan.listener))
    if targets.app(plan.listener) is None:
        return environment
    return replace(environment, port=target.port)

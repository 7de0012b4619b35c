"""Load runs: people ask for them in the store, the leader runs one at a time and reports back."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from servescope.errors import LoadRefusedError
from servescope.load.plan import check, destination, trust
from servescope.load.supervisor import GeneratorProcess
from servescope.records import Event, EventKind, RunState

if TYPE_CHECKING:
    from pathlib import Path

    from servescope.load.report import Progress
    from servescope.records import LoadRun
    from servescope.settings import Settings
    from servescope.store.control import Control

STOP_GRACE_S: Final = 2.0
FINAL: Final = frozenset({RunState.DONE, RunState.STOPPED, RunState.FAILED})


class LoadRuns:
    """Holds the store's load runs against the generator process, one run at a time."""

    def __init__(self, control: Control, rings: Path, settings: Settings) -> None:
        self._control = control
        self._rings = rings
        self._settings = settings
        self._generator: GeneratorProcess | None = None
        self._event_id = 0
        self._told: Progress | None = None

    def abandon_orphans(self) -> None:
        """End what a former leader left running: its generator died with it."""
        run = self._control.active_run()
        if run is not None and run.state is not RunState.REQUESTED:
            self._control.update_run(
                run.id,
                state=RunState.FAILED,
                ended_s=time.time(),
                message="the process that ran it ended; what it had measured is in the graphs",
            )
        for event in self._control.events(0, int(time.time()) + 1):
            if event.kind is EventKind.LOAD_RUN and event.end_s is None:
                self._control.end_event(event.id, time.time())

    def pids(self) -> list[int]:
        """Pid of the generator, if one runs."""
        return [self._generator.pid] if self._generator else []

    def reconcile(self) -> None:
        """Start what is requested, report progress, pass on a stop, write the result."""
        run = self._control.active_run()
        if self._generator is not None:
            if run is not None and run.state is RunState.STOPPING:
                self._generator.stop()
            self._report(self._generator)
        elif run is not None and run.state is RunState.REQUESTED:
            self._start(run)
        elif run is not None:
            self._finish(run.id, RunState.STOPPED, "stopped before it began")

    def _start(self, run: LoadRun) -> None:
        plan = run.plan
        statuses = self._control.listeners()  # those of other processes too
        try:
            check(plan, statuses, self._settings.load_max_rate, self._settings.load_max_seconds)
            target = next(status for status in statuses if status.name == plan.listener)
            address, port = destination(target)
            self._generator = GeneratorProcess(
                run.id,
                plan,
                address,
                port,
                self._rings,
                _free_core(target.options.pin_core),
                trust(target),
            )
        except (LoadRefusedError, OSError) as error:
            self._finish(run.id, RunState.FAILED, str(error))
            return
        now = time.time()
        self._control.update_run(run.id, state=RunState.RUNNING, started_s=now)
        text = f"run {run.id}: {plan.rate:g}/s on {plan.listener}"  # short: it stands on each graph
        self._event_id = self._control.add_event(Event(EventKind.LOAD_RUN, now, text))

    def _report(self, generator: GeneratorProcess) -> None:
        progress = generator.progress
        if progress is not None and progress is not self._told:
            self._control.update_run(generator.run_id, progress=progress.to_json())
            self._told = progress
        if generator.state not in FINAL:
            return
        if generator.result is not None:
            self._control.update_run(generator.run_id, result=generator.result.to_json())
        self._finish(generator.run_id, generator.state, generator.message)
        self._control.end_event(self._event_id, time.time())
        self._generator = None

    def _finish(self, run_id: int, state: RunState, message: str) -> None:
        self._control.update_run(run_id, state=state, ended_s=time.time(), message=message)

    def stop(self) -> None:
        """Stop the run under way and write what it had measured."""
        if self._generator is None:
            return
        self._generator.stop()
        if not self._generator.wait(STOP_GRACE_S):
            self._generator.kill()
            self._generator.wait(STOP_GRACE_S)
        self._report(self._generator)


def _free_core(taken: int | None) -> int | None:
    """A core for the generator other than the target's, so that it measures, not competes."""
    others = [core for core in sorted(os.sched_getaffinity(0)) if core != taken]
    return others[-1] if taken is not None and others else None

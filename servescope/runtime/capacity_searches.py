"""Searches for the rate that a server carries: the leader carries out step after step.

Theory of operation. People ask for a search in the store; the leader carries it out on a thread of
its own. Each step is a load run of a few seconds with a generator process, which is in no list of
runs: its result goes to `statistics.capacity_search`, which says what the next step is. The CPU
time of the server, of the dashboard's processes, of the generator and of the machine is read around
the schedule of each step, so that a step in which other programs took the processor is known. The
target's load and its accept queue are read while a step goes on: they say what limits. Of a host
that the operator named neither is known, and the next step does not wait for what is in it.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from servescope.actions.load_targets import load_targets
from servescope.errors import LoadRefusedError
from servescope.load.draining import await_drained
from servescope.load.plan import check
from servescope.load.supervisor import GeneratorProcess
from servescope.queries.capacity import search_of
from servescope.records.load import RunState
from servescope.runtime.measured_steps import MeasuredStep, StepReadings, at_edge, measured_step
from servescope.runtime.server_readings import LoadedServer
from servescope.runtime.task_thread import TaskStoppedError, TaskThread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from servescope.control import Control
    from servescope.records.capacity import SearchedCapacity
    from servescope.serving.model import Load
    from servescope.settings import Settings
    from servescope.statistics.capacity_steps import Step

POLL_S: Final = 0.05
POLLS_PER_QUERY: Final = 4
STOP_GRACE_S: Final = 2.0


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
            f"search {searched.id}: what {searched.plan.destination} carries"
        ):
            self._search(searched)

    def _end(self, searched: SearchedCapacity, state: RunState, message: str) -> None:
        self._control.capacity_searches.end(searched.id, state, time.time(), message)

    def _search(self, searched: SearchedCapacity) -> None:
        search, measured = search_of(searched.plan), list[MeasuredStep]()
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
                asdict(at_edge(search, measured)),
            )

    def _carry_out_step(self, searched: SearchedCapacity, step: Step) -> MeasuredStep:
        began = time.monotonic()
        plan = searched.plan
        self._await_drained(searched)
        load = plan.load_at(step.rate, step.seconds, step.seed)
        load = replace(load, scenario=replace(load.scenario, timeout_seconds=plan.timeout_s))
        settings = self._settings
        targets = load_targets(self._control, settings)
        target = check(load, targets, settings.load_max_rate, settings.load_max_seconds)
        server = LoadedServer.of_target(plan.destination, targets, target)
        generator = GeneratorProcess(0, load, target, self._rings, target.free_core)
        self._generator = generator
        try:
            readings = self._follow(searched, step, server, generator)
        finally:
            self._stop_generator(generator)
        if generator.result is None:
            raise LoadRefusedError(generator.message or "the load generator was ended")
        return measured_step(plan, step, generator.result, readings, time.monotonic() - began)

    def _follow(
        self,
        searched: SearchedCapacity,
        step: Step,
        server: LoadedServer,
        generator: GeneratorProcess,
    ) -> StepReadings:
        """Watch a step to its end."""
        alive = [one.pid for one in self._control.instances.alive(time.time())]
        readings = StepReadings(server, generator.pid, alive)
        polls = 0
        while not generator.wait(POLL_S):
            polls += 1
            if polls % POLLS_PER_QUERY == 0:
                self._raise_if_stopped(searched.id)
            if generator.progress is not None:
                readings.take(self._load(server.name), step.seconds)
        readings.of_server.finish()
        return readings

    def _await_drained(self, searched: SearchedCapacity) -> None:
        """Wait until the requests of the step before are answered, for a bounded time."""

        def wait(seconds: float) -> None:
            self._raise_if_stopped(searched.id)
            self._task.ending.wait(seconds)

        await_drained(partial(self._unfinished, searched.plan.destination), wait)

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

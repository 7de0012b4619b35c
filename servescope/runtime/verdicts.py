"""Verdicts between two sides, servers or models: the leader carries out pair after pair.

Theory of operation. People ask for a verdict in the store; the leader carries it out on a thread of
its own, by the same `verdicts.comparing` as the command line. The runs are in no list of runs and
in no metric of load. A model gets a new process for each pair, which records into a folder of its
own: nothing of it is on the pages. A listener that stands is the same in all pairs, and a run
begins when it has answered what the one before left in it. The stages of its run are those that the
store has of it in the seconds of that run, whoever else asked it meanwhile. Of a host that the
operator named neither its stages nor its unanswered requests are known.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from servescope import catalog
from servescope.actions.load_targets import load_targets
from servescope.load.plan import check
from servescope.load.targets import core_beside
from servescope.queries.measured_stages import MAYBE_UNMEASURED
from servescope.records.listeners import ConcurrencyModel
from servescope.records.load import RunState
from servescope.records.requests import Stage
from servescope.records.server_kinds import ServerKind
from servescope.runtime.listener_config import temporary_listener
from servescope.runtime.run_series import await_second
from servescope.runtime.task_thread import TaskStoppedError, TaskThread
from servescope.statistics.sequential_verdict import JUDGED, SequentialVerdict, Side, told_by
from servescope.store.query import Query
from servescope.verdicts.comparing import PairedComparison
from servescope.verdicts.sides import AppToHost, Destination, Sides
from servescope.verdicts.wording import exit_status, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.control import Control
    from servescope.load.targets import Target
    from servescope.records.verdicts import JudgedSide, RequestedVerdict, VerdictPlan
    from servescope.settings import Settings
    from servescope.store.base import Store

ASKED_S: Final = 0.2
"""How often the store is asked whether a person has stopped it."""

_MS: Final = 1e3
_STAGES: Final = tuple(stage.name.lower() for stage in Stage)


class VerdictReconciler:
    """Carries out the store's verdicts, one at a time.

    `unfinished` returns how many requests a listener has taken and not answered, None where that is
    not known.
    """

    def __init__(
        self,
        control: Control,
        store: Store,
        settings: Settings,
        unfinished: Callable[[str], int | None],
    ) -> None:
        self._control = control
        self._unfinished = unfinished
        self._store = store
        self._settings = settings
        self._generator_pid: int | None = None
        self._asked_s = 0.0  # time.monotonic()
        self._task = TaskThread("verdict", control.verdicts.active, self._carry_out, self._end)

    def abandon_orphans(self) -> None:
        """End what a former leader left."""
        self._task.abandon_orphan()

    def pids(self) -> list[int]:
        """Pid of the generator, while one runs."""
        pid = self._generator_pid
        return [] if pid is None else [pid]

    def reconcile(self) -> None:
        """Begin the verdict that is requested; called a few times a second."""
        self._task.reconcile()

    def stop(self) -> None:
        """End the verdict under way; its pairs so far stay."""
        self._task.stop()

    def _carry_out(self, asked: RequestedVerdict) -> None:
        self._control.verdicts.begin(asked.id, time.time())
        text = f"verdict {asked.id}: {asked.plan.before.label} and {asked.plan.after.label}"
        try:
            with self._control.events.under_way(text):
                self._measure(asked)
        finally:
            self._generator_pid = None

    def _end(self, asked: RequestedVerdict, state: RunState, message: str) -> None:
        self._control.verdicts.end(asked.id, state, time.time(), message)

    def _measure(self, asked: RequestedVerdict) -> None:
        plan = asked.plan
        sides = {Side.BEFORE: plan.before, Side.AFTER: plan.after}
        targets = {
            side: self._target(plan, one) for side, one in sides.items() if one.model is None
        }
        # Models are served on one core, that of a listener beside them: one has load at a time.
        # Where that listener is pinned to none, neither are they.
        here = [one.pinned_core for side, one in targets.items() if sides[side].host is None]
        has_models = len(targets) < len(sides)
        cores = here or (self._cores() if has_models else [None])
        found: dict[Side, Destination | AppToHost] = {
            side: self._destination(side, one, targets[side])
            if side in targets
            else self._app(one, cores[0])
            for side, one in sides.items()
        }
        requests = (plan.scenario.schedule.mean_rate or 0) * plan.scenario.schedule.seconds
        comparison = PairedComparison(
            Sides(found, partial(self._wait, asked.id)),
            plan.scenario,
            SequentialVerdict(plan.tolerance, JUDGED, told_by(requests), plan.most_pairs),
            core_beside(cores[0]),
            partial(self._follow, asked.id),
        )
        comparison.check()
        for _ in comparison.pairs():
            self._write(asked.id, comparison)
            self._raise_if_stopped(asked.id)
        self._write(asked.id, comparison)

    def _cores(self) -> list[int | None]:
        return [min(os.sched_getaffinity(0)) if self._settings.pin_cpu else None]

    def _wait(self, verdict_id: int, seconds: float) -> None:
        self._raise_if_stopped(verdict_id)
        self._task.ending.wait(seconds)

    def _write(self, verdict_id: int, comparison: PairedComparison) -> None:
        outcome = comparison.outcome()
        histograms = {str(side): counts for side, counts in comparison.histograms().items()}
        result = to_json(outcome, exit_status(outcome)) | {"histograms": histograms}
        self._control.verdicts.write_result(verdict_id, result)

    def _target(self, plan: VerdictPlan, side: JudgedSide) -> Target:
        settings = self._settings
        targets = load_targets(self._control, settings)
        load = plan.load_on(side)
        return check(load, targets, settings.load_max_rate, settings.load_max_seconds)

    def _destination(self, side: Side, judged: JudgedSide, target: Target) -> Destination:
        if judged.host is not None:
            return Destination(side, judged.label, target)
        listener = judged.listener
        is_app = load_targets(self._control, self._settings).app(listener) is not None
        kind = ServerKind.APP if is_app else ServerKind.LISTENER
        return Destination(
            side,
            listener,
            target,
            stages_between=partial(self._stages_between, listener, kind),
            unfinished=partial(self._unfinished, listener),
        )

    def _app(self, side: JudgedSide, core: int | None) -> AppToHost:
        """Raises ListenerError when the app cannot be hosted."""
        model = side.model or ConcurrencyModel.THREAD_POOL
        spec = temporary_listener(self._settings, model, model, side.app, core)
        return AppToHost(side.label, spec)

    def _stages_between(
        self, listener: str, kind: ServerKind, begin_s: float, end_s: float
    ) -> dict[str, float]:
        """Mean milliseconds of each stage that was measured; waits for the last second."""
        await_second(self._store, int(end_s))
        query = Query(
            catalog.STAGE_DURATION,
            int(begin_s),
            int(end_s) + 1,
            by=("stage",),
            where=(("listener", listener),),
        )
        found = self._store.total(query)
        means = {
            group[0]: float(sum_s / count) * _MS
            for group, sum_s, count in zip(found.groups, found.sum_s, found.count, strict=True)
            if count
        }
        if not means:
            return {}
        # A stage that no request has been in took no time, unless its recorder knows nothing of it.
        unknown = MAYBE_UNMEASURED[kind] - {name for name, mean_ms in means.items() if mean_ms}
        return {name: means.get(name, 0.0) for name in _STAGES if name not in unknown}

    def _follow(self, verdict_id: int, generator_pid: int) -> None:
        self._generator_pid = generator_pid
        if time.monotonic() - self._asked_s >= ASKED_S:
            self._asked_s = time.monotonic()
            self._raise_if_stopped(verdict_id)

    def _raise_if_stopped(self, verdict_id: int) -> None:
        asked = self._control.verdicts.by_id(verdict_id)
        if self._task.ending.is_set() or asked is None or asked.state is RunState.STOPPING:
            raise TaskStoppedError

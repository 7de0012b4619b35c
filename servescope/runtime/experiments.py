"""Experiments of chapters: requests of a few seconds to a listener of their own.

Theory of operation. People ask for an experiment in the store; the leader carries it out on a
thread of its own. The listener is a process (`serving.workers.contender`) that ends with the
experiment, at the latest when the leader does. It records like any other, so the span of the
experiment stands on the other pages too. The next leader marks as failed what a dead one left.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from servescope.chapters import chapter_of
from servescope.errors import LoadRefusedError
from servescope.load.simultaneous import answered_ms
from servescope.records.dashboard import Event, EventKind
from servescope.records.listeners import ListenerSpec
from servescope.records.load import RunState
from servescope.records.temporary_listeners import EXPERIMENT
from servescope.runtime.listener_config import common_options
from servescope.runtime.task_thread import TaskThread
from servescope.serving.workers.contender import ContenderProcess

if TYPE_CHECKING:
    from pathlib import Path

    from servescope.chapters.chapter import SimultaneousRequests
    from servescope.control import Control
    from servescope.records.experiments import Experiment
    from servescope.records.listeners import ListenerStatus
    from servescope.settings import Settings

UP_S: Final = 30.0
"""How long the listener may take to start: it imports the app."""

WITHIN_S: Final = 20.0
"""How long an experiment's requests may take."""

GRACE_S: Final = 1.0
_POLL_S: Final = 0.2
_LOOPBACK: Final = "127.0.0.1"


class ExperimentReconciler:
    """Carries out the store's experiments, one at a time."""

    def __init__(self, control: Control, rings: Path, settings: Settings) -> None:
        self._control = control
        self._rings = rings
        self._settings = settings
        self._statuses: list[ListenerStatus] = []  # replaced, never changed: others read it
        self._measured: dict[str, Any] = {}  # by the experiment under way
        self._task = TaskThread(
            "experiment", control.experiments.active, self._carry_out, self._end
        )

    def abandon_orphans(self) -> None:
        """End what a former leader left; its listener ended with it."""
        self._task.abandon_orphan()

    def statuses(self) -> list[ListenerStatus]:
        """The listener of the experiment under way."""
        return self._statuses

    def reconcile(self) -> None:
        """Begin the experiment that is requested; called a few times a second."""
        self._task.reconcile()

    def stop(self) -> None:
        """Wait for the experiment under way: it is short."""
        self._task.stop()

    def _carry_out(self, experiment: Experiment) -> None:
        self._control.experiments.begin(experiment.id, time.time())
        self._measured = self._measure(experiment)

    def _end(self, experiment: Experiment, state: RunState, message: str) -> None:
        measured = self._measured if state is RunState.DONE else None
        self._control.experiments.end(
            experiment.id, state, time.time(), measured=measured, message=message
        )

    def _measure(self, experiment: Experiment) -> dict[str, Any]:
        chapter = chapter_of(experiment.plan.chapter)
        setting = chapter.setting(experiment.plan.setting) if chapter is not None else None
        if chapter is None or setting is None:
            raise LoadRefusedError("this version has no such experiment")
        wanted = setting.experiment
        spec = _spec(self._settings, wanted)
        process = ContenderProcess(spec, self._rings)
        try:
            self._await_up(process)
            self._statuses = [process.status()]
            # One before: what an app does at its first request is no part of the experiment.
            answered_ms(process.address, wanted.target, 1, WITHIN_S)
            started = time.time()
            text = f"experiment {experiment.id}: {chapter.title}"
            event = self._control.events.add(Event(EventKind.LOAD_RUN, started, text))
            found = answered_ms(process.address, wanted.target, wanted.requests, WITHIN_S)
            self._control.events.end(event, time.time())
        finally:
            self._statuses = []
            process.stop(0 if self._task.ending.is_set() else GRACE_S)
        return {"answered_ms": found, "from_s": started, "to_s": time.time()}

    def _await_up(self, process: ContenderProcess) -> None:
        """Wait until it serves. Raises LoadRefusedError when it does not in time."""
        give_up = time.monotonic() + UP_S
        while not process.is_up(_POLL_S):
            if self._task.ending.is_set():
                raise LoadRefusedError("the dashboard is being stopped")
            if time.monotonic() > give_up:
                raise LoadRefusedError(f"the server did not start within {UP_S:.0f} s")


def _spec(settings: Settings, wanted: SimultaneousRequests) -> ListenerSpec:
    options = common_options(settings, EXPERIMENT, 0)
    options = replace(
        options,
        threads=wanted.threads,
        deny=(),  # loopback, and only us
        allow=(),
        access_log="",
        pin_core=None,
    )
    return ListenerSpec(
        EXPERIMENT, _LOOPBACK, 0, wanted.model, wanted.app_kind, wanted.app, options=options
    )

"""Experiments of chapters: requests of a few seconds to a listener of their own.

Theory of operation. People ask for an experiment in the store; the leader carries it out on a
thread of its own. The listener is a process (`serving.workers.contender`) that ends with the
experiment, at the latest when the leader does. It records like any other, so the span of the
experiment stands on the other pages too. The next leader marks as failed what a dead one left.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from servescope.chapters import chapter_of
from servescope.errors import LoadRefusedError, ServescopeError
from servescope.load.simultaneous import answered_ms
from servescope.records.dashboard import Event, EventKind
from servescope.records.listeners import ListenerSpec
from servescope.records.load import RunState
from servescope.records.temporary_listeners import EXPERIMENT
from servescope.runtime.listener_config import common_options
from servescope.serving.workers.contender import ContenderProcess

if TYPE_CHECKING:
    from pathlib import Path

    from servescope.chapters.chapter import SimultaneousRequests
    from servescope.control import Control
    from servescope.records.experiments import Experiment
    from servescope.records.listeners import ListenerStatus
    from servescope.settings import Settings

logger = logging.getLogger(__name__)

UP_S: Final = 30.0
"""How long the listener may take to start: it imports the app."""

WITHIN_S: Final = 20.0
"""How long an experiment's requests may take."""

GRACE_S: Final = 1.0
JOIN_S: Final = 4.0
_POLL_S: Final = 0.2
_LOOPBACK: Final = "127.0.0.1"


class ExperimentReconciler:
    """Carries out the store's experiments, one at a time."""

    def __init__(self, control: Control, rings: Path, settings: Settings) -> None:
        self._control = control
        self._rings = rings
        self._settings = settings
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._statuses: list[ListenerStatus] = []  # replaced, never changed: others read it
        self._carried_out = 0  # id of the last one

    def abandon_orphans(self) -> None:
        """End what a former leader left; its listener ended with it."""
        left = self._control.experiments.active()
        if left is not None and left.state is not RunState.REQUESTED:
            self._end(left.id, RunState.FAILED, message="The process that ran it ended.")

    def statuses(self) -> list[ListenerStatus]:
        """The listener of the experiment under way."""
        return self._statuses

    def reconcile(self) -> None:
        """Begin the experiment that is requested; called a few times a second."""
        if self._ending.is_set() or (self._thread is not None and self._thread.is_alive()):
            return
        active = self._control.experiments.active()
        if active is None:
            return
        if active.id == self._carried_out:
            # Its end could not be written, say because the disk was full.
            self._end(active.id, RunState.FAILED, message="Its end could not be written in time.")
            return
        self._thread = threading.Thread(
            target=self._carry_out, args=(active,), name="experiment", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Wait for the experiment under way: it is short."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _carry_out(self, experiment: Experiment) -> None:
        self._carried_out = experiment.id
        state, message, measured = RunState.FAILED, "", dict[str, Any]()
        try:
            now = time.time()
            self._control.experiments.begin(experiment.id, now)
            measured = self._measure(experiment)
            state = RunState.DONE
        except ServescopeError as error:
            message = str(error)
        except Exception:
            # The boundary of the experiment's thread: a defect ends this one, and its row says so.
            logger.exception("experiment %d failed", experiment.id)
            message = "A defect ended it: the log of the dashboard says which."
        self._end(experiment.id, state, measured=measured, message=message)

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
            process.stop(0 if self._ending.is_set() else GRACE_S)
        return {"answered_ms": found, "from_s": started, "to_s": time.time()}

    def _await_up(self, process: ContenderProcess) -> None:
        """Wait until it serves. Raises LoadRefusedError when it does not in time."""
        give_up = time.monotonic() + UP_S
        while not process.is_up(_POLL_S):
            if self._ending.is_set():
                raise LoadRefusedError("the dashboard is being stopped")
            if time.monotonic() > give_up:
                raise LoadRefusedError(f"the server did not start within {UP_S:.0f} s")

    def _end(
        self,
        number: int,
        state: RunState,
        *,
        measured: dict[str, Any] | None = None,
        message: str = "",
    ) -> None:
        try:
            self._control.experiments.end(
                number, state, time.time(), measured=measured, message=message
            )
        except ServescopeError as error:
            logger.warning("experiment %d: %s", number, error)


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

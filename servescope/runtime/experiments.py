"""Experiments of chapters: requests of a few seconds to a listener of their own.

Theory of operation. People ask for an experiment in the store; the leader carries it out on a
thread of its own. The listener is a process (`serving.workers.contender`) that ends with the
experiment, at the latest when the leader does. It records like any other, so the span of the
experiment stands on the other pages too. The next leader marks as failed what a dead one left.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servescope.capturing.files import CaptureFolder
from servescope.chapters import chapter_of
from servescope.errors import LoadRefusedError
from servescope.records.captures import CaptureOrder
from servescope.records.experiments import WITHIN_S
from servescope.records.listeners import (
    ConcurrencyModel,
    ListenerOptions,
    ListenerSpec,
    ListenerState,
    ListenerStatus,
)
from servescope.records.load import RunState
from servescope.records.temporary_listeners import EXPERIMENT
from servescope.runtime.listener_config import LOOPBACK, common_options
from servescope.runtime.task_thread import TaskThread
from servescope.serving.workers.contender import ContenderProcess
from servescope.sockets.binding import bind

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from servescope.control import Control
    from servescope.experiments.host import TemporaryListener
    from servescope.records.experiments import Experiment
    from servescope.settings import Settings

UP_S: Final = 30.0
"""How long the listener may take to start: it imports the app."""

CAPTURED_S: Final = 10.0
"""How long a captured request may take from its answer to its file."""

NOBODYS: Final = 0
"""In place of the id of a capture that a person asked for: no such capture has it."""

GRACE_S: Final = 1.0
_LOOK_S: Final = 0.02
_POLL_S: Final = 0.2


class ExperimentReconciler:
    """Carries out the store's experiments, one at a time."""

    def __init__(self, control: Control, rings: Path, settings: Settings) -> None:
        self._control = control
        self.rings = rings
        self.settings = settings
        self._statuses: list[ListenerStatus] = []  # replaced, never changed: others read it
        self._measured: dict[str, Any] = {}  # by the experiment under way
        self._task = TaskThread(
            "experiment", control.experiments.active, self._carry_out, self._end
        )

    @property
    def ending(self) -> threading.Event:
        """Set when this process ends."""
        return self._task.ending

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
        plan = experiment.plan
        chapter = chapter_of(plan.chapter)
        setting = chapter.setting(plan.setting) if chapter is not None else None
        if chapter is None or setting is None:
            raise LoadRefusedError("this version has no such experiment")
        title = f"experiment {experiment.id}: {chapter.title}"
        with tempfile.TemporaryDirectory() as folder:
            host = _Host(self, Path(folder), plan.text, title)
            return setting.experiment.carry_out(host) | host.spanned

    @contextmanager
    def listener(
        self,
        spec: ListenerSpec,
        folder: Path | None,
        captures: CaptureOrder | None,
        within_s: float,
    ) -> Iterator[ContenderProcess]:
        """A listener, serving, that the pages know of; it ends with the context."""
        process = ContenderProcess(spec, self.rings, folder, captures)
        try:
            self._await_up(process, within_s)
            with self._known(process.status()):
                yield process
        finally:
            process.stop(0 if self.ending.is_set() else GRACE_S)

    @contextmanager
    def listening(self, backlog: int) -> Iterator[socket.socket]:
        """A listening socket of this process, that the pages know of; it ends with the context."""
        with bind(LOOPBACK, 0, backlog) as listening:
            address, port = listening.getsockname()
            status = ListenerStatus(
                EXPERIMENT,
                ListenerState.RUNNING,
                address,
                port,
                ConcurrencyModel.SEQUENTIAL,
                app="",
                wanted_port=0,
                since_s=time.time(),
                options=ListenerOptions(backlog=backlog),
                is_temporary=True,
                pid=os.getpid(),
            )
            with self._known(status):
                yield listening

    @contextmanager
    def _known(self, status: ListenerStatus) -> Iterator[None]:
        self._statuses = [status]
        try:
            yield
        finally:
            self._statuses = []

    def _await_up(self, process: ContenderProcess, within_s: float) -> None:
        """Wait until it serves. Raises LoadRefusedError when it does not in time."""
        give_up = time.monotonic() + within_s
        while not process.is_up(_POLL_S):
            if self.ending.is_set():
                raise LoadRefusedError("the dashboard is being stopped")
            if time.monotonic() > give_up:
                raise LoadRefusedError(f"the server did not start within {within_s:.0f} s")

    def annotated(self, text: str) -> AbstractContextManager[float]:
        """An event from now to the end of the context; its start in epoch seconds."""
        return self._control.events.under_way(text)


class _Host:
    """The reconciler, as one experiment sees it: see ExperimentHost."""

    def __init__(
        self, reconciler: ExperimentReconciler, folder: Path, text: str, title: str
    ) -> None:
        self.settings = reconciler.settings
        self.ending = reconciler.ending
        self.rings = reconciler.rings
        self.folder = folder
        self.text = text
        self.spanned: dict[str, float] = {}
        self._captures = CaptureFolder(reconciler.rings.parent)
        self._captured_before = {one.capture_id for one in self._captures.files()}
        self._reconciler = reconciler
        self._title = title
        self._deadline = time.monotonic() + WITHIN_S

    def spec(self, wanted: TemporaryListener) -> ListenerSpec:
        options = replace(
            common_options(self.settings, EXPERIMENT, 0),
            threads=wanted.threads,
            deny=(),  # loopback, and only us
            allow=(),
            access_log="",
            pin_core=None,
        )
        return ListenerSpec(
            EXPERIMENT,
            LOOPBACK,
            0,
            wanted.model,
            wanted.app_kind,
            wanted.app,
            options=replace(options, **wanted.options),
        )

    def listener(
        self, wanted: TemporaryListener, *, in_folder: bool = False, captured: int = 0
    ) -> AbstractContextManager[ContenderProcess]:
        until_s = time.time() + WITHIN_S
        order = CaptureOrder(NOBODYS, captured, until_s) if captured else None
        folder = self.folder if in_folder else None
        within_s = min(UP_S, self.left_s())
        return self._reconciler.listener(self.spec(wanted), folder, order, within_s)

    def captures(self, count: int) -> list[dict[str, Any]]:
        give_up = time.monotonic() + min(CAPTURED_S, self.left_s())
        while True:
            found = [
                one.capture_id
                for one in self._captures.files()
                if one.order_id == NOBODYS and one.capture_id not in self._captured_before
            ]
            if len(found) >= count:
                break
            if time.monotonic() > give_up or self.ending.is_set():
                raise LoadRefusedError("the request was answered, but not captured")
            time.sleep(_LOOK_S)
        return [document for one in found if (document := self._captures.read(one)) is not None]

    def listening(self, backlog: int) -> AbstractContextManager[socket.socket]:
        self.left_s()
        return self._reconciler.listening(backlog)

    @contextmanager
    def span(self) -> Iterator[None]:
        self.left_s()
        with self._reconciler.annotated(self._title) as started:
            yield
        self.spanned = {"from_s": started, "to_s": time.time()}

    def left_s(self) -> float:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise LoadRefusedError(f"the experiment was not over within {WITHIN_S:.0f} s")
        return left_s

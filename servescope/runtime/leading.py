"""Everything that the leader runs: recorder, listeners, collector, load runs - in that order."""

from __future__ import annotations

import logging
import platform
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from servescope.actions.hostable_apps import why_not_hostable
from servescope.control.listeners import LEADER
from servescope.recording.recorder import RINGS, Recorder
from servescope.recording.ring_reader import stores_are_ordered
from servescope.records.dashboard import Event, EventKind
from servescope.runtime.capacity_searches import CapacitySearchReconciler
from servescope.runtime.captures import CaptureReconciler
from servescope.runtime.collector_thread import CollectorThread
from servescope.runtime.comparisons import ComparisonReconciler
from servescope.runtime.experiments import ExperimentReconciler
from servescope.runtime.listener_config import LOGS, added_listener, configured_listeners
from servescope.runtime.listener_host import ListenerHost
from servescope.runtime.listeners import ListenerReconciler
from servescope.runtime.load_runs import LoadRunReconciler
from servescope.runtime.verdicts import VerdictReconciler

if TYPE_CHECKING:
    from pathlib import Path

    from servescope.control import Control
    from servescope.control.events import Events
    from servescope.settings import Settings
    from servescope.store.base import Store

logger = logging.getLogger(__name__)

LISTENER_GRACE_S: Final = 1.5


class Leader:
    """Everything one leading process runs. `start` may raise ServescopeError; then call `stop`."""

    def __init__(self, folder: Path, settings: Settings, store: Store, control: Control) -> None:
        if not stores_are_ordered():
            logger.warning(
                "this processor (%s) may show a record before it is whole: a request's figures "
                "may be wrong now and then",
                platform.machine(),
            )
        self._control = control
        rings = folder / RINGS
        self._recorder = Recorder(rings)
        listeners = ListenerReconciler(
            configured_listeners(settings),
            self._recorder,
            folder / LOGS,
            control.listeners.statuses(),
            why_not_hostable=partial(why_not_hostable, settings),
            added_listener=partial(added_listener, settings),
            others=control.listeners.statuses,
        )
        self._listeners = ListenerHost(listeners, control, LEADER)
        self._load_runs = LoadRunReconciler(control, rings, settings, self._listeners.unfinished)
        self._capacity_searches = CapacitySearchReconciler(
            control, rings, settings, self._listeners.load
        )
        self._verdicts = VerdictReconciler(control, store, settings, self._listeners.unfinished)
        self._captures = CaptureReconciler(control.captures, folder, settings)
        self._comparisons = ComparisonReconciler(
            control, store, rings, settings, self._listeners.load, self._load_runs.pids
        )
        self._experiments = ExperimentReconciler(control, rings, settings)
        self._collector = CollectorThread(
            folder, store, control, self._listeners.samples, self._generator_pids
        )

    def start(self) -> None:
        """Start the listeners and the collector, and end what a former leader left undone.

        Where it raises, as on a full disk, it may be called again until it does not.
        """
        self._comparisons.abandon_orphans()
        self._capacity_searches.abandon_orphans()
        self._verdicts.abandon_orphans()
        self._experiments.abandon_orphans()
        self._load_runs.abandon_orphans()
        self._listeners.reconcile()
        self._collector.start()

    def reconcile(self) -> None:
        """Reconcile all that runs here with what people want; called a few times a second."""
        self._comparisons.reconcile()
        self._experiments.reconcile()
        self._listeners.reconcile(self._comparisons.statuses() + self._experiments.statuses())
        self._load_runs.reconcile()
        self._capacity_searches.reconcile()
        self._verdicts.reconcile()
        self._captures.reconcile()

    def _generator_pids(self) -> list[int]:
        return self._load_runs.pids() + self._capacity_searches.pids() + self._verdicts.pids()

    def problems(self) -> list[str]:
        """The problems of the collector, in whole sentences."""
        return self._collector.problems()

    def stop(self) -> None:
        """Stop everything, in the opposite order; all that was recorded is in the store then.

        An error of one of them, as on a full disk, is raised after all have stopped.
        """
        with ExitStack() as last_first:
            last_first.callback(self._stop_serving)
            for loaded in (
                self._comparisons,
                self._experiments,
                self._verdicts,
                self._capacity_searches,
                self._load_runs,
            ):
                last_first.callback(loaded.stop)

    def _stop_serving(self) -> None:
        with ExitStack() as last_first:
            last_first.callback(self._collector.finish)
            last_first.callback(self._recorder.close)
            last_first.callback(self._collector.halt)
            statuses = self._listeners.stop(LISTENER_GRACE_S)
        self._control.listeners.write_statuses(statuses)


def write_leader_event(events: Events, pid: int, *, took_over: bool) -> None:
    """Write onto the time axis which process leads."""
    text = f"process {pid} took over" if took_over else f"process {pid} started"
    events.add(Event(EventKind.LEADER, time.time(), text, end_s=time.time()))

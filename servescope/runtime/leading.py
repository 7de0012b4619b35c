"""What the leader runs: recorder, listeners, collector, load runs - in that order."""

from __future__ import annotations

import logging
import platform
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from servescope.recording import Recorder
from servescope.recording.recorder import RINGS
from servescope.recording.ring import stores_are_ordered
from servescope.records import Event, EventKind
from servescope.runtime.collecting import Collecting
from servescope.runtime.comparisons import Comparisons
from servescope.runtime.hostable import objection
from servescope.runtime.listener_config import LOGS, added_listener, wanted_listeners
from servescope.runtime.listeners import Listeners
from servescope.runtime.load_runs import LoadRuns
from servescope.runtime.troubles import Troubles

if TYPE_CHECKING:
    from pathlib import Path

    from servescope.control import Control
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
        self._troubles = Troubles(logger)
        rings = folder / RINGS
        self._recorder = Recorder(rings)
        self._listeners = Listeners(
            wanted_listeners(settings),
            self._recorder,
            folder / LOGS,
            control.listeners.statuses(),
            objection=partial(objection, settings),
            added=partial(added_listener, settings),
        )
        self._runs = LoadRuns(control, rings, settings)
        self._comparisons = Comparisons(control, store, rings, settings)
        self._collecting = Collecting(
            folder, store, control, self._listeners.samples, self._runs.pids
        )

    def start(self) -> None:
        """Start the listeners and the collector, and end what a former leader left undone."""
        self._comparisons.abandon_orphans()
        self._runs.abandon_orphans()
        self._listeners.reconcile(self._control.listeners.overrides())
        self._write_listeners()
        self._collecting.start()

    def reconcile(self) -> None:
        """Hold what people want against what is; called a few times a second."""
        changed = self._listeners.reconcile(self._control.listeners.overrides())
        if self._comparisons.reconcile() or changed:
            self._write_listeners()
        tell_news(self._control, self._listeners)
        self._runs.reconcile()

    def problems(self) -> list[str]:
        """What the collector has trouble with, in whole sentences."""
        return self._collecting.problems()

    def _write_listeners(self) -> None:
        """Tell the pages how the listeners stand, and the log what keeps one from its wish."""
        statuses = self._listeners.statuses()
        self._control.listeners.write_statuses(statuses + self._comparisons.statuses())
        self._troubles.tell(statuses)

    def stop(self) -> None:
        """Stop everything, in the opposite order; what was recorded is in the store after it."""
        self._runs.stop()
        self._comparisons.stop()
        self._listeners.stop(LISTENER_GRACE_S)
        self._collecting.halt()
        self._recorder.close()
        self._collecting.finish()
        self._control.listeners.write_statuses(self._listeners.statuses())


def announce(control: Control, pid: int, *, took_over: bool) -> None:
    """Write who leads onto the time axis."""
    text = f"process {pid} took over" if took_over else f"process {pid} started"
    control.events.add(Event(EventKind.LEADER, time.time(), text, end_s=time.time()))


def tell_news(control: Control, listeners: Listeners) -> None:
    """Write what was changed of listeners onto the time axis."""
    for text in listeners.news():
        now = time.time()
        control.events.add(Event(EventKind.LISTENER, now, text, end_s=now))

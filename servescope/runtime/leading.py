"""What the leader runs: recorder, listeners, samplers, collector, load runs - in that order."""

from __future__ import annotations

import logging
import platform
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from servescope.errors import StoreFullError
from servescope.recording import Recorder
from servescope.recording.recorder import RINGS
from servescope.recording.ring import stores_are_ordered
from servescope.records import Event, EventKind
from servescope.runtime.listening import Listeners, wanted_listeners
from servescope.runtime.loading import LoadRuns
from servescope.sampling.base import Sampler, timed
from servescope.sampling.host import host_samplers
from servescope.sampling.process import ProcessSampler
from servescope.sampling.queues import SocketSampler
from servescope.store.collector import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from servescope.records import Sample
    from servescope.settings import Settings
    from servescope.store.base import Store
    from servescope.store.control import Control

logger = logging.getLogger(__name__)

TICK_DELAY_S: Final = 0.03
"""How long after a second's end it is collected: its last records are written by then."""

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
        self._rings = folder / RINGS
        self._stopping = threading.Event()
        self._recorder = Recorder(self._rings)
        self._listeners = Listeners(wanted_listeners(settings), self._recorder, control.listeners())
        self._runs = LoadRuns(control, self._listeners, self._rings, settings)
        self._samplers: list[Sampler] = [
            *host_samplers(),
            ProcessSampler(self._pids),
            SocketSampler(self._listeners.ports),
        ]
        self._collector = Collector(
            store, self._rings, [self._host_samples, self._listeners.samples]
        )
        self._clock_told = ""
        self._collecting = threading.Thread(target=self._collect, name="collector", daemon=True)

    def start(self) -> None:
        """Start the listeners and the collector, and end what a former leader left undone."""
        self._runs.abandon_orphans()
        self._listeners.reconcile()
        self._control.write_listeners(self._listeners.statuses())
        self._collecting.start()
        for status in self._listeners.statuses():
            logger.info(
                "listener %s %s on http://%s:%d/ %s",
                status.name,
                status.state,
                status.address,
                status.port,
                status.message,
            )

    def reconcile(self) -> None:
        """Hold what people want against what is; called a few times a second."""
        if self._listeners.reconcile():
            self._control.write_listeners(self._listeners.statuses())
        self._runs.reconcile()

    def problems(self) -> list[str]:
        """What the collector has trouble with, in whole sentences."""
        status = self._collector.status
        told = {
            "The store takes no data": status.store_problem,
            "A sampler failed": status.source_problem,
            "A ring cannot be read": status.ring_problem,
        }
        return [f"{what}: {why}" for what, why in told.items() if why]

    def stop(self) -> None:
        """Stop everything, in the opposite order; what was recorded is in the store after it."""
        self._runs.stop()
        self._listeners.stop(LISTENER_GRACE_S)
        self._stopping.set()
        if self._collecting.is_alive():
            self._collecting.join()
        self._recorder.close()
        self._collector.flush(time.time_ns(), time.monotonic())
        self._collector.close()
        self._control.write_listeners(self._listeners.statuses())

    def _collect(self) -> None:
        while not self._stopping.wait(_until_next_second()):
            try:
                self._collector.tick(time.time_ns(), time.monotonic())
                self._tell_of_the_clock()
            except Exception:
                # The boundary of the collector's loop: a defect must not end the recording.
                logger.exception("the collector failed in this second")

    def _tell_of_the_clock(self) -> None:
        """Leave an event, which every page shows, when the wall clock was set or stood still."""
        jump = self._collector.status.clock_jump
        if jump != self._clock_told:
            with suppress(StoreFullError):  # told at a later tick, when there is room
                self._control.add_event(Event(EventKind.STORE, time.time(), jump))
                self._clock_told = jump

    def _host_samples(self) -> Iterable[Sample]:
        return timed(self._samplers)

    def _pids(self) -> Mapping[str, Sequence[int]]:
        instances = self._control.instances(time.time())
        return {
            "dashboard": [instance.pid for instance in instances],
            "load generator": self._runs.pids(),
        }


def announce(control: Control, pid: int, *, took_over: bool) -> None:
    """Write who leads onto the time axis."""
    text = f"process {pid} took over" if took_over else f"process {pid} started"
    control.add_event(Event(EventKind.LEADER, time.time(), text, end_s=time.time()))


def _until_next_second() -> float:
    return 1.0 - (time.time() - TICK_DELAY_S) % 1.0

"""The collector on a thread: the process that leads moves the records of all into the store."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from servescope import catalog
from servescope.collecting.collector import Collector
from servescope.errors import StoreFullError
from servescope.recording.recorder import RINGS
from servescope.records.dashboard import Event, EventKind, Role
from servescope.records.listeners import ListenerState
from servescope.records.temporary_listeners import EXPERIMENT
from servescope.sampling.base import Sampler, timed
from servescope.sampling.container import ContainerSampler
from servescope.sampling.host import host_samplers
from servescope.sampling.process import ProcessSampler
from servescope.sampling.queues import PortLabels, SocketSampler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from servescope.control import Control
    from servescope.records.listeners import ListenerStatus
    from servescope.records.metrics import Sample
    from servescope.store.base import Store

logger = logging.getLogger(__name__)

TICK_DELAY_S: Final = 0.03
"""How long after a second's end it is collected: its last records are written by then."""


def no_pids() -> Sequence[int]:
    """The pids where there is no load generator."""
    return ()


def no_samples() -> Iterable[Sample]:
    """The gauges where each listener's come by a ring."""
    return ()


class CollectorThread:
    """Samplers and collector, on a thread; one process of a data folder at a time has them.

    `samples` are the gauges of this process's listeners, unless a ring brings them.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        control: Control,
        samples: Callable[[], Iterable[Sample]] = no_samples,
        generator_pids: Callable[[], Sequence[int]] = no_pids,
    ) -> None:
        self._control = control
        self._generator_pids = generator_pids
        self._samplers: list[Sampler] = [
            *host_samplers(),
            ContainerSampler(),
            ProcessSampler(self._pids),
            SocketSampler(self._ports),
        ]
        self._collector = Collector(store, folder / RINGS, [self._host_samples, samples])
        self._written_clock_jump = ""
        self._coloured: frozenset[str] = frozenset()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._collect, name="collector", daemon=True)

    def start(self) -> None:
        """Begin to collect."""
        self._thread.start()

    def problems(self) -> list[str]:
        """The problems of the collector, in whole sentences."""
        status = self._collector.status
        problems = {
            "The store takes no data": status.store_problem,
            "A sampler failed": status.source_problem,
            "A ring cannot be read": status.ring_problem,
        }
        return [f"{what}: {why}" for what, why in problems.items() if why]

    def halt(self) -> None:
        """Collect no more by itself."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def finish(self) -> None:
        """Commit all that was recorded until now; call after `halt`."""
        self._collector.flush(time.time_ns(), time.monotonic())
        self._collector.close()

    def _collect(self) -> None:
        while not self._stopping.wait(_until_next_second()):
            try:
                self._collector.tick(time.time_ns(), time.monotonic())
                self._write_clock_jump()
                self._give_colours()
            except Exception:
                # The boundary of the collector's loop: a defect must not end the recording.
                logger.exception("the collector failed in this second")

    def _write_clock_jump(self) -> None:
        """Leave an event, which every page shows, when the wall clock was set or stood still."""
        jump = self._collector.status.clock_jump
        if jump != self._written_clock_jump:
            with suppress(StoreFullError):  # told at a later tick, when there is room
                self._control.events.add(Event(EventKind.STORE, time.time(), jump))
                self._written_clock_jump = jump

    def _give_colours(self) -> None:
        """Give the apps that record under other servers a place among the colours as they come."""
        names = self._collector.status.listeners
        if not names <= self._coloured:
            with suppress(StoreFullError):  # given at a later tick, when there is room
                self._control.listeners.give_places(sorted(names))
                self._coloured = names

    def _host_samples(self) -> Iterable[Sample]:
        return timed(self._samplers)

    def _pids(self) -> Mapping[str, Sequence[int]]:
        instances = self._control.instances.alive(time.time())
        return {
            "dashboard": [one.pid for one in instances if one.role is not Role.SERVER],
            "served app": [one.pid for one in instances if one.role is Role.SERVER],
            "load generator": self._generator_pids(),
        }

    def _ports(self) -> dict[int, PortLabels]:
        """The ports of all listeners, those of other processes too, with their labels.

        Each has the name of its listener: a graph of the past shall show it after the listener has
        stopped, moved or gone, and another may have the port then.

        The servers of comparisons and experiments get a new port each: by their numbers they would
        crowd the graphs of the standing ports, and leave series behind for good.
        """
        return {
            one.port: _port_labels(one)
            for one in self._control.listeners.statuses()
            if one.state is ListenerState.RUNNING
        }


def _port_labels(listener: ListenerStatus) -> PortLabels:
    if listener.name == EXPERIMENT:
        return PortLabels(EXPERIMENT)
    if listener.is_temporary:
        return PortLabels(catalog.COMPARISON_PORT)
    return PortLabels(str(listener.port), listener.name)


def _until_next_second() -> float:
    return 1.0 - (time.time() - TICK_DELAY_S) % 1.0

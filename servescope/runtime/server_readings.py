"""Readings of a server, of the host and of a generator while load goes on: they say what limits.

CPU time is read around the schedule of a run, the server's requests and its accept queue within it;
`statistics.capacity_limits` names the limit that the readings show. The time that other programs
took is known too: the rest of the machine's.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psutil

from servescope.sampling.inet_diag import socket_table
from servescope.sampling.process import process_clock
from servescope.sampling.process_tree import tree_of
from servescope.statistics.capacity_limits import FULL, EdgeEvidence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from servescope.load.targets import Target, Targets
    from servescope.records.listeners import ListenerStatus
    from servescope.serving.model import Load

BUSY_MACHINE: Final = 0.6
"""Other programs disturb when they take so many cores of a machine that is so busy as a whole, or
so much of the core that the server is pinned to while that one is used up."""

OTHERS_CORES: Final = 0.3
USED_CORE: Final = 0.03
"""CPU in cores from which on a process of the server counts as one that works."""

_NS: Final = 1e9


@dataclass(frozen=True, slots=True)
class _CpuReading:
    """CPU time so far in seconds.

    It is of each process of the server, of those of the dashboard that are none of the server's, of
    the machine, and of the core that the server is pinned to (0 where it is pinned to none).
    """

    at_s: float
    server: dict[int, float]
    dashboard: dict[int, float]
    machine: float
    pinned_core: float


@dataclass(frozen=True, slots=True)
class Cores:
    """Cores in use over a run's schedule; `server` has each of its processes, the busiest first.

    `generator` is of its whole run, which is the schedule and the wait for the last answers.
    """

    server: list[float]
    dashboard: float
    generator: float
    machine: float
    pinned_core: float

    @property
    def others(self) -> float:
        """Cores that programs used which are no part of Servescope."""
        return self.machine - sum(self.server) - self.dashboard - self.generator

    def is_disturbed(self, cores_of_machine: int) -> bool:
        """Whether other programs took the processor that the server would have used.

        A machine with a core to spare is no comfort to a server that is pinned to another one.
        """
        if self.others < OTHERS_CORES:
            return False
        busiest = self.server[0] if self.server else 0.0
        is_core_taken = self.pinned_core >= FULL and self.pinned_core - busiest >= OTHERS_CORES
        return is_core_taken or self.machine / cores_of_machine >= BUSY_MACHINE


@dataclass(frozen=True, slots=True)
class LoadedServer:
    """A server that load is sent to: a listener, or an app that records its requests."""

    name: str
    pids: tuple[int, ...]  # other processes are found below these
    port: int
    pinned_core: int | None
    request_threads: int | None  # None: not known, or there are none
    is_pinned: bool | None = None  # each of its processes to one core; None: not known
    is_elsewhere: bool = False  # a host that the operator named: nothing of it is read

    @classmethod
    def of_listener(cls, status: ListenerStatus) -> LoadedServer:
        """A listener that runs."""
        return cls(
            status.name,
            (status.pid or os.getpid(),),
            status.port,
            status.options.pin_core,
            status.request_threads,
            status.options.pin_core is not None,
        )

    @classmethod
    def of_target(cls, name: str, targets: Targets, target: Target) -> LoadedServer:
        """The listener or app of this name, which was checked, or else the named host.

        `target` is where it is.
        """
        listener, app = targets.listener(name), targets.app(name)
        if listener is not None:
            return cls.of_listener(listener)
        pids = () if app is None else app.pids
        is_elsewhere = app is None
        return cls(name, pids, target.port, target.pinned_core, None, is_elsewhere=is_elsewhere)

    def accept_queue(self) -> float | None:
        """How full its accept queue is now, of its backlog; None where nobody tells."""
        return None if self.is_elsewhere else accept_queue_share(self.port)


class ServerReadings:
    """Readings of one server over one run.

    `generators` are the processes that send load meanwhile, `dashboard` those of the dashboard.
    """

    def __init__(
        self, server: LoadedServer, generators: Collection[int], dashboard: Collection[int]
    ) -> None:
        self.server = server
        self.loads: list[Load] = []
        self.accept_queue: float | None = None  # the deepest, as a share of the backlog
        self._generators = generators
        self._dashboard = dashboard
        self._first: _CpuReading | None = None
        self._last: _CpuReading | None = None

    def take(self, load: Load | None, accept_queue: float | None, seconds: float) -> None:
        """Note a poll of the first `seconds` after the first one; the schedule takes so long."""
        if self._first is None:
            self._first = self._read()
        if time.monotonic() - self._first.at_s < seconds:
            if load is not None:
                self.loads.append(load)
            if accept_queue is not None:
                self.accept_queue = max(accept_queue, self.accept_queue or 0.0)
        else:
            self.finish()

    def finish(self) -> None:
        """The schedule is over: a run that ended before the next poll is read now."""
        if self._first is not None and self._last is None:
            self._last = self._read()

    def cores(self, generator: float) -> Cores | None:
        """Cores in use over the schedule; `generator` are its own. None where nothing was read."""
        if self._first is None or self._last is None:
            return None
        first, last = self._first, self._last
        seconds = max(last.at_s - first.at_s, 1e-3)
        return Cores(
            sorted(_used(first.server, last.server, seconds), reverse=True),
            sum(_used(first.dashboard, last.dashboard, seconds)),
            generator,
            (last.machine - first.machine) / seconds,
            (last.pinned_core - first.pinned_core) / seconds,
        )

    def evidence(self, cores: Cores | None, generator: float, *, is_late: bool) -> EdgeEvidence:
        """The evidence for a limit; `generator` are the cores of the generator, late or not."""
        if self.server.is_elsewhere:  # what this machine does is no evidence of another
            return EdgeEvidence(is_elsewhere=True, generator_cpu=generator, generator_late=is_late)
        server = [] if cores is None else cores.server
        cores_of_machine = psutil.cpu_count() or 1
        threads, loads = self.server.request_threads, self.loads
        busy = [min(load.active_requests, threads) for load in loads] if threads else []
        in_app = float(np.mean([_in_app(load) for load in loads])) if loads else None
        in_hand = float(np.mean([load.active_requests for load in loads])) if loads else 0.0
        return EdgeEvidence(
            process_cores=server[0] if server else None,
            processes=max(sum(of_one > USED_CORE for of_one in server), 1),
            all_cores=sum(server) if server else None,
            is_pinned=self.server.is_pinned,
            threads=threads,
            busy_threads=float(np.mean(busy)) if busy else None,
            machine_busy=None if cores is None else cores.machine / cores_of_machine,
            idle_cores=None if cores is None else max(cores_of_machine - cores.machine, 0.0),
            others_cores=None if cores is None else max(cores.others, 0.0),
            is_disturbed=cores is not None and cores.is_disturbed(cores_of_machine),
            accept_queue=self.accept_queue,
            in_app=in_app,
            app_share=in_app / in_hand if in_app is not None and in_hand else None,
            generator_cpu=generator,
            generator_late=is_late,
        )

    def _read(self) -> _CpuReading:
        of_server = sorted({pid for one in self.server.pids for pid in tree_of(one)})
        of_dashboard = {pid for one in self._dashboard for pid in tree_of(one)}
        apart = {*of_server, *self._generators}
        return _CpuReading(
            time.monotonic(),
            _cpu_s([pid for pid in of_server if pid not in self._generators]),
            _cpu_s(sorted(of_dashboard - apart)),
            _busy_s(psutil.cpu_times()),
            self._pinned_core_s(),
        )

    def _pinned_core_s(self) -> float:
        core = self.server.pinned_core
        cores = psutil.cpu_times(percpu=True) if core is not None else []
        return _busy_s(cores[core]) if core is not None and core < len(cores) else 0.0


def accept_queue_share(port: int) -> float | None:
    """How full the accept queue of a port is now, of its backlog; None where nobody tells.

    The kernel keeps one connection more than the backlog says, so that a full one is above 1.
    """
    try:
        sockets = [one for one in socket_table().listening_sockets() if one.port == port]
    except OSError:
        return None
    shares = [one.accept_queue_depth / one.backlog for one in sockets if one.backlog]
    return max(shares, default=None)


def _in_app(load: Load) -> int:
    """Requests that the app has now: it computes, waits, or makes the body."""
    return load.in_stage.get("app", 0) + load.in_stage.get("body", 0)


def _used(first: Mapping[int, float], last: Mapping[int, float], seconds: float) -> list[float]:
    """Cores that each process used between two readings; one that came meanwhile counts as 0."""
    return [(used - first.get(pid, used)) / seconds for pid, used in last.items()]


def _cpu_s(pids: Iterable[int]) -> dict[int, float]:
    """CPU time so far of each process that lives, in seconds."""
    found = {}
    for pid in pids:
        with suppress(OSError):
            found[pid] = time.clock_gettime_ns(process_clock(pid)) / _NS
    return found


def _busy_s(times: Any) -> float:
    """Seconds of a core, or of all, in which something ran, by psutil's times."""
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)

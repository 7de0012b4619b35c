"""The context of a question: everything that it needs, and nothing of the web framework.

A `ProcessContext` holds what belongs to one dashboard process: its control tables, its settings,
the leader, the fleet. A `QueryContext` holds what belongs to one host that this process can show:
the host's store and the cache of answers from it.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from servescope.errors import EngineAwayError
from servescope.queries.rows import DashboardStatus
from servescope.queries.snapshots import FRESH_S, Snapshots
from servescope.records.dashboard import EventKind
from servescope.records.metrics import ALL_HOSTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from servescope.control import Control
    from servescope.records.listeners import ListenerStatus
    from servescope.settings import Settings
    from servescope.store.base import FleetStore, HostSeen, Store

NOTICED_S: Final = 24 * 3600
"""How long every page shows an event of the store, such as a damaged file that was set aside."""


@dataclass(frozen=True, slots=True)
class QueryContext:
    """The figures of one host, and the process that asks for them.

    `host`: "" is the host this process runs on, ALL_HOSTS stands for all hosts together, any other
    text is the name of another host. Control tables and settings are always those of `process`.
    """

    process: ProcessContext
    store: Store
    snapshots: Snapshots
    host: str = ""

    @property
    def is_home(self) -> bool:
        """Whether the figures are of the host this dashboard runs on."""
        return not self.host

    def newest(self) -> int | None:
        """Second of the newest frame; None before the first, and while the engine is away.

        A frame that lies in the future, because the clock was ahead for a while, counts as now.
        """
        bounds = self.bounds()
        return bounds[1] if bounds else None

    def bounds(self) -> tuple[int, int] | None:
        """Seconds of the oldest and the newest frame, as `newest` says."""
        try:
            bounds = self.snapshots.get("bounds", self.store.bounds)
        except EngineAwayError:
            return None
        return (bounds[0], min(bounds[1], int(time.time()))) if bounds else None

    def dashboard_status(self) -> DashboardStatus:
        """The process that answers, its leader, and how fresh the figures are."""
        process, newest, now = self.process, self.newest(), time.time()
        return DashboardStatus(
            pid=os.getpid(),
            role="leader" if process.is_leader() else "follower",
            leader_pid=process.leader_pid(),
            instances=process.instances(now),
            newest_s=newest,
            lag_s=None if newest is None else now - (newest + 1),
            notices=(*self._host_notices(newest), *process.notices(now)),
        )

    def _host_notices(self, newest: int | None) -> list[str]:
        """Where the figures are another host's: a sentence that says so, and what is still ours."""
        fleet = self.process.fleet
        if fleet is None or self.is_home:
            return []
        ours = f"Listeners, log and load runs are those of {fleet.instance}."
        if self.host == ALL_HOSTS:
            return [f"Figures of all hosts: rates are added, shares of a host averaged. {ours}"]
        if newest is None:
            return [f"There are no figures of host {self.host} to be had. {ours}"]
        return [f"Figures of host {self.host}. {ours}"]


class ProcessContext:
    """One dashboard process, and a `QueryContext` for each host that it was asked about.

    `home` has the figures of this host, from the engine where there is one; `local` has those of
    its own file, whether or not the engine shows them yet. `fleet` is `store` where an engine keeps
    the metrics of several hosts, else None. `problems` answers with whole sentences about this
    process's own trouble. `fresh_s`: see `Snapshots`. Any thread may call.
    """

    def __init__(
        self,
        store: Store,
        control: Control,
        settings: Settings,
        *,
        is_leader: Callable[[], bool],
        leader_pid: Callable[[], int | None],
        problems: Callable[[], Sequence[str]],
        fleet: FleetStore | None = None,
        fresh_s: float = FRESH_S,
    ) -> None:
        self.control = control
        self.settings = settings
        self.is_leader = is_leader
        self.leader_pid = leader_pid
        self.fleet = fleet
        self._problems = problems
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._others: dict[str, QueryContext] = {}  # by host
        self.home = self._context(store)
        self.local = self.home if fleet is None else self._context(fleet.local)
        self.snapshots = self.home.snapshots
        """The cache of answers from the control tables: they are in this host's own file."""

    def _context(self, store: Store, host: str = "") -> QueryContext:
        return QueryContext(self, store, Snapshots(store.version, fresh_s=self._fresh_s), host)

    def of_host(self, host: str) -> QueryContext:
        """The context of a host, by its name or ALL_HOSTS; "" is this host.

        One is kept for each host that the engine holds. The context of an unknown name has no
        figures and is not kept, so that such names fill no memory.
        """
        if self.fleet is None or host in {"", self.fleet.instance}:
            return self.home
        with self._lock:
            known = self._others.get(host)
        if known is not None:
            return known
        made = self._context(self.fleet.view(None if host == ALL_HOSTS else host), host)
        if host != ALL_HOSTS and all(one.name != host for one in self.fleet.hosts()):
            return made
        with self._lock:
            return self._others.setdefault(host, made)

    def hosts(self) -> list[HostSeen]:
        """The hosts an engine holds, this one among them; empty where there is no engine."""
        if self.fleet is None:
            return []
        return self.snapshots.get("hosts", self.fleet.hosts)

    def listeners(self) -> list[ListenerStatus]:
        """The listeners as the leader last wrote them."""
        return self.snapshots.get("listeners", self.control.listeners.statuses)

    def colour_places(self) -> dict[str, int]:
        """The places of listeners and apps among the colours, as `records.colour_places` says."""
        return self.snapshots.get("colour places", self.control.listeners.places)

    def instances(self, now_s: float) -> int:
        """How many dashboard processes share the data folder."""
        return len(self.snapshots.get("instances", lambda: self.control.instances.alive(now_s)))

    def notices(self, now_s: float) -> list[str]:
        """Whole sentences: listeners on other ports or failed, trouble of the store and of ours."""
        return [*self.snapshots.get("notices", lambda: self._recorded(now_s)), *self._problems()]

    def _recorded(self, now_s: float) -> list[str]:
        listeners = [
            f"Listener {status.name}: {status.message}."
            for status in self.control.listeners.statuses()
            if status.message
        ]
        events = self.control.events.between(now_s - NOTICED_S, now_s + 1)
        return listeners + [event.text for event in events if event.kind is EventKind.STORE]

"""The context: everything a question needs, and nothing of the web framework."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from servescope.errors import EngineAwayError
from servescope.queries.rows import Standing
from servescope.queries.snapshots import FRESH_S, Snapshots
from servescope.records import EventKind
from servescope.settings import ALL_HOSTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from servescope.control.load_runs import Control
    from servescope.records import ListenerStatus
    from servescope.settings import Settings
    from servescope.store.base import FleetStore, HostSeen, Store


_AS_WRITTEN: Final = "\0"
"""A name no host has, for the context of what this host has written."""

NOTICED_S: Final = 24 * 3600
"""How long an event of the store, say a damaged file set aside, is told on every page."""


@dataclass(frozen=True, slots=True)
class QueryContext:
    """One process's access to the store, the control tables and the cache.

    Where an engine keeps the metrics of several hosts (`fleet`), `store` has those of `host`: the
    empty name is this host, ALL_HOSTS all of them together. Everything else is this host's.
    """

    store: Store
    control: Control
    settings: Settings
    is_leader: Callable[[], bool]
    leader_pid: Callable[[], int | None]
    problems: Callable[[], Sequence[str]]  # what this process itself has trouble with
    fresh_s: float = FRESH_S  # how old a look at the store's version may be
    fleet: FleetStore | None = None
    host: str = ""
    family: dict[str, QueryContext] = field(default_factory=dict, repr=False)  # shared, by host
    snapshots: Snapshots = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "snapshots", Snapshots(self.store.version, fresh_s=self.fresh_s))
        self.family.setdefault(self.host, self)

    @property
    def is_home(self) -> bool:
        """Whether the figures are of the host this dashboard runs on."""
        return not self.host

    def of_host(self, host: str) -> QueryContext:
        """The context with the figures of a host, by its name or ALL_HOSTS."""
        if self.fleet is None:
            return self
        known = self.family.get("" if host == self.fleet.instance else host)
        if known is not None:
            return known
        view = self.fleet.view(None if host == ALL_HOSTS else host)
        there = host == ALL_HOSTS or host in {one.name for one in self.fleet.hosts()}
        # Whoever asks for a host that is none must not leave a context behind.
        return replace(self, store=view, host=host, family=self.family if there else {})

    def as_written(self) -> QueryContext:
        """The context with what this host has written, whether or not an engine shows it yet."""
        if self.fleet is None:
            return self
        known = self.family.get(_AS_WRITTEN)
        return known or replace(self, store=self.fleet.local, host=_AS_WRITTEN)

    def hosts(self) -> list[HostSeen]:
        """The hosts an engine holds, this one among them; empty where there is no engine."""
        if self.fleet is None:
            return []
        return self.snapshots.get("hosts", self.fleet.hosts)

    def newest(self) -> int | None:
        """Second of the newest frame; None before the first, and while it cannot be asked for.

        What a clock that was ahead for a while left in the future is not waited for.
        """
        try:
            bounds = self.snapshots.get("bounds", self.store.bounds)
        except EngineAwayError:
            return None
        return min(bounds[1], int(time.time())) if bounds else None

    def listeners(self) -> list[ListenerStatus]:
        """The listeners as the leader last wrote them."""
        return self.snapshots.get("listeners", self.control.listeners)

    def standing(self) -> Standing:
        """Who runs this dashboard and how fresh its data is."""
        newest = self.newest()
        now = time.time()
        instances = self.snapshots.get("instances", lambda: self.control.instances(now))
        notices = self.snapshots.get("notices", lambda: self._notices(now))
        return Standing(
            pid=os.getpid(),
            role="leader" if self.is_leader() else "follower",
            leader_pid=self.leader_pid(),
            instances=len(instances),
            newest_s=newest,
            lag_s=None if newest is None else now - (newest + 1),
            notices=(*self._whose(), *notices, *self.problems()),
        )

    def _whose(self) -> list[str]:
        """Where the figures are another host's: what on a page still is of this one."""
        if self.fleet is None or self.is_home:
            return []
        here = f"Listeners, log and load runs are those of {self.fleet.instance}."
        if self.host == ALL_HOSTS:
            return [f"Figures of all hosts: rates are added, shares of a host averaged. {here}"]
        if self.newest() is None:
            return [f"There are no figures of host {self.host} to be had. {here}"]
        return [f"Figures of host {self.host}. {here}"]

    def _notices(self, now: float) -> list[str]:
        """What a person should know: listeners on other ports or failed, trouble of the store."""
        listeners = [
            f"Listener {status.name}: {status.message}."
            for status in self.control.listeners()
            if status.message
        ]
        events = self.control.events(now - NOTICED_S, now + 1)
        return listeners + [event.text for event in events if event.kind is EventKind.STORE]

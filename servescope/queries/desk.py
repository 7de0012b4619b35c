"""The desk: everything a question needs, and nothing of the web framework."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from servescope.queries.rows import Standing
from servescope.queries.snapshots import FRESH_S, Snapshots
from servescope.records import EventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from servescope.records import ListenerStatus
    from servescope.settings import Settings
    from servescope.store.base import Store
    from servescope.store.control import Control


NOTICED_S: Final = 24 * 3600
"""How long an event of the store, say a damaged file set aside, is told on every page."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One process's access to the store, the control tables and the cache."""

    store: Store
    control: Control
    settings: Settings
    is_leader: Callable[[], bool]
    leader_pid: Callable[[], int | None]
    problems: Callable[[], Sequence[str]]  # what this process itself has trouble with
    fresh_s: float = FRESH_S  # how old a look at the store's version may be
    snapshots: Snapshots = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "snapshots", Snapshots(self.store.version, fresh_s=self.fresh_s))

    def newest(self) -> int | None:
        """Second of the newest frame; None before the first.

        What a clock that was ahead for a while left in the future is not waited for.
        """
        bounds = self.snapshots.get("bounds", self.store.bounds)
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
            notices=(*notices, *self.problems()),
        )

    def _notices(self, now: float) -> list[str]:
        """What a person should know: listeners on other ports or failed, trouble of the store."""
        listeners = [
            f"Listener {status.name}: {status.message}."
            for status in self.control.listeners()
            if status.message
        ]
        events = self.control.events(now - NOTICED_S, now + 1)
        return listeners + [event.text for event in events if event.kind is EventKind.STORE]

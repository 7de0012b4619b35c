"""Dashboard processes, and the events that graphs are annotated with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class EventKind(StrEnum):
    """Kinds of annotations drawn on every graph."""

    LOAD_RUN = "load_run"
    LEADER = "leader"
    LISTENER = "listener"
    STORE = "store"

    @property
    def label(self) -> str:
        """The name by which a person chooses the kind."""
        return _LABELS[self]


_LABELS: Final = {
    EventKind.LOAD_RUN: "Load runs",
    EventKind.LEADER: "Starts and changes of the leader",
    EventKind.LISTENER: "Changes of listeners",
    EventKind.STORE: "Trouble of the store",
}


@dataclass(frozen=True, slots=True)
class Event:
    """An annotation: a moment (`end_s` None or equal) or a span on the time axis, epoch seconds."""

    kind: EventKind
    start_s: float
    text: str
    end_s: float | None = None
    id: int = 0


class Role(StrEnum):
    """The part that a dashboard process takes on its data folder."""

    LEADER = "leader"  # runs listeners, samplers, collector and load; one at a time
    FOLLOWER = "follower"  # answers pages from the store
    SERVER = "server"  # serves an app, without pages; leads only while no dashboard can


@dataclass(frozen=True, slots=True)
class Instance:
    """A dashboard process, as its heartbeats tell it; times in epoch seconds."""

    pid: int
    role: Role
    since_s: float  # when it took this role
    seen_s: float

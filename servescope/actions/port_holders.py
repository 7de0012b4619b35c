"""The holder of a port that is taken, in words: a listener hosted here by its name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from servescope.records.listeners import ListenerState
from servescope.records.temporary_listeners import EXPERIMENT
from servescope.sampling.owners import find_holder, holds, in_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servescope.records.listeners import ListenerStatus
    from servescope.sampling.owners import PortHolder


def describe_holder(
    port: int, listeners: Iterable[ListenerStatus], address: str | None = None
) -> str:
    """The holder of a port, for a sentence; `listeners` are those that are known here.

    With an address only what is in the way of a bind(2) to it counts. Never raises.
    """
    holder = find_holder(port, address)
    for status in listeners:
        is_there = status.state is ListenerState.RUNNING and status.port == port
        if is_there and _is_of(status.pid, holder):
            return f"{_whose(status)} listener {status.name}"
    if holder is not None and holds(os.getpid(), holder.inode):
        return f"this dashboard itself (pid {os.getpid()})"
    return in_words(holder)


def _whose(status: ListenerStatus) -> str:
    if status.name == EXPERIMENT:
        return "the experiment's"
    return "the comparison's" if status.is_temporary else "this dashboard's"


def _is_of(pid: int, holder: PortHolder | None) -> bool:
    """Whether a process holds the socket; a status may be that of one that has ended."""
    return holder is not None and (
        (holder.owner is not None and holder.owner.pid == pid) or holds(pid, holder.inode)
    )

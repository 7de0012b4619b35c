"""Apps under other servers that record their requests (`servescope.middleware`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordedApp:
    """An app by the name that it has on the pages, and the TCP sockets its processes listen at.

    `places` are pairs of a numeric address and a port: none where they listen at none, or in
    another network namespace.
    """

    name: str
    pids: tuple[int, ...]
    places: tuple[tuple[str, int], ...]

"""Which hosts the engine knows, and from which second to which it has their frames."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from servescope.store.base import HostSeen
from servescope.store.promql.names import FRAMES, FRAMES_HOUR, INSTANCE, quoted
from servescope.store.promql.outbox import HOUR_S

if TYPE_CHECKING:
    from servescope.store.promql.engine import Engine
    from servescope.store.promql.reader import EngineReader

LIVE_FRESH_S: Final = 0.5
MARKS_FRESH_S: Final = 30.0
_LIVE_WINDOW_S: Final = 60
_AHEAD_S: Final = 5  # how far another host's clock may run before ours
_EVER: Final = "20y"

UNSETTLED_S: Final = 3
"""VictoriaMetrics shows samples up to a second after it took them, and not all of a request at the
same moment: what is younger than this, counted from the begin of its second, is not yet shown."""


class Fleet:
    """The hosts whose frames the engine holds. Any thread may ask."""

    def __init__(self, engine: Engine, reader: EngineReader) -> None:
        self._engine = engine
        self._reader = reader  # of all hosts
        self._lock = threading.Lock()
        self._oldest: dict[str, int] = {}
        self._newest: dict[str, int] = {}
        self._marks_at = self._live_at = float("-inf")

    def forget(self) -> None:
        """Something was sent that may be the first, or lie in the past: look anew."""
        self._marks_at = self._live_at = float("-inf")

    def forget_live(self) -> None:
        """Something newer was sent."""
        self._live_at = float("-inf")

    def hosts(self) -> list[HostSeen]:
        """All hosts by name. Raises EngineAwayError."""
        with self._lock:
            now = time.monotonic()
            if now - self._marks_at > MARKS_FRESH_S:
                self._read_marks()
                self._marks_at = now
            if now - self._live_at > LIVE_FRESH_S:
                self._read_live()
                self._live_at = now
            latest = time.time() + _AHEAD_S
            if self._engine.traits().metrics_ql:
                latest = int(time.time()) - UNSETTLED_S
            return [
                HostSeen(name, self._oldest.get(name, newest), int(min(newest, latest)))
                for name, newest in sorted(self._newest.items())
                if name
            ]

    def bounds(self, instance: str | None) -> tuple[int, int] | None:
        """The oldest and newest second of one host, or of all."""
        found = [host for host in self.hosts() if instance in {None, host.name}]
        if not found:
            return None
        return min(host.oldest_s for host in found), max(host.newest_s for host in found)

    def _read_live(self) -> None:
        found = self._reader.instant(
            f"max by ({INSTANCE}) (max_over_time({FRAMES}[{_LIVE_WINDOW_S}s]))",
            time.time() + _AHEAD_S,
        )
        self._newest |= {name: int(newest) for name, newest in found.items()}

    def _read_marks(self) -> None:
        """Hours that have a frame, and the last frame of hosts that are silent now."""
        at = time.time() + _AHEAD_S
        known = f"by ({INSTANCE}) ({{}}_over_time({FRAMES_HOUR}[{_EVER}]))"
        oldest = self._reader.instant("min " + known.format("min"), at)
        marks = self._reader.instant("max " + known.format("max"), at)
        self._oldest = {name: int(second) for name, second in oldest.items()}
        self._newest = {}
        for name, mark in marks.items():
            at_mark = min(at, mark + HOUR_S)
            newest = self._reader.instant(
                f"max by ({INSTANCE}) (max_over_time("
                f"{FRAMES}{{{INSTANCE}={quoted(name)}}}[{HOUR_S + 2 * _LIVE_WINDOW_S}s]))",
                at_mark,
            )
            self._newest[name] = int(newest.get(name, mark))

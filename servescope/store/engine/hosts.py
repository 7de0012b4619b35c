"""The hosts that the engine knows, and the spans for which it has their frames and rows."""

from __future__ import annotations

import threading
import time
from math import inf
from typing import TYPE_CHECKING, Final

from servescope.errors import ServescopeError
from servescope.store.base import HostSeen
from servescope.store.engine import tier_choice
from servescope.store.engine.names import (
    FRAMES_HOUR,
    INSTANCE,
    ROWS,
    ROWS_HOUR,
    SINCE,
    TIER,
    by_clause,
    frames_name,
    quoted,
)
from servescope.store.engine.outbox import HOUR_S
from servescope.store.sqlite.segments import Segment
from servescope.store.tiers import FINE, TIERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.store.engine.client import Engine
    from servescope.store.steps import Steps

FRAMES: Final = frames_name()

LIVE_FRESH_S: Final = 0.5
MARKS_FRESH_S: Final = 30.0
_LIVE_WINDOW_S: Final = 60
_AHEAD_S: Final = 5  # how far another host's clock may run before ours
_ROWS_WINDOW_S: Final = 900  # rows are announced each minute
_EVER: Final = "20y"

UNSETTLED_S: Final = 3
"""VictoriaMetrics shows samples up to a second after it took them, and not all of a request at the
same moment: a row younger than this, counted from the begin of its second, is not yet shown."""


class Fleet:
    """The hosts whose frames the engine holds. Any thread may ask."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, int], list[tier_choice.Interval]] = {}  # by host and tier
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
            # The moment comes first: a `forget` while we ask is not overruled by the answer.
            try:
                if now - self._marks_at > MARKS_FRESH_S:
                    self._marks_at = now
                    self._read_marks()
                if now - self._live_at > LIVE_FRESH_S:
                    self._live_at = now
                    self._read_live()
            except ServescopeError:
                self.forget()
                raise
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

    def segments(self, instance: str | None, steps: Steps) -> list[Segment]:
        """The segments of a span, and the tier that each is asked of, for one host or for all."""
        if tier_choice.tier_of(steps.step) == FINE:
            return tier_choice.segments(steps, {})
        hosts = [host for host in self.hosts() if instance in {None, host.name}]
        if not hosts:
            return [Segment(FINE, steps.start, steps.end)]
        live_since = time.time() - _ROWS_WINDOW_S
        holes: dict[int, list[tier_choice.Interval]] = {}
        for tier in TIERS[1:]:
            holes[tier] = []
            for host in hosts:
                # Newer seconds may come while we ask; of all hosts, not of those long silent.
                until = inf if instance or host.newest_s > live_since else host.newest_s + 1
                known = self._rows.get((host.name, tier), ())
                holes[tier] += tier_choice.lacking((host.oldest_s, until), known)
        return tier_choice.segments(steps, holes)

    def _values(
        self, expression: str, at_s: float, labels: Sequence[str] = (INSTANCE,)
    ) -> dict[tuple[str, ...], float]:
        """The values of an expression at a moment, by labels."""
        found = self._engine.ask(
            "/api/v1/query", {"query": expression, "time": f"{at_s:.3f}", "nocache": "1"}
        )
        return {
            tuple(str(one["metric"].get(label, "")) for label in labels): float(one["value"][1])
            for one in found["result"]
        }

    def _read_live(self) -> None:
        found = self._values(
            f"max by ({INSTANCE}) (max_over_time({FRAMES}[{_LIVE_WINDOW_S}s]))",
            time.time() + _AHEAD_S,
        )
        self._newest |= {name: int(newest) for (name,), newest in found.items()}

    def _read_marks(self) -> None:
        """Hours that have a frame, the last frame of hosts that are silent now, and rows."""
        at = time.time() + _AHEAD_S
        known = f"by ({INSTANCE}) ({{}}_over_time({FRAMES_HOUR}[{_EVER}]))"
        oldest = self._values("min " + known.format("min"), at)
        marks = self._values("max " + known.format("max"), at)
        self._oldest = {name: int(second) for (name,), second in oldest.items()}
        self._newest, answers = {}, [self._values(_rows_sent(ROWS_HOUR, _EVER), at, _ROW_LABELS)]
        recent = f"{_ROWS_WINDOW_S}s"
        answers.append(self._values(_rows_sent(ROWS, recent), at, _ROW_LABELS))
        for (name,), mark in marks.items():
            at_mark = min(at, mark + HOUR_S)
            newest = self._values(
                f"max by ({INSTANCE}) (max_over_time("
                f"{FRAMES}{{{INSTANCE}={quoted(name)}}}[{HOUR_S + 2 * _LIVE_WINDOW_S}s]))",
                at_mark,
            )
            self._newest[name] = int(newest.get((name,), mark))
            if self._newest[name] < at - _ROWS_WINDOW_S:  # silent: the rows it last announced
                selected = f"{ROWS}{{{INSTANCE}={quoted(name)}}}"
                last = self._newest[name] + 1
                answers.append(self._values(_rows_sent(selected, recent), last, _ROW_LABELS))
        self._keep_rows(answers)

    def _keep_rows(self, answers: list[dict[tuple[str, ...], float]]) -> None:
        rows: dict[tuple[str, int], list[tier_choice.Interval]] = {}
        for answer in answers:
            for (name, tier, since), until in answer.items():
                rows.setdefault((name, int(tier)), []).append((float(since), until))
        self._rows = rows


_ROW_LABELS: Final = (INSTANCE, TIER, SINCE)


def _rows_sent(selected: str, window: str) -> str:
    """The expression of how far the rows of each tier were sent, by host and begin."""
    return f"max {by_clause(_ROW_LABELS)} (max_over_time({selected}[{window}]))"

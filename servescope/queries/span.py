"""The span of time that a page shows, its step, and the part that is new since a cursor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from servescope import catalog
from servescope.records import temporary_listeners
from servescope.store.query import Query

if TYPE_CHECKING:
    from servescope.records.metrics import Labels

STEPS: Final = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 10_800, 21_600, 86_400)
"""Steps in seconds a graph may have; each is a whole number of rows of the tier it is read from."""

_OF_COMPARISONS: Final[Mapping[str, tuple[str, ...]]] = {
    "listener": temporary_listeners.NAMES,
    "port": (catalog.COMPARISON_PORT,),
}
"""Values of labels by which a series belongs to a server that is there only for a comparison."""

LONGEST_HOST: Final = 200
MOST_SECOND: Final = 2**33
"""Epoch seconds up to the year 2242: later ones are no times, and some are no 64-bit numbers."""

MAX_POINTS: Final = 900
"""Most points of a line: more than the pixels a graph of this dashboard is wide."""


@dataclass(frozen=True, slots=True)
class Range:
    """A live range of the time bar."""

    key: str  # as in the URL: ?last=15m
    label: str
    seconds: int


RANGES: Final[tuple[Range, ...]] = (
    Range("1m", "1 min", 60),
    Range("5m", "5 min", 300),
    Range("15m", "15 min", 900),
    Range("1h", "1 h", 3_600),
    Range("6h", "6 h", 21_600),
    Range("24h", "24 h", 86_400),
    Range("7d", "7 d", 7 * 86_400),
    Range("30d", "30 d", 30 * 86_400),
    Range("90d", "90 d", 90 * 86_400),
    Range("2y", "2 y", 730 * 86_400),
)
DEFAULT_RANGE: Final = RANGES[1]

LONG_STEP_S: Final = 600
"""From this step on a live span also shows the step that is still open: a person who asks for two
years does not want to wait for midnight."""

SHORTEST_LIVE_S: Final = 60
"""A live span that begins with the data has at least this length: its scale shall not change each
second while the first ones come."""

SHORTEST_S: Final = 5
LONGEST_S: Final = 10 * 366 * 86_400
"""Bounds of the length of a live range."""

DAY_S: Final = 86_400

_BY_KEY: Final = {entry.key: entry for entry in RANGES}
_LENGTH: Final = re.compile(r"(\d{1,9})([smhdwy])")
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": DAY_S, "w": 7 * DAY_S, "y": 365 * DAY_S}


def range_of(text: object) -> Range:
    """The live range of a key such as `15m`, any length with a unit; else the default."""
    key = str(text)
    known = _BY_KEY.get(key)
    if known is not None:
        return known
    found = _LENGTH.fullmatch(key)
    seconds = int(found[1]) * _UNITS_S[found[2]] if found else 0
    return Range(key, key, seconds) if SHORTEST_S <= seconds <= LONGEST_S else DEFAULT_RANGE


class Compared(StrEnum):
    """An earlier span that a view is compared with."""

    NOTHING = ""
    BEFORE = "before"  # the span of the same length that ends where the view begins
    DAY_BEFORE = "yesterday"  # the same time of the day before


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open span of epoch seconds whose bounds are multiples of `step`.

    `fixed`: it is a paused or past one, and all that is shown beside it is of it, too.
    """

    start: int
    end: int
    step: int
    fixed: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no step lies within."""
        return self.end <= self.start

    def query(
        self,
        metric: str,
        by: tuple[str, ...] = (),
        where: Labels = (),
        *,
        comparisons: bool = False,
    ) -> Query:
        """A query for this span, in its steps.

        The servers of a comparison or an experiment are in no answer unless `comparisons` are asked
        for, or `where` names one of them: their load is an experiment beside the traffic of the
        standing listeners.
        """
        of_comparisons = () if comparisons else _of_comparisons(metric)
        without = tuple(label for label in of_comparisons if label not in where)
        return Query(metric, self.start, self.end, self.step, by, where, without)

    def since(self, cursor: int) -> Span:
        """The part of this span at and after `cursor`."""
        start = max(self.start, -(-cursor // self.step) * self.step)
        return Span(start, self.end, self.step, self.fixed)

    def in_steps_of(self, step: int) -> Span:
        """The whole steps of this length that end within.

        The first may begin before. So the steps of adjoining spans are those of both together: what
        a poll adds to a graph is what the whole graph would have. Raises ValueError for a step that
        is none of STEPS.
        """
        if step not in STEPS:
            raise ValueError(f"{step} s is none of the steps")
        return Span(self.start // step * step, self.end // step * step, step, self.fixed)

    def earlier(self, seconds: int, ahead: int = 0) -> Span:
        """The span of this length so many seconds earlier, and `ahead` seconds more at its end."""
        return Span(self.start - seconds, self.end - seconds + ahead, self.step, self.fixed)


def _of_comparisons(metric: str) -> Labels:
    """Labels of the metric's series that belong to a comparison."""
    return tuple(
        (label, value)
        for label in catalog.BY_NAME[metric].labels
        for value in _OF_COMPARISONS.get(label, ())
    )


def moment(span: Span | None, newest: int, window_s: int) -> Span:
    """The seconds that a page's single figures are of, in steps of a graph.

    Those of a fixed span are of all of it, others of the last `window_s` that have a frame.
    """
    if span is not None and span.fixed:
        return span
    return Span(newest + 1 - window_s, newest + 1, 1)


@dataclass(frozen=True, slots=True)
class View:
    """A person's choice in the time bar: a live range, or a fixed span (paused, zoomed)."""

    last: Range = DEFAULT_RANGE
    fixed: tuple[int, int] | None = None  # epoch seconds
    host: str = ""  # whose figures: "" those of the host the dashboard runs on
    since: int | None = None  # a live view that begins at this epoch second; 0: with the data
    compared: Compared = Compared.NOTHING

    @property
    def live(self) -> bool:
        """Whether the view moves with time."""
        return self.fixed is None

    @classmethod
    def read(cls, stored: object) -> View:
        """Read `{"last": "15m", "host": name, "compare": …}`, with `from` and `to` in s.

        `to` is `now` in a live view that keeps its beginning, and `from` then may be `start`. A
        part that cannot be read falls back to the default: a mistyped link still shows a page.
        """
        if not isinstance(stored, Mapping):
            stored = {}
        last = range_of(stored.get("last"))
        host = str(stored.get("host") or "")[:LONGEST_HOST]
        host = host if host.isprintable() else ""
        asked = str(stored.get("compare") or "")
        compared = Compared(asked) if asked in set(Compared) else Compared.NOTHING
        start, end = _second(stored.get("from")), _second(stored.get("to"))
        if stored.get("to") == "now":
            since = 0 if stored.get("from") == "start" else start
            return cls(last, host=host, since=since, compared=compared)
        fixed = None if start is None or end is None or start >= end else (start, end)
        return cls(last, fixed, host, compared=compared)

    def span(self, newest: int, oldest: int | None = None) -> Span:
        """The span to show when `newest` is the second of the newest frame, `oldest` of the first.

        A live span ends after the newest whole step, or with the open one where steps are long; a
        fixed one keeps its bounds, widened to whole steps. Both begin where the data begins.
        """
        if self.fixed is None:
            return self._live_span(newest, oldest)
        start, end = self.fixed
        if oldest is not None and start < oldest < end:
            start = min(oldest, end - 1)
        step = step_for(end - start)
        return Span(start // step * step, -(-end // step) * step, step, fixed=True)

    def _live_span(self, newest: int, oldest: int | None) -> Span:
        length = self.last.seconds if self.since is None else max(newest + 1 - self.since, 1)
        available = length if oldest is None else max(newest + 1 - oldest, 1)
        begins_with_data = available < length
        length = max(min(length, available), min(SHORTEST_LIVE_S, self.last.seconds))
        step = step_for(length)
        end = (newest + 1) // step * step
        if step >= LONG_STEP_S and end <= newest:
            end += step
        start = end - length // step * step
        if begins_with_data and oldest is not None:
            start = min(oldest // step * step, start)
        elif self.since is not None:
            start = min(self.since // step * step, start)
        return Span(start, end, step)

    def begins_before(self, oldest: int, newest: int) -> bool:
        """Whether the view asks for more than there is: its span begins where the data begins."""
        if self.fixed is not None:
            return self.fixed[0] < oldest < self.fixed[1]
        if self.since is not None:
            return 0 < self.since < oldest
        return newest + 1 - self.last.seconds < oldest

    def offset_s(self, span: Span) -> int:
        """By how much earlier the span is that this one is compared with; 0: with none."""
        if self.compared is Compared.NOTHING:
            return 0
        if self.compared is Compared.BEFORE:
            return span.end - span.start
        return max(DAY_S, span.step)

    @property
    def key(self) -> str:
        """A short text that differs when the view differs."""
        if self.fixed is not None:
            span = f"{self.fixed[0]}-{self.fixed[1]}"
        else:
            span = self.last.key if self.since is None else f"{self.since}-now"
        if self.compared:
            span += f"~{self.compared}"
        return f"{span}@{self.host}" if self.host else span


def _second(value: object) -> int | None:
    """An epoch second; None for what is none."""
    try:
        second = int(float(str(value)))
    except (ValueError, OverflowError):
        return None
    return second if 0 <= second < MOST_SECOND else None


def step_for(seconds: int) -> int:
    """The finest step in which a span of this length has at most MAX_POINTS points."""
    return next((step for step in STEPS if seconds <= step * MAX_POINTS), STEPS[-1])

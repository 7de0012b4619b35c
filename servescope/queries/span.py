"""The span of time that a page shows, its step, and the part that is new since a cursor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from servescope import catalog
from servescope.records.comparisons import CONTENDERS
from servescope.store.query import Query

if TYPE_CHECKING:
    from servescope.records.metrics import Labels

STEPS: Final = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 10_800, 21_600, 86_400)
"""Steps in seconds a graph may have; each is a whole number of rows of the tier it is read from."""

_OF_COMPARISONS: Final[Mapping[str, tuple[str, ...]]] = {
    "listener": CONTENDERS,
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
DEFAULT_RANGE: Final = RANGES[0]

LONG_STEP_S: Final = 600
"""From this step on a live span also shows the step that is still open: a person who asks for two
years does not want to wait for midnight."""

_BY_KEY: Final = {entry.key: entry for entry in RANGES}


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open span of epoch seconds whose bounds are multiples of `step`."""

    start: int
    end: int
    step: int

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

        The servers of a comparison are in no answer unless `comparisons` are asked for: their load
        is an experiment beside the traffic of the standing listeners.
        """
        without = () if comparisons else _of_comparisons(metric)
        return Query(metric, self.start, self.end, self.step, by, where, without)

    def since(self, cursor: int) -> Span:
        """The part of this span at and after `cursor`."""
        return Span(max(self.start, -(-cursor // self.step) * self.step), self.end, self.step)

    def in_steps_of(self, step: int) -> Span:
        """The whole steps of this length that end within.

        The first may begin before. So the steps of adjoining spans are those of both together: what
        a poll adds to a graph is what the whole graph would have. Raises ValueError for a step that
        is none of STEPS.
        """
        if step not in STEPS:
            raise ValueError(f"{step} s is none of the steps")
        return Span(self.start // step * step, self.end // step * step, step)


def _of_comparisons(metric: str) -> Labels:
    """Labels of the metric's series that belong to a comparison."""
    return tuple(
        (label, value)
        for label in catalog.BY_NAME[metric].labels
        for value in _OF_COMPARISONS.get(label, ())
    )


@dataclass(frozen=True, slots=True)
class View:
    """A person's choice in the time bar: a live range, or a fixed span (paused, zoomed)."""

    last: Range = DEFAULT_RANGE
    fixed: tuple[int, int] | None = None  # epoch seconds
    host: str = ""  # whose figures: "" those of the host the dashboard runs on

    @property
    def live(self) -> bool:
        """Whether the view moves with time."""
        return self.fixed is None

    @classmethod
    def read(cls, stored: object) -> View:
        """Read `{"last": "15m", "host": name}`, with `from` and `to` in s for a fixed span.

        A part that cannot be read falls back to the default: a mistyped link still shows a page.
        """
        if not isinstance(stored, Mapping):
            stored = {}
        last = _BY_KEY.get(str(stored.get("last")), DEFAULT_RANGE)
        host = str(stored.get("host") or "")[:LONGEST_HOST]
        host = host if host.isprintable() else ""
        try:
            start, end = int(float(str(stored["from"]))), int(float(str(stored["to"])))
        except (KeyError, ValueError, OverflowError):
            return cls(last, host=host)
        if not 0 <= start < end < MOST_SECOND:
            return cls(last, host=host)
        return cls(last, (start, end), host)

    def span(self, newest: int) -> Span:
        """The span to show when `newest` is the second of the newest frame.

        A live span ends after the newest whole step, or with the open one where steps are long; a
        fixed one keeps its bounds, widened to whole steps.
        """
        if self.fixed is None:
            step = step_for(self.last.seconds)
            end = (newest + 1) // step * step
            if step >= LONG_STEP_S and end <= newest:
                end += step
            return Span(end - self.last.seconds // step * step, end, step)
        start, end = self.fixed
        step = step_for(end - start)
        return Span(start // step * step, -(-end // step) * step, step)

    @property
    def key(self) -> str:
        """A short text that differs when the view differs."""
        span = self.last.key if self.fixed is None else f"{self.fixed[0]}-{self.fixed[1]}"
        return f"{span}@{self.host}" if self.host else span


def step_for(seconds: int) -> int:
    """The finest step in which a span of this length has at most MAX_POINTS points."""
    return next((step for step in STEPS if seconds <= step * MAX_POINTS), STEPS[-1])

"""The steps of an answer as evaluations of a range query.

A sample at `ts` stands for the whole second. An expression is evaluated half a second after the
last one of its window, so that no sample lies on a window's edge: Prometheus 2 counts both edges
in, Prometheus 3 and VictoriaMetrics the later one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servescope.store.steps import Steps

MOST_POINTS: Final = 10_000
"""Points of a series in one answer: Prometheus refuses more than 11,000."""


class Window(NamedTuple):
    """`points` evaluations, each over `seconds`; the first fills the step number `first`."""

    first: int
    points: int
    seconds: int
    end: int  # of the first window, exclusive
    step: int

    @property
    def first_s(self) -> float:
        """When the first evaluation is."""
        return self.end - 0.5

    @property
    def last_s(self) -> float:
        """When the last evaluation is."""
        return self.first_s + (self.points - 1) * self.step


MOST_ROWS: Final = 21_600
"""Rows one evaluation may cover where each of them is a point of its own: VictoriaMetrics refuses
more than 30,000 (`-search.maxPointsPerTimeseries`)."""


def windows(steps: Steps, *, origin: int | None = None, row_s: int = 0) -> Iterator[Window]:
    """Cover the span of `steps`, ragged ends cut.

    Steps are counted from the one `origin` is in, if it is not the first. `row_s`: an evaluation
    makes a point of each row of so many seconds that it covers; 0: of none.
    """
    start, end, step = steps.start, steps.end, steps.step
    most = min(MOST_POINTS, max(MOST_ROWS * row_s // step, 1)) if row_s else MOST_POINTS
    first = (start if origin is None else origin) // step * step
    at = start
    while at < end:
        index = (at - first) // step
        boundary = first + (index + 1) * step
        whole = (end - at) // step if at == boundary - step else 0
        if whole:
            count = min(whole, most)
            yield Window(index, count, step, boundary, step)
            at += count * step
        else:
            until = min(boundary, end)
            yield Window(index, 1, until - at, until, step)
            at = until

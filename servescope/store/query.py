"""Queries: which series, over which span of time, in which steps and groups.

The operation is apart from the query: `aggregate`, `mean`, `quantiles`, `heatmap` and `total` of
`store.base.Queryable` take one each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from servescope.catalog import Kind
from servescope.store.steps import Steps

if TYPE_CHECKING:
    from servescope.records.metrics import Labels


class Aggregation(StrEnum):
    """Combines the seconds of a step, and after that the series of a group.

    Over time: AVG, MIN, MAX of a gauge; SUM of a counter's increases; RATE: SUM per second of
    frames present. Over series: always the sum, except MIN and MAX, which stay so.
    """

    AVG = "avg"
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class Query:
    """One metric over `[start, end)`, in epoch seconds.

    An answer has a value for each step, aligned to multiples of `step` in seconds, and for each
    group: the series whose labels `by` have the same values. `where` restricts the query to series
    whose labels have these values; a series of which any label has the value that `without` gives
    it is left out. A label that a series lacks has the value "".
    """

    metric: str
    start: int
    end: int
    step: int = 1
    by: tuple[str, ...] = ()
    where: Labels = ()
    without: Labels = ()  # several values of one label may be among them

    @property
    def steps(self) -> Steps:
        """The time axis of an answer at this query's own step."""
        return Steps(self.start, self.end, self.step)

    def group_of(self, labels: Labels) -> tuple[str, ...] | None:
        """The group of a series with these labels; None when the query does not select it."""
        values = dict(labels)
        if any(values.get(name, "") != value for name, value in self.where):
            return None
        if any(values.get(name, "") == value for name, value in self.without):
            return None
        return tuple(values.get(name, "") for name in self.by)


_AGGREGATIONS: Final = {
    Kind.GAUGE: (Aggregation.AVG, Aggregation.MIN, Aggregation.MAX),
    Kind.COUNTER: (Aggregation.SUM, Aggregation.RATE),
    Kind.HISTOGRAM: (Aggregation.SUM, Aggregation.RATE),
}


def require_aggregation(query: Query, kind: Kind, aggregation: Aggregation) -> None:
    """Raise ValueError when a metric of this kind cannot be aggregated so."""
    allowed = _AGGREGATIONS[kind]
    if aggregation not in allowed:
        raise ValueError(
            f"{query.metric} is a {kind}: it takes {', '.join(allowed)}, not {aggregation}"
        )


def require_histogram(query: Query, kind: Kind) -> None:
    """Raise ValueError when the metric is no histogram."""
    if kind is not Kind.HISTOGRAM:
        raise ValueError(f"{query.metric} is a {kind}, not a {Kind.HISTOGRAM}")


def require_total(query: Query, kind: Kind) -> None:
    """Raise ValueError when the metric is a gauge, whose readings do not add up over time."""
    if kind is Kind.GAUGE:
        raise ValueError(f"{query.metric} is a gauge: it has no total")

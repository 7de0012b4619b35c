"""Rows to take away: any metrics over any span, in the long format, a part at a time.

One row is one figure: time, metric, unit, labels, statistic, value. A gauge has `avg`, `min` and
`max` of a step, a counter its `increase`, a histogram `count`, `mean`, `p50`, `p90` and `p99`.
A step without a measurement has no row: gaps stay gaps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from servescope.catalog import BY_NAME, Kind
from servescope.errors import ExportError
from servescope.queries.span import STEPS, Span, step_for
from servescope.records.metrics import ALL_HOSTS
from servescope.store.query import Aggregation
from servescope.whole_numbers import read_whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from servescope.catalog import Metric
    from servescope.records.metrics import Labels
    from servescope.store.base import Queryable, Store

MOST_ROWS: Final = 2_000_000
"""Most figures one export may hold: about 300 MB of CSV, 20 MB of Parquet."""

ROWS_AT_ONCE: Final = 50_000
DEFAULT_SECONDS: Final = 300
QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_AGGREGATIONS: Final = {
    Kind.GAUGE: {"avg": Aggregation.AVG, "min": Aggregation.MIN, "max": Aggregation.MAX},
    Kind.COUNTER: {"increase": Aggregation.SUM},
    Kind.HISTOGRAM: {"count": Aggregation.SUM},
}
_STATISTICS: Final = {
    kind: len(of_kind) + (1 + len(QUANTILES) if kind is Kind.HISTOGRAM else 0)
    for kind, of_kind in _AGGREGATIONS.items()
}
"""Figures of a step in an export, by kind; those of a histogram include mean and quantiles."""
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Rows:
    """Figures of one metric and statistic: `values` (series, T), NaN where there is no row.

    `times` (T,): epoch seconds at the start of each step; `labels` (series,).
    """

    metric: Metric
    unit: str
    statistic: str
    times: NDArray[np.int64]
    labels: list[Labels]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An export as asked for, checked."""

    metrics: tuple[Metric, ...]
    span: Span
    title: str  # the page or the metrics, for the file's name
    host: str = ""  # whose figures they are, if another's

    def file_name(self, suffix: str) -> str:
        """A name with title and span, in UTC: `servescope_latency_20261120T101500Z_...csv`."""
        start, end = (
            datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ")
            for second in (self.span.start, self.span.end)
        )
        whose = {"": "", ALL_HOSTS: "all-hosts_"}.get(self.host, f"{self.host}_")
        title = _UNSAFE.sub("-", whose + self.title)[:120]
        return f"servescope_{title}_{start}_{end}_{self.span.step}s.{suffix}"


def check_host(host: str, known: Sequence[str] | None) -> None:
    """Raise ExportError, whose text lists the hosts, when figures of `host` cannot be had.

    `known` are the hosts of the engine, None where there is none; "" is the host that is asked.
    """
    if not host:
        return
    if known is None:
        raise ExportError(
            f"host={host!r}: other hosts' figures are on an engine, and SERVESCOPE_STORE names none"
        )
    if known and host not in {*known, ALL_HOSTS}:  # none are known while the engine is away
        raise ExportError(
            f"there is no host {host!r}; the engine holds {', '.join(known)}, and "
            f"{ALL_HOSTS} is all of them together"
        )


def wanted(
    store: Store,
    metrics: Sequence[str],
    start: str | None = None,
    end: str | None = None,
    step: str | None = None,
    title: str = "",
    host: str = "",
) -> Wanted:
    """Check a request for an export: texts as a URL or a command line brings them.

    Times are epoch seconds or ISO 8601 (UTC where there is no offset); without them the export ends
    with the newest second and holds 5 minutes; without a step it has at most 900 steps. Raises
    ExportError, whose text lists what is allowed.
    """
    found = metrics_named(metrics)
    bounds = recorded(store)
    until = _time("to", end) if end else bounds[1] + 1
    since = _time("from", start) if start else until - DEFAULT_SECONDS
    if since >= until:
        raise ExportError(f"from ({since}) must lie before to ({until})")
    span = span_within(bounds, since, until, _step(step) if step else None)
    check_size(store, found, span)
    return Wanted(found, span, title or "_".join(metric.name for metric in found), host)


def metrics_named(names: Sequence[str]) -> tuple[Metric, ...]:
    """The metrics of these names, each once. Raises ExportError, which lists those there are."""
    if not names:
        raise ExportError(f"metric is missing; there are {', '.join(sorted(BY_NAME))}")
    for name in names:
        if name not in BY_NAME:
            raise ExportError(
                f"there is no metric {name!r}; there are {', '.join(sorted(BY_NAME))}"
            )
    return tuple(BY_NAME[name] for name in dict.fromkeys(names))


def recorded(store: Store) -> tuple[int, int]:
    """The oldest and the newest second of the store. Raises ExportError when there is none."""
    bounds = store.bounds()
    if bounds is None:
        raise ExportError("the store is empty: nothing was recorded yet")
    return bounds


def span_within(bounds: tuple[int, int], since: int, until: int, step: int | None) -> Span:
    """The seconds of [since, until) that lie in the store's, widened to whole steps.

    Without a step it is the finest with at most MAX_POINTS of them. Steps before the first
    frame take no time to leave out, however far away `since` is.
    """
    chosen = step or step_for(until - since)
    since, until = max(since, bounds[0]), min(until, bounds[1] + 1)
    start = since // chosen * chosen
    return Span(start, max(-(-until // chosen) * chosen, start), chosen)


def rows(store: Store, asked: Wanted) -> Iterator[Rows]:
    """The figures, metric by metric, each part of the span small enough to hold in memory."""
    span = asked.span
    for metric in asked.metrics:
        series = max(len(store.series(metric.name)), 1)
        steps = max(ROWS_AT_ONCE // (series * _STATISTICS[metric.kind]), 1)
        for start in range(span.start, span.end, steps * span.step):
            end = min(start + steps * span.step, span.end)
            yield from statistics(store, metric, Span(start, end, span.step))


def statistics(store: Queryable, metric: Metric, span: Span, where: Labels = ()) -> Iterator[Rows]:
    """Every statistic of a metric over the whole span, a `Rows` each.

    `where` are labels that the series must bear, sorted by name.
    """
    query = span.query(metric.name, by=metric.labels, where=where, comparisons=True)
    for statistic, aggregation in _AGGREGATIONS[metric.kind].items():
        found = store.aggregate(query, aggregation)
        unit = "1" if metric.kind is Kind.HISTOGRAM else metric.unit
        labels = _labels(metric, found.groups)
        yield Rows(metric, unit, statistic, found.times, labels, found.values)
    if metric.kind is Kind.HISTOGRAM:
        mean = store.mean(query)
        labels = _labels(metric, mean.groups)
        yield Rows(metric, metric.unit, "mean", mean.times, labels, mean.values)
        qs = store.quantiles(query, list(QUANTILES.values()))
        labels = _labels(metric, qs.groups)
        for index, name in enumerate(QUANTILES):
            yield Rows(metric, metric.unit, name, qs.times, labels, qs.values[:, index, :])


def _labels(metric: Metric, groups: Sequence[tuple[str, ...]]) -> list[Labels]:
    return [
        tuple(pair for pair in zip(metric.labels, group, strict=True) if pair[1])
        for group in groups
    ]


def check_size(store: Store, metrics: Sequence[Metric], span: Span, where: Labels = ()) -> None:
    """Raise ExportError, with a step that fits, when there could be more than MOST_ROWS figures."""
    steps = (span.end - span.start) // span.step
    figures = steps * sum(
        _STATISTICS[metric.kind]
        for metric in metrics
        for series in store.series(metric.name)
        if set(where) <= set(series.labels)
    )
    if figures > MOST_ROWS:
        fitting = [step for step in STEPS if figures * span.step / step <= MOST_ROWS]
        advice = f"step={fitting[0]}" if fitting else "fewer metrics or a shorter span"
        raise ExportError(
            f"that would be up to {figures:,} rows, and {MOST_ROWS:,} is the most: try {advice}"
        )


def _time(name: str, text: str) -> int:
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ExportError(
                f"{name}={text!r} is no time: epoch seconds or ISO 8601, as 2026-11-20T10:15:00Z"
            ) from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp()
    if not 0 <= seconds < 2**33:  # to the year 2242; NaN is neither
        raise ExportError(f"{name}={text!r} is out of range: epoch seconds lie in [0, {2**33})")
    return int(seconds)


def _step(text: str) -> int:
    step = read_whole_number(text, STEPS[-1])
    if not step:
        raise ExportError(f"step={text!r} is no step: whole seconds from 1 to {STEPS[-1]}")
    return step

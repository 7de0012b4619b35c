"""Lines of a graph: made from queries, joined, selected and renamed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import catalog
from servescope.queries.rows import Lines
from servescope.store.query import Aggregation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span
    from servescope.store.query import Query

HIGHEST: Final = "highest"
LOWEST: Final = "lowest"
RECORDED_EACH_SECOND: Final = catalog.COLLECT_DURATION
"""A counter that has a value in each second which a dashboard collected, its first one and those
that it came late for among them: a gauge has none there."""

_AVERAGED: Final = (Aggregation.AVG, Aggregation.RATE)
"""The aggregations whose points have a mean over time."""


def lines_by_label(
    context: QueryContext,
    query: Query,
    aggregation: Aggregation,
    unit: str,
) -> Lines:
    """A line for each group of the query, named by the value of its first label."""
    found = context.store.aggregate(query, aggregation)
    names = tuple(group[0] for group in found.groups)
    return Lines(
        found.times, names, found.values, unit, found.actual_step, _meanless(names, aggregation)
    )


def named_lines(
    context: QueryContext,
    queries: Mapping[str, Query],
    aggregation: Aggregation,
    unit: str,
) -> Lines:
    """A line for each name: all series that its query selects together."""
    rows = []
    for query in queries.values():
        found = context.store.aggregate(query, aggregation)
        rows.append(found.values[0] if len(found.values) else np.full(found.times.size, np.nan))
    names = tuple(queries)
    return Lines(
        found.times, names, np.array(rows), unit, found.actual_step, _meanless(names, aggregation)
    )


def _meanless(names: Sequence[str], aggregation: Aggregation) -> tuple[bool, ...]:
    return (aggregation not in _AVERAGED,) * len(names)


def with_extremes(context: QueryContext, name: str, query: Query, unit: str) -> Lines:
    """A gauge's mean in each step and, where a step is longer than a second, its extremes.

    So a line keeps every spike, however many seconds a pixel spans.
    """
    lines = {name: Aggregation.AVG}
    if query.step > 1:
        lines |= {HIGHEST: Aggregation.MAX, LOWEST: Aggregation.MIN}
    return joined(
        [
            named_lines(context, {line: query}, aggregation, unit)
            for line, aggregation in lines.items()
        ]
    )


def with_highest(span: Span, lines: Callable[[Aggregation], Lines]) -> Lines:
    """Gauges' means in each step and, where a step is longer than a second, their highest values.

    For several lines in one graph: a lowest of each as well would hide more than it shows.
    """
    means = lines(Aggregation.AVG)
    if span.step <= 1:
        return means
    return joined([means, renamed(lines(Aggregation.MAX), f"{{}} {HIGHEST}")])


def zero_where_recorded(context: QueryContext, span: Span, rates: Lines) -> Lines:
    """Rates with 0 in each recorded step of a line that has no value at all.

    The store knows a series from the first time on that it happened: until then it happened 0
    times. A step was recorded where another line has a value, or else RECORDED_EACH_SECOND.
    """
    is_known = ~np.isnan(rates.values)
    is_without = ~is_known.any(axis=1, keepdims=True)
    if not is_without.any():
        return rates
    is_recorded = is_known.any(axis=0)
    if not is_recorded.any():
        found = context.store.aggregate(span.query(RECORDED_EACH_SECOND), Aggregation.RATE)
        # The engine's points of two metrics need not come at the same moment.
        if not len(found.values) or not np.array_equal(found.times, rates.times):
            return rates
        is_recorded = np.isfinite(found.values).any(axis=0)
    return replace(rates, values=np.where(is_without & is_recorded, 0.0, rates.values))


def joined(parts: Sequence[Lines]) -> Lines:
    """Lines of the same span, step and unit as one."""
    first = parts[0]
    counted = [part.requests for part in parts if part.requests is not None]
    bounds = [
        (np.zeros(part.values.shape, bool) if part.bounds is None else part.bounds).reshape(
            -1, first.times.size
        )
        for part in parts
    ]
    return replace(
        first,
        names=tuple(name for part in parts for name in part.names),
        values=np.concatenate([part.values.reshape(-1, first.times.size) for part in parts]),
        without_mean=tuple(
            is_without
            for part in parts
            for is_without in part.without_mean or (False,) * len(part.names)
        ),
        requests=np.concatenate(counted) if len(counted) == len(parts) else None,
        bounds=np.concatenate(bounds) if any(part.bounds is not None for part in parts) else None,
    )


def selected(lines: Lines, wanted: Sequence[bool]) -> Lines:
    """The lines for which `wanted`, one entry a line, is true."""
    return taken(lines, [index for index, is_wanted in enumerate(wanted) if is_wanted])


def taken(lines: Lines, order: Sequence[int]) -> Lines:
    """The lines at these positions, in this order."""
    rows = np.array(order, dtype=int)
    return replace(
        lines,
        names=tuple(lines.names[index] for index in order),
        values=lines.values[rows],
        without_mean=lines.without_mean and tuple(lines.without_mean[index] for index in order),
        requests=None if lines.requests is None else lines.requests[rows],
        bounds=None if lines.bounds is None else lines.bounds[rows],
    )


def of_listeners(context: QueryContext, lines: Lines) -> Lines:
    """The same lines, each with the colour that its listener has in all graphs."""
    return replace(lines, places=context.process.colour_places())


def renamed(lines: Lines, form: str) -> Lines:
    """The same lines with each name put into `form`, e.g. `"{} received"`."""
    return replace(lines, names=tuple(form.format(name) for name in lines.names))

"""The limits of our cgroup and its use of them: where it has any, the host's figures mislead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import catalog
from servescope.queries.lines import named_lines
from servescope.queries.rows import ContainerLimit
from servescope.queries.span import moment
from servescope.records.metrics import ALL_HOSTS
from servescope.store.query import Aggregation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from servescope.queries.context import QueryContext
    from servescope.queries.rows import Lines
    from servescope.queries.span import Span
    from servescope.store.query import Query

WINDOW_S: Final = 5
"""Seconds in which a limit is looked for: without one there is none, or nothing is collected."""

USED: Final = "used"
LIMIT: Final = "limit"

_SET_BY: Final = ("cgroup.file", "cgroup.path")
_CORE: Final = ("cpu.logical_number",)
_STATE: Final = ("system.memory.state",)


def limits(
    context: QueryContext, shown: Span | None = None
) -> tuple[ContainerLimit | None, ContainerLimit | None]:
    """The limits of memory, in bytes, and CPU, in CPUs; None where there is none.

    They are those that hold now, or held at the end of a fixed span; what was used of them is a
    mean of the last seconds, or of the whole fixed span. Of all hosts together there is no limit.
    """
    newest = context.newest()
    if newest is None or context.host == ALL_HOSTS:
        return None, None
    span = moment(shown, newest, WINDOW_S)
    return context.snapshots.keep(
        ("container limits", span),
        lambda: (
            _limit(
                context, span, catalog.CONTAINER_MEMORY_LIMIT, catalog.CONTAINER_MEMORY, _memory
            ),
            _limit(context, span, catalog.CONTAINER_CPU_LIMIT, catalog.CONTAINER_CPU, _cpus),
        ),
    )


def memory(context: QueryContext, span: Span) -> Lines:
    """Bytes used by the limited cgroup, and its limit."""
    return _used_and_limit(
        context, span, catalog.CONTAINER_MEMORY, catalog.CONTAINER_MEMORY_LIMIT, "By"
    )


def cpu(context: QueryContext, span: Span) -> Lines:
    """CPUs used by the limited cgroup, and its limit."""
    return _used_and_limit(
        context, span, catalog.CONTAINER_CPU, catalog.CONTAINER_CPU_LIMIT, "{cpu}"
    )


def throttled(context: QueryContext, span: Span) -> Lines:
    """Share of the quota's periods in which it was used up, so that its threads had to wait."""
    queries = {"throttled": span.query(catalog.CONTAINER_THROTTLED)}
    return named_lines(context, queries, Aggregation.AVG, "1")


def _used_and_limit(context: QueryContext, span: Span, usage: str, limit: str, unit: str) -> Lines:
    queries = {USED: span.query(usage), LIMIT: span.query(limit)}
    return named_lines(context, queries, Aggregation.AVG, unit)


def _limit(
    context: QueryContext,
    span: Span,
    limit: str,
    usage: str,
    of_host: Callable[[QueryContext, Span], float | None],
) -> ContainerLimit | None:
    found = context.store.aggregate(span.query(limit, by=_SET_BY), Aggregation.AVG)
    readings = [
        (int(np.flatnonzero(~np.isnan(row))[-1]), group, row)
        for group, row in zip(found.groups, found.values, strict=True)
        if not np.isnan(row).all()
    ]
    if not readings:
        return None
    at, (file, path), row = max(readings, key=lambda one: one[0])  # it may have changed just now
    used = _used_ratio(context, span.query(usage), found.values)
    return ContainerLimit(float(row[at]), file, path, used, of_host(context, span))


def _used_ratio(context: QueryContext, usage: Query, limits: NDArray[np.float64]) -> float | None:
    """Mean over the steps of what was used of the limit of each, of which there is one at a time.

    `limits` (N, T): NaN where a limit did not hold.
    """
    used = context.store.aggregate(usage, Aggregation.AVG).values
    if not len(used):
        return None
    limit = np.fmin.reduce(limits)
    shares = used.sum(axis=0)[limit > 0] / limit[limit > 0]
    known = shares[~np.isnan(shares)]
    return float(known.mean()) if known.size else None


def _memory(context: QueryContext, span: Span) -> float | None:
    return _newest(context, span.query(catalog.MEMORY_USAGE, by=_STATE))


def _cpus(context: QueryContext, span: Span) -> float | None:
    query = span.query(catalog.CPU_UTILIZATION, by=_CORE)
    cores = context.store.aggregate(query, Aggregation.AVG).groups
    return float(len(cores) - 1) if len(cores) > 1 else None  # without `all`


def _newest(context: QueryContext, query: Query) -> float | None:
    """The sum of all groups in the newest step that has any."""
    values = context.store.aggregate(query, Aggregation.AVG).values
    there = np.flatnonzero(~np.isnan(values).all(axis=0)) if len(values) else np.array([])
    return float(np.nansum(values[:, there[-1]])) if there.size else None

"""What our cgroup uses of its limits, where it has any: there the host's figures mislead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import catalog
from servescope.queries.asking import ask, lines_of
from servescope.queries.rows import ContainerLimit
from servescope.queries.span import Span
from servescope.settings import ALL_HOSTS
from servescope.store.base import Aggregation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from servescope.queries.context import QueryContext
    from servescope.queries.rows import Lines

WINDOW_S: Final = 5
"""Seconds in which a limit is looked for: without one there is none, or nothing is collected."""

USED: Final = "used"
LIMIT: Final = "limit"

_SET_BY: Final = ("cgroup.file", "cgroup.path")
_CORE: Final = ("cpu.logical_number",)
_STATE: Final = ("system.memory.state",)


def limits(context: QueryContext) -> tuple[ContainerLimit | None, ContainerLimit | None]:
    """The limits of memory, in bytes, and CPU, in CPUs, that hold now; None where there is none.

    Of all hosts together there is no such thing.
    """
    newest = context.newest()
    if newest is None or context.host == ALL_HOSTS:
        return None, None
    span = Span(newest + 1 - WINDOW_S, newest + 1, 1)
    return context.snapshots.keep(
        ("container limits", newest),
        lambda: (
            _limit(
                context, span, catalog.CONTAINER_MEMORY_LIMIT, catalog.CONTAINER_MEMORY, _memory
            ),
            _limit(context, span, catalog.CONTAINER_CPU_LIMIT, catalog.CONTAINER_CPU, _cpus),
        ),
    )


def memory(context: QueryContext, span: Span) -> Lines:
    """Bytes: what the limited cgroup uses, and its limit."""
    wanted = {USED: (catalog.CONTAINER_MEMORY, ()), LIMIT: (catalog.CONTAINER_MEMORY_LIMIT, ())}
    return lines_of(context, span, wanted, Aggregation.AVG, "By")


def cpu(context: QueryContext, span: Span) -> Lines:
    """CPUs: what the limited cgroup uses, and its limit."""
    wanted = {USED: (catalog.CONTAINER_CPU, ()), LIMIT: (catalog.CONTAINER_CPU_LIMIT, ())}
    return lines_of(context, span, wanted, Aggregation.AVG, "{cpu}")


def throttled(context: QueryContext, span: Span) -> Lines:
    """Share of the quota's periods in which it was used up, so that its threads had to wait."""
    wanted = {"throttled": (catalog.CONTAINER_THROTTLED, ())}
    return lines_of(context, span, wanted, Aggregation.AVG, "1")


def _limit(
    context: QueryContext,
    span: Span,
    limit: str,
    usage: str,
    of_host: Callable[[QueryContext, Span], float | None],
) -> ContainerLimit | None:
    found = ask(context, span, limit, Aggregation.AVG, _SET_BY)
    told = [
        (int(np.flatnonzero(~np.isnan(row))[-1]), group, row)
        for group, row in zip(found.groups, found.values, strict=True)
        if not np.isnan(row).all()
    ]
    if not told:
        return None
    at, (file, path), row = max(told, key=lambda one: one[0])  # it may have changed just now
    used = _newest(ask(context, span, usage, Aggregation.AVG).values)
    return ContainerLimit(float(row[at]), file, path, used, of_host(context, span))


def _memory(context: QueryContext, span: Span) -> float | None:
    return _newest(ask(context, span, catalog.MEMORY_USAGE, Aggregation.AVG, _STATE).values)


def _cpus(context: QueryContext, span: Span) -> float | None:
    cores = ask(context, span, catalog.CPU_UTILIZATION, Aggregation.AVG, _CORE).groups
    return float(len(cores) - 1) if len(cores) > 1 else None  # without `all`


def _newest(values: NDArray[np.float64]) -> float | None:
    """The sum of all rows in the newest step that has any."""
    there = np.flatnonzero(~np.isnan(values).all(axis=0)) if len(values) else np.array([])
    return float(np.nansum(values[:, there[-1]])) if there.size else None

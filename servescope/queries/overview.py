"""Is everything well? The figures of the overview's cards."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import catalog
from servescope.histogram import supported_quantiles
from servescope.queries import container
from servescope.queries.rows import Signals
from servescope.queries.span import Span
from servescope.queries.traffic import STATUS
from servescope.store.query import Aggregation

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.store.query import Query

WINDOW_S: Final = 5
"""Seconds a card's figure covers: long enough not to flicker, short enough to be now."""


def signals(context: QueryContext) -> Signals:
    """The golden signals over the last seconds that have frames."""
    newest = context.newest()
    if newest is None:
        return Signals(seconds=0)
    span = Span(newest + 1 - WINDOW_S, newest + 1, 1)
    return context.snapshots.keep(("signals", newest), lambda: _signals(context, span))


def _signals(context: QueryContext, span: Span) -> Signals:
    total = context.store.total(span.query(catalog.REQUEST_DURATION, by=(STATUS,)))
    requests = float(total.count.sum())
    failed = sum(
        float(count)
        for (status,), count in zip(total.groups, total.count, strict=True)
        if status.startswith("5")
    )
    p50, p95, p99 = (
        None if math.isnan(value) else value
        for value in supported_quantiles(total.buckets.sum(axis=0), (0.5, 0.95, 0.99)).tolist()
    )
    depth, ratio = _accept_queue(context, span)
    memory_limit, cpu_limit = container.limits(context)
    return Signals(
        requests_per_s=requests / WINDOW_S,
        error_ratio=failed / requests if requests else None,
        requests=round(requests),
        p50_s=p50,
        p95_s=p95,
        p99_s=p99,
        open_connections=_newest(context, span.query(catalog.OPEN_CONNECTIONS)),
        accept_queue_depth=depth,
        accept_queue_ratio=ratio,
        cpu_utilization=_mean(
            context, span.query(catalog.CPU_UTILIZATION, where=(("cpu.logical_number", "all"),))
        ),
        memory_utilization=_mean(context, span.query(catalog.MEMORY_UTILIZATION)),
        load_average=_mean(context, span.query(catalog.LOAD_AVERAGE)),
        container_cpu_ratio=cpu_limit.ratio if cpu_limit else None,
        container_memory_ratio=memory_limit.ratio if memory_limit else None,
        seconds=WINDOW_S,
    )


def _mean(context: QueryContext, query: Query) -> float | None:
    """Mean of a gauge over the seconds of the span that have it."""
    found = context.store.aggregate(query, Aggregation.AVG)
    if not len(found.values) or np.isnan(found.values[0]).all():
        return None
    return float(np.nanmean(found.values[0]))


def _newest(context: QueryContext, query: Query) -> float | None:
    """A gauge that counts things, in the newest second of the span that has it."""
    found = context.store.aggregate(query, Aggregation.AVG)
    known = found.values[0][~np.isnan(found.values[0])] if len(found.values) else np.empty(0)
    return float(known[-1]) if known.size else None


def _accept_queue(context: QueryContext, span: Span) -> tuple[float | None, float | None]:
    """The deepest accept queue of our ports in the span, and its share of that port's backlog."""
    depths, limits = (
        context.store.aggregate(span.query(metric, by=("port",)), Aggregation.MAX)
        for metric in (catalog.ACCEPT_QUEUE_DEPTH, catalog.ACCEPT_QUEUE_BACKLOG)
    )
    if not depths.groups or np.isnan(depths.values).all():
        return None, None
    deepest = np.nanmax(np.nan_to_num(depths.values, nan=-1.0), axis=1)
    index = int(deepest.argmax())
    limit = dict(zip(limits.groups, np.nan_to_num(limits.values).max(axis=1), strict=True))
    backlog = limit.get(depths.groups[index], 0.0)
    return float(deepest[index]), float(deepest[index] / backlog) if backlog else None

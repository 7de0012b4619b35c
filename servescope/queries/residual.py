"""The duration of requests by a client's own clock, beside the sum of the stages we measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from servescope import catalog
from servescope.load.report import FROM_SEND, MEAN, latency_of
from servescope.queries import latency, load
from servescope.queries.traffic import of_listener
from servescope.store.query import Query

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.queries.span import Span
    from servescope.records.load import LoadRun


@dataclass(frozen=True, slots=True)
class Clock:
    """One side's view of the same requests; durations in seconds, NaN for one of too few.

    `requests` are those with a duration; a server answered `unread` more before it had read one.
    `bounds` names those of `mean`, `p50` and `p95` that are lower bounds.
    """

    requests: int
    mean_s: float
    p50_s: float
    p95_s: float
    unread: int = 0
    bounds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Residual:
    """The newest load run of a span as its client and as its server timed it."""

    run: LoadRun
    client: Clock
    server: Clock


def residual(context: QueryContext, span: Span, listener: str = "") -> Residual | None:
    """Of the newest run that touches the span and aimed at `listener`; None without one.

    Both sides are taken over the whole seconds of the run, of a fixed span those within it. The
    client counts from the actual send: what a request waited inside the generator is no matter of
    the server. Of the server only requests that it read have stages to sum.
    """
    for run in load.runs_in(context, span):
        aimed_at = run.plan.listener  # nothing: at another host, whose stages nobody records
        seconds = run.whole_seconds
        if seconds is None or not aimed_at or (listener and aimed_at != listener):
            continue
        start, end = seconds
        if start >= span.end or end <= span.start:
            continue
        if span.fixed:
            start, end = max(start, span.start), min(end, span.end)
        found = of_seconds(context, run, start, end)
        if found is not None:
            return found
    return None


def of_seconds(context: QueryContext, run: LoadRun, start: int, end: int) -> Residual | None:
    """Both clocks over the seconds `[start, end)` of a run; None where one has no request.

    The client's figures of a whole run that is over are those of its result, as its tables have
    them.
    """
    if not run.plan.listener:
        return None
    where = of_listener(run.plan.listener)
    client, server = (
        _clock(context, Query(metric, start, end, where=where))
        for metric in (catalog.LOAD_NAIVE_DURATION, catalog.REQUEST_DURATION)
    )
    if client is None or server is None:
        return None
    if run.is_whole_in(start, end):
        client = _as_in_result(run, client)
    return Residual(run, client, server)


def _as_in_result(run: LoadRun, clock: Clock) -> Clock:
    """The clock with the durations of the run's result; the same where it has none."""
    mean, p50, p95 = (latency_of(run.result, name, FROM_SEND) for name in (MEAN, "p50", "p95"))
    if mean is None or p50 is None or p95 is None:
        return clock
    named = {MEAN: mean, "p50": p50, "p95": p95}
    return replace(
        clock,
        mean_s=mean.ms / 1e3,
        p50_s=p50.ms / 1e3,
        p95_s=p95.ms / 1e3,
        bounds=frozenset(name for name, one in named.items() if one.is_bound),
    )


def _clock(context: QueryContext, query: Query) -> Clock | None:
    found = latency.durations(context, query)
    if not found.requests and not found.unread:
        return None
    known, bounds = found.percentiles(("p50", "p95"))
    p50_s, p95_s = (known.get(name, np.nan) for name in ("p50", "p95"))
    bounds |= {MEAN} if found.timed_out.any() else set()
    return Clock(found.requests, found.mean_s, p50_s, p95_s, found.unread, bounds)

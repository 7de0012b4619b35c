"""Load runs, and their figures as the generator measured them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import catalog
from servescope.queries.latency import percentiles, step_of_percentiles
from servescope.queries.lines import joined, named_lines, renamed, zero_where_recorded
from servescope.queries.traffic import REQUESTS_PER_S, answered
from servescope.store.query import Aggregation

if TYPE_CHECKING:
    from servescope.control import Control
    from servescope.queries.context import QueryContext
    from servescope.queries.rows import Lines
    from servescope.queries.span import Span
    from servescope.records.dashboard import Event
    from servescope.records.load import LoadRun
    from servescope.records.metrics import Labels

RUNS_SHOWN: Final = 50
RUNS_ASKED: Final = 2 * RUNS_SHOWN
"""Those of comparisons are among them, up to four each."""
_CLOCKS: Final = {
    catalog.LOAD_DURATION: (
        "{} from the intended send time",
        "{} from intended send: too few requests",
    ),
    catalog.LOAD_NAIVE_DURATION: (
        "{} from the actual send (naive)",
        "{} from actual send: too few requests",
    ),
    catalog.REQUEST_DURATION: (
        "{} inside the server",
        "{} inside the server: too few requests",
    ),
}
"""By metric the name of a percentile by that clock, and of one without a value.

A legend cuts longer names.
"""


def runs(context: QueryContext) -> list[LoadRun]:
    """The newest load runs, newest first; those of a comparison stand with it."""
    return context.process.snapshots.get("runs", lambda: _runs(context.process.control))


def runs_in(context: QueryContext, span: Span) -> list[LoadRun]:
    """The runs that touch a span of time, newest first; those of a comparison stand with it."""
    return context.process.snapshots.get(
        ("runs", span.start, span.end),
        lambda: _standing(
            context.process.control.load_runs.between(span.start, span.end, RUNS_ASKED)
        ),
    )


def _sent_in(context: QueryContext, span: Span) -> list[LoadRun]:
    """The runs whose requests are in a span: those of comparisons, too."""
    return context.process.snapshots.get(
        ("runs with requests", span.start, span.end),
        lambda: context.process.control.load_runs.between(span.start, span.end, RUNS_ASKED),
    )


def ended_in(context: QueryContext, span: Span) -> list[LoadRun]:
    """Of these the runs that ended within the span."""
    return [
        run for run in runs_in(context, span) if run.ended_s is not None and run.ended_s <= span.end
    ]


def _runs(control: Control) -> list[LoadRun]:
    return _standing(control.load_runs.newest(RUNS_ASKED))


def _standing(found: list[LoadRun]) -> list[LoadRun]:
    return [run for run in found if not run.plan.comparison][:RUNS_SHOWN]


def active_run(context: QueryContext) -> LoadRun | None:
    """The run that is asked for or under way; those of a comparison stand with it."""
    run = context.process.snapshots.get("active run", context.process.control.load_runs.active)
    return None if run is not None and run.plan.comparison else run


def rates(
    context: QueryContext, span: Span, where: Labels = (), *, has_server: bool = True
) -> Lines:
    """Requests per second: finished and failed at the generator, answered by the listeners.

    Answers whose client had gone are a line of their own. `has_server`: those that were loaded have
    figures of their own.
    """
    queries = {
        "generator: finished": span.query(catalog.LOAD_SENT, where=where),
        "generator: failed": span.query(catalog.LOAD_ERRORS, where=where),
    }
    found = named_lines(context, queries, Aggregation.RATE, REQUESTS_PER_S)
    if has_server:
        found = joined([found, answered(context, span, where)])
    return zero_where_recorded(context, span, found)


def latencies(context: QueryContext, span: Span, step: int = 0) -> Lines:
    """p99 three ways: from the intended send, from the actual one, and as the server saw it.

    All in the same steps, which have the requests that each of them takes as far as `percentiles`
    lengthens one; `step` as that takes it. A line without a value says why in its name, where
    another has one.
    """
    step = step or max(step_of_percentiles(context, span, metric=one) for one in _CLOCKS)
    timeouts_s = {run.plan.scenario.timeout_seconds for run in _sent_in(context, span)}
    found = [
        percentiles(context, span, ("p99",), metric=one, step=step, timeouts_s=timeouts_s)
        for one in _CLOCKS
    ]
    is_drawn = [bool(np.isfinite(one.values).any()) for one in found]
    return joined(
        [
            renamed(one, name if drawn or not any(is_drawn) else without)
            for one, (name, without), drawn in zip(found, _CLOCKS.values(), is_drawn, strict=True)
        ]
    )


def events(context: QueryContext, span: Span) -> list[Event]:
    """Annotations that touch the span: load runs, changes of leader, listeners, the store."""
    key = ("events", span.start, span.end)
    return context.process.snapshots.get(
        key, lambda: context.process.control.events.between(span.start, span.end)
    )

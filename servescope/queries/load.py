"""Load runs, and their figures as the generator measured them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import catalog
from servescope.queries.latency import percentiles, step_of_percentiles
from servescope.queries.lines import joined, named_lines, renamed, zero_where_recorded
from servescope.queries.traffic import LISTENER, REQUESTS_PER_S, answered, names_in_store
from servescope.store.query import Aggregation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

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
_P99: Final = ("p99",)
_CLIENT_CLOCKS: Final = {
    catalog.LOAD_DURATION: (
        "{} from the intended send time",
        "{} from intended send: too few requests",
    ),
    catalog.LOAD_NAIVE_DURATION: (
        "{} from the actual send (naive)",
        "{} from actual send: too few requests",
    ),
}
"""By metric the name of a percentile by that clock, and of one without a value.

A legend cuts longer names.
"""
_THE_SERVER: Final = "the server"
"""In place of its name where no load went to any."""


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


def latencies(
    context: QueryContext, span: Span, step: int = 0, of_run: LoadRun | None = None
) -> Lines:
    """p99 three ways: from the intended send, from the actual one, and as its server saw it.

    A server has a line of its own, and values in the steps in which load was sent to it: what else
    was asked of it, and what others answered, is no part of that load. `of_run`: of the load of
    this run alone, whose server has values in the whole span. All in the same steps, which have the
    requests that each line takes as far as `percentiles` lengthens one; `step` as that takes it. A
    line without a value says why in its name, where another has one.
    """
    target = "" if of_run is None else of_run.plan.destination
    servers = _servers(context, span.in_steps_of(step) if step else span, of_run)
    step = step or max(
        *(step_of_percentiles(context, span, target, one) for one in _CLIENT_CLOCKS),
        *(step_of_percentiles(context, span, one) for one in servers),
    )
    runs_of_span = _sent_in(context, span) if of_run is None else [of_run]
    timeouts_s = {run.plan.scenario.timeout_seconds for run in runs_of_span}
    found = [
        (percentiles(context, span, _P99, target, one, step, timeouts_s), *forms)
        for one, forms in _CLIENT_CLOCKS.items()
    ]
    if of_run is None:
        found += _inside_while_loaded(context, span, step, servers)
    else:
        found += [
            (percentiles(context, span, _P99, one, step=step), *_inside_of(one)) for one in servers
        ]
    is_drawn = [bool(np.isfinite(lines.values).any()) for lines, _, _ in found]
    if not servers and not any(is_drawn):
        nothing = replace(found[0][0], values=np.full_like(found[0][0].values, np.nan))
        found.append((nothing, *_inside_of(_THE_SERVER)))
        is_drawn.append(False)
    return joined(
        [
            renamed(lines, name if drawn or not any(is_drawn) else without)
            for (lines, name, without), drawn in zip(found, is_drawn, strict=True)
        ]
    )


def _inside_while_loaded(
    context: QueryContext, span: Span, step: int, servers: Sequence[str]
) -> Iterator[tuple[Lines, str, str]]:
    """The p99 of each server in the steps in which it was loaded, and the forms of its name."""
    in_steps = span.in_steps_of(step)
    sent, runs_of_span = _sent_by_server(context, in_steps), _standing_in(context, in_steps)
    for server in servers:
        lines = percentiles(context, span, _P99, server, step=step)
        of_server = [run for run in runs_of_span if run.plan.listener == server]
        is_loaded = _is_loaded(sent.get((server,)), of_server, lines.times, in_steps.step)
        yield replace(lines, values=np.where(is_loaded, lines.values, np.nan)), *_inside_of(server)


def _inside_of(server: str) -> tuple[str, str]:
    """The forms of a percentile's name by the clock of a server."""
    name = server.replace("{", "{{").replace("}", "}}")
    return f"{{}} inside {name}", f"{{}} inside {name}: too few requests"


def _servers(context: QueryContext, span: Span, of_run: LoadRun | None) -> list[str]:
    """The listeners, and apps that record here, that load of a span was sent to, by name."""
    if of_run is not None:
        return [of_run.plan.listener] if of_run.plan.listener else []
    counted = {
        name for (name,), row in _sent_by_server(context, span).items() if np.nan_to_num(row).any()
    }
    asked = {run.plan.listener for run in _standing_in(context, span)}
    # A host elsewhere counts among the first, by its origin.
    return sorted((counted & names_in_store(context)) | (asked - {""}))


def _standing_in(context: QueryContext, span: Span) -> list[LoadRun]:
    """The runs of a span that are of no comparison; of another host none are known here."""
    if not context.is_home:
        return []
    return [run for run in _sent_in(context, span) if not run.plan.comparison]


def _is_loaded(
    counts: NDArray[np.float64] | None,
    runs_of_server: Sequence[LoadRun],
    times: NDArray[np.int64],
    step: int,
) -> NDArray[np.bool_]:
    """In which steps (T,) load was sent to a server: a run went on, or its requests ended.

    `counts` (T,) are those requests. A step depends on itself alone: the points that a poll adds to
    a graph are those of the whole graph.
    """
    is_loaded = np.zeros(times.size, dtype=bool)
    if counts is not None and counts.size == times.size:
        is_loaded |= np.nan_to_num(counts) > 0
    for run in runs_of_server:
        if run.started_s is not None:
            ended_s = np.inf if run.ended_s is None else run.ended_s
            is_loaded |= (times + step > run.started_s) & (times < ended_s)
    return is_loaded


def _sent_by_server(
    context: QueryContext, span: Span
) -> dict[tuple[str, ...], NDArray[np.float64]]:
    """Requests of load that ended in each step (T,), by what it aimed at."""
    if span.is_empty:
        return {}
    found = context.store.aggregate(
        span.query(catalog.LOAD_DURATION, by=(LISTENER,)), Aggregation.SUM
    )
    return dict(zip(found.groups, found.values, strict=True))


def events(context: QueryContext, span: Span) -> list[Event]:
    """Annotations that touch the span: load runs, changes of leader, listeners, the store."""
    key = ("events", span.start, span.end)
    return context.process.snapshots.get(
        key, lambda: context.process.control.events.between(span.start, span.end)
    )

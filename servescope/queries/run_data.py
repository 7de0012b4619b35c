"""One load run with all that was measured in its span, as a report shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from servescope import catalog
from servescope.queries import host, latency, load, ports, traffic
from servescope.queries.context import QueryContext
from servescope.queries.snapshots import Snapshots
from servescope.queries.span import Span, step_for
from servescope.run_files.document import run_span
from servescope.run_files.imported import has_series, open_series

if TYPE_CHECKING:
    from servescope.queries.context import ProcessContext
    from servescope.queries.rows import Distribution, Lines, StageRow
    from servescope.records.load import LoadRun
    from servescope.run_files.document import SaidOfRun
    from servescope.store.base import Store


PERCENTILES: Final = ("p50", "p95", "p99")
"""Those of the client that are drawn over time."""


NOBODY: Final = "\0"
"""The name of no listener: an empty one would ask for all."""


@dataclass(frozen=True, slots=True)
class RunSeries:
    """The figures of a run's span over time, and the server's over the whole of it.

    `rates`, `latencies`: as `queries.load` gives them; `percentiles`: of the client, from the
    intended send; `stages` and `stage_rows`, `server`: of the listener that was loaded. They are
    empty where the run aimed at a host that is none of ours.
    """

    rates: Lines
    latencies: Lines
    percentiles: Lines
    stages: Lines
    stage_rows: tuple[StageRow, ...]
    server: Distribution
    server_requests: int  # that were read
    server_unread: int  # answered before one was read: no duration of the server is of these
    server_mean_s: float  # NaN of no request
    cores: Lines
    accept_queues: Lines


@dataclass(frozen=True, slots=True)
class RunData:
    """A run, what was said of it, and its series; `without_series` says why there are none.

    `host` measured it.
    """

    run: LoadRun
    host: str
    findings: tuple[SaidOfRun, ...] = ()
    series: RunSeries | None = None
    without_series: str = ""


def run_context(context: QueryContext, run: LoadRun) -> QueryContext | None:
    """The context in which questions about a run's span are asked; None without its series.

    That is `context`, but for an imported run, whose series are in a store of their own.
    """
    if run.origin is None:
        return context
    process, origin = context.process, run.origin
    if not has_series(process.settings.data_dir, origin):
        return None

    def opened() -> QueryContext | None:
        store = open_series(process.settings.data_dir, origin)
        return None if store is None else context_of_store(process, store, origin.host)

    return process.snapshots.get(("series of run", run.id), opened)


def context_of_store(process: ProcessContext, store: Store, host_name: str) -> QueryContext:
    """A context of another host's figures in a store of their own."""
    return QueryContext(process, store, Snapshots(store.version), host_name)


def whole_span(run: LoadRun) -> Span:
    """The span of a run, widened to whole steps."""
    start, end = run_span(run)
    step = step_for(max(end - start, 1))
    return Span(start // step * step, -(-end // step) * step, step, fixed=True)


def run_series(context: QueryContext, run: LoadRun) -> RunSeries:
    """The series of a run's span."""
    span, listener = whole_span(run), run.plan.listener or NOBODY
    where = traffic.of_listener(listener)
    of_server = latency.durations(context, span.query(catalog.REQUEST_DURATION, where=where))
    return RunSeries(
        rates=load.rates(
            context,
            span,
            traffic.of_listener(run.plan.destination),
            has_server=bool(run.plan.listener),
        ),
        latencies=load.latencies(context, span, of_run=run),
        percentiles=latency.percentiles(
            context,
            span,
            PERCENTILES,
            run.plan.destination,
            catalog.LOAD_DURATION,
            timeouts_s=(run.plan.scenario.timeout_seconds,),
        ),
        stages=latency.stage_means(context, span, listener, run.kind),
        stage_rows=tuple(latency.stages(context, span, listener, run.kind)),
        server=latency.distribution(context, span, listener),
        server_requests=of_server.requests,
        server_unread=of_server.unread,
        server_mean_s=of_server.mean_s,
        cores=host.cpu_by_core(context, span),
        accept_queues=_of_ports(ports.accept_queue_depths(context, span)),
    )


def _of_ports(lines: Lines) -> Lines:
    """Lines named so that they can stand beside others: a name that is a number is a port."""
    names = (f"port {name}" if name.isdecimal() else name for name in lines.names)
    return replace(lines, names=tuple(names))

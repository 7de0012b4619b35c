"""From the store and the control tables to evidence; nothing else of findings asks anything."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope import catalog
from servescope.findings.evidence import (
    ClocksEvidence,
    ContenderEvidence,
    DashboardEvidence,
    Evidence,
    FleetHostEvidence,
    HostEvidence,
    ListenerEvidence,
    RunEvidence,
)
from servescope.histogram import quantiles
from servescope.queries import container, fleet
from servescope.queries.overview import WINDOW_S
from servescope.queries.span import Span
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerState
from servescope.records.load import TERMINAL_STATES, TIMEOUT_S, RunState
from servescope.store.query import Aggregation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servescope.queries.context import QueryContext
    from servescope.queries.residual import Residual
    from servescope.records.comparisons import Comparison
    from servescope.records.listeners import ListenerStatus
    from servescope.records.load import LoadRun
    from servescope.store.query import Query

_STATUS: Final = "http.response.status_code"
_S_PER_MS: Final = 1e-3


def moment(context: QueryContext) -> Evidence:
    """The last seconds that have frames, of the host whose figures the context has."""
    newest = context.newest()
    statuses = context.process.listeners() if context.is_home else []
    listed = tuple(one for one in statuses if not one.is_temporary)
    delay_s = context.store.capabilities().visibility_delay_s
    age_s = None if newest is None else max(time.time() - (newest + 1) - delay_s, 0.0)
    dashboard = DashboardEvidence(age_s)
    if newest is None:
        stated = [ListenerEvidence(one.name, one.state, one.message) for one in listed]
        return Evidence(WINDOW_S, dashboard, stated)
    span = Span(newest + 1 - WINDOW_S, newest + 1, 1)
    measured = context.snapshots.keep(
        ("evidence", newest, listed), lambda: _measured(context, span, listed)
    )
    return replace(measured, dashboard=dashboard, fleet=_fleet(context))


def _measured(context: QueryContext, span: Span, listed: tuple[ListenerStatus, ...]) -> Evidence:
    requests, errors, p95 = _answers(context, span)
    busy = _gauges(context, span.query(catalog.BUSY_THREADS, by=("listener",)), Aggregation.AVG)
    queued = _gauges(
        context, span.query(catalog.QUEUED_REQUESTS, by=("listener",)), Aggregation.MAX
    )
    depths, backlogs = (
        _gauges(context, span.query(metric, by=("port",)), Aggregation.MAX)
        for metric in (catalog.ACCEPT_QUEUE_DEPTH, catalog.ACCEPT_QUEUE_BACKLOG)
    )
    kernel_waits = _kernel_waits(context, span)
    known = {one.name: one for one in listed}
    names = [*known, *(name for name in requests if name not in known and not context.is_home)]
    found = []
    for name in names:
        status = known.get(name)
        port = str(status.port) if status else ""
        found.append(
            ListenerEvidence(
                name,
                status.state if status else ListenerState.RUNNING,
                status.message if status else "",
                status.model if status else "",
                _threads(status) if status else None,
                busy.get(name),
                queued.get(name),
                requests.get(name, 0),
                errors.get(name, 0),
                p95.get(name),
                kernel_waits.get(name),
                depths.get(port),
                backlogs.get(port),
            )
        )
    return Evidence(WINDOW_S, None, tuple(found), _host(context, span))


def _fleet(context: QueryContext) -> tuple[FleetHostEvidence, ...]:
    now = time.time()
    return tuple(
        FleetHostEvidence(one.host, now - (one.newest_s + 1)) for one in fleet.table(context)
    )


def _threads(status: ListenerStatus) -> int | None:
    """Request threads of all processes of a listener; None for an app that runs on a loop."""
    options = status.options
    if status.model == ConcurrencyModel.SEQUENTIAL:
        return 1
    if status.model == ConcurrencyModel.PREFORK:
        return options.threads * options.workers
    if status.model == ConcurrencyModel.ASYNCIO and status.app_kind == AppKind.ASGI:
        return None
    return options.threads


def _answers(
    context: QueryContext, span: Span
) -> tuple[Mapping[str, int], Mapping[str, int], Mapping[str, float]]:
    """Answers, server errors among them, and p95, by listener."""
    total = context.store.total(span.query(catalog.REQUEST_DURATION, by=("listener", _STATUS)))
    requests: dict[str, int] = defaultdict(int)
    errors: dict[str, int] = defaultdict(int)
    buckets: dict[str, np.ndarray] = {}
    for (name, status), count, counts in zip(total.groups, total.count, total.buckets, strict=True):
        requests[name] += round(float(count))
        errors[name] += round(float(count)) if status.startswith("5") else 0
        buckets[name] = buckets[name] + counts if name in buckets else counts
    p95 = {name: float(quantiles(counts, (0.95,))[0]) for name, counts in buckets.items()}
    return requests, errors, {name: value for name, value in p95.items() if not math.isnan(value)}


def _kernel_waits(context: QueryContext, span: Span) -> dict[str, float]:
    """Mean wait in the kernel, seconds, by listener."""
    total = context.store.total(
        span.query(catalog.STAGE_DURATION, by=("listener",), where=(("stage", "kernel"),))
    )
    return {
        name: float(sum_s) / float(count)
        for (name,), count, sum_s in zip(total.groups, total.count, total.sum_s, strict=True)
        if count
    }


def _gauges(context: QueryContext, query: Query, aggregation: Aggregation) -> dict[str, float]:
    """A gauge over the whole span by its one label: its mean, or its most."""
    found = context.store.aggregate(query, aggregation)
    reduce = np.nanmax if aggregation is Aggregation.MAX else np.nanmean
    return {
        name: float(reduce(values))
        for (name,), values in zip(found.groups, found.values, strict=True)
        if not np.isnan(values).all()
    }


def _host(context: QueryContext, span: Span) -> HostEvidence:
    cores = _gauges(
        context, span.query(catalog.CPU_UTILIZATION, by=("cpu.logical_number",)), Aggregation.AVG
    )
    memory = _gauges(
        context, span.query(catalog.MEMORY_UTILIZATION, by=("instance",)), Aggregation.AVG
    )
    memory_limit, cpu_limit = container.limits(context)
    return HostEvidence(
        cores.pop("all", None),
        cores,
        next(iter(memory.values()), None),
        cpu_limit.ratio if cpu_limit else None,
        memory_limit.ratio if memory_limit else None,
    )


def run_of(run: LoadRun) -> Evidence:
    """One load run."""
    evidence = _run(
        run.id,
        f"listener {run.plan.listener}",
        run.state,
        run.message,
        run.plan.timeout_seconds,
        run.result or {},
    )
    return Evidence(run=evidence)


def clocks_of(found: Residual) -> Evidence:
    """A run by its client's clock and by the server's stages."""
    return Evidence(
        clocks=ClocksEvidence(
            found.run.id,
            found.client.requests,
            found.server.requests,
            found.client.mean_s,
            found.server.mean_s,
        )
    )


def comparison_of(comparison: Comparison) -> Evidence:
    """All models of a comparison that have been measured."""
    return Evidence(
        contenders=tuple(
            ContenderEvidence(
                one.model.label,
                _run(
                    one.run_id,
                    f"model {one.model.label}",
                    RunState(one.state),
                    one.message,
                    TIMEOUT_S,
                    one.result,
                ),
                one.cpu_us_per_request,
                one.accept_queue_max,
            )
            for one in comparison.contenders
            if one.state in TERMINAL_STATES and one.result
        )
    )


def _run(
    run_id: int,
    target: str,
    state: RunState,
    message: str,
    timeout_s: float,
    told: Mapping[str, Any],
) -> RunEvidence:
    """A run as its generator counted it; a result of an older version lacks some of it."""
    latency, naive, lag = (told.get(name) or {} for name in ("latency_ms", "naive_ms", "lag_ms"))
    schedule_s = float(told.get("schedule_seconds") or 0.0)
    cpu_s = told.get("cpu_seconds")
    return RunEvidence(
        run_id,
        target,
        state,
        message,
        rate_asked=float(told.get("rate_asked") or 0.0),
        schedule_s=schedule_s,
        timeout_s=timeout_s,
        sent=int(told.get("sent") or 0),
        answered=int(told.get("answered") or 0),
        answered_in_schedule=told.get("answered_in_schedule"),
        failed=told.get("failed") or {},
        cancelled=int(told.get("cancelled") or 0),
        server_errors=int((told.get("status_classes") or {}).get("5xx") or 0),
        p50_s=_seconds(latency.get("p50")),
        p99_s=_seconds(latency.get("p99")),
        naive_p99_s=_seconds(naive.get("p99")),
        censored_from_s=_seconds(told.get("timed_out_from_ms")),
        lag_p99_s=_seconds(lag.get("p99")),
        lag_max_s=_seconds(lag.get("max")),
        generator_cpu_ratio=cpu_s / schedule_s if cpu_s is not None and schedule_s else None,
        unfinished_at_start=told.get("unfinished_at_start"),
    )


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds * _S_PER_MS

"""From the store and the control tables to evidence; nothing else of findings asks anything."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from servescope import catalog
from servescope.figures import run_progress
from servescope.findings.evidence import (
    THIS_SPAN,
    CapacityEvidence,
    ChosenEvidence,
    ClocksEvidence,
    ContenderEvidence,
    DashboardEvidence,
    Evidence,
    FleetHostEvidence,
    HostEvidence,
    ListenerEvidence,
    PortEvidence,
    RunEvidence,
    SpanEvidence,
    SpanListenerEvidence,
    TotalsEvidence,
)
from servescope.histogram import BUCKETS, quantiles, supported_quantiles
from servescope.load.report import FROM_SEND, MEAN, latency_of
from servescope.queries import capacity, container, fleet, latency, ports, traffic
from servescope.queries.path import (
    KERNEL,
    QUEUE,
    TOGETHER,
    PathStage,
    RequestPath,
    request_paths,
)
from servescope.queries.request_words import is_refused, is_unanswered, is_unread
from servescope.queries.span import moment as moment_span
from servescope.queries.traffic import METHOD, ROUTE, STATUS
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerState
from servescope.records.load import TERMINAL_STATES, RunState
from servescope.records.requests import CLIENT_GONE, CUT_OFF
from servescope.scenarios.rules import RuleResult
from servescope.statistics.capacity_limits import SERVER_LIMITS, EdgeEvidence, limit_of
from servescope.statistics.capacity_search import Outcome
from servescope.store.query import Aggregation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from servescope.queries.context import QueryContext
    from servescope.queries.residual import Residual
    from servescope.queries.rows import PortRow
    from servescope.queries.span import Span
    from servescope.records.capacity import SearchedCapacity
    from servescope.records.comparisons import Comparison, Contender
    from servescope.records.listeners import ListenerStatus
    from servescope.records.load import LoadRun
    from servescope.records.scenarios import Scenario
    from servescope.records.server_kinds import ServerKind
    from servescope.store.query import Query
    from servescope.store.results import TotalResult

WINDOW_S: Final = 5
"""Seconds that a moment covers: long enough not to flicker, short enough to be now."""

_S_PER_MS: Final = 1e-3
MOST_WAIT: Final = 0.5
"""From this share of a run's connections on in the accept queue, its server has a queue: one that
keeps up has them there for moments, a few at a time."""


def moment(context: QueryContext, shown: Span | None = None) -> Evidence:
    """A fixed span, or the last seconds that have frames, of the host whose figures they are."""
    newest = context.newest()
    statuses = context.process.listeners() if context.is_home else []
    listed = tuple(one for one in statuses if not one.is_temporary)
    if shown is not None and shown.fixed:
        return _past(context, shown, listed)
    delay_s = context.store.capabilities().visibility_delay_s
    age_s = None if newest is None else max(time.time() - (newest + 1) - delay_s, 0.0)
    process = context.process
    has_leader = process.is_leader() or process.leader_pid() is not None
    dashboard = DashboardEvidence(age_s, has_leader if context.is_home else None)
    if newest is None:
        stated = [_stated(one) for one in listed]
        return Evidence(WINDOW_S, dashboard, stated)
    span = moment_span(None, newest, WINDOW_S)
    measured, lost = context.snapshots.keep(
        ("evidence", newest, listed), lambda: _measured(context, span, listed)
    )
    dashboard = replace(dashboard, lost_requests=lost)
    return replace(measured, dashboard=dashboard, fleet=_fleet(context))


def _past(context: QueryContext, span: Span, listed: tuple[ListenerStatus, ...]) -> Evidence:
    """The evidence of a fixed span: no states, and no listener of which nothing was recorded.

    The threads and the port that a listener has now hold for the span only if it began before that.
    """
    known = tuple(
        replace(one, state=ListenerState.RUNNING, message="")
        for one in listed
        if one.since_s <= span.start
    )
    evidence, _lost = context.snapshots.get(
        ("past evidence", span, known), lambda: _measured(context, span, known)
    )
    seen = [
        one
        for one in evidence.listeners
        # An event loop has no threads; versions ago open connections were not kept.
        if one.requests
        or one.open_connections is not None
        or one.busy_threads is not None
        or one.accept_queue_depth is not None
    ]
    return replace(evidence, listeners=tuple(seen), is_past=True)


def chosen(context: QueryContext, name: str) -> ChosenEvidence:
    """Whether there is, or was, a listener or an app of a name that an address may have made up."""
    hosted = {one.name for one in context.process.listeners()} if context.is_home else set()
    is_here = name in hosted or name in traffic.recorded_names(context)
    is_recorded = is_here or name in traffic.names_in_store(context)
    return ChosenEvidence(name, is_recorded, is_here if context.is_home else None)


def at_ports(context: QueryContext, shown: Span | None = None) -> Evidence:
    """The same moment, with who listens at the ports of listeners that are stopped."""
    evidence = moment(context, shown)
    if all(one.state is not ListenerState.STOPPED for one in evidence.listeners):
        return evidence
    ours = {one.pid for one in context.process.listeners()}
    holders = {
        row.port: _holder(row)
        for row in ports.sockets(context)
        # A table of two seconds ago may hold a socket that our own process has closed since.
        if row.listener or row.pid not in ours
    }
    return replace(
        evidence,
        listeners=tuple(
            replace(one, port_holder=holders.get(one.port, ""))
            if one.state is ListenerState.STOPPED
            else one
            for one in evidence.listeners
        ),
    )


def _holder(row: PortRow) -> str:
    """The holder of a port, in words."""
    if row.listener:
        return f"listener {row.listener}"
    process = row.process or "another process"
    return f"{process} (pid {row.pid})" if row.pid else process


def _stated(status: ListenerStatus) -> ListenerEvidence:
    """A listener as the control tables have it."""
    return ListenerEvidence(
        status.name,
        status.state,
        status.message,
        status.port,
        model=status.model,
        threads=status.request_threads,
        connection_limit=_connection_limit(status),
    )


def _connection_limit(status: ListenerStatus) -> int | None:
    """How many connections all its processes may hold open; None where it serves one at a time."""
    if status.model == ConcurrencyModel.SEQUENTIAL:
        return None
    processes = status.options.workers if status.model == ConcurrencyModel.PREFORK else 1
    return status.options.max_connections * processes


def _refused(answers: _Answers, status: ListenerStatus | None) -> dict[int, int]:
    """Requests that a listener refused by its own options, by status.

    An app behind a listener with lists of addresses may answer 403 where it has no route; one
    without lists always does so itself, as a folder may.
    """
    if status is None:
        return {}
    has_lists = bool(status.options.deny or status.options.allow)
    by_lists = has_lists and status.app_kind != AppKind.STATIC
    return {
        code: number
        for code, number in answers.refused.items()
        if by_lists or code != HTTPStatus.FORBIDDEN
    }


def _measured(
    context: QueryContext, span: Span, listed: tuple[ListenerStatus, ...]
) -> tuple[Evidence, int]:
    """The evidence of a moment, and how many requests of it were lost."""
    answers = _answers(context.store.total(span.query(catalog.REQUEST_DURATION, by=_ANSWERS)))
    paths = request_paths(context, span, listed)
    depths, backlogs = (
        _gauges(context, span.query(metric, by=("port",)), Aggregation.MAX)
        for metric in (catalog.ACCEPT_QUEUE_DEPTH, catalog.ACCEPT_QUEUE_BACKLOG)
    )
    stated = {one.name: _stated(one) for one in listed}
    # Those of other servers, which record by our middleware, or of another host.
    others = answers if not span.fixed else {*answers, *paths} - {TOGETHER}
    recorded = {name: ListenerEvidence(name, is_hosted=False) for name in sorted(others)}
    kinds = traffic.server_kinds(context)
    statuses = {one.name: one for one in listed}
    to_nobody = _to_nobody(context, span)
    closed_by = _closed_by(context, span, answers)
    found = []
    for name, one in (recorded | stated).items():
        of_window = answers.get(name, _NO_ANSWERS)
        path = paths.get(name, RequestPath(name, WINDOW_S))
        opened = path.connections
        kernel, queue = (path.stage(stage) or PathStage(stage) for stage in (KERNEL, QUEUE))
        found.append(
            replace(
                one,
                busy_threads=path.workers.busy_threads,
                queued_requests=queue.most_waiting if span.fixed else queue.newest_waiting,
                requests=of_window.requests,
                unread=of_window.unread,
                unanswered=of_window.unanswered,
                cut_off=closed_by.get((name, CUT_OFF), 0),
                left=closed_by.get((name, CLIENT_GONE), 0),
                server_errors=of_window.server_errors,
                p50_s=of_window.quantile_s(0.5),
                p95_s=of_window.quantile_s(0.95),
                kernel_wait_s=kernel.mean_s,
                thread_wait_s=queue.mean_s,
                accept_queue_depth=depths.get(str(one.port)),
                accept_backlog=backlogs.get(str(one.port)),
                open_connections=opened.most if span.fixed else opened.newest,
                left_connections=opened.most_left if span.fixed else opened.newest_left,
                new_connections=round(path.connections_per_s * path.seconds),
                turned_away=round(path.turned_away_per_s * path.seconds),
                # The engine's points of two metrics need not come at the same moment.
                answers_to_nobody=min(to_nobody.get(name, 0), of_window.answered),
                refused=_refused(of_window, statuses.get(name)),
                kind=kinds(name),
            )
        )
    totals = replace(
        _totals(context, span, answers, depths, backlogs),
        answers_to_nobody=sum(one.answers_to_nobody for one in found),
    )
    lost = context.store.total(span.query(catalog.RING_LOST)).count.sum()
    seconds = span.end - span.start
    # Of the past, and of another host, nobody knows which listener had a port.
    unknown = span.fixed or not context.is_home
    known = {catalog.COMPARISON_PORT, *(str(one.port) for one in listed)}
    former = sorted(set(depths) - known) if unknown else ()
    evidence = Evidence(
        seconds,
        listeners=tuple(found),
        former_ports=[PortEvidence(port, depths[port], backlogs.get(port)) for port in former],
        totals=totals,
        host=_host(context, span),
        end_s=span.end,
    )
    return evidence, round(float(lost))


class _Answers(NamedTuple):
    """Requests to one listener over a span, and how they were answered."""

    requests: int
    server_errors: int
    buckets: NDArray[np.int64]  # of the requests that were read
    unread: int = 0
    unread_errors: int = 0
    refused: Mapping[int, int] = {}
    unanswered: int = 0

    @property
    def answered(self) -> int:
        return self.requests - self.unanswered

    def quantile_s(self, rank: float) -> float | None:
        """From 0.95 on, of few requests their slowest; None where none was read."""
        (found,) = quantiles(self.buckets, (rank,)).tolist()
        return None if math.isnan(found) else found


_ClosedBy = dict[tuple[str, str], int]
_LISTENER: Final = ("listener",)
_ANSWERS: Final = ("listener", METHOD, ROUTE, STATUS)
_NO_ANSWERS: Final = _Answers(0, 0, np.zeros(BUCKETS, np.int64))


def _answers(total: TotalResult) -> dict[str, _Answers]:
    """By listener, of the listeners that requests came to, from groups of `_ANSWERS`."""
    found: dict[str, _Answers] = {}
    for (name, method, route, status), count, buckets in zip(
        total.groups, total.count, total.buckets, strict=True
    ):
        number = round(float(count))
        if number:
            unread = number if is_unread(method, route) else 0
            is_error = status.startswith("5")
            so_far = found.get(name, _NO_ANSWERS)
            refused = dict(so_far.refused)
            if is_refused(method, route):
                refused[int(status)] = refused.get(int(status), 0) + number
            found[name] = _Answers(
                so_far.requests + number,
                so_far.server_errors + number * is_error,
                so_far.buckets if unread else so_far.buckets + buckets,
                so_far.unread + unread,
                so_far.unread_errors + unread * is_error,
                refused,
                so_far.unanswered + number * is_unanswered(status),
            )
    return found


def _to_nobody(context: QueryContext, span: Span, listener: str = "") -> dict[str, int]:
    """By listener, the answers whose clients had gone; of one, or of all."""
    where = traffic.of_listener(listener)
    query = span.query(catalog.ANSWERS_TO_NOBODY, by=("listener", STATUS), where=where)
    total = context.store.total(query)
    found: dict[str, int] = defaultdict(int)
    for (name, status), count in zip(total.groups, total.count, strict=True):
        # Older versions counted those without an answer among them.
        found[name] += 0 if is_unanswered(status) else round(float(count))
    return found


def _closed_by(context: QueryContext, span: Span, answers: Mapping[str, _Answers]) -> _ClosedBy:
    """Why connections were closed before an answer, by listener and reason."""
    if not any(one.unanswered for one in answers.values()):
        return {}
    total = context.store.total(span.query(catalog.UNANSWERED, by=("listener", "error.type")))
    return {
        (name, reason): round(float(count))
        for (name, reason), count in zip(total.groups, total.count, strict=True)
    }


def _stage_means(total: TotalResult) -> dict[str, dict[str, float]]:
    """Mean seconds of each stage of a request, by listener."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for (name, stage), count, sum_s in zip(total.groups, total.count, total.sum_s, strict=True):
        if count:
            found[name][stage] = float(sum_s) / float(count)
    return found


def _totals(
    context: QueryContext,
    span: Span,
    answers: Mapping[str, _Answers],
    depths: Mapping[str, float],
    backlogs: Mapping[str, float],
) -> TotalsEvidence:
    all_buckets = np.sum([_NO_ANSWERS.buckets, *(one.buckets for one in answers.values())], axis=0)
    p50, p95, p99 = (
        None if math.isnan(value) else value
        for value in supported_quantiles(all_buckets, (0.5, 0.95, 0.99)).tolist()
    )
    fullest = max(depths, key=lambda port: _fullness(depths[port], backlogs.get(port)), default="")
    opened = context.store.aggregate(span.query(catalog.OPEN_CONNECTIONS), Aggregation.AVG)
    left = context.store.aggregate(span.query(catalog.LEFT_CONNECTIONS), Aggregation.AVG)
    return TotalsEvidence(
        sum(one.requests for one in answers.values()),
        sum(one.server_errors for one in answers.values()),
        sum(one.unread for one in answers.values()),
        p50,
        p95,
        p99,
        _reading(opened.values, is_mean=span.fixed),
        _reading(left.values, is_mean=span.fixed),
        depths.get(fullest),
        backlogs.get(fullest),
        sum(one.unanswered for one in answers.values()),
    )


def _fullness(depth: float, backlog: float | None) -> tuple[float, float]:
    """Sort key of an accept queue: its share of the backlog, then its depth."""
    return (depth / backlog if backlog else 0.0, depth)


def _reading(rows: NDArray[np.float64], *, is_mean: bool) -> float | None:
    """The mean of a gauge of one row, or its newest reading; None where it was not measured."""
    known = rows[0][~np.isnan(rows[0])] if len(rows) else np.empty(0)
    return float(known.mean() if is_mean else known[-1]) if known.size else None


def of_paths(
    paths: Mapping[str, RequestPath], listener: str = TOGETHER, *, is_past: bool = False
) -> Evidence:
    """The paths of requests over their span: of one listener, or of all beside each other."""
    chosen = [path for name, path in paths.items() if name != TOGETHER]
    if listener != TOGETHER:
        chosen = [path for path in chosen if path.listener == listener]
    return Evidence(paths=tuple(chosen), is_past=is_past)


def of_span(
    context: QueryContext,
    span: Span,
    listener: str = "",
    kind: ServerKind | None = None,
    *,
    during: str = THIS_SPAN,
) -> Evidence:
    """The span of a page, of one listener or of all that answered in it.

    `kind` is that of the one; without it the store says. `during` says in sentences when it was.
    """
    kinds = traffic.server_kinds(context)
    answers = _answers(traffic.route_totals(context, span, listener))
    closed_by = _closed_by(context, span, answers)
    to_nobody = _to_nobody(context, span, listener)
    stages = _stage_means(latency.stage_totals(context, span, listener))
    where = traffic.of_listener(listener)
    query = span.query(catalog.QUEUED_REQUESTS, by=_LISTENER, where=where)
    queued = _gauges(context, query, Aggregation.MAX)
    return Evidence(
        span=SpanEvidence(
            listener,
            tuple(
                SpanListenerEvidence(
                    name,
                    one.requests,
                    one.server_errors,
                    one.quantile_s(0.95),
                    stages.get(name, {}),
                    queued.get(name),
                    one.unread,
                    one.unread_errors,
                    kind or kinds(name),
                    one.unanswered,
                    closed_by.get((name, CUT_OFF), 0),
                    closed_by.get((name, CLIENT_GONE), 0),
                    one.quantile_s(0.5),
                    # The engine's points of two metrics need not come at the same moment.
                    min(to_nobody.get(name, 0), one.answered),
                )
                for name, one in sorted(answers.items())
            ),
            bool(answers) or traffic.is_recorded(context, span),
            kind or kinds(listener),
            during,
        )
    )


def _fleet(context: QueryContext) -> tuple[FleetHostEvidence, ...]:
    now = time.time()
    return tuple(
        FleetHostEvidence(one.host, now - (one.newest_s + 1)) for one in fleet.table(context)
    )


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
    load = _gauges(context, span.query(catalog.LOAD_AVERAGE, by=("instance",)), Aggregation.AVG)
    memory_limit, cpu_limit = container.limits(context, span)
    return HostEvidence(
        cores.pop("all", None),
        cores,
        next(iter(memory.values()), None),
        next(iter(load.values()), None),
        cpu_limit.used_ratio if cpu_limit else None,
        memory_limit.used_ratio if memory_limit else None,
    )


def run_of(run: LoadRun) -> Evidence:
    """One load run: by its result, or by its progress while it is under way."""
    told = run.result if run.state in TERMINAL_STATES else run.progress
    evidence = _run(run.id, run.called, run.state, run.message, run.plan.scenario, told or {})
    return Evidence(run=evidence)


def clocks_of(found: Residual) -> Evidence:
    """A run by its client's clock and by the server's stages."""
    return Evidence(
        clocks=ClocksEvidence(
            found.run.id,
            found.client.requests,
            found.server.requests,
            found.client.mean_s,
            found.server.mean_s if found.server.requests else None,
            found.server.unread,
            found.run.kind,
            MEAN in found.client.bounds,
        )
    )


def comparison_of(comparison: Comparison) -> Evidence:
    """All targets of a comparison that have been measured."""
    measured = [one for one in comparison.contenders if one.state in TERMINAL_STATES and one.result]
    return Evidence(contenders=tuple(_contender(one, comparison.plan.scenario) for one in measured))


def _contender(one: Contender, scenario: Scenario) -> ContenderEvidence:
    readings = EdgeEvidence(**one.readings) if one.readings else None
    run = _run(one.run_id, one.target, RunState(one.state), one.message, scenario, one.result)
    is_full = readings is not None and limit_of(readings) in SERVER_LIMITS
    # Connections that wait to be accepted are no lack of connections, whatever else took the CPU.
    waiting, limit = one.accept_queue_max or 0, run.connection_limit or 0
    is_full = is_full or (limit > 0 and waiting >= MOST_WAIT * limit)
    run = replace(run, is_server_full=is_full)
    return ContenderEvidence(one.name, run, one.cpu_us_per_request, readings)


def capacity_of(searched: SearchedCapacity) -> Evidence:
    """A search for what a listener carries, as its steps so far show it."""
    plan, result = searched.plan, capacity.resumed(searched).result()
    found = result.capacity if result.outcome is Outcome.CARRIES else None
    return Evidence(
        capacity=CapacityEvidence(
            plan.called,
            plan.target,
            plan.latency_limit_s,
            plan.error_limit,
            result.outcome,
            found.rate if found else None,
            found.low if found else 0.0,
            found.high if found else 0.0,
            result.bound,
            result.reason,
            EdgeEvidence(**searched.evidence),
        )
    )


def _run(
    run_id: int,
    target: str,
    state: RunState,
    message: str,
    scenario: Scenario,
    told: Mapping[str, Any],
) -> RunEvidence:
    """A run as its generator counted it; an older version told less, and a progress lacks some."""
    latency, naive, lag = (told.get(name) or {} for name in ("latency_ms", "naive_ms", "lag_ms"))
    naive_p99 = latency_of(told, "p99", FROM_SEND)
    steps = told.get("steps")
    rows = steps if isinstance(steps, list) else ()  # a progress has no kind of row
    messages = [row for row in rows if row["kind"] == "message"]
    schedule_s = float(told.get("schedule_seconds") or 0.0)
    cpu_s = told.get("cpu_seconds")
    schedule, rate = scenario.schedule, float(told.get("rate_asked") or 0.0)
    peak = schedule.peak_rate / schedule.mean_rate if schedule.mean_rate else 1.0
    return RunEvidence(
        run_id,
        target,
        state,
        message,
        rate_asked=rate,
        peak_rate_asked=peak * rate,
        schedule_s=schedule_s,
        timeout_s=scenario.timeout_seconds,
        sent=int(told.get("sent") or 0),
        answered=int(told.get("answered") or 0),
        answered_in_schedule=told.get("answered_in_schedule"),
        failed=told.get("failed") or {},
        cancelled=int(told.get("cancelled") or 0),
        server_errors=int((told.get("status_classes") or {}).get("5xx") or 0),
        client_errors=int((told.get("status_classes") or {}).get("4xx") or 0),
        p50_s=_seconds(latency.get("p50")),
        p99_s=_seconds(latency.get("p99")),
        naive_p99_s=_seconds(naive.get("p99")),
        is_naive_p99_bound=naive_p99 is not None and naive_p99.is_bound,
        censored_from_s=_seconds(told.get("timed_out_from_ms")),
        lag_p99_s=_seconds(lag.get("p99")),
        lag_max_s=_seconds(lag.get("max")),
        generator_cpu_ratio=cpu_s / schedule_s if cpu_s is not None and schedule_s else None,
        unfinished_at_start=told.get("unfinished_at_start"),
        users=told.get("users"),
        requests_per_flow=told.get("requests_per_flow") or 1.0,
        naive_p50_s=_seconds(naive.get("p50")),
        naive_p10_s=_seconds(told.get("naive_p10_ms")),
        blocked=told.get("blocked"),
        connection_limit=told.get("connection_limit"),
        messages=sum(row["sent"] for row in messages),
        messages_failed=sum(sum(row["failed"].values()) for row in messages),
        rules=tuple(map(RuleResult.from_json, told.get("rules") or ())),
        generator=str(told.get("generator") or ""),
        never_sent=int(told.get("never_sent") or 0),
        awaited=int(told.get("in_flight") or 0),
        awaited_for_s=run_progress.awaited_s(told, scenario.timeout_seconds),
    )


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds * _S_PER_MS

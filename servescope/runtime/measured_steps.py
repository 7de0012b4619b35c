"""A step of a search for a capacity as it was measured, and what the steps at the edge show.

The generator's report says how many were answered in time; readings of the server, taken while it
went on, say what limits, and whether the step counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psutil

from servescope import histogram
from servescope.load.generator_limits import (
    FULL_CORE,
    ConnectionUse,
    is_behind_schedule,
    is_latency_delayed,
)
from servescope.records.capacity import QUANTILE
from servescope.runtime.server_readings import LoadedServer, ServerReadings
from servescope.statistics.capacity_limits import EdgeEvidence
from servescope.statistics.capacity_search import Outcome
from servescope.statistics.capacity_steps import Judgement, StepResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servescope.load.report import Result
    from servescope.records.capacity import CapacityPlan
    from servescope.serving.model import Load
    from servescope.statistics.capacity_search import CapacitySearch
    from servescope.statistics.capacity_steps import Step

EDGE_STEPS: Final = 3
"""Of how many steps above the edge the readings say what limits."""

_MS: Final = 1e3


@dataclass(frozen=True, slots=True)
class MeasuredStep:
    """A step with the readings around its schedule."""

    result: StepResult
    evidence: EdgeEvidence


class StepReadings:
    """Readings of the server and of the generator while a step goes on."""

    def __init__(
        self, server: LoadedServer, generator_pid: int, dashboard_pids: Sequence[int]
    ) -> None:
        self.of_server = ServerReadings(server, [generator_pid], dashboard_pids)

    def take(self, load: Load | None, seconds: float) -> None:
        """Note a poll."""
        self.of_server.take(load, self.of_server.server.accept_queue(), seconds)


def measured_step(
    plan: CapacityPlan, step: Step, result: Result, readings: StepReadings, spent_s: float
) -> MeasuredStep:
    """A step's result, from the generator's report and the readings beside it."""
    counts = np.array(result.histogram or [0] * histogram.BUCKETS)
    failed = sum(result.failed.values())
    server_errors = result.status_classes.get("5xx", 0)
    generator_cores = result.cpu_seconds / max(min(result.seconds, step.seconds), 1e-3)
    cores = readings.of_server.cores(generator_cores)
    cores_of_machine = psutil.cpu_count() or 1
    is_at_limit = _is_generator_at_limit(plan, step, result, generator_cores)
    evidence = readings.of_server.evidence(cores, generator_cores, is_late=is_at_limit)
    # Without a latency a request is in no mean, but it was under way.
    has_all_latencies = failed == result.failed.get("timed_out", 0)
    measured = StepResult(
        rate=step.rate,
        seconds=step.seconds,
        sent=result.sent,
        answered_in_schedule=result.answered_in_schedule,
        late=_late(counts, result, plan.latency_limit_s),
        failed=failed + server_errors,
        mean_latency_s=(result.latency_ms.mean or 0.0) / _MS,
        shortest_latency_s=_shortest_s(counts),
        quantile_s=None if result.latency_ms.p99 is None else result.latency_ms.p99 / _MS,
        elapsed_s=result.seconds,
        spent_s=spent_s,
        in_flight=result.in_flight_mean if has_all_latencies else None,
        generator_limited=is_at_limit,
        # Other programs here take no processor from a server elsewhere; a generator that they held
        # up is late.
        disturbed=not evidence.is_elsewhere
        and cores is not None
        and cores.is_disturbed(cores_of_machine),
        others_cores=evidence.others_cores,
    )
    return MeasuredStep(measured, evidence)


def _is_generator_at_limit(
    plan: CapacityPlan, step: Step, result: Result, cores_used: float
) -> bool:
    """Whether the step measured the generator: late, out of CPU, or out of connections."""
    lag_ms, p99_ms, naive_ms = result.lag_ms.p99, result.latency_ms.p99, result.naive_ms.p99
    return (
        is_latency_delayed(lag_ms, p99_ms, naive_ms, plan.latency_limit_s * _MS)
        or is_behind_schedule((lag_ms or 0.0) / _MS, step.seconds)
        or cores_used >= FULL_CORE
        or _lacked_connections(plan, step, result)
    )


def _lacked_connections(plan: CapacityPlan, step: Step, result: Result) -> bool:
    """Whether a server that keeps to the limit was sent less than the step asks for."""
    naive_p50_s = None if result.naive_ms.p50 is None else result.naive_ms.p50 / _MS
    used = ConnectionUse(result.sent, result.blocked or 0, result.connection_limit, naive_p50_s)
    return used.were_too_few(step.rate, plan.latency_limit_s, 1 - QUANTILE)


def _late(counts: np.ndarray[Any, Any], result: Result, limit_s: float) -> int:
    """How many were answered after the limit, or never.

    The histogram says how many, within the bucket of the limit by proportion; the exact percentile
    says on which side of the objective that is.
    """
    bucket = int(histogram.bucket_indexes([limit_s])[0])
    upper = histogram.EDGES[min(bucket, histogram.EDGES.size - 1)]
    within = np.log(upper / limit_s) / np.log(histogram.GROWTH)
    late = round(float(counts[bucket + 1 :].sum() + counts[bucket] * min(max(within, 0.0), 1.0)))
    allowed = int((1 - QUANTILE) * result.sent + 1e-9)
    p99_ms = result.latency_ms.p99
    if p99_ms is None:
        return result.sent
    return min(late, allowed) if p99_ms <= limit_s * _MS else max(late, allowed + 1)


def _shortest_s(counts: np.ndarray[Any, Any]) -> float:
    """The lower edge of the first bucket with a request in it."""
    first = int(np.argmax(counts > 0)) if counts.any() else 0
    return float(histogram.EDGES[first - 1]) if first else 0.0


def at_edge(search: CapacitySearch, measured: list[MeasuredStep]) -> EdgeEvidence:
    """The mean of the readings of the steps that broke at the lowest rates."""
    if search.result().outcome is Outcome.GENERATOR:
        late = [one.evidence for one in measured if one.result.generator_limited]
        return late[-1]
    broke = [one for one in measured if one.result.judge(search.objective) is Judgement.BROKE]
    lowest = sorted(broke, key=lambda one: one.result.rate)[:EDGE_STEPS]
    if not lowest:
        return EdgeEvidence(is_elsewhere=any(one.evidence.is_elsewhere for one in measured))
    chosen = [one.evidence for one in lowest]
    return EdgeEvidence(
        process_cores=_mean([one.process_cores for one in chosen]),
        processes=max(one.processes for one in chosen),
        all_cores=_mean([one.all_cores for one in chosen]),
        is_pinned=chosen[0].is_pinned,
        threads=chosen[0].threads,
        busy_threads=_mean([one.busy_threads for one in chosen]),
        machine_busy=_mean([one.machine_busy for one in chosen]),
        idle_cores=_mean([one.idle_cores for one in chosen]),
        others_cores=_mean([one.others_cores for one in chosen]),
        accept_queue=_mean([one.accept_queue for one in chosen]),
        in_app=_mean([one.in_app for one in chosen]),
        app_share=_mean([one.app_share for one in chosen]),
        generator_cpu=_mean([one.generator_cpu for one in chosen]),
        is_elsewhere=chosen[0].is_elsewhere,
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None

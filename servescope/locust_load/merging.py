"""The result of a run of the reports of its workers: every latency is in them, so it is exact."""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from servescope.load.report import (
    FAILURES,
    Flows,
    LagSummary,
    LatencySummary,
    LoadModel,
    Result,
    StepKind,
    classes_of,
    lower_bounds,
    quantile_ms,
)
from servescope.load.rule_watches import RuleWatches
from servescope.load.step_tally import StepTally
from servescope.records.scenarios import Users

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from servescope.records.scenarios import Scenario

_NS_PER_MS: Final = 1e6


def merged(
    scenario: Scenario, reports: Sequence[Mapping[str, Any]], users: int, generator: str
) -> Result:
    """The result of at least one report of `WorkerLoad`; `users` took part in the run.

    The phases of requests are not measured: none is in the result.
    """
    tallies = _tallies(reports)
    rows = [replace(tally.result(), phases={}) for tally in tallies]
    counts = {
        name: sum(report["counts"][name] for report in reports) for name in reports[0]["counts"]
    }
    latencies, naive, timed_out = (
        np.concatenate([_array(getattr(tally, name)) for tally in tallies])
        for name in ("latencies_ns", "naive_ns", "naive_timed_out_ns")
    )
    lags = np.concatenate([_array(_of_bytes(report["lags_ns"])) for report in reports])
    statuses = _summed(row.statuses for row in rows)
    seconds = max(report["elapsed_s"] for report in reports)
    schedule_s = max(report["schedule_s"] for report in reports)
    is_stopped = any(report["stopped"] for report in reports)
    is_closed = isinstance(scenario.schedule, Users)
    planned = sum(report["planned"] for report in reports)
    timed_out_from_ns = [one.timed_out_from_ns for one in tallies if one.timed_out_from_ns]
    is_of_one_step = all(len(flow.steps) == 1 for flow in scenario.flows)
    rules = RuleWatches(
        scenario.rules, tallies, planned if is_of_one_step and not is_closed else None
    )
    return Result(
        sent=sum(row.sent for row in rows),
        answered=sum(row.answered for row in rows),
        failed={
            outcome.name.lower(): sum(row.failed[outcome.name.lower()] for row in rows)
            for outcome in FAILURES
        },
        cancelled=counts["cancelled"],
        resent=counts["resent"],
        statuses=dict(sorted(statuses.items())),
        status_classes=classes_of(statuses),
        latency_ms=LatencySummary.of(latencies),
        naive_ms=LatencySummary.of(naive),
        lag_ms=LagSummary.of(lags),
        seconds=seconds if is_stopped else max(seconds, scenario.schedule.seconds),
        rate_asked=None if is_closed else planned / scenario.schedule.seconds,
        schedule_seconds=schedule_s,
        answered_in_schedule=counts["answered_in_schedule"],
        rate_achieved=counts["answered_in_schedule"] / schedule_s if schedule_s > 0 else 0.0,
        timed_out_from_ms=min(timed_out_from_ns, default=0) / _NS_PER_MS or None,
        bytes_received=sum(row.bytes_received for row in rows),
        cpu_seconds=max(report["cpu_s"] for report in reports),
        stopped=is_stopped,
        histogram=np.sum([row.histogram for row in rows], axis=0).tolist(),
        model=LoadModel.CLOSED if is_closed else LoadModel.OPEN,
        users=users if is_closed else None,
        flows=Flows(
            counts["flows_started"],
            counts["flows_completed"],
            counts["flows_failed"],
            counts["flows_cancelled"],
        ),
        requests_per_flow=None if is_closed else _requests_per_flow(scenario),
        steps=rows,
        connection_limit=users,
        blocked=counts["blocked"],
        naive_bounds=lower_bounds(naive, timed_out),
        naive_p10_ms=quantile_ms(naive, 0.1),
        rules=rules.final(),
        generator=generator,
    )


def _tallies(reports: Iterable[Mapping[str, Any]]) -> list[StepTally]:
    """One row for each step, of all workers."""
    rows: dict[str, StepTally] = {}
    for report in reports:
        for told in report["steps"]:
            name = told["name"]
            tally = rows.setdefault(name, StepTally(name, StepKind.REQUEST, 0, 0))
            tally.sent += told["sent"]
            tally.by_outcome = [
                mine + other
                for mine, other in zip(tally.by_outcome, told["by_outcome"], strict=True)
            ]
            for status, number in told["statuses"]:
                tally.statuses[status] = tally.statuses.get(status, 0) + number
            tally.bytes_received += told["bytes_received"]
            tally.latencies_ns.extend(_of_bytes(told["latencies_ns"]))
            tally.naive_ns.extend(_of_bytes(told["naive_ns"]))
            tally.naive_timed_out_ns.extend(_of_bytes(told["naive_timed_out_ns"]))
            bounds = (tally.timed_out_from_ns, told["timed_out_from_ns"])
            tally.timed_out_from_ns = min(filter(None, bounds), default=0)
            for kind, text in told["examples"].items():
                tally.note(kind, text)
    return list(rows.values())


def _requests_per_flow(scenario: Scenario) -> float:
    weights = [flow.weight for flow in scenario.flows]
    steps = [len(flow.steps) for flow in scenario.flows]
    return float(np.average(steps, weights=weights))


def _of_bytes(content: bytes) -> array[int]:
    values = array("q")
    values.frombytes(content)
    return values


def _array(values: array[int]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for name, number in one.items():
            total[name] = total.get(name, 0) + number
    return total

"""A step of a search is made of the generator's report: what was late, and whose fault it was."""

from __future__ import annotations

from dataclasses import replace

import psutil
import pytest

from servescope.histogram import BUCKETS, bucket_indexes
from servescope.load.report import LagSummary, LatencySummary
from servescope.queries.capacity import search_of
from servescope.records.capacity import CapacityPlan
from servescope.runtime.measured_steps import MeasuredStep, StepReadings, at_edge, measured_step
from servescope.runtime.server_readings import Cores, LoadedServer, ServerReadings
from servescope.statistics.capacity_limits import EdgeEvidence
from servescope.statistics.capacity_steps import Step
from tests.verdicts.test_comparing import result

PLAN = CapacityPlan("wsgi", "/", latency_limit_s=0.05, error_limit=0.01, most_rate=1_000)
STEP = Step(rate=400, seconds=5, seed=1)
SERVER = LoadedServer("wsgi", (), 8_000, None, 8)


def measured(naive_ms, latency_ms, **changes):
    """A step of 2,000 requests whose latencies are these, from both moments of sending."""
    readings = StepReadings(SERVER, 0, [])
    return measured_step(PLAN, STEP, told(naive_ms, latency_ms, **changes), readings, 5.0).result


def told(naive_ms, latency_ms, **changes):
    """The report of such a step."""
    counts = [0] * BUCKETS
    counts[int(bucket_indexes([latency_ms / 1e3])[0])] = 2_000
    return replace(
        result(),
        sent=2_000,
        answered=2_000,
        seconds=5.0,
        schedule_seconds=5.0,
        cpu_seconds=0.1,
        lag_ms=LagSummary(),
        naive_ms=LatencySummary(*[naive_ms] * 6),
        latency_ms=LatencySummary(*[latency_ms] * 6),
        histogram=counts,
        **changes,
    )


@pytest.mark.parametrize(
    ("naive_ms", "blocked", "limit", "is_generator"),
    [
        pytest.param(20, 900, 4, True, id="a-quick-server-behind-four-connections"),
        pytest.param(20, 900, 64, False, id="more-than-a-server-at-the-limit-takes"),
        pytest.param(80, 900, 4, False, id="a-server-that-is-slower-than-the-limit"),
        pytest.param(20, 10, 4, False, id="so-few-waited-that-p99-is-the-servers"),
    ],
)
def test_too_few_connections_are_the_generators(naive_ms, blocked, limit, is_generator):
    step = measured(naive_ms, 90, blocked=blocked, connection_limit=limit)
    assert step.generator_limited is is_generator
    assert step.late == 2_000


def test_what_is_answered_within_the_limit_is_not_late():
    step = measured(20, 20, blocked=0)
    assert (step.late, step.failed, step.generator_limited) == (0, 0, False)
    assert step.quantile_s == pytest.approx(0.02)


class BusyMachine(ServerReadings):
    """Other programs use both cores of two."""

    def cores(self, generator):
        return Cores([], 0.0, generator, 2.0, 0.0)


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_other_programs_here_take_no_processor_from_a_server_elsewhere(monkeypatch, is_elsewhere):
    monkeypatch.setattr(psutil, "cpu_count", lambda: 2)
    readings = StepReadings(SERVER, 0, [])
    readings.of_server = BusyMachine(replace(SERVER, is_elsewhere=is_elsewhere), [], [])
    step = measured_step(PLAN, STEP, told(20, 20, blocked=0), readings, 5.0)
    assert step.result.disturbed is not is_elsewhere
    assert (step.result.others_cores is None) is is_elsewhere
    assert step.evidence.is_elsewhere is is_elsewhere
    assert at_edge(search_of(PLAN), [step]).is_elsewhere is is_elsewhere


def test_the_edge_keeps_every_reading_of_the_steps_above_it():
    """A reading that is lost in the mean of several steps cannot count for the limit."""
    read = EdgeEvidence(
        process_cores=0.97,
        processes=2,
        all_cores=1.8,
        is_pinned=True,
        threads=8,
        busy_threads=7.5,
        machine_busy=0.95,
        idle_cores=0.1,
        others_cores=0.2,
        accept_queue=0.3,
        in_app=4.0,
        app_share=0.5,
        generator_cpu=0.04,
    )
    search = search_of(PLAN)
    steps = []
    for _ in range(2):
        step = search.next_step()
        result = replace(measured(90, 90), rate=step.rate, seconds=step.seconds)
        search.add(result)
        steps.append(MeasuredStep(result, read))
    assert at_edge(search, steps) == read
    assert at_edge(search, []) == EdgeEvidence()

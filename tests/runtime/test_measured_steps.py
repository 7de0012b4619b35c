"""A step of a search is made of the generator's report: what was late, and whose fault it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servescope.histogram import BUCKETS, bucket_indexes
from servescope.load.report import LagSummary, LatencySummary
from servescope.records.capacity import CapacityPlan
from servescope.runtime.measured_steps import StepReadings, measured_step
from servescope.runtime.server_readings import LoadedServer
from servescope.statistics.capacity_steps import Step
from tests.verdicts.test_comparing import result

PLAN = CapacityPlan("wsgi", "/", latency_limit_s=0.05, error_limit=0.01, most_rate=1_000)
STEP = Step(rate=400, seconds=5, seed=1)
SERVER = LoadedServer("wsgi", (), 8_000, None, 8)


def measured(naive_ms, latency_ms, **changes):
    """A step of 2,000 requests whose latencies are these, from both moments of sending."""
    counts = [0] * BUCKETS
    counts[int(bucket_indexes([latency_ms / 1e3])[0])] = 2_000
    told = replace(
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
    return measured_step(PLAN, STEP, told, StepReadings(SERVER, 0, []), 5.0).result


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

"""A step as it may come out, for tests that change a figure of it."""

from __future__ import annotations

from typing import Final

from servescope.statistics.capacity_steps import StepResult

STEP: Final = StepResult(
    rate=100, seconds=5, sent=500, answered_in_schedule=498, late=0, failed=0,
    mean_latency_s=0.02, shortest_latency_s=0.02, quantile_s=0.02, elapsed_s=5, spent_s=6,
    in_flight=2.0,
)  # fmt: skip

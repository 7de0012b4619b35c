"""The edge of measured steps."""

from __future__ import annotations

from dataclasses import replace

from servescope.statistics.capacity_edge import edge_of
from servescope.statistics.capacity_steps import Objective

from .measured_step import STEP


def test_overloaded_steps_do_not_pull_the_edge_away() -> None:
    """Measured: eight threads that compute, at most 500 ms for a request.

    Far above the edge the throughput says how many are late, and no line through their odds.
    """
    objective = Objective(0.5)
    late = {
        40.0: (0, 0), 80.0: (1,), 160.0: (0, 0, 0), 320.0: (0,), 334.1: (0,), 341.4: (0,),
        345.1: (0,), 347.0: (6, 36), 348.9: (3, 39, 207, 247), 380.5: (1116, 1148),
        452.5: (1758, 1841), 640.0: (2940, 2941),
    }  # fmt: skip
    steps = [
        replace(
            STEP,
            rate=rate,
            sent=round(rate * 5),
            answered_in_schedule=min(round(rate * 5), 350 * 5),
            late=of_one,
            in_flight=None,
        )
        for rate, of_rate in late.items()
        for of_one in of_rate
    ]
    capacity = edge_of(steps, objective)
    assert capacity is not None
    assert capacity.low <= 347 <= capacity.high
    assert capacity.half_width < 0.2

"""A load run over time, as its generator timed it, taken from the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.queries.runs import client_percentiles_in, span_of

if TYPE_CHECKING:
    from servescope.records.load import LoadRun
    from servescope.store.base import Store

COLLECTED_S: Final = 4.0
"""How long the last second of a run may take to be in the store."""

NAMES: Final = ("p50", "p95", "p99")
_STEP_S: Final = 0.05
_MS: Final = 1e3


def run_series(store: Store, run: LoadRun) -> dict[str, list[float | None]]:
    """`second` since the step of the first answer, and of what ended in each step `p50_ms` etc.

    See NAMES. `p50_is_bound` and so on are 1 where requests that timed out make it a lower bound,
    else 0; `requests` of how many a step is; `step_s` has one value, the seconds of a step. Latency
    counts from the intended send time. None where a step has too few requests for a percentile;
    steps are those of the run's page. Waits for the last second to be collected.
    """
    span = span_of(run)
    if span is None or run.ended_s is None:
        return {}
    await_second(store, span.end - 1)
    lines = client_percentiles_in(store, span, run, NAMES)
    requests = np.zeros(0) if lines.requests is None else np.nan_to_num(lines.requests[0])
    known = np.flatnonzero(requests)
    if not known.size:
        return {}
    first, last = int(known[0]), int(known[-1]) + 1  # the generator takes a moment to start
    times = lines.times[first:last]
    series: dict[str, list[float | None]] = {
        "second": (times - times[0]).astype(float).tolist(),
        "step_s": [float(lines.step)],
        "requests": requests[first:last].tolist(),
    }
    bounds = np.zeros(lines.values.shape, dtype=bool) if lines.bounds is None else lines.bounds
    for name, row, are_bounds in zip(NAMES, lines.values, bounds, strict=True):
        values = row[first:last] * _MS
        series[f"{name}_ms"] = [None if np.isnan(one) else float(one) for one in values]
        series[f"{name}_is_bound"] = are_bounds[first:last].astype(float).tolist()
    return series


def await_second(store: Store, second: int) -> None:
    """Wait until the store has this second of Unix time, at most COLLECTED_S."""
    give_up = time.monotonic() + COLLECTED_S
    while time.monotonic() < give_up:
        bounds = store.bounds()
        if bounds is not None and bounds[1] >= second:
            return
        time.sleep(_STEP_S)

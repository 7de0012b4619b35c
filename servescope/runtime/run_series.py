"""A load run second by second, as its generator timed it, taken from the store."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope import catalog
from servescope.store.query import Query

if TYPE_CHECKING:
    from servescope.records.load import LoadRun
    from servescope.store.base import Store

COLLECTED_S: Final = 4.0
"""How long the last second of a run may take to be in the store."""

_STEP_S: Final = 0.05
_QUANTILES: Final = {"p50_ms": 0.5, "p99_ms": 0.99}
_MS: Final = 1e3


def run_series(store: Store, run: LoadRun) -> dict[str, list[float | None]]:
    """`second` since the first answer's, `p50_ms` and `p99_ms` of the requests that ended in it.

    Latency counts from the intended send time. None where no request ended. Waits for the last
    second to be collected.
    """
    seconds = run.whole_seconds
    if seconds is None or run.ended_s is None:
        return {}
    start, end = seconds
    await_second(store, end - 1)
    of_listener = (("listener", run.plan.destination),)
    query = Query(catalog.LOAD_DURATION, start, end, where=of_listener)
    found = store.quantiles(query, list(_QUANTILES.values()))
    if not len(found.values):
        return {}
    rows = found.values[0]
    known = np.flatnonzero(np.isfinite(rows[0]))
    if not known.size:
        return {}
    first, last = int(known[0]), int(known[-1])  # the generator takes a moment to start
    series: dict[str, list[float | None]] = {
        "second": [float(second) for second in range(last - first + 1)]
    }
    for name, row in zip(_QUANTILES, rows, strict=True):
        values = row[first : last + 1]
        series[name] = [None if math.isnan(value) else float(value) * _MS for value in values]
    return series


def await_second(store: Store, second: int) -> None:
    """Wait until the store has this second of Unix time, at most COLLECTED_S."""
    give_up = time.monotonic() + COLLECTED_S
    while time.monotonic() < give_up:
        bounds = store.bounds()
        if bounds is not None and bounds[1] >= second:
            return
        time.sleep(_STEP_S)

"""The cost and the speed of an engine: real Prometheus and VictoriaMetrics, locally.

    python benchmarks/engine.py [hours]

Prints, for each engine and for the local SQLite file in the same run: the sender's CPU time for a
frame of 500 series, and the time of four questions over a day of 50 gauges and 20 routes; the same
over 30 days, of which the engines are sent the rows of ten minutes alone.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from servescope import histogram
from servescope.catalog import CPU_UTILIZATION, REQUEST_DURATION
from servescope.queries.span import step_for
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.engine.names import (
    FRAMES_HOUR,
    ROWS_HOUR,
    SINCE,
    TIER,
    engine_name,
    frames_name,
)
from servescope.store.engine.write_request import packed_labels, packed_request
from servescope.store.opening import open_backend
from servescope.store.query import Aggregation, Query
from servescope.store.tiers import TEN_MINUTES
from tests.engines import ENGINES, VICTORIA_METRICS, RunningEngine
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from servescope.store.engine.store import PrometheusStore

GAUGES = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", str(n)),)) for n in range(50)]
WIDE = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", f"w{n}"),)) for n in range(480)]
ROUTES = [SeriesKey(REQUEST_DURATION, (("http.route", f"/route/{n}"),)) for n in range(20)]
ROUNDS = 7
DAYS = 30
LONG = "long"
FRAMES_SENT = 40
SENT_S = 1_200.0
"""For how long the engine may take to have it all."""


def frames(start: int, seconds: int) -> Iterator[Frame]:
    """Seconds of 50 gauges and of 20 routes that answer 5 requests each."""
    rng = np.random.default_rng(1)
    for ts in range(start, start + seconds):
        took = rng.lognormal(-6, 0.5, (len(ROUTES), 5))
        yield Frame(
            ts,
            dict(zip(GAUGES, rng.random(len(GAUGES)).tolist(), strict=True)),
            {},
            {
                key: HistogramDelta(histogram.count(row), float(row.sum()))
                for key, row in zip(ROUTES, took, strict=True)
            },
        )


def median_ms(ask: Callable[[], object]) -> float:
    """Median of some rounds after one to warm up, in ms."""
    ask()
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1e3)
    return statistics.median(took)


def sending_cost(store: PrometheusStore, start: int) -> tuple[float, float]:
    """CPU time and time of the sender for a frame of 500 series, in ms: read, pack, send, keep."""
    rng = random.Random(1)  # noqa: S311 - not a secret
    sender = store._sender  # noqa: SLF001 - its thread is not started: we are timed in its place
    store.local._on_commit = lambda: None  # noqa: SLF001 - the same
    send = sender._send_some  # noqa: SLF001 - the same
    store.write(Batch([Frame(start)]))
    while send():
        pass  # what VictoriaMetrics may have lost is sent anew first
    cpu, wall = [], []
    for ts in range(start + 1, start + 1 + FRAMES_SENT):
        gauges = {key: rng.random() for key in WIDE}
        took = {key: HistogramDelta(histogram.count([0.001]), 0.001) for key in ROUTES}
        store.write(Batch([Frame(ts, gauges, {}, took)]))
        began, began_cpu = time.perf_counter(), time.thread_time()
        send()
        cpu.append((time.thread_time() - began_cpu) * 1e3)
        wall.append((time.perf_counter() - began) * 1e3)
    return statistics.median(cpu), statistics.median(wall)


def rows(start: int, days: int) -> Iterator[tuple[bytes, dict[int, float]]]:
    """The samples of rows of ten minutes that such days of another host become, by series."""
    rng = np.random.default_rng(1)
    times = range(start, start + days * 86_400, TEN_MINUTES)
    named = {"instance": LONG}

    def series(name: str, values: Iterable[float], **labels: str) -> tuple[bytes, dict[int, float]]:
        packed = packed_labels({"__name__": name, **named, **labels})
        return packed, dict(zip(times, values, strict=True))

    seconds = [float(TEN_MINUTES)] * len(times)
    yield series(frames_name(TEN_MINUTES), seconds)
    told = {FRAMES_HOUR: float, frames_name(): float}
    for name, of_time in told.items():
        yield series(name, map(of_time, times))
    since = {TIER: str(TEN_MINUTES), SINCE: str(start)}
    yield series(ROWS_HOUR, (float(ts) for ts in times), **since)
    name = engine_name(CPU_UTILIZATION, TEN_MINUTES)
    for number in range(len(GAUGES)):
        cpu = {"cpu_logical_number": str(number)}
        yield series(name + "_readings", seconds, **cpu)
        for suffix in ("_sum", "_min", "_max"):
            yield series(name + suffix, rng.random(len(times)).tolist(), **cpu)
        yield series(engine_name(CPU_UTILIZATION), rng.random(len(times)).tolist(), **cpu)
    took = histogram.count(rng.lognormal(-6, 0.5, 5 * TEN_MINUTES))
    name = engine_name(REQUEST_DURATION, TEN_MINUTES)
    for number in range(len(ROUTES)):
        route = {"http_route": f"/route/{number}"}
        yield series(name + "_count", [float(took.sum())] * len(times), **route)
        yield series(engine_name(REQUEST_DURATION) + "_count", seconds, **route)
        yield series(name + "_sum", rng.random(len(times)).tolist(), **route)
        for bucket in np.flatnonzero(took).tolist():
            counts = rng.poisson(took[bucket], len(times)).tolist()
            yield series(name + "_bucket", counts, **route, bucket=str(bucket))


def fill_long(store: PrometheusStore, start: int, days: int) -> None:
    """Send 30 days of another host as rows of ten minutes, a day at a time: in order of time."""
    packed = [(labels, sorted(samples.items())) for labels, samples in rows(start, days)]
    a_day = 86_400 // TEN_MINUTES
    for low in range(0, days * a_day, a_day):
        body = packed_request((labels, samples[low : low + a_day]) for labels, samples in packed)
        store.engine.write(body)


def fill(store: PrometheusStore, start: int, seconds: int) -> None:
    """Write to the local file, and send by the sender's own way, an hour at a time."""
    batch: list[Frame] = []
    for frame in frames(start, seconds):
        batch.append(frame)
        if len(batch) == 600:
            store.write(Batch(batch))
            batch = []
    store.write(Batch(batch))
    if not store.wait_sent(SENT_S):
        raise SystemExit(f"not sent: {store.notices()}")
    outbox = store._outbox  # noqa: SLF001 - the rows that follow are waited for
    eventually(
        lambda: (
            min(sent.until for sent in outbox.progress().rows.values()) >= start + seconds - 1200
        ),
        SENT_S,
    )
    store.write(Batch([Frame(start + seconds)]))  # with it the engine is told of them
    store.wait_sent(60)


def lists_all(view: object) -> bool:
    """Whether the engine knows every gauge that it was sent."""
    return len(view.series(CPU_UTILIZATION)) >= len(GAUGES)


def questions(store: object, end: int, seconds: int) -> dict[str, Callable[[], object]]:
    """The questions of the dashboard that cost most."""
    step = step_for(seconds)
    cpu, route = ("cpu.logical_number",), ("http.route",)
    live = Query(CPU_UTILIZATION, end - 300, end, 1, cpu)
    cores = Query(CPU_UTILIZATION, end - seconds, end, step, cpu)
    requests = Query(REQUEST_DURATION, end - seconds, end, step, route)
    return {
        "300 s x 50 at 1 s": lambda: store.aggregate(live, Aggregation.AVG),
        f"{seconds // 3600} h x 50 at {step} s": lambda: store.aggregate(cores, Aggregation.AVG),
        f"{seconds // 3600} h p95, 20 routes at {step} s": lambda: store.quantiles(
            requests, [0.95]
        ),
        f"{seconds // 3600} h in total": lambda: store.total(requests),
    }


def main() -> None:
    """Run it."""
    seconds = int(float(sys.argv[1]) * 3600) if len(sys.argv) > 1 else 86_400
    end = int(time.time()) // 3600 * 3600
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name in ENGINES:
        with tempfile.TemporaryDirectory() as folder:
            options = ("-dedup.minScrapeInterval=1ms",) if name == VICTORIA_METRICS else ()
            engine = RunningEngine(
                name, Path(folder) / "engine", options=options, late_window="800h"
            ).start()
            try:
                store = open_backend(engine.setting, Path(folder) / "data", 4096, "bench")
                began = time.perf_counter()
                fill(store, end - seconds, seconds)
                found["writing and sending it all, s"][name] = f"{time.perf_counter() - began:.0f}"
                store.close()
                store = open_backend(engine.setting, Path(folder) / "data", 4096, "bench")
                engine.show()
                view = store.view("bench")
                eventually(partial(lists_all, view), SENT_S)
                for question, ask in questions(view, end, seconds).items():
                    found[f"{question}, ms"][name] = f"{median_ms(ask):.1f}"
                if name == ENGINES[0]:
                    for question, ask in questions(store.local, end, seconds).items():
                        found[f"{question}, ms"]["sqlite"] = f"{median_ms(ask):.1f}"
                fill_long(store, end - DAYS * 86_400, DAYS)
                engine.show()
                time.sleep(2)  # until VictoriaMetrics lists the new series
                store.look_anew()
                long = questions(store.view(LONG), end, DAYS * 86_400)
                for question, ask in list(long.items())[1:]:
                    found[f"{question}, ms"][name] = f"{median_ms(ask):.1f}"
                cpu, wall = sending_cost(store, end)
                found["a frame of 500 series, ms of CPU"][name] = f"{cpu:.2f}"
                found["a frame of 500 series, ms"][name] = f"{wall:.2f}"
                store.close()
            finally:
                engine.end()
    names = ("sqlite", *ENGINES)
    print(f"{seconds / 3600:g} h of 50 gauges and 20 routes with 5 requests/s each, at 1 s")
    print(f"{'':<36}" + "".join(f"{name:>18}" for name in names))
    for label, of_name in found.items():
        print(f"{label:<36}" + "".join(f"{of_name.get(name, '-'):>18}" for name in names))


if __name__ == "__main__":
    main()

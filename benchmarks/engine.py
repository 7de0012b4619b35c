"""What an engine costs and how fast it answers: real Prometheus and VictoriaMetrics, locally.

    python benchmarks/engine.py [hours]

Prints, for each engine and for the local SQLite file in the same run: the sender's CPU time for a
frame of 500 series, and the time of three questions over a day of 50 gauges and 20 routes.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from servescope import histogram
from servescope.catalog import CPU_UTILIZATION, REQUEST_DURATION
from servescope.store.base import Aggregation, Batch, Frame, HistogramDelta, Matching, SeriesKey
from servescope.store.opening import open_backend
from tests.engines import ENGINES, RunningEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servescope.store.promql.store import PrometheusStore

GAUGES = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", str(n)),)) for n in range(50)]
WIDE = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", f"w{n}"),)) for n in range(480)]
ROUTES = [SeriesKey(REQUEST_DURATION, (("http.route", f"/route/{n}"),)) for n in range(20)]
ROUNDS = 7
FRAMES_SENT = 40


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


def fill(store: PrometheusStore, start: int, seconds: int) -> None:
    """Write to the local file, and send by the sender's own way, an hour at a time."""
    batch: list[Frame] = []
    for frame in frames(start, seconds):
        batch.append(frame)
        if len(batch) == 600:
            store.write(Batch(batch))
            batch = []
    store.write(Batch(batch))
    if not store.wait_sent(1200):
        raise SystemExit(f"not sent: {store.notices()}")


def questions(store: object, end: int, seconds: int) -> dict[str, Callable[[], object]]:
    """The three questions of the dashboard that cost most."""
    cpu, requests = Matching(CPU_UTILIZATION), Matching(REQUEST_DURATION)
    by = ("cpu.logical_number",)
    return {
        "300 s x 50 at 1 s": lambda: store.range(cpu, end - 300, end, 1, Aggregation.AVG, by),
        "span x 50 at 120 s": lambda: store.range(
            cpu, end - seconds, end, 120, Aggregation.AVG, by
        ),
        "span p95, 20 routes at 120 s": lambda: store.quantiles(
            [0.95], requests, end - seconds, end, 120, ("http.route",)
        ),
    }


def main() -> None:
    """Run it."""
    seconds = int(float(sys.argv[1]) * 3600) if len(sys.argv) > 1 else 86_400
    end = int(time.time()) // 60 * 60
    rows: dict[str, dict[str, str]] = defaultdict(dict)
    for name in ENGINES:
        with tempfile.TemporaryDirectory() as folder:
            engine = RunningEngine(name, Path(folder) / "engine").start()
            try:
                store = open_backend(engine.setting, Path(folder) / "data", 4096, "bench")
                began = time.perf_counter()
                fill(store, end - seconds, seconds)
                rows["writing and sending it all, s"][name] = f"{time.perf_counter() - began:.0f}"
                store.close()
                store = open_backend(engine.setting, Path(folder) / "data", 4096, "bench")
                engine.show()
                view = store.view("bench")
                while len(view.series(CPU_UTILIZATION)) < len(GAUGES):
                    time.sleep(0.2)
                for question, ask in questions(view, end, seconds).items():
                    rows[f"{question}, ms"][name] = f"{median_ms(ask):.1f}"
                if name == ENGINES[0]:
                    for question, ask in questions(store.local, end, seconds).items():
                        rows[f"{question}, ms"]["sqlite"] = f"{median_ms(ask):.1f}"
                cpu, wall = sending_cost(store, end)
                rows["a frame of 500 series, ms of CPU"][name] = f"{cpu:.2f}"
                rows["a frame of 500 series, ms"][name] = f"{wall:.2f}"
                store.close()
            finally:
                engine.end()
    names = ("sqlite", *ENGINES)
    print(f"{seconds / 3600:g} h of 50 gauges and 20 routes with 5 requests/s each, at 1 s")
    print(f"{'':<36}" + "".join(f"{name:>18}" for name in names))
    for label, found in rows.items():
        print(f"{label:<36}" + "".join(f"{found.get(name, '-'):>18}" for name in names))


if __name__ == "__main__":
    main()

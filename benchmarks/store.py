"""Cost of the store: one second's flush, and the questions pages ask; times in ms.

    python benchmarks/store.py [--hours 24] [--peer-hours 0.5] [--real-minutes 3]

500 series a second: 440 gauges of which 50 belong to one metric, 40 counters, 20 histograms. A
question is asked cold (nothing decoded is kept) and warm. Machines that do other work meanwhile
show higher times: the fastest of the rounds, which are spread over several passes, says most; the
median stands beside it. Then the same questions to the peers that are installed (see
`store_peers.py`), in the same rounds. At last a dashboard runs for some minutes, for the size of
real series (see `store_real.py`): at 1 Hz, and after all times were taken.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from store_peers import compare
from store_real import recorded

from servescope import histogram
from servescope.catalog import CPU_UTILIZATION, MEMORY_USAGE, NETWORK_IO, REQUEST_DURATION
from servescope.collecting.collector import Collector
from servescope.queries.snapshots import Snapshots
from servescope.recording.recorder import Recorder
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.query import Aggregation, Query
from servescope.store.sqlite.store import SqliteStore, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

GAUGES: Final = [
    SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", str(number)),)) for number in range(50)
] + [SeriesKey(MEMORY_USAGE, (("system.memory.state", str(number)),)) for number in range(390)]
COUNTERS: Final = [
    SeriesKey(NETWORK_IO, (("network.interface.name", str(number)),)) for number in range(40)
]
HISTOGRAMS: Final = [
    SeriesKey(REQUEST_DURATION, (("http.route", f"/{number}"),)) for number in range(20)
]
START: Final = 1_700_000_000 // 3600 * 3600
ROUNDS: Final = 60
PASSES: Final = 6
REQUESTS: Final = 5_000


def fill(store: SqliteStore, seconds: int) -> list[float]:
    """Write frames of random values; return the time of each write in ms."""
    random = np.random.default_rng(4)
    pool = [HistogramDelta(histogram.count(random.lognormal(-6, 0.5, 50)), 0.1) for _ in range(200)]
    walk = random.random(len(GAUGES))
    times = []
    for ts in range(START, START + seconds):
        walk = np.round(np.abs(walk + random.normal(0, 0.01, len(GAUGES))), 4)
        counts = random.poisson(900, len(COUNTERS)).astype(float)
        chosen = random.integers(0, len(pool), len(HISTOGRAMS))
        frame = Frame(
            ts,
            dict(zip(GAUGES, walk.tolist(), strict=True)),
            dict(zip(COUNTERS, counts.tolist(), strict=True)),
            {key: pool[index] for key, index in zip(HISTOGRAMS, chosen, strict=True)},
        )
        began = time.perf_counter()
        store.write(Batch([frame], {"1-1.ring": ts}))
        times.append((time.perf_counter() - began) * 1e3)
    return times


def entropy_bits(values: NDArray[np.int64]) -> float:
    """Of how these values spread, in bits: what no coding of one after the other goes below."""
    counts = np.unique(values, return_counts=True)[1]
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def bound(rows: int = 6_000) -> float:
    """Bytes a sample that the seconds of `fill` take at least, as no coding knows their seed.

    Of gauges the step to the next second counts, of counters the increase, of histograms each
    bucket for itself.
    """
    random = np.random.default_rng(4)
    steps = np.round(random.normal(0, 0.01, rows * 100) * 1e4).astype(np.int64)
    increases = random.poisson(900, rows * 100)
    spread = np.array(
        [histogram.count(random.lognormal(-6, 0.5, 50)) for _ in range(rows)], np.int64
    )
    of_one = sum(entropy_bits(bucket) for bucket in spread.T)
    bits = (
        len(GAUGES) * entropy_bits(steps)
        + len(COUNTERS) * entropy_bits(increases)
        + len(HISTOGRAMS) * of_one
    )
    return bits / 8 / (len(GAUGES) + len(COUNTERS) + len(HISTOGRAMS))


def print_sizes(store: SqliteStore, samples: int) -> None:
    """Bytes a sample of the file, and of what it holds of the seconds of closed minutes."""
    connection = store._db._writer  # noqa: SLF001 - the store tells no sizes
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size, minutes = connection.execute(
        "SELECT sum(length(data)), count(DISTINCT t0) FROM chunk WHERE tier = 1"
    ).fetchone()
    of_minute = 60 * (len(GAUGES) + len(COUNTERS) + len(HISTOGRAMS))
    print(
        f"file: {store.path.stat().st_size / samples:.2f} bytes a sample; its chunks of seconds: "
        f"{size / minutes / of_minute:.2f}, of which {bound():.2f} are entropy"
    )


def collect(store: SqliteStore, folder: Path) -> list[float]:
    """CPU milliseconds of the collector for each second of 5,000 requests on 20 routes."""
    recorder, collector = Recorder(folder), Collector(store, folder)
    listener = recorder.listener_id("files")
    routes = [recorder.route_id(listener, f"/{number}") for number in range(20)]
    random = np.random.default_rng(2)
    spent, second = [], store.bounds()[1] + 1
    for _ in range(ROUNDS):
        stages = random.lognormal(12, 1, (REQUESTS, 6)).tolist()
        for number, row in enumerate(stages):
            end_ns = second * 10**9 + number * 10**9 // REQUESTS
            recorder.record(end_ns, listener, routes[number % 20], 1, 2, 200, 0, 90, 900, *row)
        second += 1
        began = time.thread_time()
        collector.tick(second * 10**9, float(second))
        spent.append((time.thread_time() - began) * 1e3)
    recorder.close()
    collector.close()
    return spent


def timed(store: SqliteStore, questions: Mapping[str, Callable[[], object]]) -> None:
    """Print the fastest and the median round of each question, cold and warm.

    All are asked in several passes: a slow phase of the machine outlasts a question's rounds.
    """
    times: dict[tuple[str, bool], list[float]] = {}
    for _ in range(PASSES):
        for name, ask in questions.items():
            gc.collect()
            for warm in (False, True):
                for _ in range(ROUNDS // PASSES):
                    if not warm:
                        store.forget_decoded()
                    began = time.perf_counter()
                    ask()
                    spent_ms = (time.perf_counter() - began) * 1e3
                    times.setdefault((name, warm), []).append(spent_ms)
    for name in questions:
        cold, warm = (times[name, is_warm] for is_warm in (False, True))
        print(
            f"{name:38} cold {min(cold):7.2f} {median(cold):7.2f}"
            f"   warm {min(warm):7.2f} {median(warm):7.2f}"
        )


def months(folder: Path, days: int) -> None:
    """A month of one host's CPU, a frame each minute, asked for at a graph's width."""
    store, random = open_store(folder), np.random.default_rng(5)
    core = SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", "all"),))
    frames = []
    for ts in range(START, START + days * 86_400, 60):
        frames.append(Frame(ts, {core: round(float(random.random()), 4)}))
        if len(frames) == ROUNDS * 10:
            store.write(Batch(frames))
            frames = []
    query = Query(CPU_UTILIZATION, START, START + days * 86_400, 3600)
    timed(
        store,
        {
            f"{days} days of CPU at 3600 s, {name}": partial(store.aggregate, query, agg)
            for name, agg in (("mean", Aggregation.AVG), ("highest", Aggregation.MAX))
        },
    )
    store.close()


def questions(store: SqliteStore, hours: float) -> dict[str, Callable[[], object]]:
    """The questions of a page about the newest five minutes, and about everything."""
    end = START + int(hours * 3600)
    asked: dict[str, Callable[[], object]] = {}
    for label, begin, step in (("300 s", end - 300, 1), (f"{hours:g} h", START, 60)):
        cores = Query(CPU_UTILIZATION, begin, end, step, by=("cpu.logical_number",))
        routes = Query(REQUEST_DURATION, begin, end, step, by=("http.route",))
        requests = Query(REQUEST_DURATION, begin, end, step)
        asked |= {
            f"{label} x 50 gauges at {step} s": partial(store.aggregate, cores, Aggregation.AVG),
            f"{label} requests/s by route at {step} s": partial(
                store.aggregate, routes, Aggregation.RATE
            ),
            f"{label} p95 of 20 routes at {step} s": partial(store.quantiles, routes, [0.95]),
            f"{label} heatmap at {step} s": partial(store.heatmap, requests),
            f"{label} total": partial(store.total, requests),
        }
    return asked


def poll_from_cache(store: SqliteStore) -> None:
    """A poll's question when nothing was committed: the version, and a kept answer."""
    snapshots = Snapshots(store.version, fresh_s=0.0)
    snapshots.get("page", lambda: "answer")
    times = []
    for _ in range(2_000):
        began = time.perf_counter()
        snapshots.get("page", lambda: "answer")
        times.append((time.perf_counter() - began) * 1e6)
    print(f"poll from the cache: p50 {median(times):.1f} us")


def main() -> None:
    """Fill a store of its own in a temporary folder and ask."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--peer-hours", type=float, default=0.5, help="0: without peers")
    parser.add_argument("--real-minutes", type=int, default=3, help="0: without real series")
    options = parser.parse_args()
    seconds = int(options.hours * 3600)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder))
        times = fill(store, seconds)
        cuts = quantiles(times, n=100)
        samples = seconds * (len(GAUGES) + len(COUNTERS) + len(HISTOGRAMS))
        print("times in ms: the fastest of the rounds, then the median")
        print(f"flush of 500 series: p50 {cuts[49]:.3f}  p99 {cuts[98]:.3f}  max {max(times):.1f}")
        print_sizes(store, samples)
        timed(store, questions(store, options.hours))
        poll_from_cache(store)
        spent = median(collect(store, Path(folder) / "rings"))
        print(
            f"collector at {REQUESTS} requests/s: {spent:.2f} ms/s = {spent / 10:.2f} % of a core"
        )
        store.close()
        months(Path(folder) / "months", 30)
        if options.peer_hours:
            compare(Path(folder), int(options.peer_hours * 3600))
    if options.real_minutes:
        recorded(options.real_minutes)


if __name__ == "__main__":
    main()

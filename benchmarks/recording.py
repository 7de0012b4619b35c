"""Cost of recording one request, four threads contending, beside prometheus_client.

    python benchmarks/recording.py [--rounds 7] [--records 40000]

Ours records everything of a request at once: end, listener, route, method, status, bytes and six
stages. The peer does what a server would with it: cached children, one counter, two byte counters
and a histogram of the whole duration ("whole"), or three stage histograms beside it ("stages").
Rounds are interleaved; the figure is the median over rounds of the time until all threads are done,
divided by the records of all of them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from prometheus_client import CollectorRegistry, Counter, Histogram

from servescope.recording.record_layout import request_key
from servescope.recording.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS: Final = 4
TARGET_NS: Final = 500
STAGES_NS: Final = (12_000.0, 34_000.0, 5_000.0, 420_000.0, 0.0, 18_000.0)


def ours(folder: Path) -> Callable[[int], None]:
    """Record into a ring, as the servers do."""
    recorder = Recorder(folder)
    listener = recorder.listener_id("files")
    route = recorder.route_id(listener, "/")
    record, end_ns = recorder.record_request, time.time_ns()
    key = request_key(listener, route, 1, 2, 200)  # once for each kind of request
    kernel, read, queue, app, body, write = STAGES_NS

    def work(number: int) -> None:
        for _ in range(number):
            record(
                end_ns,
                key,
                0,
                180,
                4_096,
                kernel,
                read,
                queue,
                app,
                body,
                write,
            )

    return work


def peer(*, stages: bool) -> Callable[[int], None]:
    """Record into prometheus_client, in the memory of this process."""
    registry = CollectorRegistry()
    labels = ("listener", "method", "route", "status")
    values = ("files", "GET", "/", "200")
    count = Counter("requests", "-", labels, registry=registry).labels(*values).inc
    received = Counter("received", "-", labels, registry=registry).labels(*values).inc
    sent = Counter("sent", "-", labels, registry=registry).labels(*values).inc
    total = Histogram("duration", "-", labels, registry=registry).labels(*values).observe
    by_stage = Histogram("stage", "-", ("listener", "stage"), registry=registry)
    observe = [by_stage.labels("files", stage).observe for stage in ("queue", "app", "write")]
    if not stages:
        observe = []

    def work(number: int) -> None:
        for _ in range(number):
            count()
            received(180)
            sent(4_096)
            total(489_000e-9)
            for stage in observe:
                stage(34_000e-9)

    return work


def ns_a_record(work: Callable[[int], None], records: int) -> float:
    """Run `work` on all threads at once."""
    ready = threading.Barrier(THREADS + 1)

    def run() -> None:
        ready.wait()
        work(records)

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.perf_counter_ns()
    for thread in threads:
        thread.join()
    return (time.perf_counter_ns() - began) / (records * THREADS)


def main() -> None:
    """Measure in interleaved rounds and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--records", type=int, default=40_000, help="records of each thread")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subjects = {
            "ring, whole record": ours(Path(folder)),
            "prometheus_client, whole": peer(stages=False),
            "prometheus_client, stages": peer(stages=True),
        }
        times: dict[str, list[float]] = {name: [] for name in subjects}
        for _ in range(options.rounds):
            for name, work in subjects.items():
                times[name].append(ns_a_record(work, options.records))
    base = median(times["ring, whole record"])
    print(f"{THREADS} threads, medians of {options.rounds} interleaved rounds")
    for name, found in times.items():
        print(
            f"{name:28} {median(found):8.0f} ns  (fastest {min(found):6.0f})"
            f"  {median(found) / base:5.1f} x"
        )
    print(f"target <= {TARGET_NS} ns: {'held' if base <= TARGET_NS else 'missed'}")


if __name__ == "__main__":
    main()

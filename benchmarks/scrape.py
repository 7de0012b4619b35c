"""The cost of a scrape of `/metrics`, in ms: the first after each second's commit, and the rest.

    python benchmarks/scrape.py [--routes 20] [--seconds 30]

The store holds an hour; each further second is committed, then scraped in both formats.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from servescope import catalog, histogram
from servescope.catalog import BY_NAME, Kind
from servescope.control import Control
from servescope.formats.exposition_text import TextFormat, render
from servescope.queries.context import ProcessContext
from servescope.queries.scrape import Totals
from servescope.settings import Settings
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.sqlite.store import open_store

START = 1_700_000_000 // 3600 * 3600


def keys(metric: catalog.Metric, number: int) -> list[SeriesKey]:
    """Series of a metric that differ in their last label."""
    if not metric.labels:
        return [SeriesKey(metric.name)]
    return [
        SeriesKey(metric.name, tuple(sorted((label, f"/{index}") for label in metric.labels)))
        for index in range(number)
    ]


def frames(routes: int, start: int, seconds: int) -> list[Frame]:
    """Every metric of the catalog: `routes` series of request duration, eight of the others."""
    of_kind: dict[Kind, list[SeriesKey]] = {kind: [] for kind in Kind}
    for metric in BY_NAME.values():
        number = routes if metric.name == catalog.REQUEST_DURATION else 8
        of_kind[metric.kind] += keys(metric, number)
    delta = HistogramDelta(histogram.count(np.random.default_rng(1).lognormal(-6, 1, 50)), 0.2)
    return [
        Frame(
            ts,
            dict.fromkeys(of_kind[Kind.GAUGE], 0.5),
            dict.fromkeys(of_kind[Kind.COUNTER], 12.0),
            dict.fromkeys(of_kind[Kind.HISTOGRAM], delta),
        )
        for ts in range(start, start + seconds)
    ]


def main() -> None:
    """Fill, scrape, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routes", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store, control = open_store(Path(folder)), Control(Path(folder))
        context = ProcessContext(
            store,
            control,
            Settings(),
            is_leader=lambda: True,
            leader_pid=lambda: None,
            problems=tuple,
        ).home
        for minute in range(60):
            store.write(Batch(frames(options.routes, START + minute * 60, 60)))
        totals = Totals()
        began = time.process_time()
        totals.families(context, START + 3_600)
        print(f"first of a new store: {(time.process_time() - began) * 1e3:.1f} ms")
        ask, write, size = [], [], 0
        for ts in range(START + 3_600, START + 3_600 + options.seconds):
            (frame,) = frames(options.routes, ts, 1)
            store.write(Batch([frame]))
            began = time.process_time()
            families = totals.families(context, ts + 1)
            ask.append((time.process_time() - began) * 1e3)
            began = time.process_time()
            text = [render(families, form) for form in TextFormat]
            write.append((time.process_time() - began) * 1e3 / len(text))
            size = len(text[0])
        series = sum(len(family.points) for family in families)
        lines = text[0].count(b"\n")
        print(f"{series} series, {lines} lines, {size / 1024:.0f} KiB")
        print(f"each second: questions {median(ask):.2f} ms, text {median(write):.2f} ms of CPU")
        print(f"{(median(ask) + median(write)) / 10:.2f} % of a core at one scrape a second")
        store.close()
        control.close()


if __name__ == "__main__":
    main()

"""Seconds read back as the frames that were written: what one store held, another one can hold."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from servescope.catalog import Kind
from servescope.histogram import BUCKETS
from servescope.store.base import Frame, HistogramDelta, SeriesKey
from servescope.store.sqlite.cells import recorded
from servescope.store.sqlite.segments import Segment
from servescope.store.sqlite.series import all_series
from servescope.store.tiers import FINE

if TYPE_CHECKING:
    import sqlite3

    from servescope.store.codec.chunks import ChunkCache


def frames(connection: sqlite3.Connection, cache: ChunkCache, start: int, end: int) -> list[Frame]:
    """The frames of the seconds of `[start, end)` that the file still has singly.

    An increase of zero is left out: it is implied. Values are those that were written, bit for bit;
    series are in the order in which the file numbers them.
    """
    series = all_series(connection)
    highest = max(series, default=0)
    seconds, cells = recorded(connection, cache, Segment(FINE, start, end), highest)
    gauges: dict[int, dict[int, float]] = defaultdict(dict)
    counts: dict[int, dict[int, float]] = defaultdict(dict)
    sums: dict[int, dict[int, float]] = defaultdict(dict)
    buckets: dict[int, dict[int, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for cell in cells:
        values: dict[int, float]
        if cell.suffix == "_bucket":
            values, name = buckets[cell.ts][cell.series], cell.bucket
        elif cell.suffix == "_sum":
            values, name = sums[cell.ts], cell.series
        elif cell.suffix:  # the number of values is the sum of the buckets
            continue
        else:
            of_kind = gauges if series[cell.series][1] is Kind.GAUGE else counts
            values, name = of_kind[cell.ts], cell.series
        old = values.get(name)
        values[name] = cell.value if old is None else cell.fold(old, cell.value)
    return [
        Frame(
            ts,
            _by_key(series, gauges[ts]),
            _by_key(series, counts[ts]),
            {
                series[number][0]: HistogramDelta(_dense(of_series), sums[ts].get(number, 0.0))
                for number, of_series in sorted(buckets[ts].items())
            },
        )
        for ts in seconds
    ]


def _by_key(
    series: dict[int, tuple[SeriesKey, Kind]], values: dict[int, float]
) -> dict[SeriesKey, float]:
    return {series[number][0]: values[number] for number in sorted(values)}


def _dense(counts: dict[int, float]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    dense = np.zeros(BUCKETS, np.int64)
    for bucket, count in counts.items():
        dense[bucket] = int(count)
    return dense

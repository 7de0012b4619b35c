"""What the local file holds of single seconds, series by series: the one place that knows tiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from servescope.store import spans
from servescope.store.chunks import Plane
from servescope.store.reading import Source
from servescope.store.tiers import FINE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from servescope.store.chunks import ChunkCache

_SUFFIXES = {
    Plane.VALUE: "",
    Plane.INCREASE: "",
    Plane.HIST_COUNT: "_count",
    Plane.HIST_SUM: "_sum",
}


class Cell(NamedTuple):
    """What a second told of a series: `suffix` says of which part of a histogram, else empty."""

    series: int  # its id
    suffix: str
    bucket: int  # -1: of none
    ts: int
    value: float
    adds: bool  # to what another cell told of the same


def bounds(connection: sqlite3.Connection) -> tuple[int, int] | None:
    """The oldest and the newest second that the file has singly."""
    known = spans.bounds(connection)
    (oldest,) = connection.execute(
        "SELECT min(ts) FROM (SELECT first AS ts FROM chunk WHERE tier = ?1 AND plane = ?2"
        " UNION ALL SELECT ts FROM frame WHERE tier = ?1)",
        (FINE, Plane.INCREASE),
    ).fetchone()
    return None if known is None or oldest is None else (oldest, known[1])


def recorded(
    connection: sqlite3.Connection, cache: ChunkCache, start: int, end: int, highest: int
) -> tuple[list[int], list[Cell]]:
    """The seconds of `[start, end)` that have a frame, and their cells; series ids to `highest`.

    An increase of zero has no cell. A damaged blob is a gap here as well: the store tells of it.
    """
    source = Source(connection, cache, lambda _tier, _ts: None)
    part = [spans.Segment(FINE, start, end)]
    identity = np.arange(highest + 1, dtype=np.intp)
    times: set[int] = set()
    cells: list[Cell] = []
    for plane, suffix in _SUFFIXES.items():
        gauge = plane is Plane.VALUE
        for block in source.matrices(plane, part, identity):
            times.update(block.times[block.seconds > 0].tolist())
            row, column = np.nonzero(~np.isnan(block.values) if gauge else block.values)
            ids, at = block.places[row], block.times[column]
            told = block.values[row, column]
            none = np.full(ids.size, -1)
            cells += _cells(suffix, ids, none, at, told, adds=not gauge)
    for some in source.buckets(part, identity):
        bucket, row, column = np.nonzero(some.counts)
        ids, at = some.places[row], some.times[column]
        counts = some.counts[bucket, row, column]
        cells += _cells("_bucket", ids, bucket + some.lowest, at, counts, adds=True)
    return sorted(times), cells


def _cells(
    suffix: str,
    ids: NDArray[np.intp],
    buckets: NDArray[np.integer],
    times: NDArray[np.int64],
    values: NDArray[np.generic],
    *,
    adds: bool,
) -> Iterator[Cell]:
    columns = (ids.tolist(), buckets.tolist(), times.tolist(), values.astype(float).tolist())
    for number, bucket, ts, value in zip(*columns, strict=True):
        yield Cell(number, suffix, bucket, ts, value, adds)

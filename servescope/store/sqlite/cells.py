"""Single seconds of the local file, or rows of a coarser tier, series by series."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from servescope.store.codec.chunks import Plane
from servescope.store.sqlite.reading import Source
from servescope.store.sqlite.segments import bounds as file_bounds
from servescope.store.tiers import FINE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from servescope.store.codec.chunks import ChunkCache
    from servescope.store.sqlite.blocks import Block
    from servescope.store.sqlite.segments import Segment

_ADDING: Final = {
    Plane.INCREASE: "",
    Plane.HIST_COUNT: "_count",
    Plane.HIST_SUM: "_sum",
}
READINGS: Final = "_readings"
"""The suffix of how many readings of a gauge are in a row of a coarser tier."""

Fold = Callable[[float, float], float]
"""Combines two figures of the same row."""


class Cell(NamedTuple):
    """A figure of one series in one row; `suffix` names the part of a histogram or summary."""

    series: int  # its id
    suffix: str
    bucket: int  # -1: of none
    ts: int
    value: float
    fold: Fold


def bounds(connection: sqlite3.Connection) -> tuple[int, int] | None:
    """The oldest and the newest second that the file has singly."""
    known = file_bounds(connection)
    (oldest,) = connection.execute(
        "SELECT min(ts) FROM (SELECT first AS ts FROM chunk WHERE tier = :tier AND plane = :plane"
        " UNION ALL SELECT ts FROM open_row WHERE tier = :tier)",
        {"tier": FINE, "plane": Plane.INCREASE},
    ).fetchone()
    return None if known is None or oldest is None else (oldest, known[1])


def recorded(
    connection: sqlite3.Connection,
    cache: ChunkCache,
    segment: Segment,
    highest: int,
) -> tuple[dict[int, int], list[Cell]]:
    """The seconds with a frame in each row of the segment, and its cells; ids up to `highest`.

    An increase of zero has no cell. A damaged blob is a gap here as well: the store reports it.
    """
    source = Source(connection, cache, lambda _tier, _ts: None)
    identity = np.arange(highest + 1, dtype=np.intp)
    seconds: dict[int, int] = {}
    cells: list[Cell] = []
    for plane, suffix in _ADDING.items():
        for block in source.matrices(plane, [segment], identity):
            cells += _cells(suffix, block, operator.add, segment.tier)
            if plane is Plane.INCREASE:
                _add_seconds(seconds, block, segment.tier)
    if segment.tier == FINE:
        for block in source.matrices(Plane.VALUE, [segment], identity):
            cells += _cells("", block, _newer, FINE, gauge=True)
            _add_seconds(seconds, block, FINE)
    else:
        cells += _readings(source, segment, identity)
    for some in source.buckets([segment], identity):
        bucket, row, column = np.nonzero(some.counts)
        ids, at = some.places[row], some.times[column] // segment.tier * segment.tier
        counts = some.counts[bucket, row, column]
        cells += _listed("_bucket", ids, bucket + some.lowest, at, counts, operator.add)
    return dict(sorted(seconds.items())), cells


def _readings(source: Source, segment: Segment, identity: NDArray[np.intp]) -> Iterator[Cell]:
    """Sum, number, lowest and highest of each gauge's readings."""
    for sums, number in source.gauges([segment], identity):
        yield from _cells("_sum", sums, operator.add, segment.tier, gauge=True)
        yield from _cells(READINGS, number, operator.add, segment.tier)
    extremes: dict[Plane, tuple[str, Fold]] = {
        Plane.LOWEST: ("_min", min),
        Plane.HIGHEST: ("_max", max),
    }
    for plane, (suffix, fold) in extremes.items():
        for block in source.matrices(plane, [segment], identity):
            yield from _cells(suffix, block, fold, segment.tier, gauge=True)


def _newer(_old: float, new: float) -> float:
    return new


def _add_seconds(seconds: dict[int, int], block: Block, tier: int) -> None:
    """A second in several blocks is one; one lived twice is so, too."""
    for ts, covered in zip(block.times.tolist(), block.seconds.tolist(), strict=True):
        if covered:
            row = ts // tier * tier
            seconds[row] = min(seconds.get(row, 0) + int(covered), tier)


def _cells(
    suffix: str, block: Block, fold: Fold, tier: int, *, gauge: bool = False
) -> Iterator[Cell]:
    is_there = ~np.isnan(block.values) if gauge else np.nan_to_num(block.values) != 0
    row, column = np.nonzero(is_there)
    at = block.times[column] // tier * tier
    none = np.full(row.size, -1)
    return _listed(suffix, block.places[row], none, at, block.values[row, column], fold)


def _listed(
    suffix: str,
    ids: NDArray[np.intp],
    buckets: NDArray[np.integer],
    times: NDArray[np.int64],
    values: NDArray[np.generic],
    fold: Fold,
) -> Iterator[Cell]:
    columns = (ids.tolist(), buckets.tolist(), times.tolist(), values.astype(float).tolist())
    for number, bucket, ts, value in zip(*columns, strict=True):
        yield Cell(number, suffix, bucket, ts, value, fold)

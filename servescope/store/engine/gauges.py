"""Gauges: the mean of each series over a step, then the sum over series; or lowest and highest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.catalog import (
    BY_NAME,
    CPU_UTILIZATION,
    LOAD_AVERAGE,
    MEMORY_UTILIZATION,
    PAGING_UTILIZATION,
)
from servescope.store.base import Aggregation, Matching
from servescope.store.engine.names import INSTANCE, READINGS, by_clause
from servescope.store.engine.reader import Cells
from servescope.store.engine.tier_choice import tier_of
from servescope.store.tiers import FINE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from servescope.store.engine.reader import EngineReader, Expression

AVERAGED: Final = {CPU_UTILIZATION, LOAD_AVERAGE, MEMORY_UTILIZATION, PAGING_UTILIZATION}
"""Figures of a host that over several hosts are averaged, not added."""

_FOLDS: Final = {Aggregation.MIN: np.fmin, Aggregation.MAX: np.fmax}


def extreme(
    agg: Aggregation,
) -> Callable[[EngineReader, Matching, Sequence[str], int, int, int], Cells]:
    """The question for the lowest or highest reading of a group in each step."""

    def ask(
        reader: EngineReader, match: Matching, by: Sequence[str], start: int, end: int, step: int
    ) -> Cells:
        def expression(tier: int, window_s: int) -> str:
            selected = reader.selected(match, "" if tier == FINE else f"_{agg}", tier)
            return f"{agg} {by_clause(by)} ({reader.over(agg, selected, window_s, tier)})"

        return reader.cells(expression, by, start, end, step, _FOLDS[agg])

    return ask


def average(
    reader: EngineReader, match: Matching, by: Sequence[str], start: int, end: int, step: int
) -> Cells:
    """Each series averaged over its readings in a step, then summed in its group.

    What AVERAGED names is summed host by host, and averaged over these.
    """
    by_host = reader.instance is None and match.metric in AVERAGED and INSTANCE not in by
    if tier_of(step) == FINE:
        expression = _average_of_seconds(reader, match, by, by_host=by_host)
        return reader.cells(expression, by, start, end, step)
    labels = (*BY_NAME[match.metric].labels, INSTANCE)
    sums = reader.cells(_readings(reader, match, "sum"), labels, start, end, step)
    counts = reader.cells(_readings(reader, match, "count"), labels, start, end, step)
    number = dict(zip(counts.groups, counts.values, strict=True))
    inner = (*by, INSTANCE) if by_host else tuple(by)
    summed: dict[tuple[str, ...], NDArray[np.float64]] = {}
    for group, row in zip(sums.groups, sums.values, strict=True):
        told = dict(zip(labels, group, strict=True))
        key = tuple(told.get(label, "") for label in inner)
        _add(summed, key, row / number[group])
    if not by_host:
        return _cells(summed, sums)
    total: dict[tuple[str, ...], NDArray[np.float64]] = {}
    hosts: dict[tuple[str, ...], NDArray[np.float64]] = {}
    for key, row in summed.items():
        _add(total, key[:-1], row)
        _add(hosts, key[:-1], np.where(np.isnan(row), np.nan, 1.0))
    return _cells({key: row / hosts[key] for key, row in total.items()}, sums)


def _average_of_seconds(
    reader: EngineReader, match: Matching, by: Sequence[str], *, by_host: bool
) -> Expression:
    selected = reader.selected(match)

    def expression(_tier: int, window_s: int) -> str:
        each = reader.over("avg", selected, window_s)
        if not by_host:
            return f"sum {by_clause(by)} ({each})"
        return f"avg {by_clause(by)} (sum {by_clause((*by, INSTANCE))} ({each}))"

    return expression


def _readings(reader: EngineReader, match: Matching, what: str) -> Expression:
    """Sum or number of a series' readings."""
    suffix = READINGS if what == "count" else "_sum"

    def expression(tier: int, window_s: int) -> str:
        if tier == FINE:
            return reader.over(what, reader.selected(match), window_s)
        return reader.over("sum", reader.selected(match, suffix, tier), window_s, tier)

    return expression


def _add(
    sums: dict[tuple[str, ...], NDArray[np.float64]],
    key: tuple[str, ...],
    row: NDArray[np.float64],
) -> None:
    """Add where something is told; NaN where nothing is."""
    before = sums.get(key)
    if before is None:
        sums[key] = row
    else:
        known = np.nan_to_num(before) + np.nan_to_num(row)
        sums[key] = np.where(np.isnan(before) & np.isnan(row), np.nan, known)


def _cells(rows: dict[tuple[str, ...], NDArray[np.float64]], like: Cells) -> Cells:
    values = np.array(list(rows.values())) if rows else np.empty((0, like.values.shape[1]))
    return Cells(list(rows), values)

"""Gauges: the mean of each series over a step, then the sum over series; or lowest and highest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.catalog import BY_NAME
from servescope.store.engine.names import INSTANCE, by_clause
from servescope.store.engine.reader import Cells
from servescope.store.engine.tier_choice import tier_of
from servescope.store.query import Aggregation
from servescope.store.sqlite.cells import READINGS
from servescope.store.tiers import FINE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from servescope.store.engine.reader import EngineReader, Expression
    from servescope.store.query import Query

_FOLDS: Final = {Aggregation.MIN: np.fmin, Aggregation.MAX: np.fmax}


def extreme(reader: EngineReader, query: Query, aggregation: Aggregation) -> Cells:
    """The lowest or highest reading of a group in each step."""

    def expression(tier: int, window_s: int) -> str:
        selected = reader.selected(query, "" if tier == FINE else f"_{aggregation}", tier)
        over = reader.over(aggregation, selected, window_s, tier)
        return f"{aggregation} {by_clause(query.by)} ({over})"

    return reader.cells(expression, query.by, query.steps, _FOLDS[aggregation])


def average(reader: EngineReader, query: Query) -> Cells:
    """Each series averaged over its readings in a step, then summed in its group.

    A metric with `mean_over_hosts` is summed host by host, and averaged over the hosts.
    """
    by, steps = query.by, query.steps
    metric = BY_NAME[query.metric]
    by_host = reader.instance is None and metric.mean_over_hosts and INSTANCE not in by
    if tier_of(query.step) == FINE:
        expression = _average_of_seconds(reader, query, by_host=by_host)
        return reader.cells(expression, by, steps)
    labels = (*metric.labels, INSTANCE)
    sums = reader.cells(_readings(reader, query, "sum"), labels, steps)
    counts = reader.cells(_readings(reader, query, "count"), labels, steps)
    number = dict(zip(counts.groups, counts.values, strict=True))
    inner = (*by, INSTANCE) if by_host else tuple(by)
    summed: dict[tuple[str, ...], NDArray[np.float64]] = {}
    for group, row in zip(sums.groups, sums.values, strict=True):
        value_of = dict(zip(labels, group, strict=True))
        key = tuple(value_of.get(label, "") for label in inner)
        _add(summed, key, row / number[group])
    if not by_host:
        return Cells.of(summed, len(steps))
    total: dict[tuple[str, ...], NDArray[np.float64]] = {}
    hosts: dict[tuple[str, ...], NDArray[np.float64]] = {}
    for key, row in summed.items():
        _add(total, key[:-1], row)
        _add(hosts, key[:-1], np.where(np.isnan(row), np.nan, 1.0))
    means = {key: row / hosts[key] for key, row in total.items()}
    return Cells.of(means, len(steps))


def _average_of_seconds(reader: EngineReader, query: Query, *, by_host: bool) -> Expression:
    selected = reader.selected(query)

    def expression(_tier: int, window_s: int) -> str:
        each = reader.over("avg", selected, window_s)
        if not by_host:
            return f"sum {by_clause(query.by)} ({each})"
        of_hosts = f"sum {by_clause((*query.by, INSTANCE))} ({each})"
        return f"avg {by_clause(query.by)} ({of_hosts})"

    return expression


def _readings(reader: EngineReader, query: Query, function: str) -> Expression:
    """`sum` or `count` of a series' readings."""
    suffix = READINGS if function == "count" else "_sum"

    def expression(tier: int, window_s: int) -> str:
        if tier == FINE:
            return reader.over(function, reader.selected(query), window_s)
        return reader.over("sum", reader.selected(query, suffix, tier), window_s, tier)

    return expression


def _add(
    sums: dict[tuple[str, ...], NDArray[np.float64]],
    key: tuple[str, ...],
    row: NDArray[np.float64],
) -> None:
    """Add a row where it has values; a sum stays NaN where no row has one."""
    before = sums.get(key)
    if before is None:
        sums[key] = row
    else:
        known = np.nan_to_num(before) + np.nan_to_num(row)
        sums[key] = np.where(np.isnan(before) & np.isnan(row), np.nan, known)

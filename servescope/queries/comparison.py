"""Comparisons of concurrency models: which there are, and how one stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servescope.whole_numbers import HIGHEST_ID, read_whole_number

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.records.comparisons import Comparison
    from servescope.records.load import LoadRun

KEPT_SHOWN: Final = 20


def comparisons(context: QueryContext) -> list[Comparison]:
    """The newest comparisons, newest first."""
    return context.process.snapshots.get(
        "comparisons", lambda: context.process.control.comparisons.newest_first(KEPT_SHOWN)
    )


def active_comparison(context: QueryContext) -> Comparison | None:
    """The comparison that is asked for or under way."""
    return context.process.snapshots.get(
        "active comparison", context.process.control.comparisons.active
    )


def chosen(context: QueryContext, wanted: str) -> Comparison | None:
    """The comparison of this id, however old; the newest where `wanted` is empty.

    None where there is none of the id, or it is no number.
    """
    if not wanted:
        return next(iter(comparisons(context)), None)
    number = read_whole_number(wanted, HIGHEST_ID)
    if number is None:
        return None
    return context.process.snapshots.get(
        ("comparison", number), lambda: context.process.control.comparisons.by_id(number)
    )


def runs_under_way(context: QueryContext) -> dict[int, LoadRun]:
    """The load runs that are not over yet, by id: several where models are compared at once."""
    runs = context.process.snapshots.get(
        "active runs", context.process.control.load_runs.all_active
    )
    return {run.id: run for run in runs}

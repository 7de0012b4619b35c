"""Comparisons of concurrency models: which there are, and how one stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from servescope.comparison import Comparison
    from servescope.queries.context import Desk
    from servescope.records import LoadRun

KEPT_SHOWN: Final = 20
LONGEST_ID: Final = 9
"""Digits; int() refuses thousands of them, and SQLite more than 63 bits."""


def comparisons(desk: Desk) -> list[Comparison]:
    """The newest comparisons, newest first."""
    return desk.snapshots.get("comparisons", lambda: desk.control.comparisons(KEPT_SHOWN))


def active_comparison(desk: Desk) -> Comparison | None:
    """The comparison that is asked for or under way."""
    return desk.snapshots.get("active comparison", desk.control.active_comparison)


def chosen(desk: Desk, wanted: str) -> Comparison | None:
    """The comparison of this id, however old; without one the newest."""
    if not (wanted.isascii() and wanted.isdigit()) or len(wanted) > LONGEST_ID:
        return next(iter(comparisons(desk)), None)
    number = int(wanted)
    return desk.snapshots.get(
        ("comparison", number), lambda: desk.control.comparison(number)
    ) or next(iter(comparisons(desk)), None)


def runs_under_way(desk: Desk) -> dict[int, LoadRun]:
    """The load runs that are not over yet, by id: several where models are compared at once."""
    runs = desk.snapshots.get("active runs", desk.control.active_runs)
    return {run.id: run for run in runs}

"""The verdict between two listeners that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from servescope.queries.context import QueryContext
    from servescope.records.verdicts import RequestedVerdict


def newest_verdict(context: QueryContext) -> RequestedVerdict | None:
    """The verdict that is under way, or the last one."""
    control = context.process.control
    return context.process.snapshots.get("verdict", control.verdicts.newest)


def active_verdict(context: QueryContext) -> RequestedVerdict | None:
    """The verdict that is asked for or under way."""
    found = newest_verdict(context)
    return None if found is None or found.is_over else found

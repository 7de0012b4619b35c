"""Segments: which tier answers for which part of a span.

A span asked for in steps of whole minutes is read from tier 60, in steps of whole ten minutes from
tier 600, except its ragged ends, which finer tiers have for as long as they keep them.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from servescope.store.codec.chunks import Plane
from servescope.store.codec.envelope import ROWS
from servescope.store.sqlite import open_seconds
from servescope.store.tiers import COARSER, FINE, FINER, TIERS, whole_minutes

if TYPE_CHECKING:
    import sqlite3

    from servescope.store.query import Query

_OLDEST: Final = "SELECT min(ts) FROM frame WHERE tier = ?"


class Segment(NamedTuple):
    """A part of a span and the tier that answers for it."""

    tier: int
    start: int
    end: int


def choose_tier(connection: sqlite3.Connection, query: Query) -> tuple[int, int]:
    """The tier that answers a query, and the step in which it can.

    Steps of a minute and more are rounded up to whole minutes. Where the tier of a step no longer
    reaches back to the query's start and a coarser one does, that one answers, in whole rows of its
    own.
    """
    step = whole_minutes(query.step)
    tier = next(tier for tier in reversed(TIERS) if step % tier == 0 and step >= tier)
    while (coarser := COARSER.get(tier)) is not None:
        reach, beyond = _oldest(connection, tier), _oldest(connection, coarser)
        if beyond is None or query.end <= beyond:
            break
        if reach is not None and (query.start >= reach or beyond >= reach // coarser * coarser):
            break
        tier, step = coarser, -(-step // coarser) * coarser
    return tier, step


def split_by_tier(connection: sqlite3.Connection, tier: int, start: int, end: int) -> list[Segment]:
    """Split `[start, end)` among this tier and finer ones, in order of time.

    Where the finer tier is gone, a row that is only partly asked for is answered whole.
    """
    finer = FINER.get(tier)
    if finer is None:
        return [Segment(FINE, start, end)] if start < end else []
    kept_from = _kept_from(connection, finer, tier)
    head = start // tier * tier if start < kept_from else -(-start // tier) * tier
    tail = -(-end // tier) * tier if end <= kept_from else end // tier * tier
    if head >= tail:
        return split_by_tier(connection, finer, start, end)
    return [
        *split_by_tier(connection, finer, start, head),
        Segment(tier, head, tail),
        *split_by_tier(connection, finer, tail, end),
    ]


def _kept_from(connection: sqlite3.Connection, finer: int, tier: int) -> float:
    """From which second on the finer tier has all that `tier` has."""
    reach, beyond = _oldest(connection, finer), _oldest(connection, tier)
    if beyond is None:
        return -inf
    if reach is None:
        return inf
    return -inf if beyond >= reach // tier * tier else reach


def _oldest(connection: sqlite3.Connection, tier: int) -> int | None:
    """The second of the oldest row of a tier; open rows of finer ones are part of it."""
    (chunk,) = connection.execute(
        "SELECT first FROM chunk WHERE tier = ? AND plane = ? ORDER BY t0 LIMIT 1",
        (tier, Plane.INCREASE),
    ).fetchone() or (None,)
    rows = [
        connection.execute(open_seconds.OLDEST if one == FINE else _OLDEST, (one,)).fetchone()[0]
        for one in TIERS
        if one <= tier
    ]
    return min((known for known in (chunk, *rows) if known is not None), default=None)


def bounds(connection: sqlite3.Connection) -> tuple[int, int] | None:
    """Seconds of the oldest and the newest frame."""
    (newest,) = connection.execute(open_seconds.NEWEST, (FINE,)).fetchone()
    if newest is None:  # every open row was dropped: the last closed minute is the newest
        (last,) = connection.execute("SELECT max(t0) FROM chunk WHERE tier = ?", (FINE,)).fetchone()
        newest = None if last is None else last + ROWS - 1
    oldest = None
    for tier in TIERS:
        known = _oldest(connection, tier)
        # A coarser tier knows the begin of its row only: the finer one the second.
        if known is not None and (oldest is None or known < oldest // tier * tier):
            oldest = known
    return None if newest is None or oldest is None else (oldest, newest)

"""The segments of a span, and the tier that each is asked of.

A coarser tier is asked for the rows that were sent of every host the question is about. Where some
seconds were sent, and their row was not (yet), or was refused, the seconds are asked for.
"""

from __future__ import annotations

from itertools import chain
from math import inf
from typing import TYPE_CHECKING

from servescope.store.sqlite.segments import Segment
from servescope.store.tiers import FINE, FINER, TIERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from servescope.store.steps import Steps

Interval = tuple[float, float]
"""Epoch seconds, half open."""


def tier_of(step: int) -> int:
    """The coarsest tier whose rows make up steps of this length."""
    return next(tier for tier in reversed(TIERS) if step % tier == 0)


def lacking(seconds: Interval, rows: Iterable[Interval]) -> list[Interval]:
    """The intervals of `seconds`, which a host has, that no interval of `rows` covers."""
    at, end = seconds
    left = []
    for since, until in sorted(rows):
        if at < min(since, end):
            left.append((at, min(since, end)))
        at = max(at, until)
    return [*left, (at, end)] if at < end else left


def segments(steps: Steps, holes: Mapping[int, Iterable[Interval]]) -> list[Segment]:
    """Split the span of `steps` among the tiers, in order of time; `holes` are by coarser tier."""
    return list(_split(tier_of(steps.step), steps.start, steps.end, holes))


def _split(
    tier: int, start: int, end: int, holes: Mapping[int, Iterable[Interval]]
) -> Iterator[Segment]:
    if start >= end:
        return
    if tier == FINE:
        yield Segment(FINE, start, end)
        return
    at, low, high = start, -(-start // tier) * tier, end // tier * tier
    beyond = ((float(high), inf),)
    for since, until in sorted(chain(holes[tier], beyond)):
        edge = min(int(since // tier * tier), high)
        if edge > low:
            yield from _split(FINER[tier], at, low, holes)
            yield Segment(tier, low, edge)
            at = low = edge
        low = max(low, high if until >= high else -int(-until // tier) * tier)
    yield from _split(FINER[tier], at, end, holes)

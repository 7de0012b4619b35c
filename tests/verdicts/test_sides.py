"""Both sides of a verdict: which are waited for between runs, and for how long."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from servescope.load import draining
from servescope.statistics.sequential_verdict import Side
from servescope.verdicts.sides import Destination, Sides


@pytest.fixture
def waits(monkeypatch):
    """Seconds that were waited for; time stands still but for them."""
    found = []
    monkeypatch.setattr(draining, "time", SimpleNamespace(monotonic=lambda: sum(found)))
    return found


def test_a_stream_of_another_client_is_waited_for_once(waits):
    under_way = {Side.BEFORE: 1, Side.AFTER: 0}
    sides = {
        side: Destination(side, side, "127.0.0.1", 1, unfinished=lambda side=side: under_way[side])
        for side in Side
    }
    both = Sides(sides, waits.append)
    both.await_drained(sides[Side.BEFORE])
    assert sum(waits) == pytest.approx(draining.DRAIN_S, abs=0.1)
    for destination in sides.values():
        both.await_drained(destination)
    assert sum(waits) == pytest.approx(draining.DRAIN_S, abs=0.1)
    under_way[Side.AFTER] = 1
    both.await_drained(sides[Side.AFTER])
    assert sum(waits) == pytest.approx(2 * draining.DRAIN_S, abs=0.2)


def test_a_side_of_which_nothing_is_known_is_not_waited_for(waits):
    destination = Destination(Side.BEFORE, "before", "127.0.0.1", 1)
    Sides({Side.BEFORE: destination}, waits.append).await_drained(destination)
    assert waits == []

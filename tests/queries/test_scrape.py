"""Totals for scrapers: exact, the same from every process, never decreasing while a store lives."""

import numpy as np
import pytest

from servescope.catalog import BY_NAME, COLLECT_DURATION, CPU_UTILIZATION, NETWORK_IO, Kind
from servescope.catalog import REQUEST_DURATION as DURATION
from servescope.errors import StoreFullError
from servescope.queries import scrape
from servescope.queries.scrape import FRESH_S, Totals
from servescope.store.tiers import Retention
from tests.queries.conftest import COST, RECEIVED, WSGI, frame

START = 1_700_000_000 // 3600 * 3600


def told(context, totals, now_s=None):
    """Every figure by metric; a histogram as (count, sum)."""
    found = {}
    newest = context.newest()
    for family in totals.families(context, newest + 1 if now_s is None else now_s):
        for _, value in family.points:
            is_plain = isinstance(value, (int, float))
            found[family.metric.name] = (
                value if is_plain else (int(value.buckets.sum()), value.sum_s)
            )
    return found


def exact(start, end):
    """The same figures from the frames themselves."""
    frames = [frame(ts) for ts in range(start, end)]
    deltas = [one.histograms[WSGI] for one in frames if WSGI in one.histograms]
    return {
        NETWORK_IO: sum(int(one.counts[RECEIVED]) for one in frames),
        COLLECT_DURATION: pytest.approx(sum(one.counts[COST] for one in frames), abs=1e-6),
        DURATION: (
            sum(int(one.counts.sum()) for one in deltas),
            pytest.approx(sum(one.sum_s for one in deltas), abs=1e-6),
        ),
    }


def counters(found):
    return {name: value for name, value in found.items() if BY_NAME[name].kind is not Kind.GAUGE}


def test_an_empty_store_tells_nothing(harness):
    assert Totals().families(harness.context(), 0.0) == []


def test_totals_grow_second_by_second_and_stay_exact(harness):
    context, totals = harness.context(), Totals()
    harness.fill(context, START, START + 50)
    first = told(context, totals)
    assert counters(first) == exact(START, START + 50)
    for ts in range(START + 50, START + 70):
        harness.fill(context, ts, ts + 1)
        assert counters(told(context, totals))[NETWORK_IO] == exact(START, ts + 1)[NETWORK_IO]
    assert counters(told(context, totals))[DURATION] == exact(START, START + 70)[DURATION]


def test_gauges_are_the_newest_and_left_out_once_they_are_old(harness):
    context, totals = harness.context(), Totals()
    harness.fill(context, START, START + 10)
    newest_end = START + 10
    assert (
        told(context, totals)[CPU_UTILIZATION]
        == frame(START + 9).gauges[next(iter(frame(START + 9).gauges))]
    )
    stale = told(context, totals, newest_end + FRESH_S + 1)
    assert CPU_UTILIZATION not in stale
    assert counters(stale) == counters(told(context, totals))


def test_processes_and_restarts_agree_to_the_last_digit(harness):
    """Whenever they began, and however often they were asked before."""
    context, every_second = harness.context(), Totals()
    harness.fill(context, START, START + 30)
    told(context, every_second)
    seldom = Totals()
    told(context, seldom)
    for ts in range(START + 30, START + 190):
        harness.fill(context, ts, ts + 1)
        told(context, every_second)
    wanted = told(context, every_second)
    assert told(harness.context(), seldom) == wanted
    assert told(harness.context(), Totals()) == wanted


def test_a_restart_goes_on_from_what_was_kept(harness, monkeypatch):
    monkeypatch.setattr(scrape, "CHECKPOINT_S", 5)
    context, totals = harness.context(), Totals()
    for ts in range(START, START + 40):
        harness.fill(context, ts, ts + 1)
        told(context, totals)
    assert context.process.control.scrape_totals.checkpoint().until > START + 30
    assert told(harness.context(), Totals()) == told(context, totals)


def test_totals_outlive_the_seconds_they_come_from(harness):
    context, totals = harness.context(), Totals()
    harness.fill(context, START, START + 300)
    before = told(context, totals)
    context.store.retention = Retention(120)
    for ts in range(START + 300, START + 1200, 60):
        harness.fill(context, ts, ts + 60)
    context.store._db.write(  # what happens to the minutes after months
        lambda connection: connection.execute("DELETE FROM frame WHERE ts < ?", (START + 600,))
    )
    assert context.store.bounds()[0] > START
    found = counters(told(context, totals))
    assert found[NETWORK_IO] > before[NETWORK_IO]
    assert told(harness.context(), Totals()) == told(context, totals)


def test_scrapes_a_long_time_apart_never_decrease_and_agree(harness):
    """More passed than seconds are kept singly: whoever is first says what it came to."""
    context, one, other = harness.context(), Totals(), Totals()
    harness.fill(context, START, START + 60)
    before = told(context, one)
    told(context, other)
    context.store.retention = Retention(60)
    for ts in range(START + 60, START + 7_300, 60):
        harness.fill(context, ts, ts + 60)
    after = told(context, one)
    assert all(np.all(np.array(after[name]) >= before[name]) for name in counters(before))
    assert counters(after)[NETWORK_IO] == exact(START, START + 7_320)[NETWORK_IO]
    assert told(harness.context(), other) == after
    assert told(harness.context(), Totals()) == after


def test_a_store_that_begins_anew_begins_a_life(harness):
    context, totals = harness.context(), Totals()
    harness.fill(context, START, START + 20)
    told(context, totals)
    for path in context.store.path.parent.glob(f"{context.store.path.name}*"):
        path.unlink()  # as when it is set aside
    context = harness.context()
    harness.fill(context, START + 20, START + 30)
    assert counters(told(context, totals)) == exact(START + 20, START + 30)


def test_a_full_disk_keeps_nobody_from_being_told(harness, monkeypatch):
    context, totals = harness.context(), Totals()
    harness.fill(context, START, START + 20)

    def full(*_):
        raise StoreFullError("no room")

    monkeypatch.setattr("servescope.control.scrape_totals.ScrapeTotals.replace", full)
    assert counters(told(context, totals)) == exact(START, START + 20)

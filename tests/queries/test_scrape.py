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


def told(desk, totals, now_s=None):
    """Every figure by metric; a histogram as (count, sum)."""
    found = {}
    newest = desk.newest()
    for family in totals.families(desk, newest + 1 if now_s is None else now_s):
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


def test_an_empty_store_tells_nothing(office):
    assert Totals().families(office.desk(), 0.0) == []


def test_totals_grow_second_by_second_and_stay_exact(office):
    desk, totals = office.desk(), Totals()
    office.fill(desk, START, START + 50)
    first = told(desk, totals)
    assert counters(first) == exact(START, START + 50)
    for ts in range(START + 50, START + 70):
        office.fill(desk, ts, ts + 1)
        assert counters(told(desk, totals))[NETWORK_IO] == exact(START, ts + 1)[NETWORK_IO]
    assert counters(told(desk, totals))[DURATION] == exact(START, START + 70)[DURATION]


def test_gauges_are_the_newest_and_left_out_once_they_are_old(office):
    desk, totals = office.desk(), Totals()
    office.fill(desk, START, START + 10)
    newest_end = START + 10
    assert (
        told(desk, totals)[CPU_UTILIZATION]
        == frame(START + 9).gauges[next(iter(frame(START + 9).gauges))]
    )
    stale = told(desk, totals, newest_end + FRESH_S + 1)
    assert CPU_UTILIZATION not in stale
    assert counters(stale) == counters(told(desk, totals))


def test_processes_and_restarts_agree_to_the_last_digit(office):
    """Whoever is asked, whenever they began, however often they were asked before."""
    desk, every_second = office.desk(), Totals()
    office.fill(desk, START, START + 30)
    told(desk, every_second)
    seldom = Totals()
    told(desk, seldom)
    for ts in range(START + 30, START + 190):
        office.fill(desk, ts, ts + 1)
        told(desk, every_second)
    wanted = told(desk, every_second)
    assert told(office.desk(), seldom) == wanted
    assert told(office.desk(), Totals()) == wanted


def test_a_restart_goes_on_from_what_was_kept(office, monkeypatch):
    monkeypatch.setattr(scrape, "CHECKPOINT_S", 5)
    desk, totals = office.desk(), Totals()
    for ts in range(START, START + 40):
        office.fill(desk, ts, ts + 1)
        told(desk, totals)
    assert desk.control.kept_totals().until > START + 30
    assert told(office.desk(), Totals()) == told(desk, totals)


def test_totals_outlive_the_seconds_they_come_from(office):
    desk, totals = office.desk(), Totals()
    office.fill(desk, START, START + 300)
    before = told(desk, totals)
    desk.store.retention = Retention(120)
    for ts in range(START + 300, START + 1200, 60):
        office.fill(desk, ts, ts + 60)
    desk.store._db.write(  # what happens to the minutes after months
        lambda connection: connection.execute("DELETE FROM frame WHERE ts < ?", (START + 600,))
    )
    assert desk.store.bounds()[0] > START
    found = counters(told(desk, totals))
    assert found[NETWORK_IO] > before[NETWORK_IO]
    assert told(office.desk(), Totals()) == told(desk, totals)


def test_scrapes_a_long_time_apart_never_decrease_and_agree(office):
    """More passed than seconds are kept singly: whoever is first says what it came to."""
    desk, one, other = office.desk(), Totals(), Totals()
    office.fill(desk, START, START + 60)
    before = told(desk, one)
    told(desk, other)
    desk.store.retention = Retention(60)
    for ts in range(START + 60, START + 7_300, 60):
        office.fill(desk, ts, ts + 60)
    after = told(desk, one)
    assert all(np.all(np.array(after[name]) >= before[name]) for name in counters(before))
    assert counters(after)[NETWORK_IO] == exact(START, START + 7_320)[NETWORK_IO]
    assert told(office.desk(), other) == after
    assert told(office.desk(), Totals()) == after


def test_a_store_that_begins_anew_begins_a_life(office):
    desk, totals = office.desk(), Totals()
    office.fill(desk, START, START + 20)
    told(desk, totals)
    for path in desk.store.path.parent.glob(f"{desk.store.path.name}*"):
        path.unlink()  # as when it is set aside
    desk = office.desk()
    office.fill(desk, START + 20, START + 30)
    assert counters(told(desk, totals)) == exact(START + 20, START + 30)


def test_a_full_disk_keeps_nobody_from_being_told(office, monkeypatch):
    desk, totals = office.desk(), Totals()
    office.fill(desk, START, START + 20)

    def full(*_):
        raise StoreFullError("no room")

    monkeypatch.setattr("servescope.control.load_runs.Control.keep_totals", full)
    assert counters(told(desk, totals)) == exact(START, START + 20)

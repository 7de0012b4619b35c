"""Clocks that jump, machines that sleep, zones that change: no wrong figure comes of it."""

import math
import os
import time

import pytest

from servescope.catalog import (
    BYTES_SENT,
    CPU_UTILIZATION,
    LOAD_AVERAGE,
    REQUEST_DURATION,
    RING_LOST,
)
from servescope.collecting.collector import Collector
from servescope.recording.recorder import Recorder
from servescope.records.metrics import Sample
from servescope.store.base import Batch, Frame, SeriesKey
from servescope.store.query import Aggregation, Query

BASE = 1_700_006_400  # a whole minute and hour
SECOND = 1_000_000_000
EVER = (0, 4_000_000_000)


class Machine:
    """A wall clock and a monotonic one, a recorder, and a collector that ticks by them."""

    def __init__(self, store, folder):
        self.wall_s, self.monotonic_s = float(BASE), 5_000.0
        self.recorder = Recorder(folder, capacity=4096)
        self.listener = self.recorder.listener_id("files")
        self.route = self.recorder.route_id(self.listener, "/")
        self.store = store
        self.collector = Collector(store, folder, [lambda: [Sample(LOAD_AVERAGE, 1.5)]])
        self.recorded = 0

    def live(self, seconds, requests=10):
        """So many seconds pass, with requests in each and a tick at the end of each."""
        for _ in range(seconds):
            for number in range(requests):
                end_ns = int((self.wall_s + number / requests) * SECOND)
                self.recorder.record(
                    end_ns, self.listener, self.route, 1, 2, 200, 0, 1, 1, *[1e5] * 6
                )
                self.recorded += 1
            self.wall_s += 1
            self.monotonic_s += 1
            self.collector.tick(int(self.wall_s * SECOND) + 30_000_000, self.monotonic_s)

    def values(self, start, end, step=1, agg=Aggregation.SUM, metric=REQUEST_DURATION):
        return self.store.aggregate(Query(metric, start, end, step), agg).values[0].tolist()

    def total(self, metric=REQUEST_DURATION):
        return self.store.total(Query(metric, *EVER)).count.tolist()

    def close(self):
        self.recorder.close()
        self.collector.close()


@pytest.fixture
def machine(store, tmp_path):
    machine = Machine(store, tmp_path / "rings")
    yield machine
    machine.close()


def test_a_clock_set_forward_leaves_a_gap_and_nothing_else(machine):
    machine.live(90)
    machine.wall_s += 7_000
    machine.live(90)
    assert machine.total() == [machine.recorded]
    assert machine.total(RING_LOST) == [0.0]
    assert machine.values(BASE, BASE + 90) == [10.0] * 90
    later = BASE + 90 + 7_000
    # The second of the jump was lived in part at each side of it.
    assert machine.values(later, later + 90) == [10.0] * 90
    assert all(map(math.isnan, machine.values(BASE + 90, later)))
    assert all(map(math.isnan, machine.values(BASE + 120, BASE + 6_960, 60, Aggregation.RATE)))
    assert "7000 s further" in machine.collector.status.clock_jump


def test_a_clock_set_back_counts_each_request_once_and_says_so(machine):
    machine.live(200)
    machine.wall_s -= 120
    machine.live(200)
    assert machine.total() == [machine.recorded] == [4_000]
    assert machine.total(RING_LOST) == [0.0]
    seconds = machine.values(BASE, BASE + 280)
    assert sum(seconds) == 4_000
    assert seconds[:80] == [10.0] * 80
    assert seconds[81:200] == [20.0] * 119
    assert seconds[200:] == [10.0] * 80
    assert "set back by 120 s" in machine.collector.status.clock_jump


def test_a_second_lived_twice_is_one_second_in_every_tier(machine):
    """Both lives are added, and a rate is by the seconds of the axis, whatever the step."""
    machine.live(360)
    machine.wall_s -= 180
    machine.live(300)
    for step in (1, 10, 60):
        rates = machine.values(BASE + 240, BASE + 300, step, Aggregation.RATE)
        assert rates == [20.0] * (60 // step)
    gauge = machine.values(BASE + 240, BASE + 300, 60, Aggregation.AVG, LOAD_AVERAGE)
    assert gauge == [1.5]


def test_a_machine_that_sleeps_leaves_a_gap_and_no_zeros(machine):
    """In a suspend CLOCK_MONOTONIC stands still (clock_gettime(2))."""
    machine.live(70)
    machine.wall_s += 8  # as long as a stall of the collector might be
    machine.live(70)
    asleep = machine.values(BASE + 70, BASE + 78)
    assert all(map(math.isnan, asleep))
    assert machine.total() == [machine.recorded]
    assert "the machine slept" in machine.collector.status.clock_jump


def test_a_stall_is_no_jump(machine):
    machine.live(5)
    machine.wall_s += 6
    machine.monotonic_s += 6
    machine.live(5)
    assert machine.values(BASE + 5, BASE + 11) == [0.0] * 6
    assert machine.collector.status.clock_jump == ""


def test_a_clock_put_right_by_a_second_is_not_told(machine):
    machine.live(5)
    machine.wall_s += 1
    machine.live(5)
    machine.wall_s -= 1
    machine.live(5)
    assert machine.collector.status.clock_jump == ""
    assert machine.total() == [machine.recorded]


def test_a_leap_of_years_and_back_drops_nothing(machine):
    machine.live(130)
    machine.wall_s += 10 * 365 * 86_400
    machine.live(65)
    machine.wall_s -= 10 * 365 * 86_400
    machine.live(130)
    assert machine.total() == [machine.recorded]
    assert machine.values(BASE, BASE + 130) == [10.0] * 130
    assert all(map(math.isnan, machine.values(BASE + 130, BASE + 194)))
    assert sum(machine.values(BASE + 194, BASE + 325)[1:]) == 1_300


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/St_Johns", "UTC"])
def test_the_zone_changes_nothing(store, zone, monkeypatch):
    """Around the end of summer time in Auckland an hour of local time comes twice."""
    begin = 1_712_412_000  # 2024-04-06T14:00Z, when the clocks there go back
    cpu, sent = SeriesKey(CPU_UTILIZATION), SeriesKey(BYTES_SENT)
    try:
        for number, name in enumerate(("UTC", zone, "UTC", zone)):
            monkeypatch.setenv("TZ", name)
            time.tzset()
            start = begin - 3_600 + number * 1_800
            store.write(
                Batch([Frame(ts, {cpu: 0.5}, {sent: 1.0}) for ts in range(start, start + 1_800, 5)])
            )
        found = store.aggregate(
            Query(BYTES_SENT, begin - 3_600, begin + 3_600, 600), Aggregation.SUM
        )
        assert found.times.tolist() == list(range(begin - 3_600, begin + 3_600, 600))
        assert found.values.tolist() == [[120.0] * 12]
        assert store.bounds() == (begin - 3_600, begin + 3_595)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert os.environ.get("TZ") != zone or zone == "UTC"

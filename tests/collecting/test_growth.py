"""A late reading spreads the growth of a counter over the seconds that it covers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope import catalog
from servescope.collecting.aggregation import Second
from servescope.collecting.growth import Growth, Moment
from servescope.errors import StoreFullError
from servescope.records.metrics import Sample
from servescope.sampling.counters import Increases
from servescope.store.base import SeriesKey
from servescope.store.query import Aggregation, Query
from tests.collecting.served import BASE, SECOND, seconds, serve, total

KEY = SeriesKey(catalog.NETWORK_IO)
RECEIVED = (("network.interface.name", "lo"), ("network.io.direction", "receive"))


class Interface:
    """A total that grows by the same each second, read at the collector's ticks."""

    def __init__(self, collect, store, bytes_a_second=1_000):
        self.rate, self.at, self.store = bytes_a_second, 0.0, store
        self._increases = Increases()
        self._tick = collect.start(self._sample)

    def _sample(self):
        grown = self._increases.since_last({"lo": round(self.at * self.rate)})
        yield Sample(catalog.LOAD_AVERAGE, 1.5)
        for increase in grown.values():
            yield Sample(catalog.NETWORK_IO, float(increase), RECEIVED)

    def read(self, at, lived=None):
        """Read it so many seconds after the begin, by the wall clock; `lived` by the monotonic."""
        self.at = at if lived is None else lived
        now_ns = round((BASE + at) * SECOND)
        self._tick.collector.tick(now_ns, float(BASE + self.at))
        return self._tick.collector.status

    def rates(self, end):
        query = Query(catalog.NETWORK_IO, BASE, BASE + end, 1)
        return self.store.aggregate(query, Aggregation.RATE).values[0].tolist()


@pytest.fixture
def interface(collect, store):
    return Interface(collect, store)


def test_late_and_doubled_readings_show_the_rate_that_was(interface):
    for at in (1.03, 2.03, 3.95, 4.03, 5.03, 6.5, 7.6, 8.03):
        interface.read(at)
    rates = interface.rates(8)
    assert rates[1:] == pytest.approx([1_000] * 7, rel=0.1)
    assert sum(rates) == 7_000


def test_the_bytes_of_a_stall_are_counted_in_its_seconds(interface, store, recorder):
    for at in (1.03, 2.03):
        interface.read(at)
    serve(recorder, 4.5, 3)
    interface.read(9.03)
    interface.read(10.03)
    assert interface.rates(10)[1:] == pytest.approx([1_000] * 9, rel=1e-2)
    # Nobody read a gauge in the seconds that were missed; requests were recorded all the while.
    gauge = store.aggregate(Query(catalog.LOAD_AVERAGE, BASE, BASE + 10, 1), Aggregation.AVG)
    np.testing.assert_equal(gauge.values, [[1.5] * 2 + [np.nan] * 6 + [1.5] * 2])
    assert seconds(store, end=10) == [0.0] * 4 + [3.0] + [0.0] * 5


def test_the_bytes_of_a_gap_are_no_peak_after_it(interface):
    for at in (1.03, 2.03, 62.03, 63.03):
        interface.read(at)
    rates = interface.rates(63)
    assert all(map(math.isnan, rates[2:61]))
    assert rates[61:] == pytest.approx([1_000] * 2, rel=1e-2)


def test_of_a_gap_the_seconds_in_which_requests_ended_are_whole(interface, store, recorder):
    for at in (1.03, 2.03):
        interface.read(at)
    serve(recorder, 30.5, 3)  # by another process, while none collected
    interface.read(62.03)
    assert interface.rates(62)[30] == pytest.approx(1_000, rel=1e-2)
    assert seconds(store, start=30, end=31) == [3.0]
    around = seconds(store, start=29, end=32)
    assert math.isnan(around[0])
    assert math.isnan(around[2])


def test_what_came_in_a_suspend_is_that_of_the_time_that_was_lived(interface):
    for at in (1.03, 2.03):
        interface.read(at)
    interface.read(62.03, lived=3.03)
    interface.read(63.03, lived=4.03)
    rates = interface.rates(63)
    assert all(map(math.isnan, rates[2:61]))
    assert rates[61:] == pytest.approx([1_000] * 2, rel=1e-2)


def test_a_clock_set_back_makes_no_peak(interface):
    for at in (101.03, 102.03):
        interface.read(at)
    interface.read(53.03, lived=103.03)
    interface.read(54.03, lived=104.03)
    assert interface.rates(54)[52:] == pytest.approx([1_000] * 2, rel=1e-2)


def test_a_store_that_takes_nothing_for_a_while_makes_no_peak(
    interface, store, recorder, monkeypatch
):
    for at in (1.03, 2.03):
        interface.read(at)

    def full(_):
        raise StoreFullError("no room left")

    monkeypatch.setattr(store, "write", full)
    for second in (2, 3):
        serve(recorder, second)
        assert interface.read(second + 1.03).store_problem
    monkeypatch.undo()
    interface.read(5.03)
    assert interface.rates(5)[1:] == pytest.approx([1_000] * 4, rel=1e-2)


def test_what_is_left_of_a_late_reading_comes_with_the_last_second(interface, store, collect):
    interface.read(1.03)
    interface.read(2.75)
    recorded = total(store, catalog.NETWORK_IO)[()]
    now_ns = round((BASE + 2.8) * SECOND)
    collect.collector.flush(now_ns, BASE + 2.8)
    assert total(store, catalog.NETWORK_IO)[()] == recorded  # no second came for it alone


@given(
    st.lists(st.floats(0.03, 4.0), min_size=1, max_size=12),
    st.lists(st.integers(0, 10**12), min_size=12, max_size=12),
)
def test_dividing_neither_loses_nor_adds(steps, increases):
    """Of readings at any times, the seconds and what is left add up to all that was read."""
    growth, now, counted, read = Growth(), float(BASE), 0.0, 0
    newest = BASE - 1
    for step, increase in zip(steps, increases, strict=False):
        now += step
        growth.add(KEY, float(increase))
        read += increase
        if math.floor(now) - 1 <= newest:
            continue  # a tick within the same second does nothing
        frames = {ts: Second() for ts in range(newest + 1, math.floor(now))}
        newest = math.floor(now) - 1
        growth = growth.divide(frames, Moment(now, now))
        parts = [second.counts[KEY] for second in frames.values() if KEY in second.counts]
        assert all(part >= 0 and part.is_integer() for part in parts)
        counted += sum(parts)
    rest = Second()
    growth.divide({newest + 1: rest}, Moment(newest + 2.0, newest + 2.0))
    assert counted + rest.counts.get(KEY, 0.0) == read

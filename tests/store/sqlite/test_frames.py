"""Frames read back are those that were written, wherever the store keeps them by now."""

import numpy as np
import pytest

from servescope.catalog import CPU_UTILIZATION, NETWORK_IO, REQUEST_DURATION, Kind
from servescope.histogram import count
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.sqlite.store import open_store

START = 1_700_000_040  # a whole minute
CPU = SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", "0"),))
RECEIVED = SeriesKey(NETWORK_IO, (("network.interface.name", "lo"),))
TOOK = SeriesKey(REQUEST_DURATION, (("listener", "wsgi"),))


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path)
    yield store
    store.close()


def frame(ts):
    durations = np.random.default_rng(ts).lognormal(-6, 1, ts % 5 + 1)
    delta = HistogramDelta(count(durations), float(durations.sum()))
    return Frame(ts, {CPU: ts % 97 / 96}, {RECEIVED: ts % 89 + 0.1}, {TOOK: delta})


def as_plain(frames):
    return [
        (
            one.ts,
            one.gauges,
            one.counts,
            {key: (delta.counts.tolist(), delta.sum_s) for key, delta in one.histograms.items()},
        )
        for one in frames
    ]


def test_frames_of_open_and_of_closed_minutes_are_those_that_were_written(store):
    written = [frame(ts) for ts in range(START, START + 150)]
    store.write(Batch(written))
    assert as_plain(store.frames(START - 10, START + 200)) == as_plain(written)
    assert as_plain(store.frames(START + 7, START + 130)) == as_plain(written[7:130])


def test_a_gap_has_no_frame_and_an_increase_of_zero_no_value(store):
    store.write(Batch([Frame(START, {}, {RECEIVED: 0.0}), Frame(START + 2, {CPU: 0.0})]))
    found = store.frames(START, START + 3)
    assert [one.ts for one in found] == [START, START + 2]
    assert [one.counts for one in found] == [{}, {}]
    assert found[1].gauges == {CPU: 0.0}


def test_a_second_that_was_added_to_later_is_one_frame(store):
    store.write(Batch([frame(ts) for ts in range(START, START + 130)]))
    store.write(Batch([Frame(START + 5, {CPU: 0.25}, {RECEIVED: 7.0})]))  # its minute is closed
    (found,) = store.frames(START + 5, START + 6)
    assert found.gauges == {CPU: 0.25}
    assert found.counts == {RECEIVED: frame(START + 5).counts[RECEIVED] + 7.0}


def test_series_keep_the_order_in_which_they_were_numbered(store):
    wanted = [(TOOK, Kind.HISTOGRAM), (CPU, Kind.GAUGE), (RECEIVED, Kind.COUNTER)]
    store.number_series(wanted)
    store.write(Batch([frame(START)]))
    assert store.known_series() == wanted
    assert as_plain(store.frames(START, START + 1)) == as_plain([frame(START)])

"""However many seconds a point of a graph spans, no spike is lost."""

import math
import shutil
import time
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from servescope.catalog import (
    CPU_UTILIZATION,
    MEMORY_UTILIZATION,
    PROCESS_CPU,
    PROCESS_MEMORY,
    QUEUED_REQUESTS,
    REQUEST_DURATION,
)
from servescope.histogram import count
from servescope.queries import host, latency, ports
from servescope.queries.lines import joined, renamed, selected, taken
from servescope.queries.rows import Lines
from servescope.queries.span import MAX_POINTS, RANGES, View
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.sqlite.store import open_store

# Rolling up two days, minute by minute, takes long on a busy machine.
pytestmark = pytest.mark.timeout(600)

MEMORY = SeriesKey(MEMORY_UTILIZATION)
GENERATOR_CPU = SeriesKey(PROCESS_CPU, (("process", "load generator"),))
GENERATOR_MEMORY = SeriesKey(PROCESS_MEMORY, (("process", "load generator"),))
QUEUED = SeriesKey(QUEUED_REQUESTS, (("listener", "wsgi"),))
CPU = SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", "all"),))
REQUESTS = SeriesKey(REQUEST_DURATION, (("listener", "files"),))
DAY = 86_400
LENGTHS = [DAY, 2 * DAY, 30 * DAY, 730 * DAY]


def rows(*names, without_mean=(), requests=None):
    values = np.arange(2.0 * len(names)).reshape(len(names), 2)
    return Lines(np.array([10, 11]), names, values, "s", 1, without_mean, requests)


def test_joined_lines_keep_which_of_them_have_a_mean():
    both = joined([rows("mean"), rows("highest", without_mean=(True,))])
    assert (both.names, both.without_mean) == (("mean", "highest"), (False, True))
    assert renamed(both, "CPU {}").without_mean == (False, True)
    assert selected(both, [False, True]).without_mean == (True,)
    assert taken(both, [1, 0]).values.tolist() == [[0.0, 1.0], [0.0, 1.0]]


def test_joined_lines_keep_of_how_many_requests_they_are_where_all_are_of_some():
    first = rows("a", requests=np.array([[1.0, 2.0]]))
    second = rows("b", requests=np.array([[3.0, 4.0]]))
    counts = joined([first, second]).requests
    assert counts.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert taken(joined([first, second]), [1]).requests.tolist() == [[3.0, 4.0]]
    assert joined([first, rows("c")]).requests is None


def test_joined_lines_keep_which_values_are_lower_bounds():
    first, second = rows("a"), replace(rows("b"), bounds=np.array([[False, True]]))
    assert joined([first, first]).bounds is None
    together = joined([first, second])
    assert together.bounds.tolist() == [[False, False], [False, True]]
    assert taken(together, [1]).bounds.tolist() == [[False, True]]


SPIKE_S, DIP_S = DAY + 4_200, DAY + 49_800
"""Since the beginning of the two days."""


def seconds_with_a_frame(start, end):
    """One in ten minutes, and one in a minute around the spike and the dip."""
    around = (range(start + at - 1_200, start + at + 1_200, 60) for at in (SPIKE_S, DIP_S))
    return sorted({*range(start, end, 600), *chain.from_iterable(around)})


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Two days of quiet, and one second of a spike and of a dip."""
    folder, end = tmp_path_factory.mktemp("two_days"), int(time.time()) // DAY * DAY
    start, quiet = end - 2 * DAY, HistogramDelta(count([1e-3]), 1e-3)
    slow = HistogramDelta(count([2.5]), 2.5)
    values = {start + SPIKE_S: 0.97, start + DIP_S: 0.01}
    frames = [
        Frame(
            ts,
            {CPU: values.get(ts, 0.2)},
            {},
            {REQUESTS: slow if ts == start + SPIKE_S else quiet},
        )
        for ts in seconds_with_a_frame(start, end)
    ]
    store = open_store(folder)
    for low in range(0, len(frames), 180):
        store.write(Batch(frames[low : low + 180]))
    store.close()
    return folder, start, end


@pytest.fixture
def spiky(written, harness):
    """A context on a copy of it."""
    folder, start, end = written
    shutil.copytree(folder, harness.folder)
    return harness.context(), start, end


def test_the_highest_and_lowest_second_are_drawn_at_any_width(spiky):
    context, _, end = spiky
    for length in LENGTHS:
        check_extremes(context, end, length)
    rows = host.cpu(context, View(fixed=(end - 300, end)).span(end - 1))
    assert rows.names == ("all cores",)  # a second has no extremes


def check_extremes(context, end, length):
    span = View(fixed=(end - length, end)).span(end - 1)
    assert span.step > 1
    rows = host.cpu(context, span)
    assert rows.names == ("all cores", "highest", "lowest")
    assert rows.times.size <= MAX_POINTS + 1
    mean, highest, lowest = rows.values
    assert np.nanmax(highest) == 0.97
    assert np.nanmin(lowest) == 0.01
    assert np.nanmax(mean) < 0.9
    there = ~np.isnan(mean)
    assert (lowest[there] <= mean[there] + 1e-12).all()
    assert (mean[there] <= highest[there] + 1e-12).all()


@pytest.mark.parametrize("ask", [host.utilization, host.own_cpu, host.own_memory])
def test_where_several_lines_share_a_graph_the_highest_of_each_is_drawn(spiky, ask):
    context, _, end = spiky
    values = {GENERATOR_CPU: 0.5, GENERATOR_MEMORY: 5e6, CPU: 0.2, MEMORY: 0.3}
    context.store.write(
        Batch([Frame(end + n, {key: v * (1 + (n == 7)) for key, v in values.items()}, {}, {})
               for n in range(60)])
    )  # fmt: skip
    rows = ask(context, View(fixed=(end - DAY, end + 3600)).span(end + 59))
    means = [name for name in rows.names if not name.endswith(" highest")]
    assert sorted(rows.names) == sorted([*means, *(f"{name} highest" for name in means)])
    by_name = dict(zip(rows.names, rows.values, strict=True))
    for name in means:
        there = ~np.isnan(by_name[name])
        assert (by_name[f"{name} highest"][there] >= by_name[name][there] - 1e-12).all()
        assert np.nanmax(by_name[f"{name} highest"]) > 1.5 * np.nanmax(by_name[name])
    seconds = ask(context, View(fixed=(end, end + 60)).span(end + 59))
    assert sorted(seconds.names) == sorted(means)


def test_the_most_that_waited_for_a_thread_is_drawn(spiky):
    context, _, end = spiky
    context.store.write(Batch([Frame(end + n, {QUEUED: 40.0 * (n == 30)}) for n in range(60)]))
    rows = ports.inside(context, View(fixed=(end - DAY, end + 3600)).span(end + 59))
    assert np.nanmax(rows.values[rows.names.index("wsgi requests queued")]) == 40


def test_the_one_slow_request_is_in_the_heatmap_at_any_width(spiky):
    context, start, end = spiky
    for length in LENGTHS:
        check_heat(context, start, end, length)


def check_heat(context, start, end, length):
    span = View(fixed=(end - length, end)).span(end - 1)
    heat = latency.heat(context, span)
    assert np.nansum(heat.counts[-1]) == 1
    assert heat.edges[-2] < 2.5 <= heat.edges[-1]
    covered = [ts for ts in seconds_with_a_frame(start, end) if ts >= end - length]
    assert np.nansum(heat.counts) == len(covered)


def test_the_time_bar_reaches_back_two_years():
    assert max(entry.seconds for entry in RANGES) == 2 * 365 * DAY
    assert math.isclose(RANGES[-1].seconds / View(RANGES[-1]).span(1_800_000_000).step, 730)

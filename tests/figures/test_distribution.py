from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.figures.distribution import DistributionPlot
from servescope.histogram import EDGES, ERROR_BOUND, GROWTH, count, quantiles
from servescope.queries.rows import Distribution

ALL_EDGES = np.concatenate(([0.0], EDGES, [np.inf]))


def distribution(seconds):
    counts = count(seconds)
    used = np.flatnonzero(counts)
    low, high = used[0], used[-1]
    marks = dict(zip(("p50", "p95", "p99"), quantiles(counts, (0.5, 0.95, 0.99)), strict=True))
    return Distribution(ALL_EDGES[low : high + 2], counts[low : high + 1], marks, ERROR_BOUND)


@given(st.lists(st.floats(min_value=0, max_value=100), min_size=1, max_size=40))
def test_bars_hold_all_requests_at_finite_places(seconds):
    plot = DistributionPlot()
    figure = plot.figure(distribution(seconds), {})
    (trace,) = figure["data"]
    assert sum(trace["y"]) == len(seconds)
    assert all(place > 0 and np.isfinite(place) for place in trace["x"] + trace["width"])
    marks = [shape["label"]["text"] for shape in figure["layout"]["shapes"]]
    assert marks in (["p50", "p95", "p99"], ["p50", "", "p99"]), "one in between may lack room"
    low, high = figure["layout"]["xaxis"]["range"]
    assert all(low < np.log10(place) < high for place in trace["x"])
    room = 0.11 * (high - low) * (1 - 1e-9)
    for shape in figure["layout"]["shapes"]:
        assert low + room <= np.log10(shape["x0"]) <= high - room, "its label has room on each side"


@pytest.mark.parametrize(
    ("between", "side"), [(0.0015, "right"), (0.05, "left"), (0.3, "left"), (0.011, "left")]
)
def test_a_label_stands_where_no_line_strikes_it_through(between, side):
    marks = {"p50": 0.001, "p95": between, "p99": 1.0 if between < 0.3 else 0.31}
    rows = Distribution(ALL_EDGES[60:200], np.ones(139, dtype=np.int64), marks, ERROR_BOUND)
    first, middle, last = DistributionPlot().figure(rows, {})["layout"]["shapes"]
    anchors = [shape["label"]["xanchor"] for shape in (first, middle, last)]
    assert anchors == ["right", {"left": "right", "right": "left"}[side], "left"]
    assert middle["label"]["text"] == "p95"


def test_a_label_without_room_on_either_side_is_left_out():
    marks = {"p50": 0.001, "p95": 0.00101, "p99": 0.00102}
    rows = Distribution(ALL_EDGES[60:200], np.ones(139, dtype=np.int64), marks, ERROR_BOUND)
    shapes = DistributionPlot().figure(rows, {})["layout"]["shapes"]
    assert [shape["label"]["text"] for shape in shapes] == ["p50", "", "p99"]


def test_no_requests_no_bars_and_every_poll_brings_the_whole():
    plot = DistributionPlot()
    empty = Distribution(np.empty(0), np.empty(0, np.int64), {}, ERROR_BOUND)
    assert plot.figure(empty, {})["data"] == []
    assert plot.delta(empty, {}) == {"figure": plot.figure(empty, {})}


def test_the_legend_says_which_percentiles_are_lower_bounds():
    marks = {"p50": 0.01, "p99": 5.0}
    rows = Distribution(
        ALL_EDGES[60:200], np.ones(139, np.int64), marks, ERROR_BOUND, frozenset({"p99"})
    )
    assert [mark["value"] for mark in DistributionPlot().legend(rows, {})] == [
        "10 ms",
        "≥ 5 s",
    ]


def test_durations_that_the_histogram_does_not_tell_apart_read_as_longer_than_its_longest():
    plot, rows = DistributionPlot(), distribution([0.01, 300.0])
    assert [mark["value"] for mark in plot.legend(rows, {})][1:] == ["≥ 64 s"] * 2
    (trace,) = plot.figure(rows, {})["data"]
    assert trace["hovertext"][-1] == "longer than 64 s: 1 request, 50 %"
    assert trace["meta"]["edges"][-2:] == [64.0, None]
    assert trace["x"][-1] + trace["width"][-1] / 2 < 64 * GROWTH, "an open bucket is no wider"


@pytest.mark.parametrize(
    ("durations", "longest_s", "last"),
    [
        ([0.01, 66.0], 66.0, "64 s to 66 s: 1 request, 50 %"),
        ([0.01, 9.9], 9.9, "9.51 s to 9.9 s: 1 request, 50 %"),
        ([0.01, 9.9], 12.0, "9.51 s to 10.4 s: 1 request, 50 %"),  # another second's
    ],
    ids=["beyond the histogram", "within its bucket", "beyond its bucket"],
)
def test_the_last_bar_ends_at_the_longest_duration_that_was_measured(durations, longest_s, last):
    plot, rows = DistributionPlot(), distribution(durations)
    without, figure = (plot.figure(one, {}) for one in (rows, replace(rows, longest_s=longest_s)))
    (trace,) = figure["data"]
    assert trace["hovertext"][-1] == last
    assert trace["x"][-1] + trace["width"][-1] / 2 <= longest_s
    if longest_s < 12:
        ends = [one["layout"]["xaxis"]["range"][1] for one in (figure, without)]
        assert ends[0] < ends[1], "its axis ends there as well"


def test_few_requests_have_no_tick_between_whole_numbers():
    few, many = (
        DistributionPlot().figure(distribution([0.01] * number), {})["layout"]["yaxis"]
        for number in (2, 3)
    )
    assert few["dtick"] == 1
    assert "dtick" not in many, "Plotly's own are whole numbers"


def test_durations_below_those_of_the_histogram_have_no_lower_end():
    (trace,) = DistributionPlot().figure(distribution([1e-7, 0.01]), {})["data"]
    assert trace["hovertext"][0] == "up to 0.95 µs: 1 request, 50 %"

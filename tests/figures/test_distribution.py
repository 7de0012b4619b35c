import re
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
    named = [name for mark in marks for name in re.findall(r"p\d+", mark)]
    assert named == ["p50", "p95", "p99"], "each has its name, if beside another"
    low, high = figure["layout"]["xaxis"]["range"]
    assert all(low < np.log10(place) < high for place in trace["x"])
    room = 0.11 * (high - low) * (1 - 1e-9)
    for shape in figure["layout"]["shapes"]:
        assert low + room <= np.log10(shape["x0"]) <= high - room, "its label has room on each side"


@pytest.mark.parametrize(
    ("between", "side"), [(0.0015, "right"), (0.05, "left"), (0.3, "left"), (0.011, "left")]
)
def test_a_label_stands_where_no_line_strikes_it_through(between, side):
    marks = {"p50": 0.001, "p95": between, "p99": 1.0 if between < 0.3 else 0.4}
    rows = Distribution(ALL_EDGES[60:200], np.ones(139, dtype=np.int64), marks, ERROR_BOUND)
    first, middle, last = DistributionPlot().figure(rows, {})["layout"]["shapes"]
    anchors = [shape["label"]["xanchor"] for shape in (first, middle, last)]
    assert anchors == ["right", {"left": "right", "right": "left"}[side], "left"]
    assert middle["label"]["text"] == "p95"


@pytest.mark.parametrize(
    ("places", "texts"),
    [
        ((0.001, 0.00101, 0.00102), ["p50", "", "p95, p99"]),
        ((0.001, 0.00101, 0.00103), ["p50, p95", "", "p99"]),
        ((0.001, 0.001, 0.001), ["p50", "", "p95, p99"]),
        ((0.001, 0.02, 0.02), ["p50", "", "p95, p99"]),
        ((0.001, 0.02, 0.03), ["p50", "p95", "p99"]),
    ],
    ids=["next to p99", "next to p50", "one place", "one line with p99", "with room left of it"],
)
def test_a_label_without_room_on_either_side_joins_its_neighbour(places, texts):
    marks = dict(zip(("p50", "p95", "p99"), places, strict=True))
    rows = Distribution(ALL_EDGES[60:200], np.ones(139, dtype=np.int64), marks, ERROR_BOUND)
    layout = DistributionPlot().figure(rows, {})["layout"]
    assert [shape["label"]["text"] for shape in layout["shapes"]] == texts


def test_a_joined_label_has_room_at_the_end_of_the_axis():
    joined = DistributionPlot().figure(distribution([0.01] * 3 + [0.0101]), {})
    texts = [shape["label"]["text"] for shape in joined["layout"]["shapes"]]
    assert texts == ["p50", "", "p95, p99"]
    low, high = joined["layout"]["xaxis"]["range"]
    assert (high - np.log10(joined["layout"]["shapes"][-1]["x0"])) / (high - low) > 0.2


def test_a_mark_that_is_a_lower_bound_says_so_where_it_is_drawn():
    marks = {"p50": 0.01, "p95": 5.0, "p99": 5.0}
    rows = Distribution(
        ALL_EDGES[60:200], np.ones(139, np.int64), marks, ERROR_BOUND, frozenset({"p95", "p99"})
    )
    layout = DistributionPlot().figure(rows, {})["layout"]
    texts = [shape["label"]["text"] for shape in layout["shapes"]]
    assert texts == ["p50", "", "p95, p99<br>≥ 5 s"]
    one = DistributionPlot().figure(replace(rows, marks=marks | {"p95": 1.0}), {})["layout"]
    assert one["shapes"][1]["label"]["text"] == "p95<br>≥ 1 s"
    near = DistributionPlot().figure(replace(rows, marks=marks | {"p50": 4.9}), {})["layout"]
    texts = [shape["label"]["text"] for shape in near["shapes"]]
    assert texts == ["p50", "", "p95, p99<br>≥ 5 s"]
    some = replace(rows, bounds=frozenset({"p99"}), marks=marks | {"p50": 4.9})
    last = DistributionPlot().figure(some, {})["layout"]["shapes"][-1]
    assert last["label"]["text"] == "p95<br>p99 ≥ 5 s", "p95 is none"


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
    axis = plot.figure(rows, {})["layout"]["xaxis"]
    assert axis["ticktext"][-1] == "≥ 64 s"
    assert max(axis["tickvals"][:-1]) < 64, "no tick stands beyond it"
    known = plot.figure(replace(rows, longest_s=66.0), {})["layout"]["xaxis"]["ticktext"]
    assert "≥ 64 s" not in known, "it ends at what was measured"


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


@pytest.mark.parametrize("longest_s", [np.inf, 10.0], ids=["of a part", "of the whole run"])
def test_the_last_bar_says_from_where_on_requests_timed_out(longest_s):
    rows = replace(distribution([0.01, 9.6, 10.0]), longest_s=longest_s)
    exact = DistributionPlot().figure(rows, {})
    assert "≥ 10 s" not in exact["layout"]["xaxis"]["ticktext"]
    figure = DistributionPlot().figure(replace(rows, timed_out_from_s=10.0), {})
    axis, (trace,) = figure["layout"]["xaxis"], figure["data"]
    assert axis["ticktext"][-1] == "≥ 10 s"
    assert 9.5 < axis["tickvals"][-1] < 10.4, "below the last bar"
    assert trace["hovertext"][-1].endswith("those that timed out, which would have taken longer")
    assert "timed out" not in trace["hovertext"][0]

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.figures.heat import FOLD, HeatPlot
from servescope.histogram import BUCKETS, EDGES, count
from servescope.queries.rows import Heat

ALL_EDGES = np.concatenate(([0.0], EDGES, [np.inf]))


def heat(*seconds_of_columns, start=100):
    columns = np.array([count(seconds) for seconds in seconds_of_columns], dtype=float).T
    used = np.flatnonzero(columns.any(axis=1))
    times = np.arange(start, start + columns.shape[1])
    if not used.size:
        return Heat(times, np.empty(0), np.empty((0, times.size)), 1)
    low, high = used[0], used[-1]
    return Heat(times, ALL_EDGES[low : high + 2], columns[low : high + 1], 1)


def cells(figure):
    return np.array([[cell or 0 for cell in row] for row in figure["data"][0]["z"]])


durations = st.lists(st.floats(min_value=1e-7, max_value=100), max_size=30)


@given(st.lists(durations, min_size=1, max_size=5))
def test_no_request_gets_lost_in_the_folding(columns):
    rows = heat(*columns)
    plot = HeatPlot()
    figure = plot.figure(rows, plot.shape(rows))
    assert cells(figure).sum(axis=0).tolist() == [len(column) for column in columns]
    (trace,) = figure["data"]
    assert len(trace["y"]) == len(trace["z"]) + 1
    assert all(low < high for low, high in zip(trace["y"], trace["y"][1:], strict=False))


@given(st.lists(st.floats(min_value=2e-6, max_value=60), min_size=1, max_size=20))
def test_each_request_lies_within_its_cell(seconds):
    rows = heat(seconds)
    plot = HeatPlot()
    (trace,) = plot.figure(rows, plot.shape(rows))["data"]
    edges = np.array(trace["y"])
    expected = np.histogram(seconds, edges)[0]
    found = cells({"data": [trace]})[:, 0]
    # Edges are rounded to four digits for the wire: a value on an edge may go either way.
    assert np.abs(np.cumsum(found) - np.cumsum(expected)).max() <= sum(
        bool(np.isclose(edges, value, rtol=1e-3).any()) for value in seconds
    )


def test_a_delta_is_columns_that_fit_the_figures_rows():
    plot = HeatPlot()
    shape = plot.shape(heat([0.001, 0.01]))
    delta = plot.delta(heat([0.005], [], start=200), shape)
    assert delta["x"] == [200_000, 201_000]
    assert [len(column) for column in delta["z"]] == [shape["high"] - shape["low"] + 1] * 2
    assert [sum(cell or 0 for cell in column) for column in delta["z"]] == [1, 0]


def test_durations_beyond_the_figures_rows_want_a_new_figure():
    plot = HeatPlot()
    shape = plot.shape(heat([0.001, 0.002]))
    assert plot.delta(heat([5.0]), shape) is None
    assert plot.delta(heat([0.0000011]), shape) is None


def test_an_empty_heatmap_still_has_an_axis():
    plot = HeatPlot()
    rows = heat([], [])
    figure = plot.figure(rows, plot.shape(rows))
    assert cells(figure).sum() == 0
    assert figure["data"][0]["y"][0] < 0.001 < figure["data"][0]["y"][-1]
    assert [10**edge for edge in figure["layout"]["yaxis"]["range"]] == pytest.approx([1e-4, 0.1])


def test_rows_are_pairs_of_buckets_but_for_the_two_without_an_end():
    assert BUCKETS % FOLD == 0
    plot = HeatPlot()
    seconds = [0.0, *EDGES[1:].tolist(), 300.0]
    rows = heat(seconds)
    counts = cells(plot.figure(rows, plot.shape(rows))).sum(axis=1).tolist()
    assert counts == [1, *[FOLD] * ((BUCKETS - 2) // FOLD), 1]


def test_what_took_longer_than_the_histogram_tells_has_a_row_of_its_own():
    plot = HeatPlot()
    rows = heat([0.5, 63.9], [0.5, 64.1, 300.0])
    shape = plot.shape(rows)
    (trace,) = plot.figure(rows, shape)["data"]
    assert trace["y"][-2] == 64
    assert trace["z"][-1] == [None, 2]
    assert trace["z"][-2] == [1, None]
    below = heat([0.5, 63.9])
    (trace,) = plot.figure(below, plot.shape(below))["data"]
    assert trace["y"][-1] == 64, "no row for what there is not"
    assert plot.delta(rows, plot.shape(below)) is None


def test_the_axis_of_a_heatmap_reads_in_seconds_where_it_reaches_ten():
    plot = HeatPlot()
    for longest, suffix in ((4.0, "ms"), (8.0, "s"), (300.0, "s")):
        rows = heat([0.002, longest])
        assert plot.figure(rows, plot.shape(rows))["layout"]["meta"]["suffix"] == suffix

"""Two distributions over each other: shares of their own requests, over the same axis."""

import numpy as np
import pytest

from servescope import histogram
from servescope.figures.overlaid_distributions import overlaid_distributions, styles


def counts(*durations):
    return histogram.count(np.array(durations)).tolist()


def test_each_distribution_is_in_shares_of_its_own_requests():
    figure = overlaid_distributions({"a": counts(*[0.01] * 300), "b": counts(0.01, 0.02)})
    first, second = figure["data"]
    assert max(first["y"]) == 100.0
    assert sum(first["y"]) == pytest.approx(sum(second["y"])) == pytest.approx(100.0)
    assert max(second["y"]) == 50.0
    assert first["x"] == second["x"]
    assert len(first["x"]) == len(first["y"]) == len(first["text"])
    assert first["line"]["color"] != second["line"]["color"]
    assert first["line"]["dash"] != second["line"]["dash"], "told apart without colours, too"


@pytest.mark.parametrize("duration", [0.0, 1e-7, 0.01, 63.9, 1_000.0])
def test_a_bucket_holds_its_durations_at_either_end(duration):
    (trace,) = overlaid_distributions({"a": counts(duration)})["data"]
    assert sum(trace["y"]) == pytest.approx(100.0)
    low, high = trace["x"]
    assert 0 < low < high
    assert ("longer than 64 s" in trace["text"][0]) == (duration > 64)
    assert ("up to 0.95 µs" in trace["text"][0]) == (duration < 1e-6)


def test_a_narrow_axis_has_ticks_between_its_decades():
    narrow = overlaid_distributions({"a": counts(0.02, 0.03)})["layout"]["xaxis"]
    wide = overlaid_distributions({"a": counts(0.001, 5.0)})["layout"]["xaxis"]
    assert "20 ms" in narrow["ticktext"]
    assert "20 ms" not in wide["ticktext"]
    assert "10 ms" in wide["ticktext"]


@pytest.mark.parametrize("longest", [0.05, 0.2, 1.0, 10.0, 63.0])
def test_the_labels_of_its_axis_have_room_on_a_phone(longest):
    axis = overlaid_distributions({"a": counts(0.0001, 0.02, longest)})["layout"]["xaxis"]
    assert 2 <= len(axis["ticktext"]) <= 4
    assert axis["tickangle"] == 0
    axis = overlaid_distributions({"a": counts(0.02, longest)})["layout"]["xaxis"]
    assert 2 <= len(axis["ticktext"]) <= 4


def test_what_has_no_request_is_left_out():
    figure = overlaid_distributions({"a": [], "b": counts(0.01)})
    assert [trace["name"] for trace in figure["data"]] == ["b"]
    assert figure["data"][0]["line"]["color"] == styles(["a", "b"])[1][1]
    assert overlaid_distributions({"a": [], "b": []})["data"] == []


def test_the_step_without_an_upper_end_is_labelled_so():
    axis = overlaid_distributions({"a": counts(0.02, 300.0)})["layout"]["xaxis"]
    assert axis["ticktext"][-1] == "≥ 64 s"
    assert (
        "≥ 64 s" not in overlaid_distributions({"a": counts(0.02)})["layout"]["xaxis"]["ticktext"]
    )

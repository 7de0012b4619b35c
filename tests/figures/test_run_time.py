"""Small figures of several runs: the same scales for all, gaps left out."""

import pytest

from servescope.figures.run_time import drawn, missing, small_multiples

FAST = {"second": [0.0, 1.0], "p50_ms": [50.0, 50.0], "p99_ms": [60.0, None]}
SLOW = {"second": [0.0, 1.0, 2.0], "p50_ms": [90.0, None, 4000.0], "p99_ms": [95.0, None, 5000.0]}


def test_all_share_both_axes_and_hold_every_value():
    fast, slow = small_multiples([FAST, SLOW])
    for axis in ("xaxis", "yaxis"):
        assert fast["layout"][axis] == slow["layout"][axis]
    low, high = slow["layout"]["yaxis"]["range"]
    assert 10**low <= 50
    assert 10**high >= 5000
    assert slow["layout"]["xaxis"]["range"][1] >= 2
    assert [line["name"] for line in fast["data"]] == ["p50", "p99"]
    assert slow["data"][1]["y"] == [95.0, None, 5000.0]
    assert slow["data"][1]["text"] == ["95 ms", "", "5 s"]


def test_without_values_there_are_axes_all_the_same():
    (figure,) = small_multiples([{}])
    low, high = figure["layout"]["yaxis"]["range"]
    assert low < high


def test_one_value_alone_has_an_axis_around_it():
    (figure,) = small_multiples([{"second": [0.0], "p50_ms": [10.0], "p99_ms": [10.0]}])
    low, high = figure["layout"]["yaxis"]["range"]
    assert low < high


def test_no_line_lies_on_the_edge_where_half_of_it_would_be_cut_off():
    for most in (1000.0, 3162.2776601683795, 700.0):
        run = {"second": [0.0, 1.0], "p50_ms": [1.0, 1.0], "p99_ms": [most, most]}
        (figure,) = small_multiples([run])
        low, high = (10**edge for edge in figure["layout"]["yaxis"]["range"])
        assert low < 1 * 0.9
        assert high > most * 1.1


def test_an_axis_that_reaches_ten_seconds_reads_in_seconds():
    for most, labels in (
        (400.0, ["1 ms", "10 ms", "100 ms", "1,000 ms"]),
        (12_000.0, ["0.001 s", "0.01 s", "0.1 s", "1 s", "10 s"]),
    ):
        run = {"second": [0.0, 1.0], "p50_ms": [0.8, most], "p99_ms": [0.9, most]}
        (figure,) = small_multiples([run])
        assert figure["layout"]["yaxis"]["ticktext"] == labels


TIMED_OUT = {
    "second": [0.0, 2.0],
    "step_s": [2.0],
    "p50_ms": [40.0, 90.0],
    "p99_ms": [95.0, 10_000.0],
    "p50_is_bound": [0.0, 0.0],
    "p99_is_bound": [0.0, 1.0],
}


def test_a_lower_bound_is_marked_where_it_is_drawn():
    fast, slow = small_multiples([FAST, TIMED_OUT])
    assert fast["layout"]["shapes"] == []
    assert fast["layout"]["yaxis"] == slow["layout"]["yaxis"]
    p50, p99 = slow["data"]
    assert p50["marker"]["symbol"] == ["circle", "circle"]
    assert p99["marker"]["symbol"] == ["circle", "triangle-up"]
    assert p99["text"] == ["95 ms", "≥ 10 s"]
    (line,) = slow["layout"]["shapes"]
    assert line["label"]["text"] == "▲ 10 s or longer"
    assert (line["y0"], line["line"]["width"]) == (10_000.0, 1)
    assert 10 ** slow["layout"]["yaxis"]["range"][1] > 13_000, "its label has room"


def test_bounds_that_differ_have_one_label_and_no_line():
    both = TIMED_OUT | {"p50_is_bound": [1.0, 0.0]}
    (figure,) = small_multiples([both])
    (line,) = figure["layout"]["shapes"]
    assert line["label"]["text"] == "▲ so long or longer"
    assert line["line"]["width"] == 0


@pytest.mark.parametrize(
    ("p99_ms", "names"), [([60.0, None], []), ([None, None], ["p99"])], ids=["a gap", "nowhere"]
)
def test_a_line_without_a_value_in_a_run_is_named(p99_ms, names):
    assert missing([SLOW, FAST | {"p99_ms": p99_ms}, {}]) == names


def test_a_series_of_an_older_version_has_the_lines_that_it_kept():
    assert drawn([FAST, SLOW]) == ["p50", "p99"]
    assert drawn([FAST, FAST | {"p95_ms": [55.0, 55.0]}]) == ["p50", "p95", "p99"]


@pytest.mark.parametrize(
    ("requests", "dash", "told"),
    [
        ([40.0, 150.0, 60.0], "dot", "90 ms, few requests: 40"),
        ([120.0, 150.0, 60.0], None, "90 ms"),
    ],
)
def test_a_line_of_few_requests_is_dotted_and_says_of_how_many_a_point_is(requests, dash, told):
    (figure,) = small_multiples([SLOW | {"requests": requests}])
    p50, _ = figure["data"]
    assert p50["line"].get("dash") == dash
    assert p50["text"][0] == told

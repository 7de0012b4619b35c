"""Small figures of several runs: the same scales for all, gaps left out."""

from servescope.figures.run_time import small_multiples

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


def test_long_labels_of_the_axis_have_room():
    short, long = (
        small_multiples([{"second": [0.0, 1.0], "p50_ms": [0.4, most], "p99_ms": [0.5, most]}])[0]
        for most in (400.0, 12_000.0)
    )
    assert "10,000 ms" in long["layout"]["yaxis"]["ticktext"]
    assert long["layout"]["margin"]["l"] > short["layout"]["margin"]["l"]

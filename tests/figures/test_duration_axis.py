import math

import pytest

from servescope.figures.duration_axis import duration_axis


@pytest.mark.parametrize(
    ("shortest_s", "longest_s", "labels"),
    [
        pytest.param(2e-5, 5.0, ["0.1 ms", "1 ms", "10 ms", "100 ms", "1,000 ms"], id="wide"),
        pytest.param(
            2e-5, 50.0, ["100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s"], id="up to 10 s"
        ),
        pytest.param(2e-3, 50.0, ["0.01 s", "0.1 s", "1 s", "10 s"], id="from 10 ms to 10 s"),
        pytest.param(
            8e-6,
            110.0,
            ["10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"],
            id="too wide for one unit",
        ),
        pytest.param(0.18, 2.2, ["0.2 s", "0.5 s", "1 s", "2 s"], id="a decade"),
        pytest.param(0.0195, 0.031, ["20 ms", "30 ms"], id="a part of a decade"),
        pytest.param(1.4, 1.9, ["1.47 s", "1.81 s"], id="one round duration"),
        pytest.param(1.55, 1.9, ["1.6 s", "1.84 s"], id="no round duration"),
    ],
)
def test_the_ticks_of_an_axis_lie_within_it(shortest_s, longest_s, labels):
    axis = duration_axis(math.log10(shortest_s), math.log10(longest_s))
    assert axis["ticktext"] == labels
    assert all(shortest_s <= seconds <= longest_s for seconds in axis["tickvals"])


@pytest.mark.parametrize(
    ("first_s", "labels", "few"),
    [
        (0.01, ["0.01 s", "0.1 s", "1 s", "10 s", "≥ 64 s"], ["0.01 s", "1 s", "≥ 64 s"]),
        (
            0.001,
            ["0.001 s", "0.01 s", "0.1 s", "1 s", "10 s", "≥ 64 s"],
            ["0.01 s", "1 s", "≥ 64 s"],
        ),
        (20.0, ["20 s", "50 s", "≥ 64 s"], ["20 s", "50 s", "≥ 64 s"]),
        (64.0, ["≥ 64 s"], ["≥ 64 s"]),
    ],
)
def test_the_label_of_a_last_bar_without_an_end_says_so(first_s, labels, few):
    ends = (math.log10(first_s), math.log10(80.0))
    axis = duration_axis(*ends, open_bar=(64.0, 70.0))
    assert axis["ticktext"] == labels
    assert 64 < axis["tickvals"][-1] < 70
    of_phone = duration_axis(*ends, few=True, open_bar=(64.0, 70.0))["ticktext"]
    assert of_phone == few


def test_a_bound_beside_the_other_ticks_has_a_say_in_their_unit():
    ends = (math.log10(1e-4), math.log10(100.0))
    axis = duration_axis(*ends, open_bar=(9.51, 10.0), bound_s=10.0)
    assert axis["ticktext"] == ["100 µs", "1 ms", "10 ms", "100 ms", "1 s", "≥ 10 s"]
    axis = duration_axis(math.log10(1e-4), 0.0, open_bar=(0.29, 0.31), bound_s=0.3)
    assert axis["ticktext"] == ["0.1 ms", "1 ms", "10 ms", "100 ms", "≥ 300 ms"]

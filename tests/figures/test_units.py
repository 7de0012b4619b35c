import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope import histogram
from servescope.figures import units
from servescope.figures.units import NOTHING, length, rounded, scale_for, text


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "s", NOTHING),
        (math.nan, "By", NOTHING),
        (math.inf, "{request}/s", NOTHING),
        (0.0, "s", "0 µs"),
        (0.00042, "s", "420 µs"),
        (0.0000083, "s", "8.3 µs"),
        (0.0009994, "s", "999 µs"),
        (0.0009996, "s", "1 ms"),
        (0.0123, "s", "12.3 ms"),
        (0.9999, "s", "1 s"),
        (1.5, "s", "1.5 s"),
        (59.94, "s", "59.9 s"),
        (59.96, "s", "60 s"),
        (90.0, "s", "90 s"),
        (119.4, "s", "119 s"),
        (120.0, "s", "2 min"),
        (119.6, "s", "2 min"),
        (132.6, "s", "2 min 13 s"),
        (150.0, "s", "2 min 30 s"),
        (3_600.0, "s", "60 min"),
        (9_000.0, "s", "2 h 30 min"),
        (216_000.0, "s", "2 d 12 h"),
        (-132.6, "s", "-2 min 13 s"),
        (0, "By", "0 B"),
        (1023, "By", "1,023 B"),
        (1023.7, "By", "1 KiB"),
        (1024, "By", "1 KiB"),
        (1.3 * 2**20, "By/s", "1.3 MiB/s"),
        (3 * 2**30, "By", "3 GiB"),
        (0.12, "1", "12 %"),
        (0.0004, "1", "0.04 %"),
        (1.1e-5, "1", "0.0011 %"),
        (9e-8, "1", "< 0.001 %"),
        (0.9949, "1", "99 %"),
        (0.996, "1", "99.6 %"),
        (0.99999, "1", "> 99.9 %"),
        (1.0, "1", "100 %"),
        (1.5, units.CORES, "150 %"),
        (199.7, "{request}/s", "200 req/s"),
        (12345.6, "{request}/s", "12,346 req/s"),
        (7, "{connection}", "7"),
        (99.96, "{thread}", "100"),
        (9.999, "{thread}", "10"),
    ],
)
def test_a_figure_reads_with_its_unit(value, unit, shown):
    assert text(value, unit) == shown


@given(
    st.floats(min_value=1e-9, max_value=1e12),
    st.sampled_from(["s", "By", "By/s", "1", "{request}/s", "{thread}"]),
)
def test_what_is_something_never_reads_as_nothing(value, unit):
    shown, _ = units.quantity(value, unit)
    assert float(shown.lstrip("<> ").replace(",", "").split(" ")[0]) > 0


@given(st.floats(min_value=1e-4, max_value=50))
def test_a_duration_reads_back_within_its_digits(seconds):
    shown, unit = units.quantity(seconds, "s")
    read = float(shown.replace(",", "")) * {"ms": 1e-3, "s": 1.0, "µs": 1e-6}[unit]
    assert read == pytest.approx(seconds, rel=0.06)


@pytest.mark.parametrize(
    ("unit", "largest", "suffix", "shown"),
    [
        ("s", 0.0008, "µs", 800.0),
        ("s", 0.5, "ms", 500.0),
        ("s", 1.0, "s", 1.0),
        ("s", 20.0, "s", 20.0),
        ("s", 120.0, "min", 2.0),
        ("By", 3 * 2**20, "MiB", 3.0),
        ("By/s", 0.0, "B/s", 0.0),
        ("By/s", 2048.0, "KiB/s", 2.0),
        ("1", 0.5, "%", 50.0),
        ("{connection}", 128.0, "", 128.0),
    ],
)
def test_an_axis_has_one_scale(unit, largest, suffix, shown):
    scale = scale_for(unit, largest)
    assert scale.suffix == suffix
    assert largest * scale.factor == pytest.approx(shown)


@given(
    st.floats(min_value=0, max_value=1e9),
    st.sampled_from(["s", "By", "By/s", "1", units.CORES, "{request}/s", "{connection}", ""]),
)
def test_a_value_alone_has_the_unit_that_an_axis_up_to_it_has(value, unit):
    suffix = scale_for(unit, value).suffix
    if suffix in units.IN_PARTS:
        assert text(value, unit) == length(value), "and whole parts of it"
    else:
        assert units.quantity(value, unit)[1] == suffix


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        pytest.param(
            [720e-6, 4.2e-3, 1.2], ["0.72 ms", "4.2 ms", "1,200 ms"], id="of µs, ms and s"
        ),
        pytest.param([30e-6, 300e-6], ["30 µs", "300 µs"], id="of µs alone"),
        pytest.param([120e-6, 4e-3], ["0.12 ms", "4 ms"], id="that of the largest"),
        pytest.param([3e-6, 5e-3], ["3 µs", "5,000 µs"], id="that of the smallest"),
        pytest.param([3e-6, 1.2], ["0.003 ms", "1,200 ms"], id="as small as the largest allows"),
        pytest.param([3e-9, 99.0], ["< 0.001 s", "99 s"], id="less than can be read"),
        pytest.param([0.002, 9.9], ["2 ms", "9,900 ms"], id="below 10 s"),
        pytest.param([0.002, 10.0], ["0.002 s", "10 s"], id="10 s, which nobody reads in ms"),
        pytest.param([0.02, 10_800.0], ["0.02 s", "10,800 s"], id="of a handshake and a life"),
        pytest.param([0.0, 2.0], ["0 s", "2 s"], id="of nothing and something"),
        pytest.param([None, math.nan], [NOTHING, NOTHING], id="of none"),
        pytest.param([0.0], ["0 ms"], id="an axis of nothing"),
    ],
)
def test_ticks_beside_each_other_read_in_one_unit(values, texts):
    scale = units.shared_scale("s", values)
    assert [units.text_in(value, scale) for value in values] == texts


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=1))
def test_a_duration_reads_the_same_in_a_table_as_alone(values):
    rows = [["p50", units.Duration(value), value] for value in values]
    shown = units.with_texts(rows)
    assert [[row[0], row[2]] for row in shown] == [["p50", value] for value in values]
    for (_, told, _), value in zip(shown, values, strict=True):
        alone = units.text(value, "s")
        number, _, unit = told.partition(" ")
        as_alone = number.rstrip("0").rstrip(".") if "." in number else number
        assert f"{as_alone} {unit}" == alone, "but for zeros at the end"


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        pytest.param(["94.9 s", "95 s", "94 s"], ["94.9 s", "95.0 s", "94.0 s"], id="tenths"),
        pytest.param(["12.9 s", "14 s", "9.51 s"], ["12.9 s", "14.0 s", "9.51 s"], id="digits"),
        pytest.param(["5 s", "9.51 s"], ["5.00 s", "9.51 s"], id="hundredths"),
        pytest.param(["10 s", "14 s"], ["10 s", "14 s"], id="whole numbers"),
        pytest.param(["3 %", "41.9 %", "100 %"], ["3.0 %", "41.9 %", "100 %"], id="shares"),
        pytest.param(["4.2 ms", "12 s"], ["4.2 ms", "12 s"], id="each unit by itself"),
        pytest.param(["≥ 64 s", "63.2 s"], ["≥ 64.0 s", "63.2 s"], id="a bound"),
        pytest.param(["0 µs", "4.2 µs", "—"], ["0 µs", "4.2 µs", "—"], id="nothing"),
        pytest.param(["2 min 13 s", "12.9 s"], ["2 min 13 s", "12.9 s"], id="minutes"),
        pytest.param(["1,024 KiB", "0.4 KiB"], ["1,024 KiB", "0.4 KiB"], id="large and small"),
        pytest.param(["wsgi", "200", "< 0.1 %"], ["wsgi", "200", "< 0.1 %"], id="others"),
    ],
)
def test_numbers_of_one_unit_in_a_column_have_as_many_decimals(told, shown):
    assert units.column(told) == shown


@given(st.lists(st.floats(min_value=1.0, max_value=99.9), min_size=1, max_size=6))
def test_a_column_shows_three_digits_at_most_and_denies_no_value(values):
    texts = units.column([units.text(value, "s") for value in values])
    for value, told in zip(values, texts, strict=True):
        number = told.removesuffix(" s")
        assert float(number) == float(units.text(value, "s").removesuffix(" s"))
        assert len(number.replace(".", "")) <= 3


@given(st.floats(min_value=1e-6, max_value=3_600.0))
def test_a_duration_has_three_digits_at_most(seconds):
    shown = units.Duration(seconds).text.split(" ")[0]
    assert len(shown.replace(".", "").lstrip("0")) <= 3


@given(st.floats(min_value=119.5, max_value=1e7))
def test_a_duration_of_minutes_has_whole_parts_and_reads_back(seconds):
    parts = units.Duration(seconds).text.split(" ")
    sizes = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
    read = [(int(one), name) for one, name in zip(parts[::2], parts[1::2], strict=True)]
    told_s = sum(one * sizes[name] for one, name in read)
    assert told_s == pytest.approx(seconds, rel=0.04)
    assert all(one < 60 for one, _ in read[1:])


def test_sizes_beside_each_other_read_in_one_unit():
    sizes = [186, 915, 3_768]
    scale = units.shared_scale("By", sizes)
    assert [units.text_in(size, scale) for size in sizes] == ["0.18 KiB", "0.89 KiB", "3.68 KiB"]
    assert units.shared_scale("By", [186, 915]).suffix == "B"
    assert units.shared_scale("By", [3, 900 * 1024]).suffix == "KiB"


@given(st.lists(st.floats(min_value=1e-6, max_value=1e6), min_size=1))
def test_what_is_read_in_one_unit_is_neither_long_nor_lost(values):
    scale = units.shared_scale("s", values)
    largest = max(values) * scale.factor
    assert largest < 1e4 or scale == scale_for("s", min(max(values), 1.0))
    assert min(values) * scale.factor >= 0.05 or largest * 1e3 >= 1e4 or scale.suffix == "µs"


def test_a_linear_axis_has_values_in_its_unit_and_a_logarithmic_one_in_the_base_unit():
    linear = units.reading("s", scale_for("s", 0.2))
    assert linear == {
        "factor": 1e3,
        "times": 1.0,
        "suffix": "ms",
        "base": "s",
        "noun": ["", ""],
        "share": False,
        "longest": 64.0,
        "scales": [[one.least, one.factor, one.suffix] for one in units.scales("s")],
    }
    log = units.reading("s", scale_for("s", 0.2), log=True)
    assert log == linear | {"factor": 1.0, "times": 1e3}
    assert units.reading("By", scale_for("By", 1.0))["longest"] is None
    connections = units.reading("{connection}", scale_for("{connection}", 1.0))
    assert connections["noun"] == ["connection", "connections"]
    assert units.reading("1", scale_for("1", 1.0))["share"]
    assert not units.reading(units.CORES, scale_for(units.CORES, 1.0))["share"], "2 cores are 200 %"


def test_values_travel_with_four_digits_and_gaps_as_none():
    values = np.array([123456.7, 0.00012345678, np.nan, 0.0, -1.23456])
    assert rounded(values) == [123500.0, 0.0001235, None, 0.0, -1.235]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "0.5 s"), (5, "5 s"), (119, "119 s"), (300, "5 min"), (400, "6 min 40 s"),
     (400.4, "6 min 40 s"), (3_600, "60 min"), (21_600, "6 h"), (9_000, "2 h 30 min"),
     (2 * 86_400, "2 d"), (730 * 86_400, "730 d")],
)  # fmt: skip
def test_the_length_of_a_span(seconds, text):
    assert length(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, NOTHING), (math.nan, NOTHING), (0.05, "50 ms"), (61.3, "61.3 s")],
)
def test_a_percentile_reads_as_any_duration(seconds, shown):
    assert units.percentile(seconds) == shown


def test_a_percentile_among_the_longest_is_a_lower_bound():
    (longest,) = histogram.quantiles(histogram.count([300.0]), (0.5,))
    assert units.percentile(longest) == "≥ 64 s"
    assert units.percentile_in_words(longest) == "at least 64 s"
    durations = units.mean_and_percentiles(300.0, 0.05, longest)
    assert [one.text for one in durations] == ["5 min", "50 ms", "≥ 64 s"]
    assert units.with_texts([durations]) == [["5 min", "50 ms", "≥ 64 s"]]


@pytest.mark.parametrize(
    ("seconds", "lower", "upper"),
    [
        (10.0713, "≥ 10 s", "≤ 10.1 s"),
        (9.926, "≥ 9.92 s", "≤ 9.93 s"),
        (0.067, "≥ 67 ms", "≤ 67 ms"),
        (0.1239, "≥ 123 ms", "≤ 124 ms"),
        (64.0, "≥ 64 s", "≤ 64 s"),
        (119.7, "≥ 1 min 59 s", "≤ 2 min"),
        (299.9, "≥ 4 min 59 s", "≤ 5 min"),
        (9_030.0, "≥ 2 h 30 min", "≤ 2 h 31 min"),
        (2.0**-20, "≥ 0.95 µs", "≤ 0.96 µs"),
        (0.0, "≥ 0 µs", "≤ 0 µs"),
    ],
)
def test_a_bound_is_not_rounded_past_itself(seconds, lower, upper):
    assert units.Duration(seconds, is_bound=True).text == lower == units.lower_bound(seconds)
    assert units.Duration(seconds, is_upper_bound=True).text == upper == units.upper_bound(seconds)


@given(st.floats(min_value=1e-6, max_value=1e5))
def test_what_a_bound_reads_as_is_one_too(seconds):
    names = {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3_600.0}
    names["d"] = 86_400.0
    for told, sign in ((units.lower_bound(seconds), 1), (units.upper_bound(seconds), -1)):
        parts = told[2:].split(" ")
        read = sum(
            float(shown.replace(",", "")) * names[unit]
            for shown, unit in zip(parts[::2], parts[1::2], strict=True)
        )
        assert sign * read <= sign * seconds * (1 + sign * 1e-6)
        assert read == pytest.approx(seconds, rel=0.11)


def test_a_percentile_below_the_durations_of_a_histogram_is_at_most_its_first_edge():
    shortest = histogram.quantiles(histogram.count([0.0, 0.0]), [0.5])[0]
    assert units.percentile(shortest) == "≤ 0.96 µs"
    assert units.percentile_in_words(shortest) == "at most 0.96 µs"
    assert units.percentile(histogram.quantiles(histogram.count([1.2e-6]), [0.5])[0])[0] == "1"
    mean, p50 = units.with_texts([units.mean_and_percentiles(0.0, shortest)])[0]
    assert (mean, p50) == ("0 µs", "≤ 0.96 µs"), "a mean is exact"

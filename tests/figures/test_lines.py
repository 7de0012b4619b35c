import numpy as np
import pytest

from servescope.figures import theme
from servescope.figures.lines import LinePlot
from servescope.queries.rows import Lines

NAN = float("nan")


def lines(times, unit="{request}/s", **rows):
    values = np.array(list(rows.values()), dtype=float).reshape(len(rows), len(times))
    return Lines(np.array(times), tuple(rows), values, unit, 1)


def drawn(plot, rows):
    shape = plot.shape(rows)
    return plot.figure(rows, shape), shape


def test_a_line_is_plain_lists_in_epoch_milliseconds_with_gaps_as_none():
    figure, _ = drawn(LinePlot(), lines([10, 11, 12], a=[1.0, NAN, 3.0]))
    (trace,) = figure["data"]
    assert trace["x"] == [10_000, 11_000, 12_000]
    assert trace["y"] == [1.0, None, 3.0]
    assert trace["connectgaps"] is False
    assert figure["layout"]["xaxis"]["type"] == "date"


def test_durations_are_drawn_in_milliseconds():
    figure, shape = drawn(LinePlot(), lines([10], unit="s", p50=[0.00042]))
    assert figure["data"][0]["y"] == [0.42]
    assert shape["suffix"] == "ms"
    assert figure["data"][0]["hovertemplate"].endswith(" ms")


def test_stacked_values_travel_as_custom_data():
    figure, _ = drawn(LinePlot(stacked=True), lines([10, 11], a=[1, 2], b=[3, NAN]))
    assert [trace["customdata"] for trace in figure["data"]] == [[1.0, 2.0], [3.0, None]]
    assert figure["layout"]["meta"]["stacked"] is True


def test_statuses_have_the_colour_of_their_class_and_red_is_for_server_errors_only():
    styles = theme.by_status(("200", "204", "404", "500"))
    assert styles[0].colour == styles[1].colour != styles[2].colour
    assert styles[0].dash != styles[1].dash
    assert [style.colour == theme.RED for style in styles] == [False, False, False, True]
    assert theme.RED not in theme.SERIES


def test_names_without_a_meaning_keep_apart():
    styles = theme.by_meaning([f"route {number}" for number in range(20)])
    assert len(set(styles)) == 20


@pytest.mark.parametrize(
    "names", [("shop", "wsgi"), ("wsgi", "shop"), ("DELETE", "GET", "POST", "PUT")]
)
def test_names_without_a_meaning_keep_apart_from_those_with_one(names):
    styles = theme.by_meaning(names)
    assert len({style.colour for style in styles}) == len(names)
    assert all(
        style.colour == theme.MEANINGS[name]
        for name, style in zip(names, styles, strict=True)
        if name in theme.MEANINGS
    )


def test_where_meanings_take_all_colours_the_others_repeat_them_apart():
    known = [name for name, colour in theme.MEANINGS.items() if colour in theme.SERIES]
    styles = theme.by_meaning([*known, *(f"route {number}" for number in range(20))])
    assert len(set(styles[len(known) :])) == 20


def test_a_port_and_its_backlog_share_a_colour():
    names = ("5555 waiting", "8000 waiting", "5555 backlog", "8000 backlog")
    styles = theme.paired((" backlog", "dot"))(names)
    assert styles[0].colour == styles[2].colour != styles[1].colour == styles[3].colour
    assert [style.dash for style in styles] == ["solid", "solid", "dot", "dot"]


def test_a_delta_has_the_figures_order_and_scale_whatever_its_own():
    plot = LinePlot()
    _, shape = drawn(plot, lines([10], unit="By/s", a=[3 * 2**20], b=[0]))
    delta = plot.delta(lines([11, 12], unit="By/s", b=[512, NAN], a=[2**20, 2**20]), shape)
    assert delta == {"x": [11_000, 12_000], "y": [[1.0, 1.0], [0.0004883, None]]}


def test_a_line_missing_from_a_delta_is_a_gap():
    plot = LinePlot()
    _, shape = drawn(plot, lines([10], a=[1], b=[1]))
    assert plot.delta(lines([11], b=[5]), shape)["y"] == [[None], [5.0]]


def test_a_new_line_wants_a_new_figure():
    plot = LinePlot()
    _, shape = drawn(plot, lines([10], a=[1]))
    assert plot.delta(lines([11], a=[1], b=[0]), shape) is None
    assert plot.delta(lines([11], a=[1], b=[NAN]), shape) is not None


def test_idle_lines_are_dropped_until_they_move():
    plot = LinePlot(drop_idle=True)
    figure, shape = drawn(plot, lines([10], a=[1], b=[0]))
    assert [trace["name"] for trace in figure["data"]] == ["a"]
    assert plot.delta(lines([11], a=[1], b=[0]), shape) is not None
    assert plot.delta(lines([11], a=[1], b=[2]), shape) is None


def test_lines_without_any_value_are_left_out_unless_none_has_one():
    _, shape = drawn(LinePlot(), lines([10], old=[NAN], now=[0]))
    assert shape["names"] == ["now"]
    _, shape = drawn(LinePlot(), lines([10], p50=[NAN], p99=[NAN]))
    assert shape["names"] == ["p50", "p99"]


def test_bytes_that_outgrow_their_prefix_want_a_new_figure():
    plot = LinePlot()
    _, shape = drawn(plot, lines([10], unit="By/s", a=[500]))
    assert plot.delta(lines([11], unit="By/s", a=[1500]), shape) is not None
    assert plot.delta(lines([11], unit="By/s", a=[1_000_000]), shape) is None


def test_first_names_come_first():
    _, shape = drawn(LinePlot(first=("used", "cached")), lines([1], cached=[1], free=[1], used=[1]))
    assert shape["names"] == ["used", "cached", "free"]


def test_the_legend_shows_the_newest_value_in_its_own_best_unit():
    plot = LinePlot()
    rows = lines([10, 11], unit="By/s", a=[2**20, 2048], b=[1, NAN])
    legend = plot.legend(rows, plot.shape(rows))
    assert [(line["name"], line["value"]) for line in legend] == [("a", "2 KiB/s"), ("b", "—")]


@pytest.mark.parametrize("plot", [LinePlot(), LinePlot(stacked=True), LinePlot(log=True)])
def test_no_rows_make_an_empty_figure(plot):
    empty = Lines(np.empty(0, np.int64), (), np.empty((0, 0)), "s", 1)
    figure, shape = drawn(plot, empty)
    assert figure["data"] == []
    assert plot.legend(empty, shape) == []


def test_a_listener_has_one_colour_whoever_stands_beside_it():
    alone = theme.by_name(["shop"])[0].colour
    for others in (["wsgi", "shop"], ["a", "shop", "z"], ["shop", "files", "asgi"]):
        styles = dict(zip(others, theme.by_name(others), strict=True))
        assert styles["shop"].colour == alone
        assert len(set(styles.values())) == len(others), "told apart within a graph"
    ports = ("shop :8003 waiting", "wsgi :8000 waiting", "shop :8003 backlog")
    styles = theme.paired((" backlog", "dot"), colours=theme.by_name)(ports)
    assert styles[0].colour == styles[2].colour == alone
    assert styles[1].colour == theme.MEANINGS["wsgi"]


def test_names_that_share_a_colour_differ_by_their_dashes():
    names = [f"/route/{number}" for number in range(20)]
    styles = theme.by_name(names)
    assert len(set(styles)) == 20
    assert theme.RED not in {style.colour for style in styles}


@pytest.mark.parametrize(
    ("unit", "suffix"), [("{connection}", " connections"), ("{thread}", " threads"), ("1", " %")]
)
def test_a_hover_text_has_its_unit_also_where_the_axis_has_none(unit, suffix):
    figure, _ = drawn(LinePlot(), lines([10], unit=unit, a=[5.0]))
    assert figure["data"][0]["hovertemplate"].endswith(suffix)

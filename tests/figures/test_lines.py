import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.figures import theme
from servescope.figures.lines import LinePlot, first_word
from servescope.histogram import EXACT_FROM
from servescope.queries import traffic
from servescope.queries.request_words import NO_ANSWER, OTHER_METHOD
from servescope.queries.rows import Lines
from servescope.request_fields import Method
from servescope.sampling.tcp_sockets import SERVER_SIDE_STATES

NAN = float("nan")


def lines(times, unit="{request}/s", **rows):
    values = np.array(list(rows.values()), dtype=float).reshape(len(rows), len(times))
    return Lines(np.array(times), tuple(rows), values, unit, 1)


def percentiles(times, requests, **rows):
    """Lines of seconds, each point of so many requests."""
    counts = np.tile(np.array(requests, dtype=float), (len(rows), 1))
    return replace(lines(times, "s", **rows), requests=counts, without_mean=(True,) * len(rows))


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


@pytest.mark.parametrize(
    ("seconds", "shown", "unit"),
    [
        (0.00042, 420.0, "µs"),
        (0.042, 42.0, "ms"),
        (30.0, 30.0, "s"),
        (90.0, 90.0, "s"),
        (900.0, 15.0, "min"),
    ],
)
def test_values_ticks_and_readings_share_the_unit_that_suits_the_largest(seconds, shown, unit):
    figure, _ = drawn(LinePlot(), lines([10], unit="s", mean=[seconds]))
    assert figure["data"][0]["y"] == [shown]
    assert figure["layout"]["yaxis"]["ticksuffix"] == f" {unit}"
    assert figure["layout"]["meta"]["suffix"] == unit


def test_a_logarithmic_axis_has_seconds_which_are_read_in_one_unit():
    figure, _ = drawn(LinePlot(log=True), lines([10, 11], unit="s", p50=[0.0008, 3.0]))
    assert figure["data"][0]["y"] == [0.0008, 3.0]
    meta = figure["layout"]["meta"]
    assert (meta["factor"], meta["times"], meta["suffix"], meta["base"]) == (1.0, 1e3, "ms", "s")
    assert figure["layout"]["yaxis"]["ticksuffix"] == ""


@pytest.mark.parametrize(
    ("plot", "unit", "is_whole"),
    [
        (LinePlot(step_line=True), "{request}", True),
        (LinePlot(), "{connection}", True),
        (LinePlot(unit=""), "{request}", True),
        (LinePlot(), "{thread}", False),
        (LinePlot(), "{request}/s", False),
    ],
)
def test_an_axis_of_counts_says_that_its_ticks_are_whole_numbers(plot, unit, is_whole):
    figure, _ = drawn(plot, lines([10], unit=unit, a=[1.0]))
    assert figure["layout"]["meta"]["whole"] is is_whole


@pytest.mark.parametrize(("largest", "is_wide"), [(500.0, False), (500_000.0, True)])
def test_the_labels_of_an_axis_have_room(largest, is_wide):
    figure, _ = drawn(LinePlot(), lines([10], unit="By/s", a=[largest]))
    narrow, _ = drawn(LinePlot(), lines([10], a=[1.0]))
    assert (figure["layout"]["margin"]["l"] > narrow["layout"]["margin"]["l"]) is is_wide


def test_a_point_says_of_how_many_requests_it_is_and_that_it_has_no_mean():
    plot = LinePlot(log=True)
    rows = percentiles([10, 11], [200, NAN], p50=[0.1, NAN], p99=[0.2, NAN])
    figure, shape = drawn(plot, rows)
    assert [trace["meta"] for trace in figure["data"]] == [
        {"mean": False, "requests": [200, 0]}
    ] * 2
    assert figure["layout"]["meta"]["few"] == EXACT_FROM
    delta = plot.delta(percentiles([12], [7], p50=[0.1], p99=[NAN]), shape)
    assert delta["requests"] == [[7], [7]]


def test_a_point_says_whether_it_is_a_lower_bound():
    plot = LinePlot(log=True)
    rows = percentiles([10, 11], [200, 200], p50=[0.1, 0.1], p99=[0.2, 5.0])
    rows = replace(rows, bounds=np.array([[False, False], [False, True]]))
    figure, shape = drawn(plot, rows)
    assert [trace["meta"]["bounds"] for trace in figure["data"]] == [[0, 0], [0, 1]]
    later = replace(rows, times=np.array([12, 13]))
    assert plot.delta(later, shape)["bounds"] == [[0, 0], [0, 1]]


def test_rates_have_a_mean_and_no_requests():
    figure, shape = drawn(LinePlot(), lines([10], a=[1.0]))
    assert figure["data"][0]["meta"] == {"mean": True}
    assert "requests" not in LinePlot().delta(lines([11], a=[1.0]), shape)


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
    codes, classes = ("101", "200", "no answer"), ("1xx", "2xx", "no answer")
    assert [style.colour for style in theme.by_status(codes)] == [
        style.colour for style in theme.by_meaning(classes)
    ]


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


INTERFACES = ("lo receive", "lo transmit", "eth0 receive", "eth0 transmit", "eth1 receive")
CORES = tuple(f"core {number}" for number in range(6))
PROCESSES = ("dashboard", "dashboard highest", "load generator", "served app", "served app highest")
STATES = tuple(state.name.lower() for state in SERVER_SIDE_STATES)
METHODS = (*(method.name for method in Method if method.value), OTHER_METHOD)


@pytest.mark.parametrize(
    ("styles", "names"),
    [
        pytest.param(theme.paired((" receive", "dot")), INTERFACES, id="interfaces"),
        pytest.param(theme.paired((" highest", "dot")), PROCESSES, id="processes"),
        pytest.param(theme.by_meaning, CORES, id="cores"),
        pytest.param(theme.by_meaning, STATES, id="states of connections"),
        pytest.param(theme.by_meaning, METHODS, id="methods"),
        pytest.param(theme.by_name, ("/", "/slow", "/api/notes/{id}", "all others"), id="routes"),
        pytest.param(theme.by_status, ("101", "200", "404", "500", "client gone"), id="statuses"),
    ],
)
def test_a_line_keeps_its_colour_when_others_come_and_go(styles, names):
    """A core, an interface, a process, a route: of all that a graph may ever have together."""
    together = dict(zip(names, styles(names), strict=True))
    for count in range(1, len(names)):
        for some in itertools.combinations(names, count):
            assert dict(zip(some, styles(some), strict=True)) == {
                name: together[name] for name in some
            }
    assert len(set(together.values())) == len(names)


def test_every_line_of_a_kind_that_is_known_has_a_meaning():
    assert theme.MEANINGS.keys() >= {*STATES, *METHODS}
    for names in (STATES, METHODS):
        colours = [theme.MEANINGS[name] for name in names]
        assert len(set(colours)) == len(colours)


@given(st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=12), st.data())
def test_names_that_nobody_knows_keep_their_colours_too(names, data):
    together = dict(zip(names, theme.by_meaning(names), strict=True))
    some = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    for name, style in zip(some, theme.by_meaning(some), strict=True):
        assert style.colour == together[name].colour


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


def test_an_idle_line_of_a_pair_stays_while_the_other_one_moves():
    plot = LinePlot(drop_idle=True, idle_as=first_word)
    idle = {"eth0 receive": [0], "eth0 transmit": [0]}
    _, shape = drawn(plot, lines([10], **idle | {"lo receive": [3], "lo transmit": [0]}))
    assert shape["names"] == ["lo receive", "lo transmit"]
    assert plot.delta(lines([11], **idle | {"lo receive": [0]}), shape) is not None
    assert plot.delta(lines([11], **idle | {"eth0 transmit": [1]}), shape) is None
    _, shape = drawn(plot, lines([11], **{"eth0 receive": [NAN], "eth0 transmit": [1]}))
    assert shape["names"] == ["eth0 transmit"], "nobody knows whether it is idle"


def test_a_line_that_seldom_moves_is_dropped_while_it_is_zero_and_the_others_stay():
    plot = LinePlot(stacked=True, seldom=("1xx",))
    rows = {"1xx": [0], "2xx": [0]}
    _, shape = drawn(plot, lines([10], **rows))
    assert shape["names"] == ["2xx"]
    assert plot.delta(lines([11], **rows), shape) is not None
    assert plot.delta(lines([11], **rows | {"1xx": [2]}), shape) is None
    _, shape = drawn(plot, lines([11], **rows | {"1xx": [2]}))
    assert shape["names"] == ["1xx", "2xx"]
    _, shape = drawn(plot, lines([10], **{"1xx": [NAN], "2xx": [NAN]}))
    assert shape["names"] == ["2xx"]


def test_lines_without_any_value_are_left_out_unless_none_has_one():
    _, shape = drawn(LinePlot(), lines([10], old=[NAN], now=[0]))
    assert shape["names"] == ["now"]
    _, shape = drawn(LinePlot(), lines([10], p50=[NAN], p99=[NAN]))
    assert shape["names"] == ["p50", "p99"]
    plot = LinePlot(keep_empty=True)
    figure, shape = drawn(plot, lines([10], p50=[1], p99=[NAN]))
    assert [trace["name"] for trace in figure["data"]] == shape["names"] == ["p50", "p99"]
    assert plot.delta(lines([11], p50=[1], p99=[2]), shape)["y"] == [[1], [2]]


@pytest.mark.parametrize(
    ("unit", "first", "within", "beyond"),
    [
        ("By/s", 500, 1000, 1500),
        ("s", 0.0008, 0.0009, 30.0),
        ("s", 0.05, 0.9, 1.1),
        ("s", 300.0, 590.0, 610.0),
    ],
)
def test_values_that_outgrow_their_unit_want_a_new_figure(unit, first, within, beyond):
    plot = LinePlot()
    _, shape = drawn(plot, lines([10], unit=unit, a=[first]))
    assert plot.delta(lines([11], unit=unit, a=[within]), shape) is not None
    assert plot.delta(lines([11], unit=unit, a=[beyond]), shape) is None


def test_a_logarithmic_axis_has_no_unit_to_outgrow():
    plot = LinePlot(log=True)
    _, shape = drawn(plot, lines([10], unit="s", a=[0.0008]))
    assert plot.delta(lines([11], unit="s", a=[30.0]), shape)["y"] == [[30.0]]


def test_first_names_come_first():
    _, shape = drawn(LinePlot(first=("used", "cached")), lines([1], cached=[1], free=[1], used=[1]))
    assert shape["names"] == ["used", "cached", "free"]


def test_the_legend_names_the_lines_in_the_order_of_the_figure():
    plot = LinePlot(first=("b",))
    rows = lines([10, 11], a=[1, 2], b=[1, NAN])
    assert plot.legend(rows, plot.shape(rows)) == [
        {"name": name, "colour": style.colour, "dash": style.dash}
        for name, style in zip("ba", theme.by_meaning("ba"), strict=True)
    ]


@pytest.mark.parametrize("plot", [LinePlot(), LinePlot(stacked=True), LinePlot(log=True)])
def test_no_rows_make_an_empty_figure(plot):
    empty = Lines(np.empty(0, np.int64), (), np.empty((0, 0)), "s", 1)
    figure, shape = drawn(plot, empty)
    assert figure["data"] == []
    assert plot.legend(empty, shape) == []


def test_a_listener_has_one_colour_whoever_stands_beside_it():
    alone = theme.by_listener(["shop"])[0].colour
    for others in (["wsgi", "shop"], ["a", "shop", "z"], ["shop", "files", "asgi"]):
        styles = dict(zip(others, theme.by_listener(others), strict=True))
        assert styles["shop"].colour == alone
        assert len(set(styles.values())) == len(others), "told apart within a graph"
    ports = ("shop :8003 waiting", "wsgi :8000 waiting", "shop :8003 backlog")
    styles = theme.paired_listeners((" backlog", "dot"))(ports, {})
    assert styles[0].colour == styles[2].colour == alone
    assert styles[1].colour == theme.MEANINGS["wsgi"]


def test_listeners_differ_by_their_places_also_in_pairs():
    names = ("shop sent", "admin sent", "late sent", "shop received", "late received")
    places = {"shop": 6, "admin": 7, "late": 16}
    rows = replace(lines([10], **{name: [1.0] for name in names}), places=places)
    plot = LinePlot(listener_styles=theme.paired_listeners((" received", "dot")))
    found = plot.legend(rows, plot.shape(rows))
    shop, admin, late, shop_received, late_received = (
        (one["colour"], one["dash"]) for one in found
    )
    assert shop == (theme.NAMED[6], "solid")
    assert admin == (theme.NAMED[7], "solid"), "whatever its letters suggest"
    assert late == (theme.NAMED[6], "longdash"), "its colour comes again"
    assert shop_received == (theme.NAMED[6], "dot")
    assert late_received == (theme.NAMED[6], "dashdot")


def test_what_is_bad_of_a_listener_is_red_and_broken_and_told_apart_from_that_of_others():
    names = ("api", "wsgi", "api turned away", "wsgi turned away")
    api, wsgi, *bad = theme.paired_listeners(bad=" turned away")(names, {})
    assert (api, wsgi) == tuple(theme.by_listener(["api", "wsgi"]))
    assert {style.colour for style in bad} == {theme.RED}
    assert len({style.dash for style in (wsgi, *bad)}) == 3
    assert theme.RED not in {theme.MEANINGS["wsgi"], *theme.NAMED}, "no listener is red"


def test_a_listener_whose_name_means_something_elsewhere_is_told_from_the_bundled_ones():
    meant = [name for name in theme.MEANINGS if name not in ("files", "wsgi", "asgi", "comparison")]
    bundled = {theme.MEANINGS[name] for name in ("files", "wsgi", "asgi")}
    assert bundled.isdisjoint(style.colour for style in theme.by_listener(meant))


def test_names_that_share_a_colour_differ_by_their_dashes():
    names = [f"/route/{number}" for number in range(20)]
    styles = theme.by_name(names)
    assert len(set(styles)) == 20
    assert theme.RED not in {style.colour for style in styles}


@pytest.mark.parametrize(
    ("unit", "noun"), [("{connection}", "connections"), ("{thread}", "threads")]
)
def test_a_reading_has_its_unit_also_where_the_axis_has_none(unit, noun):
    figure, _ = drawn(LinePlot(), lines([10], unit=unit, a=[5.0]))
    assert figure["layout"]["meta"]["noun"][1] == noun
    assert figure["layout"]["yaxis"]["ticksuffix"] == ""


def test_an_earlier_span_is_drawn_dashed_at_the_times_of_the_later_one():
    plot = LinePlot()
    now = lines([100, 101], a=[1, 2], b=[3, 4])
    earlier = lines([40, 41], a=[5, NAN], c=[9, 9])
    (trace,) = plot.earlier(earlier, plot.shape(now), 60)
    assert (trace["name"], trace["x"], trace["y"]) == ("a", [100_000, 101_000], [5.0, None])
    assert trace["line"]["dash"] == "dash"
    assert trace["line"]["color"] == plot.figure(now, plot.shape(now))["data"][0]["line"]["color"]


def test_of_stacked_lines_the_sum_of_the_earlier_span_is_drawn():
    plot = LinePlot(stacked=True)
    rows = lines([100, 101], a=[1, 2], b=[3, NAN])
    (trace,) = plot.earlier(rows, plot.shape(rows), 0)
    assert (trace["name"], trace["y"]) == ("all together", [4.0, None])


def test_an_earlier_span_without_any_of_the_lines_adds_nothing():
    plot = LinePlot()
    assert plot.earlier(lines([40], c=[9]), plot.shape(lines([100], a=[1])), 60) == []


def luminance(colour):
    """Relative luminance of `#rrggbb`, as WCAG 2 defines it."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return sum(weight * one for weight, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("ground", ["#ffffff", "#2e2e2e"], ids=["light", "dark"])
def test_each_colour_of_a_line_is_seen_on_the_panels_of_both_schemes(ground):
    colours = {*theme.SERIES, *theme.NAMED, *theme.MEANINGS.values(), theme.GREY, theme.RED}
    assert {one: contrast(one, ground) for one in colours if contrast(one, ground) < 3} == {}


def linear_rgb(colour):
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


OKLAB = (  # https://bottosson.github.io/posts/oklab/
    np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    ),
    np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    ),
)
EYES = {  # Machado, Oliveira and Fernandes 2009, severity 1
    "of most": np.eye(3),
    "without red": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "without green": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}


def distance(one, other, eyes="of most"):
    """How far apart two colours look, in OKLab, whose lightness goes from 0 to 1."""
    to_cones, to_lab = OKLAB
    seen = (np.clip(EYES[eyes] @ linear_rgb(colour), 0, 1) for colour in (one, other))
    first, second = (to_lab @ np.cbrt(to_cones @ rgb) for rgb in seen)
    return float(np.linalg.norm(first - second))


def test_classes_of_status_that_lie_on_each_other_are_told_apart():
    names = (*traffic.STATUS_CLASSES, NO_ANSWER, traffic.TO_NOBODY)
    colours = {name: theme.MEANINGS[name] for name in names}
    apart = {
        (one, other): distance(colours[one], colours[other])
        for one, other in itertools.combinations(names, 2)
    }
    assert {pair: far for pair, far in apart.items() if far < 0.12} == {}, "any may be 0 between"


@pytest.mark.parametrize("eyes", EYES)
def test_answers_to_nobody_are_told_from_the_errors_below_them_by_all_eyes(eyes):
    below, above = theme.MEANINGS["5xx"], theme.MEANINGS[traffic.TO_NOBODY]
    assert distance(below, above, eyes) > 0.1


def test_free_memory_is_a_ground_below_a_line_that_is_seen():
    figure, _ = drawn(LinePlot(stacked=True), lines([1], used=[1], free=[2]))
    used, free = figure["data"]
    assert used["fillcolor"] == used["line"]["color"]
    assert free["line"]["color"] == theme.GREY != free["fillcolor"]

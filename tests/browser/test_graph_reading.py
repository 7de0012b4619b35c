"""Graphs read as a person reads them: units, the cursor, the legend, events, few requests."""

from __future__ import annotations

import re
import time
import urllib.request
from contextlib import closing
from itertools import count

import pytest

from servescope.figures import units
from servescope.records.dashboard import Event, EventKind
from tests.browser.conftest import PHONE

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("asked"), pytest.mark.timeout(400)]

CLOCK = re.compile(r"\d\d:\d\d:\d\d")
CUT_TICKS = """() => [...document.querySelectorAll(".live-graph")].flatMap(graph => {
    // Plotly cuts what stands beyond its own picture.
    const picture = graph.querySelector(".live-graph-plot").getBoundingClientRect();
    const [left, right] = [picture.left, picture.right];
    return [...graph.querySelectorAll(".ytick text, .xtick text")]
        .filter(tick => tick.checkVisibility()) // Plotly hides those that have no room
        .filter(tick => tick.getBoundingClientRect().left < left - 1
            || tick.getBoundingClientRect().right > right + 1)
        .map(tick => `${graph.id}: ${tick.textContent}`);
})"""
TICKS = "id => [...document.querySelectorAll(`#${id} .ytick text`)].map(tick => tick.textContent)"
LONE_POINTS = """id => {
    // Of each line of a stacked graph: seconds between two gaps, and whether each has a dot.
    const lines = (document.querySelector(`#${id} .live-graph-plot`)?.data || [])
        .filter(trace => trace.customdata);
    return lines.flatMap(({y, marker}) => Array.from(y, (value, i) =>
        value !== null && (y[i - 1] ?? null) === null && (y[i + 1] ?? null) === null
            ? [marker?.size[i] > 0] : []).flat());
}"""
MOMENTS = """() => [...document.querySelectorAll(".live-graph")].map(graph => {
    const line = graph.querySelector(".graph-cursor");
    const axis = graph.querySelector(".live-graph-plot")._fullLayout?.xaxis;
    if (!line || line.hidden || !axis) return null;
    return Math.round(1000 * (parseFloat(line.style.left) - axis._offset) / axis._length) / 1000;
})"""
NUMBERS = count(1)
SHOW = "([start, end]) => servescope.view.fix(start, end)"
"""Has the page show a span of the past."""
LABELS = """id => {
    const box = document.getElementById(id).getBoundingClientRect();
    // Plotly cuts what a shape draws beside the plot.
    const plot = document.querySelector(`#${id} .nsewdrag`).getBoundingClientRect();
    const labels = [...document.querySelectorAll(`#${id} .shape-label text`)]
        .filter(label => label.textContent);
    const lines = [...document.querySelectorAll(`#${id} .shapelayer path`)]
        .map(line => line.getBoundingClientRect());
    const boxes = labels.map(label => label.getBoundingClientRect());
    const cut = one => one.left < plot.left - 1 || one.right > plot.right + 1 || one.top < box.top;
    const told = one => `${labels[boxes.indexOf(one)].textContent}: ${one.left} to ${one.right}, `
        + `top ${one.top}; plot ${plot.left} to ${plot.right}, top ${box.top}`;
    const over = (a, b) => a.left < b.right - 1 && b.left < a.right - 1
        && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    return {
        texts: labels.map(label => label.textContent),
        cut: boxes.filter(cut).map(told),
        overlap: boxes.filter((a, i) => boxes.some((b, j) => i < j && over(a, b))).length,
        gap: Math.min(...boxes.flatMap(a => boxes.filter(b => b !== a && b.left >= a.left)
            .map(b => b.left - a.right))),
        struck: boxes.filter(label => lines.some(line => over(label, line))).length,
    };
}"""


def ask(dashboard, path="/", times=1):
    for _ in range(times):
        url = f"http://127.0.0.1:{dashboard.port('wsgi')}{path}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.status == 200


@pytest.fixture(scope="module")
def asked(dashboard):
    """A dashboard with a few requests."""
    ask(dashboard, times=5)
    return dashboard


def point_at(opened, graph, share):
    """Move the pointer over a graph, to a share of its width."""
    area = opened.page.locator(f"#{graph} .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    opened.page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] * 0.6)


def legend(opened, graph):
    """Name → value of a legend."""
    items = opened.page.locator(f"#{graph}-legend .legend-item").all()
    return {item.locator("span").inner_text(): item.locator("b").text_content() for item in items}


READOUT_AND_LEGEND = """([graph, name]) => {
  const items = [...document.querySelectorAll(`#${graph}-legend .legend-item`)];
  const named = items.filter(item => item.querySelector("span").textContent === name);
  const read = document.querySelector(`#${graph} .graph-readout p b`);
  return [read, ...named.map(item => item.querySelector("b"))].map(one => one.textContent);
}"""
"""The first value at the pointer, and that of a line in the legend at the same moment."""


def shown(opened, graph):
    """The names in a legend whose lines are drawn."""
    return opened.page.locator(
        f"#{graph}-legend .legend-item[aria-pressed=true] span"
    ).all_inner_texts()


def drawn_names(opened, graph):
    return {trace["name"] for trace in opened.points(graph) if trace["name"]}


READ = "([reading, drawn]) => drawn.map(value => servescope.units.text(reading, value))"


def test_labels_of_events_stand_apart_whole_and_clear_of_their_lines(visit, asked):
    # The first of the file: events that other tests leave in the view take the room of labels.
    opened = visit("Overview").wait_drawn("overview-host", "overview-requests")
    start, end = opened.page.evaluate("servescope.graphs.span()")
    length, now = end - start, time.time()
    control = asked.control
    for share in (0.99, 0.98, 0.83, 0.828, 0.826, 0.4, 0.2, 0.197, 0.01, 0.006, 0.003):
        at = now - share * length
        control.events.add(Event(EventKind.LISTENER, at, f"wsgi: restarted at {at:.1f}"))
    for run, share, until in ((7, 0.66, 0.33), (8, 0.013, 0)):
        begin, stop = now - share * length, now - until * length
        control.events.add(Event(EventKind.LOAD_RUN, begin, f"run {run}: 500/s on wsgi", stop))
    control.close()
    for graph in ("overview-host", "overview-requests"):
        opened.page.locator(f"#{graph}").scroll_into_view_if_needed()
        run = "run 7: 500/s on wsgi"
        opened.until(f"([id, run]) => ({LABELS})(id).texts.includes(run)", [graph, run])
        found = opened.page.evaluate(LABELS, graph)
        assert len(found["texts"]) > 3
        assert (found["cut"], found["overlap"], found["struck"]) == ([], 0, 0), found


@pytest.mark.parametrize("log", [False, True], ids=["linear", "logarithmic"])
def test_the_browser_reads_a_value_as_a_card_does_whatever_the_unit_of_its_axis(kept_page, log):
    durations = [0.0, 3e-9, 3e-6, 0.000421, 0.0009997, 0.0123, 0.9996, 1.234, 59.97, 812.0, 86_400]
    sizes = [0.0, 0.5, 12.0, 1_023.0, 1_023.7, 8_180.0, 3.3 * 2**20, 3.9 * 2**30, 2.0**45]
    rates = [0.0, 0.0123, 0.9996, 1.234, 59.97, 812.0, 86_400.0]
    for unit, values in (("s", durations), ("By", sizes), ("By/s", sizes), ("{request}/s", rates)):
        for scale in units.scales(unit):
            drawn = values if log else [value * scale.factor for value in values]
            read = kept_page.page.evaluate(READ, [units.reading(unit, scale, log=log), drawn])
            assert read == [units.text(value, unit) for value in values]


@pytest.mark.parametrize("low_s", [8e-6, 2e-5, 0.0018])
@pytest.mark.parametrize("high_s", [0.5, 45.0, 110.0])
def test_each_tick_of_a_logarithmic_axis_says_which_duration_it_is(kept_page, low_s, high_s):
    reading = units.reading("s", units.shared_scale("s", [low_s, high_s]), log=True)
    ticks = kept_page.page.evaluate(
        "([reading, low, high]) => servescope.units.logTicks(reading, low, high)",
        [reading, low_s, high_s],
    )
    assert len(set(ticks["ticktext"])) == len(ticks["ticktext"])
    assert not [text for text in ticks["ticktext"] if text.startswith("<")]
    alone = [
        units.text_in(seconds, units.scale_for("s", min(seconds, 1.0)))
        for seconds in ticks["tickvals"]
    ]
    shared = [
        units.text_in(seconds, units.shared_scale("s", [low_s, high_s]))
        for seconds in ticks["tickvals"]
    ]
    assert ticks["ticktext"] in (alone, shared)


@pytest.mark.parametrize(
    ("low_s", "high_s"), [(24.0, 64.0), (0.011, 0.018), (0.6, 0.9), (1.01, 1.02)]
)
def test_a_narrow_logarithmic_axis_has_two_ticks_within_its_values(kept_page, low_s, high_s):
    reading = units.reading("s", units.shared_scale("s", [low_s, high_s]), log=True)
    ticks = kept_page.page.evaluate(
        "([reading, low, high]) => servescope.units.logTicks(reading, low, high)",
        [reading, low_s, high_s],
    )
    assert 2 <= len([value for value in ticks["tickvals"] if low_s <= value <= high_s]) <= 8


def test_a_logarithmic_axis_around_one_value_has_few_ticks(kept_page):
    reading = units.reading("s", units.shared_scale("s", [0.0023]), log=True)
    ticks = kept_page.page.evaluate(
        "([reading, low, high]) => servescope.units.logTicks(reading, low, high)",
        [reading, 0.0023, 0.0023],
    )
    assert ticks["ticktext"] == ["0.5 ms", "1 ms", "2 ms", "5 ms", "10 ms", "20 ms"]


def test_a_share_and_a_count_read_as_in_a_card(kept_page):
    values = [0.0, 3e-6, 0.000421, 0.0123, 0.0996, 0.996, 0.9996, 1.0, 1.234]
    for unit in ("1", units.CORES):
        (scale,) = units.scales(unit)
        reading = units.reading(unit, scale)
        drawn = [value * scale.factor for value in values]
        shown = [units.text(value, unit) for value in values]
        assert kept_page.page.evaluate(READ, [reading, drawn]) == shown
    reading = units.reading("{thread}", units.scale_for("{thread}", 8.0))
    counts = kept_page.page.evaluate(READ, [reading, [0, 1, 8]])
    assert counts == ["0 threads", "1 thread", "8 threads"]


DRAW_COUNTS = """([id, most]) => {
  // The answer to the pause may come after the first time that this is asked, and bring its own.
  const graph = servescope.graphs.byId(id);
  for (const trace of graph.data) trace.y = Array.from(trace.x, (_, at) => (at ? 0 : most));
  servescope.graphs.mark(graph);
  const high = graph.plot._fullLayout.yaxis.range[1];
  return high >= Math.max(most, 1) && high <= Math.max(1.2 * most, 1);
}"""


def test_an_axis_of_counts_has_ticks_at_whole_numbers_alone(visit):
    opened = visit("Ports").wait_drawn("ports-inside")
    opened.pause()
    opened.page.locator("#ports-inside").scroll_into_view_if_needed()
    for most in (0, 1, 2, 700):
        opened.until(DRAW_COUNTS, ["ports-inside", most])
        ticks = opened.page.evaluate(TICKS, "ports-inside")
        assert 2 <= len(ticks) <= 8, (most, ticks)
        assert not [tick for tick in ticks if not re.fullmatch(r"\d+", tick)], (most, ticks)
    opened.page.locator("#pause").click()


def test_an_axis_follows_its_data_past_a_unit_without_a_reload(visit, asked):
    opened = visit("Latency").wait_drawn("latency-stages")
    opened.page.evaluate("window.notReloaded = true")
    opened.page.locator("#latency-stages").scroll_into_view_if_needed()
    assert not [tick for tick in opened.page.evaluate(TICKS, "latency-stages") if " s" in tick]
    ask(asked, "/slow?ms=2500")
    opened.until(f"id => ({TICKS})(id).some(tick => / s$/.test(tick))", "latency-stages")
    opened.until(
        "() => [...document.querySelectorAll('#latency-stages-legend b')]"
        ".some(value => / s$|^—$/.test(value.textContent))"
    )
    assert opened.page.evaluate("window.notReloaded")
    units_shown = {tick.split(" ")[-1] for tick in opened.page.evaluate(TICKS, "latency-stages")}
    assert units_shown == {"s"}


def test_a_logarithmic_axis_reads_in_one_unit(visit):
    opened = visit("Latency").wait_drawn("latency-percentiles", "latency-heat")
    opened.page.locator("#latency-heat").scroll_into_view_if_needed()
    opened.until(f"id => ({TICKS})(id).length > 1", "latency-heat")
    ticks = opened.page.evaluate(TICKS, "latency-heat")
    numbers, names = zip(*(tick.split(" ") for tick in ticks), strict=True)
    assert len(set(names)) == 1
    assert not [one for one in numbers if not re.fullmatch(r"0\.0*[125]|[125][0,]*", one)]


def test_no_label_of_an_axis_is_cut_and_no_title_names_a_unit_that_the_axis_chooses(kept_page):
    for page in ("Overview", "Requests", "Latency", "Host", "Load", "Ports"):
        kept_page.follow(page).until("document.querySelectorAll('.ytick text').length > 0")
        assert kept_page.page.evaluate(CUT_TICKS) == [], page
        titles = kept_page.page.locator(".card-heading h2").all_inner_texts()
        assert not [title for title in titles if title.endswith((", ms", ", s"))]
        assert not [title for title in titles if "bytes per second" in title.lower()]


def test_a_long_label_of_a_logarithmic_axis_has_its_room(visit, asked):
    opened = visit("Latency").wait_drawn("latency-heat").pause()  # it waits for 10 s
    ask(asked)
    ask(asked, "/slow?ms=10000")
    opened.page.locator("#pause").click()
    opened.page.locator("#latency-heat").scroll_into_view_if_needed()
    opened.until(f"id => ({TICKS})(id).includes('10 s')", "latency-heat")
    assert not [tick for tick in opened.page.evaluate(TICKS, "latency-heat") if "000 ms" in tick]
    assert opened.page.evaluate(CUT_TICKS) == []


HEAT_KEY = """() => {
    const plot = document.querySelector("#latency-heat .live-graph-plot");
    const trace = servescope.graphs.byId("latency-heat").data[0];
    const key = document.querySelector("#latency-heat-legend .heat-key");
    if (!key || !plot?._fullData) return null;
    const last = document.createElement("i");
    last.style.color = trace.colorscale.at(-1)[1];
    return {
        most: Math.max(...trace.z.flat()),
        drawn: plot._fullData[0].zmax,
        said: key.innerText.split("\\n"),
        ends: key.querySelector("i").style.backgroundImage.endsWith(`${last.style.color} 100%)`),
    };
}"""


def test_a_key_says_which_colours_of_the_heatmap_mean_how_many_requests(visit, asked):
    opened = visit("Latency").wait_drawn("latency-heat")
    opened.page.locator("#latency-heat").scroll_into_view_if_needed()
    ask(asked, times=30)
    opened.until(
        f"() => {{ const key = ({HEAT_KEY})(); return key?.most > 1 && key.drawn === key.most"
        " && key.said[1] === String(key.most); }"
    )
    key = opened.page.evaluate(HEAT_KEY)
    assert key["said"][0] == "1"
    assert key["said"][2] == "requests in a cell of 1\N{NO-BREAK SPACE}s"
    assert key["ends"], "the fullest cell has the last colour"


def test_one_cursor_stands_at_the_same_moment_in_all_graphs(visit):
    opened = visit("Overview").wait_drawn("overview-host", "overview-queues", "overview-requests")
    opened.wait_newer("overview-host", 0)
    opened.pause()
    point_at(opened, "overview-host", 0.9)
    opened.until(f"() => ({MOMENTS})().filter(moment => moment !== null).length >= 3")
    moments = {moment for moment in opened.page.evaluate(MOMENTS) if moment is not None}
    assert max(moments) - min(moments) <= 0.002
    whens = opened.page.locator(".legend.at-cursor small").all_inner_texts()
    assert len(whens) >= 3
    seconds = {when for when in whens if when.startswith("at ")}
    assert len(seconds) == 1, whens
    opened.page.mouse.move(5, 5)
    opened.until(f"() => ({MOMENTS})().every(moment => moment === null)")
    assert opened.page.locator(".legend.at-cursor").count() == 0
    opened.page.locator("#pause").click()


def test_what_stands_at_the_pointer_has_a_solid_ground_units_and_the_time(visit):
    opened = visit("Host").wait_drawn("host-cpu")
    opened.wait_newer("host-cpu", 0)
    readout = opened.page.locator("#host-cpu .graph-readout")
    grounds = set()
    for scheme in ("dark", "light"):
        opened.page.emulate_media(color_scheme=scheme)
        opened.until(
            "scheme => document.documentElement.dataset.mantineColorScheme === scheme", scheme
        )
        point_at(opened, "host-cpu", 0.98)
        readout.wait_for()
        ground = readout.evaluate("box => getComputedStyle(box).backgroundColor")
        assert re.fullmatch(r"rgb\(\d+, \d+, \d+\)", ground), "an rgba would let the lines through"
        grounds.add(ground)
        assert CLOCK.search(readout.inner_text())
        opened.until("() => /%/.test(document.querySelector('.graph-readout').textContent)")
        of_all, *others = opened.page.evaluate(READOUT_AND_LEGEND, ["host-cpu", "all cores"])
        assert others == [of_all]
        opened.page.mouse.move(5, 5)
        readout.wait_for(state="detached")
    assert len(grounds) == 2, "each scheme has its own"


def test_arrow_keys_move_the_cursor_and_read_the_values_out(visit):
    opened = visit("Host").wait_drawn("host-cpu")
    opened.wait_newer("host-cpu", 0)
    opened.pause()
    said = opened.page.locator("#graph-announcement")
    opened.page.locator("#host-cpu").focus()
    times = []
    for key in ("ArrowLeft", "ArrowLeft", "Shift+ArrowLeft", "ArrowRight", "End"):
        before = said.inner_text()
        opened.page.keyboard.press(key)
        opened.until(
            "before => document.getElementById('graph-announcement').innerText !== before", before
        )
        times.append(CLOCK.search(said.inner_text()).group())
        assert "all cores" in said.inner_text()
    newest, before, long_before, after, last = times
    assert long_before < after < before < newest == last
    assert opened.page.evaluate(MOMENTS).count(None) < len(opened.page.evaluate(MOMENTS)) - 1
    opened.page.keyboard.press("Escape")
    opened.until(f"() => ({MOMENTS})().every(moment => moment === null)")
    opened.page.locator("#pause").click()


def test_plus_zooms_in_minus_zooms_out_and_0_goes_back_to_live(open_page):
    opened = open_page("/latency?last=20s").wait_drawn("latency-stages").wait_filled()
    opened.page.locator("#latency-stages").focus()
    opened.page.keyboard.press("+")
    opened.until("location.search.includes('from=')")
    length = (
        "() => Number(new URLSearchParams(location.search).get('to'))"
        " - Number(new URLSearchParams(location.search).get('from'))"
    )
    opened.until(f"() => Math.abs(({length})() - 10) <= 2")
    opened.until("() => { const [from, to] = servescope.graphs.span(); return to - from <= 12; }")
    opened.page.keyboard.press("-")
    opened.until(f"() => Math.abs(({length})() - 20) <= 4")
    opened.page.keyboard.press("0")
    opened.until("document.documentElement.dataset.view === 'live'")


def test_on_a_phone_a_finger_sets_the_cursor_and_the_keyboard_opens_a_run(open_page, asked):
    now = time.time()
    with closing(asked.control) as control:
        control.events.add(Event(EventKind.LOAD_RUN, now - 3, "run 11: 500/s on wsgi", now - 2))
    opened = open_page("/host", PHONE).wait_drawn("host-cpu")
    check_a_finger_sets_the_cursor_and_takes_it_away(opened)
    check_a_run_on_the_graphs_is_opened_by_the_keyboard(opened)


def check_a_finger_sets_the_cursor_and_takes_it_away(opened):
    opened.page.locator("#host-cpu").scroll_into_view_if_needed()
    opened.page.locator("#host-cpu").tap()
    opened.page.locator("#host-cpu .graph-readout").wait_for()
    opened.page.locator("h1").tap()
    opened.page.locator(".graph-readout").wait_for(state="detached")


def check_a_run_on_the_graphs_is_opened_by_the_keyboard(opened):
    opened.page.locator(".event-filter summary").press("Enter")
    box = opened.page.locator(".event-menu").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["viewport"]["width"]
    link = opened.page.locator(".event-filter").get_by_role("link", name="run 11: 500/s on wsgi")
    link.press("Enter")
    opened.until("location.pathname === '/runs/11'")
    opened.until("document.querySelector('h1').textContent.startsWith('There is no')")


def test_percentiles_of_few_requests_are_dotted_and_say_so(visit, asked):
    ask(asked, times=8)
    opened = visit("Latency").wait_drawn("latency-percentiles")
    opened.page.locator("#latency-percentiles").scroll_into_view_if_needed()
    opened.until(
        "() => document.querySelector('#latency-percentiles .live-graph-plot').data"
        ".some(trace => trace.line.dash === 'dot')"
    )
    exact = opened.page.evaluate(
        "() => document.querySelector('#latency-percentiles .live-graph-plot').data"
        ".filter(trace => trace.line.dash !== 'dot')"
        ".flatMap(trace => trace.y.filter(value => value !== null))"
    )
    assert exact == []
    opened.page.locator("#latency-percentiles").focus()
    said = opened.page.locator("#graph-announcement")
    for _ in range(40):
        opened.page.keyboard.press("ArrowLeft")
        if "few requests" in said.inner_text():
            break
    assert re.search(r"p50 [\d.,]+ (µs|ms|s), few requests: \d+", said.inner_text())


def test_a_second_between_two_gaps_has_a_dot_in_a_stacked_graph(visit, dashboard):
    opened = visit("Latency").wait_drawn("latency-stages")
    opened.page.locator("#latency-stages").scroll_into_view_if_needed()
    ask(dashboard)
    opened.until(f"id => ({LONE_POINTS})(id).length > 0", "latency-stages")
    assert all(opened.page.evaluate(LONE_POINTS, "latency-stages"))


def test_lines_are_isolated_by_a_click_and_enter_and_hidden_in_four_ways(visit):
    opened = visit("Overview").wait_drawn("overview-requests")
    check_a_click_isolates_a_line_and_the_next_shows_all(opened, visit)
    check_a_line_is_hidden_and_shown_alone(opened)
    check_enter_isolates_a_line_and_the_focus_stays(opened)


def check_a_click_isolates_a_line_and_the_next_shows_all(opened, visit):
    item = opened.page.locator("#overview-requests-legend .legend-item").nth(1)
    item.click()
    assert shown(opened, "overview-requests") == ["3xx"]
    opened.until(
        "() => servescope.graphs.byId('overview-requests').plot.data"
        ".filter(trace => trace.name).length === 1"
    )
    opened.wait_newer("overview-requests", opened.last_x("overview-requests"))
    assert shown(opened, "overview-requests") == ["3xx"], "polls leave it"
    visit("Overview").wait_drawn("overview-requests")
    opened.page.locator("#overview-requests-legend .legend-item").first.wait_for()
    assert shown(opened, "overview-requests") == ["3xx"], "and so does another page"
    opened.page.locator("#overview-requests-legend .legend-item").nth(1).click()
    assert shown(opened, "overview-requests") == ["2xx", "3xx", "4xx", "5xx"]


def check_a_line_is_hidden_and_shown_alone(opened):
    item = opened.page.locator("#overview-requests-legend .legend-item").first
    item.wait_for()

    def by_keys():
        item.focus()
        opened.page.keyboard.press("Control+Enter")

    ways = {
        "Control": lambda: item.click(modifiers=["Control"]),
        "Meta": lambda: item.click(modifiers=["Meta"]),
        "double click": item.dblclick,
        "keys": by_keys,
    }
    for way, toggle in ways.items():
        toggle()
        assert shown(opened, "overview-requests") == ["3xx", "4xx", "5xx"], way
        toggle()
        assert shown(opened, "overview-requests") == ["2xx", "3xx", "4xx", "5xx"], way


def check_enter_isolates_a_line_and_the_focus_stays(opened):
    item = opened.page.locator("#overview-requests-legend .legend-item").nth(3)
    item.focus()
    opened.page.keyboard.press("Enter")
    assert shown(opened, "overview-requests") == ["5xx"]
    opened.page.keyboard.press("Enter")
    assert len(shown(opened, "overview-requests")) == 4


def test_the_span_has_a_mean_of_rates_and_none_of_percentiles(visit, asked):
    ask(asked, times=4)
    opened = visit("Latency").wait_drawn("latency-percentiles", "latency-stages")

    def summary(graph):
        opened.page.locator(f"[data-graph={graph}] [data-tool=summary]").click()
        text = opened.page.locator(f"#{graph}-legend .legend-item em:not(:empty)").first
        text.wait_for()
        return text.inner_text()

    for graph in ("latency-percentiles", "latency-stages"):
        assert re.fullmatch(
            r"min [\d.]+ (µs|ms|s), max [\d.]+ (µs|ms|s) \(steps of \d+ s\)",
            summary(graph),
        )
    opened = visit("Overview").wait_drawn("overview-requests")
    assert re.fullmatch(r"min \d.*, mean [\d.]+ req/s, max \d.*", summary("overview-requests"))


@pytest.fixture(scope="module")
def past(chromium, dashboard, left_pages):
    """The page Host, which shows one span of the past after the other: it has no other view."""
    with left_pages.lent(chromium, dashboard.url) as watched:
        yield watched.open("/host?from=1000000000&to=1000000010").wait_drawn("host-cpu")
    assert watched.complaints == []


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        (["files stopped", "wsgi stopped", "asgi stopped"], "files, wsgi, asgi stopped"),
        ([f"app{number} stopped" for number in range(5)], "5 listeners stopped"),
        (["wsgi changed"] * 3, "wsgi changed 3 times"),
        (["wsgi stopped", "wsgi started"], "wsgi stopped, wsgi started"),
        (
            ["wsgi: other addresses denied", "asgi stopped"],
            "wsgi: other addresses denied, asgi stopped",
        ),
    ],
    ids=["three stopped", "five stopped", "one changed", "restarted", "of two kinds"],
)
def test_events_of_one_moment_have_a_label_that_tells_of_all(past, asked, changes, label):
    begin = int(time.time()) - 1_000 * next(NUMBERS)  # a span of its own, before any data
    with closing(asked.control) as control:
        for number, text in enumerate(changes):
            at = begin + 3 + number / 50
            control.events.add(Event(EventKind.LISTENER, at, text, at))
    past.page.evaluate(SHOW, [begin, begin + 10])
    found = f"id => ({LABELS})(id)"
    past.until(f"id => ({found})(id).texts.join() === '{label}'", "host-cpu")
    assert past.page.evaluate(found, "host-cpu")["cut"] == []


def test_a_label_makes_room_for_the_next_one(past, asked):
    begin = int(time.time()) - 1_000 * next(NUMBERS)
    with closing(asked.control) as control:
        for kind, after, text in (
            (EventKind.LEADER, 8.0, "process 5 started"),
            (EventKind.LISTENER, 8.02, "asgi started"),
            (EventKind.LISTENER, 8.3, "wsgi changed"),
            (EventKind.LISTENER, 8.35, "files restarted"),
        ):
            control.events.add(Event(kind, begin + after, text, begin + after))
    past.page.evaluate(SHOW, [begin, begin + 10])
    past.until(
        f"id => ({LABELS})(id).texts.join('; ') === 'process 5 started, asgi started; 2 events'",
        "host-cpu",
    )


def test_the_label_of_a_run_that_has_just_begun_ends_within_the_graph(past, asked):
    begin = int(time.time()) - 1_000 * next(NUMBERS)
    with closing(asked.control) as control:
        run = Event(EventKind.LOAD_RUN, begin + 9.99, "run 9: 500/s on wsgi", begin + 10.0)
        control.events.add(run)
    past.page.evaluate(SHOW, [begin, begin + 10])
    found = f"id => ({LABELS})(id)"
    past.until(f"id => ({found})(id).texts.includes('{run.text}')", "host-cpu")
    assert past.page.evaluate(found, "host-cpu")["cut"] == []


RUN_TEXT = "run 9: 200 req/s on wsgi"


@pytest.mark.parametrize(
    ("run", "labels"),
    [
        ((50, 90), f"process 12345 started; {RUN_TEXT}"),
        ((22, 90), f"process started; {RUN_TEXT}"),
        ((12, 90), f"process 12345 started; {RUN_TEXT}"),
        ((15, 34), "process 12345 started; run 9"),
    ],
    ids=["far", "near", "beside it", "beside a short one"],
)
def test_the_start_before_a_run_has_a_label_apart_from_that_of_the_run(past, asked, run, labels):
    begin = int(time.time()) - 1_000 * next(NUMBERS)
    start, stop = (float(begin + seconds) for seconds in run)
    with closing(asked.control) as control:
        control.events.add(Event(EventKind.LEADER, begin + 0.1, "process 12345 started"))
        control.events.add(Event(EventKind.LOAD_RUN, start, RUN_TEXT, stop))
    past.page.evaluate(SHOW, [begin, begin + 100])
    past.until(
        f"([id, wanted]) => ({LABELS})(id).texts.toSorted().join('; ') === wanted",
        ["host-cpu", labels],
    )
    found = past.page.evaluate(LABELS, "host-cpu")
    assert (found["cut"], found["struck"]) == ([], 0), found
    assert found["gap"] > 12, "nearer to each other they read as one"


def test_a_distribution_of_a_part_of_a_decade_keeps_the_labels_of_its_axis_on_a_phone(
    open_page, asked
):
    for _ in range(4):
        urllib.request.urlopen(f"http://127.0.0.1:{asked.port('asgi')}/slow?ms=180", timeout=20)
    opened = open_page("/latency?listener=asgi", PHONE).wait_drawn("latency-distribution")
    opened.page.locator("#latency-distribution").scroll_into_view_if_needed()
    opened.until("""() => {
        const axis = document.querySelector("#latency-distribution .live-graph-plot")
            ?._fullLayout?.xaxis;
        return axis && axis.range[1] - axis.range[0] < 1 && axis.tickvals.length >= 2;
    }""")
    found = opened.page.evaluate(LABELS, "latency-distribution")
    assert (found["cut"], found["overlap"], found["struck"]) == ([], 0, 0), found
    ticks = opened.page.locator("#latency-distribution .xtick text").all_inner_texts()
    assert 2 <= len(ticks) <= 4


def test_kinds_of_events_are_left_out_and_the_browser_remembers_it(past, asked):
    begin = int(time.time()) - 1_000 * next(NUMBERS)
    with closing(asked.control) as control:
        control.events.add(Event(EventKind.LISTENER, begin + 5.0, "wsgi: restarted"))
    lines = "() => document.querySelectorAll('#host-cpu .shapelayer path').length"
    past.page.evaluate(SHOW, [begin, begin + 10])
    past.until(f"() => ({lines})() > 0")
    filtered = past.page.locator(".event-filter")
    filtered.locator("summary").click()
    for box in filtered.get_by_role("checkbox").all():
        box.uncheck()
    past.until(f"() => ({lines})() === 0")
    past.page.keyboard.press("Escape")
    assert filtered.get_attribute("open") is None
    past.page.reload()
    past.wait_drawn("host-cpu")
    kinds = len(EventKind)
    ground = past.page.locator(".event-filter summary")
    past.until(
        "text => document.querySelector('.event-filter summary').dataset.drawn === text",
        f"0 of {kinds} kinds",
    )
    assert past.page.evaluate(lines) == 0
    ground.click()
    past.page.get_by_label(EventKind.LISTENER.label).check()
    past.until(f"() => ({lines})() > 0")
    for box in filtered.get_by_role("checkbox").all():
        box.check()
    past.page.keyboard.press("Escape")

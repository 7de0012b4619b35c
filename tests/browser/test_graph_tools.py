"""The tools of a graph: it fills the page, and is taken away as image, table and link."""

from __future__ import annotations

import csv
import re
import struct
import urllib.request
from pathlib import Path

import pytest

from tests.axe import grave_violations
from tests.browser.conftest import PHONE, WITHOUT_GRAPHS, wait_recorded

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("asked"), pytest.mark.timeout(400)]

NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', {value: undefined})"
IN_SIGHT = """selector => {
    const part = document.querySelector(selector);
    const { left, top, height } = part.getBoundingClientRect();
    const there = document.elementFromPoint(left + 4, top + height / 2);
    return there !== null && (part === there || part.contains(there) || there.contains(part));
}"""
"""Whether a part is in the window, and nothing over it."""

SIZE = """id => { const box = document.getElementById(id).getBoundingClientRect();
    return [box.width, box.height]; }"""


@pytest.fixture(scope="module")
def asked(dashboard):
    """A dashboard with a few requests."""
    for name in ("files", "wsgi", "asgi"):
        with urllib.request.urlopen(f"http://127.0.0.1:{dashboard.port(name)}/", timeout=20):
            pass


def tool(opened, graph, action):
    return opened.page.locator(f"[data-graph={graph}] [data-tool={action}]")


def read_csv(download):
    with Path(download.path()).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_a_table_has_exactly_what_is_drawn(visit):
    opened = visit("Overview").wait_drawn("overview-requests")
    opened.wait_newer("overview-requests", 0)
    opened.pause()
    opened.page.locator("#overview-requests-legend .legend-item").nth(1).click()
    opened.until(
        "() => servescope.graphs.byId('overview-requests').plot.data"
        ".filter(trace => trace.name).length === 1"
    )
    with opened.page.expect_download() as download:
        tool(opened, "overview-requests", "table").click()
    assert download.value.suggested_filename == "overview-requests.csv"
    heading, *rows = read_csv(download.value)
    assert heading == ["time", "3xx (req/s)"]
    (trace,) = [one for one in opened.points("overview-requests") if one["name"]]
    drawn = ["" if value is None else value for value in trace["y"]]
    assert [row[1] if row[1] == "" else float(row[1]) for row in rows] == drawn
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.000Z", row[0]) for row in rows)
    opened.page.locator("#overview-requests-legend .legend-item").nth(1).click()
    opened.page.locator("#pause").click()


TABLES = {
    "latency-percentiles": r"time,p50 \(s\).*,requests of p50.*",
    "latency-heat": r"time,[\d.e-]+ to [\d.e-]+ s.*",
    "latency-distribution": r"from \(s\),to \(s\),requests",
}
"""The heading of the table of each kind of graph."""


def test_every_kind_of_graph_has_its_table(visit):
    opened = visit("Latency").wait_drawn(*TABLES)
    for graph, heading in TABLES.items():
        opened.until("id => servescope.graphs.byId(id).data.length > 0", graph)
        with opened.page.expect_download() as download:
            tool(opened, graph, "table").click()
        first, *rows = read_csv(download.value)
        assert re.fullmatch(heading, ",".join(first)), graph
        if graph == "latency-distribution":
            assert [row[1] for row in rows[:-1]] == [row[0] for row in rows[1:]], "without gaps"
        assert {len(row) for row in rows} == {len(first)}, graph


def test_a_text_that_a_spreadsheet_would_run_is_no_formula(visit):
    opened = visit("Requests").wait_drawn("requests-routes")
    with opened.page.expect_download() as download:
        opened.page.evaluate(
            "() => { const graph = servescope.graphs.byId('requests-routes');"
            "graph.data = [{...(graph.data[0]), name: '=1+1,\"x\"', type: 'scatter',"
            "x: [0], y: [1], meta: {mean: true}, line: {color: 'red'}}];"
            "document.querySelector('[data-graph=requests-routes] [data-tool=table]').click(); }"
        )
    assert read_csv(download.value)[0][1].startswith('\'=1+1,"x"')


def test_an_image_is_copied_where_the_browser_allows_it(visit):
    opened = visit("Host").wait_drawn("host-cpu")
    opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.page.bring_to_front()
    tool(opened, "host-cpu", "image").click()
    opened.until("document.querySelector('[data-graph=host-cpu] [data-done=copied]') !== null")
    size = opened.page.evaluate(
        "async () => { const [item] = await navigator.clipboard.read();"
        "return (await item.getType('image/png')).size; }"
    )
    assert size > 2000
    tool(opened, "host-cpu", "link").click()
    opened.until(
        "async () => /from=\\d+&to=\\d+#host-cpu$/.test(await navigator.clipboard.readText())"
    )
    opened.page.context.clear_permissions()
    opened.page.locator("#pause").click()  # back to live: the link was of a span


def test_an_image_becomes_a_file_where_it_does_not(visit):
    opened = visit("Host").wait_drawn("host-cpu")
    opened.page.evaluate(NO_CLIPBOARD)
    width, height = opened.page.evaluate(SIZE, "host-cpu")
    with opened.page.expect_download() as download:
        tool(opened, "host-cpu", "image").click()
    content = Path(download.value.path()).read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    size = struct.unpack(">II", content[16:24])
    assert size[0] == pytest.approx(2 * width, abs=4)
    assert size[1] > 2 * height, "with its heading and legend"


def test_the_image_of_a_heatmap_has_the_key_of_its_colours(visit):
    opened = visit("Latency").wait_drawn("latency-heat")
    opened.until("servescope.graphs.byId('latency-heat').data.length > 0")
    opened.page.evaluate(NO_CLIPBOARD)
    opened.page.evaluate(
        "() => { const draw = Plotly.toImage;"
        "Plotly.toImage = (figure, ...rest) => {"
        "window.pictured = figure.data[0]; return draw(figure, ...rest); }; }"
    )
    with opened.page.expect_download() as download:
        tool(opened, "latency-heat", "image").click()
    assert Path(download.value.path()).read_bytes()[:4] == b"\x89PNG"
    said = opened.page.evaluate("[pictured.showscale, pictured.colorbar.title.text]")
    assert said == [True, "requests in a cell"]


PICTURED = """async id => {
  const make = Plotly.toImage;
  const kept = new Promise(resolve => {
    Plotly.toImage = (picture, options) => { resolve(picture); return make(picture, options); };
  });
  document.querySelector(`[data-graph=${id}] [data-tool=image]`).click();
  const { data, layout } = await kept;
  Plotly.toImage = make;
  const host = document.createElement("div");
  document.body.append(host);
  await Plotly.newPlot(host, structuredClone(data), structuredClone(layout));
  const box = name => [...host.querySelectorAll(name)].map(one => one.getBoundingClientRect());
  const told = {
    lines: box(".legend .traces").length,
    legendTop: Math.min(...box(".legend .traces").map(one => one.top)),
    legendBottom: Math.max(...box(".legend .traces").map(one => one.bottom)),
    ticksBottom: Math.max(...box(".xtick text").map(one => one.bottom)),
    bottom: host.getBoundingClientRect().top + layout.height,
    plotHeight: host._fullLayout._size.h,
  };
  host.remove();
  return { ...told, heightOnPage: servescope.graphs.byId(id).plot._fullLayout._size.h };
}"""


def test_the_legend_of_an_image_takes_no_room_from_its_plot(visit):
    opened = visit("Ports").wait_drawn("ports-inside")
    opened.page.evaluate(NO_CLIPBOARD)
    with opened.page.expect_download():
        pictured = opened.page.evaluate(PICTURED, "ports-inside")
    assert pictured["lines"] >= 8, "three of each listener with threads, two of an event loop"
    assert pictured["plotHeight"] == pytest.approx(pictured["heightOnPage"], abs=2)
    assert pictured["ticksBottom"] <= pictured["legendTop"] + 1
    assert pictured["legendBottom"] <= pictured["bottom"] + 1


def test_a_link_leads_to_the_graph_at_its_time(dashboard, kept_page):
    wait_recorded(dashboard, 20)
    opened = kept_page.open("/host?last=20s").wait_drawn("host-own-memory").wait_filled()
    opened.page.evaluate(NO_CLIPBOARD)
    before = opened.page.evaluate("servescope.graphs.span()")
    tool(opened, "host-own-memory", "link").click()
    opened.until("location.hash === '#host-own-memory'")
    after = opened.page.evaluate("servescope.graphs.span()")
    opened.wait_polls(2)
    address = opened.page.url.removeprefix(opened.base)
    told = opened.page.evaluate("servescope.graphs.span()")
    shared = opened.open("/learn").open(address).wait_drawn("host-own-memory")
    shared.until("document.activeElement.id === 'host-own-memory'")
    for part in ("#host-own-memory", ".panel:has(#host-own-memory) .card-heading"):
        shared.until(IN_SIGHT, part)
    shared.until("document.documentElement.dataset.view === 'fixed'")
    start, end = shared.page.evaluate("servescope.graphs.span()")
    assert before[0] - 3 <= start <= after[0] + 3
    assert before[1] - 3 <= end <= after[1] + 3
    assert end - start == pytest.approx(before[1] - before[0], abs=3)
    assert [start, end] == told
    shared.page.locator("#range").get_by_text("5 min", exact=True).click()
    shared.follow(WITHOUT_GRAPHS)


def test_the_page_after_that_of_a_graph_that_filled_it_is_in_sight(visit):
    opened = visit("Host").wait_drawn("host-cpu")
    opened.page.locator("#host-cpu").focus()
    opened.page.keyboard.press("f")
    opened.page.locator("h1").wait_for(state="hidden")
    opened.follow("Ports")
    assert opened.page.locator("h1").is_visible()


@pytest.mark.parametrize("is_phone", [False, True], ids=["desktop", "phone"])
def test_a_graph_fills_the_page_by_key_or_finger_and_goes_back(open_page, visit, is_phone):
    opened = (open_page("/host", PHONE) if is_phone else visit("Host")).wait_drawn("host-cpu")
    opened.page.evaluate("window.scrollTo(0, document.getElementById('host-cpu').offsetTop)")
    before = opened.page.evaluate(SIZE, "host-cpu")
    if is_phone:
        check_tools_are_in_sight_for_a_finger_and_easy_to_hit(opened)
        tool(opened, "host-cpu", "maximise").tap()
    else:
        opened.page.locator("#host-cpu").focus()
        opened.page.keyboard.press("f")
    opened.until(f"([id, height]) => ({SIZE})(id)[1] > 2 * height", ["host-cpu", before[1]])
    opened.until(
        "() => Math.abs(servescope.graphs.byId('host-cpu').plot._fullLayout.height"
        " - document.getElementById('host-cpu').clientHeight) < 2"
    )
    assert not opened.page.locator("h1").is_visible()
    for part in ("#pause", "#host-cpu-legend", ".panel:has(#host-cpu) .card-heading"):
        opened.until(IN_SIGHT, part)
    assert opened.page.evaluate("document.activeElement.id") == "host-cpu"
    assert grave_violations(opened.page) == []
    for _ in range(4):
        opened.page.keyboard.press("Tab")
        assert opened.page.evaluate(
            "document.activeElement.closest('.panel, header, nav, .time-bar, body') !== null"
            " && document.activeElement.checkVisibility({visibilityProperty: true})"
        )
    opened.wait_newer("host-cpu", opened.last_x("host-cpu"))
    opened.page.keyboard.press("Escape")
    opened.until(f"([id, height]) => ({SIZE})(id)[1] === height", ["host-cpu", before[1]])
    assert opened.page.locator("h1").is_visible()
    assert opened.page.evaluate("document.activeElement.id") == "host-cpu"


def test_a_toolbar_is_out_of_sight_until_it_is_wanted_and_one_stop_of_tab(visit):
    opened = visit("Host").wait_drawn("host-cpu")
    bar = opened.page.get_by_role("toolbar", name="Tools of CPU of all cores, %")
    opacity = "bar => getComputedStyle(bar).opacity"
    opened.page.mouse.move(5, 5)
    opened.page.locator("h1").click()
    assert bar.evaluate(opacity) == "0"
    bar.get_by_role("button").first.focus()
    assert bar.evaluate(opacity) == "1"
    names = []
    for _ in range(5):
        names.append(opened.page.evaluate("document.activeElement.textContent"))
        opened.page.keyboard.press("ArrowRight")
    assert names == ["Min, max", "PNG", "CSV", "Link", "Maximise"]
    assert opened.page.evaluate("document.activeElement.textContent") == "Min, max"
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.closest('.graph-tools')") is None


def check_tools_are_in_sight_for_a_finger_and_easy_to_hit(opened):
    buttons = opened.page.locator("[data-graph=host-cpu] button:visible")
    assert buttons.count() == 5
    for button in buttons.all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 40

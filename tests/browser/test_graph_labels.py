"""The labels of a graph: one colour a name, times, the page's filter, and no strangers."""

from __future__ import annotations

import itertools
import re
import time
import urllib.request
from contextlib import closing

import pytest

from servescope.actions.hostable_apps import BUNDLED_WSGI
from servescope.catalog import NETWORK_IO
from servescope.records.comparisons import ComparisonPlan
from servescope.records.listeners import ConcurrencyModel
from servescope.records.load import LoadPlan
from servescope.store.base import Batch, Frame, SeriesKey
from servescope.store.sqlite.store import open_store
from tests.browser.conftest import PHONE
from tests.processes import eventually

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("asked"), pytest.mark.timeout(400)]

TWO_TIMES = re.compile(r"\d\d:\d\d:\d\d \S \d\d:\d\d:\d\d")
COLOURS = """() => [...document.querySelectorAll(".legend-item")].map(item => [
    item.querySelector("span").textContent, item.querySelector("i").style.borderTopColor])"""


@pytest.fixture(scope="module")
def asked(dashboard):
    """A dashboard whose listeners were all asked, loaded and compared."""
    for name in ("files", "wsgi", "asgi"):
        with urllib.request.urlopen(f"http://127.0.0.1:{dashboard.port(name)}/", timeout=20):
            pass
    control = dashboard.control
    models = (ConcurrencyModel.SEQUENTIAL, ConcurrencyModel.THREAD_POOL)
    plan = ComparisonPlan.constant(models, BUNDLED_WSGI, "/", 20, 1)
    number = control.comparisons.request(plan, time.time()).id
    eventually(lambda: control.comparisons.by_id(number).is_over, seconds=60)
    control.load_runs.request(LoadPlan.constant("wsgi", "/", 20, 2), time.time())
    eventually(lambda: control.load_runs.active() is None, seconds=60)
    control.close()
    return dashboard


PAGES = {
    "Ports": "ports-inside",
    "Requests": "requests-listeners",
    "Servers": "servers-rate",
    "Overview": "overview-queues",
    "Latency": "latency-stages",
    "Load": "load-rates",
}
"""A graph of each page that names listeners."""


def test_a_listener_has_one_colour_on_all_pages_and_servers_of_a_comparison_are_on_none(kept_page):
    colours = {}
    for page, graph in PAGES.items():
        opened = kept_page.follow(page).wait_drawn(graph)
        if page not in {"Latency", "Load"}:  # whose lines are stages, and of one run
            opened.until("() => document.querySelectorAll('.legend-item').length > 4")
            for name, colour in opened.page.evaluate(COLOURS):
                listener = name.split(" ")[0]
                if listener in {"files", "wsgi", "asgi"}:
                    colours.setdefault(listener, set()).add(colour)
        if page not in {"Servers", "Overview"}:
            check_no_server_of_a_comparison_is_shown(opened)
    assert {name: len(found) for name, found in colours.items()} == {
        "files": 1,
        "wsgi": 1,
        "asgi": 1,
    }
    assert len(set.union(*colours.values())) == 3


def check_no_server_of_a_comparison_is_shown(opened):
    """They are on the page of the comparison."""
    opened.wait_polls(2)
    for shown in opened.page.locator(".legend, .rows, .ag-root, #load-now").all():
        assert "compare-" not in shown.inner_text()


def test_every_graph_obeys_the_listener_of_the_page(kept_page):
    opened = kept_page.open("/requests?listener=wsgi").wait_drawn("requests-listeners")
    names = "#requests-listeners-legend span"
    opened.page.locator(names).first.wait_for()
    assert opened.page.locator(names).all_inner_texts() == ["wsgi"]


TIME_LABELS = """id => [...document.querySelectorAll(`#${id} .xtick text`)].map(label => {
    const { left, right } = label.getBoundingClientRect();
    const [, turn] = (label.getAttribute("transform") || "").split("rotate(");
    return [label.textContent, left, right, Math.abs(parseFloat(turn) || 0)];
})"""
"""Text, left and right edge in pixels, and by how many degrees it is turned."""


def busy_network(ts):
    """A second in which the loopback carried 200 KiB, which has labels such as `100 KiB/s`."""
    ways = ("receive", "transmit")
    return Frame(
        ts,
        counts={
            SeriesKey(
                NETWORK_IO, (("network.interface.name", "lo"), ("network.io.direction", way))
            ): 2e5
            for way in ways
        },
    )


def test_on_a_phone_a_graph_has_times_that_lie_flat_and_apart(start_dashboard, tmp_path, look):
    # They end with a minute, whatever the time is: then 110 seconds have the start of one in them.
    end = int(time.time() - 10) // 60 * 60 - 1
    with closing(open_store(tmp_path / "data")) as store:  # a span begins where the data does
        store.write(Batch([busy_network(ts) for ts in range(end - 1000, end)]))
    running = start_dashboard(folder=tmp_path / "data")
    opened = look(running, f"/host?from={end - 60}&to={end}", PHONE).wait_drawn("host-cpu")
    opened.page.locator("#host-network").scroll_into_view_if_needed()
    for seconds in (110, 150, 240, 300, 900):
        opened.page.evaluate("([from, to]) => servescope.view.fix(from, to)", [end - seconds, end])
        opened.wait_drawn("host-network")
        opened.until(
            "([id, seconds]) => { const graph = servescope.graphs.byId(id).plot?._fullLayout;"
            " if (!graph) return false; const [a, b] = graph.xaxis.range.map(Date.parse);"
            " return Math.abs(b - a - seconds * 1000) < 1500; }",
            ["host-network", seconds],
        )
        labels = opened.page.evaluate(TIME_LABELS, "host-network")
        assert len(labels) >= 2, (seconds, labels)
        assert not any(degrees for *_, degrees in labels), (seconds, labels)
        gaps = [right[1] - left[2] for left, right in itertools.pairwise(labels)]
        assert min(gaps) > 0, (seconds, labels)


def test_a_legend_says_of_when_its_values_are(visit):
    opened = visit("Latency").wait_drawn("latency-stages", "latency-distribution")
    opened.page.locator("#latency-stages-legend small").get_by_text("at ").wait_for()
    opened.page.locator("#latency-distribution-legend small").filter(has_text=TWO_TIMES).wait_for()


OF_GRAPH = """id => {
  const { plot, inSight } = servescope.graphs.byId(id);
  const items = document.querySelectorAll(`#${id}-legend .legend-item`);
  return {
    inSight,
    lines: plot.data.filter(({ name }) => name).map(({ name }) => name),
    legend: [...items].map((item) => item.dataset.name),
  };
}"""
WITH_LINES = """([id, names]) => {
  const { graphs } = servescope;
  const end = graphs.span()[1];
  const line = { color: "#2683ea", width: 1.6, dash: "solid" };
  const data = names.map((name, i) => ({
    type: "scatter", mode: "lines", name, line, meta: { mean: true },
    x: [3, 2, 1].map((before) => 1000 * (end - before)), y: [i, i + 1, i + 2],
  }));
  graphs.setFigure(id, { data, layout: graphs.byId(id).layout });
  graphs.setLegend(id, names.map((name) => ({ name, colour: line.color, dash: line.dash })));
}"""


def test_a_graph_out_of_sight_gets_a_new_line_with_its_legend_and_for_print_at_once(open_page):
    opened = open_page("/host", PHONE).wait_drawn("host-cpu", "host-network").pause()
    check_a_graph_out_of_sight_and_its_legend_get_a_new_line_together(opened)
    opened.page.evaluate("window.scrollTo(0, 0)")
    check_a_printed_page_has_the_graphs_that_were_out_of_sight_as_they_are(opened)


def check_a_graph_out_of_sight_and_its_legend_get_a_new_line_together(opened):
    opened.until("!servescope.graphs.byId('host-network').inSight")
    before = opened.page.evaluate(OF_GRAPH, "host-network")
    opened.page.evaluate(WITH_LINES, ["host-network", ["one", "another"]])
    opened.page.evaluate("new Promise(requestAnimationFrame)")
    assert opened.page.evaluate(OF_GRAPH, "host-network") == before, "the legend waits, too"
    opened.page.locator("#host-network").scroll_into_view_if_needed()
    opened.until(f"({OF_GRAPH})('host-network').lines.includes('another')")
    after = opened.page.evaluate(OF_GRAPH, "host-network")
    assert after == {"inSight": True, "lines": ["one", "another"], "legend": ["one", "another"]}
    assert opened.page.locator("#host-network-legend b").all_inner_texts()[0].startswith("2 ")


def check_a_printed_page_has_the_graphs_that_were_out_of_sight_as_they_are(opened):
    opened.until("!servescope.graphs.byId('host-network').inSight")
    opened.page.evaluate(WITH_LINES, ["host-network", ["a third", "a fourth"]])
    opened.page.pdf()
    assert opened.page.evaluate(OF_GRAPH, "host-network")["lines"] == ["a third", "a fourth"]

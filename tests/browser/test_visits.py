"""A first and a second visit in the browser: how much is loaded, and what stays in its cache."""

from __future__ import annotations

import urllib.request

import pytest

from tests.browser.conftest import CHROMIUM, DESKTOP, FLAGS
from tests.browser.traffic import visit
from tests.waiting import eventually

pytestmark = pytest.mark.browser

FIRST_BYTES = 1_200_000
FIRST_REQUESTS = 30
SECOND_BYTES = 40_000
POLL = "_dash-update-component"
DOCUMENT = ""


@pytest.fixture
def visit_again(chromium, dashboard):
    """Visit a page again and again, in a browser that has seen nothing before.

    The whole browser, since its cache is judged.
    """
    browser = chromium.browser_type.launch(executable_path=CHROMIUM, args=FLAGS)
    context = browser.new_context(**DESKTOP)
    yield lambda path, **options: visit(context, dashboard.url + path, **options)
    browser.close()


def paths(one, dashboard):
    """The requested paths, without queries."""
    return [
        fetched.url.removeprefix(dashboard.url).partition("?")[0].strip("/")
        for fetched in one.fetched
    ]


def test_a_first_visit_is_small_and_a_second_asks_for_no_file(visit_again, dashboard):
    first, second = visit_again("/", awaited_file="/assets/favicon.ico"), visit_again("/")
    assert first.bytes < FIRST_BYTES
    assert len(first.fetched) <= FIRST_REQUESTS
    elsewhere = ("/dash_ag_grid/", "async-graph.js", "/plotly.min.js")
    assert not [path for path in paths(first, dashboard) if any(part in path for part in elsewhere)]
    assert second.bytes < SECOND_BYTES
    asked = paths(second, dashboard)
    # The document brings layout, callbacks, page and first answer.
    assert [path for path in asked if path != POLL] == [DOCUMENT]
    assert {fetched.status for one in (first, second) for fetched in one.fetched} == {200}


TABLE_CODE = "/dash_ag_grid/dash_ag_grid."
TABLE_IS_THERE = "document.querySelector('.ag-root .ag-header-cell-text') !== null"


def test_the_code_of_tables_is_loaded_with_the_first_table_and_kept(open_fresh_page):
    watched = open_fresh_page("/learn")
    loaded = []
    watched.page.on("request", lambda request: loaded.append(request.url))
    for name in ("Ports", "Load"):
        watched.follow(name).until(TABLE_IS_THERE)
    assert len([url for url in loaded if TABLE_CODE in url]) == 1
    watched.open("/ports").until(TABLE_IS_THERE)
    over_the_wire = watched.page.evaluate(
        "part => performance.getEntriesByType('resource')"
        ".filter(entry => entry.name.includes(part)).map(entry => entry.transferSize)",
        TABLE_CODE,
    )
    assert over_the_wire == [0]


def test_plotly_knows_the_type_of_each_trace(open_page, dashboard):
    """It draws a type that its bundle has not as a scatter, without a word."""
    address = f"http://127.0.0.1:{dashboard.port('wsgi')}/whoami"
    for _ in range(20):
        urllib.request.urlopen(address, timeout=10).close()
    # A graph out of sight has no data but those that its page came with: they are to be there.
    routes = "document.getElementById('latency-route-table')?.innerText"
    opened = open_page("/latency")
    opened.until(f"{routes}?.includes('/whoami')")
    seen = set()
    for name in ("Overview", "Requests", "Ports", "Host", "Load", "Latency"):
        page = opened.follow(name).page
        opened.until(
            "[...document.querySelectorAll('.live-graph')].filter(graph => graph.clientWidth)"
            ".every(graph => ['drawn', 'empty'].includes(graph.dataset.state))"
        )
        types = page.evaluate(
            "[...document.querySelectorAll('.live-graph-plot.js-plotly-plot')].flatMap(plot =>"
            " plot._fullData.map((trace, i) => [plot.data[i].type, trace.type]))"
        )
        assert [pair for pair in types if pair[0] != pair[1]] == []
        seen |= {asked for asked, _ in types}
    assert {"bar", "heatmap", "scatter"} <= seen


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/learn?last=15m&compare=before",
        "/learn?from=start&to=now",
        "/learn?from=1700000000&to=1700000060",
        "/learn?last=soon&from=2&to=1&host=%3C/script%3E",
    ],
)
def test_the_document_brings_the_view_that_the_address_names(open_page, address):
    page = open_page(address).page
    brought = "JSON.parse(document.getElementById('first-load').textContent).view"
    assert page.evaluate(f"servescope.view.begin({brought})")
    assert (
        page.evaluate(
            "performance.getEntriesByType('resource')"
            ".filter(entry => /_dash-(layout|dependencies)/.test(entry.name)).length"
        )
        == 0
    )


def test_a_graph_is_drawn_however_late_plotly_comes(open_fresh_page, two_runs):
    """Its component asks for the script that the document asks for, and draws when it is there."""
    opened = open_fresh_page("/hello-world")
    page, asked = opened.page, []

    def hold(route):
        asked.append(route)

    page.route("**/plotly*.min.js*", hold)
    first, second = two_runs
    page.goto(f"{opened.base}/runs/compare?a={first}&b={second}", wait_until="commit")
    scripts = page.locator("script[src*='plotly']")
    eventually(lambda: page.locator(".dash-graph").count() and scripts.count() == 2)
    sources = scripts.evaluate_all("scripts => scripts.map(script => script.src)")
    assert sources[0] == sources[1]
    for one in asked:
        one.continue_()
    page.locator(".dash-graph .main-svg").first.wait_for()


def test_a_bar_jumps_for_to_glide_costs_a_layout_a_frame(open_fresh_page):
    opened = open_fresh_page("/learn")  # a kept page prefers less motion: no bar glides there
    duration = "getComputedStyle(document.querySelector('#run-bar > div')).transitionDuration"
    assert opened.page.evaluate(duration) == "0s"

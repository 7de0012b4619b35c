"""A first visitor reads what this is, sees the listeners, and is told so once."""

import time
from contextlib import closing

import pytest

from servescope.records.load import LoadPlan
from tests.browser.conftest import PHONE
from tests.processes import eventually

pytestmark = pytest.mark.browser


LEGEND = """id => Object.fromEntries(
    [...document.querySelectorAll(`#${id}-legend .legend-item`)]
        .map(item => [item.dataset.name, item.querySelector("b").textContent]))"""


TICKS = (
    """id => [...document.querySelectorAll(`#${id} .ytick text`)].map(tick => tick.textContent)"""
)


def wait_legend(opened, graph, wanted):
    """Wait until each line of a graph's legend says what is wanted of it, and there is no other."""
    said = f"JSON.stringify(Object.entries(({LEGEND})('{graph}')))"
    opened.until(f"wanted => {said} === JSON.stringify(Object.entries(wanted))", wanted)


def wait_ticks(opened, graph, wanted):
    """Wait until a graph, in sight, is drawn with these ticks upwards."""
    opened.page.locator(f"#{graph}").scroll_into_view_if_needed()
    opened.until(
        f"wanted => JSON.stringify(({TICKS})('{graph}')) === JSON.stringify(wanted)", wanted
    )


def test_before_the_first_request_a_rate_is_0_a_duration_nothing_and_a_note_says_why(open_page):
    # The first test of the file: nobody has asked anything yet.
    opened = open_page("/").wait_drawn("overview-requests", "overview-latency")
    opened.wait_newer("overview-requests", 0)
    classes = ["2xx", "3xx", "4xx", "5xx"]
    wait_legend(opened, "overview-requests", dict.fromkeys(classes, "0 req/s"))
    percentiles = ["p50", "p95", "p99"]
    wait_legend(opened, "overview-latency", dict.fromkeys(percentiles, "—"))
    note = opened.page.locator("#overview-requests .live-graph-note")
    note.get_by_text("No requests in this span.").wait_for()
    opened.follow("Load").wait_drawn("load-rates")
    opened.wait_newer("load-rates", 0)
    lines = ["generator: finished", "generator: failed", "server: answered"]
    wait_legend(opened, "load-rates", dict.fromkeys(lines, "0 req/s"))
    opened.page.locator("#load-rates .live-graph-note").get_by_text("No load in this").wait_for()
    wait_ticks(opened, "load-rates", ["0"])  # 4 is no rate that there was
    opened.follow("Latency")
    wait_ticks(opened, "latency-stages", ["0"])
    wait_ticks(opened, "latency-distribution", ["0"])
    wait_ticks(opened, "latency-heat", ["0.1 ms", "1 ms", "10 ms", "100 ms"])


def test_two_lines_until_they_are_dismissed_for_good(open_page):
    opened = open_page("/").wait_drawn("overview-host")
    check_the_listeners_stand_above_the_fold(opened)
    told = opened.page.locator(".first-visit")
    assert "measures each request" in told.inner_text()
    assert "Try first" in told.inner_text()
    assert told.locator("p").bounding_box()["height"] < 60, "two lines"
    opened.page.get_by_role("button", name="Got it").click()
    told.wait_for(state="hidden")
    opened.page.reload()
    opened.until("document.querySelector('h1')")
    opened.wait_drawn("overview-host")
    assert not opened.page.locator(".first-visit").is_visible()


def check_the_listeners_stand_above_the_fold(opened):
    assert opened.page.locator(".first-visit").is_visible()
    opened.page.locator("#overview-listeners").get_by_text("asgi", exact=True).wait_for()
    box = opened.page.locator("#overview-listeners").bounding_box()
    assert box["y"] + box["height"] < 900
    assert opened.page.locator("#overview-listeners a").count() == 3


def test_no_button_is_named_that_a_load_run_hides(open_page, dashboard):
    with closing(dashboard.control) as control:
        run = control.load_runs.request(LoadPlan.constant("wsgi", "/", 5, 300), time.time())
        opened = open_page("/").wait_drawn("overview-host")
        told = opened.page.locator(".first-visit")
        try:
            told.get_by_text("how much of this machine the load takes").wait_for()
            assert not opened.page.get_by_role("button", name="Start demo load").is_visible()
            assert "Start demo load" not in told.inner_text()
        finally:
            control.load_runs.request_stop(run.id)
        eventually(lambda: control.load_runs.active() is None)
    told.get_by_text("Start demo load").wait_for()
    assert "the load takes" not in told.inner_text()


def test_the_time_bar_of_a_phone_is_two_rows_with_the_chosen_range_in_sight(open_page):
    opened = open_page("/?last=2y", PHONE).wait_drawn("overview-host")
    opened.until("document.getElementById('span-text').textContent.includes('The data begins')")
    check_the_controls_begin_where_the_text_begins(opened)
    assert opened.page.locator("#time-bar").bounding_box()["height"] <= 100
    ranges = opened.page.locator("#ranges").bounding_box()
    chosen = opened.page.locator("#range").get_by_text("2 y", exact=True).bounding_box()
    assert ranges["x"] <= chosen["x"]
    assert chosen["x"] + chosen["width"] <= ranges["x"] + ranges["width"] + 1
    mark = opened.page.locator("#range .mantine-SegmentedControl-indicator").bounding_box()
    assert abs(mark["x"] - chosen["x"]) < 12, "the mark scrolls with what it marks"
    pause = opened.page.locator("#pause").bounding_box()
    assert pause["x"] + pause["width"] <= 390
    assert min(pause["height"], ranges["height"]) >= 40, "a finger wants that much"


def check_the_controls_begin_where_the_text_begins(opened):
    left = opened.page.get_by_role("heading", name="Overview").bounding_box()["x"]
    button = opened.page.get_by_role("button", name="Start demo load").bounding_box()
    assert abs(button["x"] - left) < 1

"""A first visitor reads what this is, sees the listeners, and is told so once."""

import pytest

from tests.browser.conftest import PHONE

pytestmark = pytest.mark.browser


def test_two_lines_until_they_are_dismissed_for_good(open_page):
    opened = open_page("/").wait_drawn("overview-host")
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


def test_the_listeners_stand_above_the_fold(open_page):
    opened = open_page("/").wait_drawn("overview-host")
    assert opened.page.locator(".first-visit").is_visible()
    opened.page.locator("#overview-listeners").get_by_text("asgi", exact=True).wait_for()
    box = opened.page.locator("#overview-listeners").bounding_box()
    assert box["y"] + box["height"] < 900
    assert opened.page.locator("#overview-listeners a").count() == 3


def test_the_time_bar_of_a_phone_is_two_rows_with_the_chosen_range_in_sight(open_page):
    opened = open_page("/?last=2y", PHONE).wait_drawn("overview-host")
    opened.until("document.getElementById('span-text').textContent.includes('The data begins')")
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

"""The chapter Frameworks: a route that does not fit, and the hello-world app, live."""

from __future__ import annotations

import pytest

from servescope.chapters import frameworks
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_accessibility import found_in_both_schemes
from tests.browser.test_learn import says

pytestmark = pytest.mark.browser
CHAPTER = frameworks.CHAPTER
ADDRESS = f"/learn/{CHAPTER.name}"


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_by_keyboard_alone_a_status_is_guessed_and_the_app_is_seen_live(open_page, device):
    opened = open_page(ADDRESS, device)
    opened.wait_polls(1)
    page, keys = opened.page, opened.page.keyboard
    before = page.locator("#page").inner_text()
    assert "Theory" not in before
    assert CHAPTER.settings[0].because not in before
    page.get_by_label("200 OK").focus()
    keys.press("Space")
    keys.press("ArrowDown")  # 400 Bad Request
    page.get_by_role("button", name="Guess and watch").focus()
    keys.press("Enter")
    says(opened, "Guessed: 400 Bad Request. Theory: 404 Not Found. Measured: 404 Not Found.")
    says(opened, "GET /notes/seven HTTP/1.1")
    assert found_in_both_schemes(opened, "a chapter about frameworks") == []
    opened.until("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.locator("#chapter-result a", has_text="See this app live").focus()
    keys.press("Enter")
    opened.until("document.querySelector('h1').textContent === 'Hello, world'")
    page.get_by_label("Your name").focus()
    keys.type("Ada")
    page.get_by_text("Hello, Ada!").wait_for()
    assert found_in_both_schemes(opened, "/hello-world") == []
    edge = page.evaluate(
        "getComputedStyle(document.querySelector('.hello-world .dash-input-container'))"
        ".borderTopColor"
    )
    assert edge == "rgb(166, 167, 171)", "in the dark scheme the field shows where it is"


def test_the_request_stands_on_the_page_requests(open_page):
    opened = open_page(ADDRESS)
    opened.wait_polls(1)
    opened.page.get_by_label("404 Not Found").check()
    opened.page.get_by_role("button", name="Guess and watch").click()
    says(opened, "Guessed: 404 Not Found.")
    opened.page.locator("#chapter-result a", has_text="Requests").click()
    opened.wait_polls(3)  # a poll brings the listeners to choose from, and this one is gone
    assert "listener=learn" in opened.page.url
    opened.until("document.getElementById('page').innerText.includes('/notes/seven')")

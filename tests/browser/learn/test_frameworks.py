"""The chapter Frameworks: a route that does not fit, and the hello-world app, live."""

from __future__ import annotations

import pytest

from servescope.chapters import frameworks
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.learn.chapter_page import RESULT, ChapterPage
from tests.browser.test_accessibility import found_in_both_schemes

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_by_keyboard_alone_a_status_is_guessed_and_the_app_is_seen_live(open_page, device):
    chapter = ChapterPage(open_page, frameworks.CHAPTER, device)
    page, keys = chapter.page, chapter.page.keyboard
    page.get_by_label("200 OK").focus()
    keys.press("Space")
    keys.press("ArrowDown")  # 400 Bad Request
    page.get_by_role("button", name="Guess and watch").focus()
    keys.press("Enter")
    chapter.says("Guessed: 400 Bad Request. Theory: 404 Not Found. Measured: 404 Not Found.")
    chapter.says("GET /notes/seven HTTP/1.1")
    chapter.is_readable()
    page.locator(f"{RESULT} a", has_text="See this app live").focus()
    keys.press("Enter")
    chapter.opened.until("document.querySelector('h1').textContent === 'Hello, world'")
    page.get_by_label("Your name").focus()
    keys.type("Ada")
    page.get_by_text("Hello, Ada!").wait_for()
    assert found_in_both_schemes(chapter.opened, "/hello-world") == []
    edge = page.evaluate(
        "getComputedStyle(document.querySelector('.hello-world .dash-input-container'))"
        ".borderTopColor"
    )
    assert edge == "rgb(166, 167, 171)", "in the dark scheme the field shows where it is"


def test_the_request_stands_on_the_page_requests(open_page):
    chapter = ChapterPage(open_page, frameworks.CHAPTER)
    chapter.page.get_by_label("404 Not Found").check()
    chapter.guess_and_watch()
    chapter.says("Guessed: 404 Not Found.")
    chapter.follow("Requests")
    chapter.opened.wait_polls(3)  # a poll brings the listeners to choose from: this one is gone
    assert "listener=learn" in chapter.page.url
    chapter.opened.until("document.getElementById('page').innerText.includes('/notes/seven')")
    chapter.opened.until(
        "/[1-9]\\d* requests? in this span/.test(document.getElementById('page').innerText)"
    )

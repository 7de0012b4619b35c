"""The chapter Static files: the second response, and a video that the browser fetches in ranges."""

from __future__ import annotations

import pytest

from servescope.chapters import static_files
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_accessibility import found_in_both_schemes
from tests.browser.test_learn import says
from tests.waiting import eventually

pytestmark = pytest.mark.browser
CHAPTER = static_files.CHAPTER
ADDRESS = f"/learn/{CHAPTER.name}"
VIDEO = "document.querySelector('video')"


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_by_keyboard_alone_a_second_visit_is_guessed_and_seen_elsewhere(open_page, device):
    opened = open_page(ADDRESS, device)
    opened.wait_polls(1)
    page = opened.page
    before = page.locator("#page").inner_text()
    assert "Theory" not in before
    assert "304" not in before
    assert page.locator("video").count() == 0
    page.get_by_label("The second response has").focus()
    page.keyboard.type("500")
    page.keyboard.press("Enter")
    says(opened, "Theory: 0 bytes of content. Measured: 0 bytes of content.")
    says(opened, "HTTP/1.1 304 Not Modified")
    assert found_in_both_schemes(opened, "a chapter with a video") == []
    opened.until("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.locator("#chapter-result a", has_text="Requests").focus()
    page.keyboard.press("Enter")
    opened.until("document.getElementById('page').innerText.includes('/primes.txt')")


def test_the_video_is_played_by_range_requests_that_the_page_shows(open_page, dashboard):
    opened = open_page(ADDRESS)
    files = next(one for one in dashboard.control.listeners.statuses() if one.name == "files")
    opened.others = (files.url,)
    opened.wait_polls(1)
    asked = []
    opened.page.on("request", lambda one: asked.append(one) if ".webm" in one.url else None)
    opened.page.get_by_label("The second response has").fill("1")
    opened.page.get_by_role("button", name="Guess and watch").click()
    opened.page.locator("video").wait_for()
    opened.page.evaluate(f"{VIDEO}.play()")
    opened.until(f"{VIDEO}.currentTime > 0")
    opened.page.evaluate(f"{VIDEO}.currentTime = 20")
    opened.until(f"{VIDEO}.currentTime >= 20 && !{VIDEO}.seeking")
    log = "document.getElementById('chapter-video-log').innerText"
    opened.until(f"{log}.includes('GET /video/queue.webm') && {log}.includes('206')")
    ranges = [one.all_headers()["range"] for one in asked]
    assert ranges
    eventually(lambda: opened.page.locator("#chapter-video-log tbody tr").count() >= len(ranges))

"""The chapter Static files: the second response, and a video that the browser fetches in ranges."""

from __future__ import annotations

import urllib.request
from contextlib import closing

import pytest

from servescope.chapters import static_files
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.learn.chapter_page import RESULT, ChapterPage
from tests.waiting import eventually

pytestmark = pytest.mark.browser
VIDEO = "document.querySelector('video')"
LABELS_ARE_WHOLE = f"""() => {{
    const left = document.querySelector("{RESULT} svg.main-svg")?.getBoundingClientRect().left;
    const labels = [...document.querySelectorAll("{RESULT} .ytick text")];
    return labels.some(one => one.textContent === "100,000 B")
        && labels.every(one => one.getBoundingClientRect().left >= left);
}}"""


def is_range_captured(dashboard, url):
    """Whether the listener captures by now what a person has asked for."""
    asked = urllib.request.Request(f"{url}large/primes.txt", headers={"Range": "bytes=0-9"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        answer.read()
    with closing(dashboard.control) as control:
        return control.captures.newest().captured > 0


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_by_keyboard_alone_a_second_visit_is_guessed_and_seen_elsewhere(open_page, device):
    chapter = ChapterPage(open_page, static_files.CHAPTER, device)
    page = chapter.page
    assert "304" not in page.locator("#page").inner_text()
    assert page.locator("video").count() == 0
    page.get_by_label("The second response has").focus()
    page.keyboard.type("500")
    page.keyboard.press("Enter")
    chapter.says("Theory: 0 bytes of content. Measured: 0 bytes of content.")
    chapter.says("HTTP/1.1 304 Not Modified")
    page.locator(f"{RESULT} [role=img]").scroll_into_view_if_needed()
    chapter.opened.until(LABELS_ARE_WHOLE)
    chapter.is_readable()
    page.locator(f"{RESULT} a", has_text="Requests").focus()
    page.keyboard.press("Enter")
    chapter.opened.until("document.getElementById('page').innerText.includes('/primes.txt')")


def test_the_video_is_played_by_range_requests_that_the_page_shows(open_page, dashboard):
    chapter = ChapterPage(open_page, static_files.CHAPTER)
    opened, page = chapter.opened, chapter.page
    with closing(dashboard.control) as control:
        files = next(one for one in control.listeners.statuses() if one.name == "files")
    opened.others = (files.url,)
    asked = []
    page.on("request", lambda one: asked.append(one) if ".webm" in one.url else None)
    page.get_by_label("The second response has").fill("1")
    chapter.guess_and_watch()
    page.locator("video").wait_for()
    page.get_by_role("button", name="Capture the ranges").click()
    page.get_by_text("the next 20 requests for a range").wait_for()
    assert eventually(lambda: is_range_captured(dashboard, files.url), step=1)
    eventually(lambda: page.locator("video").count() == 1)
    page.evaluate(f"{VIDEO}.play()")
    opened.until(f"{VIDEO}.currentTime > 0")
    page.evaluate(f"{VIDEO}.currentTime = 20")
    opened.until(f"{VIDEO}.currentTime >= 20 && !{VIDEO}.seeking")
    log = "document.getElementById('chapter-video-log').innerText"
    opened.until(f"{log}.includes('GET /video/queue.webm') && {log}.includes('206')")
    ranges = [one.all_headers()["range"] for one in asked]
    assert ranges
    opened.until(f"/bytes=\\d+-\\d*, bytes \\d+-\\d+\\/\\d+/.test({log})")
    eventually(lambda: page.locator("#chapter-video-log tbody tr").count() >= len(ranges))

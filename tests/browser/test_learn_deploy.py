"""The chapter Deploy: a worker of a real gunicorn is killed, and the page shows what was lost."""

from __future__ import annotations

import pytest

from servescope.chapters import deploy
from tests.browser.chapter_page import ChapterPage
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_accessibility import found_in_both_schemes
from tests.browser.test_learn import says

pytestmark = pytest.mark.browser
CHAPTER = deploy.CHAPTER
ADDRESS = f"/learn/{CHAPTER.name}"


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_one_request_is_lost_with_its_worker(open_page, device):
    opened = open_page(ADDRESS, device)
    opened.wait_polls(1)
    page = opened.page
    before = page.locator("#page").inner_text()
    assert "Theory" not in before
    assert CHAPTER.settings[0].because not in before
    page.get_by_label("Requests that fail").fill("3")
    page.get_by_role("button", name="Guess and watch").click()
    says(opened, "Guessed: 3 of 6. Theory: 1 of 6. Measured: 1 of 6.")
    says(opened, "was sent SIGKILL")
    assert found_in_both_schemes(opened, "a chapter with a log") == []
    opened.until("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.locator("#chapter-result a", has_text="Requests").click()
    opened.until("(document.getElementById('page').innerText.match(/GET/g) || []).length >= 5")


def test_a_proxy_keeps_a_slow_client_from_the_worker_and_shows_its_bytes(open_page):
    chapter = ChapterPage(open_page, CHAPTER, PHONE)
    chapter.choose("sending-proxy")
    chapter.page.get_by_label("The laptop has its report after").fill("3")
    chapter.guess_and_watch()
    chapter.says("Guessed: 3 s. Theory: 1 s. Measured: 1")
    chapter.says(CHAPTER.setting("sending-proxy").because)
    chapter.says("X-Forwarded-For: 127.0.0.3")
    chapter.is_readable()

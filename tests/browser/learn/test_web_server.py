"""A page opened: as many requests as it takes, byte by byte, and each in the request log."""

from __future__ import annotations

import pytest

from servescope.chapters import web_server
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.learn.chapter_page import ChapterPage

pytestmark = pytest.mark.browser
COUNTED = "document.getElementById('view-requests')?.textContent.startsWith('7 requests')"


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_page_takes_a_request_for_each_of_its_files(open_page, device):
    chapter = ChapterPage(open_page, web_server.CHAPTER, device)
    chapter.page.get_by_label("The server gets").fill("1")
    chapter.guess_and_watch()
    chapter.says("Guessed: 1 request. Theory: 7 requests. Measured: 7 requests.")
    chapter.says("GET /welcome/ HTTP/1.1")
    chapter.says("GET /images/queue.gif: 200 OK, 150,922 bytes of content")
    chapter.is_readable()
    chapter.follow("Requests")
    chapter.opened.until("document.getElementById('page').innerText.includes('/welcome')")
    chapter.opened.until(COUNTED)
    chapter.page.go_back()
    chapter.says("Measured: 7 requests.")
    chapter.follow("Latency")
    chapter.opened.until(COUNTED)
    chapter.opened.until("document.getElementById('page').innerText.includes('queue.gif')")

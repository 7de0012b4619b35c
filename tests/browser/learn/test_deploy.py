"""The chapter Deploy: a worker of a real gunicorn is killed, and the page shows what was lost."""

from __future__ import annotations

import pytest

from servescope.chapters import deploy
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.learn.chapter_page import ChapterPage

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_one_request_is_lost_with_its_worker(open_page, device):
    chapter = ChapterPage(open_page, deploy.CHAPTER, device)
    chapter.page.get_by_label("Requests that fail").fill("3")
    chapter.guess_and_watch()
    chapter.says("Guessed: 3 of 6. Theory: 1 of 6. Measured: 1 of 6.")
    chapter.says("was sent SIGKILL")
    chapter.is_readable()
    chapter.follow("Requests")
    chapter.opened.until(
        "(document.getElementById('page').innerText.match(/GET/g) || []).length >= 5"
    )


def test_a_proxy_keeps_a_slow_client_from_the_worker_and_shows_its_bytes(open_page):
    chapter = ChapterPage(open_page, deploy.CHAPTER, PHONE)
    chapter.choose("sending-proxy")
    chapter.page.get_by_label("The laptop has its report after").fill("3")
    chapter.guess_and_watch()
    chapter.says("Guessed: 3 s. Theory: 1 s. Measured: ")
    chapter.says(deploy.CHAPTER.setting("sending-proxy").because)
    chapter.says("X-Forwarded-For: 127.0.0.3")
    chapter.is_readable()

"""A request guessed at, and one written by hand: the answer, its rule, and the request log."""

from __future__ import annotations

import pytest

from servescope.chapters import request_and_answer
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.learn.chapter_page import ChapterPage

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_guessed_status_is_followed_by_the_answer_and_its_rule(open_page, device):
    chapter = ChapterPage(open_page, request_and_answer.CHAPTER, device)
    chapter.choose("delete")
    chapter.opened.until(
        "document.getElementById('chapter-text').value.startsWith('DELETE /README.txt')"
    )
    chapter.page.get_by_label("403 Forbidden").check()
    chapter.guess_and_watch()
    chapter.says("Guessed: 403 Forbidden. Theory: 405 Method Not Allowed.")
    chapter.says("Measured: 405 Method Not Allowed.")
    chapter.says("RFC 9110 section 15.5.6")
    chapter.is_readable()
    chapter.follow("Requests")
    chapter.opened.until("document.getElementById('page').innerText.includes('405')")


def test_a_request_is_written_and_sent_by_keyboard_alone(open_page):
    chapter = ChapterPage(open_page, request_and_answer.CHAPTER, DESKTOP)
    keyboard = chapter.page.keyboard
    chapter.page.locator("#chapter-text").focus()
    keyboard.press("Control+A")
    keyboard.type("GET / HTTP/9.9\nHost: localhost\n\n")
    keyboard.press("Tab")
    keyboard.press("Space")
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    chapter.says("Guessed: 400 Bad Request. Measured: 505 HTTP Version Not Supported.")
    chapter.says("RFC 9110 section 15.6.6")

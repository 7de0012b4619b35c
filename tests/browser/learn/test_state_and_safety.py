"""State and safety: a cookie that is read, and what HTTPS hides."""

from __future__ import annotations

import pytest

from servescope.chapters import state_and_safety
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.learn.chapter_page import ChapterPage

pytestmark = pytest.mark.browser
CHAPTER = state_and_safety.CHAPTER


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_login_by_keys_alone_shows_the_name_in_the_cookie(open_page, device):
    chapter = ChapterPage(open_page, CHAPTER, device)
    page = chapter.page
    page.get_by_label("The name to log in with").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("Grace")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.get_by_role("button", name="Guess and watch").focus()
    page.keyboard.press("Enter")
    chapter.says("Guessed: in the memory of the server")
    chapter.says("Measured: in the cookie: everyone who has it can read it, but not change it.")
    chapter.says('The cookie says {"name":"Grace"')
    chapter.is_readable()
    chapter.follow("Requests")
    chapter.opened.until("document.getElementById('page').innerText.includes('/login')")


def test_nothing_of_three_can_be_read_within_tls(open_page):
    chapter = ChapterPage(open_page, CHAPTER, PHONE)
    chapter.choose("https")
    chapter.page.get_by_label("Can be read on the way").fill("1")
    chapter.guess_and_watch()
    chapter.says("Guessed: 1 of 3. Theory: 0 of 3. Measured: 0 of 3.")
    chapter.is_readable()
    chapter.page.reload()
    chapter.says("Guessed: 1 of 3.")
    assert chapter.page.locator("#chapter-setting").input_value() == "On the wire: HTTPS"
    asked = CHAPTER.setting("https").question.text
    assert chapter.page.locator("#chapter-question").inner_text() == asked

"""The chapter WSGI: a choice, the seven steps with the real environ, an app that a person edits."""

from __future__ import annotations

import pytest

from servescope.chapters import wsgi
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.learn.chapter_page import ChapterPage
from tests.processes import Dashboards

pytestmark = pytest.mark.browser
CHAPTER = wsgi.CHAPTER
ALLOWED_BY = "SERVESCOPE_EDITED_APPS=true"


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_seven_steps_are_shown_after_a_guess(open_page, device):
    chapter = ChapterPage(open_page, CHAPTER, device)
    waits = chapter.page.locator(".panel .number", has_text="100 ms").first
    assert waits.evaluate("one => getComputedStyle(one).whiteSpace") == "nowrap"
    chapter.page.get_by_label("when the app calls start_response").check()
    chapter.guess_and_watch()
    chapter.says("Theory: when the app gives the first piece of the page. Measured: when the app")
    for said in ("1. Load", "4. Environ", "QUERY_STRING = from=Learn", "7. Transmit"):
        chapter.says(said)
    chapter.is_readable()
    chapter.follow("Requests")
    chapter.opened.until("document.getElementById('page').innerText.includes('/hello?from=Learn')")


def test_an_edited_app_is_off_and_the_page_says_which_setting_allows_it(open_page):
    chapter = ChapterPage(open_page, CHAPTER)
    chapter.choose("edited")
    chapter.page.locator("#chapter-text-place").get_by_text(ALLOWED_BY).wait_for()
    assert not chapter.page.locator("#chapter-text").is_editable()
    chapter.page.get_by_label("when the app has given the last piece").check()
    chapter.guess_and_watch()
    chapter.page.locator("#chapter-answer").get_by_text(ALLOWED_BY).wait_for()


@pytest.fixture(scope="module")
def edits(tmp_path_factory):
    dashboards = Dashboards(tmp_path_factory.mktemp("edits"))
    yield dashboards(EDITED_APPS="true")
    dashboards.end()


def test_an_app_is_edited_and_called_where_the_setting_allows_it(open_page, edits):
    chapter = ChapterPage(open_page, CHAPTER, base=edits.url)
    chapter.choose("edited")
    text = chapter.page.get_by_label("The app, a Python module")
    text.fill(
        "def app(environ, start_response):\n"
        "    start_response('418 I am a teapot', [('Content-Type', 'text/plain')])\n"
        "    return [b'short and stout']\n"
    )
    chapter.page.get_by_label("when the app has given the last piece").check()
    chapter.guess_and_watch()
    chapter.says("Guessed: when the app has given the last piece. Measured: when the app gives")
    chapter.says("HTTP/1.1 418 I am a teapot")
    chapter.says("short and stout")

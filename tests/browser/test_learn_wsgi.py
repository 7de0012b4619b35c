"""The chapter WSGI: a choice, the seven steps with the real environ, an app that a person edits."""

from __future__ import annotations

import pytest

from servescope.chapters import wsgi
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_accessibility import found_in_both_schemes
from tests.browser.test_learn import says
from tests.processes import Dashboards

pytestmark = pytest.mark.browser
CHAPTER = wsgi.CHAPTER
ADDRESS = f"/learn/{CHAPTER.name}"
ALLOWED_BY = "SERVESCOPE_EDITED_APPS=true"


def choose(opened, label):
    opened.page.locator("#chapter-setting").click()
    opened.page.get_by_role("option", name=label).click()


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_seven_steps_are_shown_after_a_guess(open_page, device):
    opened = open_page(ADDRESS, device)
    opened.wait_polls(1)
    page = opened.page
    before = page.locator("#page").inner_text()
    assert "Theory" not in before
    assert CHAPTER.settings[0].because not in before
    page.get_by_label("when the app calls start_response").check()
    page.get_by_role("button", name="Guess and watch").click()
    says(opened, "Theory: when the app gives the first piece of the page. Measured: when the app")
    for said in ("1. Load", "4. Environ", "QUERY_STRING = from=Learn", "7. Transmit"):
        says(opened, said)
    assert found_in_both_schemes(opened, "a chapter with steps") == []
    opened.until("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.locator("#chapter-result a", has_text="Requests").click()
    opened.until("document.getElementById('page').innerText.includes('/hello?from=Learn')")


def test_an_edited_app_is_off_and_the_page_says_which_setting_allows_it(open_page):
    opened = open_page(ADDRESS)
    opened.wait_polls(1)
    choose(opened, "An app that you change")
    opened.page.locator("#chapter-text-place").get_by_text(ALLOWED_BY).wait_for()
    assert not opened.page.locator("#chapter-text").is_editable()
    opened.page.get_by_label("when the app has given the last piece").check()
    opened.page.get_by_role("button", name="Guess and watch").click()
    opened.page.locator("#chapter-answer").get_by_text(ALLOWED_BY).wait_for()


@pytest.fixture(scope="module")
def edits(tmp_path_factory):
    dashboards = Dashboards(tmp_path_factory.mktemp("edits"))
    yield dashboards(EDITED_APPS="true")
    dashboards.end()


def test_an_app_is_edited_and_called_where_the_setting_allows_it(open_page, edits):
    opened = open_page(ADDRESS, base=edits.url)
    opened.wait_polls(1)
    choose(opened, "An app that you change")
    text = opened.page.get_by_label("The app, a Python module")
    text.fill(
        "def app(environ, start_response):\n"
        "    start_response('418 I am a teapot', [('Content-Type', 'text/plain')])\n"
        "    return [b'short and stout']\n"
    )
    opened.page.get_by_label("when the app has given the last piece").check()
    opened.page.get_by_role("button", name="Guess and watch").click()
    says(opened, "Guessed: when the app has given the last piece. Measured: when the app gives")
    says(opened, "HTTP/1.1 418 I am a teapot")
    says(opened, "short and stout")

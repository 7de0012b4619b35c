"""Queues and load: a curve that is drawn, and a count."""

from __future__ import annotations

import pytest

from servescope.chapters import queues_and_load
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.learn.chapter_page import ChapterPage

pytestmark = pytest.mark.browser
CHAPTER = queues_and_load.CHAPTER


def test_a_curve_drawn_by_keys_alone_stands_beside_theory_and_measurement(open_page):
    chapter = ChapterPage(open_page, CHAPTER, DESKTOP)
    page = chapter.page
    page.locator("#chapter-curve input").first.focus()
    for _ in queues_and_load.LEVELS:
        page.keyboard.press("PageUp")
        page.keyboard.press("Tab")
    page.get_by_role("button", name="Guess and watch").focus()
    page.keyboard.press("Enter")
    chapter.says("Guessed: 16, 16, 16, 16, 16, 16, 16, 16, 16 ms. Theory: 20, 21.5, 24.8,")
    chapter.says("The place where the curve bends upwards is called its knee.")
    chapter.opened.until(
        "document.querySelectorAll('#chapter-result .js-plotly-plot .points path').length === 9"
    )
    chapter.is_readable()
    chapter.follow("Requests")
    chapter.opened.until("document.getElementById('page').innerText.includes('/serve')")


def test_a_setting_with_another_question_is_guessed_by_a_number(open_page):
    chapter = ChapterPage(open_page, CHAPTER, PHONE)
    chapter.choose("count")
    chapter.page.get_by_label("With the server are, on average").fill("3")
    assert CHAPTER.setting("count").question.text in chapter.page.locator("#page").inner_text()
    kept = chapter.page.locator("#chapter-question .number")
    assert kept.all_inner_texts() == ["60 ms"]
    assert kept.evaluate("one => getComputedStyle(one).whiteSpace") == "nowrap"
    chapter.guess_and_watch()
    chapter.says("Guessed: 3 requests. Theory: 2.4 requests. Measured: ")
    chapter.is_readable()

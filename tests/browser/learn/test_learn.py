"""A person guesses, has the server do it, and reads guess, theory and measurement."""

from __future__ import annotations

import re

import pytest

from servescope.chapters import CHAPTERS, accept_queue, more_than_one_request, request_and_answer
from servescope.records.experiments import ExperimentPlan
from servescope.records.load import RunState
from tests.browser.conftest import DESKTOP, FITS, PHONE
from tests.browser.learn.chapter_page import (
    RESULT,
    SECONDS,
    ChapterPage,
    address,
    is_silent_about_the_answer,
    says,
)
from tests.browser.test_accessibility import found_in_both_schemes
from tests.processes import eventually

pytestmark = pytest.mark.browser
CHAPTER = more_than_one_request.CHAPTER
LABELS_WITHOUT_ROOM = """labels => {
    const field = document.getElementById("chapter-setting"), style = getComputedStyle(field);
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = style.font;
    const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return labels.filter(one => pen.measureText(one).width > room);
}"""


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_guess_is_followed_by_theory_and_measurement(open_page, device):
    opened = open_page("/learn", device)
    assert found_in_both_schemes(opened, "/learn") == []
    opened.page.get_by_role("link", name=CHAPTER.title).click()
    opened.until("document.querySelector('h1').textContent.startsWith('8. ')")
    page = opened.page
    assert is_silent_about_the_answer(opened, CHAPTER)
    page.get_by_role("button", name="Guess and watch").click()
    page.locator("#chapter-answer").get_by_text("Guess first").wait_for()
    assert is_silent_about_the_answer(opened, CHAPTER)
    page.get_by_label("The last one has the page after").fill("400")
    page.get_by_role("button", name="Guess and watch").click()
    says(opened, "Guessed: 400 ms. Theory: 800 ms. Measured: ")
    says(opened, CHAPTER.settings[0].because)
    assert found_in_both_schemes(opened, "a chapter with a result") == []
    opened.until(f"document.querySelectorAll('{RESULT} .js-plotly-plot .points path').length >= 16")
    opened.until(FITS)
    shared = page.url
    assert re.search(r"\?experiment=\d+", shared)
    page.get_by_role("link", name="All chapters").click()
    page.get_by_text("tried").wait_for()
    page.evaluate("localStorage.clear(), sessionStorage.clear()")  # as in another browser
    opened.open(shared.removeprefix(opened.base))
    says(opened, "Guessed: 400 ms.")


def test_a_shared_result_opens_with_its_setting_and_its_text(open_page, dashboard):
    """The question stands in the form again, in any browser; the guess does not."""
    chapter, setting = request_and_answer.CHAPTER, request_and_answer.CHAPTER.setting("query")
    text = "GET /whoami?name=Grace HTTP/1.1\nHost: localhost\nConnection: close\n\n"
    control = dashboard.control
    number = control.experiments.request(
        ExperimentPlan(chapter.name, setting.name, "200", text), 0.0
    ).id
    eventually(lambda: control.experiments.by_id(number).is_over, SECONDS)
    control.close()
    opened = open_page(f"{address(chapter)}?experiment={number}")
    says(opened, f"Experiment {number}: {setting.label}, with another text")
    page = opened.page
    assert page.locator("#chapter-setting").input_value() == setting.label
    assert page.locator("#chapter-text").input_value() == text
    assert page.locator("#chapter-guess-place input:checked").count() == 0


def test_a_phone_shows_the_whole_label_of_each_setting(open_page):
    labels = [one.label for chapter in CHAPTERS for one in chapter.settings]
    opened = open_page(address(CHAPTER), PHONE)
    opened.page.locator("#chapter-setting").wait_for()
    assert opened.page.evaluate(LABELS_WITHOUT_ROOM, labels) == []


def test_the_navigation_says_that_a_chapter_is_a_page_of_learn(open_page):
    opened = open_page(address(CHAPTER))
    opened.page.locator("nav a[data-active]", has_text="Learn").wait_for()
    assert opened.page.locator("nav a[data-active]").count() == 1


def test_a_chapter_is_done_by_keyboard_alone_and_its_span_stands_elsewhere(open_page):
    chapter = ChapterPage(open_page, CHAPTER)
    page = chapter.page
    page.get_by_label("The last one has the page after").focus()
    page.keyboard.type("100")
    page.keyboard.press("Enter")
    chapter.says("Guessed: 100 ms.")
    page.locator(f"{RESULT} a", has_text="Requests").focus()
    page.keyboard.press("Enter")
    chapter.opened.until("document.querySelector('h1').textContent === 'Requests'")
    chapter.opened.until(
        "document.getElementById('page').innerText.includes('/slow?ms=100')", seconds=SECONDS
    )


def test_a_second_browser_waits_and_a_closed_page_leaves_nothing_behind(open_page, dashboard):
    """The page goes at once: its experiment ends by itself, within its 60 s."""
    first = ChapterPage(open_page, accept_queue.CHAPTER, DESKTOP)
    first.page.get_by_label("Connected, and waiting in the queue").fill("4")
    first.guess_and_watch()
    first.says("Experiment ")
    second = open_page(address(CHAPTER))
    second.wait_polls(1)
    second.page.get_by_label("The last one has the page after").fill("100")
    control = dashboard.control
    if control.experiments.active() is not None:  # else this machine was too slow to see it
        second.page.get_by_role("button", name="Guess and watch").click()
        answer = second.page.locator("#chapter-answer")
        answer.get_by_text("wait for its end, 60 s at most").wait_for()
    first.page.close()
    eventually(lambda: control.experiments.active() is None, SECONDS)
    eventually(lambda: not any(one.is_temporary for one in control.listeners.statuses()), SECONDS)
    control.close()


def test_a_button_pressed_at_once_takes_what_the_field_shows(open_page):
    """The field's component tells Dash by a timer, so this press comes before it."""
    chapter = ChapterPage(open_page, CHAPTER)
    chapter.page.evaluate(
        """() => {
        const field = document.getElementById("chapter-guess");
        const native = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
        native.set.call(field, "250");
        field.dispatchEvent(new Event("input", { bubbles: true }));
        document.getElementById("chapter-start").click();
        }"""
    )
    chapter.says("Guessed: 250 ms.")


def test_an_address_of_no_experiment_says_so(open_page):
    opened = open_page(f"{address(CHAPTER)}?experiment=999")
    says(opened, "This dashboard has no experiment 999 of this chapter.")


def test_an_experiment_that_failed_says_why(open_page, dashboard):
    control = dashboard.control
    plan = ExperimentPlan(CHAPTER.name, CHAPTER.settings[0].name, 5.0)
    number = control.experiments.request(plan, 0.0).id
    eventually(lambda: control.experiments.by_id(number).is_over, SECONDS)
    control.experiments.end(number, RunState.FAILED, 1.0, message="the server did not start")
    control.close()
    opened = open_page(f"{address(CHAPTER)}?experiment={number}")
    says(opened, "The server did not start.")

"""A chapter in the browser: what its page says before a guess, and after it."""

from __future__ import annotations

from tests.browser.conftest import DESKTOP, FITS
from tests.browser.test_accessibility import found_in_both_schemes

RESULT = "#chapter-result"
SECONDS = 90


def address(chapter):
    return f"/learn/{chapter.name}"


def says(opened, text):
    """Wait until the result on a chapter's page has a text."""
    opened.until(
        "([id, text]) => document.querySelector(id)?.innerText.includes(text)",
        [RESULT, text],
        SECONDS,
    )


def is_silent_about_the_answer(opened, chapter):
    told = opened.page.locator("#page").inner_text()
    answers = ["Theory", *(one.because for one in chapter.settings), *chapter.after]
    return not any(isinstance(one, str) and one in told for one in answers)


class ChapterPage:
    """A chapter's page, opened; that it tells nothing of an answer is checked at once."""

    def __init__(self, open_page, chapter, device=DESKTOP, base=None):
        self.chapter = chapter
        self.opened = open_page(address(chapter), device, base)
        self.page = self.opened.page
        self.opened.wait_polls(1)
        assert chapter.question in self.page.locator("#page").inner_text()
        assert is_silent_about_the_answer(self.opened, chapter)

    def choose(self, setting):
        """Turn the knob."""
        self.page.locator("#chapter-setting").click()
        self.page.get_by_role("option", name=self.chapter.setting(setting).label).click()

    def guess_and_watch(self):
        self.page.get_by_role("button", name="Guess and watch").click()

    def says(self, text):
        says(self.opened, text)

    def is_readable(self):
        """No fault of accessibility in light and dark, and nothing beside the screen."""
        assert found_in_both_schemes(self.opened, "a chapter with a result") == []
        self.opened.until(FITS)

    def follow(self, page):
        """Go to another page with the experiment's span."""
        self.page.locator(f"{RESULT} a", has_text=page).click()
        self.opened.until("name => document.querySelector('h1').textContent.startsWith(name)", page)
        self.opened.until("window.scrollY === 0")  # a page begins at its beginning

"""A chapter in the browser: what its page says before a guess, and after it."""

from __future__ import annotations

from tests.browser.test_accessibility import found_in_both_schemes

RESULT = "#chapter-result"
SECONDS = 90


class ChapterPage:
    """A chapter's page, opened; that it tells nothing of an answer is checked at once."""

    def __init__(self, open_page, chapter, device):
        self.chapter = chapter
        self.opened = open_page(f"/learn/{chapter.name}", device)
        self.page = self.opened.page
        self.opened.wait_polls(1)
        told = self.page.locator("#page").inner_text()
        assert chapter.question in told
        assert "Theory" not in told
        answers = [*(one.because for one in chapter.settings), *chapter.after]
        assert not any(isinstance(one, str) and one in told for one in answers)

    def choose(self, setting):
        """Turn the knob."""
        self.page.locator("#chapter-setting").click()
        self.page.get_by_role("option", name=self.chapter.setting(setting).label).click()

    def guess_and_watch(self):
        self.page.get_by_role("button", name="Guess and watch").click()

    def says(self, text):
        self.opened.until(
            "([id, text]) => document.querySelector(id)?.innerText.includes(text)",
            [RESULT, text],
            SECONDS,
        )

    def is_readable(self):
        """No fault of accessibility in light and dark, and nothing beside the screen."""
        assert found_in_both_schemes(self.opened, "a chapter with a result") == []
        self.opened.until(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )

    def follow(self, page):
        """Go to another page with the experiment's span."""
        self.page.locator(f"{RESULT} a", has_text=page).click()
        self.opened.until("name => document.querySelector('h1').textContent === name", page)

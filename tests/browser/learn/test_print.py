"""A chapter with its result on paper: what is read, whole and light; nothing that is pressed."""

from __future__ import annotations

import pytest

from servescope.chapters import accept_queue
from tests.browser.conftest import DESKTOP
from tests.browser.learn.chapter_page import ChapterPage

pytestmark = pytest.mark.browser
HIDDEN = ("#chapter-start", ".mantine-AppShell-header", ".mantine-AppShell-navbar", ".help-mark")
SCHEME = "document.documentElement.getAttribute('data-mantine-color-scheme')"
PLOT_WIDTH = "document.querySelector('#chapter-result .main-svg')?.getBoundingClientRect().width"


def test_a_result_is_printed_whole_and_the_screen_is_as_before(open_page):
    device = DESKTOP | {"color_scheme": "dark"}
    chapter = ChapterPage(open_page, accept_queue.CHAPTER, device)
    page = chapter.page
    page.get_by_label("Connected, and waiting in the queue").fill("5")
    chapter.guess_and_watch()
    chapter.says("Measured: 5 of 12 clients.")
    chapter.opened.until(f"{PLOT_WIDTH} > 700")
    page.evaluate(
        f"""() => window.addEventListener('beforeprint', () => {{
            window.printed = {{ scheme: {SCHEME}, hasTable: document.querySelector(
                '#chapter-result details').open }};
        }})"""
    )
    assert page.pdf(format="A4").startswith(b"%PDF")
    assert page.evaluate("window.printed") == {"scheme": "light", "hasTable": True}
    chapter.opened.until(f"{SCHEME} === 'dark' && {PLOT_WIDTH} > 700")
    assert not page.evaluate("document.querySelector('#chapter-result details').open")

    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    for hidden in HIDDEN:
        assert not page.locator(hidden).first.is_visible(), hidden
    for shown in ("h1", ".chapter-question", ".chapter-steps pre", "#chapter-result .main-svg"):
        assert page.locator(shown).first.is_visible(), shown
    chapter.opened.until(f"{PLOT_WIDTH} === 680")
    assert not page.evaluate(
        "[...document.querySelectorAll('.chapter-steps pre')]"
        ".some(one => one.scrollHeight > one.clientHeight)"
    )
    address = page.evaluate(
        "getComputedStyle(document.getElementById('chapter-result'), '::after').content"
    )
    assert f"/learn/{accept_queue.CHAPTER.name}?experiment=" in address
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen", color_scheme="dark")
    chapter.opened.until(f"{SCHEME} === 'dark' && {PLOT_WIDTH} > 700")

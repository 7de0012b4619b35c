"""Clients that nobody accepts: guessed, watched, and found again in the graph of the page Ports."""

from __future__ import annotations

import pytest

from servescope.chapters import accept_queue
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.learn.chapter_page import RESULT, ChapterPage

pytestmark = pytest.mark.browser
DEEPEST = """() => (document.querySelector('#ports-queues .live-graph-plot')?.data || [])
    .filter(trace => trace.name.startsWith('learn waiting'))
    .map(trace => Math.max(...Array.from(trace.customdata || trace.y || [])))"""

MARKS_ARE_ABOVE_LABELS = f"""() => {{
    const of = name => [...document.querySelectorAll(`{RESULT} ${{name}}`)]
        .map(one => one.getBoundingClientRect());
    const marks = of(".scatterlayer .points path"), labels = of(".xtick text");
    return marks.length === 4 && labels.length === 4
        && Math.max(...marks.map(one => one.bottom)) <= Math.min(...labels.map(one => one.top));
}}"""


def test_of_clients_that_are_refused_nothing_is_said_of_a_request(open_page):
    chapter = ChapterPage(open_page, accept_queue.CHAPTER)
    chapter.choose("nobody-listens")
    question = chapter.chapter.setting("nobody-listens").question.text
    chapter.opened.until(
        "text => document.getElementById('chapter-question').innerText === text", question
    )
    chapter.page.get_by_label("Connected, and waiting in the queue").fill("0")
    chapter.guess_and_watch()
    chapter.says("0 got a connection, 0 got no answer, and 12 were refused.")
    told = chapter.page.locator(RESULT).inner_text()
    assert "The first client" not in told
    assert "The kernel counted" not in told, "where nobody listens there is no queue"
    chapter.page.locator(f"{RESULT} [role=img]").scroll_into_view_if_needed()
    chapter.opened.until(MARKS_ARE_ABOVE_LABELS)


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_as_many_wait_as_the_gauge_shows_on_the_page_ports(open_page, device):
    chapter = ChapterPage(open_page, accept_queue.CHAPTER, device)
    chapter.page.get_by_label("Connected, and waiting in the queue").fill("4")
    chapter.guess_and_watch()
    chapter.says("Guessed: 4 of 12 clients. Theory: 5 of 12 clients. Measured: 5 of 12 clients.")
    chapter.says("The first client sent its request before the server had accepted")
    chapter.says("The kernel counted 5 connections in the accept queue.")
    chapter.is_readable()
    chapter.follow("Ports")
    chapter.opened.wait_drawn("ports-queues")
    chapter.opened.until(f"JSON.stringify(({DEEPEST})()) === '[5]'")
    mark = chapter.opened.page.locator(".event-loads a", has_text=accept_queue.CHAPTER.title).first
    chapter.opened.page.locator(".event-filter summary").click()
    mark.click()
    chapter.says("Guessed: 4 of 12 clients.")

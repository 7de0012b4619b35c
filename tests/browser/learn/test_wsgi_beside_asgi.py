"""WSGI beside ASGI: streams on threads, and a WebSocket with a message of one's own."""

from __future__ import annotations

import pytest

from servescope.chapters import wsgi_beside_asgi
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.learn.chapter_page import ChapterPage

pytestmark = pytest.mark.browser
CHAPTER = wsgi_beside_asgi.CHAPTER


def test_four_threads_serve_four_of_the_streams(open_page):
    chapter = ChapterPage(open_page, CHAPTER, PHONE)
    chapter.page.get_by_label("Clients with an event").fill("12")
    chapter.guess_and_watch()
    chapter.says("Guessed: 12 of 12. Theory: 4 of 12. Measured: 4 of 12.")
    chapter.is_readable()
    chapter.follow("Requests")
    chapter.opened.until("document.getElementById('page').innerText.includes('/events')")


def test_the_frames_of_a_message_of_ones_own(open_page):
    chapter = ChapterPage(open_page, CHAPTER, DESKTOP)
    chapter.choose("frames")
    chapter.page.get_by_label("The client's message").fill("hello, world")
    chapter.page.get_by_label("The client sends").fill("12")
    chapter.guess_and_watch()
    chapter.says("Guessed: 12 bytes. Measured: 18 bytes.")
    chapter.says("81 0c 68 65 6c 6c 6f 2c 20 77 6f 72 6c 64")
    chapter.is_readable()

"""A taken port: guessed, refused by the kernel, and moved on from."""

from __future__ import annotations

import pytest

from servescope.chapters import ports
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.learn.chapter_page import ChapterPage

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_port_that_is_taken_is_refused_and_the_next_one_serves(open_page, device):
    chapter = ChapterPage(open_page, ports.CHAPTER, device)
    chapter.page.get_by_label("gets the port, and the first server is cut off").check()
    chapter.guess_and_watch()
    chapter.says("Theory: is refused. Measured: is refused.")
    chapter.says("The second server then asked for port ")
    chapter.says("[Errno 98] Address already in use")
    chapter.is_readable()
    chapter.follow("Requests")
    chapter.opened.until("document.getElementById('page').innerText.includes('/README.txt')")

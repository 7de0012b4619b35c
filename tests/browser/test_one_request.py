"""One request at an address of its own, as a person comes to it."""

from __future__ import annotations

import urllib.request

import pytest

from servescope.store.sqlite.store import open_store
from tests.browser.conftest import DESKTOP, PHONE
from tests.processes import eventually

FROM_NAME_TO_DURATION_PX = """Math.max(...[...document.querySelectorAll(".waterfall .track")].map(
    ({previousElementSibling: name, nextElementSibling: duration}) =>
        Math.abs(name.getBoundingClientRect().top - duration.getBoundingClientRect().top)))"""


@pytest.fixture(scope="module")
def request_id(dashboard):
    """A request that the log shows."""
    address = f"http://127.0.0.1:{dashboard.port('wsgi')}/search?q=socket"
    with urllib.request.urlopen(address, timeout=20) as answer:
        answer.read()
    return eventually(lambda: _newest(dashboard, "/search?q=socket"))


def _newest(dashboard, target):
    store = open_store(dashboard.folder)
    try:
        return next(
            (number for number, one in store.request_details(200) if one.target == target), 0
        )
    finally:
        store.close()


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_request_opens_at_its_address(open_page, request_id, device):
    page = open_page(f"/requests/{request_id}", device).page
    assert page.title() == "One request · Servescope"
    assert page.locator("h1").text_content() == "GET /search?q=socket"
    said = page.locator("#page").inner_text()
    for name in ("Where the time went", "Before it on this connection", "Thread", "wsgi-"):
        assert name in said
    assert page.locator(".moment").text_content()
    assert page.locator(".waterfall .bar").count() == 6
    whole = page.locator(".waterfall").bounding_box()["width"]
    tracks = [one.bounding_box()["width"] for one in page.locator(".waterfall .track").all()]
    assert min(tracks) > whole / 3, "bars have the room to be compared"
    assert page.evaluate(FROM_NAME_TO_DURATION_PX) < 3, "a stage and its duration are one line"
    assert not page.locator("#time-bar").is_visible()
    assert fits(page)


def test_its_page_says_of_when_it_is_and_what_captured_holds(open_page, request_id):
    watched = open_page(f"/requests/{request_id}")
    watched.until("document.getElementById('standing').textContent.startsWith('recorded ')")
    captured = watched.page.locator(".captured")
    assert "kept with their bytes" in captured.inner_text()
    assert "Capture" in captured.locator(".help-mark").get_attribute("aria-label")


def test_a_request_that_is_not_kept_says_so(open_page):
    page = open_page("/requests/999999999").page
    assert "is not here" in page.locator("h1").text_content()
    assert "no request of this number yet" in page.locator("#page").inner_text()
    page.get_by_role("link", name="All requests that are kept").click()
    page.wait_for_url("**/requests")


@pytest.mark.parametrize("last", ["0", "abc", "-1", "1.5", "9" * 30])
def test_an_address_that_names_no_request_says_so(open_page, last):
    opened = open_page(f"/requests/{last}")
    page = opened.page
    assert page.locator("h1").text_content() == "No request has this address"
    assert "its number, as in /requests/12." in page.locator("#page").inner_text()
    # Chromium tells that the document's status is 404; it is to complain of nothing else.
    opened.complaints[:] = [text for text in opened.complaints if "404" not in text]


def test_a_row_of_the_log_leads_to_it(open_page, request_id):
    watched = open_page("/requests")
    watched.page.locator(f"#requests-log tr[data-request='{request_id}'] .took").first.click()
    watched.page.get_by_role("link", name="Open this request").click()
    watched.until(f"location.pathname === '/requests/{request_id}'")
    watched.until("document.querySelector('h1').textContent === 'GET /search?q=socket'")

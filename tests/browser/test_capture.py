"""A person captures a request, opens it, copies it as curl, and sends it again."""

from __future__ import annotations

import http.client
import json
from contextlib import closing, nullcontext

import pytest

from servescope.store.sqlite.store import open_store
from tests.processes import eventually

SECRET = "s3cretVa1ue"
CAPTURING = "document.getElementById('capture-state').textContent.startsWith('capturing')"


def post(dashboard, mark):
    """A request with a secret in its head and its body."""
    body = json.dumps({"title": mark, "text": "hello", "password": SECRET})
    fields = {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}"}
    with closing(http.client.HTTPConnection("127.0.0.1", dashboard.port("wsgi"))) as client:
        client.request("POST", f"/api/notes?mark={mark}", body, fields | {"X-Mark": mark})
        client.getresponse().read()


def captured_id(dashboard, mark):
    """The number of the captured request in the log."""
    store = open_store(dashboard.folder)
    try:
        return next(
            (n for n, one in store.request_details(200) if one.capture_id and mark in one.target),
            0,
        )
    finally:
        store.close()


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_capture_open_copy_and_send_again(visit, dashboard, device):
    watched = visit("Requests")
    with watched.as_phone() if device == "phone" else nullcontext():
        check_a_request_is_captured_opened_copied_and_sent_again(
            watched, dashboard, f"mark-{device}"
        )


def check_a_request_is_captured_opened_copied_and_sent_again(watched, dashboard, mark):
    page = watched.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Capture").first.click()
    page.get_by_label("Requests", exact=True).fill("0")
    page.locator("#capture-start").click()
    page.get_by_text("1 to 100 requests can be captured").wait_for()
    page.get_by_label("Requests", exact=True).fill("2")
    page.get_by_label("Request header").fill(f"X-Mark: {mark}")
    page.locator("#capture-start").click()
    watched.until(CAPTURING)
    assert "0 of 2, ends in" in page.locator("#capture-state").text_content()
    assert fits(page)
    eventually(lambda: post(dashboard, mark) or captured_id(dashboard, mark), step=0.2)
    post(dashboard, mark)
    watched.until(
        "document.getElementById('capture-state').textContent === 'captured 2 of 2: complete'"
    )

    watched.go(f"/requests/{captured_id(dashboard, mark)}", f"POST /api/notes?mark={mark}")
    for name, shown in (
        ("Steps", "start_response"),
        ("Request", f"X-Mark: {mark}"),
        ("Environ", "HTTP_AUTHORIZATION"),
        ("Response", "HTTP/1.1 422"),
    ):
        page.get_by_role("tab", name=name, exact=True).click()
        page.get_by_role("tabpanel", name=name).get_by_text(shown).first.wait_for()
        assert watched.tables_to_scroll() == []
    page.get_by_role("tab", name="curl", exact=True).click()
    page.get_by_role("button", name="Copy as curl").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("# Secrets were masked")
    assert f"X-Mark: {mark}" in copied
    assert SECRET not in page.content()
    assert fits(page)

    page.get_by_role("button", name="Send again").click()
    page.get_by_text("POST may change something: confirm it first.").wait_for()
    page.get_by_label("Send it although POST may change something").check()
    page.get_by_role("button", name="Send again").click()
    page.get_by_role("link", name="Open the request that was sent again").wait_for()
    compared = page.locator("#again-compared").inner_text()
    assert "Answered with 422" in compared
    assert "whole" in compared
    assert fits(page)
    files = [path for path in dashboard.folder.rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    page.get_by_role("link", name="Open the request that was sent again").click()
    watched.until(f"document.querySelector('h1').textContent.includes('{mark}')")


def test_a_capture_is_stopped(visit, dashboard):
    watched = visit("Requests")
    page = watched.page
    page.get_by_role("button", name="Capture").first.click()
    page.locator("#capture-start").click()
    watched.until(CAPTURING)
    page.locator("#capture-stop").click()
    watched.until(
        "document.getElementById('capture-state').textContent === 'captured 0 of 20: stopped'"
    )
    assert dashboard.get("/health")

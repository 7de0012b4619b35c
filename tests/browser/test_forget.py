"""A page that tests share has nothing of the test before: neither what it kept nor what it set."""

from __future__ import annotations

import pytest

from tests.browser.conftest import DESKTOP, PHONE, LeftPages, Watched, forget

pytestmark = pytest.mark.browser

STATE = """async () => ({
    kept: [Object.keys(localStorage), Object.keys(sessionStorage), document.cookie],
    history: history.length,
    size: [innerWidth, innerHeight],
    media: ["(prefers-color-scheme: dark)", "(prefers-reduced-motion: reduce)", "print"]
        .map(query => matchMedia(query).matches),
    clipboard: (await navigator.permissions.query({ name: "clipboard-read" })).state,
    isOnline: navigator.onLine,
})"""
KEEP = """() => {
    localStorage.kept = sessionStorage.kept = "of a test";
    document.cookie = "kept=1";
    history.pushState(null, "", "/learn?kept");
}"""


DARK_PHONE_WITH_PERMISSIONS = PHONE | {
    "color_scheme": "dark",
    "permissions": ["clipboard-read", "clipboard-write"],
}


@pytest.mark.parametrize(
    "options",
    [DESKTOP, DARK_PHONE_WITH_PERMISSIONS],
    ids=["desktop", "a dark phone with permissions"],
)
def test_a_page_that_forgets_is_as_when_it_was_new(chromium, dashboard, options):
    page = LeftPages().take(chromium, options, dashboard.url)
    first = Watched(page, dashboard.url).open("/learn")
    before = page.evaluate(STATE)
    page.evaluate(KEEP)
    is_dark = options.get("color_scheme") == "dark"
    page.emulate_media(
        media="print", color_scheme="light" if is_dark else "dark", reduced_motion="no-preference"
    )
    page.set_viewport_size({"width": 500, "height": 500})
    page.context.grant_permissions(["geolocation"])
    page.context.set_offline(True)
    assert {name for name, value in page.evaluate(STATE).items() if value != before[name]} >= {
        "kept", "history", "size", "media", "isOnline",
    }  # fmt: skip
    first.unwatch()
    forget(page, dashboard.url, options)
    again = Watched(page, dashboard.url).open("/learn")
    assert page.evaluate(STATE) == before
    page.evaluate("console.error('of the second test')")
    again.until("document.title !== ''")
    assert (first.complaints, again.complaints) == ([], ["of the second test"])
    page.context.close()

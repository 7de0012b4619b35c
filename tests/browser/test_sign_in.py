"""With a password set: everyone looks, whoever signs in acts."""

import pytest

from tests.browser.conftest import Watched
from tests.processes import Dashboards

pytestmark = pytest.mark.browser
PASSWORD = "open sesame"


@pytest.fixture
def guarded(chromium, tmp_path):
    dashboards = Dashboards(tmp_path)
    running = dashboards(PASSWORD=PASSWORD)
    page = chromium.new_page()
    watched = Watched(page, running.url)
    yield watched
    page.close()
    dashboards.end()
    assert watched.complaints == []


def test_a_stranger_looks_and_the_operator_acts(guarded):
    page = guarded.open("/load").wait_drawn("load-rates").page
    assert page.locator("#load-start").is_disabled()
    assert page.locator(".header").get_by_role("link", name="Sign in").is_visible()
    page.locator("#load-answer").get_by_role("link", name="Sign in").click()
    password = page.get_by_label("Operator's password")
    password.wait_for()
    assert not page.locator("#time-bar").is_visible(), "this page shows no span"
    password.fill("open says me")
    password.press("Enter")
    page.get_by_text("This is not the operator's password.").wait_for()
    page.wait_for_timeout(1_100)  # after a wrong one the door stays shut for a second
    password.fill(PASSWORD)
    password.press("Enter")
    guarded.until("document.querySelector('h1')?.textContent === 'Overview'")
    guarded.open("/load").wait_drawn("load-rates")
    page.locator("#load-start").click()
    page.locator("#run-strip").get_by_text("Load run").wait_for()
    page.locator("#run-stop").click()
    page.locator("#run-strip").wait_for(state="hidden")
    page.get_by_role("link", name="Sign out").click()
    page.locator("#sign-out").click()
    guarded.until("document.querySelector('h1')?.textContent === 'Overview'")
    guarded.open("/load")
    assert page.locator("#load-start").is_disabled()


def test_enter_right_behind_the_last_letter_sends_all_of_the_password(guarded):
    """On a slow machine a field tells its text later than the key comes."""
    session = guarded.page.context.new_cdp_session(guarded.page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    password = guarded.open("/sign-in").page.get_by_label("Operator's password")
    password.fill(PASSWORD)
    password.press("Enter")
    guarded.until("document.querySelector('h1')?.textContent === 'Overview'")

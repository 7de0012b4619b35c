"""With a password set: everyone looks, whoever signs in acts."""

import pytest

from tests.processes import Dashboards

pytestmark = pytest.mark.browser
PASSWORD = "open sesame"


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    dashboards = Dashboards(tmp_path_factory.mktemp("guarded"))
    yield dashboards(PASSWORD=PASSWORD)
    dashboards.end()


def is_sign_in(request):
    return "sign-in-password" in (request.post_data or "")


def test_a_stranger_looks_and_the_operator_acts(open_page):
    guarded = open_page("/load").wait_drawn("load-rates")
    page = guarded.page
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
    guarded.follow("Load").wait_drawn("load-rates")
    page.locator("#load-start").click()
    page.locator("#run-strip").get_by_text("Load run").wait_for()
    page.locator("#run-stop").click()
    page.locator("#run-strip").wait_for(state="hidden")
    page.get_by_role("link", name="Sign out").click()
    page.locator("#sign-out").click()
    guarded.until("document.querySelector('h1')?.textContent === 'Overview'")
    guarded.follow("Load")
    assert page.locator("#load-start").is_disabled()


def test_enter_right_behind_the_last_letter_sends_all_of_the_password(open_page):
    """On a slow machine a field tells its text later than the key comes."""
    opened = open_page("/sign-in")
    session = opened.page.context.new_cdp_session(opened.page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    password = opened.page.get_by_label("Operator's password")
    password.fill(PASSWORD)
    with opened.page.expect_request(is_sign_in):
        password.press("Enter")
    session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    opened.until("document.querySelector('h1')?.textContent === 'Overview'")
    session.detach()

"""An app that records under another server is loaded from the page, as a listener is."""

import re
from contextlib import closing

import pytest

from tests.browser.conftest import WITHOUT_GRAPHS
from tests.browser.test_load_form import fill, start
from tests.processes import eventually
from tests.recorded_app import NAME, recorded_app

pytestmark = [pytest.mark.process, pytest.mark.browser]


@pytest.fixture(scope="module")
def app(dashboard):
    with recorded_app(dashboard.folder) as process:
        yield process


def choose(opened, select, option):
    """Choose by keyboard; the choice is offered once a poll has seen the app."""
    opened.page.locator(f"#{select}").click()
    opened.page.get_by_role("option", name=option, exact=True).click()


def test_a_run_on_an_app_that_records_shows_its_stages(app, visit, dashboard):
    del app
    opened = visit("Load")
    choose(opened, "load-listener", NAME)
    fill(opened, "Requests per second", 40)
    fill(opened, "Seconds", 2)
    run = start(opened, dashboard)
    assert (run.plan.listener, run.result["answered"]) == (NAME, 80)
    result = opened.page.locator("#load-now .verdict")
    result.get_by_text(re.compile(f"app {NAME} ", re.IGNORECASE)).wait_for()
    assert f"listener {NAME}" not in opened.page.locator("#load-now").inner_text().lower()
    page = opened.go(f"/runs/{run.id}", f"Run {run.id}").wait_drawn("one-run-stages").page
    stages = page.locator("#one-run-stage-table")
    stages.get_by_text("app", exact=True).first.wait_for()
    plan = page.get_by_text("App under another server", exact=True).first
    plan.wait_for()
    assert plan.locator("xpath=following-sibling::dd[1]").inner_text() == NAME
    said = page.locator(".findings").first
    said.get_by_text(f"app {NAME} ", exact=False).first.wait_for()
    assert f"listener {NAME}" not in page.locator("body").inner_text().lower()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export run").click()
        page.get_by_role("menuitem", name=re.compile("Report")).click()
    report = download.value.path().read_text("utf-8")
    assert "App under another server" in report
    assert f"listener {NAME}" not in report.lower()


@pytest.mark.usefixtures("app")
def test_it_has_a_colour_of_its_own_from_its_first_requests_on(dashboard):
    with closing(dashboard.control) as control:
        eventually(lambda: NAME in control.listeners.places())


def test_it_is_compared_with_a_model(app, visit, dashboard):
    del app
    opened = visit("Servers").wait_drawn("servers-rate")
    opened.page.get_by_role("checkbox", name="sequential").press("Space")
    fill(opened, "Path and query", "/")
    fill(opened, "Seconds", 1)
    opened.page.locator("#compare-listeners").press("ArrowDown")
    opened.page.get_by_role("option", name=NAME, exact=True).click()
    opened.page.keyboard.press("Escape")
    opened.page.get_by_role("button", name="Compare", exact=True).click()
    opened.page.get_by_role("button", name="Stop comparing").wait_for()
    opened.follow(WITHOUT_GRAPHS)
    with closing(dashboard.control) as control:
        eventually(lambda: control.comparisons.newest_first(1)[0].is_over)
    opened.follow("Servers")
    table = opened.page.locator("#compare-outcome table")
    table.get_by_text("app under another server").wait_for()
    table.get_by_text(re.compile(f"app {NAME} ", re.IGNORECASE)).first.wait_for()


def test_it_is_offered_to_searches_and_verdicts_and_narrows_pages(app, visit):
    del app
    opened = visit("Load")
    for select in ("capacity-listener", "verdict-after"):
        choose(opened, select, NAME)
        opened.until("([id, name]) => document.getElementById(id).value === name", [select, NAME])
    narrowed = opened.go(f"/requests?listener={NAME}", "Requests")
    narrowed.page.get_by_text("/first").first.wait_for()

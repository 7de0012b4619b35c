"""A person starts a demo by one click, on the overview and on Load, and is led to its run."""

import re
from contextlib import closing

import pytest

from servescope.actions.load_demos import DEMOS
from servescope.records.load import RunState
from tests.browser.conftest import FITS, PHONE
from tests.processes import eventually

pytestmark = pytest.mark.browser


def newest_run(dashboard):
    with closing(dashboard.control) as control:
        return control.load_runs.newest(1)[0]


def stop(opened, dashboard):
    opened.page.locator("#run-stop").click()
    eventually(lambda: newest_run(dashboard).state is RunState.STOPPED)


def start_from_overview(opened, dashboard):
    """Start a demo by keyboard, be led to its run, and stop that."""
    menu = opened.page.get_by_role("button", name="Try a demo")
    menu.focus()
    menu.press("Enter")
    demos = opened.page.locator("#overview-demos")
    hello = demos.get_by_role("button", name="Hello", exact=True)
    hello.wait_for()
    demos.get_by_text(DEMOS["hello"].line).wait_for()
    opened.until(FITS)
    hello.press("Enter")
    opened.page.get_by_text("While load is under way no demo can be started.").wait_for()
    assert hello.is_disabled()
    run = newest_run(dashboard)
    assert run.plan.scenario == DEMOS["hello"].scenario
    opened.page.get_by_role("link", name=f"Hello: load run {run.id}").click()
    opened.page.get_by_role("heading", name=f"Run {run.id}").wait_for()
    stop(opened, dashboard)


def test_a_demo_of_the_overview_starts_and_leads_to_its_run(visit, dashboard):
    start_from_overview(visit("Overview").wait_drawn("overview-host"), dashboard)


def test_a_demo_of_the_overview_starts_and_leads_to_its_run_on_a_phone(open_page, dashboard):
    start_from_overview(open_page("/", PHONE).wait_drawn("overview-host"), dashboard)


def test_each_demo_stands_on_load_and_waits_for_the_one_under_way(visit):
    opened = visit("Load")
    demos = opened.page.locator("#load-demos")
    assert demos.get_by_role("button").all_inner_texts() == [one.title for one in DEMOS.values()]
    demos.get_by_role("button", name="A slow app on each model").click()
    busy = opened.page.get_by_text("While load is under way no demo can be started.")
    busy.wait_for()
    assert demos.get_by_role("button", name="Hello", exact=True).is_disabled()
    link = opened.page.get_by_role("link", name=re.compile("each model: comparison"))
    opened.page.locator("#run-stop").click()
    busy.wait_for(state="hidden")
    link.click()
    opened.page.get_by_role("heading", name="Servers", exact=True).wait_for()
    opened.page.locator(".comparison-table").get_by_text("prefork").wait_for()

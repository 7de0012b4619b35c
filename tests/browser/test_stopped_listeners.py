"""Listeners that people stop, move and remove: each page says which run, and keeps their past."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from servescope.records.listeners import ListenerState
from tests.processes import eventually

pytestmark = pytest.mark.browser

ALL = ("files", "wsgi", "asgi")
NONE_RUNS = "No listener runs (files, wsgi, asgi are stopped): nobody answers requests."
PLACES = {
    "Overview": "#overview-verdict",
    "Requests": "#requests-standing",
    "Latency": "#latency-verdict",
    "Ports": "#ports-verdict",
    "Load": "#load-standing",
}


def states(control):
    return {one.name: one.state for one in control.listeners.statuses()}


@contextmanager
def stopped(dashboard, *names):
    """Have these listeners stopped for a while, as the page Servers does."""
    with closing(dashboard.control) as control:

        def run(*, runs):
            for name in names:
                control.listeners.change_overrides(name, lambda before: replace(before, runs=runs))
            state = ListenerState.RUNNING if runs else ListenerState.STOPPED
            eventually(lambda: all(states(control)[name] is state for name in names))

        run(runs=False)
        try:
            yield
        finally:
            run(runs=True)


@pytest.fixture(scope="module")
def none_runs(dashboard):
    with stopped(dashboard, *ALL):
        yield


def said(opened, place, code):
    """The sentence of a finding, which is waited for."""
    found = opened.page.locator(f"{place} [data-code={code}]")
    found.wait_for()
    return found.inner_text()


def test_a_page_of_one_listener_says_that_it_is_stopped(open_page, dashboard):
    with stopped(dashboard, "asgi"):
        opened = open_page("/requests?listener=asgi")
        told = "Listener asgi is stopped: nobody answers requests to it. See Servers"
        assert said(opened, "#requests-standing", "listener-stopped") == told
        opened.page.get_by_role("textbox", name="Listener").click()
        opened.page.get_by_role("option", name="wsgi", exact=True).click()
        opened.until("document.querySelector('#requests-standing .finding') === null")
        opened = open_page("/latency?listener=asgi")
        assert said(opened, "#latency-verdict", "listener-stopped") == told
    opened.until("document.querySelector('#latency-verdict [data-code=listener-stopped]') === null")


@pytest.mark.usefixtures("none_runs")
@pytest.mark.parametrize("page", PLACES)
def test_each_live_page_says_that_no_listener_runs(visit, page):
    opened = visit(page)
    assert said(opened, PLACES[page], "none-runs") == f"{NONE_RUNS} See Servers"
    link = opened.page.locator(f"{PLACES[page]} [data-code=none-runs] a")
    assert link.get_attribute("href") == "/servers"


@pytest.mark.usefixtures("none_runs")
def test_a_past_view_says_nothing_of_the_present_states(open_page):
    opened = open_page("/requests")
    said(opened, "#requests-standing", "none-runs")
    opened.pause()
    opened.until("document.querySelector('#requests-standing .finding') === null")

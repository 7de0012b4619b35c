"""A person has the dashboard find what a listener carries, stops it, and reads a result."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import asdict

import numpy as np
import pytest

from components import start_button
from servescope.queries.capacity import search_of
from servescope.records.capacity import CapacityPlan
from servescope.records.load import RunState
from servescope.statistics.capacity_limits import EdgeEvidence
from tests.browser.conftest import FITS
from tests.processes import eventually
from tests.statistics.simulated_queues import Queue, constant, search

pytestmark = pytest.mark.browser
SECONDS = 60
PLAN = CapacityPlan("wsgi", "/slow?ms=20", 0.1, 0.01, most_rate=2_000)
EDGE = EdgeEvidence(
    process_cores=0.08, threads=4, busy_threads=4.0, machine_busy=0.1, generator_cpu=0.05
)


@pytest.fixture
def control(dashboard):
    control = dashboard.control
    yield control
    active = control.capacity_searches.active()
    if active is not None:
        control.capacity_searches.request_stop(active.id)
        eventually(lambda: control.capacity_searches.active() is None, SECONDS)
    control.close()


def panel_says(opened, text):
    opened.until(
        "text => document.getElementById('capacity')?.innerText.includes(text)", text, SECONDS
    )


def test_a_search_is_started_followed_and_stopped(visit, control):
    opened = visit("Load").wait_drawn("load-rates")
    panel_says(opened, "No search yet. Find doubles the rate")
    panel = opened.page.locator("#capacity")
    panel.get_by_label("p99 at most, ms").fill("0")
    panel.get_by_label("p99 at most, ms").press("Enter")
    panel_says(opened, "The latency is above 0 and at most 5,000 ms, not 0.")
    panel.get_by_label("p99 at most, ms").fill("200")
    panel.get_by_label("p99 at most, ms").press("Enter")
    opened.page.locator("#run-strip").get_by_text("Search 1: step 1, 20 req/s").wait_for()
    opened.page.locator("#load-busy").get_by_text(start_button.BUSY).wait_for()
    assert opened.page.locator("#load-start").is_disabled()
    panel_says(opened, "Search 1: wsgi /, p99 ≤ 200 ms, failed ≤ 1 %")
    panel.get_by_role("button", name="Stop").click()
    eventually(lambda: control.capacity_searches.newest().is_over, SECONDS)
    panel_says(opened, "stopped")
    opened.page.locator("#run-strip").wait_for(state="hidden")
    assert control.load_runs.newest(5) == []
    panel.get_by_role("button", name="Find").wait_for()


def test_a_result_says_how_much_and_what_limits(visit, control):
    found = search_of(PLAN)
    search(Queue(4, lambda _, count: np.full(count, 0.02), constant), found)
    number = control.capacity_searches.request(PLAN, time.time()).id
    control.capacity_searches.request_stop(number)
    eventually(lambda: control.capacity_searches.by_id(number).is_over, SECONDS)
    steps = [step.to_json() for step in found.steps]
    control.capacity_searches.write_steps(number, steps, asdict(EDGE))
    control.capacity_searches.end(number, RunState.DONE, time.time())
    opened = visit("Load")
    for device in (nullcontext(), opened.as_phone()):
        with device:
            panel_says(opened, "Listener wsgi carries ")
            panel_says(opened, "requests/s at /slow?ms=20 with 99 of 100 requests within 100 ms")
            panel_says(opened, "It is limited by threads: 4 of 4 threads had a request")
            panel_says(opened, "Model of throughput by AICc: asymptotic bounds")
            opened.until("document.querySelectorAll('#capacity .js-plotly-plot').length === 2")
            opened.until(FITS)
            assert opened.tables_to_scroll() == []

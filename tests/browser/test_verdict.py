"""A person has the dashboard judge whether one side is slower than another, and reads it."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from servescope.histogram import BUCKETS
from servescope.load.report import LatencySummary, Stretch
from servescope.records.load import TERMINAL_STATES, LoadPlan, RunState
from servescope.records.scenarios import Flow, Poisson, RequestStep, Scenario
from servescope.records.verdicts import JudgedSide, VerdictPlan
from tests.browser.conftest import FITS, WITHOUT_GRAPHS
from tests.processes import eventually
from tests.verdicts.test_comparing import result

pytestmark = pytest.mark.browser
SECONDS = 60
SIDES = ("before", "after")
RESULT = {
    "verdict": "slower",
    "sentence": "SLOWER by more than 5 %, after 9 pairs of 4 s: p50 +10.0 % (+8.0 % to +12.0 %).",
    "pairs": 9,
    "discarded_pairs": {"late": 2, "failed": 0},
    "quantiles": [
        {
            "quantile": 0.5,
            "verdict": "slower",
            "judged": True,
            "before_ms": 20.0,
            "after_ms": 22.0,
            "ratio": 1.1,
            "low": 1.08,
            "high": 1.12,
        },
        {
            "quantile": 0.99,
            "verdict": "undecided",
            "judged": False,
            "before_ms": 40.0,
            "after_ms": 41.0,
            "ratio": 1.025,
            "low": 0.0,
            "high": None,
        },
    ],
    "stages": [
        {"stage": "app", "before_ms": 19.0, "after_ms": 21.0, "low_ms": 1.5, "high_ms": 2.5}
    ],
    "steps": [],
    "histograms": {side: [0] * 90 + [5, 9, 4] + [0] * (BUCKETS - 93) for side in SIDES},
}


@pytest.fixture
def control(dashboard):
    control = dashboard.control
    yield control
    active = control.verdicts.active()
    if active is not None:
        control.verdicts.request_stop(active.id)
        eventually(lambda: control.verdicts.active() is None, SECONDS)
    control.close()


def panel_says(opened, text):
    opened.until(
        "text => document.getElementById('verdict')?.innerText.includes(text)", text, SECONDS
    )


def fill(panel, **fields):
    for label, value in fields.items():
        panel.get_by_label(label.replace("_", " ")).fill(str(value))


def has_pairs(verdict, number):
    return verdict.is_over or (verdict.result or {}).get("pairs", 0) >= number


def test_a_verdict_is_asked_for_followed_and_read(visit, control):
    opened = visit("Load").wait_drawn("load-rates")
    panel_says(opened, "No verdict yet. Judge loads both sides")
    panel = opened.page.locator("#verdict")
    fill(panel, Rate_on_both=40, Seconds_of_each_run=0.5, Pairs_at_most=6)
    fill(panel, Tolerance=0)
    panel.get_by_role("button", name="Judge", exact=True).click()
    panel_says(opened, "The tolerance is above 0 and at most 1,000 %, not 0.")
    fill(panel, Tolerance=1_000)
    panel.get_by_role("button", name="Judge", exact=True).click()
    opened.page.locator("#run-strip").get_by_text("Verdict 1").wait_for()
    panel.get_by_role("button", name="Stop").wait_for()
    opened.follow(WITHOUT_GRAPHS)
    eventually(lambda: has_pairs(control.verdicts.newest(), 5), SECONDS, step=0.2)
    opened.follow("Load")
    over = eventually(lambda: (found := control.verdicts.newest()).is_over and found, SECONDS)
    assert (over.state, over.message) == (RunState.DONE, "")
    panel_says(opened, over.result["sentence"])
    assert control.load_runs.newest(5) == []


def test_a_result_shows_ratios_with_intervals_distributions_and_stages(visit, control):
    scenario = Scenario(Poisson(50, 4), (Flow((RequestStep(target="/cart"),)),))
    plan = VerdictPlan(JudgedSide("files"), JudgedSide("wsgi"), scenario, 0.05, 30)
    number = control.verdicts.request(plan, time.time()).id
    control.verdicts.request_stop(number)
    eventually(lambda: control.verdicts.by_id(number).is_over, SECONDS)
    control.verdicts.write_result(number, RESULT)
    control.verdicts.end(number, RunState.DONE, time.time())
    opened = visit("Load")
    for device in (nullcontext(), opened.as_phone()):
        with device:
            panel_says(opened, "before is files, after is wsgi; /cart, 50 req/s for 4 s each")
            panel_says(opened, RESULT["sentence"])
            panel_says(opened, "2 pairs do not count: the load generator was late in them.")
            panel_says(opened, "+8.0 % to +12.0 %")
            panel_says(opened, "+1.5 ms to +2.5 ms")
            panel_says(opened, "too few pairs")
            opened.until("document.querySelectorAll('#verdict .js-plotly-plot').length === 1")
            opened.until(FITS)
            assert opened.tables_to_scroll() == []


def choose(opened, field, option):
    opened.page.locator(f"#{field}").press("ArrowDown")
    opened.page.get_by_role("option", name=option, exact=True).click()


def test_two_models_of_an_endpoint_are_judged_until_a_person_stops_it(visit, control):
    opened = visit("Load").wait_drawn("load-rates")
    panel = opened.page.locator("#verdict")
    choose(opened, "verdict-before", "model thread pool")
    choose(opened, "verdict-after", "model asyncio")
    choose(opened, "verdict-endpoint", "CPU-bound endpoint: computes for 20 ms")
    opened.until("document.getElementById('verdict-target').value === '/cpu?ms=20'")
    fill(panel, Seconds_of_each_run=30)
    panel.get_by_role("button", name="Judge", exact=True).click()
    opened.page.locator("#run-strip").get_by_text("Verdict").wait_for()
    panel.get_by_role("button", name="Stop").click()
    eventually(lambda: control.verdicts.newest().is_over, SECONDS)
    assert control.verdicts.newest().state is RunState.STOPPED
    panel_says(
        opened, "before is thread pool with flask_app:app, after is asyncio with asgi_app:app"
    )
    panel_says(opened, "stopped")
    opened.page.locator("#run-strip").wait_for(state="hidden")


@pytest.fixture
def kept_runs(control):
    """Two runs that are over, the second slower by a fifth."""
    numbers = []
    for seed, slower in enumerate((1.0, 1.2)):
        random = np.random.default_rng(seed)
        stretches = tuple(
            Stretch(at, at + 1, 100, LatencySummary.of((durations * 1e9).astype(np.int64)))
            for at, durations in enumerate(0.02 * slower * random.lognormal(0, 0.1, (30, 100)))
        )
        told = replace(result(slower), stretches=stretches, histogram=RESULT["histograms"]["after"])
        plan = LoadPlan.constant("wsgi", "/cart", 100, 30)
        number = control.load_runs.request(plan, time.time()).id
        control.load_runs.request_stop(number)
        eventually(partial(_is_over, control, number), SECONDS)
        control.load_runs.update(number, result=told.to_json() | {"unfinished_at_start": 0})
        numbers.append(number)
    return numbers


def _is_over(control, number):
    return control.load_runs.by_id(number).state in TERMINAL_STATES


def test_two_runs_that_are_over_are_chosen_in_the_panel_on_a_phone(visit, kept_runs):
    first, second = kept_runs
    opened = visit("Load")
    panel = opened.page.locator("#verdict")
    with opened.as_phone():
        panel.get_by_text("Choose a run for before and another one for after.").wait_for()
        for field, number in (("verdict-run-before", first), ("verdict-run-after", second)):
            choose(opened, field, f"{number}: wsgi /cart, 100 req/s for 30 s")
        fill(panel, Tolerance=7.5)
        opened.until(FITS)
        link = panel.get_by_role("link", name=f"Is run {second} slower than run {first}?")
        opened.until("document.querySelector('.two-runs a')?.search.includes('tolerance=7.5')")
        link.click()
        opened.page.get_by_role("heading", name=f"Run {first} beside Run {second}").wait_for()
        panel.get_by_text("SLOWER by more than 7.5 %, in these two runs").wait_for()
        panel.get_by_text("two runs of 30 stretches find a slowdown of +").wait_for()


def test_two_kept_runs_are_judged_where_they_stand_side_by_side(visit, kept_runs):
    first, second = kept_runs
    opened = visit(f"Run {first} beside Run {second}", f"/runs/compare?a={first}&b={second}")
    panel = opened.page.locator("#verdict")

    def check_the_verdict():
        panel.get_by_text("SLOWER by more than 5 %, in these two runs, over 30").wait_for()
        panel.get_by_text("a machine that was slower during one of them").wait_for()
        assert panel.get_by_role("cell", name="p90", exact=True).count() == 1
        opened.until(FITS)

    check_the_verdict()
    with opened.as_phone():
        check_the_verdict()
        panel.get_by_role("link", name="20 %").focus()
        opened.page.keyboard.press("Enter")
        panel.get_by_text("by more than 20 %").first.wait_for()
        panel.get_by_role("link", name="Judge the other way round").click()
        panel.get_by_text("FASTER, in these two runs").wait_for()

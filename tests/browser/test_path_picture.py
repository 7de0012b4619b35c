"""The picture of a request's path marks the stage that holds, in real situations, on the page."""

from __future__ import annotations

import re
import time
from contextlib import closing
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.conftest import PHONE
from tests.browser.path_situations import (
    BACKLOG,
    COMPUTING,
    SITUATIONS,
    TLS,
    Clients,
)
from tests.processes import Dashboards, eventually

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("all_at_once")]

# The text whether or not it is in sight: on a machine that has no time the page hides its marks.
READ_PICTURE = """place => {
    const shown = [...document.querySelectorAll(`.path-${place} .path-stage`)];
    return {
        stages: Object.fromEntries(shown.map(one => [one.dataset.stage, one.textContent])),
        holds: shown.filter(one => one.dataset.holds === "yes").map(one => one.dataset.stage),
        classes: Object.fromEntries(shown.map(one => [one.dataset.stage, one.className])),
        said: document.querySelector(`.path-${place} .path-findings`)?.textContent || "",
        label: document.querySelector(`.path-${place} .path`)?.ariaLabel || "",
    };
}"""
BOXES = """() => [...document.querySelectorAll(".path-past .path-stage")]
    .map(one => one.getBoundingClientRect().toJSON())"""
CHOOSE = "name => dash_clientside.set_props('overview-listener', {value: name})"
ALONE = "computing-loop"
WITHIN_S = 90
"""For what needs current data, while other tests want the cores as well."""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    """A dashboard with a listener for each situation."""
    dashboards = Dashboards(tmp_path_factory.mktemp("path"))
    running = dashboards(
        BACKLOG=BACKLOG,
        WSGI_TLS_CERTIFICATE="self-signed",
        WSGI_APP=TLS.app,
        APPS="tests.browser.path_apps:app,tests.browser.path_apps:asgi_app",
    )
    with closing(running.control) as control:
        for name, situation in [*SITUATIONS.items(), (ALONE, COMPUTING)]:
            control.listeners.change_overrides(name, lambda _, it=situation: it.overrides)
    for name in [*SITUATIONS, ALONE]:
        eventually(lambda name=name: running.listener(name), 60, what=name)
    yield running
    dashboards.end()


@pytest.fixture(scope="module")
def all_at_once(dashboard):
    """The load of every situation but the one that computes."""
    clients = Clients()
    for name, situation in SITUATIONS.items():
        situation.begin(clients, dashboard.port(name))
    TLS.begin(clients, dashboard.port("wsgi"))
    yield
    clients.stop()


@pytest.fixture(scope="module")
def overview(kept_page):
    opened = kept_page.follow("Overview")
    opened.page.locator(".path-live .path").wait_for()
    return opened


def picture(opened, place="live"):
    return opened.page.evaluate(READ_PICTURE, place)


def wait_picture(opened, name, situation, place="live"):
    """Wait until the picture of a listener shows what it must; fail with what it shows."""
    wanted = [situation.holds] if situation.holds else []

    def is_right():
        shown = picture(opened, place)
        return (
            (f"listener {name}," in shown["label"])
            and shown["holds"] == wanted
            and situation.says in shown["said"]
            and all(state in shown["classes"][one] for one, state in situation.states.items())
        )

    deadline = time.monotonic() + WITHIN_S
    while not is_right():
        assert time.monotonic() < deadline, picture(opened, place)
        opened.page.wait_for_timeout(100)
    return picture(opened, place)


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_stage_that_holds_is_marked(overview, name):
    overview.page.evaluate(CHOOSE, name)
    wait_picture(overview, name, SITUATIONS[name])


def test_the_stage_behind_tls_is_marked(overview):
    overview.page.evaluate(CHOOSE, "wsgi")
    wait_picture(overview, "wsgi", TLS)


def test_of_all_listeners_together_the_one_that_holds_most_is_named(overview):
    overview.page.evaluate(CHOOSE, "")
    overview.until("document.querySelector('.path-live .path')?.ariaLabel.includes('together')")
    overview.until("document.querySelector('.path-live [data-holds=yes]') !== null")
    shown = picture(overview)
    (stage,) = shown["holds"]
    name = re.search(r"held: ([a-z-]+)", shown["stages"][stage])[1]
    assert stage == SITUATIONS[name].holds
    assert f"istener {name} " in shown["said"], "at the start of a sentence, or within"
    assert "bad" in shown["classes"]["workers"], "as on the listener where it is worst"


def test_a_moment_of_the_past_by_keyboard_and_back(overview):
    name, page = "all-threads-busy", overview.page
    page.locator("#ranges").get_by_text("15 min").click()
    page.evaluate(CHOOSE, name)
    wait_picture(overview, name, SITUATIONS[name])
    page.locator(".scrubber input").focus()
    page.keyboard.press("ArrowLeft")
    then = replace(SITUATIONS[name], says="request threads were busy", states={})
    wait_picture(overview, name, then, "past")
    assert not page.locator(".path-live").is_visible()
    assert "at=" in page.url
    told = page.locator(".scrubber output").inner_text()
    assert page.locator(".scrubber input").get_attribute("aria-valuetext") == told
    page.keyboard.press("Home")
    (begin,) = parse_qs(urlsplit(page.url).query)["from"]
    overview.until("begin => document.querySelector(`.path-past a[href*='from=${begin}&']`)", begin)
    page.keyboard.press("End")
    overview.until("document.querySelector('.scrubber output').textContent.startsWith('all of')")
    page.locator("#pause").click()
    overview.until("document.querySelector('.scrubber output').textContent === 'the last 5 s'")
    page.locator(".path-live .path").wait_for()
    assert "at=" not in page.url


def test_the_address_reopens_a_moment_on_the_phone(open_page, overview):
    name = "slow-sender-of-bodies"
    overview.page.evaluate(CHOOSE, name)
    wait_picture(overview, name, SITUATIONS[name])
    now_s = int(time.time())
    span = f"from={now_s - 5}&to={now_s}"
    opened = open_page(f"/?{span}&listener={name}", PHONE)
    then = replace(SITUATIONS[name], says="the clients sent slowly")
    wait_picture(opened, name, then, "past")
    boxes = opened.page.evaluate(BOXES)
    assert [box["y"] for box in boxes] == sorted({box["y"] for box in boxes})
    assert len({box["x"] for box in boxes}) == 1, "one below the other"
    assert all(box["right"] <= PHONE["viewport"]["width"] for box in boxes)
    opened.page.locator(".path-past [data-stage=app] a").click()
    opened.until("document.querySelector('h1')?.textContent === 'Latency'")
    assert f"listener={name}" in opened.page.url
    assert span in opened.page.url


def test_a_stage_leads_to_its_graphs(overview):
    """By the keyboard, too: polls leave the elements, and with them the focus, where they are."""
    overview.page.evaluate(CHOOSE, "slow-body-generator")
    wait_picture(overview, "slow-body-generator", SITUATIONS["slow-body-generator"])
    link = overview.page.locator(".path-live [data-stage=body] a")
    link.focus()
    told = "document.querySelector('.path-live .path').textContent"
    before = overview.page.evaluate(told)
    overview.until(f"before => {told} !== before", before)
    assert overview.page.evaluate("document.activeElement.closest('[data-stage=body]') !== null")
    overview.page.keyboard.press("Enter")
    overview.until("document.querySelector('h1')?.textContent === 'Latency'")
    assert "listener=slow-body-generator" in overview.page.url
    overview.follow("Overview")
    overview.page.locator(".path-live [data-stage=queue] a").click()
    overview.until("document.querySelector('h1')?.textContent === 'Ports'")
    overview.follow("Overview")


def test_a_loop_that_computes_is_marked_before_it(overview, dashboard):
    clients = Clients()
    COMPUTING.begin(clients, dashboard.port(ALONE))
    overview.page.evaluate(CHOOSE, ALONE)
    try:
        wait_picture(overview, ALONE, COMPUTING)
    finally:
        clients.stop()

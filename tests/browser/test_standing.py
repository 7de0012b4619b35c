"""How current a page is: said in the header in plain words, and nothing is claimed beyond that."""

import itertools
import os
import re
import signal
import time
from contextlib import closing

import pytest

from servescope.records.load import LoadPlan
from tests.browser.conftest import PHONE, Watched
from tests.ports import free_port
from tests.processes import Dashboards

pytestmark = pytest.mark.browser

PASSWORD = "open sesame"
SLOW_S = 8
"""For how long a script is held back: longer than a server may be silent."""

REMEMBER = """document.addEventListener("readystatechange", () => {
    const root = document.documentElement;
    window.standings = [];
    new MutationObserver(() => window.standings.push(root.dataset.standing))
        .observe(root, {attributes: true, attributeFilter: ["data-standing"]});
}, {once: true})"""


@pytest.fixture
def frozen():
    """Stop processes by their pid, and let them go on at the end."""
    pids = []

    def freeze(pid):
        pids.append(pid)
        os.kill(pid, signal.SIGSTOP)

    yield freeze
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


COLOURS = """() => [...new Set([...document.querySelectorAll(".stat-value, .stat-note, .state")]
    .map(shown => getComputedStyle(shown).color))]"""


def claims(opened):
    """The conclusions from figures that are in sight."""
    return [text for text in opened.page.locator(".judged:visible").all_inner_texts() if text]


def standing(opened):
    return opened.page.locator("#standing").inner_text()


SIGN = """() => { const style = getComputedStyle(document.querySelector(".standing .dot"));
    return [style.borderRadius, style.borderStyle, style.borderWidth, style.backgroundColor,
        style.clipPath].join(); }"""


def test_the_header_says_live_paused_and_past_each_with_a_sign_of_another_shape(visit):
    opened = visit("Overview").wait_drawn("overview-host")
    opened.until("document.getElementById('standing').textContent === 'live'")
    signs = [opened.page.evaluate(SIGN)]
    opened.page.locator("#pause").click()
    opened.until("document.getElementById('standing').textContent === 'live, paused'")
    assert opened.page.evaluate("document.documentElement.dataset.standing") == "paused"
    signs.append(opened.page.evaluate(SIGN))
    opened.page.evaluate("servescope.view.fix(Date.now() / 1000 - 10, Date.now() / 1000 - 5)")
    opened.until("document.getElementById('standing').textContent === 'past'")
    assert opened.page.evaluate("document.documentElement.dataset.standing") == "past"
    signs.append(opened.page.evaluate(SIGN))
    assert len({sign.partition("rgb")[0] for sign in signs}) == len(signs), "not by colour alone"
    opened.page.locator("#pause").click()
    opened.until("document.getElementById('standing').textContent === 'live'")
    assert opened.page.evaluate(SIGN) == signs[0]


def test_the_processes_stand_behind_the_header_and_open_by_keyboard(visit, dashboard):
    opened = visit("Overview").wait_drawn("overview-host")
    facts = opened.page.locator("#processes")
    assert not facts.is_visible()
    opened.page.locator("#standing").get_by_text("live", exact=True).wait_for()
    opened.page.locator(".standing").focus()
    opened.page.keyboard.press("Enter")
    facts.get_by_text(f"pid {dashboard.process.pid}, leader").wait_for()
    opened.page.keyboard.press("Escape")
    facts.wait_for(state="hidden")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A leader, which has a run of load, and the dashboard beside it."""
    dashboards = Dashboards(tmp_path_factory.mktemp("pair"))
    leader = dashboards(PASSWORD=PASSWORD)
    with closing(leader.control) as control:
        control.load_runs.request(LoadPlan.constant("wsgi", "/", 5, 300), time.time())
    yield leader, dashboards(folder=leader.folder, PASSWORD=PASSWORD)
    dashboards.end()


def test_data_that_is_late_is_said_with_its_age(pair, look, frozen):
    leader, follower = pair
    opened = look(follower).wait_drawn("overview-host")
    opened.until("document.getElementById('standing').textContent === 'live'")
    frozen(leader.process.pid)
    opened.until("document.documentElement.dataset.standing === 'late'")
    assert re.fullmatch(r"late by \d+ s", standing(opened))
    opened.page.get_by_text("No newer second of data has come").wait_for()
    told = opened.page.locator(".unknown-now").inner_text()
    assert re.fullmatch(r"Unknown: no data since (\S+)\. All that stands here is as of \1\.", told)
    assert claims(opened) == []


PLACES = """() => ["#run-text", "#run-stop", "#standing", ":scope > a:last-of-type",
    ":scope > button:last-of-type"].map(name => document.querySelector(".header")
    .querySelector(name).getBoundingClientRect()).map(box => [box.left, box.right, box.height])"""
ONE_LINE_PX = 24
IS_WHOLE = "it => it.scrollWidth <= it.clientWidth && it.scrollHeight <= it.clientHeight"


@pytest.mark.parametrize("may_act", [False, True], ids=["viewer", "operator"])
def test_a_phone_has_room_for_stop_and_the_age_of_late_data(pair, look, frozen, may_act):
    leader, follower = pair
    opened = look(follower, "/sign-in" if may_act else "/latency", PHONE)
    page = opened.page
    if may_act:
        page.get_by_label("Operator's password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Sign out").wait_for()
        opened.open("/latency")
    page.locator("#run-text").get_by_text("of 300 s").wait_for()
    frozen(leader.process.pid)
    opened.until("document.documentElement.dataset.standing === 'late'")
    places = page.evaluate(PLACES)
    for (_, right, _), (left, _, _) in itertools.pairwise(places):
        assert right <= left, "none covers the next"
    assert places[-1][1] <= PHONE["viewport"]["width"]
    assert page.locator("#run-stop .mantine-Button-label").evaluate(IS_WHOLE)
    assert page.locator(".run-progress").evaluate(IS_WHOLE)
    assert [height < ONE_LINE_PX for _, _, height in places[2:4]] == [True, True]


ACTIONS = {
    "/requests": ["Capture", "Export"],
    "/servers": ["Compare", "Apply", "Restart: wsgi", "Add listener"],
    "/": ["Start demo load", "Try a demo", "Export"],
    "/load": ["Start"],
}
NO_ACTION = r"Nothing can be started, stopped or changed: no connection since \d\d:\d\d:\d\d\."


def button(opened, name):
    return opened.page.get_by_role("button", name=name, exact=True).first


def test_without_a_connection_nothing_is_claimed_a_click_is_answered_and_buttons_come_back(
    start_dashboard, look
):
    running = start_dashboard(PORT=free_port())
    first = look(running, "/learn")
    pages = {  # in one context, for which scripts are compiled once
        path: Watched(first.page.context.new_page(), running.url).open(path) for path in ACTIONS
    }
    for opened in pages.values():
        opened.until("document.getElementById('standing').textContent === 'live'")
    overview = pages["/"]
    overview.until("document.querySelector('#overview-verdict .verdict:not(.unknown)') !== null")
    assert not overview.page.locator(".unknown-now").is_visible()
    assert overview.page.locator(".as-of:not(:empty)").count() == 0
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait(10)
    for path in ACTIONS:
        check_a_click_is_answered(pages[path], path)
    check_nothing_is_claimed(overview)
    for path in ACTIONS:
        if path != "/load":
            pages[path].page.close()
    start_dashboard(folder=running.folder, PORT=int(running.url.rpartition(":")[2]))
    opened = pages["/load"]
    opened.until("document.querySelector('#load-start:disabled') === null")
    assert not opened.page.locator(".no-action-now:visible").count()
    button(opened, "Start").click()
    opened.page.locator("#run-strip").get_by_text("Load run").wait_for()


def check_a_click_is_answered(opened, path):
    names = ACTIONS[path]
    if button(opened, names[0]).is_enabled():  # unless the polls have found it out already
        button(opened, names[0]).click()
    said = opened.page.locator(".no-action-now:visible").first
    said.wait_for()
    assert re.fullmatch(NO_ACTION, said.inner_text())
    assert [name for name in names if button(opened, name).is_enabled()] == []


def check_nothing_is_claimed(opened):
    opened.page.get_by_text("does not answer").wait_for()
    assert standing(opened) == "no connection"
    told = opened.page.locator(".unknown-now").inner_text()
    at = r"\d\d:\d\d:\d\d"
    known = rf"Unknown: no connection since {at}\. All that stands here is as of {at}\."
    assert re.fullmatch(known, told)
    assert claims(opened) == []
    as_of = "as of" + told.partition("as of")[2].rstrip(".")
    for card in opened.page.locator(".stat-card").all():
        assert as_of in card.inner_text()
    assert as_of in opened.page.locator(".panel:has(#overview-listeners)").inner_text()
    assert len(opened.page.evaluate(COLOURS)) == 1, "something still looks good or bad"


def test_the_progress_of_a_run_says_of_when_it_is(start_dashboard, look):
    running = start_dashboard()
    opened = look(running, "/load").wait_drawn("load-cpu")
    opened.page.get_by_role("button", name="Start", exact=True).click()
    opened.page.locator("#run-strip").get_by_text("of 30 s").wait_for()
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait(10)
    opened.page.get_by_text("does not answer").wait_for()
    assert "as of" in opened.page.locator("#run-strip").inner_text()
    assert "as of" in opened.page.locator(".panel:has(#load-now)").inner_text()


def test_scripts_that_load_slowly_are_no_server_that_does_not_answer(chromium, dashboard):
    page = chromium.new_page()
    page.set_default_timeout(90_000)
    page.add_init_script(
        f"document.addEventListener('readystatechange', {REMEMBER}, {{once: true}})"
    )

    def hold_back(route):
        time.sleep(SLOW_S)
        route.continue_()

    page.route("**/dash_mantine_components*.js*", hold_back)
    opened = Watched(page, dashboard.url).open("/latency")
    opened.until("window.standings.includes('live')")
    assert "gone" not in page.evaluate("window.standings")
    page.close()

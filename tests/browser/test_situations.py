"""Situations made with real load: each is read off the pages, and nothing untrue stands there."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import ExitStack, closing

import pytest

from servescope.records.load import LoadPlan
from tests.browser.conftest import WITHOUT_GRAPHS, Watched
from tests.browser.situations import (
    BACKLOG,
    HOST,
    SITUATIONS,
    STARVED,
    THREADS,
    WITHIN_S,
    Clients,
    Place,
    matched,
)
from tests.processes import Dashboards, eventually, gunicorn

pytestmark = pytest.mark.browser

READ = """id => [...document.querySelectorAll(`#${id} .finding`)].map(item => ({
    code: item.dataset.code,
    severity: item.classList[1],
    sentence: item.firstChild.textContent,
}))"""
PLACES = {
    "Overview": ("Overview", "overview-verdict"),
    "Ports": ("Ports", "ports-verdict"),
    "Latency": ("Latency", "latency-verdict"),
    "Clocks": ("Latency", "latency-residual"),
    "Load": ("Load", "load-now"),
    "Compare": ("Servers", "compare-outcome"),
}
LOW = {"viewport": {"width": 900, "height": 320}}
"""With little in sight but the verdict: graphs out of sight are not drawn."""
BUSY_LOAD = 1.5
"""Runnable threads for each core from which on other programs take CPU time from what is made."""


def is_busy():
    return os.getloadavg()[0] > BUSY_LOAD * (os.cpu_count() or 1)


def findings(opened, page, subject=""):
    """The findings of a page, of a subject alone where there is one."""
    found = opened.page.evaluate(READ, PLACES[page][1])
    word = re.compile(rf"\b{subject}\b")
    return [one for one in found if word.search(one["sentence"])]


def test_the_leader_is_killed_during_a_run_and_then_all_processes_end(start_dashboard, look):
    dashboard = start_dashboard(*gunicorn())
    opened = look(dashboard, "/load", LOW)
    with closing(dashboard.control) as control:
        run = control.load_runs.request(LoadPlan.constant("wsgi", "/", 20, 60), time.time())
        opened.page.locator("#run-strip").get_by_text("of 60 s").wait_for(timeout=WITHIN_S * 1000)
        killed = dashboard.leader
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: dashboard.leader not in {None, killed}, WITHIN_S)
        opened.page.locator("#load-now").get_by_text(
            f"Run {run.id} failed: the process that ran it ended; its measurements are in the "
            "graphs."
        ).wait_for(timeout=WITHIN_S * 1000)
    opened.until("document.getElementById('standing').textContent === 'live'")
    assert [one["code"] for one in findings(opened, "Load")] == ["run-failed"]
    pages = [opened, *(Watched(opened.page.context.new_page(), dashboard.url) for _ in range(3))]
    for page, path in zip(pages[1:], ("/", "/ports", "/latency"), strict=True):
        page.open(path).until("document.querySelector('.judged .verdict') !== null")
    dashboard.end()
    for page in pages:
        page.page.get_by_text("does not answer").wait_for(timeout=WITHIN_S * 1000)
        assert page.page.locator(".judged:visible").count() == 0
    for page in pages[1:]:
        told = page.page.locator(".unknown-now").first.inner_text()
        assert told.startswith("Unknown: no connection since ")


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    dashboards = Dashboards(tmp_path_factory.mktemp("dashboard"))
    yield dashboards(
        BACKLOG=BACKLOG, THREADS=THREADS, APPS="*", PIN_CPU="false", LOAD_MAX_RATE=80_000
    )
    dashboards.end()


class Scene:
    """The situations under way: those at once together, of the others one."""

    def __init__(self, dashboard):
        self.place = Place(dashboard, dashboard.control)
        self._under_way = ExitStack()
        self._facts = {}

    def facts_of(self, situation):
        """Have the situation under way; what its sentences are held against."""
        if situation.name not in self._facts:
            self.end()
            together = situation.at_once
            group = [one for one in SITUATIONS if one.at_once] if together else [situation]
            for one in group:
                self._facts[one.name] = self._under_way.enter_context(one.make(self.place))
        return self._facts[situation.name]

    def end(self):
        for clients in Clients.under_way:
            clients.send_no_more()  # of all, before the end of each is waited for
        self._under_way.close()
        self._facts.clear()


@pytest.fixture(scope="module")
def scene(dashboard):
    one = Scene(dashboard)
    yield one
    one.end()
    one.place.control.close()


@pytest.fixture(scope="module")
def kept_page(chromium, dashboard, left_pages):
    with left_pages.lent(chromium, dashboard.url, LOW) as watched:
        yield watched.open("/latency")
    assert watched.complaints == []


def objection(situation, page, found, facts):
    """The error in the findings that stand on a page; empty where there is none."""
    expected, said = situation.says[page], {one["code"] for one in found}
    beside = HOST | (STARVED if is_busy() else frozenset())
    wrong = said - set(expected) - situation.may_say - beside
    if wrong:
        return f"wrongly says {wrong}"
    for code, said_as in expected.items():
        of_code = [one for one in found if one["code"] == code]
        or_else = said_as.or_else
        if is_busy() or said_as.severity == "good":
            or_else = or_else | beside  # the machine is what limits, and that is said
        if not of_code and said & or_else:
            continue
        if not any(
            one["severity"] in said_as.severity.split() and matched(said_as, one["sentence"], facts)
            for one in of_code
        ):
            return f"does not say {code} as it is"
    return ""


def readings():
    """Each situation with each page to read it off, in an order in which few pages are come to.

    The first two are those of a dashboard that nobody has used, in front of any load. Each is read
    first where the one before was read last, and those at once page by page.
    """
    unused, light, *others = SITUATIONS
    at_once = [one for one in others if one.at_once]
    pages = dict.fromkeys(page for one in at_once for page in one.says)
    others = [one for one in others if not one.at_once]
    of_overview = [one for one in others if "Overview" in one.says]
    of_runs = [one for one in others if "Load" in one.says]
    of_runs.sort(key=lambda one: len(one.says))
    of_servers = [one for one in others if "Compare" in one.says]
    return [
        *((unused, page) for page in reversed(unused.says)),
        *((light, page) for page in light.says),
        *((one, page) for page in reversed(pages) for one in at_once if page in one.says),
        *((one, page) for one in (*of_overview, *of_runs, *of_servers) for page in one.says),
    ]


@pytest.mark.parametrize(
    ("situation", "page"),
    [pytest.param(*pair, id=f"{pair[0].name}, on {pair[1]}") for pair in readings()],
)
def test_a_page_says_what_is_so_and_nothing_else(kept_page, scene, situation, page):
    facts = scene.facts_of(situation)
    if kept_page.page.locator("h1").inner_text() != PLACES[page][0]:
        kept_page.follow(PLACES[page][0])
    deadline = time.monotonic() + WITHIN_S
    while amiss := objection(
        situation, page, found := findings(kept_page, page, situation.subject), facts
    ):
        assert time.monotonic() < deadline, f"{page} {amiss}: {found}; facts: {facts}"
        kept_page.page.wait_for_timeout(200)


def test_latency_says_only_what_is_so_of_the_listener_chosen_there(kept_page, dashboard):
    with Clients(dashboard.port("wsgi"), "/whoami") as clients:
        eventually(lambda: clients.statuses[200] > 20, WITHIN_S)
    opened = kept_page.follow(WITHOUT_GRAPHS).follow("Latency")
    opened.page.get_by_placeholder("All listeners").click()
    opened.page.get_by_role("option", name="wsgi", exact=True).click()
    opened.until(
        "() => { const all = [...document.querySelectorAll('#latency-verdict .finding')];"
        " return all.length && all.every(one => one.dataset.code === 'span-well'"
        " || one.textContent.includes('listener wsgi')); }"
    )

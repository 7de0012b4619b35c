"""One Chromium for all files of browser tests of a process, beside the one `dashboard` of each.

Its pages stay from file to file: the dashboards of a process have the same port one after the
other, so that a page, which compiles the scripts of an origin once, does so for all of them.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Error, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from servescope.records.load import LoadPlan, RunState
from servescope.store.sqlite.store import open_store
from tests.processes import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Page

POLL_MS = 50
BECOMES_TRUE = f"""async arg => {{
    const ask = () => {{ const it = (%s); return typeof it === "function" ? it(arg) : it; }};
    const end = performance.now() + 1000;
    while (!await ask()) {{
        if (performance.now() > end) return false;
        await new Promise(done => setTimeout(done, {POLL_MS}));
    }}
    return true;
}}"""
"""Asks an expression, or function of `arg`, within the page, a second long."""
GO = """path => {
    history.pushState({}, "", path);
    dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
}"""
"""What `assets/plain_html.js` does at a click on a link to a page."""
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
"""A page is no wider than its screen."""
WITHIN_S = 40
"""How long a page may take over anything while other tests want the cores as well."""
CHROMIUM = "/usr/bin/chromium"
HEADLESS_SHELL = "/usr/bin/chromium-headless-shell"
"""Chromium without the browser around its pages: a page in a new context costs half the CPU time.

Where there is none the tests take the whole browser.
"""
NAME = "status.test"
"""A name that Chromium takes for this host; without HTTPS it sends no Sec-Fetch-Site there."""
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
    "--renderer-process-limit=1",  # a page keeps its process, and what that has compiled
    # V8's optimising compilers cost a visit more CPU time than they save it: about a fifth. So does
    # to look for garbage, before the heap is as large as that: a fifteenth.
    "--js-flags=--no-maglev,--no-turbofan,--initial-heap-size=1024,--no-memory-reducer",
]
DESKTOP = {"viewport": {"width": 1440, "height": 900}}
VIEWPORT = {"width": 1280, "height": 720}
"""The one that playwright gives a context without."""
SMALL = {"viewport": VIEWPORT}
WITHOUT_GRAPHS = "Learn"
"""A page that costs next to nothing to come to."""
FIRST_VIEW = "/learn?from=now-5m&host="
"""That page, with the view that a page begins with."""
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


@contextmanager
def running_chromium(executable=HEADLESS_SHELL):
    if not os.access(executable, os.X_OK):
        executable = CHROMIUM
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


class SuspendedLoop:
    """The event loop of playwright, which runs on in a greenlet of its own all the time.

    asyncio allows one a thread, and remembers by the thread which it is: between two files of
    browser tests it is to remember none, for tests that run a loop of their own.
    """

    def __init__(self):
        self._loop = asyncio.get_running_loop()

    def suspend(self):
        asyncio._set_running_loop(None)

    def resume(self):
        asyncio._set_running_loop(self._loop)


@pytest.fixture(scope="session")
def kept_chromium():
    """The Chromium of this process with its loop, which is suspended."""
    with running_chromium() as browser:
        loop = SuspendedLoop()
        loop.suspend()
        yield browser, loop
        loop.resume()


@pytest.fixture(scope="module")
def chromium(kept_chromium, left_pages):
    browser, loop = kept_chromium
    loop.resume()
    yield browser
    left_pages.close_others(browser)
    loop.suspend()


class Watched:
    """A page that remembers what it complained of, and what it asked of other hosts."""

    def __init__(self, page, base):
        self.page = page
        self.base = base
        self.complaints = []
        self.polls = 0
        self.others = ()  # origins that the page is meant to ask, too
        self._handlers = {
            "console": self._console,
            "pageerror": self._error,
            "request": self._request,
            "response": self._response,
        }
        for event, handler in self._handlers.items():
            page.on(event, handler)

    def unwatch(self):
        for event, handler in self._handlers.items():
            self.page.remove_listener(event, handler)

    def _console(self, message):
        if message.type in {"error", "warning", "trace"}:
            self.complaints.append(message.text)

    def _error(self, error):
        self.complaints.append(str(error))

    def _request(self, request):
        if not request.url.startswith((self.base, *self.others, "data:", "blob:")):
            self.complaints.append(f"foreign request {request.url}")

    def _response(self, response):
        self.polls += "/_dash-update-component" in response.url

    def wait_polls(self, count):
        """Wait until `count` more callbacks were answered."""
        wanted, deadline = self.polls + count, time.monotonic() + WITHIN_S
        while self.polls < wanted:
            left_s = deadline - time.monotonic()
            assert left_s > 0, "the page does not poll"
            with suppress(PlaywrightTimeout):
                self.page.wait_for_event("response", timeout=left_s * 1000)

    def open(self, path):
        self.page.goto(self.base + path)
        self.until("document.title !== '' && document.querySelector('h1') !== null")
        return self

    def follow(self, name):
        """Click the navigation's link to a page; the document stays."""
        self.page.get_by_role("link", name=name, exact=True).first.click()
        self.until("name => document.querySelector('h1')?.textContent === name", name)
        return self

    def go(self, path, name):
        """Go to a path, maybe with a query, as a link of the page does; the document stays."""
        self.page.evaluate(GO, path)
        self.until("name => document.querySelector('h1')?.textContent === name", name)
        return self

    def until(self, expression, arg=None, seconds=WITHIN_S):
        """Wait until the page's expression, or function of `arg`, is true.

        The page itself asks it: a question from here costs four processes 4 ms of CPU each time.
        (playwright's own wait_for_function makes the function within the page: our CSP forbids
        that.)
        """
        deadline = time.monotonic() + seconds
        while not self._becomes_true(expression, arg):
            assert time.monotonic() < deadline, (
                f"not true in {seconds} s: {expression} {arg}; "
                f"{self.page.url} complained of {self.complaints}"
            )

    def _becomes_true(self, expression, arg):
        """Whether it is true within a second."""
        try:
            return self.page.evaluate(BECOMES_TRUE % expression, arg)
        except Error as error:
            if "Execution context was destroyed" not in str(error):
                raise
            self.page.wait_for_timeout(POLL_MS)
            return False  # the page was left meanwhile: the next one is asked

    def pause(self):
        """Pause a live view, and wait until the page shows what the view that stands still has."""
        self.page.locator("#pause").click()
        self.until("document.getElementById('view-text').textContent.startsWith('Paused')")
        return self

    def points(self, graph):
        """How the page's graph stands: x and y of every trace, oldest first."""
        return self.page.evaluate(
            "id => (document.querySelector(`#${id} .live-graph-plot`)?.data || [])"
            ".map(trace => ({name: trace.name, x: Array.from(trace.x),"
            " y: Array.from(trace.customdata || trace.y || [])}))",
            graph,
        )

    def wait_drawn(self, *graphs):
        for graph in graphs:
            self.until(
                "id => ['drawn', 'empty'].includes(document.getElementById(id)?.dataset.state)",
                graph,
            )
        return self

    @contextmanager
    def as_phone(self):
        """Have the page on a phone meanwhile: its layout becomes that of a page loaded there.

        Until its next document it knows of no mouse after that: nothing is to hover on it.
        """
        size = self.page.viewport_size
        screen = PHONE["viewport"]
        self.page.set_viewport_size(screen)
        session = self.page.context.new_cdp_session(self.page)
        mobile = {"mobile": True, "deviceScaleFactor": 1, **screen}
        mobile |= {"screenWidth": screen["width"], "screenHeight": screen["height"]}
        try:
            session.send("Emulation.setDeviceMetricsOverride", mobile)
            session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
            width = "document.documentElement.clientWidth"
            self.until(
                f"width => {width} === width && matchMedia('(pointer: coarse)').matches",
                screen["width"],
            )
            yield
        finally:
            session.detach()
            self.page.set_viewport_size(size)

    def wait_poll_answered(self):
        """Wait until the page shows what its poll brought: no place of it waits any more."""
        self.until("!document.getElementById('page').innerText.includes('Loading…')")

    def wait_filled(self):
        """Wait until there is data for all of a live view: before, it begins with the data."""
        shown = "document.getElementById('span-text').textContent"
        self.until(f"{shown} !== '' && !{shown}.includes('The data begins at')")
        return self

    def tables_to_scroll(self):
        """Tables that have to be scrolled sideways to read a row, each by its beginning."""
        return self.page.evaluate(
            "[...document.querySelectorAll('.rows')].filter(table => table.checkVisibility()"
            " && table.scrollWidth > table.clientWidth + 1).map(table => table.innerText)"
        )

    def last_x(self, graph):
        return max((trace["x"][-1] for trace in self.points(graph) if trace["x"]), default=0)

    def wait_newer(self, graph, than):
        # Only graphs in sight are redrawn.
        self.page.locator(f"#{graph}").scroll_into_view_if_needed()
        self.until(
            "([id, than]) => (document.querySelector(`#${id} .live-graph-plot`)?.data || [])"
            ".some(trace => trace.x.length && trace.x[trace.x.length - 1] > than)",
            [graph, than],
        )


def new_page(chromium, options):
    """A page in a context of its own."""
    surroundings = chromium.new_context(**options)
    surroundings.set_default_timeout(WITHIN_S * 1000)
    return surroundings.new_page()


class Left(NamedTuple):
    """A page that a test is through with, as it was when it was new."""

    page: Page
    kind: dict[str, Any]
    origin: str


class LeftPages:
    """Pages for the next tests, with nothing in them of those that had them.

    To load a document into one takes half the CPU time that it takes in a page in a new context,
    whose process compiles all scripts.
    """

    def __init__(self):
        self._left = []
        self._in_zones = {}  # pages in a time zone, which they have as long as their sessions last

    def take(self, chromium, options, base):
        """A page with these options of its context, if any is left one that knows the origin."""
        fit = [one for one in self._left if one.kind == kind_of(options)]
        if fit:
            left = next((one for one in fit if base.startswith(one.origin)), fit[0])
            self._left.remove(left)
            page = left.page
        else:
            page = new_page(chromium, kind_of(options))
        put_in_surroundings(page, options)
        if "timezone_id" in options:
            self._in_zones[page] = page.context.new_cdp_session(page)
            zone = {"timezoneId": options["timezone_id"]}
            self._in_zones[page].send("Emulation.setTimezoneOverride", zone)
        return page

    def leave(self, page, options, base):
        """Keep a page, unless it was closed, or led to where it may have stored something else."""
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(base))
        if page.is_closed() or not page.url.startswith(f"{origin}/"):
            page.context.close()  # what it has stored is reached from its origin alone
            return
        for other in page.context.pages:
            if other != page:
                other.close()
        if page in self._in_zones:
            self._in_zones.pop(page).detach()
        forget(page, origin, options)
        self._left.insert(0, Left(page, kind_of(options), origin))

    @contextmanager
    def lent(self, chromium, base, options=DESKTOP, kind=Watched):
        """A page that is watched, and left when the block is over."""
        watched = kind(self.take(chromium, options, base), base)
        yield watched
        watched.unwatch()
        self.leave(watched.page, options, base)

    def close_others(self, chromium):
        """Close what tests have opened by themselves."""
        kept = [one.page.context for one in self._left]
        for context in chromium.contexts:
            if context not in kept:
                context.close()


@pytest.fixture(scope="session")
def left_pages():
    return LeftPages()


@pytest.fixture
def open_page(chromium, dashboard, left_pages):
    """Open a path: `open_page("/load", PHONE)`; the console must stay silent to the end."""
    opened = []
    with ExitStack() as lent:

        def open_it(path, context=DESKTOP, base=None):
            page = left_pages.lent(chromium, base or dashboard.url, context)
            opened.append(lent.enter_context(page))
            return opened[-1].open(path)

        yield open_it
        complaints = [complaint for watched in opened for complaint in watched.complaints]
    assert complaints == []


@pytest.fixture
def open_fresh_page(chromium, dashboard):
    """Like `open_page`, in a context of its own: for tests that judge a first visit, or memory."""
    opened = []

    def open_it(path, context=DESKTOP):
        watched = Watched(new_page(chromium, context), dashboard.url)
        opened.append(watched)
        return watched.open(path)

    yield open_it
    complaints = [complaint for watched in opened for complaint in watched.complaints]
    for watched in opened:
        watched.page.context.close()
    assert complaints == []


def kind_of(options):
    """The options of a context that no page of it can be given later."""
    later = {"color_scheme", "reduced_motion", "timezone_id", "viewport"}
    return {name: value for name, value in options.items() if name not in later}


def put_in_surroundings(page, options):
    """Give a page the options that need no context of its own.

    A browser draws motion frame by frame, so a kept page prefers less of it unless a test asks for
    it. Pages of a first visit, and pages in contexts that tests make themselves, have motion.
    """
    page.emulate_media(
        color_scheme=options.get("color_scheme", "light"),
        reduced_motion=options.get("reduced_motion", "reduce"),
    )
    page.set_viewport_size(options.get("viewport", VIEWPORT))


def forget(page, origin, options):
    """Take back all that a test may have changed in a page, its context and its history."""
    page.unroute_all(behavior="ignoreErrors")
    session = page.context.new_cdp_session(page)
    for is_local in (True, False):
        storage = {"securityOrigin": origin, "isLocalStorage": is_local}
        session.send("DOMStorage.clear", {"storageId": storage})
    page.goto("about:blank")
    page.mouse.move(0, 0)
    page.emulate_media(media="null")
    put_in_surroundings(page, options)
    page.context.set_offline(False)
    page.context.clear_cookies()
    page.context.clear_permissions()
    if "permissions" in options:
        page.context.grant_permissions(options["permissions"])
    session.send("Page.resetNavigationHistory")
    session.detach()


@pytest.fixture(scope="module")
def kept_page(chromium, dashboard, left_pages):
    """A page that stays from test to test, whose document is loaded once."""
    with left_pages.lent(chromium, dashboard.url) as watched:
        yield watched.open("/learn")
    assert watched.complaints == []


@pytest.fixture
def visit(kept_page):
    """Come to a page by its link, made anew: `visit("Servers")`; the console must stay silent.

    Or by a path with a query: `visit("Latency", "/latency?listener=wsgi")`. Between tests the page
    is where nothing is polled or drawn, shows the present of this host, and has the mouse in a
    corner.
    """

    def come_to(name, path=None):
        if kept_page.page.locator("h1").inner_text() != WITHOUT_GRAPHS:
            kept_page.follow(WITHOUT_GRAPHS)
        return kept_page.go(path, name) if path else kept_page.follow(name)

    yield come_to
    kept_page.page.mouse.move(0, 0)
    if urlsplit(kept_page.page.url).path != "/learn":
        kept_page.go(FIRST_VIEW, WITHOUT_GRAPHS)
    assert kept_page.complaints == []


def wait_recorded(dashboard, seconds):
    """Wait until so many seconds are recorded: before a page is open, which costs CPU time."""

    def is_recorded():
        oldest, newest = store.bounds() or (0, 0)
        return newest - oldest >= seconds

    with closing(open_store(dashboard.folder)) as store:
        eventually(is_recorded, step=0.2)


@pytest.fixture(scope="module")
def two_runs(dashboard):
    """The numbers of two short runs that are over."""
    numbers = []
    with closing(dashboard.control) as control:
        for target in ("/whoami", "/missing"):
            plan = LoadPlan.constant("wsgi", target, 50, 2)
            run = control.load_runs.request(plan, time.time())
            eventually(lambda: control.load_runs.active() is None, 60)
            assert control.load_runs.by_id(run.id).state is RunState.DONE
            numbers.append(run.id)
    return numbers


@pytest.fixture(scope="module")
def run_pages(dashboard, two_runs):
    """The pages of runs that the navigation does not lead to: heading of each, by its path."""
    first, second = two_runs
    with closing(dashboard.control) as control:
        plan = LoadPlan.constant("no-such-listener", "/", 5, 1)
        failed = control.load_runs.request(plan, time.time()).id
        eventually(lambda: control.load_runs.active() is None, 60)
        assert control.load_runs.by_id(failed).state is RunState.FAILED
    return {
        "/runs": "Runs",
        f"/runs?chosen={first}&text=whoami": "Runs",
        f"/runs/{second}": f"Run {second}",
        f"/runs/{failed}": f"Run {failed}",
        f"/runs/{failed + 1}": f"There is no run {failed + 1} yet",
        f"/runs/compare?a={first}&b={second}": f"Run {first} beside Run {second}",
        f"/runs/compare?a={first}&b={failed}": f"Run {first} beside Run {failed}",
        f"/runs/compare?a={first}": "There are no two runs to compare",
    }


@pytest.fixture
def look(chromium, left_pages):
    """Open a page of a running dashboard: `look(running, path)`."""
    with ExitStack() as lent:

        def open_it(running, path="/", context=SMALL):
            page = left_pages.lent(chromium, running.url, context)
            return lent.enter_context(page).open(path)

        yield open_it

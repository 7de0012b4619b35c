"""The dashboard behind a real nginx: hidden, below a path prefix, and by a name without HTTPS."""

from __future__ import annotations

import json
import re
import urllib.request
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import NAME, WITHIN_S, Watched
from tests.nginx import running_nginx
from tests.page_files import live_pages, pages_in_navigation
from tests.ports import borrow_port, free_port, give_back
from tests.processes import ROOT, Dashboards, gunicorn

pytestmark = [pytest.mark.browser, pytest.mark.process]

PREFIX = "/scope/"
PASSWORD = "open sesame"

OVERVIEW, *OTHERS = (page.name for page in pages_in_navigation())
WITHOUT_POLLS = set(OTHERS) - {page.name for page in live_pages()}

OWN_HOST, STRIPPING, PASSING_ON = re.findall(
    r"^```nginx\n(.*?)^```", (ROOT / "docs" / "proxies.md").read_text(), re.MULTILINE | re.DOTALL
)
"""The examples of the docs."""


class Below(Watched):
    """A page that remembers which requests left the prefix or failed, too."""

    def __init__(self, page, base):
        super().__init__(page, base)
        self.asked = set()
        self.unknown = ""  # a path that may answer 404

    def _console(self, message):
        # By a name without HTTPS Chromium passes over the header, and says so; and it says that a
        # document is not found: `_response` tells which.
        is_expected = self.unknown and "status of 404" in message.text
        if "Cross-Origin-Opener-Policy" not in message.text and not is_expected:
            super()._console(message)

    def _response(self, response):
        super()._response(response)
        path = urlsplit(response.url).path
        self.asked.add(path)
        if response.status >= 400 and path != self.unknown:
            self.complaints.append(f"{response.status} {response.url}")

    def links_outside(self):
        """Links of the document to paths of this host that are not below the prefix."""
        found = self.page.evaluate(
            "[...document.querySelectorAll('[href], [src], [action], [data-export]')]"
            ".flatMap(one => ['href', 'src', 'action', 'data-export']"
            ".map(name => one.getAttribute(name))).filter(Boolean)"
        )
        return [link for link in found if re.match(r"/(?!scope/)", link)]


@pytest.fixture(scope="module")
def port():
    """The one of each test's nginx: a browser keeps what it has of its origin."""
    kept = borrow_port()
    yield kept.number
    give_back([kept])


@pytest.fixture
def nginx(tmp_path, port):
    """Serve locations at the port until the test's pages are left: `nginx(locations)`."""
    with ExitStack() as running:
        yield lambda locations: running.enter_context(
            running_nginx(tmp_path / "nginx", port, locations)
        )


@pytest.fixture
def come_to(chromium, left_pages, start_dashboard, nginx):  # noqa: ARG001 - they end after the pages
    """Open a path of a base: `come_to(base, path)`; the console must stay silent to the end."""
    opened = []
    with ExitStack() as lent:

        def come(base, path):
            opened.append(lent.enter_context(left_pages.lent(chromium, base, kind=Below)))
            return opened[-1].open(path)

        yield come
        complaints = [complaint for below in opened for complaint in below.complaints]
    assert complaints == []


def test_behind_an_nginx_that_tells_nothing_pages_live_and_nobody_acts(
    start_dashboard, nginx, port, come_to
):
    dashboard = start_dashboard()
    nginx(f"location / {{ proxy_pass {dashboard.url}; }}")
    seen = come_to(f"http://localhost:{port}", "/load").wait_drawn("load-rates")
    seen.wait_polls(3)
    assert seen.page.locator("#load-start").is_disabled()
    direct = come_to(dashboard.url, "/load").wait_drawn("load-rates")
    assert direct.page.locator("#load-start").is_enabled()


def test_on_a_host_name_of_its_own_whoever_signed_in_acts(start_dashboard, nginx, port, come_to):
    dashboard = start_dashboard(TRUSTED_PROXIES="127.0.0.1", PASSWORD=PASSWORD)
    nginx(before(OWN_HOST, dashboard.url))
    seen = come_to(f"http://{NAME}:{port}", "/sign-in")
    act(seen, "/")


LINKS = """selector => [...document.querySelectorAll(`${selector} a[target=_blank]`)]
    .map(link => link.href)"""


def test_a_listener_that_only_this_machine_reaches_is_no_link_for_a_visitor_by_proxy(
    start_dashboard, nginx, port, come_to
):
    dashboard = start_dashboard(TRUSTED_PROXIES="127.0.0.1")
    nginx(before(OWN_HOST, dashboard.url))
    seen = come_to(f"http://{NAME}:{port}", "/").wait_drawn("overview-requests")
    seen.page.locator("#overview-listeners").get_by_text("this machine only").first.wait_for()
    wanted = "files, wsgi, asgi: only this machine can reach it; SERVESCOPE_LISTEN_ADDRESS=0.0.0.0"
    seen.page.get_by_text(wanted).wait_for()
    assert seen.page.evaluate(LINKS, "#overview-listeners") == []
    tried = seen.page.locator(".first-visit").inner_text()
    assert "Start demo load" not in tried
    assert "open a listener" not in tried
    seen.follow("Servers").page.locator("#server-notes").get_by_text(wanted).wait_for()
    assert seen.page.evaluate(LINKS, "#server-cards") == []
    seen.page.locator("#server-answer").get_by_text("Only a person at this machine").wait_for()
    assert not seen.page.get_by_role("button", name="Stop: wsgi").is_visible()
    direct = come_to(dashboard.url, "/").wait_drawn("overview-requests")
    direct.until(f"({LINKS})('#overview-listeners').length === 3")
    assert f"http://127.0.0.1:{dashboard.port('files')}/" in direct.page.evaluate(
        LINKS, "#overview-listeners"
    )
    seen.open("/").wait_drawn("overview-requests")
    seen.page.get_by_text(wanted).wait_for()
    assert seen.page.evaluate(LINKS, "#overview-listeners") == [], "not those of the one before"


def test_a_listener_on_every_address_is_a_link_by_the_name_in_the_visitors_request(
    start_dashboard, nginx, port, come_to
):
    dashboard = start_dashboard(TRUSTED_PROXIES="127.0.0.1", LISTEN_ADDRESS="0.0.0.0")
    nginx(before(OWN_HOST, dashboard.url))
    seen = come_to(f"http://{NAME}:{port}", "/").wait_drawn("overview-requests")
    seen.until(f"({LINKS})('#overview-listeners').length === 3")
    links = [f"http://{NAME}:{dashboard.port(name)}/" for name in ("files", "wsgi", "asgi")]
    assert seen.page.evaluate(LINKS, "#overview-listeners") == links
    seen.page.get_by_text("past the proxy: it works where that port is let through").wait_for()
    seen.follow("Servers").until(f"({LINKS})('#server-cards').length === 3")
    assert seen.page.evaluate(LINKS, "#server-cards") == links
    opened = seen.page.context.new_page()
    assert opened.goto(links[1]).status == 200


@pytest.fixture(scope="module")
def below(tmp_path_factory):
    """The root that browsers see of a dashboard below the prefix, and where it is itself."""
    folder, port = tmp_path_factory.mktemp("below"), free_port()
    origin = f"http://{NAME}:{port}"
    dashboards = Dashboards(folder)
    dashboard = dashboards(
        PATH_PREFIX=PREFIX,
        PUBLIC_ORIGIN=origin,
        TRUSTED_PROXIES="127.0.0.1",
        PASSWORD=PASSWORD,
    )
    with running_nginx(folder / "nginx", port, before(STRIPPING, dashboard.url)):
        yield f"{origin}{PREFIX}", dashboard.url
    dashboards.end()


@pytest.fixture(scope="module")
def page_below(below, chromium, left_pages):
    """A page that has come to the dashboard by its prefix, and stays for those who go on there."""
    root, _ = below
    with left_pages.lent(chromium, root, kind=Below) as seen:
        yield seen.open("")


@pytest.fixture
def seen(page_below):
    """Nothing that it asks for is outside of the prefix, and the console stays silent."""
    yield page_below
    assert {path for path in page_below.asked if not path.startswith(PREFIX)} == set()
    assert page_below.complaints == []


def test_every_url_of_every_page_is_below_the_prefix(seen):
    seen.wait_drawn("overview-requests")
    for name in (*OTHERS, "Runs", OVERVIEW):
        seen.follow(name)
        if name in WITHOUT_POLLS:
            seen.until("document.querySelector('#page ol a') !== null")
        else:
            seen.wait_polls(1)
        assert seen.links_outside() == []
    seen.unknown = f"{PREFIX}no-such-page"
    seen.page.goto(f"{seen.base}no-such-page")
    seen.until("document.querySelector('h1')?.textContent === 'There is no such page'")
    assert seen.links_outside() == []


def test_the_operator_signs_in_acts_and_exports_below_the_prefix(seen):
    seen.page.locator(".header").get_by_role("link", name="Sign in").click()
    act(seen, PREFIX)
    export(seen)
    seen.follow("Runs").page.get_by_role("link", name="Run 1", exact=True).click()
    seen.until("document.querySelector('h1')?.textContent === 'Run 1'")
    seen.wait_polls(1)
    assert urlsplit(seen.page.url).path == f"{PREFIX}runs/1"
    assert seen.links_outside() == []
    lead_home(seen)


def test_who_comes_past_the_proxy_is_led_below_the_prefix(below, come_to):
    root, url = below
    past = come_to(url, "/host?last=15m").wait_drawn("host-cpu")
    assert past.page.evaluate("location.pathname + location.search") == f"{PREFIX}host?last=15m"
    port = urlsplit(root).port
    for path in ("health", "metrics"):
        for place in (f"http://127.0.0.1:{port}{PREFIX}", f"{url}{PREFIX}", f"{url}/"):
            assert ask(place + path)[0] == 200


def before(example, url):
    """An example of the docs before the dashboard at a URL."""
    assert "http://127.0.0.1:8050" in example
    return example.replace("http://127.0.0.1:8050", url)


def act(seen, root):
    """Sign in, start a load run, stop it."""
    password = seen.page.get_by_label("Operator's password")
    password.fill(PASSWORD)
    password.press("Enter")
    seen.until("document.querySelector('h1')?.textContent === 'Overview'")
    assert {cookie["path"] for cookie in seen.page.context.cookies()} == {root}
    seen.page.get_by_role("button", name="Start demo load").click()
    seen.page.locator("#run-strip").get_by_text("Load run").wait_for()
    seen.page.locator("#run-stop").click()
    seen.page.locator("#run-strip").wait_for(state="hidden")


def export(seen):
    """Take the page's figures away."""
    seen.page.get_by_role("button", name="Export", exact=True).click()
    with seen.page.expect_download() as taken:
        seen.page.get_by_role("menuitem", name="CSV").click()
    assert urlsplit(taken.value.url).path == f"{PREFIX}export"


def lead_home(seen):
    """By the brand's link, then sign out."""
    seen.page.get_by_role("link", name="Servescope").click()
    seen.until("document.querySelector('h1')?.textContent === 'Overview'")
    seen.page.get_by_role("link", name="Sign out").click()
    seen.page.locator("#sign-out").click()
    seen.until("document.querySelector('h1')?.textContent === 'Overview'")


def ask(url):
    """Status and text of an answer."""
    with urllib.request.urlopen(url, timeout=WITHIN_S) as answer:
        return answer.status, answer.read().decode()


def test_gunicorn_behind_an_nginx_that_passes_the_prefix_on(start_dashboard, nginx, port, come_to):
    dashboard = start_dashboard(*gunicorn(workers=1), PATH_PREFIX=PREFIX)
    nginx(before(PASSING_ON, dashboard.url))
    base = f"http://localhost:{port}"
    status, page = ask(f"{base}{PREFIX}load")
    assert status == 200
    assert re.findall(r'(?:src|href)="/(?!scope/)[^"]*', page) == []
    config = re.search(r'id="_dash-config"[^>]*>([^<]*)<', page)
    assert json.loads(config[1])["requests_pathname_prefix"] == PREFIX
    assert ask(f"{base}{PREFIX}health")[0] == 200
    seen = come_to(f"{base}{PREFIX}", "load").wait_drawn("load-rates")
    seen.wait_polls(2)
    assert seen.page.locator("#load-start").is_disabled()  # no password is set

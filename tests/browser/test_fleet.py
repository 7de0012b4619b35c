"""Several hosts on one engine: the picker, the table of hosts, the engine that goes away."""

import re
import time
import urllib.request
from contextlib import closing

import pytest

from servescope.store.base import Batch, Frame
from servescope.store.opening import open_backend
from tests.browser.conftest import PHONE
from tests.engines import VICTORIA_METRICS, RunningEngine
from tests.processes import Dashboards, eventually

pytestmark = pytest.mark.browser
HOSTS = ("alpha", "beta")
CUT_PICKER = """() => {
    const field = document.getElementById("host");
    return field.value && field.scrollWidth - field.clientWidth;
}"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    running = RunningEngine(VICTORIA_METRICS, tmp_path_factory.mktemp("engine")).start()
    yield running
    running.end()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory, engine):
    """Two dashboards as two hosts, `beta` with traffic."""
    dashboards = Dashboards(tmp_path_factory.mktemp("fleet"))
    alpha, beta = (
        dashboards(folder=dashboards.base / name, STORE=engine.setting, INSTANCE=name)
        for name in HOSTS
    )
    port = beta.port("wsgi")
    for _ in range(20):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/whoami", timeout=10).read()
    yield alpha, beta
    dashboards.end()


@pytest.fixture(scope="module")
def dashboard(fleet):
    """The one whose pages are opened."""
    return fleet[0]


@pytest.fixture(scope="module")
def gone_host(engine, tmp_path_factory):
    """A third host, `gone`, of hours ago: those that run find it, as they look twice a minute."""
    then = int(time.time()) - 3 * 3600
    with closing(
        open_backend(engine.setting, tmp_path_factory.mktemp("gone"), 64, "gone")
    ) as store:
        store.write(Batch([Frame(ts) for ts in range(then, then + 5)]))
        assert store.wait_sent(30)


def answered(watched):
    """How many requests the overview's graph holds: traces are stacked, the topmost has all."""
    watched.page.locator("#overview-requests").scroll_into_view_if_needed()  # else it is not drawn
    traces = watched.points("overview-requests")
    return max((sum(float(value or 0) for value in trace["y"]) for trace in traces), default=0)


def choose(watched, label):
    watched.page.get_by_role("textbox", name="Host", exact=True).click()
    watched.page.get_by_role("option", name=label).click()


def test_the_host_is_chosen_in_the_shell_and_stands_in_the_address(visit, open_page):
    watched = visit("Overview").wait_drawn("overview-requests", "overview-host")
    page = watched.page
    picker = page.get_by_role("textbox", name="Host", exact=True)
    picker.wait_for()
    watched.until("document.getElementById('host').value === 'alpha (this host)'")
    assert answered(watched) == 0
    choose(watched, "beta")
    page.get_by_text("Figures of host beta.").wait_for()
    eventually(lambda: page.wait_for_timeout(50) or answered(watched) == 20)
    assert "host=beta" in page.url
    # The link holds the view: opened elsewhere, and through a zoom, it stays with the host.
    shared = open_page(page.url.removeprefix(watched.base))
    shared.page.get_by_text("Figures of host beta.").wait_for()
    shared.page.get_by_role("button", name="Pause", exact=True).click()
    shared.until("location.search.includes('from=') && location.search.includes('host=beta')")
    shared.page.get_by_role("link", name="Latency", exact=True).click()
    shared.wait_drawn("latency-percentiles")
    assert "host=beta" in shared.page.url
    choose(watched, "All 2 hosts")
    page.get_by_text("Figures of all hosts").wait_for()
    eventually(lambda: page.wait_for_timeout(50) or answered(watched) == 20)
    choose(watched, re.compile("alpha"))
    page.get_by_text("Figures of").first.wait_for(state="hidden")
    watched.until("!location.search.includes('host=')")
    eventually(lambda: page.wait_for_timeout(50) or answered(watched) == 0)


@pytest.mark.usefixtures("gone_host")
def test_the_overview_has_a_row_for_each_host(visit, fleet):
    port = fleet[1].port("wsgi")
    watched = visit("Overview")
    page = watched.page
    row = page.locator("#overview-fleet tbody tr", has_text="beta")
    row.wait_for()
    deadline = time.monotonic() + 20
    while True:  # CPU comes with the second look at the clocks of its host, maybe after a request
        cells = row.locator("td").all_inner_texts()
        if re.search(r"[1-9]", cells[2]) and "—" not in cells[5:]:
            break
        assert time.monotonic() < deadline, cells
        urllib.request.urlopen(f"http://127.0.0.1:{port}/whoami", timeout=10).read()
        page.wait_for_timeout(200)
    assert cells[1] == "now"
    assert re.fullmatch(r"—|[\d.]+ .*s", cells[4]), "a p95 takes 20 requests in 10 s"
    assert all("%" in cell for cell in (cells[3], cells[5], cells[6])), cells
    row.get_by_role("link", name="beta").click()
    page.get_by_text("Figures of host beta.").wait_for()


def test_what_the_engine_promises_stands_beside_the_figures(visit):
    watched = visit("Overview").wait_drawn("overview-latency")
    page = watched.page
    told = "Engine: points show up to 3 s late, percentiles ±4.33 %."
    page.locator("#promise").get_by_text(told).wait_for()
    page.get_by_role("link", name="Latency", exact=True).click()
    page.locator("#latency-within").get_by_text("Percentiles ±4.33 %").wait_for()
    # The newest point is that much older than now, and the page does not call it late.
    watched.wait_drawn("latency-percentiles")
    page.locator("#standing").get_by_text("live", exact=True).wait_for()


def test_the_host_is_chosen_by_keyboard(visit):
    watched = visit("Overview").wait_drawn("overview-requests")
    picker = watched.page.get_by_role("textbox", name="Host", exact=True)
    picker.focus()
    watched.page.keyboard.press("Control+A")
    watched.page.keyboard.type("bet")
    watched.page.get_by_role("option", name="beta").wait_for()
    watched.page.keyboard.press("ArrowDown")
    watched.page.keyboard.press("Enter")
    watched.page.get_by_text("Figures of host beta.").wait_for()
    assert "host=beta" in watched.page.url


def test_an_unknown_host_is_told(visit):
    page = visit("Overview", "/?host=gamma").page
    page.get_by_text("There are no figures of host gamma to be had.").wait_for()


def test_on_a_phone_the_name_of_this_host_is_whole_and_nothing_is_wider(open_page):
    watched = open_page("/", PHONE).wait_drawn("overview-requests")
    watched.until("document.getElementById('host').value === 'alpha (this host)'")
    assert watched.page.evaluate(CUT_PICKER) == 0
    choose(watched, "beta")
    watched.page.get_by_text("Figures of host beta.").wait_for()
    watched.wait_drawn("overview-requests")
    watched.page.locator("#overview-fleet tbody tr", has_text="beta").wait_for()
    watched.until("document.documentElement.scrollWidth <= window.innerWidth")


def test_of_a_host_without_requests_the_open_connections_are_known_elsewhere(open_page, fleet):
    watched = open_page("/?host=alpha", base=fleet[1].url).wait_drawn("overview-host")
    stages = ".path-live [data-stage={}] .path-amount"
    for stage, said in (("clients", "0 open now"), ("workers", "0 busy")):
        watched.page.locator(stages.format(stage)).get_by_text(said, exact=True).wait_for()


def test_the_page_tells_when_the_engine_is_away_and_goes_on(visit, open_page, engine):
    watched = visit("Host").wait_drawn("host-cpu")
    page = watched.page
    other = open_page("/host?host=beta").wait_drawn("host-cpu")
    engine.end()
    page.get_by_text("The engine is away").first.wait_for()
    page.get_by_text(re.compile(r"[1-9]\d* s of data wait to be sent")).first.wait_for()
    watched.wait_newer("host-cpu", watched.last_x("host-cpu"))
    other.page.get_by_text("There are no figures of host beta to be had.").wait_for()
    engine.start()
    page.get_by_text("The engine is away").first.wait_for(state="hidden", timeout=60_000)
    other.page.get_by_text("Figures of host beta.").wait_for()
    other.wait_newer("host-cpu", other.last_x("host-cpu"))


@pytest.mark.usefixtures("gone_host")
def test_a_host_that_went_silent_stands_out(visit):
    watched = visit("Overview")
    row = watched.page.locator("#overview-fleet tbody tr", has_text="gone")
    row.wait_for(timeout=60_000)
    row.get_by_text("silent for 3 h").wait_for()
    row.get_by_role("link", name="gone").click()
    watched.page.get_by_text("Figures of host gone.").wait_for()

"""This project's own dashboard, hosted by its own listeners: pages, polls and callbacks work."""

import pytest

from servescope.recording.recorder import RING_SUFFIX
from servescope.recording.ring_reader import RingReader
from tests.browser.test_pages import PAGES
from tests.processes import Dashboards, eventually

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=["thread_pool", "asyncio"])
def dashboard(request, tmp_path_factory):
    base = tmp_path_factory.mktemp("hosted")
    dashboards = Dashboards(base)
    try:
        yield dashboards("-m", "tests.browser.host_dashboard", request.param, str(base / "outer"))
    finally:
        dashboards.end()


def test_every_page_opens_and_draws_the_poll_goes_on_and_a_click_starts_a_run(open_page, dashboard):
    opened = open_page("/host").wait_drawn("host-cpu")
    for _ in range(2):
        opened.wait_newer("host-cpu", opened.last_x("host-cpu"))
    others = [path for path in PAGES if path not in {"/host", "/"}]
    for path in (*others, "/"):
        name, graph = PAGES[path]
        opened.follow(name)
        assert opened.page.evaluate("location.pathname") == path
        opened.wait_drawn(graph)
        if path == "/load":
            opened.page.get_by_role("link", name="All runs").click()
            opened.page.locator("#runs-table").get_by_text("No run to show").wait_for()
    opened.page.get_by_role("button", name="Start demo load").click()
    opened.page.locator("#run-strip").get_by_text("Load run").wait_for()
    opened.page.locator("#run-stop").click()
    opened.page.locator("#run-strip").wait_for(state="hidden")
    assert "Traceback" not in dashboard.log


def test_it_is_recorded_and_ends_in_order(dashboard):
    [path] = (dashboard.folder.parent / "outer").glob(f"*{RING_SUFFIX}")
    reader = RingReader(path)
    records = reader.drain(0, 2**62, 0.0).records
    routes = {reader.routes[record["route"]] for record in records}
    reader.close()
    assert "/_dash-update-component" in routes
    assert not (records["status"] >= 500).any()
    assert dashboard.end() == 0
    eventually(lambda: dashboard.leader is None)

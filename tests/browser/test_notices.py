"""The notices that a person needs are on the page: a port held by another, who leads, no data."""

import os
import signal
import socket
from contextlib import closing

import pytest

from tests.processes import Dashboards, is_bound

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    """One whose default port of files is held by another program."""
    dashboards = Dashboards(tmp_path_factory.mktemp("dashboard"))
    with closing(socket.socket()) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not is_bound(8000):
            held.bind(("127.0.0.1", 8000))
            held.listen()
        yield dashboards(FILES_PORT=None)
        dashboards.end()


def test_the_page_says_who_leads(start_dashboard, look):
    leader = start_dashboard()
    follower = start_dashboard(folder=leader.folder)
    page = look(follower, "/runs").page
    page.locator(".standing").click()
    page.get_by_text(f"pid {follower.process.pid}, follower").wait_for()
    page.get_by_text(f"pid {leader.process.pid}", exact=True).wait_for()
    leader.end()
    page.get_by_text(f"pid {follower.process.pid}, leader").wait_for()


def test_a_server_that_is_gone_is_told_and_its_return_noticed(start_dashboard, look):
    running = start_dashboard()
    port = running.url.rpartition(":")[2]
    watched = look(running, "/host").wait_drawn("host-cpu")
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait(10)
    watched.page.get_by_text("does not answer").wait_for()
    start_dashboard(folder=running.folder, PORT=port)
    watched.page.get_by_text("does not answer").wait_for(state="hidden")
    before = watched.last_x("host-cpu")
    watched.wait_newer("host-cpu", before)


def test_a_default_port_held_by_another_is_told_with_its_holder(dashboard, look):
    told = look(dashboard).page.get_by_text("port 8000 is held by").first
    told.wait_for()
    assert f"using {dashboard.port('files')} instead" in told.inner_text()


def test_a_page_from_before_an_update_loads_itself_anew(dashboard, look):
    watched = look(dashboard, "/host").wait_drawn("host-cpu")
    page = watched.page
    with page.expect_event("load", timeout=40_000):
        page.route("**/_dash-update-component*", lambda route: route.fulfill(status=409))
    page.unroute("**/_dash-update-component*")
    watched.open("/host").wait_drawn("host-cpu")

"""The notices that a person needs are on the page: a port held by another, who leads, no data."""

import os
import signal
import socket
from contextlib import closing

import pytest

from tests.processes import is_bound

pytestmark = pytest.mark.browser


def test_a_default_port_held_by_another_is_told_with_its_holder(start_dashboard, look):
    with closing(socket.socket()) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not is_bound(8000):
            held.bind(("127.0.0.1", 8000))
            held.listen()
        running = start_dashboard(FILES_PORT=None)
        page = look(running).page
        told = page.get_by_text("port 8000 is held by").first
        told.wait_for()
        assert f"using {running.port('files')} instead" in told.inner_text()


def test_the_page_says_who_leads(start_dashboard, look):
    leader = start_dashboard()
    follower = start_dashboard(folder=leader.folder)
    page = look(follower).page
    page.locator(".standing").click()
    page.get_by_text(f"pid {follower.process.pid}, follower").wait_for()
    page.get_by_text(f"pid {leader.process.pid}", exact=True).wait_for()
    leader.end()
    page.get_by_text(f"pid {follower.process.pid}, leader").wait_for()


def test_a_server_that_is_gone_is_told_and_its_return_noticed(start_dashboard, look):
    running = start_dashboard()
    port = running.url.rpartition(":")[2]
    watched = look(running).wait_drawn("overview-host")
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait(10)
    watched.page.get_by_text("does not answer").wait_for()
    start_dashboard(folder=running.folder, PORT=port)
    watched.page.get_by_text("does not answer").wait_for(state="hidden")
    before = watched.last_x("overview-host")
    watched.wait_newer("overview-host", before)


def test_a_page_from_before_an_update_loads_itself_anew(start_dashboard, look):
    running = start_dashboard()
    watched = look(running).wait_drawn("overview-host")
    page = watched.page
    with page.expect_event("load", timeout=40_000):
        page.route("**/_dash-update-component*", lambda route: route.fulfill(status=409))
    page.unroute("**/_dash-update-component*")
    watched.open("/").wait_drawn("overview-host")

"""Hosts that the operator named are compared as listeners are, and of them little is known."""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from servescope.records.comparisons import ComparedHost, ComparisonPlan
from servescope.records.load import RunState
from servescope.serving.tls.certificates import self_signed_pair
from tests.browser.conftest import PHONE
from tests.browser.test_comparison import column, wait_outcome
from tests.browser.test_servers import fill, press
from tests.processes import Dashboards, eventually

pytestmark = pytest.mark.browser
UNREAD = (
    "CPU a request",
    "CPU of one core, busiest process",
    "Processes",
    "Threads",
    "Memory",
    "Accept queue, most",
)


class Handler(BaseHTTPRequestHandler):
    """Answers each request at once."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_words):
        pass


@contextmanager
def server(pair=None):
    """A server of somebody else's at a free port; its origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as one:
        one.daemon_threads = True
        if pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*pair)
            one.socket = context.wrap_socket(
                one.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=one.serve_forever, daemon=True).start()
        scheme = "http" if pair is None else "https"
        yield f"{scheme}://localhost:{one.server_port}"
        one.shutdown()


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Two origins: one of HTTP, one of HTTPS, whose certificate the system trusts."""
    pair = self_signed_pair(tmp_path_factory.mktemp("certificate"))
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("SSL_CERT_FILE", str(pair[0]))  # the dashboard's, not this process's
        yield [stack.enter_context(server()), stack.enter_context(server(pair))]


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory, hosts):
    dashboards = Dashboards(tmp_path_factory.mktemp("dashboard"))
    yield dashboards(LOAD_HOSTS=",".join(hosts))
    dashboards.end()


def test_two_named_hosts_beside_a_model(open_page, dashboard, hosts):
    opened = open_page("/servers").wait_drawn("servers-rate")
    opened.page.get_by_role("checkbox", name="sequential").press("Space")
    opened.page.get_by_label("Listeners, apps and hosts").first.press("ArrowDown")
    for origin in hosts:
        opened.page.get_by_role("option", name=origin, exact=True).click()
    opened.page.keyboard.press("Escape")
    fill(opened, "Path and query", "/")
    fill(opened, "Rate", 20)
    fill(opened, "Seconds", 2)
    press(opened, "Compare")
    wait_outcome(opened, "\ndone")
    for origin in hosts:
        found = column(opened, origin)
        assert (found["Answered"], found["Failed"]) == ("40", "0")
        assert f"server {origin}" in found["Limit"].lower()
        assert {found[name] for name in UNREAD} == {"not known"}
    assert "not known" not in column(opened, "thread pool")["Memory"]
    said = opened.page.locator("#compare-outcome").inner_text()
    assert "host that the operator named" in said
    assert "only its answers are known here" in said
    assert f"listener {hosts[0]}" not in said.lower()
    with closing(dashboard.control) as control:
        (compared,) = control.comparisons.newest_first(1)
        assert compared.state is RunState.DONE
        plans = [control.load_runs.by_id(one.run_id).plan for one in compared.contenders[1:]]
        assert [(one.listener, one.origin) for one in plans] == [("", one) for one in hosts]
        assert {one.address for one in plans} <= {"127.0.0.1", "::1"}, "looked up once, and kept"
        assert None not in {one.lookup_seconds for one in plans}
        # None of them is in the list of runs, nor in an annotation of its own.
        assert not [text for text in _events(control) if text.startswith("run ")]


def test_on_a_phone_its_page_is_as_wide_as_the_screen(open_page, dashboard, hosts):
    found = tuple(ComparedHost(one, "127.0.0.1") for one in hosts)
    plan = ComparisonPlan.constant((), "", "/", 20, 1, hosts=found)
    with closing(dashboard.control) as control:
        number = control.comparisons.request(plan, time.time()).id
        eventually(lambda: control.comparisons.by_id(number).is_over)
    on_phone = open_page(f"/servers?comparison={number}#compare", PHONE)
    wait_outcome(on_phone, "\ndone")
    assert on_phone.page.evaluate("document.documentElement.scrollWidth") == 390


def _events(control):
    return [one.text for one in control.events.between(0, 2**32)]

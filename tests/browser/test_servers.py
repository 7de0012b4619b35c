"""A person stops, starts, restarts and changes listeners, and sees at once what came of it."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from contextlib import closing

import pytest

from tests.browser.conftest import PHONE
from tests.processes import eventually, is_bound

pytestmark = pytest.mark.browser


def status_of(dashboard, name):
    with closing(dashboard.control) as control:
        return next(one for one in control.listeners.statuses() if one.name == name)


def get(port, path="/whoami"):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def card(opened, name):
    return opened.page.locator(f'.server-card[data-listener="{name}"]')


def wait_card(opened, name, text):
    opened.until(
        "([name, text]) => document.querySelector(`.server-card[data-listener=${name}]`)"
        "?.innerText.includes(text)",
        [name, text],
    )


def choose(opened, label, value):
    opened.page.get_by_role("textbox", name=label, exact=True).click()
    opened.page.get_by_role("option", name=value, exact=True).click()


def press(opened, name):
    opened.page.get_by_role("button", name=name, exact=True).click()


def fill(opened, label, value):
    field = opened.page.get_by_role("textbox", name=label, exact=True)
    field.fill(str(value))
    field.press("Tab")


@pytest.fixture
def servers(visit, dashboard):
    """The page with the listener `wsgi` chosen; what was changed is taken back at the end."""
    opened = visit("Servers").wait_drawn("servers-rate")
    port = dashboard.port("wsgi")
    choose(opened, "Listener", "wsgi")
    opened.until("port => document.getElementById('server-port').value == port", str(port))
    yield opened
    with closing(dashboard.control) as control:
        control.listeners.discard_overrides("wsgi")
    eventually(lambda: status_of(dashboard, "wsgi").model == "thread_pool")
    eventually(lambda: not status_of(dashboard, "wsgi").is_changed)
    eventually(lambda: dashboard.listener("wsgi"))


def test_every_listener_has_a_card(servers, dashboard):
    for name in ("files", "wsgi", "asgi"):
        told = card(servers, name).inner_text()
        assert "running" in told
        assert str(dashboard.port(name)) in told
    assert "event loop" in card(servers, "asgi").inner_text()


def test_stop_and_start(servers, dashboard):
    port = dashboard.port("wsgi")
    press(servers, "Stop")
    wait_card(servers, "wsgi", "stopped")
    eventually(lambda: not is_bound(port))
    press(servers, "Start")
    wait_card(servers, "wsgi", "running")
    assert get(dashboard.port("wsgi")) == 200


def test_a_restart_keeps_the_port(servers, dashboard):
    before = status_of(dashboard, "wsgi")
    press(servers, "Restart")
    eventually(lambda: status_of(dashboard, "wsgi").since_s > before.since_s)
    assert status_of(dashboard, "wsgi").port == before.port
    assert get(before.port) == 200


def test_another_model_at_the_same_port_and_back(servers, dashboard):
    port = dashboard.port("wsgi")
    choose(servers, "Model", "prefork")
    fill(servers, "Workers", 3)
    press(servers, "Apply")
    wait_card(servers, "wsgi", "prefork: 3 workers")
    wait_card(servers, "wsgi", "changed here")
    assert dashboard.port("wsgi") == port
    assert get(port) == 200
    press(servers, "Back to the settings")
    wait_card(servers, "wsgi", "thread pool")
    assert get(port) == 200


def test_the_denied_get_403_while_it_runs(servers, dashboard):
    port = dashboard.port("wsgi")
    since = status_of(dashboard, "wsgi").since_s
    fill(servers, "Deny", "127.0.0.0/8")
    press(servers, "Apply")
    eventually(lambda: get(port) == 403)
    wait_card(servers, "wsgi", "127.0.0.0/8")
    assert status_of(dashboard, "wsgi").since_s == since, "no restart"
    fill(servers, "Deny", "")
    press(servers, "Apply")
    eventually(lambda: get(port) == 200)


def test_the_access_log_is_switched_on(servers, dashboard):
    servers.page.get_by_role("switch", name="Access log").click()
    press(servers, "Apply")
    log = dashboard.folder / "logs" / "wsgi.log"
    wait_card(servers, "wsgi", str(log))
    port = dashboard.port("wsgi")

    def is_logged():  # asked again: who was retired may have answered, and logs nothing
        assert get(port, "/whoami?logged") == 200
        return log.exists() and "GET /whoami?logged HTTP/1.1" in log.read_text()

    eventually(is_logged)


@pytest.mark.parametrize(
    ("label", "value", "told"),
    [
        ("Port", "70000", "The port is between 0 and 65,535, not '70000'."),
        ("Threads", "", "Fill in a whole number."),
        ("Threads", "-5", "The number of threads is between 1 and 256, not '-5'."),
        ("Workers", "1000", "The number of workers is between 1 and 64, not '1000'."),
        ("Deny", "somewhere, 10.0.0.0/8", "somewhere: neither an address nor a network."),
        ("Allow", "10.0.0.0/40", "10.0.0.0/40: neither an address nor a network."),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(servers, dashboard, label, value, told):
    fill(servers, label, value)
    press(servers, "Apply")
    wrapper = servers.page.locator(".mantine-InputWrapper-root").filter(has_text=label)
    wrapper.get_by_text(told).first.wait_for()
    assert not status_of(dashboard, "wsgi").is_changed


def test_an_asgi_app_stays_on_its_loop(servers):
    choose(servers, "Listener", "asgi")
    servers.until("document.getElementById('server-model').value === 'asyncio'")
    choose(servers, "Model", "prefork")
    press(servers, "Apply")
    servers.page.get_by_text("An ASGI app needs an event loop").wait_for()


def test_a_port_that_is_taken_is_told_and_the_listener_stays(servers, dashboard):
    port = dashboard.port("wsgi")
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        fill(servers, "Port", held.getsockname()[1])
        press(servers, "Apply")
        wait_card(servers, "wsgi", f"still on port {port}")
    assert get(port) == 200


def test_on_a_phone_the_buttons_are_in_reach(open_page):
    opened = open_page("/servers", PHONE).wait_drawn("servers-rate")
    button = opened.page.get_by_role("button", name="Restart", exact=True)
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390

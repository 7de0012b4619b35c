"""A person stops, starts, restarts and changes listeners, and sees at once what came of it."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from tests.ports import free_port
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
    """Press a button; those of a card are named with the listener, as `Stop: wsgi`."""
    opened.page.get_by_role("button", name=name, exact=True).click()


def wait_answer(opened, text, of="server-answer"):
    opened.until("([id, text]) => document.getElementById(id).innerText.includes(text)", [of, text])


def wait_done(opened, text):
    """Wait for the answer to the button of a card."""
    wait_answer(opened, text, "server-cards-answer")


def value(opened, field):
    return opened.page.evaluate("id => document.getElementById(id).value", field)


def wait_unsaved(opened, text):
    opened.until("text => document.getElementById('server-unsaved').innerText === text", text)


def wait_port(opened, port):
    opened.until("port => document.getElementById('server-port').value === port", str(port))


def fill(opened, label, value):
    field = opened.page.get_by_role("textbox", name=label, exact=True)
    field.fill(str(value))
    field.press("Tab")


def change(opened, name):
    """Choose a listener by the button of its card."""
    press(opened, f"Change: {name}")
    opened.until("name => document.getElementById('server-chosen').value === name", name)


def revert(opened):
    """Give up what was typed for the chosen listener and for `wsgi`: the next test would see it."""
    for name in dict.fromkeys((value(opened, "server-chosen"), "wsgi")):
        change(opened, name)
        # By the page itself: an answer may disable it between a look at it and a click.
        opened.page.evaluate("document.getElementById('server-revert').click()")
        opened.until("document.getElementById('server-revert').disabled")
    wait_unsaved(opened, "")


EMPTY = """ids => {
    for (const id of ids) dash_clientside.set_props(id, { children: "" });
}"""
IS_AS_SET = """() => {
    const told = document.querySelector('.server-card[data-listener="wsgi"]').innerText;
    const value = field => document.getElementById(`server-${field}`).value;
    return told.includes("running") && !told.includes("changed here") && value("threads") === "8"
        && !value("deny");
}"""
ANSWERS = ("server-answer", "server-cards-answer", "server-new-answer")


@contextmanager
def shown(opened, dashboard):
    """The page with the listener `wsgi` chosen, which stays from test to test.

    At the end the form and the listener are as before, and the page shows no answer.
    """
    if opened.page.locator("h1").inner_text() != "Servers":
        opened.follow("Servers").wait_drawn("servers-rate")
    change(opened, "wsgi")
    wait_port(opened, dashboard.port("wsgi"))
    yield opened
    revert(opened)
    with closing(dashboard.control) as control:
        control.listeners.discard_overrides("wsgi")
    # Until then the status is one of before, of a later revision than the next change has.
    eventually(lambda: status_of(dashboard, "wsgi").revision == 0)
    eventually(lambda: dashboard.listener("wsgi"))
    opened.until(IS_AS_SET)
    opened.page.evaluate(EMPTY, ANSWERS)
    opened.until("ids => ids.every(id => !document.getElementById(id).innerText)", ANSWERS)
    assert opened.complaints == []


@pytest.fixture
def servers(kept_page, dashboard):
    with shown(kept_page, dashboard) as opened:
        yield opened


def test_every_listener_has_a_card(servers, dashboard):
    for name in ("files", "wsgi", "asgi"):
        told = card(servers, name).inner_text()
        assert "running" in told
        assert str(dashboard.port(name)) in told
    assert "event loop" in card(servers, "asgi").inner_text()


def test_stop_and_start(servers, dashboard):
    port = dashboard.port("wsgi")
    press(servers, "Stop: wsgi")
    wait_done(servers, f"wsgi is stopped: it listens on port {port} no longer.")
    wait_card(servers, "wsgi", "stopped")
    eventually(lambda: not is_bound(port))
    press(servers, "Start: wsgi")
    wait_done(servers, "wsgi runs on port ")
    wait_card(servers, "wsgi", "running")
    assert get(dashboard.port("wsgi")) == 200


def test_a_restart_keeps_the_port(servers, dashboard):
    before = status_of(dashboard, "wsgi")
    press(servers, "Restart: wsgi")
    wait_done(servers, "wsgi was restarted: a new generation takes new connections on port")
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
    press(servers, "Back to the settings: wsgi")
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


WRONG = (
    ("Port", "70000", "The port is between 0 and 65,535, not '70000'."),
    ("Threads", "", "Fill in a whole number."),
    ("Threads", "-5", "The number of threads is between 1 and 256, not '-5'."),
    ("Workers", "1000", "The number of workers is between 1 and 64, not '1000'."),
    ("Deny", "somewhere, 10.0.0.0/8", "somewhere: neither an address nor a network."),
    ("Allow", "10.0.0.0/40", "10.0.0.0/40: neither an address nor a network."),
)


def test_what_cannot_be_is_said_beside_its_field(servers, dashboard):
    for label, value, told in WRONG:
        fill(servers, label, value)
        press(servers, "Apply")
        wrapper = servers.page.locator(".mantine-InputWrapper-root").filter(has_text=label)
        wrapper.get_by_text(told).first.wait_for()
        assert not status_of(dashboard, "wsgi").is_changed, label
        press(servers, "Revert")
        wrapper.get_by_text(told).wait_for(state="detached")
        wait_unsaved(servers, "")


def test_an_asgi_app_stays_on_its_loop(servers):
    choose(servers, "Listener", "asgi")
    servers.until("document.getElementById('server-model').value === 'asyncio'")
    choose(servers, "Model", "prefork")
    press(servers, "Apply")
    servers.page.get_by_text("An ASGI app needs an event loop").wait_for()


def test_an_apply_says_what_it_changed_and_where_new_connections_go(servers):
    port = free_port()
    fill(servers, "Port", port)
    fill(servers, "Deny", "10.0.0.0/8")
    wait_unsaved(servers, "2 changes not applied to wsgi: port, deny")
    press(servers, "Apply")
    wait_answer(
        servers, f"Applied: port {port}, deny 10.0.0.0/8; new connections go to port {port}."
    )
    wait_unsaved(servers, "")
    assert get(port) == 200
    press(servers, "Apply")
    wait_answer(servers, "Nothing to apply: the form says how wsgi is.")


def test_a_port_that_is_taken_stops_all_of_the_change_and_the_next_one_is_one_click_away(
    servers, dashboard
):
    before, taken = status_of(dashboard, "wsgi"), dashboard.port("files")
    fill(servers, "Deny", "192.0.2.0/24")
    fill(servers, "Port", taken)
    press(servers, "Apply")
    wait_answer(servers, "Nothing was applied: Port cannot be as typed.")
    servers.page.get_by_text(f"Port {taken} is held by this dashboard's listener files").wait_for()
    servers.wait_polls(3)
    assert (value(servers, "server-port"), value(servers, "server-deny")) == (
        str(taken),
        "192.0.2.0/24",
    )
    wait_unsaved(servers, "2 changes not applied to wsgi: deny, port")
    assert status_of(dashboard, "wsgi") == before
    use = servers.page.locator("#server-use-port")
    free = int(use.inner_text().removeprefix("Use "))
    use.click()
    wait_answer(servers, f"Applied: port {free}, deny 192.0.2.0/24")
    use.wait_for(state="hidden")
    assert servers.page.get_by_text("is held by").count() == 0
    assert get(free) == 200


def test_the_dashboard_and_other_programs_are_told_as_the_holder_of_a_port(servers, dashboard):
    own = dashboard.url.rpartition(":")[2]
    fill(servers, "Port", own)
    press(servers, "Apply")
    servers.page.get_by_text(f"Port {own} is held by this dashboard itself (pid ").wait_for()
    with closing(socket.create_server(("127.0.0.1", 0))) as held:
        other = held.getsockname()[1]
        fill(servers, "Port", other)
        press(servers, "Apply")
        servers.page.get_by_text(f"Port {other} is held by ").wait_for()
        servers.page.get_by_text(f"(pid {os.getpid()})").wait_for()
    assert not status_of(dashboard, "wsgi").is_changed


def test_a_value_that_a_poll_brings_is_no_change_of_a_person(servers, dashboard):
    """Nor when the next poll brings another value before Dash calls back about the first one."""
    servers.page.evaluate(
        """() => {
            const { set_props } = dash_clientside;
            const before = document.getElementById("server-values").textContent;
            const values = JSON.parse(before);
            const bring = port => {
                values.wsgi.values["server-port"] = port;
                set_props("server-values", { children: JSON.stringify(values) });
            };
            window.broughtPorts = [];
            window.putBack = () => {
                dash_clientside.set_props = set_props;
                set_props("server-values", { children: before });
            };
            dash_clientside.set_props = (id, props) => {
                set_props(id, props);
                if (id !== "server-port" || !("value" in props)) return;
                broughtPorts.push(props.value);
                if (props.value === 1111) bring(2222);
            };
            bring(1111);
        }"""
    )
    servers.until("document.getElementById('server-port').value === '2222'")
    assert servers.page.evaluate("broughtPorts") == [1111, 2222]
    assert servers.page.locator("#server-unsaved").inner_text() == ""
    servers.page.evaluate("putBack()")
    wait_port(servers, dashboard.port("wsgi"))


def test_a_change_that_another_person_takes_back_at_once_is_seen(servers, dashboard):
    """The revision of what is so falls to 0: for a moment it may be an answer of before."""
    fill(servers, "Threads", "3")
    press(servers, "Apply")
    wait_answer(servers, "Applied: threads 3")
    with closing(dashboard.control) as control:
        control.listeners.discard_overrides("wsgi")
    servers.until("document.getElementById('server-threads').value === '8'")


def test_a_change_that_is_taken_back_before_any_poll_showed_it_is_seen(servers):
    """All polls say the same: before the answer to a button, meanwhile, and after it."""
    fill(servers, "Threads", "3")
    wait_unsaved(servers, "1 change not applied to wsgi: threads")
    servers.page.evaluate(
        """() => {
            const { wsgi } = JSON.parse(document.getElementById("server-values").textContent);
            const values = { ...wsgi.values, "server-threads": 3 };
            const revision = wsgi.revision + 1;
            dash_clientside.set_props("server-settled", { data: { ...wsgi, revision, values } });
        }"""
    )
    wait_unsaved(servers, "")
    servers.until("document.getElementById('server-threads').value === '8'")


def test_an_error_goes_when_its_value_is_mended(servers):
    fill(servers, "Threads", "-5")
    press(servers, "Apply")
    error = servers.page.get_by_text("The number of threads is between 1 and 256, not '-5'.")
    error.wait_for()
    fill(servers, "Threads", "5")
    error.wait_for(state="detached")
    servers.until("document.getElementById('server-answer').innerText === ''")


def test_back_to_the_settings_fills_the_form_at_once(servers):
    fill(servers, "Threads", 3)
    fill(servers, "Deny", "192.0.2.0/24")
    press(servers, "Apply")
    wait_answer(servers, "Applied: threads 3, deny 192.0.2.0/24")
    wait_card(servers, "wsgi", "changed here")
    press(servers, "Back to the settings: wsgi")
    wait_done(servers, "Back to the settings: threads 8, deny nobody")
    servers.until("document.getElementById('server-threads').value === '8'")
    assert value(servers, "server-deny") == ""
    servers.until("document.getElementById('server-answer').innerText === ''")


def test_by_keyboard_enter_applies_escape_reverts_and_the_focus_stays(servers):
    deny = servers.page.get_by_role("textbox", name="Deny", exact=True)
    deny.fill("192.0.2.0/24")
    deny.press("Escape")
    servers.until("document.getElementById('server-deny').value === ''")
    wait_unsaved(servers, "")
    deny.fill("192.0.2.0/24")
    deny.press("Enter")
    wait_answer(servers, "Applied: deny 192.0.2.0/24; this counts from the next request on.")
    servers.wait_polls(2)
    assert servers.page.evaluate("document.activeElement.id") == "server-deny"


def test_changes_that_are_not_applied_outlive_polls_other_listeners_and_other_pages(servers):
    fill(servers, "Threads", 4)
    servers.wait_polls(3)
    assert value(servers, "server-threads") == "4"
    press(servers, "Change: files")
    servers.until("document.getElementById('server-chosen').value === 'files'")
    servers.until("document.getElementById('server-threads').value === '8'")
    wait_unsaved(servers, "1 change not applied to wsgi: threads")
    servers.follow("Host").follow("Servers")
    press(servers, "Change: wsgi")
    servers.until("document.getElementById('server-threads').value === '4'")
    press(servers, "Revert")
    servers.until("document.getElementById('server-threads').value === '8'")
    wait_unsaved(servers, "")


def test_a_change_of_somebody_else_goes_into_fields_that_were_left_alone(servers, dashboard):
    fill(servers, "Deny", "192.0.2.0/24")
    with closing(dashboard.control) as control:
        control.listeners.change_overrides("wsgi", lambda before: replace(before, threads=5))
    servers.until("document.getElementById('server-threads').value === '5'")
    assert value(servers, "server-deny") == "192.0.2.0/24"
    wait_unsaved(servers, "1 change not applied to wsgi: deny")
    press(servers, "Revert")


def test_each_card_has_the_same_buttons(servers):
    labels = servers.page.evaluate(
        "[...document.querySelectorAll('.server-card')].map(card =>"
        " [...card.querySelectorAll('button')].map(button => button.innerText))"
    )
    assert labels == [["Change", "Stop", "Restart", "Back to the settings"]] * 3


def in_sight(opened, element, height):
    box = opened.page.locator(f"#{element}").bounding_box()
    return box["y"] >= 0 and box["y"] + box["height"] <= height


def test_on_a_phone_the_buttons_are_in_reach(servers):
    with servers.as_phone():
        button = servers.page.get_by_role("button", name="Restart: wsgi", exact=True)
        button.scroll_into_view_if_needed()
        box = button.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        button.click()
        wait_done(servers, "wsgi was restarted")
        assert in_sight(servers, "server-cards-answer", 844)

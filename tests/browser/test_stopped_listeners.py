"""Listeners that people stop, move and remove: each page says which run, and keeps their past."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from urllib.request import urlopen

import pytest

from servescope.actions.hostable_apps import BUNDLED_WSGI
from servescope.records.colour_places import suggested_place
from servescope.records.listeners import ListenerState
from tests.ports import free_port
from tests.processes import eventually

pytestmark = pytest.mark.browser

RUNNING = ListenerState.RUNNING
ALL = ("files", "wsgi", "asgi")
NONE_RUNS = "No listener runs (files, wsgi, asgi are stopped): nobody answers requests."


def states(control):
    return {one.name: one.state for one in control.listeners.statuses()}


@contextmanager
def stopped(dashboard, *names):
    """Have these listeners stopped for a while, as the page Servers does."""
    with closing(dashboard.control) as control:

        def run(*, runs):
            for name in names:
                control.listeners.change_overrides(name, lambda before: replace(before, runs=runs))
            state = RUNNING if runs else ListenerState.STOPPED
            eventually(lambda: all(states(control)[name] is state for name in names))

        run(runs=False)
        try:
            yield
        finally:
            run(runs=True)


@pytest.fixture(scope="module")
def none_runs(dashboard):
    """Until the end of the file: tests that want a listener stand before those that use this."""
    with stopped(dashboard, *ALL):
        yield


def said(opened, place, code):
    """The sentence of a finding, which is waited for."""
    found = opened.page.locator(f"{place} [data-code={code}]")
    found.wait_for()
    return found.inner_text()


def test_a_page_of_one_listener_says_that_it_is_stopped(visit, dashboard):
    with stopped(dashboard, "asgi"):
        opened = visit("Requests", "/requests?listener=asgi")
        told = "Listener asgi is stopped: nobody answers requests to it. See Servers"
        assert said(opened, "#requests-standing", "listener-stopped") == told
        opened.page.get_by_role("textbox", name="Listener").click()
        opened.page.get_by_role("option", name="wsgi", exact=True).click()
        opened.until("document.querySelector('#requests-standing .finding') === null")
        visit("Overview", "/?listener=asgi")
        assert said(opened, ".path-findings", "listener-stopped") == told
        visit("Latency", "/latency?listener=asgi")
        assert said(opened, "#latency-verdict", "listener-stopped") == told
    opened.until("document.querySelector('#latency-verdict [data-code=listener-stopped]') === null")


def test_load_is_not_aimed_at_a_stopped_listener(visit, dashboard):
    opened = visit("Load")
    aim = opened.page.get_by_role("textbox", name="Listener")
    with stopped(dashboard, "wsgi"):
        opened.until("document.getElementById('load-listener').value === 'wsgi (stopped)'")
        hint = opened.page.locator("#load-not-running").inner_text()
        assert hint == "wsgi is stopped, and cannot be chosen: start it on the page Servers."
        opened.page.get_by_role("button", name="Start", exact=True).click()
        told = opened.page.locator("#load-answer").filter(has_text="not running")
        way = "start it on the page Servers."
        assert told.inner_text() == f"The listener 'wsgi' is stopped, not running; {way}"
        assert told.get_by_role("link", name="Servers").get_attribute("href") == "/servers"
        aim.click()
        option = opened.page.get_by_role("option", name="wsgi (stopped)").first
        assert option.get_attribute("data-combobox-disabled") == "true"
        visit("Load")
        assert aim.input_value() in ALL, "one that runs is the first choice"
    opened.until("document.getElementById('load-not-running').textContent === ''")


SIDES = {
    "Load": (("capacity", "Loaded server", "page Servers"), ("verdict", "Before", "page Servers")),
    "Servers": (("compare", "Listeners and apps", "panel Listeners"),),
}
"""By page: the forms whose listeners are chosen, the label of the choice, where one is started."""


def test_each_form_says_why_a_stopped_listener_cannot_be_chosen(visit, dashboard):
    with stopped(dashboard, "asgi"):
        for page, forms in SIDES.items():
            opened = visit(page)
            for form, label, place in forms:
                hint = opened.page.locator(f"#{form}-not-running")
                hint.filter(has_text="asgi is stopped").wait_for()
                on = "on" if place.startswith("page") else "in"
                assert (
                    hint.inner_text()
                    == f"asgi is stopped, and cannot be chosen: start it {on} the {place}."
                )
                hint.scroll_into_view_if_needed()
                opened.page.get_by_role("textbox", name=label, exact=True).click(force=True)
                option = opened.page.get_by_role("option", name="asgi (stopped)")
                option.locator("visible=true").first.wait_for()
                opened.page.keyboard.press("Escape")
            hint.get_by_role("link").click()
            opened.until("['/servers', '#listeners'].includes(location.hash || location.pathname)")
    gone = "id => document.getElementById(id)?.textContent === ''"
    opened.until(gone, "compare-not-running")
    visit("Load")
    for form in ("capacity", "verdict"):
        opened.until(gone, f"{form}-not-running")


UNKNOWN = "There is no listener or app named “nosuch”, and nothing is recorded of one. See Servers"


def see_that_name_is_unknown(opened, place):
    assert said(opened, place, "no-such-listener") == UNKNOWN
    assert opened.page.locator(f"{place} .finding").count() == 1, "nothing else is said of it"
    link = opened.page.locator(f"{place} [data-code=no-such-listener] a")
    assert link.get_attribute("href") == "/servers"
    aim = opened.page.get_by_role("textbox", name="Listener", exact=True)
    opened.until(
        "name => [...document.querySelectorAll('input')].some(one => one.value === name)",
        "nosuch (not here)",
    )
    assert aim.input_value() == "nosuch (not here)"
    notes = "[...document.querySelectorAll('.live-graph-note')].map(one => one.textContent)"
    opened.until(f"{notes}.length > 0")
    assert not [note for note in opened.page.evaluate(notes) if "Open" in note]


@pytest.mark.parametrize(
    ("page", "path", "place"),
    [("Latency", "/latency", "#latency-verdict"), ("Overview", "/", ".path-findings")],
)
def test_a_page_of_a_name_that_no_listener_has_says_so(visit, page, path, place):
    see_that_name_is_unknown(visit(page, f"{path}?listener=nosuch"), place)


def test_requests_say_that_a_name_is_no_listeners_and_say_so_in_a_past_view_too(visit):
    opened = visit("Requests", "/requests?listener=nosuch")
    see_that_name_is_unknown(opened, "#requests-standing")
    opened.pause()
    assert said(opened, "#requests-standing", "no-such-listener") == UNKNOWN


def test_a_route_that_no_request_went_to_is_said(visit):
    opened = visit("Requests", "/requests?route=/nosuch")
    told = opened.page.locator("#requests-faults")
    told.get_by_text("No request to a route “/nosuch” is recorded.", exact=True).wait_for()


def test_a_comparison_that_is_not_there_is_said(visit):
    opened = visit("Servers", "/servers?comparison=99")
    told = opened.page.locator("#compare-outcome")
    told.get_by_text("There is no comparison “99”. Nothing compared yet.").wait_for()
    assert opened.page.locator("#servers-comparison").input_value() == "99 (not here)"
    assert opened.page.evaluate("location.search") == "?comparison=99"


def test_a_host_of_which_nothing_is_known_is_said(visit):
    opened = visit("Host", "/host?host=nosuch")
    opened.page.get_by_text("There are no figures of host nosuch").wait_for()


def test_a_first_visitor_is_led_to_what_can_be_tried(visit, dashboard):
    opened = visit("Overview")
    told = opened.page.locator(".first-visit")
    told.get_by_text("press Start demo load").wait_for()
    with stopped(dashboard, *ALL):
        told.get_by_text(
            "Try first: start a listener on the page Servers, as none runs."
        ).wait_for()
        assert "Start demo load" not in told.inner_text()
        assert opened.page.get_by_role("button", name="Start demo load").is_disabled()
        hint = opened.page.locator("#overview-start-hint")
        hint.get_by_text("No listener runs: start one on the page Servers.").wait_for()
        hint.get_by_role("link", name="Servers").click()
        opened.page.get_by_role("heading", name="Servers").wait_for()
        opened.follow("Overview")
    # The page may have come before the listeners did: its next answer knows of them.
    opened.until("""() => {
        const told = document.querySelector(".first-visit").innerText;
        return told.includes("press Start demo load") && !told.includes("as none runs");
    }""")


def test_demo_load_starts_on_a_listener_that_runs(visit, dashboard):
    with stopped(dashboard, "wsgi"), closing(dashboard.control) as control:
        opened = visit("Overview")
        opened.page.get_by_role("button", name="Start demo load").click()
        run = eventually(control.load_runs.active)
        control.load_runs.request_stop(run.id)
        assert run.plan.listener in {"files", "asgi"}
        eventually(lambda: control.load_runs.active() is None)


COLOURS = """id => Object.fromEntries([...document.querySelectorAll(`#${id} .legend-item`)].map(
    item => [item.querySelector("span").textContent,
        item.querySelector("i").style.borderTopColor]))"""


def colours_of(opened, graph, lines):
    """The colours in a graph's legend, once these lines are drawn in it."""
    opened.page.locator(f"#{graph}").scroll_into_view_if_needed()
    are_there = "lines.every(line => legend[line] !== undefined)"
    legend = f"({COLOURS})('{graph}-legend')"
    opened.until(f"lines => {{ const legend = {legend}; return {are_there}; }}", lines)
    return opened.page.evaluate(COLOURS, f"{graph}-legend")


def test_the_past_keeps_name_and_colour_of_a_listener_that_moved_and_went(visit, dashboard):
    with closing(dashboard.control) as control, ExitStack() as until_then:
        until_then.callback(control.listeners.discard_overrides, "shop")

        def ask_for(**overrides):
            change = control.listeners.change_overrides
            given = {"is_added": True, "app": BUNDLED_WSGI, **overrides}
            return change("shop", lambda before: replace(before, **given)).after.revision

        def port(revision):
            """Its port once it has acted on what was asked of it."""

            def found():
                known = control.listeners.statuses()
                running = (one for one in known if (one.name, one.state) == ("shop", RUNNING))
                return next((one.port for one in running if one.revision == revision), None)

            return eventually(found)

        first = port(ask_for(port=0))
        with urlopen(f"http://127.0.0.1:{first}/", timeout=20) as answer:
            assert answer.status == 200
        line = f"shop :{first} waiting"
        opened = visit("Ports").wait_drawn("ports-queues", "ports-requests")
        now = colours_of(opened, "ports-queues", [line])[line]
        assert colours_of(opened, "ports-requests", ["shop"])["shop"] == now
        begin, end = (int(second) for second in opened.page.evaluate("servescope.graphs.span()"))
        second = port(ask_for(port=free_port()))
        assert second != first
        control.listeners.discard_overrides("shop")
        eventually(lambda: "shop" not in states(control))
    visit("Ports", f"/ports?from={begin}&to={end}").wait_drawn("ports-queues")
    then = colours_of(opened, "ports-queues", [line])
    assert then[line] == now
    assert not [name for name in then if not name.startswith(("files", "wsgi", "asgi", "shop"))]


def test_two_listeners_whose_names_suggest_one_colour_look_different(visit, dashboard):
    names = ("books", "notes")
    assert len({suggested_place(name) for name in names}) == 1
    with closing(dashboard.control) as control, ExitStack() as until_then:
        for name in names:
            until_then.callback(control.listeners.discard_overrides, name)
            control.listeners.change_overrides(
                name, lambda before: replace(before, is_added=True, app=BUNDLED_WSGI, port=0)
            )
            eventually(lambda name=name: states(control).get(name) is RUNNING)
        ports = {one.name: one.port for one in control.listeners.statuses()}
        for name in names:
            with urlopen(f"http://127.0.0.1:{ports[name]}/", timeout=20) as answer:
                assert answer.status == 200
        opened = visit("Ports").wait_drawn("ports-requests", "ports-bytes")
        colours = colours_of(opened, "ports-requests", [*names])
        bundled = {colours[name] for name in ALL if name in colours}
        mine = [colours[name] for name in names]
        assert len({*mine} - bundled) == len(names)
        for graph, ending in (("ports-bytes", " sent"), ("ports-inside", " connections open")):
            lines = [f"{name}{ending}" for name in names]
            found = colours_of(opened, graph, lines)
            assert [found[line] for line in lines] == mine
        until_then.close()
        eventually(lambda: not {*names} & states(control).keys())


def see_that_none_runs(opened, place):
    assert said(opened, place, "none-runs") == f"{NONE_RUNS} See Servers"
    link = opened.page.locator(f"{place} [data-code=none-runs] a")
    assert link.get_attribute("href") == "/servers"


@pytest.mark.usefixtures("none_runs")
@pytest.mark.parametrize(
    ("page", "place"), [("Latency", "#latency-verdict"), ("Ports", "#ports-verdict")]
)
def test_a_live_page_says_that_no_listener_runs(visit, page, place):
    see_that_none_runs(visit(page), place)


@pytest.mark.usefixtures("none_runs")
def test_load_says_that_no_listener_runs_and_no_run_can_be_started(visit):
    opened = visit("Load")
    see_that_none_runs(opened, "#load-standing")
    for form in ("load", "capacity"):
        opened.until("id => document.getElementById(id)?.disabled", f"{form}-starting")
        told = opened.page.locator(f"#{form}-busy")
        told.get_by_text("There is nothing to load: start a listener on the page").wait_for()
        assert told.get_by_role("link", name="Servers").get_attribute("href") == "/servers"
    assert opened.page.locator("#verdict-starting").is_enabled(), "models have servers of their own"


@pytest.mark.usefixtures("none_runs")
def test_requests_say_that_no_listener_runs_and_in_a_past_view_nothing_of_present_states(visit):
    opened = visit("Requests")
    see_that_none_runs(opened, "#requests-standing")
    opened.pause()
    opened.until("document.querySelector('#requests-standing .finding') === null")


@pytest.mark.usefixtures("none_runs")
def test_no_advice_leads_to_a_listener_while_none_runs(visit):
    opened = visit("Requests", "/requests?last=5s").wait_drawn("requests-routes")
    told = "No requests in this span."
    note = "document.querySelector('#requests-routes .live-graph-note').textContent"
    opened.until(f"told => {note} === told", told)
    opened.page.get_by_text("No request is kept in this span.", exact=True).wait_for()
    opened = visit("Ports", "/ports?last=5s").wait_drawn("ports-queues", "ports-inside")
    for graph in ("ports-queues", "ports-inside"):
        note = f"document.querySelector('#{graph} .live-graph-note').textContent"
        opened.until(f"told => {note} === told", "No listener was measured in this span.")


@pytest.mark.usefixtures("none_runs")
def test_the_overview_says_that_no_listener_runs_offers_no_load_and_says_which_demos_go(visit):
    opened = visit("Overview")
    see_that_none_runs(opened, "#overview-verdict")
    opened.until("document.getElementById('overview-start').disabled")
    hint = opened.page.locator("#overview-start-hint")
    assert hint.inner_text() == "No listener runs: start one on the page Servers."
    assert hint.get_by_role("link", name="Servers").get_attribute("href") == "/servers"
    opened.page.get_by_text("Try a demo", exact=True).click()
    told = opened.page.locator("#overview-demos-busy").filter(has_text="no running listener hosts")
    assert "demos cannot be started" in told.inner_text()
    demos = opened.page.locator("#overview-demos")
    assert demos.get_by_role("button", name="Hello", exact=True).is_disabled()
    assert demos.get_by_role("button", name="A slow app on each model").is_enabled()
    assert said(opened, ".path-findings", "none-runs") == f"{NONE_RUNS} See Servers"
    first = opened.page.locator("#overview-verdict .finding").first
    assert first.get_attribute("data-code") == "none-runs"

"""A person starts load, watches it, reads its result, and finds the same figures everywhere."""

import itertools
import re
import time
import urllib.request
from contextlib import closing, contextmanager

import pytest

from servescope.records.load import LoadPlan, RunState
from tests.browser.conftest import WITHIN_S
from tests.commands.served import Served
from tests.faults.test_handover import total_requests
from tests.processes import eventually

pytestmark = pytest.mark.browser


def fill(opened, label, value):
    field = opened.page.get_by_role("textbox", name=label, exact=True)
    field.fill(str(value))
    field.press("Tab")


@pytest.fixture
def control(dashboard):
    control = dashboard.control
    yield control
    control.close()


def newest_run(dashboard):
    with closing(dashboard.control) as control:
        return control.load_runs.newest(1)[0]


def figure(opened, label):
    """A figure of the result card, as a number."""
    text = (
        opened.page.locator("#load-now").get_by_text(label, exact=True).locator("..").inner_text()
    )
    return float(text.replace(label, "").replace(",", "").split()[0])


def test_a_run_from_start_to_result_agrees_with_the_store(visit, dashboard):
    opened = visit("Load").wait_drawn("load-rates")
    before = total_requests(dashboard.folder, "wsgi")
    fill(opened, "Path and query", "/whoami")
    fill(opened, "Requests per second", 200)
    fill(opened, "Seconds", 5)
    opened.page.get_by_role("button", name="Start", exact=True).click()
    opened.page.locator("#run-strip").get_by_text("Load run").wait_for()
    assert opened.page.locator("#run-stop").is_visible()
    moving = opened.last_x("load-rates")
    opened.wait_newer("load-rates", moving)
    opened.page.locator("#load-now").get_by_text("done", exact=True).wait_for()
    run = newest_run(dashboard)
    assert run.state is RunState.DONE
    assert run.result["sent"] == run.result["answered"] == 1_000
    assert figure(opened, "due") == figure(opened, "answered") == 1_000
    assert figure(opened, "failed") == 0
    for name in ("p50", "p90", "p99", "p99_9", "max"):
        assert run.result["latency_ms"][name] >= run.result["naive_ms"][name] * 0.99
    # The requests that the generator counted, the store counted, and the graph shows.
    eventually(lambda: total_requests(dashboard.folder, "wsgi") == before + 1_000, step=0.2)
    eventually(lambda: graph_total(opened, "generator: finished") == 1_000, step=0.2)
    opened.page.locator("#load-history").scroll_into_view_if_needed()
    opened.page.locator("#load-history").get_by_text("1,000").first.wait_for()


def graph_total(opened, name):
    """Requests under a line of requests per second, a point a second."""
    opened.page.wait_for_timeout(50)  # lets the page's own events in: playwright runs none between
    line = next(trace for trace in opened.points("load-rates") if trace["name"] == name)
    return round(sum(value or 0 for value in line["y"]))


def test_stop_ends_a_run_from_any_page_and_the_answer_of_start_goes_with_the_run(visit, dashboard):
    opened = visit("Load").wait_drawn("load-rates")
    fill(opened, "Seconds", 60)
    start = opened.page.get_by_role("button", name="Start", exact=True)
    strip = opened.page.locator("#run-strip")
    start.click()
    opened.page.locator("#load-answer").get_by_text("was asked for").wait_for()
    strip.get_by_text("Load run").wait_for()
    opened.page.locator("#run-stop").click()
    strip.wait_for(state="hidden")
    opened.until("document.getElementById('load-answer').textContent === ''")
    stopped_here = newest_run(dashboard).id
    start.click()
    strip.get_by_text("Load run").wait_for()
    opened.page.get_by_role("link", name="Host", exact=True).first.click()
    opened.wait_drawn("host-cpu")
    opened.until(
        "document.querySelector('#host-cpu .live-graph-plot')._fullLayout.shapes.length > 0"
    )
    opened.page.locator("#run-stop").click()
    eventually(lambda: newest_run(dashboard).state is RunState.STOPPED)
    strip.wait_for(state="hidden")
    stopped_on_host = newest_run(dashboard)
    assert stopped_on_host.id > stopped_here
    assert stopped_on_host.result["stopped"]


UNDER_WAY = """id => {
    const place = document.getElementById(id);
    const texts = selector => [...place.querySelectorAll(selector)].map(one => one.innerText);
    const [names, values] = [texts('.figures span'), texts('.figures b')];
    return {
        figures: Object.fromEntries(names.map((name, at) => [name, values[at]])),
        bad: texts('.figures .bad span'),
        facts: texts('.facts dd'),
    };
}"""
"""The figures of a run under way, all of one moment."""


@contextmanager
def run_under_way(dashboard, control, name, target, *options):
    """A run of 150 requests a second at a server of its own."""
    app = "tests.browser.situation_apps:app"
    with closing(Served(dashboard.folder, app, "--name", name, "--port", "0", *options)):
        eventually(lambda: dashboard.listener(name), WITHIN_S)
        plan = LoadPlan.constant(name, target, 150, 120)
        run_id = control.load_runs.request(plan, time.time()).id
        yield run_id
        if control.load_runs.by_id(run_id).state is RunState.RUNNING:
            control.load_runs.request_stop(run_id)
        eventually(lambda: control.load_runs.by_id(run_id).state is RunState.STOPPED, WITHIN_S)


@pytest.fixture
def refusing_run(dashboard, control):
    """A run under way at a server that has room for two connections, and refuses the others."""
    options = ("--max-connections", "2")
    with run_under_way(dashboard, control, "crowded", "/sleep?ms=500", *options) as run_id:
        yield run_id


@pytest.fixture
def awaited_run(dashboard, control):
    """A run under way at a server that takes longer over an answer than the run awaits one."""
    with run_under_way(dashboard, control, "asleep", "/sleep?ms=20000") as run_id:
        yield run_id


def counts_under_way(opened, place):
    """Read from a page what its run came to; its sentence, figures and facts must agree."""
    told = opened.page.evaluate(UNDER_WAY, place)
    shown = {
        name: int(value.replace(",", ""))
        for name, value in told["figures"].items()
        if re.fullmatch(r"[\d,]+", value)
    }
    assert "of these 5xx" in told["bad"]
    assert shown["due"] == shown["answered"] + shown["failed"] + shown["awaited"]
    by_status = dict(re.findall(r"(\d{3}): ([\d,]+)", told["facts"][0]))
    assert int(by_status["503"].replace(",", "")) == shown["of these 5xx"]
    answers = sum(int(count.replace(",", "")) for count in by_status.values())
    assert answers == shown["answered"]
    assert shown["of these 5xx"] > 0.5 * shown["answered"]
    (p99,) = (value for name, value in told["figures"].items() if name.startswith("p99, last "))
    assert re.fullmatch(r"(≥ )?[\d.,]+ (ms|s)", p99)
    return shown


SAYS = """([id, code]) => {
    const said = document.querySelector(`#${id} .finding[data-code=${code}].bad`)?.innerText || '';
    const place = document.getElementById(id === 'load-now' ? id : 'one-run-outcome');
    const figure = name => [...place.querySelectorAll('.figures div')]
        .find(one => one.firstChild.innerText.startsWith(name))?.lastChild.innerText;
    const [errors, answered] = [figure('of these 5xx'), figure('answered')];
    return Boolean(figure('5xx now') && figure('p99, last ')) && said.startsWith(
        `${errors} of ${answered} answers of listener crowded to the load generator were server ` +
        'errors (5xx) so far.');
}"""
"""Whether the verdict says of the answers what the figures beside it say."""


def test_a_run_under_way_says_how_many_of_its_requests_were_refused(visit, dashboard, refusing_run):
    opened = visit("Load")
    opened.until(SAYS, ["load-now", "run-server-errors"])
    on_load = counts_under_way(opened, "load-now")
    opened.page.locator("#load-now").get_by_role("link", name=f"Run {refusing_run}:").click()
    opened.until("document.getElementById('one-run-outcome') !== null")
    opened.until(SAYS, ["one-run-verdict", "run-server-errors"])
    on_its_page = counts_under_way(opened, "one-run-outcome")
    assert on_its_page["of these 5xx"] >= on_load["of these 5xx"]
    errors = opened.page.locator("#one-run-errors")
    errors.get_by_text("status 503").wait_for()
    assert "Of those that have ended" in errors.inner_text()
    opened.page.get_by_role("link", name="All runs").click()
    row = opened.page.locator(f"tr[data-run='{refusing_run}']")
    row.get_by_text("running", exact=True).wait_for()
    listed = row.locator("[data-name='5xx']")
    assert int(listed.inner_text().replace(",", "")) >= on_its_page["of these 5xx"]
    assert listed.locator(".bad-text").count() == 1
    opened.page.locator("#run-stop").click()
    row.get_by_text("stopped", exact=True).wait_for()
    run = newest_run(dashboard)
    ended_with = f"{run.result['status_classes']['5xx']:,}"
    opened.until(
        "([id, text]) => document.querySelector(`tr[data-run='${id}'] [data-name='5xx']`)"
        ".innerText === text",
        [refusing_run, ended_with],
    )
    row.get_by_role("link", name=f"Run {refusing_run}", exact=True).click()
    table = opened.page.get_by_role("table").filter(has_text="Status < 400")
    table.wait_for()
    above = table.locator("xpath=preceding::p[1]").inner_text()
    assert re.match(r"The client timed [\d,]+ answers, [\d.]+ % of them 503[,;]", above), above
    opened.page.get_by_role("link", name="Load", exact=True).first.click()
    place = opened.page.locator("#load-history")
    place.scroll_into_view_if_needed()
    place.get_by_role("link", name=f"Run {refusing_run}", exact=True).wait_for()
    assert place.get_by_role("columnheader", name="Began").count() == 1
    opened.until(RED_ERRORS, str(refusing_run))


RED_ERRORS = """id => {
    const cell = document.querySelector(`#load-history [row-id="${id}"] [col-id=errors]`);
    const red = getComputedStyle(document.documentElement).getPropertyValue('--bad').trim();
    const sample = document.createElement('i');
    sample.style.color = red;
    document.body.append(sample);
    const wanted = getComputedStyle(sample).color;
    sample.remove();
    return cell !== null && getComputedStyle(cell).color === wanted;
}"""


AWAITED = """() => {
    const figures = Object.fromEntries([...document.querySelectorAll('#load-now .figures div')]
        .map(one => [one.firstChild.innerText, one.lastChild.innerText]));
    const name = Object.keys(figures).find(name => name.startsWith('p99, due in last '));
    return name && [name, figures[name], figures['longest awaited'], figures['answered']];
}"""
"""The p99 that awaited requests prove, and what it rests on."""


def test_requests_that_are_still_awaited_show_in_the_p99(visit, awaited_run):
    opened = visit("Load")
    opened.page.locator("#load-now").get_by_role("link", name=f"Run {awaited_run}:").wait_for()
    opened.until(AWAITED)
    name, p99, longest, answered = opened.page.evaluate(AWAITED)
    seconds = {"ms": 1e-3, "s": 1.0}
    p99_s, longest_s = (
        float(value) * seconds[unit]
        for value, unit in (told.removeprefix("≥ ").split() for told in (p99, longest))
    )
    assert p99.startswith("≥ ")
    assert 0.9 * longest_s <= p99_s <= longest_s
    assert float(name.removeprefix("p99, due in last ").split()[0]) == pytest.approx(
        longest_s, abs=0.6
    ), "or 1 s"
    assert answered == "0"


def test_two_clicks_on_a_phone_start_and_stop_load_and_it_says_how_current_it_is(visit, dashboard):
    opened = visit("Overview").wait_drawn("overview-host")
    with opened.as_phone():
        opened.page.get_by_role("button", name="Start demo load").click()
        eventually(lambda: newest_run(dashboard).state is RunState.RUNNING)
        stop = opened.page.locator("#run-stop")
        stop.wait_for()
        opened.page.locator(".standing").get_by_text("live", exact=True).wait_for()
        boxes = [
            opened.page.locator(name).bounding_box()
            for name in ("#run-text", "#run-stop", "#standing", ".header > button:last-child")
        ]
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
        for one, other in itertools.pairwise(boxes):
            assert one["x"] + one["width"] <= other["x"], "none covers the next"
        button = stop.locator(".mantine-Button-label")
        assert button.evaluate("label => label.scrollWidth <= label.clientWidth"), "it stands whole"
        stop.click()
        eventually(lambda: newest_run(dashboard).state is RunState.STOPPED)


def test_what_cannot_run_is_said_beside_the_form(visit, control):
    opened = visit("Load").wait_drawn("load-rates")
    runs = len(control.load_runs.newest(50))
    for label, value, told in (
        ("Requests per second", "9999999", "requests per second"),
        ("Path and query", "no slash", "does not start with"),
        ("Requests per second", "-5", "at most 20,000 requests per second, not -5"),
        ("Seconds", "0", "at most 600 seconds, not 0"),
        ("Seconds", "", "Fill in a number of seconds"),
    ):
        as_it_was = opened.page.get_by_role("textbox", name=label, exact=True).input_value()
        fill(opened, label, value)
        opened.page.get_by_role("button", name="Start", exact=True).click()
        opened.page.locator("#load-answer").get_by_text(told).wait_for()
        fill(opened, label, as_it_was)
        opened.until("document.getElementById('load-answer').innerText === ''")
    assert len(control.load_runs.newest(50)) == runs


def test_a_request_appears_in_the_log_and_opens(visit, dashboard):
    opened = visit("Requests").wait_drawn("requests-classes")
    address = f"http://127.0.0.1:{dashboard.port('wsgi')}/search?q=100%"
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.status == 200
    opened.page.locator("#requests-log").scroll_into_view_if_needed()
    row = opened.page.locator("#requests-log").get_by_text("/search?q=100%").first
    row.wait_for()
    row.click()
    drawer = opened.page.get_by_role("dialog")
    drawer.get_by_text("kernel").first.wait_for()
    assert "Python-urllib" in drawer.inner_text()
    drawer.get_by_label("Close").click()
    drawer.wait_for(state="hidden")


def test_the_ports_page_names_our_listeners(visit, dashboard):
    opened = visit("Ports").wait_drawn("ports-queues")
    opened.page.get_by_text(str(dashboard.port("wsgi")), exact=True).first.wait_for()
    opened.page.get_by_text(str(dashboard.port("files")), exact=True).first.wait_for()


@contextmanager
def held_back(page, pattern):
    """Hold requests of a page back until the end.

    A route of playwright would do so, too, but have the page compile all of its code once more.
    """
    held = []
    session = page.context.new_cdp_session(page)
    session.on("Fetch.requestPaused", lambda code: held.append(code))  # noqa: PLW0108 - playwright takes no built-in
    session.send("Fetch.enable", {"patterns": [{"urlPattern": pattern}]})
    try:
        yield held
    finally:
        session.detach()


def test_rows_that_came_before_the_code_of_their_table_are_shown(open_page, control):
    """The code of tables is loaded late, and rows that stay as they are come once."""
    control.load_runs.request(LoadPlan.constant("wsgi", "/whoami?early", 10, 1), 0.0)
    eventually(lambda: control.load_runs.active() is None)
    opened = open_page("/sign-in")
    with held_back(opened.page, "*async-community*") as held:
        # Code that is held before the document has loaded keeps it from ever being so.
        opened.page.goto(opened.base + "/load", wait_until="domcontentloaded")
        opened.wait_drawn("load-rates")
        opened.wait_polls(3)
        assert held
    table = opened.page.locator("#load-history")
    table.scroll_into_view_if_needed()
    table.get_by_text("/whoami?early").first.wait_for()

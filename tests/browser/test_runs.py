"""Load runs as a person finds, reads, names, repeats, compares and deletes them."""

from __future__ import annotations

import re
import time
from contextlib import closing, nullcontext

import pytest

from servescope.records.load import LoadPlan, RunState
from tests.browser.conftest import FITS
from tests.processes import eventually

pytestmark = pytest.mark.browser
READ_P50 = """() => {
    const entry = servescope.graphs.byId("one-run-latency");
    const trace = entry.data.find(one => one.name === "p50");
    return trace.y.flatMap((value, i) =>
        value === null ? [] : [servescope.legend.valueText(entry, trace, i)]);
}"""


def run_of(dashboard, number):
    with closing(dashboard.control) as control:
        return control.load_runs.by_id(number)


def heading_is(opened, text):
    opened.until("text => document.querySelector('h1')?.textContent === text", text)


def rows(opened):
    return opened.page.evaluate(
        "[...document.querySelectorAll('#runs-table tr[data-run]')].map(row => row.dataset.run)"
    )


def fill(opened, label, value):
    field = opened.page.get_by_role("textbox", name=label, exact=True)
    field.fill(value)
    field.press("Tab")


def test_before_the_first_run_the_list_says_where_to_start_one_and_load_leads_back(visit):
    # The first test of the file: no run has been asked for yet.
    opened = visit("Runs")
    opened.page.locator("#runs-table").get_by_text("No run to show").wait_for()
    assert "0 runs." in opened.page.locator("#runs-counts").inner_text()
    opened.page.get_by_role("link", name="Start a run").click()
    heading_is(opened, "Load")
    empty = opened.page.locator("#load-history")
    empty.scroll_into_view_if_needed()
    nothing = empty.locator(".ag-overlay-no-rows-center")
    nothing.get_by_text("No run to show: none is kept, or none ended in the span").wait_for()
    opened.until("document.getElementById('load-history').offsetHeight < 150")
    cut = "document.querySelector('#load-history .ag-overlay-no-rows-center')"
    assert opened.page.evaluate(f"{cut}.scrollHeight <= {cut}.clientHeight")
    opened.page.get_by_role("link", name="All runs").click()
    heading_is(opened, "Runs")


def test_a_run_opens_at_its_address_with_the_figures_of_its_seconds_on_a_desktop_and_a_phone(
    open_page, dashboard, two_runs
):
    run = run_of(dashboard, two_runs[1])
    opened = open_page(f"/runs/{run.id}")
    check_the_page_of_a_run(opened, run)
    with opened.as_phone():
        check_the_page_of_a_run(opened, run)


def check_the_page_of_a_run(opened, run):
    opened.wait_drawn("one-run-rates", "one-run-latency")
    heading_is(opened, f"Run {run.id}")
    # Any finding will do: a generator that got too little of a busy machine judges no server.
    opened.page.locator("#one-run-verdict .finding").first.wait_for()
    opened.until("document.getElementById('one-run-percentiles').innerText.includes('p99.9')")
    opened.page.locator("#one-run-stage-table").get_by_text("kernel").wait_for()
    opened.page.locator("#one-run-errors").get_by_role("cell", name="status 404").wait_for()
    opened.page.locator("#one-run-errors").get_by_text("Status 404, GET /missing").wait_for()
    said = opened.page.locator("#page").inner_text()
    for text in ("GET /missing", "50 req/s for 2 s", "thread pool", "Seed", "CPython", "8 in all"):
        assert text in said
    assert not opened.page.locator("#time-bar").is_visible()
    assert not opened.page.locator("#one-run-stop").is_visible()
    opened.until("document.getElementById('standing').textContent === 'past'")
    opened.until(FITS)
    drawn = [x for trace in opened.points("one-run-rates") for x in trace["x"]]
    assert drawn
    zone_ms = opened.page.evaluate("new Date().getTimezoneOffset() * 60000")
    assert min(drawn) + zone_ms >= int(run.started_s) * 1_000
    assert max(drawn) + zone_ms <= (run.ended_s + 1) * 1_000


def test_a_figure_that_timeouts_bound_is_the_same_in_table_and_legends(visit, dashboard):
    with closing(dashboard.control) as control:
        plan = LoadPlan.constant("asgi", "/slow?ms=900", 60, 2, timeout_seconds=0.3)
        number = control.load_runs.request(plan, time.time()).id
        eventually(lambda: control.load_runs.active() is None, 60)
    assert run_of(dashboard, number).result["failed"]["timed_out"] == 120
    opened = visit(f"Run {number}", f"/runs/{number}")
    opened.wait_drawn("one-run-latency", "one-run-distribution")
    opened.until("document.getElementById('one-run-percentiles').innerText.includes('p99.9')")
    told = opened.page.evaluate(
        "[...document.querySelectorAll('#one-run-percentiles tr')]"
        ".map(row => [...row.cells].map(cell => cell.textContent)).find(row => row[0] === 'p50')"
    )
    legend = opened.page.locator("#one-run-distribution-legend [data-name=p50] b")
    for bound in (told[1], legend.inner_text()):
        figure, unit = re.fullmatch(r"≥ ([\d.]+) (ms|s)", bound).groups()
        assert float(figure) * {"ms": 1, "s": 1_000}[unit] == pytest.approx(300, rel=0.1)
    opened.until(f"() => ({READ_P50})().length > 0")
    assert all(text.startswith("≥ ") for text in opened.page.evaluate(READ_P50))
    # And the picture alone says so. (A busy generator notices some timeouts later.)
    marked = re.compile(r"▲ (3\d\d ms|so long) or longer")
    opened.page.locator("#one-run-latency").scroll_into_view_if_needed()  # else it waits to be
    opened.page.locator("#one-run-latency").get_by_text(marked).wait_for()
    opened.page.locator("#one-run-distribution").scroll_into_view_if_needed()
    labels = "[...document.querySelectorAll('#one-run-distribution text')]"
    marked = r"/p99\b[^≥]*≥\s[\d.]+\sm?s/"  # with the names of others that are there
    opened.until(f"{labels}.some(label => {marked}.test(label.textContent))")


def test_a_part_of_a_run_and_the_whole_of_it_again(visit, dashboard, two_runs):
    run = run_of(dashboard, two_runs[1])
    start = int(run.started_s)
    opened = visit(f"Run {run.id}", f"/runs/{run.id}?from={start}&to={start + 1}")
    opened.wait_drawn("one-run-rates")
    opened.page.get_by_role("button", name="Whole run").click()
    opened.page.locator("#one-run-whole").wait_for(state="hidden")
    assert "from=" not in opened.page.url


def test_a_run_leads_to_the_requests_of_its_seconds(visit, dashboard, two_runs):
    run = run_of(dashboard, two_runs[1])
    opened = visit(f"Run {run.id}", f"/runs/{run.id}")
    opened.page.locator("#one-run-more").get_by_role("link", name="Requests").click()
    heading_is(opened, "Requests")
    opened.until("document.documentElement.dataset.view === 'fixed'")
    query = opened.page.evaluate("location.search")
    assert f"from={int(run.started_s)}" in query
    assert "listener=wsgi" in query
    opened.page.locator("#requests-counts").get_by_text("were counted in this span").wait_for()


def test_a_run_is_named_and_found_by_its_words(visit, dashboard, two_runs):
    number = two_runs[0]
    opened = visit(f"Run {number}", f"/runs/{number}").wait_drawn("one-run-rates")
    fill(opened, "Name", "Before the index")
    fill(opened, "Tags", "sqlite, release 2")
    fill(opened, "Note", "The first one\nof two")
    opened.page.get_by_role("button", name="Save").click()
    opened.page.locator("#one-run-answer").get_by_text("Saved.").wait_for()
    heading_is(opened, f"Run {number}: Before the index")
    run = run_of(dashboard, number)
    assert (run.name, run.note, run.tags) == (
        "Before the index",
        "The first one\nof two",
        ("sqlite", "release 2"),
    )
    fill(opened, "Name", "x" * 81)
    opened.page.get_by_role("button", name="Save").click()
    opened.page.locator("#one-run-answer").get_by_text("has at most 80 characters").wait_for()
    opened.page.get_by_role("link", name="All runs").click()
    heading_is(opened, "Runs")
    fill(opened, "Search", "sqlite before")
    opened.until("document.querySelectorAll('#runs-table tr[data-run]').length === 1")
    assert rows(opened) == [str(number)]
    assert "text=sqlite" in opened.page.evaluate("location.search")
    fill(opened, "Search", "no such word")
    opened.page.locator("#runs-table").get_by_text("No run matches").wait_for()


@pytest.mark.usefixtures("two_runs")
def test_the_list_is_sorted_and_nothing_of_it_is_cut(visit):
    opened = visit("Runs")
    opened.until("document.querySelectorAll('#runs-table tr[data-run]').length >= 2")
    before = rows(opened)
    assert before == sorted(before, key=int, reverse=True)
    opened.page.get_by_role("button", name="Sort by run").click()
    opened.until("location.search.includes('order=id')")
    opened.until(
        "first => document.querySelector('#runs-table tr[data-run]').dataset.run === first",
        min(before, key=int),
    )
    cut = opened.page.evaluate(
        "[...document.querySelectorAll('#runs-table td, #runs-table th')]"
        ".filter(cell => cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.innerText)"
    )
    assert cut == []
    table = "document.querySelector('#runs-table .rows')"
    assert opened.page.evaluate(f"{table}.scrollWidth <= {table}.clientWidth")


@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_two_marked_runs_are_compared(visit, two_runs, device):
    opened = visit("Runs")
    with opened.as_phone() if device == "phone" else nullcontext():
        check_two_marked_runs_are_compared(opened, two_runs, device)


def check_two_marked_runs_are_compared(opened, two_runs, device):
    first, second = two_runs
    for number in two_runs:
        box = opened.page.get_by_role("checkbox", name=f"Compare run {number}", exact=True)
        box.focus()
        opened.page.keyboard.press("Space")
        opened.until(
            "number => document.querySelector(`tr[data-run='${number}'] [role=checkbox]`)"
            "?.ariaChecked === 'true'",
            str(number),
        )
    before_headings = opened.page.evaluate(
        "getComputedStyle(document.querySelector('#runs-table thead tr'), '::before').content"
    )
    assert (before_headings == '"Sort by"') is (device == "phone")
    opened.page.get_by_role("link", name=f"Compare runs {first} and {second}").click()
    opened.until("document.querySelector('h1')?.textContent.includes(' beside ')")
    opened.until("document.querySelector('.js-plotly-plot .main-svg') !== null")
    said = opened.page.locator("#page").inner_text()
    assert "They differ in: Requests." in said
    assert "cannot tell a small difference" in said
    assert "There is no verdict: run" in said
    assert "were not asked for the same" in said
    for text in ("p99.9", "answered per second", "kernel", "GET /missing", "differs"):
        assert text in said
    opened.until(FITS)


def test_an_address_that_names_no_two_runs_says_so(visit, two_runs):
    heading = "There are no two runs to compare"
    opened = visit(heading, f"/runs/compare?a={two_runs[0]}")
    assert "names no two runs" in opened.page.locator("#page").inner_text()
    opened.go(f"/runs/compare?a={two_runs[0]}&b=999", heading)
    opened.until("document.getElementById('page').innerText.includes('There is no run 999')")


@pytest.mark.parametrize(
    ("number", "told"),
    [("999", "The newest run is number"), ("abc", "is no number of a load run")],
)
@pytest.mark.usefixtures("two_runs")
def test_a_run_that_is_not_there_says_so(open_page, number, told):
    opened = open_page(f"/runs/{number}")
    assert told in opened.page.locator("#page").inner_text()
    # The document of an address that no run can have is a 404, which the browser complains of.
    assert all("404 (NOT FOUND)" in complaint for complaint in opened.complaints)
    opened.complaints.clear()
    opened.page.get_by_role("link", name="All runs").click()
    heading_is(opened, "Runs")


@pytest.mark.usefixtures("two_runs")
def test_a_run_is_repeated_watched_stopped_and_deleted(visit, dashboard):
    with closing(dashboard.control) as control:
        plan = LoadPlan.constant("wsgi", "/whoami", 20, 60, seed=9)
        long = control.load_runs.request(plan, time.time()).id
        control.load_runs.request_stop(long)
        eventually(lambda: control.load_runs.active() is None)
    opened = visit(f"Run {long}", f"/runs/{long}")
    opened.page.get_by_role("button", name="Repeat").click()
    again = long + 1
    opened.until(f"location.pathname === '/runs/{again}'")
    heading_is(opened, f"Run {again}")
    opened.wait_drawn("one-run-rates")
    opened.page.locator("#one-run-outcome").get_by_text("remaining").wait_for()
    assert run_of(dashboard, again).plan == plan
    assert opened.page.locator("#run-text a").get_attribute("href") == f"/runs/{again}"
    assert not opened.page.get_by_role("button", name="Delete…").is_visible()
    opened.page.locator("#one-run-stop").click()
    eventually(lambda: run_of(dashboard, again).state is RunState.STOPPED)
    opened.page.locator("#one-run-outcome").get_by_text("stopped", exact=True).wait_for()
    opened.page.get_by_role("button", name="Delete…").click()
    opened.page.get_by_role("button", name=f"Delete run {again}").click()
    heading_is(opened, "Runs")
    assert run_of(dashboard, again) is None
    opened.open(f"/runs/{again}")
    opened.until("document.getElementById('page').innerText.includes('It was deleted.')")


@pytest.mark.usefixtures("two_runs")
def test_the_load_page_leads_to_its_run(visit):
    for link in ("#load-now a", "#load-history a[data-page]"):
        opened = visit("Load")
        # By the page itself: callbacks draw the place of the table anew meanwhile, polls its rows.
        opened.until(
            "id => { const place = document.querySelector(id); place?.scrollIntoView();"
            " return place !== null; }",
            link.partition(" ")[0],
        )
        opened.page.locator(link).first.click()
        opened.until("location.pathname.startsWith('/runs/')")

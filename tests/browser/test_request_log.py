"""From a graph to its requests: a spike in two clicks, and the log narrowed, sorted and paged."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, closing
from dataclasses import replace

import pytest

from components.plain_html import tree
from components.request_table import request_table
from servescope.queries.request_search import Search
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_servers import press, wait_done
from tests.components.test_parts import FOUND, ROW, SPAN
from tests.processes import eventually

pytestmark = pytest.mark.browser

ROWS = "#requests-log tr[data-request]"
SLOW = "/slow?ms=900"

CELL = """slower => {
  const plot = document.querySelector('#latency-heat .live-graph-plot');
  const { x, y, z } = plot.data[0];
  const row = z.findIndex((cells, i) => y[i] >= slower && cells.some(count => count));
  const column = z[row].findIndex(count => count);
  const box = plot.getBoundingClientRect();
  const { xaxis, yaxis } = plot._fullLayout;
  const middle = Math.sqrt(y[row] * y[row + 1]);
  return {
    x: box.x + xaxis._offset + xaxis.d2p(x[column]),
    y: box.y + yaxis._offset + yaxis.d2p(middle),
  };
}"""
IS_DRAWN = """slower => {
  const trace = document.querySelector('#latency-heat .live-graph-plot')?.data?.[0];
  return Boolean(trace?.z?.some((cells, i) => trace.y[i] >= slower && cells.some(count => count)));
}"""
BEFORE_HEADINGS = """place => getComputedStyle(
    document.querySelector(`${place} thead tr`), "::before"
).content"""


STEPS_TO_CELL = """slower => {
  const { x, y, z } = document.querySelector('#latency-heat .live-graph-plot').data[0];
  const row = z.findIndex((cells, i) => y[i] >= slower && cells.some(count => count));
  return [x.length - 1 - z[row].findIndex(count => count), z.length];
}"""


@pytest.fixture(scope="module")
def ask(dashboard):
    """Ask the listener wsgi for paths; an answer that is an error is one, too."""
    origin = f"http://127.0.0.1:{dashboard.port('wsgi')}"

    def ask_for(*paths):
        for path in paths:
            try:
                urllib.request.urlopen(origin + path).close()
            except urllib.error.HTTPError as error:
                error.close()

    return ask_for


def cell_that_stays(opened):
    """Where the slow cell is, once two polls have left it there: a paused view is drawn anew."""
    while True:
        before = opened.page.evaluate(CELL, 0.5)
        opened.wait_polls(2)
        if opened.page.evaluate(CELL, 0.5) == before:
            return before


def counts(opened):
    return opened.page.locator("#requests-counts").inner_text()


def statuses(opened):
    return set(opened.page.locator(f"{ROWS} .status").all_inner_texts())


def test_a_long_target_pushes_no_column_out_of_sight(visit, ask):
    ask("/whoami?" + "long=1&" * 40)
    opened = visit("Requests", "/requests?text=long")
    opened.page.locator(ROWS).first.wait_for()
    assert opened.tables_to_scroll() == []
    assert opened.page.locator(f"{ROWS} .target").first.bounding_box()["width"] > 150


@pytest.mark.parametrize("context", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_from_a_spike_to_one_of_its_requests_in_two_clicks(visit, open_page, ask, context):
    ask(*["/whoami"] * 20, SLOW, *["/whoami"] * 20)
    opened = open_page("/latency", PHONE) if context is PHONE else visit("Latency")
    opened.wait_drawn("latency-percentiles")
    opened.page.locator("#latency-heat").scroll_into_view_if_needed()
    opened.until(IS_DRAWN, 0.5)
    opened.pause()  # so that the cell stays where it is
    opened.page.locator("#latency-heat").scroll_into_view_if_needed()
    opened.until(IS_DRAWN, 0.5)

    cell = cell_that_stays(opened)
    if context is PHONE:
        opened.page.touchscreen.tap(cell["x"], cell["y"])
    else:
        opened.page.mouse.click(cell["x"], cell["y"])
    opened.until("location.pathname === '/requests' && location.search.includes('slower=')")
    row = opened.page.locator(ROWS).filter(has_text=SLOW).first
    row.wait_for()
    shown = opened.page.locator(f"{ROWS} .target").all_inner_texts()
    assert all(SLOW in target for target in shown), "the requests of the cell, and no others"
    row.locator(".took").click()
    drawer = opened.page.get_by_role("dialog", name="One request")
    drawer.get_by_text("Where the time went").wait_for()
    assert SLOW in drawer.inner_text()


def test_a_cell_of_the_heatmap_leads_to_its_requests_by_a_click_near_it_and_by_keys(visit, ask):
    ask(*["/whoami"] * 20, SLOW)
    opened = visit("Latency").wait_drawn("latency-percentiles")
    opened.page.locator("#latency-heat").scroll_into_view_if_needed()
    opened.until(IS_DRAWN, 0.5)
    opened.pause()
    opened.until(IS_DRAWN, 0.5)
    cell = cell_that_stays(opened)
    opened.page.mouse.move(cell["x"], cell["y"] - 6)  # above it, where there is none
    opened.page.locator("#latency-heat .graph-readout").get_by_text("1 of").wait_for()
    opened.page.mouse.click(cell["x"], cell["y"] - 6)
    opened.until("location.pathname === '/requests' && location.search.includes('slower=')")
    opened.page.locator(ROWS).filter(has_text=SLOW).first.wait_for()
    opened.page.go_back()
    opened.page.locator("#latency-heat").scroll_into_view_if_needed()
    opened.until(IS_DRAWN, 0.5)
    opened.page.locator("#latency-heat").focus()
    opened.page.keyboard.press("End")
    back, rows = opened.page.evaluate(STEPS_TO_CELL, 0.5)
    for _ in range(back):
        opened.page.keyboard.press("ArrowLeft")
    for _ in range(rows):
        opened.page.keyboard.press("ArrowUp")  # it stops at the slowest
    opened.until("document.getElementById('graph-announcement').textContent.includes(' to ')")
    opened.page.keyboard.press("Enter")
    opened.until("location.pathname === '/requests' && location.search.includes('slower=')")
    opened.page.locator(ROWS).filter(has_text=SLOW).first.wait_for()
    shown = opened.page.locator(f"{ROWS} .target").all_inner_texts()
    assert all(SLOW in target for target in shown)


def test_a_zoomed_view_leads_to_its_requests(visit, ask):
    ask(*["/whoami"] * 5)
    opened = visit("Latency").wait_drawn("latency-percentiles")
    opened.pause()
    link = opened.page.locator("#view-requests")
    link.wait_for()
    opened.until(
        "document.getElementById('view-requests').textContent.endsWith('requests in this span')"
    )
    number = link.inner_text().split()[0]
    link.click()
    opened.until("location.pathname === '/requests' && location.search.includes('from=')")
    opened.page.get_by_text(f"{number} were counted in this span").wait_for()


def test_the_log_is_narrowed_by_a_click_and_back_widens_it(visit, ask):
    ask("/whoami", "/missing", "/missing", "/error")
    opened = visit("Requests").wait_drawn("requests-classes")
    opened.page.locator(ROWS).filter(has_text="/error").first.wait_for()
    opened.pause()
    opened.page.locator(ROWS).filter(has_text="/error").first.wait_for()
    paused, all_of_it = opened.page.url, counts(opened)
    opened.page.locator("#requests-facets").get_by_role("button", name="404").click()
    opened.until("location.search.includes('status=404')")
    opened.page.get_by_role("button", name="No longer only status 404").wait_for()
    opened.until("!document.querySelector('#requests-log').innerText.includes('/error')")
    assert statuses(opened) == {"404"}
    narrowed = counts(opened)
    opened.page.reload()
    opened.page.locator(ROWS).first.wait_for()
    assert (counts(opened), statuses(opened)) == (narrowed, {"404"})
    opened.page.go_back()
    opened.until("url => location.href === url", paused)
    opened.until(
        "told => document.getElementById('requests-counts').textContent === told", all_of_it
    )
    assert len(statuses(opened)) > 1


def test_the_log_is_searched_sorted_and_leads_on(visit, ask):
    ask("/slow?ms=60", "/slow?ms=5", "/whoami")
    opened = visit("Requests").wait_drawn("requests-classes")
    opened.page.get_by_label("Target contains").fill("SLOW?ms")
    opened.until("location.search.includes('text=SLOW')")
    opened.page.locator(ROWS).filter(has_text="/slow?ms=60").first.wait_for()
    opened.page.get_by_role("button", name="Sort by took").click()
    opened.until("location.search.includes('order=-took')")
    opened.until(
        "document.querySelector('#requests-log th[aria-sort=descending]')?.innerText"
        ".startsWith('Took')"
    )
    opened.page.get_by_role("textbox", name="Slower than").fill("quick")
    opened.page.get_by_text("“quick” is no duration").wait_for()
    assert opened.page.get_by_role("textbox", name="Slower than").input_value() == "quick"
    opened.page.get_by_role("textbox", name="Slower than").fill("30 ms")
    opened.until("!document.querySelector('#requests-log').innerText.includes('/slow?ms=5\\n')")
    row = opened.page.locator(ROWS).filter(has_text="/slow?ms=60").first
    row.get_by_role("button", name="Requests of /slow with status 200").click()
    opened.until("location.search.includes('route=%2Fslow') && !location.search.includes('text')")
    opened.page.locator(ROWS).filter(has_text="/slow?ms=5").first.wait_for()
    assert opened.page.get_by_label("Target contains").input_value() == ""


def test_on_a_phone_rows_begin_with_target_and_duration_and_are_few_until_more_are_chosen(
    open_page, ask
):
    ask(*["/missing"] * 12)
    opened = open_page("/requests", PHONE).wait_drawn("requests-classes")
    opened.until("location.search.includes('rows=10')")
    opened.until(f"document.querySelectorAll('{ROWS}').length === 10")
    rows = opened.page.get_by_role("button", name="rows a page", pressed=True)
    assert rows.all_inner_texts() == ["10"]
    check_a_row_begins_with_target_and_duration(opened)
    opened.page.get_by_role("button", name="25 rows a page").click()
    opened.until(f"document.querySelectorAll('{ROWS}').length > 10")
    assert "rows=25" in opened.page.url


def check_a_row_begins_with_target_and_duration(opened):
    row = opened.page.locator(ROWS).first
    boxes = [row.locator(part).bounding_box() for part in (".target", ".took", ".ways-on")]
    assert abs(boxes[0]["y"] - boxes[1]["y"]) < 12, "on one line"
    assert boxes[2]["y"] > boxes[0]["y"], "below them"
    assert all(box["x"] + box["width"] <= 390 for box in boxes)
    assert opened.page.evaluate(BEFORE_HEADINGS, "#requests-log") == '"Sort by"'
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390


LAID_OUT = """rows => {
  servescope.plainHtml.show(document.getElementById("requests-log"), rows);
  const [unread, late] = document.querySelectorAll("#requests-log tr[data-request]");
  const box = (row, part) => row.querySelector(part).getBoundingClientRect().toJSON();
  const target = unread.querySelector(".target");
  return {
    cut: target.scrollWidth - target.clientWidth,
    status: box(late, ".status"),
    lines: [...late.querySelector(".status").childNodes].map((part) => {
      const range = document.createRange();
      range.selectNodeContents(part);
      return range.getBoundingClientRect().toJSON();
    }),
  };
}"""


@pytest.mark.usefixtures("app")  # links of the rows are below its path prefix
@pytest.mark.parametrize("context", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_row_says_whole_that_nobody_read_a_request_or_its_answer(visit, open_page, context):
    unread = replace(ROW, id=1, target="", method="OTHER", route="other", status=503)
    late = replace(ROW, id=2, status=200, is_to_nobody=True)
    rows = request_table(replace(FOUND, rows=(unread, late)), Search(), SPAN)
    opened = open_page("/requests", PHONE) if context is PHONE else visit("Requests")
    opened.wait_drawn("requests-classes")
    found = opened.page.evaluate(LAID_OUT, tree(rows))
    assert found["cut"] <= 0
    code, gone = found["lines"]
    if context is PHONE:
        assert abs(code["left"] - found["status"]["left"]) < 2, "no column to stand at the end of"
        assert abs(code["top"] - gone["top"]) < 2, "in one line"
        assert gone["left"] > code["right"]
    else:
        assert abs(code["right"] - gone["right"]) < 2
        assert gone["top"] >= code["bottom"] - 2


def test_rows_under_the_pointer_stay_until_it_leaves(visit, ask):
    ask("/whoami", "/missing")
    opened = visit("Requests").wait_drawn("requests-classes")
    opened.page.locator(ROWS).nth(1).wait_for()
    newest = f"document.querySelector('{ROWS}').dataset.request"
    opened.page.locator(f"{ROWS} .took").first.hover()
    aimed_at = opened.page.evaluate(newest)
    ask("/error", "/whoami")
    opened.until("document.querySelector('#requests-log [data-held]') !== null")
    counts = "getComputedStyle(document.getElementById('requests-counts'), '::after').content"
    assert "The rows wait" in opened.page.evaluate(counts)
    assert opened.page.evaluate(newest) == aimed_at
    opened.page.locator(f"{ROWS} .took").first.click()
    drawer = opened.page.get_by_role("dialog", name="One request")
    drawer.get_by_text("Ended at").wait_for()
    drawer.get_by_role("link", name="Open this request").wait_for()
    assert drawer.get_by_role("link").get_attribute("href") == f"/requests/{aimed_at}"
    drawer.get_by_label("Close").click()
    opened.page.mouse.move(2, 2)
    opened.until(f"aimed_at => {newest} !== aimed_at", aimed_at)
    opened.until("document.querySelector('#requests-log [data-held]') === null")


def test_rows_under_the_pointer_go_where_another_question_is_asked(visit, ask):
    ask("/whoami", "/missing")
    opened = visit("Requests").wait_drawn("requests-classes")
    row = opened.page.locator(ROWS).filter(has_text="/missing").first
    row.wait_for()
    pointed_at = f"document.querySelector('{ROWS}:hover')?.innerText"
    row.locator(".way-on").first.hover()
    while "/missing" not in (opened.page.evaluate(pointed_at) or ""):  # it moved just before
        row.locator(".way-on").first.hover()
    opened.page.mouse.down()
    opened.page.mouse.up()
    opened.until("location.search.includes('status=404')")
    opened.until(
        f"[...document.querySelectorAll('{ROWS}')].every(row => /404/.test(row.innerText))"
    )


CUT_OFF = 5


def test_requests_that_a_stop_cuts_off_are_told_and_lead_to_their_rows(visit, dashboard):
    opened = visit("Servers").wait_drawn("servers-rate")
    began_s = int(time.time()) + 1
    eventually(lambda: time.time() >= began_s)  # a second without requests of other tests
    with ExitStack() as stack:
        for _ in range(CUT_OFF):
            client = stack.enter_context(
                socket.create_connection(("127.0.0.1", dashboard.port("asgi")), 20)
            )
            client.sendall(b"GET /slow?ms=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        press(opened, "Stop: asgi")
        wait_done(opened, "asgi is stopped")
        assert client.recv(100) == b"", "no answer"
    with closing(dashboard.control) as control:
        control.listeners.discard_overrides("asgi")
    opened.go(f"/?from={began_s}&to={int(time.time()) + 1}", "Overview")
    opened.until(
        "said => document.getElementById('overview-verdict').textContent.includes(said)",
        f"{CUT_OFF} of {CUT_OFF} requests to listener asgi got no answer",
    )
    finding = opened.page.locator("#overview-verdict [data-code=no-answer]")
    assert "cut off when listener asgi was stopped or restarted." in finding.inner_text()
    assert opened.page.locator("#errors-note").inner_text().endswith(f"of {CUT_OFF} requests")
    finding.get_by_role("link", name="See Requests").click()
    opened.until("location.pathname === '/requests' && location.search.includes('from=')")
    opened.page.locator(ROWS).nth(CUT_OFF - 1).wait_for()
    opened.page.get_by_role("button", name="No longer only status no answer").wait_for()
    assert statuses(opened) == {"no answer"}
    assert opened.page.locator(ROWS).count() == CUT_OFF, "all are kept, as errors are"
    eventually(lambda: dashboard.listener("asgi"))


def test_a_method_in_front_of_the_text_is_that_of_the_requests(visit, ask):
    ask("/whoami", "/missing")
    opened = visit("Requests", "/requests?text=GET+/miss").wait_drawn("requests-classes")
    opened.page.locator(ROWS).first.wait_for()
    targets = opened.page.locator(f"{ROWS} .target").all_inner_texts()
    assert {one.strip() for one in targets} == {"GET /missing"}

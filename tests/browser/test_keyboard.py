"""A person without a pointer, and one with a finger: what is in sight can be reached and left."""

from __future__ import annotations

import urllib.request
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.conftest import PHONE

pytestmark = pytest.mark.browser

ROW = "#requests-log tr[data-request]"


@pytest.fixture
def log(open_page, dashboard):
    """The page Requests, with requests in its log."""
    for _ in range(3):
        url = f"http://127.0.0.1:{dashboard.port('wsgi')}/whoami"
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200
    opened = open_page("/requests").wait_drawn("requests-classes")
    opened.page.locator(ROW).first.wait_for()
    return opened.pause()  # rows of a live log move on


def drawer(opened):
    return opened.page.get_by_role("dialog", name="One request")


def test_a_row_of_the_log_opens_again_and_again(log):
    check_it_opens_by_keyboard(log)
    check_it_opens_by_click_and_closes_by_its_button(log)


def check_it_opens_by_keyboard(log):
    link = log.page.locator(f"{ROW} a").first
    for _ in range(2):
        link.focus()
        log.page.keyboard.press("Enter")
        drawer(log).get_by_text("Where the time went").wait_for()
        log.page.keyboard.press("Escape")
        drawer(log).wait_for(state="hidden")
        log.until("document.activeElement.matches('#requests-log a')")


def check_it_opens_by_click_and_closes_by_its_button(log):
    for _ in range(2):
        log.page.locator(f"{ROW} .took").first.click()
        drawer(log).wait_for()
        drawer(log).get_by_role("button", name="Close").click()
        drawer(log).wait_for(state="hidden")


def test_tab_leaves_a_table_from_any_of_its_cells(open_page):
    opened = open_page("/ports").wait_drawn("ports-queues")
    keyboard = opened.page.keyboard
    opened.page.locator("#ports-sockets").scroll_into_view_if_needed()
    opened.page.locator("#ports-sockets .ag-row").first.wait_for()
    opened.page.locator("#ports-sockets .ag-header-cell").first.focus()
    keyboard.press("ArrowDown")
    keyboard.press("ArrowRight")
    opened.until("document.activeElement.matches('#ports-sockets .ag-cell[col-id=service]')")
    keyboard.press("Tab")
    opened.until("document.activeElement.matches('.graph-tools button')")
    keyboard.press("Shift+Tab")
    opened.until("document.activeElement.closest('#ports-sockets') !== null")
    is_out = "document.activeElement.closest('#ports-sockets') === null"
    for _ in range(36):  # a poll may draw the cell anew that has the focus
        keyboard.press("Shift+Tab")
        if opened.page.evaluate(is_out):
            break
    opened.until(is_out)


def test_a_phone_is_used_by_keyboard_and_by_finger(open_page):
    opened = open_page("/", PHONE).wait_drawn("overview-host")
    check_a_closed_navigation_is_not_in_the_way_of_tab(opened)
    check_help_marks_are_round_and_easy_to_hit(opened)
    check_the_navigation_opens_and_closes_by_keyboard(opened)


def check_a_closed_navigation_is_not_in_the_way_of_tab(opened):
    stops = []
    for _ in range(8):
        opened.page.keyboard.press("Tab")
        stops.append(
            opened.page.evaluate(
                "() => [document.activeElement.tagName, document.activeElement.innerText,"
                " !!document.activeElement.closest('nav')]"
            )
        )
    assert not any(in_navigation for *_, in_navigation in stops), stops
    assert any(text == "Pause" for _, text, _ in stops), stops


def check_help_marks_are_round_and_easy_to_hit(opened):
    marks = opened.page.locator(".help-mark:visible")
    assert marks.count() > 8
    for index in range(marks.count()):
        box = marks.nth(index).bounding_box()
        assert box["width"] == box["height"], marks.nth(index).get_attribute("aria-label")
    box = marks.first.bounding_box()
    opened.page.touchscreen.tap(box["x"] - 10, box["y"] + box["height"] + 10)
    opened.page.get_by_role("tooltip").wait_for()


def check_the_navigation_opens_and_closes_by_keyboard(opened):
    burger = opened.page.get_by_role("button", name="Navigation")
    link = opened.page.get_by_role("link", name="Latency", exact=True)
    assert burger.get_attribute("aria-expanded") == "false"
    burger.focus()
    opened.page.keyboard.press("Enter")
    link.wait_for()
    assert burger.get_attribute("aria-expanded") == "true"
    link.focus()
    opened.page.keyboard.press("Escape")
    link.wait_for(state="hidden")
    assert burger.get_attribute("aria-expanded") == "false"
    opened.until("document.activeElement.id === 'burger'")
    opened.page.keyboard.press("Enter")
    link.wait_for()
    link.focus()
    opened.page.keyboard.press("Enter")
    opened.until("location.pathname === '/latency'")
    link.wait_for(state="hidden")


def test_a_help_mark_shows_its_text_by_pointer_and_by_focus_and_inside_the_window(open_page):
    opened = open_page("/").wait_drawn("overview-host")
    mark = opened.page.get_by_role("button", name="Help: Share of all cores").first
    text = opened.page.get_by_role("tooltip")
    mark.hover()
    text.get_by_text("Share of all cores").wait_for()
    text.hover()
    assert text.is_visible(), "the pointer may go on to the text"
    opened.page.mouse.move(0, 0)
    text.wait_for(state="hidden")
    for one in opened.page.locator(".help-mark:visible").all():
        one.focus()
        opened.until(
            "text => document.querySelector('.help-text').textContent === text",
            one.get_attribute("data-help"),
        )
        box = text.bounding_box()
        assert 0 <= box["x"] <= 1440 - box["width"]
        assert 0 <= box["y"] <= 900 - box["height"]
    opened.page.keyboard.press("Escape")
    text.wait_for(state="hidden")


def tab_stops(opened, start, count):
    """The `count` places that Tab comes to behind the place that has the focus from `start` on."""
    opened.page.locator(start).focus()
    stops = []
    for _ in range(count):
        opened.page.keyboard.press("Tab")
        stops.append(
            opened.page.evaluate(
                "() => document.activeElement.id || document.activeElement.innerText.trim()"
            )
        )
    return stops


def test_the_page_load_is_used_without_a_pointer(open_page):
    opened = open_page("/load").wait_drawn("load-rates")
    check_the_form_of_a_run_is_filled(opened)
    check_the_search_for_a_capacity_is_started_and_stopped(opened)


def check_the_form_of_a_run_is_filled(opened):
    keyboard = opened.page.keyboard
    stops = tab_stops(opened, "#load-listener", 4)
    assert stops[:3] == ["load-target", "load-rate", "load-seconds"]
    assert stops[3].startswith("More:")
    keyboard.press("Enter")
    opened.page.locator("#load-kind").wait_for()
    keyboard.press("Tab")
    opened.until("document.activeElement.id === 'load-kind'")
    keyboard.press("Enter")
    opened.page.get_by_role("option", name="Poisson").wait_for()
    # Mantine goes to the option that holds a moment after it shows them.
    chosen = "document.querySelector('[role=option][data-combobox-selected]')?.textContent ?? ''"
    while "Poisson" not in opened.page.evaluate(chosen):
        keyboard.press("ArrowDown")
    keyboard.press("Enter")
    opened.until("document.querySelector('#load-kind').value.startsWith('Poisson')")
    opened.page.get_by_role("button", name="Add a request to the mix").press("Enter")
    opened.until("document.activeElement.dataset.name === 'method'")
    opened.page.get_by_role("button", name="Remove request 2").press("Enter")
    opened.until("document.activeElement.textContent === 'Add a request to the mix'")


def check_the_search_for_a_capacity_is_started_and_stopped(opened):
    stops = tab_stops(opened, "#capacity-listener", 4)
    assert stops == ["capacity-target", "capacity-limit", "capacity-errors", "capacity-start"]
    opened.page.keyboard.press("Enter")
    opened.page.locator("#capacity-answer").get_by_text("was asked for").wait_for()
    opened.page.locator("#capacity-stop").wait_for()
    opened.page.locator("#capacity-stop").press("Enter")
    opened.page.locator("#capacity-stop").wait_for(state="hidden")
    opened.page.locator("#capacity-start").wait_for()


def test_a_run_is_named_and_its_deletion_taken_back_without_a_pointer(open_page, two_runs):
    opened = open_page(f"/runs/{two_runs[0]}").wait_drawn("one-run-rates")
    keyboard = opened.page.keyboard
    opened.page.locator("#one-run-name").focus()
    keyboard.type("By keyboard")
    stops = tab_stops(opened, "#one-run-name", 4)
    assert stops == ["one-run-tags", "one-run-note", "one-run-save", "one-run-repeat"]
    opened.page.locator("#one-run-save").press("Enter")
    opened.until("document.querySelector('h1').textContent.endsWith(': By keyboard')")
    delete = opened.page.get_by_role("button", name="Delete…")
    delete.press("Enter")
    opened.page.locator("#one-run-delete").wait_for()
    keyboard.press("Escape")
    opened.page.locator("#one-run-delete").wait_for(state="hidden")
    opened.until("document.activeElement.textContent === 'Delete…'")


SAID = "document.getElementById('graph-announcement').textContent"


def test_enter_opens_the_requests_of_the_moment_at_the_cursor_of_any_graph(open_page):
    opened = open_page("/host?last=1m").wait_drawn("host-cpu")
    opened.wait_newer("host-cpu", 0)
    opened.pause()
    opened.page.locator("#host-cpu").focus()
    opened.page.keyboard.press("Enter")  # no moment is chosen yet: it says what the next one does
    opened.until(f"{SAID}.includes('Enter opens the requests of this moment')")
    opened.page.locator("#host-cpu .graph-readout").get_by_text("Enter opens").wait_for()
    opened.page.keyboard.press("Enter")
    opened.until("location.pathname === '/requests'")
    query = parse_qs(urlsplit(opened.page.url).query)
    assert int(query["to"][0]) - int(query["from"][0]) == 1, "the second at the cursor"
    opened.page.go_back()
    opened.until("location.pathname === '/host'")


def test_enter_where_a_heatmap_has_no_request_says_so(open_page, dashboard):
    with urllib.request.urlopen(f"http://127.0.0.1:{dashboard.port('wsgi')}/", timeout=30):
        pass
    opened = open_page("/latency").wait_drawn("latency-heat")
    trace = "servescope.graphs.byId('latency-heat').data[0]"
    opened.until(f"{trace}?.x.some((_, moment) => {trace}.z.every(counts => !counts[moment]))")
    opened.pause()
    opened.page.locator("#latency-heat").focus()
    opened.page.keyboard.press("End")
    for _ in range(opened.page.evaluate(f"{trace}.x.length")):
        if "0 of 0 requests" in opened.page.evaluate(SAID):
            break
        opened.page.keyboard.press("ArrowLeft")
    opened.page.keyboard.press("Enter")
    opened.until(f"{SAID}.includes('No request ended in this moment')")
    opened.page.locator("#latency-heat .graph-readout").get_by_text("No request ended").wait_for()
    assert "/latency" in opened.page.url

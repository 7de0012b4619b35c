"""Every page opens, draws, fits and stays silent, on a desktop and on a phone, dark and light.

And axe finds nothing grave there. All that is judged of a page on a device is judged at one visit:
pytest runs the tests of one `shown` after each other. Those with requests and runs come last, since
the others are to see pages that have nothing to show, too.
"""

import csv
import re
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from servescope.catalog import BY_NAME
from tests.axe import OF_COLOURS, grave_violations, unseen_buttons, unseen_fields
from tests.browser.conftest import DESKTOP, PHONE, WITHOUT_GRAPHS, Watched
from tests.page_files import live_pages

pytestmark = pytest.mark.browser

PAGES = {page.path: (page.name, page.graphs[0]) for page in live_pages()}
"""Name and first graph of each page, by its path."""

DEVICES = {"desktop": DESKTOP, "phone": PHONE}
SCHEMES = ("dark", "light")
SURROUNDINGS = {
    f"{device}-{scheme}": options | {"color_scheme": scheme}
    for device, options in DEVICES.items()
    for scheme in SCHEMES
}


class Shown(NamedTuple):
    """A page of the navigation on a device, and the colour schemes in which it is judged."""

    device: str
    path: str
    opened: Watched
    schemes: tuple[str, str]


@pytest.fixture(scope="module")
def page_of(chromium, dashboard, left_pages):
    """The page of a device, `page_of(device, path)`, which stays until another device's is wanted.

    It is opened at the path unless it is there; then it is where the test before has left it.
    """
    kept = {}
    with ExitStack() as lent:

        def get(device, path):
            if device not in kept:
                lent.close()
                kept.clear()
                options = DEVICES[device] | {"color_scheme": SCHEMES[0]}
                page = left_pages.lent(chromium, dashboard.url, options)
                kept[device] = lent.enter_context(page).open(path)
            return kept[device]

        yield get


def come_to(page_of, device, path):
    """The page of a device at a path, to which the navigation has led unless it was opened there.

    On a phone the navigation is opened for that, and closes by itself.
    """
    opened = page_of(device, path)
    if urlsplit(opened.page.url).path != path:
        if device == "phone":
            opened.page.locator("#burger").click()
        opened.follow(PAGES[path][0])
    return opened


@pytest.fixture(scope="module")
def shown(page_of, request):
    """A page on a device; each opens in the scheme in which the one before was judged last."""
    device, path = request.param
    schemes = SCHEMES if [*PAGES].index(path) % 2 == 0 else SCHEMES[::-1]
    page_of(device, path).page.emulate_media(
        color_scheme=schemes[0], reduced_motion="no-preference"
    )
    opened = come_to(page_of, device, path)
    yield Shown(device, path, opened, schemes)
    assert opened.complaints == []


def on(devices, *paths):
    """Cases of `shown`."""
    cases = [(device, path) for device in devices for path in paths]
    return pytest.mark.parametrize("shown", cases, indirect=True, ids="-".join)


CUT = """([within, without]) => [...document.querySelectorAll(`${within} *`)]
    .filter(part => part.checkVisibility({ visibilityProperty: true }))
    .filter(part => !part.closest(without) && !part.title && part.clientWidth > 1)
    .filter(part => ["hidden", "clip"].includes(getComputedStyle(part).overflowX))
    .filter(part => part.innerText?.trim() && part.scrollWidth > part.clientWidth + 1)
    .map(part => `${part.className}: ${part.innerText}`)"""
"""Texts that are cut, but for those whose `title` has the whole."""


def check_fit(opened, path, scheme):
    """The page is as dark or light as wanted, no wider than the screen, and cuts no text."""
    opened.until("name => document.documentElement.dataset.mantineColorScheme === name", scheme)
    width = opened.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert width <= 0, f"{path} is wider than the screen"
    assert opened.page.evaluate(CUT, ["body", ".ag-root, input"]) == []
    assert opened.tables_to_scroll() == []


def check(opened, path, scheme):
    """The page is drawn and silent, and all of it is in sight."""
    name, graph = PAGES[path]
    opened.wait_drawn(graph)
    # Behind a link the title comes from a callback of its own, after the page.
    opened.until("title => document.title === title", f"{name} · Servescope")
    assert opened.page.locator("h1").inner_text() == name
    assert opened.page.evaluate("location.pathname") == path
    check_fit(opened, path, scheme)


def check_closed(navigation_link):
    assert not navigation_link.is_visible() or navigation_link.bounding_box()["x"] < 0


def grave(opened, name, scheme, options=None):
    """List what axe finds, and hardly visible fields and buttons, while no colour changes."""
    opened.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    opened.until("name => document.documentElement.dataset.mantineColorScheme === name", scheme)
    lines = [
        *grave_violations(opened.page, options),
        *unseen_fields(opened.page),
        *unseen_buttons(opened.page),
    ]
    return [f"{name}, {scheme}: {line}" for line in lines]


def grave_in_both(opened, name, schemes):
    """List what is `grave` in the first scheme, and which colours are in the second."""
    first, second = schemes
    return grave(opened, name, first) + grave(opened, name, second, OF_COLOURS)


# Each in its own surroundings, by turns: to load a page costs Chromium 1 s of CPU. (The overview
# opens by its address where the navigation begins, dark on a desktop and on a phone.)
@pytest.mark.parametrize(
    ("path", "surroundings"),
    [(path, [*SURROUNDINGS][number % 4]) for number, path in enumerate(PAGES) if path != "/"],
)
def test_a_page_opens_by_its_address(open_page, path, surroundings):
    options = SURROUNDINGS[surroundings]
    check(open_page(path, options), path, options["color_scheme"])


def test_an_unknown_address_is_a_page_that_leads_back_and_axe_finds_nothing_grave_there(open_page):
    opened = open_page("/no/such/page")
    assert opened.page.title().startswith("Page not found")
    # Chromium tells that the document's status is 404; it is to complain of nothing else.
    assert [text for text in opened.complaints if "404" not in text] == []
    opened.complaints.clear()
    assert grave_in_both(opened, "an unknown address", SCHEMES) == []
    opened.page.locator("#page").get_by_role("link").first.click()
    opened.until("document.querySelector('h1')?.textContent === 'Overview'")


def test_dark_and_light_are_one_click_apart_and_remembered(open_page):
    opened = open_page("/learn", DESKTOP | {"color_scheme": "dark"})
    scheme = "document.documentElement.dataset.mantineColorScheme"
    opened.page.get_by_label("Dark or light").click()
    opened.until(f"{scheme} === 'light'")
    opened.page.reload()
    opened.until("document.querySelector('h1')")
    assert opened.page.evaluate(scheme) == "light"


@pytest.mark.parametrize(
    ("page", "grid"), [("ports", "ports-sockets"), ("requests", "requests-log")]
)
def test_a_table_that_waits_for_its_rows_does_not_say_that_there_are_none(open_page, page, grid):
    opened = open_page("/learn")

    def hold_the_poll(route):
        if f'"output":"{page}-delta.data"' not in route.request.post_data:
            route.continue_()

    opened.page.route(re.compile("_dash-update-component"), hold_the_poll)
    opened.page.get_by_role("link", name=PAGES[f"/{page}"][0], exact=True).first.click()
    table = opened.page.locator(f"#{grid}")
    table.scroll_into_view_if_needed()
    table.get_by_text("Loading…").first.wait_for(state="attached")
    opened.page.unroute_all(behavior="ignoreErrors")


@on(DEVICES, *PAGES)
def test_the_navigation_leads_to_a_page_and_axe_finds_nothing_grave(shown):
    device, path, opened, schemes = shown
    found = []
    for scheme, options in zip(schemes, (None, OF_COLOURS), strict=True):
        opened.page.emulate_media(color_scheme=scheme)
        check(opened, path, scheme)
        found += grave(opened, path, scheme, options)
    assert found == []
    if device == "phone":
        name, _ = PAGES[path]
        check_closed(opened.page.locator("nav").get_by_role("link", name=name, exact=True))


@on(DEVICES, "/")
def test_axe_finds_nothing_grave_in_the_processes_that_a_person_opens(shown):
    opened = shown.opened.wait_drawn("overview-host")
    opened.page.locator(".standing").click()
    opened.page.locator("#processes").wait_for()
    found = grave_in_both(opened, "processes", shown.schemes)
    opened.page.keyboard.press("Escape")
    opened.page.locator("#processes").wait_for(state="hidden")
    assert found == []


FIGURES = (("≥ 64", "s"), ("28,800", "req/s"))


@on(DEVICES, "/")
def test_no_figure_of_a_card_is_cut(shown):
    for figure in FIGURES:
        # At once, before a poll writes its own: such figures take minutes of load.
        beyond = shown.opened.wait_drawn("overview-host").page.evaluate(
            "([value, unit]) => { const shown = document.getElementById('p99-value');"
            " shown.textContent = value; document.getElementById('p99-unit').textContent = unit;"
            " return shown.parentElement.scrollWidth - shown.parentElement.clientWidth; }",
            figure,
        )
        assert beyond <= 0, figure


@on(DEVICES, "/")
def test_no_stage_of_the_path_cuts_what_it_says(shown):
    """With figures of an overload that is past: those are the longest."""
    opened = shown.opened.wait_drawn("overview-host")
    opened.until("document.querySelectorAll('.path-live .path-amount').length === 8")
    opened.page.locator("#pause").click()
    opened.until("document.querySelectorAll('.path-past .path-amount').length === 8")
    opened.page.evaluate(
        "() => document.querySelectorAll('.path-past .path-amount')"
        ".forEach(said => { said.textContent = 'up to 12,345 of 65,535 wait' })"
    )
    cut = opened.page.evaluate(CUT, [".path-past", "input"])
    tops = "name => [...document.querySelectorAll(`.path-past ${name}`)].map(one => one.offsetTop)"
    levels = set(opened.page.evaluate(tops, ".path-times"))
    opened.page.locator("#pause").click()  # the next page is to be live again
    opened.until("!document.getElementById('view-text').textContent.startsWith('Paused')")
    assert cut == []
    if shown.device == "desktop":
        assert len(levels) == 1, "on one level"


@on(["desktop"], "/")
def test_a_page_makes_its_closed_forms_when_they_are_opened(shown):
    page = shown.opened.page
    for button, form in (("Span…", "#time-form"), ("Try a demo", "#overview-demos")):
        assert page.locator(form).count() == 0
        page.get_by_role("button", name=button, exact=True).click()
        page.locator(form).wait_for()
        page.keyboard.press("Escape")
        page.locator(form).wait_for(state="hidden")


CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)")


def seconds_of_day(clock):
    hours, minutes, seconds = map(int, clock)
    return (hours * 60 + minutes) * 60 + seconds


def exported(page):
    """The URL that the open page's Export control asks, the file's name, and its rows."""
    page.wait_for_selector('#span-text:has-text(" \u2013 ")')
    page.click("button:has-text('Export')")
    with page.expect_download() as waited:
        page.click("[data-export$=csv]")
    rows = list(csv.DictReader(Path(waited.value.path()).read_text().splitlines()))
    return waited.value.url, waited.value.suggested_filename, rows


@on(["desktop"], *PAGES)
def test_a_page_exports_its_metrics_over_the_span_it_shows(shown):
    page = shown.opened.page
    url, name, rows = exported(page)
    begin, end, *_ = CLOCK.findall(page.locator("#span-text").inner_text())
    shown_s = (seconds_of_day(end) - seconds_of_day(begin)) % 86_400
    assert urlsplit(page.url).path == shown.path
    asked = parse_qs(urlsplit(url).query)
    assert set(asked["metric"]) <= BY_NAME.keys()
    asked_s = int(asked["to"][0]) - int(asked["from"][0])
    assert asked_s == pytest.approx(shown_s, abs=60), "it grows while data is younger than that"
    assert name.startswith(f"servescope_{asked['title'][0]}_2")
    assert {row["metric"] for row in rows} <= set(asked["metric"])
    if shown.path == "/host":
        assert "system.cpu.utilization" in {row["metric"] for row in rows}


READ_BY = {
    "ports-sockets": ["Port", "Ours", "Process", "Waiting"],
    "load-history": ["Run", "Plan", "p99"],
}
"""The columns by which a row of a table is read on a phone, whose others are beside them."""


@on(DEVICES, "/ports")
def test_a_table_has_whole_titles_and_what_a_row_is_read_by_is_in_sight(shown):
    check_table(shown.opened, shown.device, "ports-sockets")
    if shown.device == "phone":
        cells = "#ports-sockets .ag-cell[col-id=port]"
        assert shown.opened.page.evaluate(CUT, [cells, "input"]) == []


def check_table(opened, device, table):
    opened.page.locator(f"#{table}").scroll_into_view_if_needed()
    check_titles_are_whole(opened, table)
    check_no_cell_is_empty_and_nothing_lies_below_the_rows(opened, table)
    if device == "phone":
        check_columns_are_in_sight(opened, table)


def check_titles_are_whole(opened, table):
    opened.until(f"document.querySelectorAll('#{table} .ag-header-cell-text').length > 2")
    opened.until(f"document.querySelector('#{table} .ag-row') !== null")
    cut = opened.page.evaluate(CUT, [f"#{table} .ag-header-cell-label", ".ag-body"])
    assert cut == []


def check_no_cell_is_empty_and_nothing_lies_below_the_rows(opened, table):
    opened.until(
        f"[...document.querySelectorAll('#{table} .ag-row .ag-cell')]"
        ".every(cell => cell.innerText.trim())"
    )
    # Where the rows do not fill the height that it may have, it ends with the last one, but for
    # what scrolls it sideways.
    opened.until(
        "table => { const bottom = part => part.getBoundingClientRect().bottom;"
        "const rows = [...table.querySelectorAll('.ag-row')];"
        "const bar = table.querySelector('.ag-body-horizontal-scroll').offsetHeight;"
        "return bottom(table) - Math.max(...rows.map(bottom)) - bar < 6; }",
        opened.page.locator(f"#{table}").element_handle(),
    )


def check_columns_are_in_sight(opened, table):
    cells = f"[...document.querySelectorAll('#{table} .ag-header-cell')]"
    opened.until(f"{cells}.length > {len(READ_BY[table])}")
    opened.until(f"{cells}.every(cell => cell.innerText.trim())")  # drawn after their cells
    seen = opened.page.evaluate(
        f"{cells}.filter(cell => cell.getBoundingClientRect().right <= innerWidth)"
        ".map(cell => cell.innerText.trim())"
    )
    assert seen == READ_BY[table]


@on(["desktop"], "/load")
def test_a_disabled_button_is_seen_as_a_button(shown):
    """Of each kind: Mantine's, those of a menu, and those of a card, in a panel and beside it."""
    opened = shown.opened
    opened.until("document.querySelectorAll('#load-demos .card-action').length > 0")
    disabled = opened.page.evaluate(
        "() => [...document.querySelectorAll('.mantine-Button-root, .menu-button, .card-action')]"
        ".filter(button => button.checkVisibility())"
        ".map(button => { button.disabled = true; return button.className; }).join(' ')"
    )
    for kind in ("mantine-Button-root", "menu-button", "card-action"):
        assert kind in disabled
    found = []
    for scheme in shown.schemes:
        opened.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        opened.until("name => document.documentElement.dataset.mantineColorScheme === name", scheme)
        found += [f"{scheme}: {line}" for line in unseen_buttons(opened.page)]
    assert found == []


def test_on_a_phone_no_table_of_requests_has_to_be_scrolled_sideways(page_of, dashboard):
    """With the longest names and figures that there are: those of a route and its durations."""
    url = f"http://127.0.0.1:{dashboard.port('wsgi')}/a-path-of-an-app/that-is-long/and-goes/on"
    for _ in range(3):
        try:
            urllib.request.urlopen(url, timeout=20).close()
        except urllib.error.HTTPError as error:
            error.close()
    for path, table in (("/", "overview-listeners"), ("/latency", "latency-route-table")):
        opened = come_to(page_of, "phone", path)
        opened.until(f"document.querySelector('#{table} td[data-name]')?.checkVisibility()")
        assert opened.tables_to_scroll() == []
        names = "cells => cells.map(cell => getComputedStyle(cell, '::before').content)"
        shown = opened.page.locator(f"#{table} tbody tr:first-child td[data-name]").evaluate_all(
            names
        )
        assert all(shown), "each figure has its name beside it"
        assert not opened.page.locator(f"#{table} th").first.is_visible()
    opened.go("/learn", WITHOUT_GRAPHS)  # the next test waits for runs
    assert opened.complaints == []


@pytest.mark.usefixtures("two_runs")
@pytest.mark.parametrize("device", ["phone", "desktop"])
def test_the_table_of_runs_below_a_form_with_a_mix_is_whole_and_axe_finds_nothing_grave(
    page_of, device
):
    opened = come_to(page_of, device, "/load")
    check_table(opened, device, "load-history")
    check_rows_of_the_newest_runs_are_whole(opened)
    opened.page.locator(".more > summary").press("Enter")
    opened.page.get_by_role("button", name="Add a request to the mix").press("Enter")
    opened.page.locator("#load-history").scroll_into_view_if_needed()
    opened.page.locator("#load-history a[data-page]").first.wait_for()
    assert grave_in_both(opened, "/load with a mix and runs", SCHEMES) == []
    if device == "phone":
        check_the_form_of_a_run_cuts_none_of_its_choices(opened)
    assert opened.complaints == []


def check_rows_of_the_newest_runs_are_whole(opened):
    opened.page.locator("#load-history a[data-page]").first.wait_for()
    assert opened.page.evaluate(CUT, ["#load-history .ag-row", "input"]) == []


def check_the_form_of_a_run_cuts_none_of_its_choices(opened):
    schedule = opened.page.locator("#load-kind")
    for name in ("Poisson", "Ramp", "Steps", "Spike", "Users"):
        schedule.click()
        opened.page.get_by_role("option", name=name).click()
        cut = "field => field.scrollWidth > field.clientWidth"
        assert not schedule.evaluate(cut), schedule.input_value()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("device", DEVICES)
def test_the_pages_of_runs_open_and_fit_and_axe_finds_nothing_grave(page_of, run_pages, device):
    """By turns a page opens dark and is made light, and the other way round.

    On the desktop each opens by its address; on the phone all but the first do so by a link.
    """
    schemes, found = SCHEMES, []
    first, *others = run_pages
    # The first two have the same heading: behind a link one would be taken for the other.
    paths = [*others, first]
    opened = page_of(device, paths[0])
    opened.page.emulate_media(color_scheme=schemes[0], reduced_motion="reduce")
    for path in paths:
        if device == "desktop" or path == paths[0]:
            opened.open(path)
        else:
            opened.go(path, run_pages[path])
        opened.until("text => document.querySelector('h1').textContent === text", run_pages[path])
        opened.wait_poll_answered()
        for scheme, options in zip(schemes, (None, OF_COLOURS), strict=True):
            opened.page.emulate_media(color_scheme=scheme)
            check_fit(opened, path, scheme)
            found += grave(opened, path, scheme, options)
        schemes = schemes[::-1]
    assert found == []
    assert opened.complaints == []

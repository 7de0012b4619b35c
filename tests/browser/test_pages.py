"""Every page opens, draws, fits and stays silent, on a desk and on a phone, dark and light."""

import re

import pytest

from tests.browser.conftest import DESKTOP, PHONE

pytestmark = pytest.mark.browser

PAGES = {
    "/": ("Overview", "overview-host"),
    "/requests": ("Requests", "requests-classes"),
    "/latency": ("Latency", "latency-percentiles"),
    "/ports": ("Ports", "ports-queues"),
    "/host": ("Host", "host-cpu"),
    "/load": ("Load", "load-cpu"),
    "/servers": ("Servers", "servers-rate"),
}


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_draws_and_fits(open_page, path, device, scheme):
    name, graph = PAGES[path]
    opened = open_page(path, device | {"color_scheme": scheme})
    assert opened.page.title() == f"{name} · Servescope"
    assert opened.page.locator("h1").inner_text() == name
    opened.wait_drawn(graph)
    width = opened.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert width <= 0, "the page is wider than the screen"
    assert opened.page.evaluate(
        "document.documentElement.dataset.mantineColorScheme"
    ) == scheme  # fmt: skip


def test_the_navigation_leads_to_every_page(open_page):
    opened = open_page("/")
    for path, (name, graph) in PAGES.items():
        opened.page.get_by_role("link", name=name, exact=True).first.click()
        opened.until("name => document.querySelector('h1')?.textContent === name", name)
        assert opened.page.evaluate("location.pathname") == path
        opened.wait_drawn(graph)


def test_the_navigation_opens_and_closes_on_a_phone(open_page):
    opened = open_page("/", PHONE)
    link = opened.page.get_by_role("link", name="Host", exact=True)
    assert not link.is_visible() or link.bounding_box()["x"] < 0
    opened.page.locator("#burger").click()
    link.click()
    opened.until("document.querySelector('h1')?.textContent === 'Host'")


def test_an_unknown_address_is_a_page_that_leads_back(open_page):
    opened = open_page("/no/such/page")
    assert opened.page.title().startswith("Page not found")
    opened.page.locator("#page").get_by_role("link").first.click()
    opened.until("document.querySelector('h1')?.textContent === 'Overview'")


def test_dark_and_light_are_one_click_apart_and_remembered(open_page):
    opened = open_page("/", DESKTOP | {"color_scheme": "dark"})
    scheme = "document.documentElement.dataset.mantineColorScheme"
    opened.wait_drawn("overview-host")
    opened.page.get_by_label("Dark or light").click()
    opened.until(f"{scheme} === 'light'")
    opened.page.reload()
    opened.until("document.querySelector('h1')")
    assert opened.page.evaluate(scheme) == "light"


@pytest.mark.parametrize(
    ("page", "grid"), [("ports", "ports-sockets"), ("requests", "requests-log")]
)
def test_a_table_that_waits_for_its_rows_does_not_say_that_there_are_none(open_page, page, grid):
    opened = open_page("/host")

    def hold_the_poll(route):
        if f'"output":"{page}-delta.data"' not in route.request.post_data:
            route.continue_()

    opened.page.route(re.compile("_dash-update-component"), hold_the_poll)
    opened.page.get_by_role("link", name=PAGES[f"/{page}"][0], exact=True).first.click()
    table = opened.page.locator(f"#{grid}")
    table.scroll_into_view_if_needed()
    table.get_by_text("Loading…").first.wait_for(state="attached")
    opened.page.unroute_all(behavior="ignoreErrors")

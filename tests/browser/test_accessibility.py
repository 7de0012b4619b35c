"""axe finds nothing grave on any page, dark and light, on a desktop and on a phone."""

import os
import signal

import pytest

from tests.axe import grave_violations
from tests.browser.conftest import DESKTOP, PHONE, Watched
from tests.browser.test_pages import PAGES
from tests.processes import Dashboards

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]  # axe over seven pages twice

SCHEMES = ("light", "dark")
DEVICES = {"desktop": DESKTOP, "phone": PHONE}


def found_in_both_schemes(opened, name):
    found = []
    for scheme in SCHEMES:
        opened.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        opened.until(
            "scheme => document.documentElement.dataset.mantineColorScheme === scheme", scheme
        )
        found += [f"{name}, {scheme}: {line}" for line in grave_violations(opened.page)]
    return found


@pytest.mark.parametrize("device", DEVICES)
def test_no_page_has_a_grave_violation(open_page, device):
    opened = open_page("/", DEVICES[device])
    found = []
    for name, graph in PAGES.values():
        if name != "Overview":
            if device == "phone":
                opened.page.locator("#burger").click()
            opened.follow(name)
        opened.wait_drawn(graph)
        found += found_in_both_schemes(opened, name)
    assert found == []


@pytest.mark.parametrize("device", DEVICES)
def test_nor_has_a_page_of_runs(open_page, run_pages, device):
    opened, found = open_page("/load", DEVICES[device]), []
    opened.page.locator(".more > summary").press("Enter")
    opened.page.get_by_role("button", name="Add a request to the mix").press("Enter")
    opened.page.locator("#load-history").scroll_into_view_if_needed()
    opened.page.locator("#load-history a[data-page]").first.wait_for()
    found += found_in_both_schemes(opened, "/load with a mix and runs")
    for path, heading in run_pages.items():
        opened.open(path).until(
            "text => document.querySelector('h1').textContent === text", heading
        )
        opened.wait_poll_answered()
        found += found_in_both_schemes(opened, path)
    assert found == []


@pytest.mark.parametrize("device", DEVICES)
def test_nor_has_what_a_person_opens(open_page, device):
    opened = open_page("/", DEVICES[device]).wait_drawn("overview-host")
    opened.page.locator(".standing").click()
    opened.page.locator("#processes").wait_for()
    assert found_in_both_schemes(opened, "processes") == []


def test_nor_has_a_page_without_a_connection(chromium, tmp_path):
    dashboards = Dashboards(tmp_path)
    running = dashboards()
    page = chromium.new_page(**DESKTOP)
    opened = Watched(page, running.url).open("/").wait_drawn("overview-host")
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait(10)
    opened.until("document.documentElement.dataset.standing === 'gone'")
    found = found_in_both_schemes(opened, "no connection")
    page.close()
    dashboards.end()
    assert found == []


@pytest.mark.parametrize("path", ["/sign-in", "/no/such/page"])
def test_nor_has_a_page_without_graphs(open_page, path):
    opened = open_page(path)
    found = found_in_both_schemes(opened, path)
    opened.complaints[:] = [text for text in opened.complaints if "404" not in text]
    assert found == []

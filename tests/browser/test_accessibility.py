"""axe finds nothing grave in what a person opens, and where there is nothing to show.

On the pages themselves `test_pages` has it look.
"""

import os
import signal

import pytest

from tests.axe import grave_violations
from tests.browser.conftest import DESKTOP, PHONE, Watched
from tests.processes import Dashboards

pytestmark = pytest.mark.browser

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


@pytest.mark.usefixtures("two_runs")
@pytest.mark.parametrize("device", DEVICES)
def test_a_form_with_a_mix_above_runs_has_no_grave_violation(open_page, device):
    opened = open_page("/load", DEVICES[device])
    opened.page.locator(".more > summary").press("Enter")
    opened.page.get_by_role("button", name="Add a request to the mix").press("Enter")
    opened.page.locator("#load-history").scroll_into_view_if_needed()
    opened.page.locator("#load-history a[data-page]").first.wait_for()
    assert found_in_both_schemes(opened, "/load with a mix and runs") == []


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

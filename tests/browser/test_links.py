"""The address holds all that a page is narrowed to: a link shows the same to others."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from contextlib import suppress

import pytest

from tests.browser.test_servers import choose

pytestmark = pytest.mark.browser


def search(opened):
    return opened.page.evaluate("location.search")


def value(opened, field):
    return opened.page.evaluate("id => document.getElementById(id).value", field)


def test_the_listener_and_the_status_are_in_the_link_beside_the_time(open_page, dashboard):
    with urllib.request.urlopen(f"http://127.0.0.1:{dashboard.port('wsgi')}/whoami") as answer:
        assert answer.status == 200
    opened = open_page("/requests?last=15m").wait_drawn("requests-classes")
    opened.until("document.querySelector('#requests-listener') !== null")
    choose(opened, "Listener", "wsgi")
    opened.until("location.search.includes('listener=wsgi')")
    opened.page.locator("#requests-facets").get_by_role("button", name="2xx").click()
    opened.until("location.search.includes('status=2xx')")
    link = search(opened)
    assert "last=15m" in link
    other = open_page(f"/requests{link}").wait_drawn("requests-classes")
    other.wait_polls(3)
    assert (value(other, "requests-listener"), value(other, "requests-status")) == ("wsgi", "2xx")
    assert set(search(other)[1:].split("&")) == set(link[1:].split("&"))


def test_it_goes_with_its_choice_and_with_the_page(open_page):
    opened = open_page("/latency?listener=files").wait_drawn("latency-percentiles")
    opened.until("document.getElementById('latency-listener').value === 'files'")
    opened.page.locator(".mantine-Select-section button").first.click()
    opened.until("!location.search.includes('listener')")
    choose(opened, "Listener", "asgi")
    opened.until("location.search.includes('listener=asgi')")
    opened.page.get_by_role("link", name="Host", exact=True).first.click()
    opened.wait_drawn("host-cpu")
    assert "listener" not in search(opened)


def test_a_status_nobody_knows_is_passed_over_in_a_sentence(open_page):
    opened = open_page("/requests?status=9xx").wait_drawn("requests-classes")
    opened.page.get_by_role("alert").get_by_text("“9xx” is no status").wait_for()


def test_links_lead_on_without_a_new_document_with_the_view_of_the_page_or_their_own(open_page):
    opened = open_page("/?last=15m").wait_drawn("overview-host")
    opened.page.locator("#overview-verdict").wait_for()
    opened.page.evaluate("window.sameDocument = true")
    follow_to_latency(opened, opened.page.locator(".path-links a").first)
    opened.until("location.search.includes('last=15m')")
    opened.follow("Overview").wait_drawn("overview-host")
    opened.wait_newer("overview-host", 0)
    opened.pause()
    past = opened.page.locator(".path-past .path-links a").first
    past.wait_for()
    opened.until("document.querySelector('.path-past .path-links a').href.includes('from=')")
    named = past.get_attribute("href").partition("from=")[2]
    follow_to_latency(opened, past)
    opened.until("named => location.search.includes(`from=${named}`)", named)
    opened.until("document.getElementById('view-text').textContent.includes(': you see ')")


def follow_to_latency(opened, link):
    link.click()
    opened.until("document.querySelector('h1')?.textContent === 'Latency'")
    assert opened.page.evaluate("window.sameDocument") is True


FOUND = """() => { const one = document.querySelector("[data-code=server-errors]");
    return one && [one.querySelector("span").textContent, one.querySelector("a").href]; }"""


def test_the_log_that_a_finding_leads_to_counts_what_the_finding_says(open_page, dashboard):
    address = f"http://127.0.0.1:{dashboard.port('wsgi')}"
    opened = open_page("/").wait_drawn("overview-requests")
    for number in range(60):
        with suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"{address}/{'error' if number % 3 else 'whoami'}").close()
    opened.until(f"({FOUND})() !== null")
    sentence, link = opened.page.evaluate(FOUND)
    errors, answers = re.match(r"(\d+) of (\d+) answers of listener wsgi", sentence).groups()
    opened.page.goto(link)
    counts = "document.getElementById('requests-counts')?.textContent"
    told = f"{answers} were counted in this span, of which {errors} match."
    opened.until(f"told => {counts}?.includes(told)", told)
    assert opened.page.locator("#view-requests").inner_text() == f"{answers} requests in this span"

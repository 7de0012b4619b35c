"""The Export control of each page, in a real Chromium."""

import csv
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from servescope.catalog import BY_NAME
from tests.page_files import live_pages

CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)")
pytestmark = [pytest.mark.process, pytest.mark.browser]


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


def test_each_page_exports_its_metrics_over_the_span_it_shows(kept_page):
    exported_rows = {}
    for entry in live_pages():
        page = kept_page.follow(entry.name).page
        url, name, rows = exported(page)
        begin, end, *_ = CLOCK.findall(page.locator("#span-text").inner_text())
        shown_s = (seconds_of_day(end) - seconds_of_day(begin)) % 86_400
        assert urlsplit(page.url).path == entry.path
        asked = parse_qs(urlsplit(url).query)
        assert set(asked["metric"]) <= BY_NAME.keys()
        asked_s = int(asked["to"][0]) - int(asked["from"][0])
        assert asked_s == pytest.approx(shown_s, abs=60), "it grows while data is younger than that"
        assert name.startswith(f"servescope_{asked['title'][0]}_2")
        assert {row["metric"] for row in rows} <= set(asked["metric"])
        exported_rows[entry.path] = rows
    assert "system.cpu.utilization" in {row["metric"] for row in exported_rows["/host"]}

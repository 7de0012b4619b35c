"""The Export control of each page, in a real Chromium."""

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import sync_playwright

from servescope.catalog import BY_NAME
from tests.page_files import pages_in_navigation

pytestmark = [pytest.mark.process, pytest.mark.browser]

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage"]  # fmt: skip
PAGES = tuple(page.path for page in pages_in_navigation())


def downloads(url):
    """For each page: the asked URL, the file's name, its rows."""
    found = {}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = chromium.new_page()
        for path in PAGES:
            page.goto(url + path)
            page.wait_for_selector('#span-text:has-text("min)")')
            page.click("button:has-text('Export')")
            with page.expect_download() as waited:
                page.click("[data-export$=csv]")
            download = waited.value
            rows = list(csv.DictReader(Path(download.path()).read_text().splitlines()))
            found[path] = (download.url, download.suggested_filename, rows)
            assert page.url.startswith(url + path)
        chromium.close()
    return found


def test_each_page_exports_its_metrics_over_the_span_it_shows(start_dashboard):
    running = start_dashboard()
    with ThreadPoolExecutor(1) as thread:  # playwright's loop shall not be this thread's
        found = thread.submit(downloads, running.url).result(100)
    for url, name, rows in found.values():
        asked = parse_qs(urlsplit(url).query)
        assert set(asked["metric"]) <= BY_NAME.keys()
        assert int(asked["to"][0]) - int(asked["from"][0]) == 300
        assert name.startswith(f"servescope_{asked['title'][0]}_2")
        assert {row["metric"] for row in rows} <= set(asked["metric"])
    assert any(row["metric"] == "system.cpu.utilization" for row in found["/host"][2])

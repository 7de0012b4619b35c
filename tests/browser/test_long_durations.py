"""Durations beyond those that the histograms tell apart, where the graphs draw them."""

from __future__ import annotations

import re
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from servescope import histogram
from servescope.catalog import LOAD_DURATION, LOAD_ERRORS, LOAD_NAIVE_DURATION, REQUEST_DURATION
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.sqlite.store import open_store
from tests.browser.conftest import DESKTOP, PHONE
from tests.processes import Dashboards

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SECONDS = 60
OVERLOAD_FROM = 30
ANSWERED = SeriesKey(
    REQUEST_DURATION,
    (
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.route", "/slow"),
        ("listener", "wsgi"),
    ),
)
GRAPHS = ("latency-percentiles", "latency-heat", "latency-distribution")
LABELS = """id => [...document.querySelectorAll(`#${id} .shape-label text`)]
    .map(label => label.textContent).filter(text => text)"""
TICKS = """([id, axis]) => [...document.querySelectorAll(`#${id} .${axis}tick text`)]
    .filter(tick => tick.checkVisibility()).map(tick => tick.textContent)"""
TRIANGLES = """id => servescope.graphs.byId(id).plot.data
    .filter(trace => trace.marker?.symbol === "triangle-up")
    .map(trace => [trace.name, trace.y.filter(value => value !== null).length])"""
TOP = "id => 10 ** servescope.graphs.byId(id).plot._fullLayout.yaxis.range[1]"
OVERLAPPING = """([id, axis]) => {
    const boxes = [...document.querySelectorAll(`#${id} .${axis}tick text`)]
        .filter(tick => tick.checkVisibility()).map(tick => tick.getBoundingClientRect());
    return boxes.some((a, i) => boxes.some((b, j) => i < j && a.left < b.right - 1
        && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1));
}"""
CUT_LABELS = """id => {
    const { left, right } = document.querySelector(`#${id} .nsewdrag`).getBoundingClientRect();
    return [...document.querySelectorAll(`#${id} .shape-label text`)]
        .filter(label => label.textContent).filter(label => {
            const box = label.getBoundingClientRect();
            return box.left < left - 1 || box.right > right + 1;
        }).map(label => label.textContent);
}"""


def overloaded(start):
    """Half a minute of quick answers, then one in which more than every second takes too long."""
    for at in range(SECONDS):
        durations = np.full(200, 0.2)
        if at >= OVERLOAD_FROM:
            durations[:120] = 70.0 + at
            durations[120:] = 40.0
        delta = HistogramDelta(histogram.count(durations), float(durations.sum()))
        yield Frame(start + at, histograms={ANSWERED: delta})


def outlived(ts):
    """A second in which the server goes on after all clients have given up."""

    def of(durations):
        return HistogramDelta(histogram.count(durations), float(durations.sum()))

    client = of(np.full(200, 10.0))
    labels = (("listener", "wsgi"),)
    return Frame(
        ts,
        counts={SeriesKey(LOAD_ERRORS, (("error.type", "timed_out"), *labels)): 200.0},
        histograms={
            ANSWERED: of(np.full(200, 40.0)),
            SeriesKey(LOAD_DURATION, labels): client,
            SeriesKey(LOAD_NAIVE_DURATION, labels): client,
        },
    )


class Starts(NamedTuple):
    """When two minutes began: of an overload, and of servers that go on when clients gave up."""

    overloaded: int
    outlived: int


@pytest.fixture(scope="module")
def starts():
    now = int(time.time())
    return Starts(now - 600, now - 600 - 2 * SECONDS)


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory, starts):
    """One that has both stored."""
    base = tmp_path_factory.mktemp("dashboard")
    with closing(open_store(base / "data")) as store:
        store.write(Batch([outlived(starts.outlived + at) for at in range(SECONDS)]))
        store.write(Batch([*overloaded(starts.overloaded)]))
    dashboards = Dashboards(base)
    yield dashboards()
    dashboards.end()


def minute(start):
    """The part of an address that shows the minute which began then."""
    return f"from={start}&to={start + SECONDS}"


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_line_that_lies_flat_at_the_longest_duration_says_that_it_is_a_bound(
    open_page, starts, device
):
    opened = open_page(f"/latency?{minute(starts.overloaded)}", device)
    for graph in GRAPHS:
        opened.page.locator(f"#{graph}").scroll_into_view_if_needed()
        opened.wait_drawn(graph)
    assert opened.page.evaluate(LABELS, "latency-percentiles")[0] == "▲ 64 s or longer"
    marked = dict(opened.page.evaluate(TRIANGLES, "latency-percentiles"))
    assert set(marked) == {"p50", "p90", "p95", "p99"}, "p99.9 takes 1,000 requests"
    legend = opened.page.locator("#latency-percentiles-legend [data-name=p99] b")
    assert legend.inner_text() == "≥ 64 s"
    highest = (
        "Math.max(...servescope.graphs.byId('latency-percentiles').plot._fullLayout.yaxis.range)"
    )
    assert opened.page.evaluate(f"10 ** {highest}") > 70, "the label has room above the line"

    assert opened.page.evaluate(TICKS, ["latency-heat", "y"])[-1] == "≥ 64 s"
    assert "10 s" in opened.page.evaluate(TICKS, ["latency-heat", "y"])
    assert not opened.page.evaluate(OVERLAPPING, ["latency-heat", "y"])
    assert opened.page.evaluate(TICKS, ["latency-distribution", "x"])[-1] == "≥ 64 s"
    assert not opened.page.evaluate(OVERLAPPING, ["latency-distribution", "x"])
    labels = opened.page.evaluate(LABELS, "latency-distribution")
    assert re.search("p99 ?≥ 64 s", ", ".join(labels))
    for graph in GRAPHS:
        assert opened.page.evaluate(CUT_LABELS, graph) == []


def test_no_line_is_cut_by_an_axis_with_a_bound_below_it(open_page, starts):
    opened = open_page(f"/load?{minute(starts.outlived)}")
    opened.page.locator("#load-latency").scroll_into_view_if_needed()
    opened.wait_drawn("load-latency")
    # (There is no run, whose plan would say that its timeout was 10 s.)
    assert opened.page.evaluate(LABELS, "load-latency")[0] == "▲ 9.51 s or longer"
    assert opened.page.evaluate(TOP, "load-latency") > 40, "the server went on for longer"


def test_a_cell_of_durations_without_an_end_opens_those_requests_alone(open_page, starts):
    opened = open_page(f"/latency?{minute(starts.overloaded)}")
    opened.page.locator("#latency-heat").scroll_into_view_if_needed()
    opened.wait_drawn("latency-heat")
    with opened.page.expect_download() as download:
        opened.page.evaluate(
            "document.querySelector('[data-graph=latency-heat] [data-tool=table]').click()"
        )
    heading, *_ = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert heading.endswith(" to 64 s,longer than 64 s")
    opened.page.locator("#latency-heat").focus()
    opened.page.keyboard.press("End")
    opened.page.locator("#latency-heat .graph-readout").get_by_text("64 s or longer").wait_for()
    opened.page.keyboard.press("Enter")
    opened.until("location.pathname === '/requests'")
    query = opened.page.evaluate("Object.fromEntries(new URLSearchParams(location.search))")
    assert query["slower"] == "64000 ms"
    assert "faster" not in query

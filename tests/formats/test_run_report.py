"""The report of a run: it tells the run's figures, asks for nothing, and runs nothing."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from servescope.figures import theme, units
from servescope.formats.run_report import report_html
from servescope.formats.svg_plots import WIDTH, line_plot
from servescope.histogram import ERROR_BOUND, count
from servescope.queries.client_phases import PHASES
from servescope.queries.rows import Distribution, Lines, StageRow
from servescope.queries.run_data import RunData, RunSeries
from servescope.records.load import LoadPlan, LoadRun, RunState
from servescope.records.run_environment import Repository, RunEnvironment
from tests.measured_runs import SECONDS, exported, measure, result

NOTHING = Lines(np.empty(0, np.int64), (), np.empty((0, 0)), "", 1)
SERIES = RunSeries(
    rates=NOTHING,
    latencies=NOTHING,
    percentiles=NOTHING,
    stages=NOTHING,
    stage_rows=(StageRow("queue", 16.3, 14.0, 30.6, 33.4, 1.0),),
    server=Distribution(np.empty(0), np.empty(0, np.int64), {}, ERROR_BOUND),
    server_requests=3_573,
    server_unread=1_900,
    server_mean_s=8.5,
    cores=NOTHING,
    accept_queues=NOTHING,
)
VOID = {"meta", "link", "br", "img", "input", "hr"}


def a_run():
    plan = LoadPlan.constant("wsgi", "/", 120, 90)
    return LoadRun(1, plan, RunState.DONE, 1.0, 2.0, 92.0, {}, result())


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    return exported(folder, measure(folder), "html").decode()


class Elements(HTMLParser):
    """Elements and their attributes, and whether each that opens is closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open, self.text = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def elements(report):
    return Elements(report)


def test_it_is_well_formed_and_asks_for_nothing(elements, report):
    assert elements.open == []
    names = {tag for tag, _ in elements.found}
    assert names.isdisjoint({"script", "link", "img", "iframe", "object", "form", "a"})
    attributes = {name for _, attributes in elements.found for name in attributes}
    assert attributes.isdisjoint({"src", "href", "onload", "onclick", "xlink:href"})
    assert re.findall(r"url\(|@import|https?:", report) == []
    policy = next(one["content"] for _, one in elements.found if "http-equiv" in one)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert len(report) < 200_000


def test_it_tells_the_figures_of_the_result_with_their_units(elements):
    text = " ".join(elements.text)
    told = result()
    for figure in ("p50", "p90", "p95", "p99", "p99_9", "max", "mean"):
        assert units.text(told["latency_ms"][figure] / 1e3, "s") in text
    assert "10 of 10,800 requests to listener wsgi (0.1 %) failed" in text
    assert "connection refused: 4, connection cut off: 6" in text
    assert "Phases of a request at the client" in text
    assert f"wait: {PHASES['wait']}" in text
    assert f"Server, {120 * (SECONDS + 1):,} requests to wsgi" in text
    assert "120 req/s for 90 s" in text


@pytest.mark.parametrize(
    ("unit", "values", "longest"),
    [("{request}/s", [0.0, 12_000.0], "10,000 req/s"), ("s", [0.005, 7.0], "1,000 ms")],
)
def test_labels_of_a_plot_have_room_left_of_it(unit, values, longest):
    lines = Lines(np.array([0, 1]), ("p50",), np.array([values]), unit, 1)
    plot = line_plot(lines, 0.0, what="x", log=unit == "s")
    ticks = re.findall(r'<text class="tick" x="([\d.]+)"[^>]*text-anchor="end">([^<]+)', plot)
    assert longest in [text for _, text in ticks]
    # An average character of the report's tick labels is narrower than 6.5 px.
    assert [text for x, text in ticks if len(text) * 6.5 > float(x)] == []


def test_a_plot_marks_lower_bounds_where_they_are_drawn():
    values = np.array([[0.4, 2.0, 10.0, 10.0]])
    lines = Lines(np.arange(4), ("p99",), values, "s", 1)
    bounded = replace(lines, bounds=values >= 10)
    assert "▲" not in line_plot(lines, 0.0, what="x", log=True)
    plot = line_plot(bounded, 0.0, what="x", log=True)
    assert plot.count("h8l-4 -7z") == 2
    assert "▲ 10 s or longer</text>" in plot
    (label_y,) = re.findall(r'y="([\d.]+)">▲', plot)
    assert float(label_y) > 10, "it lies within the plot"
    differing = line_plot(replace(lines, bounds=values >= 2), 0.0, what="x", log=True)
    assert "▲ so long or longer</text>" in differing


def test_minutes_of_a_plot_have_whole_ticks():
    lines = Lines(np.array([0, 1]), ("app",), np.array([[0.0, 1_500.0]]), "s", 1)
    ticks = re.findall(r'text-anchor="end">([^<]+)', line_plot(lines, 0.0, what="x"))
    assert ticks == ["0 min", "10 min", "20 min"]


def test_the_figures_of_the_server_are_of_requests_that_were_read_and_say_so():
    told = report_html(RunData(a_run(), "here", series=SERIES))
    row = told.split("3,573 requests to wsgi, without 1,900 unread")[1]
    assert "8.5 s" in row.split("</tr>")[0]
    assert "16.3 s" not in row.split("</tr>")[0]


@pytest.mark.parametrize("durations", [[70.0], [0.01, 70.0], [1e-7, 0.01]])
def test_the_distribution_draws_durations_that_a_histogram_does_not_tell_apart(durations):
    run = a_run()
    counts = count(np.array(durations)).tolist()
    told = report_html(RunData(replace(run, result=run.result | {"histogram": counts}), "here"))
    assert told.count("<polygon") == 1
    assert ("The last one has all that took longer than 64 s." in told) == (70.0 in durations)
    marked = re.findall(r'x="([\d.]+)" y="\d+" text-anchor="middle">≥ 64 s</text>', told)
    assert len(marked) == (70.0 in durations)
    assert all(float(x) + 3 * 6.5 <= WIDTH for x in marked), "it is not cut"


def test_answers_of_5xx_stand_beside_those_that_failed():
    run = a_run()
    assert "of these 5xx" not in report_html(RunData(run, "here"))
    turned_away = replace(run, result=run.result | {"status_classes": {"2xx": 9, "5xx": 1_818}})
    assert "<span>of these 5xx</span><b>1,818</b>" in report_html(RunData(turned_away, "here"))


def test_it_says_in_words_where_the_run_was():
    environment = RunEnvironment(
        *("0.1.0", "CPython 3.11.7", "Linux 6.1", "x86_64", 2, "shop:app", "wsgi", "thread_pool"),
        *(8, 1, False, None, 90.0),
        repository=Repository("0123456789abcdef0123", "main"),
    )
    plan = LoadPlan.constant("wsgi", "/", 120, 90)
    run = LoadRun(1, plan, RunState.FAILED, 1.0, None, 2.0, {}, {}, environment=environment)
    text = " ".join(Elements(report_html(RunData(run, "host-a"))).text)
    for told in (
        "commit 0123456789ab on main, nothing changed",
        "thread pool",
        "8 in all",
        "The listener had run since 1970-01-01 00:01:30 UTC",
    ):
        assert told in text


def test_each_plot_has_a_name_and_lines(elements, report):
    plots = [one for tag, one in elements.found if tag == "svg" and one.get("role") == "img"]
    assert len(plots) == 7
    assert all(one["aria-label"] for one in plots)
    assert "Nothing was measured." not in report
    places = re.findall(r'points="([^"]+)"', report)
    for points in places:
        assert "nan" not in points
        for pair in points.split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= 480
            assert 0 <= y <= 190


def test_no_two_ports_of_a_report_share_a_colour():
    ports = tuple(f"port {number}" for number in (8000, 8001, 5555, 9000))
    depths = np.arange(8.0).reshape(4, 2)
    series = replace(SERIES, accept_queues=Lines(np.array([0, 1]), ports, depths, "1", 1))
    plot = report_html(RunData(a_run(), "here", series=series)).partition("by port, over time")[2]
    legend = re.findall(r'stroke="(#\w+)"/></svg>(port \d+)', plot.partition("</section>")[0])
    assert legend == list(zip(theme.SERIES, ports, strict=False))


def test_texts_of_others_are_text(report):
    assert "&lt;b&gt;bold&lt;/b&gt;" in report
    assert "<b>bold" not in report
    assert "GET /caf%C3%A9?q=a&amp;b" in report


def test_it_has_a_style_for_each_scheme_and_for_paper(report):
    assert "@media (prefers-color-scheme: dark)" in report
    assert report.count("@media print") == 2


def test_without_seconds_it_says_why(tmp_path):
    report = exported(tmp_path, measure(tmp_path, with_seconds=False), "html").decode()
    assert "The seconds of this run are not kept any more (SERVESCOPE_KEEP_1S_HOURS)." in report
    assert "Percentiles: client and server" in report
    assert Elements(report).open == []

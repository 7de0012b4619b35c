"""The servers of a comparison fill no total, legend, table, run list or annotation."""

import json
import sys

import numpy as np
import pytest

from components import live
from servescope import histogram
from servescope.catalog import BY_NAME, COMPARISON_PORT, Kind
from servescope.control import Control
from servescope.queries.span import View
from servescope.records.comparisons import NAME, ComparisonPlan
from servescope.records.listeners import ConcurrencyModel, ListenerState, ListenerStatus
from servescope.records.load import RunState
from servescope.settings import Settings
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.sqlite.store import open_store
from tests.contexts import leading_process
from tests.page_files import live_pages

START = 1_700_000_000
SECONDS = 20
MODEL = ConcurrencyModel.SEQUENTIAL
CONTENDER = NAME.format(MODEL)
PORT, CONTENDER_PORT = 1, 2
"""Nobody listens on these ports; the page Ports would show whoever does."""
VIEW = View(fixed=(START, START + SECONDS))
PAGES = live_pages()
ELSEWHERE = [page for page in PAGES if page.path != "/servers"]


def labels_of(metric, listener, port):
    """Labels of a series of the metric; those of the same name have the same values."""
    values = {
        "listener": listener,
        "port": port,
        "http.response.status_code": "200",
        "http.request.method": "GET",
        "http.route": f"/{listener}",
        "stage": "app",
        "cpu.logical_number": "0",
        "network.io.direction": "receive",
    }
    return tuple(sorted((name, values.get(name, "one")) for name in metric.labels))


def frame(second, *servers):
    """A second in which each server, a listener and its port, has a figure of each metric."""
    some = {Kind.GAUGE: {}, Kind.COUNTER: {}, Kind.HISTOGRAM: {}}
    of_requests = HistogramDelta(histogram.count(np.full(200, 0.01)), 2.0)
    for metric in BY_NAME.values():
        for listener, port in servers:
            if listener == CONTENDER and not {"listener", "port"} & set(metric.labels):
                continue
            key = SeriesKey(metric.name, labels_of(metric, listener, port))
            some[metric.kind][key] = of_requests if metric.kind is Kind.HISTOGRAM else 7.0
    return Frame(START + second, some[Kind.GAUGE], some[Kind.COUNTER], some[Kind.HISTOGRAM])


def status(name, port, *, is_temporary=False):
    running = ListenerState.RUNNING
    return ListenerStatus(
        name, running, "127.0.0.1", port, MODEL, "a:app", port, is_temporary=is_temporary
    )


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    """The same history twice: without a comparison, and with one that has just had its load."""
    opened, made = [], []
    for compares in (False, True):
        folder = tmp_path_factory.mktemp("data")
        store, control = open_store(folder), Control(folder)
        opened += [store, control]
        servers = [("wsgi", str(PORT)), *([(CONTENDER, COMPARISON_PORT)] if compares else [])]
        store.write(Batch([frame(second, *servers) for second in range(SECONDS)]))
        statuses = [status("wsgi", PORT)]
        if compares:
            statuses.append(status(CONTENDER, CONTENDER_PORT, is_temporary=True))
            plan = ComparisonPlan.constant((MODEL, ConcurrencyModel.PREFORK), "a:app", "/", 10, 5)
            number = control.comparisons.request(plan, START).id
            run = control.load_runs.request(plan.load_on(plan.targets[0], number), START).id
            control.load_runs.update(run, state=RunState.RUNNING, started_s=START)
        control.listeners.write_statuses(statuses, 1)
        made.append(leading_process(store, control, Settings(data_dir=folder)).home)
    yield made
    for one in opened:
        one.close()


def answer(context, page):
    shown = sys.modules[f"pages.{page.module}"].PAGE
    return live.answer(
        shown, context, VIEW, None, ("",) * len((*shown.filters, *shown.table_filters))
    )


@pytest.mark.parametrize("page", PAGES, ids=[page.module for page in PAGES])
def test_graphs_are_the_same_with_a_comparison_and_without(app, contexts, page):
    with app.server.test_request_context():
        without, beside = (answer(context, page)["graphs"] for context in contexts)
    assert json.dumps(beside, default=str) == json.dumps(without, default=str)


@pytest.mark.parametrize("page", ELSEWHERE, ids=[page.module for page in ELSEWHERE])
def test_all_else_on_another_page_is_the_same_with_a_comparison_and_without(app, contexts, page):
    with app.server.test_request_context():
        without, beside = (answer(context, page) for context in contexts)
    assert CONTENDER not in json.dumps(beside["props"], default=str)
    same = {"run-strip", "run-text", "run-bar", "run-stop", "processes"}
    same |= {"load-starting", "load-busy", "capacity-starting", "capacity-busy"}
    same |= {"verdict-starting", "verdict-busy"}
    same |= {"overview-start", "first-visit-idle", "first-visit-busy"}
    same |= {"first-visit-none", "ports-sockets"}
    same |= {"overview-demos", "overview-demos-busy", "load-demos", "load-demos-busy"}
    for name, props in without["props"].items():
        if name not in same:
            assert beside["props"][name] == props, name

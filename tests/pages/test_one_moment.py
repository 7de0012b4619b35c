"""A fixed view is one moment: every number of every page is of exactly its span.

Two stores: one that recorded an hour, and one that recorded nothing but the span. All that a page
shows of the span must be the same from both, but for the parts that its layout marks as of now.
Each metric of the catalog has figures that differ before, within and after the span.
"""

import json
import sys
from dataclasses import replace

import dash
import numpy as np
import pytest

from components.live import answer
from servescope import histogram
from servescope.catalog import BY_NAME, Kind
from servescope.control import Control
from servescope.queries.span import View
from servescope.records.dashboard import Event, EventKind
from servescope.records.listeners import ListenerState, ListenerStatus
from servescope.records.load import LoadPlan, RunState
from servescope.records.requests import RequestDetail, RequestRecord
from servescope.request_fields import Method, Protocol, RequestFlag
from servescope.settings import Settings
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.sqlite.store import open_store
from tests.contexts import leading_process
from tests.page_files import live_pages

BEGIN = 1_699_999_200  # a whole ten minutes
SPAN = (BEGIN, BEGIN + 120)
BEFORE = range(BEGIN - 40, BEGIN)
WITHIN = range(*SPAN)
AFTER = range(BEGIN + 120, BEGIN + 160)
LABELS = {
    "listener": ("wsgi",),
    "http.request.method": ("GET",),
    "http.route": ("/",),
    "http.response.status_code": ("200", "500"),
    "stage": ("kernel", "read", "queue", "app", "body", "write"),
    "port": ("5555",),
    "cpu.logical_number": ("all", "0", "1"),
    "process": ("dashboard",),
}
WSGI = ListenerStatus(
    "wsgi",
    ListenerState.RUNNING,
    "127.0.0.1",
    5555,
    "thread_pool",
    "a:app",
    5555,
    since_s=BEGIN - 1_000,
)


def series(metric):
    """Some series of a metric: each label has the values above, or one of its own."""
    found = [()]
    for name in sorted(metric.labels):
        values = LABELS.get(name, ("some",))
        found = [(*labels, (name, value)) for labels in found for value in values]
    return [SeriesKey(metric.name, labels) for labels in found]


def frame(ts, scale):
    """A second in which every metric has a figure that follows from the second and the scale."""
    gauges, counts, histograms = {}, {}, {}
    for metric in BY_NAME.values():
        for number, key in enumerate(series(metric)):
            value = scale * (1 + (ts + number) % 7)
            if metric.kind is Kind.GAUGE:
                gauges[key] = value / 30 if metric.unit == "1" else value
            elif metric.kind is Kind.COUNTER:
                counts[key] = value
            else:
                durations = np.full(round(20 * value), 0.001 * value)
                counted = histogram.count(durations)
                histograms[key] = HistogramDelta(counted, float(durations.sum()))
    return Frame(ts, gauges, counts, histograms)


def detail(ts):
    """A request that ended in the second."""
    record = RequestRecord(
        end_ns=ts * 10**9 + 500_000_000,
        listener_id=1,
        route_id=1,
        method=Method.GET,
        protocol=Protocol.HTTP_1_1,
        status=200,
        flags=RequestFlag(0),
        bytes_received=100,
        bytes_sent=1_000 + ts % 1_000,
        stages_ns=(0.0, 1e4, 1e3, 1e6 * (1 + ts % 9), 1e4, 1e4),
    )
    return RequestDetail(record, "wsgi", "/", f"/?at={ts}", "192.0.2.7", "a browser")


@pytest.fixture(scope="module")
def contexts(app, tmp_path_factory):
    """The contexts of a store with more than the span, and of one with nothing else."""
    del app  # a page imported before the app exists raises PageError
    opened, made = [], []
    for name, seconds in (("hour", (*BEFORE, *WITHIN, *AFTER)), ("span", WITHIN)):
        folder = tmp_path_factory.mktemp(name)
        store, control = open_store(folder), Control(folder)
        opened += [store, control]
        scales = {**dict.fromkeys(BEFORE, 2.0), **dict.fromkeys(WITHIN, 1.0)}
        frames = [frame(ts, scales.get(ts, 3.0)) for ts in seconds]
        # Those before are in both, so that a request has the same number in both.
        details = [detail(ts) for ts in (*BEFORE, *WITHIN, *(AFTER if name == "hour" else ()))]
        store.write(Batch(frames, request_details=details))
        control.listeners.write_statuses([WSGI])
        if name == "hour":
            run = control.load_runs.request(LoadPlan.constant("wsgi", "/", 10, 10), AFTER.start + 1)
            control.load_runs.update(run.id, state=RunState.RUNNING, started_s=AFTER.start + 1)
            control.load_runs.update(run.id, state=RunState.FAILED, ended_s=AFTER.start + 9)
            control.events.add(Event(EventKind.LISTENER, AFTER.start + 3, "listener changed"))
            control.listeners.write_statuses([replace(WSGI, message="it moved")])
        made.append(leading_process(store, control, Settings(data_dir=folder)).home)
    yield made
    for one in opened:
        one.close()


def ids(component):
    return {one.id for one in component._traverse() if isinstance(getattr(one, "id", None), str)}


def ids_of_now(layout):
    """Ids of the parts that are marked as of now, and of what they hold."""
    marked = [one for one in layout._traverse() if getattr(one, "data-of", "") == "now"]
    return (
        set()
        .union(*({one.id} if hasattr(one, "id") else set() for one in marked))
        .union(*(ids(one) for one in marked))
    )


CONTROLS = {
    "processes",
    "promise",
    "promise-again",
    "host-picker",
}
"""Parts of the shell that are about the dashboard itself."""


def shown(page, context, view, of_now):
    """All that an answer shows of the span, by component."""
    filters = ("",) * len((*page.filters, *page.table_filters))
    told = answer(page, context, view, None, filters)
    props = {name: json.dumps(value) for name, value in told["props"].items() if name not in of_now}
    graphs = {name: json.dumps(value) for name, value in told["graphs"].items()}
    return props | graphs | {name: json.dumps(told[name]) for name in ("span", "events", "counted")}


@pytest.mark.parametrize("page", live_pages(), ids=lambda page: page.module)
def test_every_number_of_a_fixed_view_is_of_its_span(app, contexts, page):
    hour, span = contexts
    live_page = sys.modules[f"pages.{page.module}"].PAGE
    with app.server.test_request_context(page.path):
        layout = dash.page_registry[f"pages.{page.module}"]["layout"]()
        of_now = ids_of_now(layout) | ids_of_now(app.layout()) | CONTROLS
        view = View(fixed=SPAN)
        of_hour, of_span = (shown(live_page, one, view, of_now) for one in (hour, span))
        live = shown(live_page, hour, View(), of_now)
    assert of_hour == of_span
    differing = {name for name in of_hour if of_hour[name] != live[name]}
    graphs = {graph.id for graph in live_page.graphs}
    assert graphs <= differing, "a graph that shows the same of another span proves nothing"


@pytest.mark.parametrize("page", live_pages(), ids=lambda page: page.module)
def test_what_is_of_now_says_so(app, page):
    with app.server.test_request_context(page.path):
        layouts = [dash.page_registry[f"pages.{page.module}"]["layout"](), app.layout()]
    for layout in layouts:
        for part in layout._traverse():
            if getattr(part, "data-of", "") == "now":
                classes = {getattr(one, "className", "") for one in part._traverse()}
                assert "now-mark" in classes, part

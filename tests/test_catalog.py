"""One place for a metric: a row of the catalog, and the line that records it.

The tests register a metric at run time and find it wherever metrics are listed.
"""

import argparse
import runpy
import time

import pytest

from servescope import histogram
from servescope.catalog import BY_NAME, Kind, Metric, register
from servescope.collecting.collector import Collector
from servescope.commands import export as export_command
from servescope.control import Control
from servescope.formats.exposition_text import TextFormat, render
from servescope.formats.prometheus_names import family_name
from servescope.queries.export import rows, wanted
from servescope.queries.scrape import Totals
from servescope.records.metrics import Sample
from servescope.settings import Settings
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.engine.names import own_labels
from servescope.store.query import Aggregation, Query
from servescope.store.sqlite.store import open_store
from tests.contexts import leading_process
from tests.processes import ROOT

UNITS = {Kind.GAUGE: "By", Kind.COUNTER: "{request}", Kind.HISTOGRAM: "s"}
LISTENER = (("listener", "wsgi"),)
STATISTICS = {
    Kind.GAUGE: {"avg", "min", "max"},
    Kind.COUNTER: {"increase"},
    Kind.HISTOGRAM: {"count", "mean", "p50", "p90", "p99"},
}


@pytest.fixture(params=list(Kind))
def metric(request):
    """A metric that no module of the project knows."""
    kind = request.param
    name = register(
        Metric(f"servescope.test.{kind}", UNITS[kind], kind, ("listener",), "Only a test's.")
    )
    yield BY_NAME[name]
    del BY_NAME[name]


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def frame(metric, ts):
    """A second in which the metric has one value: 0.25."""
    key = SeriesKey(metric.name, LISTENER)
    if metric.kind is Kind.HISTOGRAM:
        return Frame(ts, histograms={key: HistogramDelta(histogram.count([0.25]), 0.25)})
    values = {key: 0.25}
    return Frame(ts, values) if metric.kind is Kind.GAUGE else Frame(ts, counts=values)


def test_a_metric_has_one_row(metric):
    with pytest.raises(ValueError, match="twice"):
        register(metric)


def test_the_store_keeps_it(metric, store):
    now = int(time.time())
    store.write(Batch([frame(metric, now)]))
    aggregation = Aggregation.AVG if metric.kind is Kind.GAUGE else Aggregation.SUM
    query = Query(metric.name, now, now + 1, by=("listener",))
    found = store.aggregate(query, aggregation)
    assert found.groups == [("wsgi",)]
    assert found.values.tolist() == [[1.0 if metric.kind is Kind.HISTOGRAM else 0.25]]


def test_the_engine_has_its_labels(metric):
    assert own_labels(metric.name) == {"listener": "listener"}


@pytest.mark.parametrize("metric", [Kind.GAUGE, Kind.COUNTER], indirect=True)
def test_the_collector_takes_samples_of_it(metric, store, tmp_path):
    second = 1_700_000_000
    source = lambda: [Sample(metric.name, 0.25, LISTENER)]  # noqa: E731 - one line that records it
    collector = Collector(store, tmp_path / "rings", [source])
    collector.tick((second + 1) * 10**9, 1.0)
    collector.close()
    assert collector.status.source_problem == ""
    assert store.series(metric.name) == [SeriesKey(metric.name, LISTENER)]


def test_exports_offer_it_with_each_statistic_of_its_kind(metric, store):
    now = int(time.time())
    store.write(Batch([frame(metric, now)]))
    asked = wanted(store, [metric.name])
    exported = {one.statistic: one for one in rows(store, asked)}
    assert exported.keys() == STATISTICS[metric.kind]
    assert all(one.labels == [LISTENER] for one in exported.values())
    parser = argparse.ArgumentParser()
    export_command.add_arguments(parser)
    assert metric.name in "".join(parser.format_help().split())


@pytest.mark.parametrize("form", list(TextFormat), ids=lambda form: form.name.lower())
def test_scrapes_have_it_under_its_prometheus_name(metric, form, store, tmp_path):
    control = Control(tmp_path)
    process = leading_process(store, control, Settings(data_dir=tmp_path))
    now = int(time.time())
    store.write(Batch([frame(metric, now)]))
    text = render(Totals().families(process.home, now + 1), form).decode()
    control.close()
    samples = [line for line in text.splitlines() if line.startswith(family_name(metric))]
    assert samples
    assert all('listener="wsgi"' in line for line in samples)


def test_the_table_of_the_docs_lists_it(metric):
    table = runpy.run_path(str(ROOT / "scripts" / "make_metrics_table.py"))["table"]()
    row = next(line for line in table.splitlines() if f"`{metric.name}`" in line)
    assert family_name(metric) in row
    assert metric.help in row

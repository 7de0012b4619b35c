"""Both text formats, read back by prometheus_client's own parsers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_prometheus

from servescope import histogram
from servescope.catalog import BY_NAME, Kind, Metric
from servescope.formats.exposition_text import BOUNDS_S, TextFormat, render
from servescope.formats.prometheus_names import UNITS, family_name, unit_of
from servescope.queries.scrape import Family, HistogramTotal

READERS = {TextFormat.PROMETHEUS: read_prometheus, TextFormat.OPENMETRICS: read_openmetrics}
GAUGE = Metric("system.memory.usage", "By", Kind.GAUGE, ("system.memory.state",), "By state.")
COUNTER = Metric("servescope.collector.cpu_time", "s", Kind.COUNTER, (), "CPU time.")
DURATION = Metric("http.server.request.duration", "s", Kind.HISTOGRAM, ("http.route",), "All.")


READINGS = [("used", 1.5), ("free", 2)]


def parsed(families, form):
    return {one.name: one for one in READERS[form](render(families, form).decode())}


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("http.server.duration", "s", Kind.HISTOGRAM, "http_server_duration_seconds"),
        ("system.cpu.utilization", "1", Kind.GAUGE, "system_cpu_utilization_ratio"),
        ("system.network.io", "By", Kind.COUNTER, "system_network_io_bytes"),
        ("http.server.active_requests", "{request}", Kind.GAUGE, "http_server_active_requests"),
        ("a.share", "1", Kind.COUNTER, "a_share"),
        ("wait.seconds", "s", Kind.GAUGE, "wait_seconds"),
        ("a.b-c..d", "{x}", Kind.GAUGE, "a_b_c_d"),
    ],
)  # fmt: skip
def test_names_follow_the_rules_of_opentelemetry(name, unit, kind, expected):
    assert family_name(Metric(name, unit, kind, (), "")) == expected


def test_every_metric_of_the_catalog_has_a_spelling_of_its_own():
    assert len({family_name(metric) for metric in BY_NAME.values()}) == len(BY_NAME)
    assert {unit_of(metric) for metric in BY_NAME.values()} <= {"", *UNITS.values()}


@pytest.mark.parametrize("form", TextFormat)
def test_gauges_and_counters(form):
    families = [
        Family(GAUGE, [((("system.memory.state", state),), n) for state, n in READINGS]),
        Family(COUNTER, [((), 12.25)]),
        Family(DURATION, []),
    ]  # fmt: skip
    found = parsed(families, form)
    memory = found["system_memory_usage_bytes"]
    assert (memory.type, memory.documentation) == ("gauge", "By state.")
    assert [(one.labels, one.value) for one in memory.samples] == [
        ({"system_memory_state": state}, n) for state, n in READINGS
    ]
    (sample,) = found["servescope_collector_cpu_time_seconds"].samples
    assert found["servescope_collector_cpu_time_seconds"].type == "counter"
    assert sample.name == "servescope_collector_cpu_time_seconds_total"
    assert sample.value == 12.25
    assert len(found) == 2  # a family without a point is left out
    if form is TextFormat.OPENMETRICS:
        assert memory.unit == "bytes"


@pytest.mark.parametrize("form", TextFormat)
@given(
    text=st.text(min_size=1, max_size=30).filter(
        lambda text: not set(text) & set("\r\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e")
    )
)
def test_any_label_value_survives(form, text):
    families = [Family(DURATION, [((("http.route", text),), _total([0.01]))])]
    found = parsed(families, form)["http_server_request_duration_seconds"]
    assert {one.labels["http_route"] for one in found.samples} == {text}


@pytest.mark.parametrize("form", TextFormat)
def test_help_survives(form):
    said = 'back\\slash, "quoted"'
    metric = Metric("x", "{x}", Kind.GAUGE, (), said)
    assert parsed([Family(metric, [((), 1.0)])], form)["x"].documentation == said


def _total(durations):
    return HistogramTotal(histogram.count(durations), float(np.sum(durations)))


@pytest.mark.parametrize("form", TextFormat)
@pytest.mark.parametrize("scale_s", [2e-6, 1e-3, 0.1, 30.0])
def test_buckets_are_cumulative_and_exact(form, scale_s):
    durations = np.random.default_rng(7).exponential(scale_s, 5_000)
    durations[:18] = BOUNDS_S  # values on a bound belong below it
    family = Family(DURATION, [((("http.route", "/x"),), _total(durations))])
    samples = parsed([family], form)["http_server_request_duration_seconds"].samples
    buckets = {one.labels["le"]: one.value for one in samples if one.name.endswith("_bucket")}
    assert len(buckets) == len(BOUNDS_S) + 1
    for bound in BOUNDS_S:
        assert buckets[repr(bound)] == (durations <= bound).sum()
    assert buckets["+Inf"] == 5_000
    values = {one.name: one.value for one in samples if not one.name.endswith("_bucket")}
    assert values["http_server_request_duration_seconds_count"] == 5_000
    assert values["http_server_request_duration_seconds_sum"] == durations.sum()


def test_bounds_are_powers_of_two():
    assert tuple(2.0**exponent for exponent in range(-13, 5)) == BOUNDS_S

"""`/metrics` as real scrapers read it each second.

Prometheus asks for OpenMetrics first, VictoriaMetrics for the Prometheus text format.
"""

import json
import urllib.parse
import urllib.request

import pytest

from tests.engines import ENGINES, PROMETHEUS, RunningEngine
from tests.processes import eventually

pytestmark = pytest.mark.process

COUNT = "http_server_request_duration_seconds_count"
MEMORY = "system_memory_utilization_ratio"
VISITS = 23


@pytest.fixture(scope="module")
def engines(dashboard, tmp_path_factory):
    """Both engines, which scrape the dashboard from before its first visit."""
    scrapes = dashboard.url.removeprefix("http://")
    started = {
        name: RunningEngine(name, tmp_path_factory.mktemp(name), scrapes=scrapes).start()
        for name in ENGINES
    }
    url = f"http://127.0.0.1:{dashboard.port('wsgi')}/whoami"
    for _ in range(VISITS):
        urllib.request.urlopen(url, timeout=10).close()
    yield started
    for engine in started.values():
        engine.end()


@pytest.fixture(params=ENGINES)
def engine(request, engines):
    return engines[request.param]


def ask(engine, query):
    """Values of an instant query, by the label `listener`."""
    # Asked for a moment ago too: VictoriaMetrics shows the newest samples late.
    path = "/api/v1/query?nocache=1&latency_offset=1ms&query=" + urllib.parse.quote(query)
    found = json.loads(engine.get(path))["data"]["result"]
    return {one["metric"].get("listener", ""): float(one["value"][1]) for one in found}


def test_a_scraper_counts_every_request(engine):
    eventually(lambda: ask(engine, f"sum by (listener) ({COUNT})").get("wsgi") == VISITS)
    assert ask(engine, "up") == {"": 1.0}
    assert 0 < ask(engine, "scrape_duration_seconds")[""] < 1
    # Buckets are cumulative, and the last holds all: an engine's own percentiles work.
    bucket = COUNT.replace("_count", "_bucket")
    whole = ask(engine, f'sum by (listener) ({bucket}{{le="+Inf"}})')
    assert whole["wsgi"] == VISITS
    assert ask(engine, f"sum by (listener) ({bucket}) > 0")
    if engine.name == PROMETHEUS:  # units are told in OpenMetrics alone
        path = "/api/v1/targets/metadata?metric=http_server_request_duration_seconds"
        (told,) = json.loads(engine.get(path))["data"]
        assert (told["type"], told["unit"]) == ("histogram", "seconds")


def test_a_scraper_sees_gauges_of_this_second(engine):
    eventually(lambda: 0 < ask(engine, MEMORY).get("", 0) < 1)


def test_a_scraper_sees_no_gauge_of_a_dashboard_that_has_ended(engines, dashboard):
    dashboard.end()
    for engine in engines.values():
        eventually(lambda engine=engine: ask(engine, "up") == {"": 0.0})
        eventually(lambda engine=engine: ask(engine, MEMORY) == {})

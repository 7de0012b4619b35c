"""URLs for programs, asked of a whole dashboard."""

import json
import re
import urllib.error
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_prometheus

from tests.processes import eventually, gunicorn

pytestmark = pytest.mark.process

COUNT = "http_server_request_duration_seconds_count"


def scrape(running, accept=None):
    headers = {"Accept": accept} if accept else {}
    asked = urllib.request.Request(running.url + "/metrics", headers=headers)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return answer.headers, answer.read().decode()


def requests_of(text, listener, read=read_prometheus):
    return sum(
        sample.value
        for family in read(text)
        for sample in family.samples
        if sample.name == COUNT and sample.labels["listener"] == listener
    )


def visit(running, times, listener="wsgi"):
    url = f"http://127.0.0.1:{running.port(listener)}/"
    for _ in range(times):
        urllib.request.urlopen(url, timeout=10).close()


@pytest.mark.parametrize("command", [(), gunicorn()], ids=["python app.py", "gunicorn"])
def test_a_scraper_sees_every_request_once_and_over_a_restart(start_dashboard, command):
    running = start_dashboard(*command)
    visit(running, 7)
    eventually(lambda: requests_of(scrape(running)[1], "wsgi") == 7)
    assert running.end() == 0
    running = start_dashboard(*command, folder=running.folder)
    visit(running, 5)
    seen = []

    def all_told():
        seen.append(requests_of(scrape(running)[1], "wsgi"))
        return seen[-1] == 12

    eventually(all_told)
    assert seen == sorted(seen)


def test_both_formats_tell_the_same(dashboard):
    visit(dashboard, 3)
    eventually(lambda: requests_of(scrape(dashboard)[1], "wsgi") == 3)
    headers, text = scrape(dashboard, "application/openmetrics-text;version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert "Accept" in headers["Vary"].split(", ")
    assert requests_of(text, "wsgi", read_openmetrics) == 3
    families = {family.name: family for family in read_openmetrics(text)}
    assert families["system_memory_utilization_ratio"].type == "gauge"
    assert 0 < families["system_memory_utilization_ratio"].samples[0].value < 1
    headers, text = scrape(dashboard)
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert {family.name for family in read_prometheus(text)} == set(families)


def test_a_format_nobody_has_is_406_and_says_what_there_is(dashboard):
    with pytest.raises(urllib.error.HTTPError) as refused:
        scrape(dashboard, "image/png")
    assert refused.value.code == 406
    assert "application/openmetrics-text" in refused.value.read().decode()
    refused.value.close()


def export(running, query):
    with urllib.request.urlopen(f"{running.url}/export?{query}", timeout=10) as answer:
        return answer.headers, answer.read()


def test_an_export_is_a_file_named_by_what_and_when(dashboard):
    visit(dashboard, 5, "files")
    metric = "http.server.request.duration"

    def counted():
        try:
            table = json.loads(export(dashboard, f"metric={metric}&format=json&step=1")[1])
        except urllib.error.HTTPError as refused:
            refused.close()
            return 0
        return sum(
            row["value"]
            for row in table
            if row["statistic"] == "count" and row["labels"]["listener"] == "files"
        )

    eventually(lambda: counted() == 5)
    headers, written = export(dashboard, f"metric={metric}&title=latency")
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(
        r'attachment; filename="servescope_latency_\d{8}T\d{6}Z_\d{8}T\d{6}Z_1s\.csv"',
        headers["Content-Disposition"],
    )
    assert written.startswith(b"time,metric,unit,labels,statistic,value\r\n")
    headers, written = export(dashboard, f"metric={metric}&format=parquet")
    assert headers["Content-Type"] == "application/vnd.apache.parquet"
    assert written[:4] == written[-4:] == b"PAR1"
    for query, told in [
        ("metric=cpu", "there is no metric 'cpu'; there are container.cpu.usage"),
        (f"metric={metric}&format=xlsx", "there are csv, json, parquet"),
        (f"metric={metric}&form=csv", "unknown form; known are format, from, host, metric"),
    ]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            export(dashboard, query)
        assert refused.value.code == 400
        assert told in refused.value.read().decode()
        refused.value.close()

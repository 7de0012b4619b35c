"""URLs for programs, asked of a whole dashboard."""

import http.client
import json
import os
import re
import signal
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_prometheus

from servescope.catalog import CPU_UTILIZATION
from servescope.store.base import Batch, Frame, SeriesKey
from servescope.store.sqlite.store import open_store
from tests.processes import Dashboards, alive, children, eventually, gunicorn

pytestmark = pytest.mark.process

HISTORY = 1_700_000_400
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
    with urllib.request.urlopen(f"{running.url}/export?{query}", timeout=60) as answer:
        return answer.headers, answer.read()


@pytest.fixture(scope="module")
def long_export(tmp_path_factory):
    """A dashboard, and a query whose answer is more than what sockets and pipes hold (20 MB)."""
    folder = tmp_path_factory.mktemp("long") / "data"
    keys = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", str(n)),)) for n in range(64)]
    frames = [Frame(HISTORY + n, dict.fromkeys(keys, n / 7)) for n in range(1_200)]
    with closing(open_store(folder)) as store:
        store.write(Batch(frames))
    dashboards = Dashboards(folder.parent)
    try:
        yield dashboards(), f"metric={CPU_UTILIZATION}&from={HISTORY}&to={HISTORY + 1_200}&step=1"
    finally:
        dashboards.end()


def export_processes(running):
    """Pids of the processes that make exports for the dashboard."""
    return [
        pid
        for pid in children(running.process.pid)
        if alive(pid) and b"servescope.exports.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def test_the_process_of_an_export_ends_when_the_client_goes(long_export):
    running, query = long_export
    with urllib.request.urlopen(f"{running.url}/export?{query}", timeout=60) as answer:
        assert answer.read(4) == b"time"
        assert len(export_processes(running)) == 1
    eventually(lambda: not export_processes(running))
    head = urllib.request.Request(f"{running.url}/export?{query}", method="HEAD")
    with urllib.request.urlopen(head, timeout=60) as answer:
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"


def test_an_export_whose_process_is_killed_is_incomplete_for_its_client(long_export):
    running, query = long_export
    with urllib.request.urlopen(f"{running.url}/export?{query}", timeout=60) as answer:
        answer.read(4)
        (pid,) = export_processes(running)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
    eventually(lambda: "the export's process was ended by SIGKILL" in running.log)


def test_a_third_export_at_a_time_is_503_and_says_when_to_try_again(long_export):
    running, query = long_export
    asked = f"{running.url}/export?{query}"
    with (
        urllib.request.urlopen(asked, timeout=60),
        urllib.request.urlopen(asked, timeout=60),
        pytest.raises(urllib.error.HTTPError) as refused,
    ):
        urllib.request.urlopen(asked, timeout=60)
    assert refused.value.code == 503
    assert b"try again when one of them is done" in refused.value.read()
    refused.value.close()
    eventually(lambda: not export_processes(running))


def test_an_export_is_a_file_named_by_what_and_when(dashboard):
    visit(dashboard, 5, "files")
    metric = "http.server.request.duration"
    eventually(lambda: requests_of(scrape(dashboard)[1], "files") == 5)
    table = json.loads(export(dashboard, f"metric={metric}&format=json&step=1")[1])
    counts = [
        row["value"]
        for row in table
        if row["statistic"] == "count" and row["labels"]["listener"] == "files"
    ]
    assert sum(counts) == 5
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

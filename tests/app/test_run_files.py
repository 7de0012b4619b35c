"""Load runs as files, asked of the app: who may, what is answered, and what is refused."""

import io

import pytest

from components.authority import FROM_HERE_ONLY
from servescope.catalog import CPU_UTILIZATION
from servescope.run_files.archive import MEDIA_TYPE, MOST_BYTES
from servescope.store.base import SeriesKey
from tests.measured_runs import HOST, SECONDS, START, exported, frame, measure

STRANGER = {"REMOTE_ADDR": "192.0.2.7"}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    return exported(folder, measure(folder))


@pytest.fixture
def client(app):
    client = app.server.test_client()
    client.get("/")
    return client


def post(client, content, **options):
    return client.post("/runs/open", data=content, content_type=MEDIA_TYPE, **options)


def test_a_file_is_opened_once_and_its_run_can_be_exported_again(client, content):
    answer = post(client, content)
    assert answer.status_code == 201
    assert answer.text.startswith(f"Opened run 1 of {HOST}: it is load run ")
    number = int(answer.text.split()[-2])
    again = post(client, content)
    assert (again.status_code, again.text) == (
        400,
        f"run 1 of {HOST} is here already, as load run {number}\n",
    )
    exported = client.get(f"/runs/{number}/export")
    assert exported.headers["Content-Type"] == MEDIA_TYPE
    assert (
        f'filename="servescope_run-1_{HOST}.servescope"' in exported.headers["Content-Disposition"]
    )
    assert exported.data == content
    report = client.get(f"/runs/{number}/export?format=html")
    assert report.headers["Content-Disposition"].startswith("attachment")
    assert f"Load run 1 on {HOST}" in report.text


def test_the_lines_of_an_opened_run_are_exported_from_its_own_series(client, content):
    opened = post(client, content)
    number = int(opened.text.split()[-1 if opened.status_code == 400 else -2].rstrip("."))
    query = f"metric={CPU_UTILIZATION}&from={START}&to={START + SECONDS}&step=1&format=json"
    answer = client.get(f"/export?{query}&run={number}")
    assert (answer.status_code, answer.headers["Content-Disposition"][:46]) == (
        200,
        f'attachment; filename="servescope_{HOST}_run-1_',
    )
    cores = [
        row["value"]
        for row in answer.get_json(force=True)
        if row["statistic"] == "avg" and row["labels"]["cpu.logical_number"] == "0"
    ]
    key = SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", "0"),))
    assert cores == pytest.approx([frame(START + second).gauges[key] for second in range(SECONDS)])


@pytest.mark.parametrize("run", ["999", "first", "9" * 30])
def test_a_run_that_is_not_here_has_no_lines_to_export(client, run):
    answer = client.get(f"/export?metric={CPU_UTILIZATION}&run={run}")
    assert (answer.status_code, answer.text[:22]) == (400, "there is no load run " + run[:1])


def test_an_opened_run_without_series_has_no_lines_to_export(client, tmp_path):
    file = exported(tmp_path, measure(tmp_path, with_seconds=False), instance="host-b")
    number = post(client, file).text.split()[-2]
    answer = client.get(f"/export?metric={CPU_UTILIZATION}&run={number}")
    assert (answer.status_code, f"load run {number} has no series" in answer.text) == (400, True)
    assert "one-run-export-csv" not in client.get(f"/runs/{number}").text


def test_a_person_elsewhere_may_not_open_one(client, content):
    answer = post(client, content, environ_overrides=STRANGER)
    assert (answer.status_code, answer.text) == (403, FROM_HERE_ONLY + "\n")


def test_a_foreign_page_may_not_open_one(client, content):
    assert post(client, content, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_a_file_may_be_larger_than_other_requests_and_has_a_bound_of_its_own(client):
    none = post(client, bytes(2 * 1024 * 1024))
    assert (none.status_code, none.text) == (
        400,
        "this is no run file: it is not a zip archive, or was cut off\n",
    )
    assert post(client, io.BytesIO(bytes(MOST_BYTES + 1))).status_code == 413


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/runs/999/export", "there is no load run 999"),
        ("/runs/999/export?format=pdf", "there is no format 'pdf' of a load run; there are serve"),
        ("/runs/999/export?from=5", "unknown from; known is format"),
    ],
)
def test_what_cannot_be_exported_is_said(client, path, told):
    answer = client.get(path)
    assert answer.status_code == 400
    assert answer.text.startswith(told)

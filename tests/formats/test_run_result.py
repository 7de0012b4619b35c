"""The result of a run as CSV and JSON: every figure with its unit, none rounded."""

import csv
import io
import json

import pytest

from servescope.histogram import BUCKETS
from tests.measured_runs import HOST, exported, measure, result


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    return folder, measure(folder, with_seconds=False)


def test_csv_has_a_row_for_each_figure(measured):
    text = exported(*measured, "csv").decode()
    rows = {row["figure"]: row for row in csv.DictReader(io.StringIO(text))}
    told = result()
    assert float(rows["latency.p99"]["value"]) == told["latency_ms"]["p99"]
    assert rows["latency.p99"]["unit"] == "ms"
    assert (rows["failed.refused"]["value"], rows["status.200"]["value"]) == ("4", "10790")
    assert (rows["timed_out_from"]["value"], rows["rate_achieved"]["unit"]) == ("", "{request}/s")
    assert text.endswith("\r\n")


def test_json_has_the_run_its_plan_and_what_was_said(measured):
    told = json.loads(exported(*measured, "json"))
    assert (told["format"], told["host"], told["run"]["state"]) == (1, HOST, "done")
    assert told["run"]["result"] == json.loads(json.dumps(result()))
    assert len(told["run"]["result"]["histogram"]) == BUCKETS
    assert told["run"]["plan"]["scenario"]["schedule"]["rate"] == 120
    assert [one["code"] for one in told["findings"]] == ["rule-failed", "requests-failed"]

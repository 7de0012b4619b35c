"""The result of a run as CSV and JSON: every figure with its unit, none rounded."""

import csv
import io
import json

import pytest

from servescope.histogram import BUCKETS
from servescope.queries.run_figures import result_figures
from servescope.records.load import LoadPlan, LoadRun, RunState
from tests.measured_runs import HOST, exported, measure, result


def a_run(told):
    plan = LoadPlan.constant("wsgi", "/", 120, 90)
    return LoadRun(1, plan, RunState.DONE, 1.0, 2.0, 92.0, {}, told)


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
    assert rows["naive_latency.p99.is_lower_bound"]["value"] == "0"
    assert (rows["failed.refused"]["value"], rows["status.200"]["value"]) == ("4", "10790")
    assert (rows["timed_out_from"]["value"], rows["rate_achieved"]["unit"]) == ("", "{request}/s")
    assert text.endswith("\r\n")


@pytest.mark.parametrize(
    ("changes", "due", "naive"),
    [
        ({}, "0", "0"),
        ({"timed_out_from_ms": 10_000.0, "naive_bounds": ["p99", "max"]}, "1", "1"),
        ({"timed_out_from_ms": 10_000.0, "naive_bounds": []}, "1", "0"),
        ({"timed_out_from_ms": 10_000.0, "naive_bounds": None}, "1", "1"),
        ({"timed_out_from_ms": 20_000.0, "naive_bounds": ["mean"]}, "0", "0"),
    ],
    ids=["none timed out", "both", "due alone", "of an older version", "neither"],
)
def test_a_row_beside_each_latency_says_whether_it_is_a_lower_bound(changes, due, naive):
    summary = dict.fromkeys(result()["latency_ms"], 12.5) | {"p99": 10_003.0}
    run = a_run(result() | {"latency_ms": summary, "naive_ms": summary} | changes)
    figures = {one.name: one for one in result_figures(run)}
    for clock, is_bound in (("latency", due), ("naive_latency", naive)):
        beside = figures[f"{clock}.p99.is_lower_bound"]
        assert (f"{beside.value}", beside.unit) == (is_bound, "")
        names = list(figures)
        assert names[names.index(f"{clock}.p99") + 1] == beside.name
    assert "lag.p99.is_lower_bound" not in figures, "nothing times out in it"


def test_of_what_was_not_measured_nobody_knows_whether_it_is_a_bound():
    nothing = dict.fromkeys(result()["latency_ms"])
    figures = {
        one.name: one.value for one in result_figures(a_run(result() | {"latency_ms": nothing}))
    }
    assert (figures["latency.p50"], figures["latency.p50.is_lower_bound"]) == (None, None)


def test_json_has_the_run_its_plan_and_what_was_said(measured):
    told = json.loads(exported(*measured, "json"))
    assert (told["format"], told["host"], told["run"]["state"]) == (1, HOST, "done")
    assert told["run"]["result"] == json.loads(json.dumps(result()))
    assert len(told["run"]["result"]["histogram"]) == BUCKETS
    assert told["run"]["plan"]["scenario"]["schedule"]["rate"] == 120
    assert [one["code"] for one in told["findings"]] == ["rule-failed", "requests-failed"]

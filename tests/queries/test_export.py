"""The content of an export, and the requests that are refused."""

import csv
import io
import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest

from servescope import histogram
from servescope.catalog import BY_NAME, CPU_UTILIZATION, NETWORK_IO, REQUEST_DURATION
from servescope.errors import ExportError
from servescope.formats.tables import COLUMNS, FORMATS, table_format
from servescope.queries import export
from servescope.queries.export import rows, wanted
from tests.queries.conftest import CPU, RECEIVED, WSGI, frame

START = 1_700_000_000 // 3600 * 3600
ALL = (CPU_UTILIZATION, NETWORK_IO, REQUEST_DURATION)


@pytest.fixture
def store(harness):
    context = harness.context()
    harness.fill(context, START, START + 40)
    harness.fill(context, START + 50, START + 120)  # a gap of ten seconds
    return context.store


def read(store, form, *metrics, **asked):
    """(time, metric, unit, labels, statistic, value) of each row, labels as a dict."""
    written = b"".join(FORMATS[form].write(rows(store, wanted(store, metrics, **asked))))
    if form == "csv":
        table = list(csv.DictReader(io.StringIO(written.decode())))
        for row in table:
            row["labels"], row["value"] = json.loads(row["labels"]), float(row["value"])
    elif form == "json":
        table = json.loads(written)
    else:
        table = pq.read_table(io.BytesIO(written)).to_pylist()
        for row in table:
            row["time"] = row["time"].strftime("%Y-%m-%dT%H:%M:%SZ")
            row["labels"] = json.loads(row["labels"])
    assert all(tuple(row) == COLUMNS for row in table)
    return table


def test_figures_are_those_of_the_frames(store):
    found = read(store, "json", *ALL, start=str(START), end=str(START + 120), step="1")
    seconds = [*range(START, START + 40), *range(START + 50, START + 120)]
    frames = [frame(ts) for ts in seconds]
    of = {}
    for row in found:
        of.setdefault((row["metric"], row["statistic"]), []).append(row)
    assert [row["value"] for row in of[CPU_UTILIZATION, "avg"]] == [
        one.gauges[CPU] for one in frames
    ]
    assert of[CPU_UTILIZATION, "avg"][0]["labels"] == dict(CPU.labels)
    assert [row["value"] for row in of[NETWORK_IO, "increase"]] == [
        one.counts[RECEIVED] for one in frames
    ]
    deltas = [one.histograms.get(WSGI) for one in frames]
    assert [row["value"] for row in of[REQUEST_DURATION, "count"]] == [
        0 if one is None else one.counts.sum() for one in deltas
    ]
    answered = [one for one in deltas if one is not None]
    assert [row["value"] for row in of[REQUEST_DURATION, "mean"]] == pytest.approx(
        [one.sum_s / one.counts.sum() for one in answered]
    )
    for name, q in export.QUANTILES.items():
        assert [row["value"] for row in of[REQUEST_DURATION, name]] == [
            histogram.quantiles(one.counts, [q])[0] for one in answered
        ]
    assert {row["unit"] for row in of[REQUEST_DURATION, "count"]} == {"1"}
    assert {row["unit"] for row in of[REQUEST_DURATION, "p99"]} == {"s"}


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_all_formats_tell_the_same(store, form):
    asked = {"start": str(START), "end": str(START + 120), "step": "5"}
    assert read(store, form, *ALL, **asked) == read(store, "json", *ALL, **asked)


@pytest.mark.parametrize("form", FORMATS)
def test_many_parts_are_the_same_as_one(store, form, monkeypatch):
    asked = {"start": str(START), "end": str(START + 120), "step": "1"}

    def order(row):
        return (row["metric"], row["statistic"], row["time"])

    whole = sorted(read(store, form, *ALL, **asked), key=order)
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 17)
    assert sorted(read(store, form, *ALL, **asked), key=order) == whole


@pytest.mark.parametrize("form", FORMATS)
def test_a_span_without_data_is_an_empty_table(store, form):
    assert read(store, form, CPU_UTILIZATION, start=str(START + 41), end=str(START + 49)) == []


@pytest.mark.parametrize("start", [str(START + 60), "2023-11-14T22:01:00Z", "2023-11-14T22:01:00"])
def test_times_are_epoch_seconds_or_iso_8601(store, start):
    asked = wanted(store, [CPU_UTILIZATION], start, str(START + 90))
    assert (asked.span.start, asked.span.end) == (START + 60, START + 90)


def test_without_times_it_is_the_newest_five_minutes(store):
    asked = wanted(store, [CPU_UTILIZATION])
    assert (asked.span.start, asked.span.end, asked.span.step) == (START, START + 120, 1)


def test_the_file_is_named_by_what_and_when(store):
    asked = wanted(store, [NETWORK_IO], str(START), str(START + 60), "10", title="../a b")
    assert asked.file_name("csv") == ("servescope_..-a-b_20231114T220000Z_20231114T220100Z_10s.csv")
    named = wanted(store, [NETWORK_IO], str(START), str(START + 60)).file_name("json")
    assert named.startswith("servescope_system.network.io_2023")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"metrics": []}, "metric is missing; there are container.cpu.usage"),
        ({"metrics": ["cpu"]}, "there is no metric 'cpu'; there are container.cpu.usage"),
        ({"start": "yesterday"}, "from='yesterday' is no time"),
        ({"end": "nan"}, "to='nan' is out of range"),
        ({"end": "1e300"}, "out of range"),
        ({"start": "-5"}, "out of range"),
        ({"start": "200", "end": "100"}, "from (200) must lie before to (100)"),
        ({"step": "0"}, "step='0' is no step: whole seconds from 1 to 86400"),
        ({"step": "1.5"}, "is no step"),
        ({"step": "9" * 5_000}, "is no step"),
        ({"step": "²"}, "is no step"),
    ],
)
def test_what_cannot_be_exported_is_told(store, asked, told):
    with pytest.raises(ExportError) as refused:
        wanted(store, **{"metrics": [CPU_UTILIZATION], **asked})
    assert told in str(refused.value)


def test_too_much_is_refused_with_a_step_that_fits(store, monkeypatch):
    monkeypatch.setattr(export, "MOST_ROWS", 100)
    with pytest.raises(ExportError, match="360 rows, and 100 is the most: try step=5"):
        wanted(store, [CPU_UTILIZATION], str(START), str(START + 120), "1")
    asked = wanted(store, [CPU_UTILIZATION], str(START), str(START + 120), "5")
    assert sum((~part_gaps(part)).sum() for part in rows(store, asked)) <= 100


def part_gaps(part):
    return np.isnan(part.values)


def test_an_empty_store_says_so(harness):
    with pytest.raises(ExportError, match="nothing was recorded"):
        wanted(harness.context().store, [CPU_UTILIZATION])


def test_an_unknown_format_lists_those_there_are():
    with pytest.raises(ExportError, match="no format 'xlsx'; there are csv, json, parquet"):
        table_format("xlsx")


def test_every_metric_can_be_exported(store):
    for name in BY_NAME:
        for row in read(store, "json", name):
            assert math.isfinite(row["value"])

"""`read_store` and `read_run`: the store and a run as a person with pandas has them."""

import os
import re
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

import servescope
from servescope import histogram, read_run, read_store
from servescope.catalog import CPU_UTILIZATION, NETWORK_IO, REQUEST_DURATION
from servescope.errors import DataFolderError, ExportError, RunFileError
from servescope.queries import export
from servescope.settings import PREFIX, Settings
from servescope.store.base import Batch, Frame, HistogramDelta, SeriesKey
from servescope.store.sqlite.store import open_store
from tests.measured_runs import SECONDS, exported, measure
from tests.measured_runs import START as RUN_START
from tests.measured_runs import result as measured_result
from tests.processes import ROOT

START = 1_700_000_400  # a whole minute
GAP = range(START + 40, START + 50)
END = START + 120
CORES = [SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", name),)) for name in ("0", "all")]
HOME, SHOP = (
    SeriesKey(
        REQUEST_DURATION,
        (
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("http.route", route),
            ("listener", "wsgi"),
        ),
    )
    for route in ("/", "/shop")
)
TOOK = HistogramDelta(histogram.count([0.001, 0.003]), 0.004)


def frame(ts):
    return Frame(
        ts,
        {key: (ts - START + at) / 1000 for at, key in enumerate(CORES)},
        {},
        {HOME: TOOK, SHOP: TOOK},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two minutes with a gap of ten seconds."""
    folder = tmp_path_factory.mktemp("data")
    with closing(open_store(folder)) as store:
        store.write(Batch([frame(ts) for ts in range(START, END) if ts not in GAP]))
    return folder


def test_a_row_a_step_and_a_column_a_series_and_statistic(folder):
    table = read_store(CPU_UTILIZATION, folder=folder)
    assert table.index.name == "time"
    assert str(table.index.tz) == "UTC"
    assert table.index[0] == pd.Timestamp(START, unit="s", tz="UTC")
    assert len(table) == END - START
    assert table.columns.names == ["metric", "statistic", "cpu.logical_number"]
    assert set(table) == {
        (CPU_UTILIZATION, statistic, core)
        for statistic in ("avg", "min", "max")
        for core in ("0", "all")
    }
    assert table.attrs == {
        "units": {CPU_UTILIZATION: {"avg": "1", "min": "1", "max": "1"}},
        "step_s": 1,
    }
    expected = [np.nan if ts in GAP else (ts - START + 1) / 1000 for ts in range(START, END)]
    np.testing.assert_array_equal(table[CPU_UTILIZATION, "avg", "all"], expected)


def test_several_metrics_share_the_index_and_lack_each_others_labels(folder):
    table = read_store([CPU_UTILIZATION, REQUEST_DURATION], folder=folder, step="10s")
    assert table.columns.names == [
        "metric",
        "statistic",
        "cpu.logical_number",
        "listener",
        "http.request.method",
        "http.route",
        "http.response.status_code",
    ]
    assert len(table) == 12
    count = table[REQUEST_DURATION, "count", "", "wsgi", "GET", "/shop", "200"]
    assert count.tolist()[:4] == [20.0] * 4
    assert np.isnan(count.iloc[4])
    assert table.attrs["step_s"] == 10
    assert table.attrs["units"][REQUEST_DURATION] == {
        "count": "1", "mean": "s", "p50": "s", "p90": "s", "p99": "s",
    }  # fmt: skip


def test_the_figures_are_those_of_an_export(folder):
    table = read_store(REQUEST_DURATION, folder=folder, step=5)
    with closing(open_store(folder)) as store:
        asked = export.wanted(store, [REQUEST_DURATION], step="5")
        parts = list(export.rows(store, asked))
    assert len(parts) == 5
    for part in parts:
        found = table.xs(part.statistic, axis="columns", level="statistic")
        np.testing.assert_array_equal(found.to_numpy().T, part.values)


def test_where_keeps_the_series_that_bear_the_labels(folder):
    table = read_store(REQUEST_DURATION, folder=folder, where={"http.route": "/shop"})
    assert set(table.columns.get_level_values("http.route")) == {"/shop"}
    assert table.shape == (120, 5)
    none = read_store(REQUEST_DURATION, folder=folder, where={"http.route": "/nowhere"})
    assert none.shape == (120, 0)


def test_a_metric_that_was_not_recorded_has_no_column(folder):
    table = read_store([NETWORK_IO, CPU_UTILIZATION], folder=folder)
    assert set(table.columns.get_level_values("metric")) == {CPU_UTILIZATION}
    assert table.attrs["units"][NETWORK_IO] == {"increase": "By"}
    assert read_store(NETWORK_IO, folder=folder).shape == (120, 0)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param("-1min", "-30s", id="before-the-newest"),
        pytest.param(-timedelta(seconds=60), timedelta(seconds=-30), id="timedelta"),
        pytest.param(END - 60, float(END - 30), id="epoch"),
        pytest.param("2023-11-14T22:21:00Z", "2023-11-14 22:21:30", id="iso"),
        pytest.param("2023-11-15T00:21:00+02:00", "2023-11-14T22:21:30", id="offset"),
        pytest.param(
            datetime(2023, 11, 14, 22, 21, tzinfo=UTC),
            datetime(2023, 11, 15, 0, 21, 30, tzinfo=timezone(timedelta(hours=2))),
            id="datetime",
        ),
        pytest.param(
            pd.Timestamp("2023-11-14T22:21"), np.datetime64("2023-11-14T22:21:30"), id="pandas"
        ),
    ],
)
def test_times(folder, start, end):
    table = read_store(CPU_UTILIZATION, folder=folder, start=start, end=end)
    first, last = table.index[[0, -1]].map(pd.Timestamp.timestamp)
    assert (first, last) == (END - 60, END - 31)


@pytest.mark.parametrize("step", [30, "30s", "0.5min", timedelta(seconds=30), np.int64(30)])
def test_steps(folder, step):
    table = read_store(CPU_UTILIZATION, folder=folder, step=step)
    assert table.index.to_series().diff().dropna().eq(pd.Timedelta(seconds=30)).all()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"metric": "cpu"}, "there is no metric 'cpu'; there are container.cpu.usage"),
        ({"metric": []}, "metric is missing; there are container.cpu.usage"),
        ({"where": {"http.route": "/"}},
         f"{CPU_UTILIZATION} has no label 'http.route'; its labels are: cpu.logical_number"),
        ({"start": "yesterday at noon"}, "start='yesterday at noon' is no time: a datetime"),
        ({"end": "-1 fortnight"}, "end='-1 fortnight' is no time"),
        ({"end": "NaT"}, "end='NaT' is no time"),
        ({"start": object}, "is no time"),
        ({"start": float("nan")}, "start=nan is out of range"),
        ({"start": "1969-12-31"}, "start='1969-12-31' is out of range"),
        ({"start": END, "end": START}, f"start ({END}) must lie before end ({START})"),
        ({"step": 0}, "step=0 is no step: whole seconds from 1 to 86400"),
        ({"step": "1500ms"}, "step='1500ms' is no step"),
        ({"step": "soon"}, "step='soon' is no step"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(folder, asked, told):
    with pytest.raises(ExportError, match=re.escape(told)):
        read_store(**{"metric": CPU_UTILIZATION, "folder": folder, **asked})


def test_too_much_is_refused_with_a_step_that_fits(folder, monkeypatch):
    monkeypatch.setattr(export, "MOST_ROWS", 100)
    with pytest.raises(ExportError, match="720 rows, and 100 is the most: try step=10"):
        read_store(CPU_UTILIZATION, folder=folder)
    monkeypatch.setattr(export, "MOST_ROWS", 360)
    one_of_two = {"cpu.logical_number": "all"}
    assert read_store(CPU_UTILIZATION, folder=folder, where=one_of_two).size == 360


def test_an_empty_store_says_so(tmp_path):
    open_store(tmp_path).close()
    with pytest.raises(ExportError, match="nothing was recorded"):
        read_store(CPU_UTILIZATION, folder=tmp_path)


def test_without_a_store_it_says_where_it_looked(tmp_path, monkeypatch):
    with pytest.raises(DataFolderError, match=f"there is no store in {tmp_path}/none .*name ano"):
        read_store(CPU_UTILIZATION, folder=tmp_path / "none")
    for field in Settings.model_fields:
        monkeypatch.delenv(PREFIX + field.upper(), raising=False)
    monkeypatch.setenv(PREFIX + "DATA_DIR", str(tmp_path))
    with pytest.raises(DataFolderError, match=f"no store in {tmp_path} .*DATA_DIR or folder="):
        read_store(CPU_UTILIZATION)
    assert not list(tmp_path.iterdir())


def test_the_folder_of_the_settings_is_read(folder, monkeypatch):
    for field in Settings.model_fields:
        monkeypatch.delenv(PREFIX + field.upper(), raising=False)
    monkeypatch.setenv(PREFIX + "DATA_DIR", str(folder))
    pd.testing.assert_frame_equal(
        read_store(CPU_UTILIZATION), read_store(CPU_UTILIZATION, folder=str(folder))
    )


def test_it_survives_a_round_through_parquet(folder, tmp_path):
    table = read_store([CPU_UTILIZATION, REQUEST_DURATION], folder=folder)
    table.to_parquet(tmp_path / "table.parquet")
    found = pd.read_parquet(tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(found, table)
    assert found.attrs == table.attrs


@pytest.fixture(scope="module")
def run_file(tmp_path_factory):
    """A run file, and the data folder of the host that wrote it."""
    folder = tmp_path_factory.mktemp("measured")
    path = tmp_path_factory.mktemp("file") / "run.servescope"
    path.write_bytes(exported(folder, measure(folder)))
    return path, folder


def test_a_run_file_has_the_series_that_the_store_has(run_file):
    path, folder = run_file
    series = read_run(path).series
    stored = read_store(
        [CPU_UTILIZATION, REQUEST_DURATION],
        folder=folder, start=RUN_START, end=RUN_START + SECONDS + 1, step=1,
    )  # fmt: skip
    assert series.index.equals(stored.index)
    for metric in (CPU_UTILIZATION, REQUEST_DURATION):
        np.testing.assert_array_equal(series[metric], stored[metric])
        assert series.attrs["units"][metric] == stored.attrs["units"][metric]
    assert series.attrs["step_s"] == 1


def test_the_result_of_a_run_file_is_one_row_with_units(run_file):
    run = read_run(run_file[0])
    told = measured_result()
    assert run.result.index.name == "time"
    assert run.result.index[0] == pd.Timestamp(RUN_START + 0.25, unit="s", tz="UTC")
    (row,) = run.result.to_dict("records")
    assert row["latency.p99"] == told["latency_ms"]["p99"]
    assert (row["sent"], row["failed.reset"]) == (10_800, 6)
    assert np.isnan(row["timed_out_from"])
    assert run.result.attrs["units"]["latency.p99"] == "ms"
    assert run.document.run.result == told


def test_the_steps_and_the_histogram_of_a_run_file(run_file):
    run = read_run(str(run_file[0]))
    (step,) = run.steps.to_dict("records")
    assert (step["method"], step["target"]) == ("GET", "/caf%C3%A9?q=a&b")
    assert (step["sent"], step["answered"], step["failed"]) == (10_800, 10_790, 10)
    assert step["latency.p99"] == measured_result()["latency_ms"]["p99"]
    assert run.steps.attrs["units"]["latency.p99"] == "ms"
    assert run.histogram["requests"].tolist() == measured_result()["histogram"]
    assert run.histogram["to"].iloc[:-1].tolist() == histogram.EDGES.tolist()
    assert run.histogram.attrs["units"] == {"from": "s", "to": "s", "requests": "{request}"}


def test_a_run_file_without_series_has_an_empty_frame_of_them(tmp_path):
    path = tmp_path / "run.servescope"
    path.write_bytes(exported(tmp_path, measure(tmp_path, with_seconds=False)))
    run = read_run(path)
    assert run.series.empty
    assert run.document.without_series
    assert run.result["sent"].iloc[0] == 10_800


def test_what_is_no_run_file_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(RunFileError, match="the file cannot be read: No such file"):
        read_run(tmp_path / "none")


@pytest.mark.parametrize("page", ["README.md", "docs/pandas.md"])
def test_the_examples_of_the_docs_run(folder, page):
    examples = re.findall(r"```python\n(.*?read_store.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert examples
    environment = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(examples)],
        cwd=ROOT, env=environment | {f"{PREFIX}DATA_DIR": str(folder)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "/shop" in done.stdout


def test_the_example_of_a_run_file_runs(run_file):
    (example,) = re.findall(
        r"```python\n([^`]*read_run[^`]*)```", (ROOT / "docs" / "pandas.md").read_text()
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=run_file[0].parent, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "10800" in done.stdout


@pytest.mark.parametrize("statement", ["import servescope", "import servescope.middleware"])
def test_importing_the_package_loads_neither_pandas_nor_numpy(statement):
    check = (
        f"{statement}; import sys; print({{'pandas', 'numpy'}} & sys.modules.keys() or 'neither')"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "neither\n"


def test_the_package_has_no_other_door():
    assert servescope.__all__ == ["read_run", "read_store"]
    with pytest.raises(AttributeError, match="no attribute 'write_store'"):
        servescope.write_store  # noqa: B018

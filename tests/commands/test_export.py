"""`python -m servescope export`, as a person types it."""

import csv
import io
import os
import subprocess
import sys
from contextlib import closing

import pytest

from servescope.catalog import CPU_UTILIZATION
from servescope.control import Control
from servescope.records.load import LoadPlan
from servescope.store.base import Batch, Frame, SeriesKey
from servescope.store.sqlite.store import open_store
from tests.measured_runs import HOST, exported, measure
from tests.processes import ROOT

START = 1_700_000_000


@pytest.fixture
def folder(tmp_path):
    """A data folder with ten seconds of the CPU."""
    with closing(open_store(tmp_path / "data")) as store:
        key = SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", "0"),))
        store.write(Batch([Frame(START + n, {key: n / 100}) for n in range(10)]))
    return tmp_path / "data"


@pytest.mark.process
def test_a_process_writes_csv_to_standard_output(folder):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SERVESCOPE_")}
    environment["SERVESCOPE_DATA_DIR"] = str(folder)
    done = subprocess.run(
        [sys.executable, "-m", "servescope", "export", "--metric", CPU_UTILIZATION, "--step", "1"],
        cwd=ROOT, env=environment, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    table = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    averages = [float(row["value"]) for row in table if row["statistic"] == "avg"]
    assert averages == [n / 100 for n in range(10)]


def test_a_file_where_it_was_asked_for(run_command, folder, tmp_path):
    output = tmp_path / "cpu.parquet"
    done = run_command(
        "export", "--metric", CPU_UTILIZATION, "--format", "parquet", "--output", output,
        "--from", START, "--to", "2023-11-14T22:13:25Z", DATA_DIR=folder,
    )  # fmt: skip
    assert (done.status, done.out, done.err) == (0, b"", b"")
    assert output.read_bytes()[:4] == b"PAR1"


REFUSED = {
    "no such metric": (["export", "--metric", "cpu"], "there is no metric 'cpu'; there are cont"),
    "no such time": (
        ["export", "--metric", CPU_UTILIZATION, "--from", "soon"],
        "from='soon' is no time",
    ),
    "no such file": (
        ["export", "--metric", CPU_UTILIZATION, "--output", "/proc/x"],
        "cannot write /proc/x",
    ),
    "no metric": (["export"], "--metric"),
    "a run and a metric": (["export", "--run", 1, "--metric", CPU_UTILIZATION], "not allowed with"),
    "a run and a span": (["export", "--run", 1, "--from", "5"], "--from does not go with --run"),
    "no such run": (["export", "--run", 1], "there is no load run 1"),
    "no such command": (["explode"], "explode"),
    "no command": ([], "COMMAND"),
}


@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_command_is_refused(run_command, folder, given, message):
    done = run_command(*given, DATA_DIR=folder)
    assert (done.status, done.out) == (2, b"")
    assert message in done.err.decode()


def test_a_load_run_is_written_as_the_dashboard_does(run_command, tmp_path):
    run_id = measure(tmp_path)
    output = tmp_path / "report.html"
    done = run_command(
        "export", "--run", run_id, "--format", "html", "--output", output,
        DATA_DIR=tmp_path, INSTANCE=HOST,
    )  # fmt: skip
    assert (done.status, done.out, done.err) == (0, b"", b"")
    assert output.read_bytes() == exported(tmp_path, run_id, "html")


def test_a_run_that_goes_on_is_not_written(run_command, tmp_path):
    with closing(Control(tmp_path)) as control:
        control.load_runs.request(LoadPlan.constant("wsgi", "/", 10, 1), 5.0)
    done = run_command("export", "--run", 1, DATA_DIR=tmp_path)
    assert done.status == 2
    assert b"load run 1 is requested: it can be exported when it is over" in done.err


def test_a_folder_without_a_store_stays_without(run_command, tmp_path):
    done = run_command("export", "--metric", CPU_UTILIZATION, DATA_DIR=tmp_path / "other")
    assert done.status == 1
    assert "there is no store in" in done.err.decode()
    assert not (tmp_path / "other").exists()


def test_help_lists_the_commands(run_command):
    assert b"export" in run_command("--help").out

"""`python -m servescope`, as a person types it."""

import csv
import io
import os
import subprocess
import sys
from contextlib import closing

import pytest

from servescope.catalog import CPU_UTILIZATION
from servescope.store.base import Batch, Frame, SeriesKey
from servescope.store.sqlite.store import open_store
from tests.processes import ROOT

START = 1_700_000_000


@pytest.fixture
def run(tmp_path):
    def run(*given, folder=tmp_path / "data", **more):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SERVESCOPE_")}
        environment["SERVESCOPE_DATA_DIR"] = str(folder)
        return subprocess.run(
            [sys.executable, "-m", "servescope", *given],
            cwd=ROOT, env=environment, capture_output=True, timeout=30, check=False, **more,
        )  # fmt: skip

    with closing(open_store(tmp_path / "data")) as store:
        key = SeriesKey(CPU_UTILIZATION, (("cpu.logical_number", "0"),))
        store.write(Batch([Frame(START + n, {key: n / 100}) for n in range(10)]))
    return run


def test_csv_goes_to_standard_output(run):
    done = run("export", "--metric", CPU_UTILIZATION, "--step", "1")
    assert done.returncode == 0, done.stderr
    table = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    averages = [float(row["value"]) for row in table if row["statistic"] == "avg"]
    assert averages == [n / 100 for n in range(10)]


def test_a_file_where_it_was_asked_for(run, tmp_path):
    output = tmp_path / "cpu.parquet"
    done = run(
        "export", "--metric", CPU_UTILIZATION, "--format", "parquet", "--output", str(output),
        "--from", str(START), "--to", "2023-11-14T22:13:25Z",
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert output.read_bytes()[:4] == b"PAR1"


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        (["export", "--metric", "cpu"], 2, "there is no metric 'cpu'; there are container."),
        (["export", "--metric", CPU_UTILIZATION, "--from", "soon"], 2, "from='soon' is no time"),
        (["export", "--metric", CPU_UTILIZATION, "--output", "/proc/x"], 2, "cannot write /proc/x"),
        (["export"], 2, "--metric"),
        (["explode"], 2, "explode"),
        ([], 2, "COMMAND"),
    ],
)
def test_what_was_asked_wrongly_is_told(run, given, code, told):
    done = run(*given)
    assert done.returncode == code
    assert told in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_folder_without_a_store_stays_without(run, tmp_path):
    done = run("export", "--metric", CPU_UTILIZATION, folder=tmp_path / "other")
    assert done.returncode == 1
    assert "there is no store in" in done.stderr.decode()
    assert not (tmp_path / "other").exists()


def test_help_lists_the_commands(run):
    assert b"export" in run("--help").stdout

"""Locust for real, and its absence."""

import runpy
import signal
import subprocess
import sys
from collections import Counter

import pytest

from servescope import read_run
from servescope.actions.run_files import open_run_file
from servescope.control import Control
from servescope.errors import LoadRefusedError
from servescope.records.load import RunState
from tests.ports import free_port
from tests.processes import ROOT
from tests.waiting import eventually

LOCUSTFILE = ROOT / "locustfile.py"
WAIT_S = 100
SCENARIO = """
name = "shop"
seed = 4
rules = ["error rate < 1 %"]

[schedule]
kind = "ramp"
from_rate = 10
to_rate = 50
seconds = 2

[[flows]]
weight = 3
target = "/products/{n}"

[[flows]]
cookies = true

[[flows.steps]]
name = "sign in"
method = "POST"
target = "/login"
headers = { X-Shop = "7" }
body = '{"user": "{user}"}'
body_kind = "json"
carried = [{ name = "token", json_pointer = "/session/token" }]

[[flows.steps]]
name = "write"
target = "/notes?token={token}"

[data]
csv = '''
user
ada
grace
'''
"""


def locust(folder, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def output_of(processes):
    """The output and exit code of each; all have ended."""
    try:
        return [
            (process.communicate(timeout=WAIT_S)[0], process.returncode) for process in processes
        ]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.process
def test_one_master_and_two_workers_carry_out_a_scenario(server, tmp_path):
    scenario, run_file = tmp_path / "shop.toml", tmp_path / "shop.servescope"
    scenario.write_text(SCENARIO)
    at = ("--master-bind-host", "127.0.0.1", "--master-bind-port", str(free_port()))
    master = locust(
        tmp_path,
        *("--headless", "--only-summary", "--master", *at, "--expect-workers", "2"),
        *("--scenario", str(scenario), "--host", server.origin, "--run-file", str(run_file)),
    )
    worker = ("--worker", "--master-host", at[1], "--master-port", at[3])
    said = output_of([master, *(locust(tmp_path, *worker) for _ in range(2))])
    assert [code for _, code in said] == [0, 0, 0], said

    result = read_run(run_file).document.run.result
    asked = Counter(one.path.partition("?")[0].split("/")[1] for one in server.asked)
    assert result["generator"].startswith("Locust ")
    assert result["generator"].endswith(", 2 workers")
    assert result["flows"] == {"started": 60, "completed": 60, "failed": 0, "cancelled": 0}
    assert asked["products"] + asked["login"] == 60
    assert asked["login"] == asked["notes"] > 0
    assert {step["name"]: step["answered"] for step in result["steps"]} == {
        "GET /products/{n}": asked["products"],
        "sign in": asked["login"],
        "write": asked["notes"],
    }
    assert result["sent"] == result["answered"] == len(server.asked)
    # No two workers send the same value, and none is left out by more than the shares differ.
    numbers = [int(one.path.rpartition("/")[2]) for one in server.asked if "products" in one.path]
    assert len(set(numbers)) == len(numbers)
    signed_in = [one for one in server.asked if one.path == "/login"]
    assert {one.body for one in signed_in} <= {'{"user": "ada"}', '{"user": "grace"}'}
    assert {one.headers["X-Shop"] for one in signed_in} == {"7"}
    notes = [one for one in server.asked if one.path.startswith("/notes")]
    assert {one.path for one in notes} == {"/notes?token=a%2Fb"}
    assert {one.headers["Cookie"] for one in notes} == {"session=7"}
    assert result["latency_ms"]["p50"] >= result["naive_ms"]["p50"] > 0
    assert [rule["state"] for rule in result["rules"]] == ["passing"]

    opened = open_here(run_file, tmp_path)
    assert opened.result == result
    assert opened.origin.label.startswith("a run of ")


def open_here(run_file, folder):
    """The run as a dashboard's page Runs opens it, once."""
    data_dir = folder / "data"
    data_dir.mkdir()
    control = Control(data_dir)
    try:
        with run_file.open("rb") as file:
            opened = open_run_file(control.load_runs, data_dir, file)
        with run_file.open("rb") as file, pytest.raises(LoadRefusedError, match="is here already"):
            open_run_file(control.load_runs, data_dir, file)
    finally:
        control.close()
    return opened


@pytest.mark.process
def test_a_run_that_a_person_ends_has_what_every_worker_measured(server, tmp_path):
    scenario, run_file = tmp_path / "long.toml", tmp_path / "long.servescope"
    scenario.write_text('[schedule]\nkind = "constant"\nrate = 20\nseconds = 60\n')
    at = ("--master-bind-host", "127.0.0.1", "--master-bind-port", str(free_port()))
    master = locust(
        tmp_path,
        *("--headless", "--only-summary", "--master", *at, "--expect-workers", "2"),
        *("--scenario", str(scenario), "--host", server.origin, "--run-file", str(run_file)),
    )
    worker = ("--worker", "--master-host", at[1], "--master-port", at[3])
    processes = [master, *(locust(tmp_path, *worker) for _ in range(2))]
    eventually(lambda: len(server.asked) >= 4, WAIT_S)
    master.send_signal(signal.SIGINT)
    said = output_of(processes)
    run = read_run(run_file).document.run
    result = run.result
    assert run.state is RunState.STOPPED, said
    assert result["generator"].endswith(", 2 workers")
    assert result["answered"] >= 3
    assert result["sent"] == result["answered"] + result["cancelled"]


@pytest.mark.process
def test_a_failed_rule_is_the_exit_code_of_one_process(server, tmp_path):
    scenario = tmp_path / "busy.toml"
    scenario.write_text(
        'rules = ["error rate < 1 %"]\nkeep_alive = false\n'
        '[schedule]\nkind = "users"\nusers = 3\nthink_seconds = 0.1\nseconds = 1\n'
        '[[flows]]\ntarget = "/busy"\n'
    )
    options = ("--headless", "--only-summary", "--scenario", str(scenario), "--host", server.origin)
    ((said, code),) = output_of([locust(tmp_path, *options)])
    assert code == 1, said
    (run_file,) = tmp_path.glob("locust-*.servescope")
    result = read_run(run_file).document.run.result
    assert (result["model"], result["users"]) == ("closed", 3)
    assert result["statuses"] == {"503": len(server.asked)}
    assert result["generator"].endswith(", 1 worker")
    assert len({one.client for one in server.asked}) == len(server.asked)


@pytest.mark.process
def test_a_host_that_nobody_named_is_refused(tmp_path):
    scenario = tmp_path / "away.toml"
    scenario.write_text('[schedule]\nkind = "constant"\nrate = 1\nseconds = 1\n')
    away = ("--host", "http://192.0.2.1")
    ((said, code),) = output_of(
        [locust(tmp_path, "--headless", "--scenario", str(scenario), *away)]
    )
    assert code == 2, said
    assert "192.0.2.1 is not this machine, and not in SERVESCOPE_LOAD_HOSTS" in said
    assert not list(tmp_path.glob("*.servescope"))


def test_without_locust_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "locust", None)
    with pytest.raises(SystemExit, match=r"Locust is not installed here.*pip install 'locust"):
        runpy.run_path(str(LOCUSTFILE))

"""The orders and refusals of the master, and the run that it writes."""

import re

import pytest

from servescope import read_run
from servescope.errors import LoadRefusedError, UsageError
from servescope.locust_load.coordinator import Coordinator, exit_code_of, most_at_once
from servescope.records.load import RunState
from servescope.records.scenarios import (
    Constant,
    Flow,
    Poisson,
    Ramp,
    RequestStep,
    Scenario,
    Spike,
    Steps,
    Users,
    WebSocketStep,
)
from servescope.scenarios.scenario_file import ScenarioFile, to_toml
from servescope.settings import load_settings
from tests.locust_load.test_worker import reports_of

AT = "http://127.0.0.1:9"


def coordinator(folder, scenario, origin=""):
    path = folder / "scenario.toml"
    path.write_text(to_toml(ScenarioFile(scenario, origin=origin)))
    return Coordinator(path, folder / "run.servescope", load_settings(), "2.47.0")


@pytest.mark.parametrize(
    ("schedule", "users"),
    [
        (Constant(5, 10), 10),
        (Constant(500, 10), 300),
        (Ramp(0, 20, 10), 40),
        (Steps((1, 30), 10), 60),
        (Spike(1, 25, 1, 1, 10), 50),
        (Poisson(1, 10), 300),
    ],
    ids=lambda one: getattr(one, "kind", str(one)),
)
def test_as_many_users_as_the_schedule_can_need(schedule, users):
    assert most_at_once(Scenario(schedule, timeout_seconds=2, max_connections=300)) == users


def test_users_of_the_closed_model_are_its_own(tmp_path):
    assert coordinator(tmp_path, Scenario(Users(7, 1, 5))).users(2) == 7


def test_each_worker_has_a_user(tmp_path):
    slow = Scenario(Constant(0.1, 10), timeout_seconds=1)
    assert coordinator(tmp_path, slow).users(3) == 3


def test_parts_go_by_the_name_of_the_worker(tmp_path):
    order = coordinator(tmp_path, Scenario(Constant(10, 1)), AT).order("", ["b", "a"])
    assert order.parts == {"a": 0, "b": 1}
    assert (order.origin, order.destination, order.host) == (AT, ("127.0.0.1", 9), "127.0.0.1:9")


@pytest.mark.parametrize(
    ("host", "error", "sentence"),
    [
        ("", LoadRefusedError, "does not say where it aims: add --host"),
        ("http://192.0.2.1", UsageError, "not in SERVESCOPE_LOAD_HOSTS"),
        (f"{AT}/path", UsageError, "name address and port alone"),
    ],
    ids=["nowhere", "a host that nobody named", "a path"],
)
def test_a_target_that_is_refused(tmp_path, host, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        coordinator(tmp_path, Scenario(Constant(1, 1))).order(host, ["a"])


def test_more_workers_than_connections(tmp_path):
    with pytest.raises(LoadRefusedError, match="3 workers are more than the 2 connections"):
        coordinator(tmp_path, Scenario(Users(2, 1, 1)), AT).order("", ["a", "b", "c"])


def test_a_websocket_is_refused(tmp_path):
    chat = Flow((WebSocketStep(target="/chat", messages=("hello",)),))
    with pytest.raises(LoadRefusedError, match="WebSocket /chat is a WebSocket conversation"):
        coordinator(tmp_path, Scenario(Constant(1, 1), (chat,)))


def test_a_slow_client_is_refused(tmp_path):
    slow = Flow((RequestStep(method="POST", target="/form", body="x", send_seconds=2),))
    with pytest.raises(LoadRefusedError, match="POST /form is sent over 2 s"):
        coordinator(tmp_path, Scenario(Constant(1, 1), (slow,)))
    slow = Flow((RequestStep(read_seconds=1.5),))
    with pytest.raises(LoadRefusedError, match="GET / is read over 1"):
        coordinator(tmp_path, Scenario(Constant(1, 1), (slow,)))


def test_an_early_end_by_a_rule_is_refused(tmp_path):
    scenario = Scenario(Constant(1, 1), rules=("p99 < 50 ms",), auto_stop=True)
    with pytest.raises(LoadRefusedError, match="auto_stop is not carried out by Locust"):
        coordinator(tmp_path, scenario)


def test_a_run_without_a_worker_that_went_missing(tmp_path, server):
    scenario = Scenario(Constant(20, 0.5), (Flow((RequestStep(),)),), rules=("p99 < 1 us",))
    master = coordinator(tmp_path, scenario)
    master.order(server.origin, ["0", "1"])
    reports, _ = reports_of(scenario, server.origin, 2, parts=2)
    master.take(reports[0])
    assert not master.is_complete
    path, result = master.write()
    assert master.write() is None
    assert exit_code_of(result) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    document = read_run(path).document
    assert document.run.state is RunState.DONE
    assert result.generator == "Locust 2.47.0, 2 workers, 1 of which never reported"
    assert (result.rate_asked, result.sent) == (10, 5)
    assert {one.code for one in document.findings} >= {"sent-by-others"}
    assert document.without_series


def test_nothing_is_written_before_anything_is_reported(tmp_path):
    master = coordinator(tmp_path, Scenario(Constant(10, 1)), AT)
    assert master.write() is None
    master.order("", ["a"])
    assert master.write() is None

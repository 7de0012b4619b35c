"""Each demo is carried out by a real leader, shortened, and does what its line says.

Nothing is judged that a busy machine could change: who answers how fast is no part of it.
"""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from servescope.actions import comparisons, load_runs
from servescope.actions.load_demos import DEMOS, ComparisonDemo, LoadDemo
from servescope.records.load import TERMINAL_STATES, RunState
from servescope.records.scenarios import Spike
from servescope.settings import Settings
from tests.processes import Dashboards, eventually

pytestmark = pytest.mark.process
PATIENT_S = 60


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    dashboards = Dashboards(tmp_path_factory.mktemp("demos"))
    yield dashboards()
    dashboards.end()


@pytest.fixture
def control(dashboard):
    control = dashboard.control
    yield control
    control.close()


def shortened(scenario):
    """The same requests for a second, with time enough for a machine that others use."""
    schedule = replace(scenario.schedule, seconds=1)
    if isinstance(schedule, Spike):
        schedule = replace(schedule, peak_at=0.3, peak_seconds=0.2)
    return replace(scenario, schedule=schedule, timeout_seconds=PATIENT_S)


def result_of(control, name, **changes):
    """The result of the demo's load run, all of whose requests were answered."""
    plan = load_runs.read(DEMOS[name].request(control.listeners.statuses()))
    plan = replace(plan, scenario=replace(shortened(plan.scenario), **changes))
    number = control.load_runs.request(plan, time.time()).id
    run = eventually(
        lambda: (run := control.load_runs.by_id(number)).state in TERMINAL_STATES and run,
        2 * PATIENT_S,
    )
    assert run.state is RunState.DONE, run.message
    assert run.result["answered"] == run.result["sent"] > 0
    return run.result


def connects(result):
    """Requests that had to connect first."""
    return sum(result["phases"]["connect"]["histogram"])


def test_hello_is_answered_on_connections_that_stay(control):
    # A machine that stands still for the whole second has 100 requests waiting for the first
    # answer, and without a limit a connection for each
    result = result_of(control, "hello", max_connections=20)
    assert result["statuses"] == {"200": 100}
    assert connects(result) < 100


def test_without_keep_alive_each_request_connects(control):
    assert connects(result_of(control, "connections")) == 100


def test_the_large_file_is_among_the_static_files(control):
    result = result_of(control, "static")
    assert set(result["statuses"]) == {"200"}
    of_step = {step["name"]: step for step in result["steps"]}
    large = of_step["GET /large/primes.txt"]
    assert large["bytes_received"] >= large["answered"] * 125_921 > 0


@pytest.mark.parametrize(("name", "least_ms"), [("slow", 200), ("cpu", 20), ("burst", 10)])
def test_no_answer_comes_before_its_work_is_done(control, name, least_ms):
    result = result_of(control, name)
    assert set(result["statuses"]) == {"200"}
    assert result["latency_ms"]["p50"] >= least_ms


def test_slow_clients_take_their_time_and_are_answered(control):
    result = result_of(control, "slow-clients")
    assert set(result["statuses"]) == {"200"}
    of_step = {step["name"]: step for step in result["steps"]}
    assert of_step["POST /whoami"]["latency_ms"]["p50"] >= 2_000
    assert of_step["GET /download?kib=512"]["latency_ms"]["p50"] >= 3_990


def test_errors_are_of_the_client_and_of_the_app(control):
    statuses = result_of(control, "errors")["statuses"]
    assert set(statuses) == {"200", "404", "500"}
    assert statuses["200"] > statuses["404"] + statuses["500"]


def test_each_message_of_the_chat_is_answered(control):
    result = result_of(control, "chat")
    assert set(result["statuses"]) == {"101"}
    (messages,) = (step for step in result["steps"] if step["kind"] == "message")
    assert messages["answered"] == messages["sent"] == 3 * result["sent"]


@pytest.mark.parametrize(
    "name", [name for name, demo in DEMOS.items() if isinstance(demo, ComparisonDemo)]
)
def test_a_comparison_measures_all_models(control, dashboard, name):
    request = replace(DEMOS[name].request, seconds=0.25)
    number = comparisons.start(control, Settings(data_dir=dashboard.folder), request).id
    over = eventually(
        lambda: (found := control.comparisons.by_id(number)).is_over and found, 120, step=0.05
    )
    assert over.state is RunState.DONE, over
    assert [one.state for one in over.contenders] == ["done"] * 4
    assert all(set(one.result["statuses"]) == {"200"} for one in over.contenders)


def test_every_load_demo_has_a_test():
    tried = {
        "hello",
        "connections",
        "static",
        "slow",
        "cpu",
        "slow-clients",
        "burst",
        "errors",
        "chat",
    }
    assert tried == {name for name, demo in DEMOS.items() if isinstance(demo, LoadDemo)}

"""A worker's part on threads: what it sends, what it counts, and that two parts make one whole."""

import socket
import threading
from collections import Counter

import pytest

from servescope.load.mix import Share
from servescope.load.report import Flows
from servescope.locust_load.merging import merged
from servescope.locust_load.order import WorkersOrder
from servescope.locust_load.worker import WorkerLoad
from servescope.records.scenarios import (
    CarriedValue,
    Constant,
    DataRows,
    Flow,
    RequestStep,
    Scenario,
    Users,
    ValueSource,
)
from servescope.scenarios.scenario_file import ScenarioFile, to_toml
from tests.ports import free_port
from tests.waiting import eventually

WAIT_S = 60


def reports_of(scenario, origin, users, parts=1):
    """The last report of each worker, and all requests that they reported."""
    order = WorkersOrder(
        to_toml(ScenarioFile(scenario)),
        origin,
        "127.0.0.1",
        users,
        {str(part): part for part in range(parts)},
    )
    order = WorkersOrder.from_json(order.to_json())
    told, reports, threads = [], [], []
    for worker in order.parts:
        load = WorkerLoad(order, order.share_of(worker), told.append, reports.append)
        own = [threading.Thread(target=load.be_user, daemon=True) for _ in range(users // parts)]
        for thread in own:
            thread.start()
        load.begin(len(own))
        threads += own
    for thread in threads:
        thread.join(WAIT_S)
    assert len(reports) == parts
    return reports, told


def test_two_parts_send_what_one_would(server):
    data = DataRows(("user",), (("ada",), ("grace",), ("edsger",), ("barbara",)))
    steps = (RequestStep(target="/{user}/{n}"), RequestStep(target="/again"))
    scenario = Scenario(Constant(20, 1), (Flow(steps),), data=data)
    alone, _ = reports_of(scenario, server.origin, 4)
    once = Counter(one.path for one in server.asked)
    server.asked.clear()
    both, _ = reports_of(scenario, server.origin, 4, parts=2)
    assert Counter(one.path for one in server.asked) == once
    assert len(once) == 21
    whole, summed = (merged(scenario, one, 4, "Locust") for one in (alone, both))
    assert whole.rate_asked == summed.rate_asked == 40
    assert whole.flows == summed.flows
    assert whole.sent == summed.sent == summed.answered == 40
    assert summed.statuses == {"200": 40}


def test_a_late_worker_has_no_part():
    order = WorkersOrder("", "http://127.0.0.1:1", "127.0.0.1", 2, {"a": 0, "b": 1})
    assert order.share_of("b") == Share(1, 2)
    assert order.share_of("c") is None


def test_users_ask_again_after_their_answer(server):
    scenario = Scenario(Users(3, 0.05, 0.5), keep_alive=True)
    reports, _ = reports_of(scenario, server.origin, 3)
    result = merged(scenario, reports, 3, "Locust")
    assert result.users == len({one.client for one in server.asked}) == 3
    assert result.rate_asked is None
    assert 3 <= result.sent == len(server.asked) <= 33


def test_a_new_connection_each(server):
    scenario = Scenario(Constant(20, 0.5), keep_alive=False)
    reports_of(scenario, server.origin, 2)
    assert len({one.client for one in server.asked}) == len(server.asked) == 10


def test_head_has_no_content_and_errors_are_answers(server):
    flows = (Flow((RequestStep(method="HEAD"), RequestStep(target="/busy"))),)
    scenario = Scenario(Constant(10, 0.3), flows)
    reports, told = reports_of(scenario, server.origin, 2)
    result = merged(scenario, reports, 2, "Locust")
    assert result.statuses == {"200": 3, "503": 3}
    assert sorted(one.fault for one in told) == [
        "",
        "",
        "",
        "status 503",
        "status 503",
        "status 503",
    ]
    assert "503" in result.steps[1].examples["status_503"]


def test_a_kept_connection_that_the_server_closed_is_opened_again(server):
    scenario = Scenario(Constant(10, 0.5), (Flow((RequestStep(target="/once"),)),))
    reports, _ = reports_of(scenario, server.origin, 1)
    result = merged(scenario, reports, 1, "Locust")
    assert (result.answered, sum(result.failed.values())) == (5, 0)
    assert result.resent == 4


def failed_with(scenario, origin):
    reports, told = reports_of(scenario, origin, 2)
    result = merged(scenario, reports, 2, "Locust")
    assert all(one.fault for one in told)
    assert result.answered == 0
    return result, {kind: count for kind, count in result.failed.items() if count}


def test_nobody_listens():
    scenario = Scenario(Constant(10, 0.3))
    result, failed = failed_with(scenario, f"http://127.0.0.1:{free_port()}")
    assert failed == {"refused": 3}
    assert result.latency_ms.p50 is None
    assert result.steps[0].examples["refused"]


def test_a_timeout_is_a_lower_bound(server):
    scenario = Scenario(
        Constant(10, 0.3), (Flow((RequestStep(target="/never"),)),), timeout_seconds=0.3
    )
    result, failed = failed_with(scenario, server.origin)
    assert failed == {"timed_out": 3}
    # The third one waited for one of the two users.
    assert result.timed_out_from_ms >= 300
    assert result.latency_ms.p50 >= 300


def test_a_request_that_times_out_took_no_longer_than_the_timeout(server):
    """The one user comes to some of them when their time is over already."""
    steps = (RequestStep(target="/"), RequestStep(target="/never"))
    scenario = Scenario(Constant(45, 0.2), (Flow(steps),), timeout_seconds=0.1)
    reports, told = reports_of(scenario, server.origin, 1)
    result = merged(scenario, reports, 1, "Locust")
    assert result.failed["timed_out"] == result.flows.failed == 9
    assert result.timed_out_from_ms == 100
    assert result.latency_ms.max <= 110, "an answer may come a moment later"
    assert all(one.milliseconds <= 110 for one in told)


def test_no_http():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet():
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"SSH-2.0-server\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
        result, failed = failed_with(Scenario(Constant(1, 1)), origin)
        thread.join()
    assert failed == {"protocol": 1}
    assert "SSH-2.0" in result.steps[0].examples["protocol"]


def test_a_value_that_is_missing_fails_the_next_step(server):
    carried = CarriedValue("token", ValueSource.JSON_POINTER, "/session/none")
    steps = (RequestStep(carried=(carried,)), RequestStep(target="/{token}"))
    scenario = Scenario(Constant(10, 0.2), (Flow(steps),))
    reports, _ = reports_of(scenario, server.origin, 1)
    result = merged(scenario, reports, 1, "Locust")
    assert (result.answered, result.failed["value"]) == (2, 2)
    assert result.flows.failed == 2
    assert "/session/none" in result.steps[1].examples["value"]


def test_what_is_under_way_when_a_test_is_stopped_is_given_up(server):
    scenario = Scenario(Constant(10, 30), (Flow((RequestStep(target="/never"),)),))
    order = WorkersOrder(to_toml(ScenarioFile(scenario)), server.origin, "127.0.0.1", 1, {"a": 0})
    reports = []
    load = WorkerLoad(order, Share(), lambda _: None, reports.append)
    threading.Thread(target=load.be_user, daemon=True).start()
    load.begin(1)
    eventually(lambda: server.asked)
    load.finish(stopped=True)
    load.finish(stopped=False)
    result = merged(scenario, reports, 1, "Locust")
    assert (result.sent, result.cancelled, result.answered) == (1, 1, 0)
    assert result.stopped
    assert result.flows == Flows(started=1, completed=0, failed=0, cancelled=1)


@pytest.mark.parametrize("parts", [1, 3])
def test_shares_are_disjoint_and_complete(parts):
    scenario = Scenario(Constant(50, 1))
    order = WorkersOrder(to_toml(ScenarioFile(scenario)), "http://h:1", "127.0.0.1", 3)
    loads = [
        WorkerLoad(order, Share(part, parts), lambda _: None, lambda _: None)
        for part in range(parts)
    ]
    due = sorted(arrival for load in loads for arrival in load._arrivals)
    assert [due_ns for due_ns, _ in due] == [number * 20_000_000 for number in range(50)]

"""The closed model: users who wait for their answer, on a connection each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from servescope.errors import LoadRefusedError
from servescope.load.report import Flows, LoadModel
from servescope.records.load import LoadPlan
from servescope.records.scenarios import Flow, RequestStep, Scenario, Users

from .conftest import OK, Outcome, TinyServer
from .test_loop import NOTHING_FAILED, all_failed
from .test_phases import check_law

pytestmark = pytest.mark.real_time

Serve = Callable[..., TinyServer]
Run = Callable[[LoadPlan, int], Outcome]


def plan_of(
    users: int, think_seconds: float, seconds: float, *steps: RequestStep, **options: object
) -> LoadPlan:
    flows = (Flow(steps or (RequestStep(),)),)
    return LoadPlan("files", Scenario(Users(users, think_seconds, seconds), flows, **options))


def answers_after(seconds: float) -> Callable[[TinyServer, int], bytes]:
    def behave(server: TinyServer, _number: int) -> bytes:
        server.ending.wait(seconds)
        return OK

    return behave


def test_users_keep_their_connections_and_think(serve: Serve, run_plan: Run) -> None:
    server = serve(answers_after(0.02))
    outcome = run_plan(plan_of(4, 0.08, 1.0), server.port)
    result = outcome.result
    assert (result.model, result.users, result.rate_asked) == (LoadModel.CLOSED, 4, None)
    assert outcome.progress[0].model is LoadModel.CLOSED
    assert result.failed == NOTHING_FAILED
    assert server.connections == 4
    assert 20 <= result.sent <= 41  # a flow of a user takes 100 ms at least
    assert result.flows == Flows(result.sent, result.sent, 0, 0)
    assert result.seconds >= 1.0
    assert result.latency_ms.p50 >= 20
    check_law(result)


def test_no_user_waits_for_another(serve: Serve, run_plan: Run) -> None:
    result = run_plan(plan_of(3, 0.0, 0.4), serve(answers_after(0.1)).port).result
    assert 6 <= result.sent <= 12
    # The time to connect is in it, that in a queue is not: no request waits for its turn.
    assert result.latency_ms.max < 300
    assert result.blocked == 0


def test_a_flow_of_a_user_has_steps_too(serve: Serve, run_plan: Run) -> None:
    steps = (RequestStep(target="/1"), RequestStep(target="/2"))
    result = run_plan(plan_of(2, 0.05, 0.3, *steps), serve().port).result
    first, second = result.steps
    assert first.answered == second.answered == result.flows.completed > 4


def test_one_connection_each_when_not_kept_alive(serve: Serve, run_plan: Run) -> None:
    server = serve()
    result = run_plan(plan_of(2, 0.02, 0.3, keep_alive=False), server.port).result
    assert result.answered == server.connections == server.requests > 4


def test_connections_that_the_server_closes_are_replaced(serve: Serve, run_plan: Run) -> None:
    server = serve(closes=True)  # without announcing it
    result = run_plan(plan_of(2, 0.05, 0.3), server.port).result
    assert result.failed == NOTHING_FAILED
    assert result.answered == server.requests > 4


def test_users_go_on_after_a_failure(serve: Serve, run_plan: Run) -> None:
    server = serve(lambda *_: None)
    result = run_plan(plan_of(2, 0.05, 0.3), server.port).result
    assert result.failed == all_failed("reset", result.sent)
    assert result.sent == server.requests > 4


def test_more_users_than_connections_are_refused(run_plan: Run) -> None:
    with pytest.raises(LoadRefusedError, match="each of the 3 users has a connection of its own"):
        run_plan(plan_of(3, 0.0, 0.3, max_connections=2), 9)

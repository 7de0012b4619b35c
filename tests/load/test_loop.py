"""The open model against real sockets: exact counts, honest latencies, every way to fail."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from servescope.records.load import LoadOutcome, LoadPlan
from servescope.request_fields import Method, RequestFlag
from tests.ports import free_port

from .conftest import OK, Outcome, TinyServer, never_answers

pytestmark = pytest.mark.real_time

plan_of = partial(LoadPlan.constant, listener="files", target="/a?b=c", rate=800, seconds=0.25)
Serve = Callable[..., TinyServer]
Run = Callable[[LoadPlan, int], Outcome]
NOTHING_FAILED = {outcome.name.lower(): 0 for outcome in LoadOutcome if outcome}
BY_KIND = {"refused": 1, "reset": 2, "timed_out": 3, "protocol": 4}


def all_failed(kind: str, count: int) -> dict[str, int]:
    return {**NOTHING_FAILED, kind: count}


def test_every_request_is_sent_and_counted_once(serve: Serve, run_plan: Run) -> None:
    server = serve()
    outcome = run_plan(plan_of(max_connections=20), server.port)
    result = outcome.result
    assert (result.sent, result.answered, server.requests) == (200, 200, 200)
    assert result.failed == NOTHING_FAILED
    assert (result.statuses, result.status_classes) == ({"200": 200}, {"2xx": 200})
    assert result.bytes_received == 200 * len(OK)
    assert sum(result.histogram) == 200
    assert result.cancelled == result.resent == 0
    assert server.last_request.startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert server.connections <= 20  # kept alive


def test_each_request_is_recorded_in_the_ring(serve: Serve, run_plan: Run) -> None:
    before = time.time_ns()
    outcome = run_plan(plan_of(rate=200), serve().port)
    records, result = outcome.records, outcome.result
    assert len(records) == 50
    assert {outcome.listeners[number] for number in records["listener"]} == {"files"}
    assert {outcome.routes[number] for number in records["route"]} == {"/a"}
    assert set(records["method"]) == {Method.GET}
    assert set(records["protocol"]) == {LoadOutcome.ANSWERED}
    assert set(records["status"]) == {200}
    assert set(records["bytes_received"]) == {len(OK)}
    assert (records["end_ns"] >= before).all()
    assert (records["end_ns"] <= time.time_ns()).all()
    latency, naive, connect = (records["stages_ns"][:, stage] for stage in range(3))
    assert (latency >= naive).all()
    assert (naive > 0).all()
    assert float(latency.max()) / 1e6 == pytest.approx(result.latency_ms.max, rel=1e-6)
    is_new = (records["flags"] & RequestFlag.NEW_CONNECTION) != 0
    assert is_new[0]
    assert not is_new.all()
    assert (connect[is_new] > 0).all()
    assert (connect[~is_new] == 0).all()


def test_stall_shows_from_the_intended_time_and_hides_from_the_naive_one(
    serve: Serve, run_plan: Run
) -> None:
    def stalls_once(server: TinyServer, number: int) -> bytes:
        if number == 15:
            server.ending.wait(1.0)
        return OK

    plan = plan_of(rate=50, seconds=2.0, max_connections=1)
    outcome = run_plan(plan, serve(stalls_once).port)
    latency, naive = outcome.result.latency_ms, outcome.result.naive_ms
    assert outcome.result.answered == 100
    # 50 requests came due in that second; the second slowest waited from 20 ms after its start.
    assert 960 <= latency.p99 <= 1_200
    assert latency.p90 >= 750
    assert naive.p99 < 200
    assert naive.max >= 990
    assert outcome.result.lag_ms.p99 < 100  # it was the server, not the generator


def test_naive_latency_is_the_time_the_server_took(serve: Serve, run_plan: Run) -> None:
    def answers_late(server: TinyServer, _number: int) -> bytes:
        server.ending.wait(0.05)
        return OK

    result = run_plan(plan_of(rate=120), serve(answers_late).port).result
    assert 50 <= result.naive_ms.p50 <= 70
    assert result.latency_ms.p50 >= result.naive_ms.p50


def test_one_connection_each_when_not_kept_alive(serve: Serve, run_plan: Run) -> None:
    server = serve()
    outcome = run_plan(plan_of(keep_alive=False), server.port)
    assert outcome.result.answered == server.connections == server.requests == 200
    assert b"\r\nConnection: close" in server.last_request
    assert ((outcome.records["flags"] & RequestFlag.NEW_CONNECTION) != 0).all()


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end",
    ],
)
def test_server_that_closes_after_each_response(
    serve: Serve, run_plan: Run, response: bytes
) -> None:
    server = serve(lambda *_: response, closes=True)
    result = run_plan(plan_of(), server.port).result
    assert result.answered == server.connections == 200
    assert result.failed == NOTHING_FAILED
    assert result.bytes_received == 200 * len(response)


def test_connection_closed_while_idle_is_replaced(serve: Serve, run_plan: Run) -> None:
    server = serve(closes=True)  # without announcing it
    result = run_plan(plan_of(rate=100), server.port).result
    assert result.answered == server.requests == 25
    assert result.failed == NOTHING_FAILED


def test_reused_connection_that_breaks_costs_one_more_try_and_counts_once(
    serve: Serve, run_plan: Run
) -> None:
    server = serve(lambda _, number: OK if number == 1 else None)
    result = run_plan(plan_of(rate=200, max_connections=1), server.port).result
    assert (result.sent, result.answered, result.failed) == (50, 50, NOTHING_FAILED)
    assert result.resent == 49
    assert server.requests == 50 + 49


def test_response_that_breaks_off_is_not_tried_again(serve: Serve, run_plan: Run) -> None:
    def breaks_off(server: TinyServer, number: int) -> bytes:
        server.closes = number > 1
        return OK if number == 1 else OK[:-1]

    server = serve(breaks_off)
    result = run_plan(plan_of(rate=40, max_connections=1), server.port).result
    assert result.sent == server.requests == 10
    assert (result.answered, result.failed) == (5, all_failed("reset", 5))
    assert result.resent == 0


@pytest.mark.parametrize(
    ("kind", "behaviour", "options"),
    [
        ("reset", lambda *_: None, {"resets": True}),
        ("reset", lambda *_: None, {}),
        ("protocol", lambda *_: b"\x00\x01 not HTTP\r\n", {}),
        ("protocol", lambda *_: b"HTTP/1.1 101 Switching Protocols\r\n\r\n", {}),
    ],
)
def test_failures_by_kind(
    serve: Serve, run_plan: Run, kind: str, behaviour: Any, options: dict[str, bool]
) -> None:
    server = serve(behaviour, **options)
    outcome = run_plan(plan_of(), server.port)
    assert (outcome.result.sent, outcome.result.answered, server.requests) == (200, 0, 200)
    assert outcome.result.failed == all_failed(kind, 200)
    assert outcome.result.resent == 0
    assert outcome.result.latency_ms.p50 is None
    assert set(outcome.records["protocol"]) == {BY_KIND[kind]}


def test_nobody_listens(run_plan: Run) -> None:
    outcome = run_plan(plan_of(), free_port())
    assert outcome.result.failed == all_failed("refused", 200)
    assert set(outcome.records["bytes_sent"]) == {0}


def test_server_that_never_answers_times_out_from_the_intended_time(
    serve: Serve, run_plan: Run
) -> None:
    server = serve(never_answers)
    outcome = run_plan(plan_of(rate=120, timeout_seconds=0.2), server.port)
    result = outcome.result
    assert result.failed == all_failed("timed_out", 30)
    assert server.requests == 30
    assert 200 <= result.latency_ms.p50 <= result.latency_ms.max <= 400
    assert ((outcome.records["flags"] & RequestFlag.TIMED_OUT) != 0).all()


def test_requests_without_a_connection_wait_and_time_out(serve: Serve, run_plan: Run) -> None:
    server = serve(never_answers)
    plan = plan_of(rate=1_200, timeout_seconds=0.1, max_connections=2)
    outcome = run_plan(plan, server.port)
    assert outcome.result.failed == all_failed("timed_out", 300)
    assert outcome.connections <= 2
    never_sent = outcome.records["stages_ns"][:, 1] == 0
    assert 0 < never_sent.sum() < 300
    assert ((outcome.records["bytes_sent"] == 0) == never_sent).all()
    assert server.requests <= (~never_sent).sum()


def test_responses_other_than_200_are_answers(serve: Serve, run_plan: Run) -> None:
    def every_fourth_fails(_server: TinyServer, number: int) -> bytes:
        status = b"404 Not Found" if number % 4 else b"503 Busy"
        return b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"

    server = serve(every_fourth_fails)
    result = run_plan(plan_of(max_connections=1), server.port).result
    assert result.statuses == {"404": 150, "503": 50}
    assert result.status_classes == {"4xx": 150, "5xx": 50}
    assert result.answered == 200


def test_progress_adds_up(serve: Serve, run_plan: Run) -> None:
    ticks = run_plan(plan_of(rate=150, seconds=1.2), serve().port).progress
    assert len(ticks) == 2  # at the start, and after a second
    for tick in ticks:
        assert tick.sent == tick.answered + sum(tick.failed.values()) + tick.in_flight
        assert tick.statuses == ({"200": tick.answered} if tick.answered else {})
        assert (tick.awaited_for_ms is None) == (tick.in_flight == 0)
    assert ticks[0].sent == 0
    assert ticks[0].p99_ms is None
    assert ticks[0].p99_over_s is None
    assert 145 <= ticks[1].sent <= 151
    assert ticks[1].elapsed_s == ticks[1].p99_over_s == pytest.approx(1.0, abs=0.2)
    assert ticks[1].p99_ms >= ticks[1].naive_p99_ms > 0


def test_requests_in_flight_are_counted_all_the_time(serve: Serve, run_plan: Run) -> None:
    def answers_late(server: TinyServer, _number: int) -> bytes:
        server.ending.wait(0.2)
        return OK

    alone = run_plan(plan_of(rate=20, seconds=1.2), serve().port).result
    assert 0 < alone.in_flight_mean < 0.5, "each is answered long before the next one is due"
    # Whether they wait for the server or for a connection.
    for connections in (4, 100):
        plan = plan_of(rate=50, seconds=1, max_connections=connections)
        many = run_plan(plan, serve(answers_late).port).result
        by_littles_law = many.sent / many.seconds * many.latency_ms.mean / 1000
        assert by_littles_law > 5
        assert many.in_flight_mean == pytest.approx(by_littles_law, abs=1)


def test_progress_says_how_long_the_oldest_request_is_awaited(serve: Serve, run_plan: Run) -> None:
    silent = serve(never_answers)
    for connections in (1, 100):  # most wait for a connection, or all have one
        plan = plan_of(rate=20, seconds=1.2, timeout_seconds=1.6, max_connections=connections)
        first, second, *_ = run_plan(plan, silent.port).progress
        assert (first.in_flight, first.awaited_for_ms) == (0, None)
        assert 19 <= second.in_flight == second.sent <= 21
        assert second.awaited_for_ms == pytest.approx(1000 * second.elapsed_s, abs=1)
        assert second.awaited_p99_ms is None, "20 came due, of which there is no p99"
        assert second.waiting == (second.in_flight - 1 if connections == 1 else 0)


def test_awaited_requests_prove_the_p99_of_those_that_came_due(serve: Serve, run_plan: Run) -> None:
    silent = serve(never_answers)
    for connections in (1, 400):  # most wait for a connection, or all have one
        plan = plan_of(rate=200, seconds=1.2, timeout_seconds=1.6, max_connections=connections)
        first, second, *_ = run_plan(plan, silent.port).progress
        assert first.awaited_p99_ms is None
        assert second.p99_ms is None, "none has ended"
        late = 0.01 * second.sent  # which may take less than the p99
        expected_ms = second.awaited_for_ms - 1000 * late / 200
        assert second.awaited_p99_ms == pytest.approx(expected_ms, abs=10)


def test_high_rate_is_exact_too(serve: Serve, run_plan: Run) -> None:
    server = serve()
    result = run_plan(plan_of(rate=4_000), server.port).result
    assert result.sent == result.answered == server.requests == 1_000

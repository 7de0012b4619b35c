"""Mixes and flows on real sockets: what is sent, what is carried over, what ends a flow."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import pytest

from servescope.load.report import Flows, StepKind
from servescope.records.load import LoadPlan
from servescope.records.scenarios import (
    BodyKind,
    CarriedValue,
    Constant,
    DataRows,
    Flow,
    RequestStep,
    Scenario,
    ValueSource,
)
from servescope.scenarios.checks import check_scenario

from .conftest import OK, Outcome, TinyServer
from .test_loop import NOTHING_FAILED, all_failed

pytestmark = pytest.mark.real_time

Serve = Callable[..., TinyServer]
Run = Callable[[LoadPlan, int], Outcome]
LOGIN = RequestStep(
    "log in",
    "POST",
    "/login",
    body='{"user": "{user}"}',
    body_kind=BodyKind.JSON,
    carried=(
        CarriedValue("token", ValueSource.JSON_POINTER, "/token"),
        CarriedValue("etag", ValueSource.HEADER, "etag"),
    ),
)
BUY = RequestStep("", "GET", "/buy/{n}?t={token}", (("X-Tag", "{etag}"),))


def plan_of(*flows: Flow, rate: float = 100, seconds: float = 0.3, **options: object) -> LoadPlan:
    scenario = Scenario(Constant(rate, seconds), flows, **options)
    check_scenario(scenario, 10_000, 100)
    return LoadPlan("files", scenario)


def answer(content: object, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    body = json.dumps(content).encode()
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_a_slow_client_sends_its_request_part_by_part(serve: Serve, run_plan: Run) -> None:
    server = serve()
    slow = RequestStep(method="POST", target="/form", body="x" * 1_000, send_seconds=0.2)
    result = run_plan(plan_of(Flow((slow,)), rate=20), server.port).result
    assert (result.answered, result.failed) == (6, NOTHING_FAILED)
    assert all(request.endswith(b"x" * 1_000) for request in server.seen)
    assert result.latency_ms.p50 is not None
    assert result.latency_ms.p50 >= 199
    assert result.phases["send"].seconds >= 6 * 0.199


def test_a_slow_client_that_is_answered_early_sends_no_more(serve: Serve, run_plan: Run) -> None:
    server = serve(reads_whole=False)
    slow = RequestStep(method="POST", target="/form", body="x" * 10_000, send_seconds=10)
    result = run_plan(plan_of(Flow((slow,)), rate=20), server.port).result
    assert (result.answered, result.failed) == (6, NOTHING_FAILED)
    assert server.connections == 6
    assert result.seconds < 5


def test_weighted_flows_get_their_share(serve: Serve, run_plan: Run) -> None:
    server = serve()
    often = Flow((RequestStep(target="/often"),), weight=3)
    rarely = Flow((RequestStep("the rare one", target="/rarely"),), weight=1)
    result = run_plan(plan_of(often, rarely, rate=400, seconds=1.0), server.port).result
    steps = {step.name: step for step in result.steps}
    assert list(steps) == ["GET /often", "the rare one"]
    assert sum(step.answered for step in result.steps) == result.answered == 400
    assert 240 <= steps["GET /often"].answered <= 360
    targets = Counter(request.split(b" ")[1] for request in server.seen)
    assert targets == {b"/often": steps["GET /often"].sent, b"/rarely": steps["the rare one"].sent}


@pytest.mark.parametrize(
    ("kind", "body", "sent"),
    [
        (BodyKind.TEXT, "a={n}", b"text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\na=1"),
        (BodyKind.JSON, '{"a": {n}}', b'application/json\r\nContent-Length: 8\r\n\r\n{"a": 1}'),
        (
            BodyKind.FORM,
            "q={q}",
            b"application/x-www-form-urlencoded\r\nContent-Length: 8\r\n\r\nq=%C3%A4",
        ),
    ],
)
def test_bodies(serve: Serve, run_plan: Run, kind: BodyKind, body: str, sent: bytes) -> None:
    server = serve()
    step = RequestStep(method="PUT", target="/{q}", body=body, body_kind=kind)
    plan = plan_of(Flow((step,)), rate=10, seconds=0.1, data=DataRows(("q",), (("ä",),)))
    result = run_plan(plan, server.port).result
    assert result.answered == 1
    assert server.last_request.startswith(b"PUT /%C3%A4 HTTP/1.1\r\n")
    assert server.last_request.endswith(b"\r\nContent-Type: " + sent)


def test_head_has_no_content_and_keeps_its_connection(serve: Serve, run_plan: Run) -> None:
    server = serve(lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    flow = Flow((RequestStep(method="HEAD"),))
    result = run_plan(plan_of(flow, rate=50, max_connections=1), server.port).result
    assert (result.answered, server.connections, result.failed) == (15, 1, NOTHING_FAILED)


def test_a_flow_follows_the_location_of_an_answer(serve: Serve, run_plan: Run) -> None:
    server = serve(lambda *_: answer({}, b"Location: /notes/7?from=a/b", status=b"201 Created"))
    flow = Flow(
        (
            RequestStep(carried=(CarriedValue("note", ValueSource.HEADER, "Location"),)),
            RequestStep(target="{note}"),
        )
    )
    result = run_plan(plan_of(flow, rate=10, seconds=0.1), server.port).result
    assert result.answered == 2
    assert server.last_request.startswith(b"GET /notes/7?from=a/b HTTP/1.1\r\n")


def test_each_flow_takes_the_next_row_and_each_request_the_next_number(
    serve: Serve, run_plan: Run
) -> None:
    server = serve()
    flow = Flow((RequestStep(target="/{n}/{who}"),))
    data = DataRows(("who",), (("ann",), ("bob",)))
    run_plan(plan_of(flow, rate=50, seconds=0.1, max_connections=1, data=data), server.port)
    targets = [request.split(b" ")[1] for request in server.seen]
    assert targets == [b"/1/ann", b"/2/bob", b"/3/ann", b"/4/bob", b"/5/ann"]


def shop(server: TinyServer, _number: int) -> bytes:
    if b"/login" in server.request:
        return answer({"token": "a b"}, b'ETag: "7"', b"Set-Cookie: sid=42; Path=/")
    return OK


def test_a_flow_carries_values_and_cookies_from_step_to_step(serve: Serve, run_plan: Run) -> None:
    server = serve(shop)
    flow = Flow((LOGIN, BUY), cookies=True)
    data = DataRows(("user",), (("ann",),))
    plan = plan_of(flow, rate=20, seconds=0.25, max_connections=1, data=data)
    outcome = run_plan(plan, server.port)
    result = outcome.result
    assert result.flows == Flows(5, 5, 0, 0)
    assert (result.sent, result.answered, result.requests_per_flow) == (10, 10, 2.0)
    assert result.rate_asked == 40.0
    assert [step.answered for step in result.steps] == [5, 5]
    first, second = server.seen[:2]
    assert first.endswith(b'\r\n\r\n{"user": "ann"}')
    assert b"Cookie" not in first  # it is another client than the one before
    assert second.startswith(b"GET /buy/1?t=a%20b HTTP/1.1\r\n")
    assert b'\r\nX-Tag: "7"\r\n' in second
    assert b"\r\nCookie: sid=42\r\n" in second
    assert b"Cookie" not in server.seen[2]
    assert set(outcome.routes.values()) >= {"/login", "/buy/{n}"}


def test_a_later_step_counts_from_the_end_of_the_one_before(serve: Serve, run_plan: Run) -> None:
    def slow_login(server: TinyServer, number: int) -> bytes:
        if b"/login" in server.request:
            server.ending.wait(0.1)
        return shop(server, number)

    data = DataRows(("user",), (("ann",),))
    plan = plan_of(Flow((LOGIN, BUY)), rate=10, seconds=0.5, data=data)
    result = run_plan(plan, serve(slow_login).port).result
    login, buy = result.steps
    assert login.latency_ms.p50 >= 100
    assert buy.latency_ms.p50 < 100


def test_a_missing_value_ends_the_flow_with_a_sentence(serve: Serve, run_plan: Run) -> None:
    server = serve(lambda *_: answer({"tocken": 1}, b"ETag: x"))
    data = DataRows(("user",), (("ann",),))
    plan = plan_of(Flow((LOGIN, BUY)), rate=20, seconds=0.25, data=data)
    outcome = run_plan(plan, server.port)
    result = outcome.result
    assert (result.sent, result.answered, server.requests) == (10, 5, 5)
    assert result.failed == all_failed("value", 5)
    assert result.flows == Flows(5, 0, 5, 0)
    sentence = "the answer to log in (status 200) has no value at the JSON pointer '/token'"
    assert result.steps[1].examples == {"value": sentence}
    assert outcome.progress[0].flows == Flows(0, 0, 0, 0)


def test_a_value_that_cannot_stand_in_its_place_ends_the_flow(serve: Serve, run_plan: Run) -> None:
    step = RequestStep(
        carried=(CarriedValue("token", ValueSource.JSON_POINTER, "/token"),), target="/a"
    )
    server = serve(lambda *_: answer({"token": "a\r\nX: y"}))
    plan = plan_of(Flow((step, RequestStep(headers=(("X-T", "{token}"),)))), rate=10, seconds=0.1)
    result = run_plan(plan, server.port).result
    assert (result.answered, server.requests, result.failed) == (1, 1, all_failed("value", 1))
    assert "may not hold '\\r'" in result.steps[1].examples["value"]


def test_a_step_that_fails_ends_its_flow(serve: Serve, run_plan: Run) -> None:
    server = serve(lambda *_: None)
    first, second = RequestStep(target="/1"), RequestStep(target="/2")
    result = run_plan(plan_of(Flow((first, second)), rate=50, seconds=0.1), server.port).result
    assert result.failed == all_failed("reset", 5)
    assert [step.sent for step in result.steps] == [5, 0]
    assert result.flows == Flows(5, 0, 5, 0)


@pytest.mark.parametrize(
    ("method", "failed", "resent"), [("PUT", 0, 9), ("POST", 9, 0), ("PATCH", 9, 0)]
)
def test_only_an_idempotent_request_is_sent_again(
    serve: Serve, run_plan: Run, method: str, failed: int, resent: int
) -> None:
    flow = Flow((RequestStep(method=method, body="x"),))
    plan = plan_of(flow, rate=100, seconds=0.1 if resent else 0.18, max_connections=1)
    result = run_plan(plan, serve(lambda _, number: OK if number == 1 else None).port).result
    assert result.failed == (all_failed("reset", failed) if failed else NOTHING_FAILED)
    assert result.resent == resent


def test_error_statuses_are_answers_with_an_example_each(serve: Serve, run_plan: Run) -> None:
    def errs(server: TinyServer, _number: int) -> bytes:
        if b"/a" in server.request:
            return answer("no such thing", status=b"404 Not Found")
        return answer("x" * 10_000, status=b"500 Oh\x01 no")

    steps = [Flow((RequestStep(target=target),)) for target in ("/a", "/b")]
    result = run_plan(plan_of(*steps, rate=200), serve(errs).port).result
    assert result.failed == NOTHING_FAILED
    first, second = result.steps
    assert first.examples == {"status_404": 'HTTP/1.1 404 Not Found … "no such thing"'}
    assert second.examples["status_500"].startswith("HTTP/1.1 500 Oh� no")
    assert len(second.examples["status_500"]) <= 300
    assert (first.kind, second.statuses) == (StepKind.REQUEST, {"500": second.answered})


@pytest.mark.parametrize(
    ("behaviour", "kind", "words"),
    [
        (lambda *_: b"SSH-2.0-OpenSSH_9.2\r\n", "protocol", "SSH-2.0-OpenSSH_9.2"),
        (lambda *_: None, "reset", "the connection ended before a whole answer"),
    ],
)
def test_failures_have_an_example_each(
    serve: Serve, run_plan: Run, behaviour: Callable[..., bytes | None], kind: str, words: str
) -> None:
    result = run_plan(plan_of(Flow((RequestStep(),))), serve(behaviour).port).result
    assert result.failed == all_failed(kind, 30)
    assert words in result.steps[0].examples[kind]

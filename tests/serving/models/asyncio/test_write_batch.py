"""Responses that are written together: the batch by itself, and on a loop over real sockets.

On the loop each response that may be held is held, however late it comes.
"""

from __future__ import annotations

import socket
import struct
import time
from contextlib import ExitStack

import pytest

from servescope import catalog
from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.records.requests import Stage
from servescope.request_fields import RequestFlag
from servescope.serving.models.asyncio import loop as loop_module
from servescope.serving.models.asyncio import write_batch
from servescope.serving.models.asyncio.output import LOW_WATER
from servescope.serving.models.asyncio.write_batch import CLOSE_NS, LONGEST_NS, WriteBatch
from tests.serving.models.asyncio import looking_app
from tests.serving.models.asyncio.held_loop import held
from tests.serving.raw_client import CLOSING, GET, connect, exchange, gauge, read_responses

BEGIN_NS = 10**12
WORK_NS = 5_000_000
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: the close is a reset


class Loop:
    """The calls for the end of the turn."""

    def __init__(self):
        self.calls = []

    def call_soon(self, call):
        self.calls.append(call)

    def end_turn(self):
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Held:
    """A response that counts how often it was written."""

    def __init__(self):
        self.writes = 0

    def write_held(self):
        self.writes += 1


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def batch(loop):
    batch, first = WriteBatch(loop.call_soon), Held()
    assert not batch.take(first, BEGIN_NS)  # the first after a pause
    yield batch
    assert not first.writes


def test_a_response_that_follows_closely_is_written_when_the_turn_is_over(loop, batch):
    responses = [Held() for _ in range(3)]
    for number, response in enumerate(responses, 1):
        assert batch.take(response, BEGIN_NS + number * (CLOSE_NS - 1))
    assert len(loop.calls) == 1
    assert [response.writes for response in responses] == [0, 0, 0]
    loop.end_turn()
    assert [response.writes for response in responses] == [1, 1, 1]


def test_a_response_after_a_pause_leaves_at_once(loop, batch):
    assert not batch.take(Held(), BEGIN_NS + CLOSE_NS)
    assert not loop.calls


def test_the_next_response_on_the_same_connection_leaves_at_once(loop, batch):
    alone = Held()
    assert batch.take(alone, BEGIN_NS + 1)
    loop.end_turn()
    assert not batch.take(alone, BEGIN_NS + 2)
    assert not loop.calls


def test_each_turn_writes_its_own(loop, batch):
    first, second = Held(), Held()
    assert batch.take(first, BEGIN_NS + 1)
    loop.end_turn()
    assert batch.take(second, BEGIN_NS + 2)
    loop.end_turn()
    assert (first.writes, second.writes) == (1, 1)


@pytest.mark.parametrize("pause_ns", [CLOSE_NS - 1, CLOSE_NS], ids=["held itself", "not held"])
def test_the_response_after_the_longest_time_ends_the_batch(loop, batch, pause_ns):
    first, last = Held(), Held()
    ready_ns = BEGIN_NS + 1
    assert batch.take(first, ready_ns)
    while ready_ns < BEGIN_NS + LONGEST_NS:
        assert not batch.is_due
        ready_ns += CLOSE_NS - 1
        assert batch.take(Held(), ready_ns)
    ready_ns += pause_ns
    is_held = batch.take(last, ready_ns)
    assert is_held is (pause_ns < CLOSE_NS)
    assert batch.is_due
    batch.write()
    assert (first.writes, last.writes) == (1, int(is_held))
    assert not batch.is_due
    loop.end_turn()
    assert (first.writes, last.writes) == (1, int(is_held))


@pytest.fixture(params=["uvloop", "asyncio"])
def _each_loop(request, monkeypatch):
    if request.param == "asyncio":
        monkeypatch.setattr(loop_module, "find_spec", lambda _name: None)
    else:
        pytest.importorskip("uvloop")


@pytest.fixture
def listener(bench, monkeypatch, _each_loop):
    """A listener whose loop holds each response that may be held."""
    monkeypatch.setattr(write_batch, "CLOSE_NS", 1 << 62)
    monkeypatch.setattr(write_batch, "LONGEST_NS", 1 << 62)
    for name in ("before", "after", "body"):
        monkeypatch.setattr(looking_app, name, getattr(looking_app, name))
    return bench.start(f"{looking_app.__name__}:app", AppKind.ASGI, model=ConcurrencyModel.ASYNCIO)


def count_held(listener):
    return sum(bool(connection.output.held) for connection in listener._model._connections)


def ask_in_one_turn(listener, wait_until, clients, data=GET):
    """Have all clients' requests arrive before the loop looks."""
    wait_until(lambda: gauge(listener, catalog.OPEN_CONNECTIONS) == len(clients), "the clients")
    with held(listener):
        for client in clients:
            client.sendall(data)


def test_requests_of_one_turn_are_answered_before_their_responses_leave(
    listener, bench, wait_until
):
    seen = []

    def work():
        seen.append(count_held(listener))
        time.sleep(WORK_NS / 1e9)

    looking_app.before = work
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(listener)) for _ in range(5)]
        ask_in_one_turn(listener, wait_until, clients)
        assert [read_responses(client, 1) for client in clients] == [[(200, b"seen")]] * 5
        assert seen == [0, 1, 2, 3, 4]
        stages_ns = bench.records(5)["stages_ns"]
    writes_ns = sorted(stages_ns[:, Stage.WRITE])
    assert all(
        write_ns >= number * WORK_NS for number, write_ns in enumerate(writes_ns)
    )  # its wait for those behind it
    assert (stages_ns[:, Stage.APP] >= WORK_NS).all()


def test_pipelined_requests_are_answered_in_order(listener, bench):
    with connect(listener) as client, connect(listener) as other:
        for _ in range(3):
            client.sendall(GET * 4)
            other.sendall(GET)
            assert read_responses(client, 4) == [(200, b"seen")] * 4
            assert read_responses(other, 1) == [(200, b"seen")]
    bench.records(15)


def test_a_response_that_ends_its_connection_leaves_at_once(listener, bench):
    seen = []
    looking_app.after = lambda: seen.append(count_held(listener))
    assert exchange(listener, CLOSING).endswith(b"\r\n\r\nseen")
    assert seen == [0]
    bench.records(1)


def test_the_refusal_of_a_body_is_no_failure_of_the_app(listener, bench):
    data = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    assert exchange(listener, data).startswith(b"HTTP/1.1 400 ")
    [record] = bench.records(1)
    assert not record["flags"] & RequestFlag.APP_ERROR


def test_an_app_that_raises_behind_its_response_is_recorded_as_failed(listener, bench, caplog):
    looking_app.after = lambda: 1 / 0
    with connect(listener) as client:
        client.sendall(GET)
        assert read_responses(client, 1) == [(200, b"seen")]
        assert "ZeroDivisionError" in caplog.text
        [record] = bench.records(1)
        assert record["flags"] & RequestFlag.APP_ERROR
        looking_app.after = looking_app.before
        client.sendall(GET)
        assert read_responses(client, 1) == [(200, b"seen")]


def test_a_client_that_is_reset_before_its_response_leaves_costs_its_connection_only(
    listener, bench, wait_until
):
    with connect(listener) as leaving, connect(listener) as staying:

        def leave():
            leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            leaving.close()

        looking_app.after = leave
        ask_in_one_turn(listener, wait_until, [leaving, staying])
        assert read_responses(staying, 1) == [(200, b"seen")]
        wait_until(lambda: gauge(listener, catalog.OPEN_CONNECTIONS) == 1, "the close")
    flags = bench.records(2)["flags"]
    assert sorted(bool(each & RequestFlag.ABORTED) for each in flags) == [False, True]


def test_a_held_response_is_in_the_stage_write(listener, bench):
    seen = []
    looking_app.after = lambda: seen.extend(each.stage for each in listener._model._connections)
    with connect(listener) as client:
        client.sendall(GET)
        assert read_responses(client, 1) == [(200, b"seen")]
    assert [stage.name for stage in seen] == ["WRITE"]
    bench.records(1)


def test_a_long_response_leaves_at_once(listener, bench, wait_until):
    seen = []
    looking_app.body = b"x" * LOW_WATER
    looking_app.after = lambda: seen.append(count_held(listener))
    with connect(listener) as client:
        client.sendall(GET)
        assert read_responses(client, 1) == [(200, looking_app.body)]
        wait_until(lambda: seen == [0], "the end of the call")
    bench.records(1)


def test_a_deadline_that_passes_meanwhile_costs_no_response(listener, bench):
    def expire():
        for connection in listener._model._connections:
            connection.expire()

    looking_app.after = expire
    with connect(listener) as client:
        client.sendall(GET)
        assert read_responses(client, 1) == [(200, b"seen")]
    [record] = bench.records(1)
    assert not record["flags"] & RequestFlag.TIMED_OUT

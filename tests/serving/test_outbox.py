"""Responses that are ready close to one another leave together, soon, and once."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from time import perf_counter_ns
from typing import TYPE_CHECKING

import pytest

from servescope.records import AppKind, ConcurrencyModel
from servescope.serving import loop_output, outbox
from servescope.serving.outbox import CLOSE_NS, LONGEST_NS, Outbox
from tests.serving import asgi_apps_for_listeners
from tests.serving.raw_client import GET, asking, connect, read_responses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW_NS = 1_000_000
FOREVER_NS = 10**12


class Told:
    """A sender that notes what it is told."""

    def __init__(self, name: str, log: list[str], then: Callable[[], None] | None = None) -> None:
        self._name, self._log, self._then = name, log, then
        self._is_sent = False

    def send_boxed(self) -> None:
        if not self._is_sent:
            self._log.append(f"send {self._name}")
        self._is_sent = True

    def leave_box(self) -> None:
        self.send_boxed()
        self._log.append(f"go on {self._name}")
        if self._then is not None:
            self._then()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def turn(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_until_complete(asyncio.sleep(0))


def test_they_leave_in_order_when_the_turn_is_over(loop: asyncio.AbstractEventLoop):
    log: list[str] = []
    box = Outbox(loop, print)
    for name in "ab":
        box.put(Told(name, log), NOW_NS)
    assert log == []
    turn(loop)
    assert log == ["send a", "go on a", "send b", "go on b"]
    turn(loop)
    assert len(log) == 4


def test_nobody_waits_longer_than_the_bound_but_goes_on_with_the_turn(
    loop: asyncio.AbstractEventLoop,
):
    log: list[str] = []
    box = Outbox(loop, print)
    box.put(Told("a", log), NOW_NS)
    box.put(Told("b", log), NOW_NS + LONGEST_NS)
    assert log == []
    box.put(Told("c", log), NOW_NS + LONGEST_NS + 1)
    assert log == ["send a", "send b"]
    box.put(Told("d", log), NOW_NS + 2 * LONGEST_NS + 2)
    assert log == ["send a", "send b", "send c"]
    turn(loop)
    assert log[3:] == ["go on a", "go on b", "go on c", "send d", "go on d"]


def test_what_is_put_by_one_that_goes_on_leaves_with_the_next_turn(
    loop: asyncio.AbstractEventLoop,
):
    log: list[str] = []
    box = Outbox(loop, print)
    box.put(Told("a", log, lambda: box.put(Told("b", log), NOW_NS)), NOW_NS)
    turn(loop)
    turn(loop)
    assert log == ["send a", "go on a", "send b", "go on b"]


def test_one_that_fails_is_given_up_and_the_others_leave(loop: asyncio.AbstractEventLoop):
    log: list[str] = []
    given_up: list[Told] = []

    def fail() -> None:
        raise ValueError("a fault of ours")

    box = Outbox(loop, given_up.append)
    bad = Told("a", log, fail)
    box.put(bad, NOW_NS)
    box.put(Told("b", log), NOW_NS)
    turn(loop)
    assert given_up == [bad]
    assert log[-1] == "go on b"


def test_it_is_worth_waiting_only_shortly_after_another(loop: asyncio.AbstractEventLoop):
    box = Outbox(loop, print)
    assert box.busy_until_ns == 0
    box.put(Told("a", []), NOW_NS)
    assert box.busy_until_ns == NOW_NS + CLOSE_NS
    before_ns = perf_counter_ns()
    turn(loop)
    assert before_ns + CLOSE_NS <= box.busy_until_ns <= perf_counter_ns() + CLOSE_NS


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The moments at which a response was put into an outbox: each but the first of a loop."""
    moments: list[int] = []
    original = Outbox.put

    def noted(self: Outbox, sender: object, now_ns: int) -> None:
        moments.append(now_ns)
        original(self, sender, now_ns)

    monkeypatch.setattr(Outbox, "put", noted)
    for module in (outbox, loop_output):
        monkeypatch.setattr(module, "CLOSE_NS", FOREVER_NS)
    return moments


@pytest.mark.parametrize("longest_ns", [0, FOREVER_NS])
@pytest.mark.parametrize("requests", [1, 3])
def test_clients_that_ask_at_the_same_time_are_all_answered(
    bench, put, monkeypatch, longest_ns: int, requests: int
):
    """All of them wait while the loop is blocked, and are then served in one turn."""
    monkeypatch.setattr(outbox, "LONGEST_NS", longest_ns)
    apps = asgi_apps_for_listeners
    apps.leave.clear()
    listener = bench.start(
        "tests.serving.asgi_apps_for_listeners:app", AppKind.ASGI, model=ConcurrencyModel.ASYNCIO
    )
    with ExitStack() as stack:
        blocking, gone, *clients = (stack.enter_context(connect(listener)) for _ in range(12))
        for client in (gone, *clients):  # so that the loop knows them
            client.sendall(GET)
            assert [status for status, _ in read_responses(client, 1)] == [200]
        blocking.sendall(asking(b"/block"))
        assert apps.entered.acquire(timeout=10)
        for client in clients:
            client.sendall(GET * requests)
        gone.sendall(GET)
        gone.close()  # before its answer
        apps.leave.set()
        for client, count in ((blocking, 1), *((client, requests) for client in clients)):
            assert [status for status, _ in read_responses(client, count)] == [200] * count
    total = 11 + 1 + 1 + 10 * requests
    bench.records(total)
    assert len(put) == total - 1


@pytest.mark.parametrize("path", [b"/pause", b"/after"])
def test_a_pipelined_answer_is_not_lost_when_the_one_before_it_waited(bench, put, path: bytes):
    """The app that waited returns after its last byte, while the next answer is in the outbox."""
    apps = asgi_apps_for_listeners
    apps.leave.set()
    listener = bench.start(
        "tests.serving.asgi_apps_for_listeners:app", AppKind.ASGI, model=ConcurrencyModel.ASYNCIO
    )
    with connect(listener) as client:
        client.sendall(GET)
        assert [status for status, _ in read_responses(client, 1)] == [200]
        client.sendall(asking(path, GET) + GET + GET)
        assert [status for status, _ in read_responses(client, 3)] == [200] * 3
    bench.records(4)
    assert put

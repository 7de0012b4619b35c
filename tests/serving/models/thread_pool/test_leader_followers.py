"""The leader and the workers, over real sockets: an app that blocks holds up nobody for long."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from servescope import catalog
from servescope.request_fields import RequestFlag
from servescope.serving.models.thread_pool.handoff import HandoffPolicy
from servescope.serving.models.thread_pool.leader_followers import LeaderFollowers, Order
from tests.serving import apps_for_listeners
from tests.serving.raw_client import (
    CLOSING,
    GET,
    asking,
    connect,
    exchange,
    gauge,
    read_all,
    read_responses,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.serving import RunningListener

WAIT = GET.replace(b"/ ", b"/wait ")


def enter(count: int) -> None:
    for _ in range(count):
        assert apps_for_listeners.entered.acquire(timeout=10)


def test_as_many_requests_as_threads_are_in_the_app_at_once(bench, wait_until):
    listener = bench.start(threads=8)
    with ExitStack() as stack:
        socks = [stack.enter_context(connect(listener)) for _ in range(10)]
        for sock in socks:
            sock.sendall(WAIT)
        enter(8)
        wait_until(lambda: gauge(listener, catalog.QUEUED_REQUESTS) == 2, "the queue")
        assert gauge(listener, catalog.BUSY_THREADS) == 8
        assert not apps_for_listeners.entered.acquire(blocking=False), "no ninth thread"
        apps_for_listeners.leave.set()
        for sock in socks:
            assert read_responses(sock, 1)[0][0] == 200
    bench.records(10)


@pytest.mark.parametrize("threads", [1, 3])
def test_while_all_threads_are_busy_heads_are_read_and_refusals_sent(bench, threads):
    listener = bench.start(threads=threads, head_seconds=0.2)
    with ExitStack() as stack:
        for _ in range(threads):
            stack.enter_context(connect(listener)).sendall(WAIT)
        enter(threads)
        assert exchange(listener, b"GET / HTTP/9.9\r\n\r\n").startswith(b"HTTP/1.1 505")
        assert exchange(listener, GET[:10]).startswith(b"HTTP/1.1 408")
        apps_for_listeners.leave.set()


def test_a_leader_that_blocks_is_replaced_within_some_ticks(bench):
    """The first request is taken for a quick one; the others behind it wait for two ticks."""
    listener = bench.start(threads=2)
    with connect(listener) as blocked, connect(listener) as other:
        other.sendall(GET)
        read_responses(other, 1)
        blocked.sendall(WAIT)
        enter(1)
        began = time.monotonic()
        other.sendall(GET)
        assert read_responses(other, 1) == [(200, b"hello from /")]
        assert time.monotonic() - began < 1.0
        # Data that the client sends meanwhile belongs to the thread that answers it.
        blocked.sendall(GET)
        apps_for_listeners.leave.set()
        assert read_responses(blocked, 2) == [(200, b"hello from /wait"), (200, b"hello from /")]
        other.sendall(GET)
        assert read_responses(other, 1) == [(200, b"hello from /")]
    bench.records(5)


def test_a_client_that_leaves_a_blocked_leader_is_closed(bench, wait_until):
    listener = bench.start(threads=2)
    blocked = connect(listener)
    blocked.sendall(WAIT)
    enter(1)
    blocked.close()
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")
    apps_for_listeners.leave.set()
    wait_until(lambda: gauge(listener, catalog.OPEN_CONNECTIONS) == 0, "the close")
    bench.records(2)


def test_roles_change_under_load_and_nothing_is_lost(bench):
    """Quick and blocking requests on kept connections, pipelined now and then."""
    listener = bench.start(threads=3)
    wrong: list[object] = []

    def visit(who: int) -> None:
        with connect(listener) as sock:
            for number in range(40):
                paths = [b"/pause" if (who + n + number) % 13 == 0 else b"/q" for n in range(3)]
                sock.sendall(b"".join(GET.replace(b"/ ", path + b" ") for path in paths))
                if read_responses(sock, 3) != [(200, b"hello from " + path) for path in paths]:
                    wrong.append((who, number))

    threads = [threading.Thread(target=visit, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    records = bench.records(8 * 40 * 3)
    assert (records["status"] == 200).all()
    assert not (records["flags"] & RequestFlag.ABORTED).any()


def test_a_flood_of_pipelined_requests_starves_nobody(bench):
    listener = bench.start(threads=2)
    with connect(listener) as flood, connect(listener) as other:
        flood.sendall(GET * 2_000)
        other.sendall(GET)
        assert read_responses(other, 1)[0][0] == 200
        assert len(read_responses(flood, 2_000)) == 2_000
    bench.records(2_001)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_plain_client_waits_for_few_quick_requests_of_those_who_pipeline(
    bench, monkeypatch, threads
):
    """Counted in requests, from the one during which the plain client's arrives."""
    monkeypatch.setattr(HandoffPolicy, "is_quick", lambda *_: True)  # whatever else runs here
    monkeypatch.setattr(
        LeaderFollowers, "_take_over", lambda *_: False
    )  # nor is a leader held up by others
    listener = bench.start(threads=threads)
    turns = turns_beside_a_plain_client(
        listener, lambda send: apps_for_listeners.at_turn.update({"0-20": send})
    )
    # The leader answers 16 in a row: the rest of this turn, and the other's.
    assert turns.index("plain") - turns.index("0-20") <= 32
    bench.records(404)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_plain_client_waits_for_no_second_slow_request_of_those_who_pipeline(
    bench, monkeypatch, wait_until, threads
):
    """Counted from the one during which the plain client's is read and queued.

    All threads are in the app until it is: how soon the leader gets to read is up to the machine.
    """
    monkeypatch.setattr(HandoffPolicy, "is_quick", lambda *_: False)
    listener = bench.start(threads=threads)
    is_answered = threading.Event()

    def arrive_at_turn_20(send: Callable[[], None]) -> None:
        def arrive() -> None:
            send()
            ahead = 2 - threads  # one thread has one who pipelines wait as well
            wait_until(lambda: gauge(listener, catalog.QUEUED_REQUESTS) == ahead + 1, "the queue")

        all_in_app = threading.Barrier(threads, action=arrive)
        for who in range(threads):
            apps_for_listeners.at_turn[f"{who}-20"] = lambda: all_in_app.wait(20)
            if threads == 2:  # the thread without the plain client's stays with the next
                apps_for_listeners.at_turn[f"{who}-21"] = lambda: is_answered.wait(20)
        apps_for_listeners.at_turn["plain"] = is_answered.set

    turns = turns_beside_a_plain_client(listener, arrive_at_turn_20)
    arrived = max(turns.index(f"{who}-20") for who in range(threads))
    # A thread answers one request, then those that wait have their turn.
    assert turns.index("plain") - arrived <= 2
    bench.records(404)


def turns_beside_a_plain_client(
    listener: RunningListener, plan_arrival: Callable[[Callable[[], None]], None]
) -> list[str]:
    """The turns of two clients that pipeline 200 requests each, and of a plain one.

    `plan_arrival` is given the function that sends the plain client's request, and has it called at
    one of the turns.
    """
    apps_for_listeners.turns.clear()
    with ExitStack() as stack:
        floods = [stack.enter_context(connect(listener)) for _ in range(2)]
        plain = stack.enter_context(connect(listener))
        for sock in (*floods, plain):
            sock.sendall(GET)
            read_responses(sock, 1)
        plan_arrival(lambda: plain.sendall(asking(b"/turn?plain", GET)))
        for who, sock in enumerate(floods):
            sock.sendall(
                b"".join(asking(b"/turn?%d-%d" % (who, number), GET) for number in range(200))
            )
        assert read_responses(plain, 1)[0][0] == 200
        for sock in floods:
            assert len(read_responses(sock, 200)) == 200
    turns = apps_for_listeners.turns
    assert len(turns) == 401
    return turns


def test_one_who_pipelines_quick_requests_stays_with_the_thread_that_reads(bench, monkeypatch):
    given_away: list[object] = []
    monkeypatch.setattr(HandoffPolicy, "is_quick", lambda *_: True)  # on a busy machine nothing is
    monkeypatch.setattr(
        LeaderFollowers, "dispatch", lambda _, connection: given_away.append(connection)
    )
    listener = bench.start(threads=4)
    with connect(listener) as sock:
        sock.sendall(GET * 100)
        assert read_responses(sock, 100) == [(200, b"hello from /")] * 100
    assert not given_away
    bench.records(100)


def test_a_stop_ends_a_pipeline_at_its_next_response(bench):
    listener = bench.start(threads=2)
    apps_for_listeners.turns.clear()
    ended = threading.Thread(target=listener.stop, args=(0.2,))
    apps_for_listeners.at_turn["0"] = ended.start
    with connect(listener) as sock:
        sock.sendall(b"".join(asking(b"/turn?%d" % number, GET) for number in range(2_000)))
        received = read_all(sock)
    ended.join(10)
    assert not ended.is_alive()
    answered = received.count(b"HTTP/1.1 200 OK")
    assert 1 <= answered < 2_000
    assert received.count(b"Connection: close") == 1
    bench.records(answered)


def test_who_was_replaced_stays_so_while_the_new_leader_is_in_the_app():
    """Two leaders would drop what epoll told the other: such a connection is never heard of."""
    taken_over: list[object] = []
    roles = LeaderFollowers(2, taken_over.append)
    first, second = roles.threads[:2]
    is_inside, may_leave = threading.Event(), threading.Event()

    def lead_too() -> None:
        assert roles.await_order(second) is Order.LEAD
        roles.enter_app(second, "the second's connection")
        is_inside.set()
        may_leave.wait(10)
        roles.leave_app(second)

    watchdog = threading.Thread(target=lead_too)
    watchdog.start()
    roles.enter_app(first, "the first's connection")
    assert is_inside.wait(10)
    roles.leave_app(first)
    busy_with_second_inside = roles.busy
    may_leave.set()
    watchdog.join(10)
    assert taken_over == ["the first's connection"]
    assert [thread.leads for thread in roles.threads] == [False, True, False]
    assert busy_with_second_inside == 2, "the one replaced works on, the new leader is in the app"

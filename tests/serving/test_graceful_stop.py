"""Stopping a listener: what is in flight finishes, what is idle ends, nothing is lost."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from servescope.records import RequestFlag
from tests.serving import apps_for_listeners
from tests.serving.raw_client import CLOSING, GET, connect, exchange, read_all, read_responses

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.serving import RunningListener


def in_thread(act: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(act()), daemon=True)
    thread.start()
    return thread, results


def can_connect(listener: RunningListener) -> bool:
    try:
        connect(listener).close()
    except OSError:
        return False
    return True


def is_broken(sock: socket.socket) -> bool:
    try:
        return read_all(sock) == b""
    except ConnectionResetError:
        return True


def no_threads_of(listener: RunningListener) -> bool:
    prefix = listener.spec.name + "-"
    return not [thread for thread in threading.enumerate() if thread.name.startswith(prefix)]


def test_a_graceful_stop_lets_the_request_in_flight_finish(bench, wait_until):
    listener = bench.start()
    flying, idle = connect(listener), connect(listener)
    idle.sendall(GET)
    assert read_responses(idle, 1)[0][0] == 200
    flying.sendall(GET.replace(b"/ ", b"/wait "))
    assert apps_for_listeners.entered.acquire(timeout=10)
    thread, _ = in_thread(lambda: listener.stop(10))
    assert idle.recv(100) == b"", "idle connections close at once"
    wait_until(lambda: not can_connect(listener), "the port to close")
    apps_for_listeners.leave.set()
    answer = read_all(flying)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\r\nConnection: close\r\n" in answer
    flying.close()
    idle.close()
    thread.join(10)
    assert not thread.is_alive()
    bench.records(2)
    assert no_threads_of(listener)


def test_a_late_request_on_a_kept_connection_is_answered_and_closed(bench):
    listener = bench.start()
    late, flying = connect(listener), connect(listener)
    flying.sendall(GET.replace(b"/ ", b"/wait "))
    assert apps_for_listeners.entered.acquire(timeout=10)
    late.sendall(GET[:10])
    thread, _ = in_thread(lambda: listener.stop(10))
    late.sendall(GET[10:])
    answer = read_all(late)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\r\nConnection: close\r\n" in answer
    apps_for_listeners.leave.set()
    read_all(flying)
    for sock in (late, flying):
        sock.close()
    thread.join(10)
    bench.records(2)


def test_connections_that_were_not_accepted_yet_are_served(bench):
    """They were told that they are connected, so they are not reset."""
    listener = bench.start()
    socks = [connect(listener) for _ in range(20)]
    for sock in socks:
        sock.sendall(CLOSING)
    listener.stop(5)
    for sock in socks:
        assert read_all(sock).startswith(b"HTTP/1.1 200")
        sock.close()
    bench.records(20)


def test_a_stop_is_bounded_when_the_app_hangs(bench, caplog):
    listener = bench.start(threads=1)
    with connect(listener) as sock, connect(listener) as queued:
        sock.sendall(GET.replace(b"/ ", b"/wait "))
        assert apps_for_listeners.entered.acquire(timeout=10)
        queued.sendall(GET)
        began = time.monotonic()
        listener.stop(0.2)
        assert time.monotonic() - began < 2.0
        assert "still in the app" in caplog.text
        for broken in (sock, queued):
            assert is_broken(broken)
    apps_for_listeners.leave.set()


def test_stop_is_idempotent_and_frees_the_port(bench):
    listener = bench.start()
    exchange(listener, CLOSING)
    for _ in range(3):
        listener.stop()
    assert not listener.is_running
    assert listener.samples() == []
    assert no_threads_of(listener)
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(listener.address)


def test_a_stop_under_load_loses_no_record(bench):
    """What was answered was recorded, whenever the stop came."""
    listener = bench.start(threads=4)
    answered = [0] * 6
    is_warm = threading.Barrier(7)

    def visit(who: int) -> None:
        with connect(listener) as sock, sock.makefile("rb") as file:
            for number in range(100_000):
                if number == 20:
                    is_warm.wait(20)
                try:
                    sock.sendall(GET)
                    head = file.readline()
                    if not head:
                        return
                    while file.readline() != b"\r\n":
                        pass
                    file.read(len(b"hello from /"))
                except OSError:
                    return
                answered[who] += 1

    threads = [threading.Thread(target=visit, args=(who,)) for who in range(6)]
    for thread in threads:
        thread.start()
    is_warm.wait(20)
    listener.stop(5)
    for thread in threads:
        thread.join(20)
    records = bench.records(sum(answered))
    assert not (records["flags"] & RequestFlag.ABORTED).any()

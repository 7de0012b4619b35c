"""The thread pool over real sockets."""

from __future__ import annotations

import http.client
import os
import resource
import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import apps_for_listeners
import numpy as np
import pytest

from servescope import catalog
from servescope.recording import DetailReader
from servescope.records import AppKind, Method, Protocol, RequestFlag, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servescope.serving import RunningListener

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CLOCK_ERROR_NS = 5e6
"""How far the sum of the stages may lie from the client's own clock: the two share an interpreter
here, and whoever returns from the kernel waits for its lock."""

CLOSING = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


@pytest.fixture(autouse=True)
def fresh_events() -> Iterator[None]:
    apps_for_listeners.leave.clear()
    while apps_for_listeners.entered.acquire(blocking=False):
        pass
    yield
    apps_for_listeners.leave.set()


def connect(listener: RunningListener) -> socket.socket:
    return socket.create_connection(listener.address, timeout=10)


def read_all(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def read_responses(sock: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """Read `count` responses with Content-Length from one connection: status and content."""
    found = []
    with sock.makefile("rb") as file:
        for _ in range(count):
            status = int(file.readline().split()[1])
            length = 0
            while (line := file.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            found.append((status, file.read(length)))
    return found


def exchange(listener: RunningListener, data: bytes) -> bytes:
    with connect(listener) as sock:
        sock.sendall(data)
        return read_all(sock)


def gauge(listener: RunningListener, metric: str) -> float:
    return {sample.metric: sample.value for sample in listener.samples()}[metric]


def in_thread(act: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(act()), daemon=True)
    thread.start()
    return thread, results


def test_one_connection_carries_many_requests(bench):
    listener = bench.start()
    with closing(http.client.HTTPConnection(*listener.address, timeout=10)) as client:
        for number in range(20):
            client.request("GET", f"/n{number}")
            assert client.getresponse().read() == f"hello from /n{number}".encode()
    records = bench.records(20)
    new = records["flags"] & RequestFlag.NEW_CONNECTION
    assert new.tolist() == [RequestFlag.NEW_CONNECTION] + [0] * 19


def test_pipelined_requests_are_answered_in_order(bench):
    listener = bench.start()
    with connect(listener) as sock:
        sock.sendall(b"".join(GET.replace(b"/ ", b"/%d " % i) for i in range(50)))
        assert read_responses(sock, 50) == [(200, b"hello from /%d" % i) for i in range(50)]
    bench.records(50)


def test_many_clients_at_once_each_get_their_own(bench):
    listener = bench.start(threads=4)
    wrong: list[object] = []

    def visit(who: int) -> None:
        with closing(http.client.HTTPConnection(*listener.address, timeout=20)) as client:
            for number in range(40):
                body = b"%d-%d" % (who, number) * 50
                client.request("POST", "/echo", body)
                if client.getresponse().read() != body:
                    wrong.append((who, number))

    threads = [threading.Thread(target=visit, args=(who,)) for who in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert (bench.records(480)["status"] == 200).all()


def test_a_record_tells_what_was_asked_and_answered(bench):
    listener = bench.start()
    body = b"x" * 1000
    request = b"POST /echo HTTP/1.1\r\nHost: h\r\nUser-Agent: tester\r\nConnection: close\r\n"
    request += b"Content-Length: 1000\r\n\r\n" + body
    before = time.time_ns()
    answer = exchange(listener, request)
    [record] = bench.records(1)
    assert bench.reader.listeners[record["listener"]] == listener.spec.name
    assert bench.reader.routes[record["route"]] == "/echo"
    assert (record["method"], record["protocol"]) == (Method.POST, Protocol.HTTP_1_1)
    assert record["status"] == 200
    assert record["bytes_received"] == len(request)
    assert record["bytes_sent"] == len(answer)
    assert before <= record["end_ns"] <= time.time_ns()
    details = DetailReader(bench.recorder.details.path)
    [detail] = details.drain(0)[0]
    details.close()
    assert (detail.listener, detail.route) == (listener.spec.name, "/echo")
    assert (detail.target, detail.client, detail.user_agent) == ("/echo", "127.0.0.1", "tester")
    assert detail.record.stages_ns == tuple(record["stages_ns"])


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n", 413),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
        (b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
        (b"GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505),
        (b"GET /fail HTTP/1.1\r\nHost: h\r\n\r\n", 500),
    ],
)
def test_errors_are_answered_closed_and_recorded(bench, data, status, caplog):
    listener = bench.start(max_body=98)
    answer = exchange(listener, data)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in answer
    [record] = bench.records(1)
    assert record["status"] == status
    assert record["bytes_sent"] == len(answer)
    assert bool(record["flags"] & RequestFlag.APP_ERROR) is (status == 500)
    assert ("on purpose" in caplog.text) is (status == 500)


def test_an_app_error_kills_no_worker(bench):
    listener = bench.start(threads=1)
    for _ in range(5):
        assert exchange(listener, CLOSING.replace(b"/ ", b"/fail ")).startswith(b"HTTP/1.1 500")
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")


def test_an_unwanted_upload_still_gets_its_answer(bench):
    """The client goes on sending after the refusal: a reset would destroy the answer."""
    listener = bench.start(max_body=10)
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 600000\r\n\r\n"
    assert exchange(listener, head + b"x" * 600_000).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("data", "option"),
    [
        (b"GET / HTTP/1.1\r\nHost:", {"head_seconds": 0.2}),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", {"body_seconds": 0.2}),
    ],
)
def test_half_a_request_gets_408_after_its_deadline(bench, data, option):
    listener = bench.start(**option)
    began = time.monotonic()
    answer = exchange(listener, data)
    assert 0.2 <= time.monotonic() - began < 5
    assert answer.startswith(b"HTTP/1.1 408 ")
    [record] = bench.records(1)
    assert record["flags"] & RequestFlag.TIMED_OUT
    assert 0.2e9 <= record["stages_ns"][Stage.READ] < 5e9


def test_idle_connections_are_closed_in_silence(bench):
    listener = bench.start(head_seconds=0.2, keep_alive_seconds=0.2)
    with connect(listener) as fresh, connect(listener) as kept:
        kept.sendall(GET)
        assert read_responses(kept, 1)[0][0] == 200
        assert kept.recv(100) == b""
        assert fresh.recv(100) == b""
    bench.records(1)


def test_slow_clients_hold_no_thread(bench):
    listener = bench.start(threads=1)
    slow = [connect(listener) for _ in range(50)]
    for number, sock in enumerate(slow):
        half = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"
        sock.sendall(half if number % 2 else half[:20])
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")
    for sock in slow:
        sock.close()


def test_a_slow_reader_of_a_finished_response_holds_no_thread(bench, tmp_path, wait_until):
    (tmp_path / "large.bin").write_bytes(b"z" * 20_000_000)
    wsgi = bench.start(threads=1)
    files = bench.start(app=str(tmp_path), kind=AppKind.STATIC, threads=1)
    for listener, path, size in ((wsgi, b"/large ", 0), (files, b"/large.bin ", 20_000_000)):
        with connect(listener) as slow:
            slow.sendall(CLOSING.replace(b"/ ", path))
            assert slow.recv(10)
            wait_until(lambda who=listener: gauge(who, catalog.BUSY_THREADS) == 0, "a free thread")
            with connect(listener) as quick:
                quick.sendall(CLOSING.replace(b"/ ", b"/none "))
                assert quick.recv(12) in (b"HTTP/1.1 200", b"HTTP/1.1 404")
            assert len(read_all(slow)) > max(size, 20_000_000)
    records = bench.records(4)
    large = records[records["bytes_sent"] > 20_000_000]
    assert len(large) == 2
    assert not (large["flags"] & RequestFlag.ABORTED).any()


def test_a_streamed_response_arrives_whole(bench):
    listener = bench.start()
    with closing(http.client.HTTPConnection(*listener.address, timeout=20)) as client:
        client.request("GET", "/stream")
        assert client.getresponse().read() == b"y" * 20_000_000
    [record] = bench.records(1)
    assert record["bytes_sent"] > 20_000_000
    assert record["stages_ns"][Stage.WRITE] > 0


@pytest.mark.parametrize("path", [b"/stream ", b"/large "])
def test_a_client_that_stops_reading_is_given_up(bench, path):
    listener = bench.start(write_seconds=0.2)
    with connect(listener) as sock:
        sock.sendall(GET.replace(b"/ ", path))
        [record] = bench.records(1)
    assert record["flags"] & RequestFlag.TIMED_OUT
    assert record["flags"] & RequestFlag.ABORTED
    assert record["status"] == 200
    assert 0 < record["bytes_sent"] < 20_000_000


@pytest.mark.parametrize("path", [b"/stream ", b"/large "])
def test_a_client_that_leaves_is_recorded_as_aborted(bench, path, wait_until):
    listener = bench.start()
    sock = connect(listener)
    sock.sendall(GET.replace(b"/ ", path))
    sock.recv(10)
    sock.close()
    [record] = bench.records(1)
    assert record["flags"] & RequestFlag.ABORTED
    wait_until(lambda: gauge(listener, catalog.OPEN_CONNECTIONS) == 0, "the close")


def test_a_denied_address_gets_403(bench):
    listener = bench.start(deny=("127.0.0.0/8",))
    answer = exchange(listener, GET)
    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    [record] = bench.records(1)
    assert (record["status"], record["method"]) == (403, Method.GET)


def test_beyond_the_bound_of_connections_is_503(bench):
    listener = bench.start(max_connections=2)
    with connect(listener) as first, connect(listener) as second:
        for sock in (first, second):
            sock.sendall(GET)
            assert read_responses(sock, 1)[0][0] == 200
        assert exchange(listener, GET).startswith(b"HTTP/1.1 503 ")
        first.sendall(GET)
        assert read_responses(first, 1)[0][0] == 200
    assert sorted(bench.records(4)["status"]) == [200, 200, 200, 503]


def test_100_continue_over_the_wire(bench):
    listener = bench.start()
    with connect(listener) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n")
        sock.sendall(b"Expect: 100-continue\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert read_responses(sock, 1) == [(200, b"abc")]


def test_a_client_that_closes_its_side_gets_its_answer(bench):
    listener = bench.start()
    with connect(listener) as sock:
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock).startswith(b"HTTP/1.1 200")


def test_gauges_follow_what_happens(bench, wait_until):
    listener = bench.start(threads=1)
    clients = [connect(listener) for _ in range(3)]
    for client in clients:
        client.sendall(GET.replace(b"/ ", b"/wait "))
    assert apps_for_listeners.entered.acquire(timeout=10)
    wait_until(lambda: gauge(listener, catalog.QUEUED_REQUESTS) == 2, "the queue")
    assert gauge(listener, catalog.BUSY_THREADS) == 1
    assert gauge(listener, catalog.ACTIVE_REQUESTS) == 3
    assert gauge(listener, catalog.OPEN_CONNECTIONS) == 3
    assert {sample.labels for sample in listener.samples()} == {(("listener", listener.spec.name),)}
    apps_for_listeners.leave.set()
    for client in clients:
        assert read_responses(client, 1)[0][0] == 200
        client.close()
    wait_until(lambda: gauge(listener, catalog.OPEN_CONNECTIONS) == 0, "the closes")
    assert gauge(listener, catalog.ACTIVE_REQUESTS) == 0
    queue_ns = bench.records(3)["stages_ns"][:, Stage.QUEUE]
    app_ns = bench.records(3)["stages_ns"][:, Stage.APP]
    assert queue_ns.max() > app_ns.max() / 2, "who waited for the thread was in the queue"


def test_running_out_of_descriptors_is_survived(bench, caplog, wait_until):
    listener = bench.start()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    waiting = socket.socket()
    waiting.settimeout(10)
    spare = os.open("/dev/null", os.O_RDONLY)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
    try:
        waiting.connect(listener.address)
        waiting.sendall(CLOSING)
        wait_until(lambda: "cannot accept" in caplog.text, "the log line")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert read_all(waiting).startswith(b"HTTP/1.1 200")
    waiting.close()
    assert caplog.text.count("cannot accept") == 1, "logged once, not at each attempt"


# Time.


def test_the_stages_add_up_to_what_the_client_waits(bench):
    """Within the stated error, for the median of requests of 20 ms and more."""
    listener = bench.start(threads=1)
    waited = []
    with connect(listener) as sock:
        for _ in range(15):
            began = time.perf_counter_ns()
            sock.sendall(GET.replace(b"/ ", b"/pause "))
            read_responses(sock, 1)
            waited.append(time.perf_counter_ns() - began)
    sums = bench.records(15)["stages_ns"].sum(axis=1)
    assert np.median(sums) >= 20e6
    assert np.median(np.abs(np.array(waited) - sums)) < CLOCK_ERROR_NS


def test_the_stages_say_where_the_time_went(bench):
    listener = bench.start(threads=1)
    began = time.perf_counter_ns()
    with connect(listener) as sock:
        sock.sendall(GET.replace(b"/ ", b"/wait "))
        assert apps_for_listeners.entered.acquire(timeout=10)
        time.sleep(0.1)  # the time to be found again, not a synchronisation
        apps_for_listeners.leave.set()
        read_responses(sock, 1)
    waited = time.perf_counter_ns() - began
    [record] = bench.records(1)
    stages = record["stages_ns"]
    assert 0.1e9 <= stages[Stage.APP] <= waited + CLOCK_ERROR_NS
    assert stages.sum() <= waited + CLOCK_ERROR_NS
    assert stages.sum() - stages[Stage.APP] <= waited - 0.1e9 + CLOCK_ERROR_NS


def test_the_kernel_stage_sees_the_wait_in_the_accept_queue(bench):
    """A socket that listens before anybody accepts: what waits in it waits in the kernel."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(16)
    # As `bind` does: from now on the kernel stamps what arrives.
    from servescope.serving.binding import prepare

    prepare(listening)
    with socket.create_connection(listening.getsockname(), timeout=10) as sock:
        sent = time.perf_counter_ns()
        sock.sendall(CLOSING)
        time.sleep(0.15)  # the wait to be seen
        bench.start(sock=listening)
        read_all(sock)
        waited = time.perf_counter_ns() - sent
    [record] = bench.records(1)
    assert 0.15e9 <= record["stages_ns"][Stage.KERNEL] <= waited + CLOCK_ERROR_NS
    assert record["stages_ns"].sum() <= waited + CLOCK_ERROR_NS


def test_a_slow_upload_counts_as_reading_not_as_queue(bench):
    listener = bench.start()
    with connect(listener) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n")
        time.sleep(0.1)  # the time to be found again
        sock.sendall(b"abc")
        read_responses(sock, 1)
    [record] = bench.records(1)
    assert record["stages_ns"][Stage.READ] >= 0.09e9
    assert record["stages_ns"][Stage.QUEUE] < 0.09e9


# Stopping.


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


def is_broken(sock: socket.socket) -> bool:
    try:
        return read_all(sock) == b""
    except ConnectionResetError:
        return True


def can_connect(listener: RunningListener) -> bool:
    try:
        connect(listener).close()
    except OSError:
        return False
    return True


def no_threads_of(listener: RunningListener) -> bool:
    prefix = listener.spec.name + "-"
    return not [thread for thread in threading.enumerate() if thread.name.startswith(prefix)]

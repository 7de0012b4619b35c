"""What every concurrency model must do, over real sockets."""

from __future__ import annotations

import gc
import http.client
import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from servescope.recording import RECORD_DTYPE, Recorder, RingReader
from servescope.recording.recorder import RING_SUFFIX
from servescope.records import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec, RequestFlag
from servescope.serving import RunningListener, start_listener
from servescope.serving.models import REGISTRY
from tests.serving.raw_client import CLOSING, GET, connect, exchange, read_all, read_responses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

APP = "tests.contracts.app_for_models:app"
CLOCK_ERROR_NS = 5e6
"""As in tests/serving/test_request_stages.py."""


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.005)


class Hall:
    """Listeners of one model, and all that they recorded, in however many processes."""

    def __init__(self, folder: Path, model: ConcurrencyModel) -> None:
        self.rings = folder / "rings"
        self.signals = folder / "signals"
        self.signals.mkdir()
        self.model = model
        self.recorder = Recorder(self.rings, capacity=2**12)
        self.readers: dict[Path, RingReader] = {}
        self.listeners: list[RunningListener] = []

    def start(
        self, app: str = APP, kind: AppKind = AppKind.WSGI, **options: Any
    ) -> RunningListener:
        spec = ListenerSpec(
            name="it",
            address="127.0.0.1",
            port=0,
            model=self.model,
            app_kind=kind,
            app=app,
            options=ListenerOptions(**{"threads": 2, "workers": 2, **options}),
        )
        listener = start_listener(spec, self.recorder)
        self.listeners.append(listener)
        return listener

    def records(self, count: int) -> NDArray[np.void]:
        """All records, in order of their ends, once there are `count`; any other number fails."""
        wait_until(lambda: len(self.drain()) >= count, f"{count} records")
        records = self.drain()
        assert len(records) == count
        return np.sort(records, order="end_ns")

    def drain(self) -> NDArray[np.void]:
        for path in self.rings.glob(f"*{RING_SUFFIX}"):
            if path not in self.readers:
                self.readers[path] = RingReader(path)
        parts = [
            reader.drain(0, time.time_ns() + 10**9, time.monotonic()).records
            for reader in self.readers.values()
        ]
        return np.concatenate([np.empty(0, RECORD_DTYPE), *parts])

    def entered(self) -> int:
        return len(list(self.signals.glob("entered-*")))

    def wait_request(self) -> bytes:
        return GET.replace(b"/ ", b"/wait?%b " % str(self.signals).encode())

    def leave(self) -> None:
        (self.signals / "leave").touch()

    def close(self) -> None:
        self.leave()
        for listener in self.listeners:
            listener.stop(0.5)
        for reader in self.readers.values():
            reader.close()
        self.recorder.close()
        gc.collect()


@pytest.fixture(params=list(REGISTRY))
def hall(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hall]:
    hall = Hall(tmp_path, request.param)
    yield hall
    hall.close()


def test_one_connection_carries_many_requests(hall: Hall):
    listener = hall.start()
    with closing(http.client.HTTPConnection(*listener.address, timeout=20)) as client:
        for number in range(20):
            client.request("POST", "/echo", b"body %d" % number)
            assert client.getresponse().read() == b"body %d" % number
    records = hall.records(20)
    new = records["flags"] & RequestFlag.NEW_CONNECTION
    assert new.tolist() == [RequestFlag.NEW_CONNECTION] + [0] * 19
    assert (records["status"] == 200).all()


def test_pipelined_requests_are_answered_in_order(hall: Hall):
    listener = hall.start()
    with connect(listener) as sock:
        sock.sendall(b"".join(GET.replace(b"/ ", b"/%d " % i) for i in range(50)))
        assert read_responses(sock, 50) == [(200, b"hello from /%d" % i) for i in range(50)]
    hall.records(50)


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
def test_errors_are_answered_closed_and_recorded(hall: Hall, data: bytes, status: int):
    listener = hall.start(max_body=98)
    answer = exchange(listener, data)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in answer
    [record] = hall.records(1)
    assert record["status"] == status
    assert record["bytes_sent"] == len(answer)
    assert bool(record["flags"] & RequestFlag.APP_ERROR) is (status == 500)
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200"), "it lives on"


@pytest.mark.parametrize(
    ("data", "option"),
    [
        (b"GET / HTTP/1.1\r\nHost:", {"head_seconds": 0.2}),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", {"body_seconds": 0.2}),
    ],
)
def test_half_a_request_gets_408_after_its_deadline(hall: Hall, data: bytes, option: Any):
    listener = hall.start(**option)
    answer = exchange(listener, data)
    assert answer.startswith(b"HTTP/1.1 408 ")
    [record] = hall.records(1)
    assert record["flags"] & RequestFlag.TIMED_OUT
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")


def test_an_idle_connection_is_closed_in_silence(hall: Hall):
    listener = hall.start(keep_alive_seconds=0.2)
    with connect(listener) as sock:
        sock.sendall(GET)
        assert read_responses(sock, 1)[0][0] == 200
        assert sock.recv(100) == b""
    hall.records(1)


def test_a_client_that_waits_in_the_accept_queue_is_served_in_the_end(hall: Hall):
    """A kept connection that is idle locks nobody out, in any model."""
    listener = hall.start()
    with connect(listener) as kept:
        kept.sendall(GET)
        assert read_responses(kept, 1)[0][0] == 200
        assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")
    hall.records(2)


def test_a_denied_address_gets_403(hall: Hall):
    listener = hall.start(deny=("127.0.0.0/8",))
    assert exchange(listener, GET).startswith(b"HTTP/1.1 403 ")
    hall.records(1)


def test_a_folder_is_served(hall: Hall, tmp_path: Path):
    (tmp_path / "large.bin").write_bytes(bytes(range(256)) * 8_000)
    listener = hall.start(str(tmp_path), AppKind.STATIC)
    with closing(http.client.HTTPConnection(*listener.address, timeout=20)) as client:
        client.request("GET", "/large.bin")
        assert client.getresponse().read() == bytes(range(256)) * 8_000
    [record] = hall.records(1)
    assert record["bytes_sent"] > 2_048_000


def test_a_slow_reader_gets_it_all(hall: Hall, tmp_path: Path):
    (tmp_path / "large.bin").write_bytes(b"z" * 8_000_000)
    listener = hall.start(str(tmp_path), AppKind.STATIC)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        sock.settimeout(20)
        sock.connect(listener.address)
        sock.sendall(CLOSING.replace(b"/ ", b"/large.bin "))
        assert sock.recv(10)
        time.sleep(0.05)  # a pause of the reader, not a synchronisation
        assert len(read_all(sock)) > 8_000_000
    assert not hall.records(1)["flags"][0] & RequestFlag.ABORTED


def test_a_graceful_stop_lets_the_request_in_flight_finish(hall: Hall):
    listener = hall.start()
    with connect(listener) as flying:
        flying.sendall(hall.wait_request())
        wait_until(lambda: hall.entered() == 1, "the request to be in the app")
        stopping = threading.Thread(target=listener.stop, args=(10,))
        stopping.start()
        wait_until(lambda: not listener.is_running, "the stop to begin")
        hall.leave()
        answer = read_all(flying)
        stopping.join(20)
    assert not stopping.is_alive()
    assert answer.startswith(b"HTTP/1.1 200")
    with pytest.raises(ConnectionRefusedError):
        connect(listener)
    hall.records(1)


def test_a_stop_is_bounded_when_the_app_hangs(hall: Hall):
    listener = hall.start()
    with connect(listener) as flying:
        flying.sendall(hall.wait_request())
        wait_until(lambda: hall.entered() == 1, "the request to be in the app")
        began = time.monotonic()
        listener.stop(0.2)
        assert time.monotonic() - began < 4.0
        with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
            connect(listener)


def test_stop_is_idempotent_and_frees_the_port(hall: Hall):
    listener = hall.start()
    assert exchange(listener, CLOSING).startswith(b"HTTP/1.1 200")
    for _ in range(3):
        listener.stop()
    assert listener.samples() == []
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(listener.address)
    prefix = listener.spec.name + "-"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(prefix)]


def test_every_request_is_counted_once(hall: Hall):
    listener = hall.start()
    answered: list[int] = []

    def visit() -> None:
        answered.extend(exchange(listener, CLOSING).startswith(b"HTTP/1.1 200") for _ in range(50))

    threads = [threading.Thread(target=visit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(answered) == 300
    listener.stop(5)
    assert (hall.records(300)["status"] == 200).all()


def test_the_stages_add_up_to_what_the_client_waits(hall: Hall):
    listener = hall.start()
    waited = []
    with connect(listener) as sock:
        for _ in range(15):
            began = time.perf_counter_ns()
            sock.sendall(GET.replace(b"/ ", b"/pause "))
            read_responses(sock, 1)
            waited.append(time.perf_counter_ns() - began)
    sums = hall.records(15)["stages_ns"].sum(axis=1)
    assert np.median(sums) >= 20e6
    assert np.median(np.abs(np.array(waited[1:]) - sums[1:])) < CLOCK_ERROR_NS


def test_the_load_is_told(hall: Hall):
    listener = hall.start()
    with connect(listener) as sock:
        sock.sendall(hall.wait_request())
        wait_until(lambda: hall.entered() == 1, "the request to be in the app")
        wait_until(lambda: listener.load().busy_threads == 1, "the gauge")
        assert listener.load().open_connections == 1
        assert listener.load().active_requests == 1
        hall.leave()
        read_responses(sock, 1)
    wait_until(lambda: listener.load().open_connections == 0, "the close")

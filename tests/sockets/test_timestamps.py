"""The kernel's stamp of arrival, over a loopback connection."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from servescope.sockets.timestamps import CONTROL_BYTES, arrival_ns, receive, stamp_arrivals
from tests.waiting import eventually


@pytest.fixture
def pair():
    """A stamped reader and its peer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = socket.create_connection(listening.getsockname())
        reader, _ = listening.accept()
    stamp_arrivals(reader)
    with reader, peer:
        yield reader, peer


def test_no_stamp_is_zero():
    assert arrival_ns([]) == 0


def test_a_socket_that_was_not_asked_to_stamp_has_waited_for_nothing():
    reader, peer = socket.socketpair()
    with reader, peer:
        peer.sendall(b"x")
        assert receive(reader, 10) == (b"x", 0)


def test_the_stamp_is_that_of_the_arrival_not_of_the_reading(pair):
    reader, peer = pair

    def stamped() -> tuple[int, int, int] | None:
        before_ns = time.time_ns()
        peer.sendall(b"x")
        after_ns = time.time_ns()
        threading.Event().wait(0.02)  # the reader comes late
        data, control, _, _ = reader.recvmsg(10, CONTROL_BYTES)
        assert data == b"x"
        return (before_ns, arrival_ns(control), after_ns) if control else None

    # The first socket of a host that asks makes the kernel begin to stamp, a little later.
    before_ns, stamp_ns, after_ns = eventually(stamped)
    assert before_ns <= stamp_ns <= after_ns + 1_000_000


def test_bytes_have_waited_since_their_arrival(pair):
    reader, peer = pair

    def waited() -> tuple[int, int] | None:
        peer.sendall(b"x")
        after_ns = time.time_ns()
        threading.Event().wait(0.02)
        least_ns = time.time_ns() - after_ns
        data, waited_ns = receive(reader, 10)
        assert data == b"x"
        return (waited_ns, least_ns) if waited_ns else None

    waited_ns, least_ns = eventually(waited)
    assert waited_ns >= least_ns - 1_000_000


def test_nothing_to_read_raises(pair):
    reader, _ = pair
    reader.setblocking(False)
    with pytest.raises(BlockingIOError):
        receive(reader, 10)

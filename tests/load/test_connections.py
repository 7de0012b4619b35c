"""The kernel's stamp of arrival, and the bound on descriptors."""

from __future__ import annotations

import resource
import socket
import threading
import time

import pytest

from servescope.load.connections import (
    Connection,
    descriptors_for,
    descriptors_lent,
    wall_offset_ns,
)
from servescope.sockets.timestamps import CONTROL_BYTES, arrival_ns
from tests.waiting import eventually


def test_stamp_tells_when_bytes_came_not_when_they_were_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connection = Connection(socket.AF_INET, time.monotonic_ns())
        connection.connect(*listening.getsockname())
        peer, _ = listening.accept()

        def stamped() -> tuple[int, int, int] | None:
            before_ns = time.time_ns()
            peer.sendall(b"x")
            after_ns = time.time_ns()
            threading.Event().wait(0.05)  # the reader comes late
            data, control, _, _ = connection.receive(10, CONTROL_BYTES)
            assert data == b"x"
            return (before_ns, arrival_ns(control), after_ns) if control else None

        with peer:
            # The first socket of a host that asks makes the kernel begin to stamp, a little later.
            before_ns, stamp_ns, after_ns = eventually(stamped)
        connection.close()
    assert before_ns <= stamp_ns <= after_ns + 1_000_000


def test_wall_offset_joins_the_clocks() -> None:
    offset = wall_offset_ns()
    before = time.time_ns()
    joined = time.monotonic_ns() + offset
    assert before - 1_000_000 <= joined <= time.time_ns() + 1_000_000


@pytest.fixture
def limits() -> object:
    kept = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield kept
    resource.setrlimit(resource.RLIMIT_NOFILE, kept)


def test_soft_limit_is_raised_as_needed_and_the_hard_one_binds(limits: tuple[int, int]) -> None:
    hard = limits[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    assert descriptors_for(100) == 100
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 256
    assert descriptors_for(1_000) == 1_000
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 1_000
    assert descriptors_for(hard) < hard


def test_a_lent_limit_is_given_back_unless_somebody_raised_it_further(limits) -> None:
    hard = limits[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    with descriptors_lent(1_000) as allowed:
        assert allowed == 1_000
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 1_000
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (256, hard)
    with descriptors_lent(1_000):
        descriptors_for(2_000)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 2_000

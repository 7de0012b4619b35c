"""Real sockets on loopback, and waiting for the kernel with a deadline."""

import contextlib
import socket
import time

import pytest

from servescope.sampling.inet_diag import InetDiag
from tests.waiting import DEADLINE_S


@pytest.fixture
def eventually():
    """Ask until the answer is the expected one; the kernel moves sockets in its own time."""

    def ask(question, expected, seconds=DEADLINE_S):
        deadline = time.monotonic() + seconds
        while (answer := question()) != expected and time.monotonic() < deadline:
            time.sleep(0.002)
        assert answer == expected

    return ask


@pytest.fixture
def sockets():
    """Closes at the end whatever was entered."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def listen(sockets):
    """Open a listening socket on a free port where no earlier connection lingers in TIME_WAIT."""

    def opened(address="127.0.0.1", backlog=5):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        while True:
            listening = sockets.enter_context(
                socket.create_server((address, 0), family=family, backlog=backlog)
            )
            if len(InetDiag().sockets_on(listening.getsockname()[1])) == 1:
                return listening

    return opened


@pytest.fixture
def connect(sockets):
    """Connect clients to a listening socket."""

    def connected(listening, count=1):
        address = listening.getsockname()[:2]
        return [sockets.enter_context(socket.create_connection(address)) for _ in range(count)]

    return connected

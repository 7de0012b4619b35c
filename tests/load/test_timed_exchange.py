"""One request on a connection of its own: what comes back, and how its failures are told."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from servescope.errors import LoadRefusedError
from servescope.load.timed_exchange import TimedExchange, exchange, request_bytes

from .conftest import OK, TinyServer, never_answers

Serve = Callable[..., TinyServer]


def ask(port: int, within_s: float) -> TimedExchange:
    address = ("127.0.0.1", port)
    return exchange(address, request_bytes(address, "/"), within_s)


def test_a_response_is_read_to_the_end_of_the_connection(serve: Serve) -> None:
    found = ask(serve(closes=True).port, 5)
    assert (found.received, found.status, found.content) == (OK, 200, b"hello")
    assert found.field("content-length") == "5"
    assert 0 <= found.connected_ms <= found.sent_ms <= found.blocks[-1][0] <= found.closed_ms


def test_a_response_that_is_not_whole_in_time(serve: Serve) -> None:
    with pytest.raises(LoadRefusedError, match=r"was not whole after 0\.2 s: 0 bytes had come"):
        ask(serve(never_answers).port, 0.2)


def test_a_connection_that_is_not_established_in_time() -> None:
    with ExitStack() as opened:
        listening = opened.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):  # the kernel drops what finds the accept queue full
            client = opened.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        with pytest.raises(LoadRefusedError, match=r"^there was no connection within 0\.2 s$"):
            ask(listening.getsockname()[1], 0.2)

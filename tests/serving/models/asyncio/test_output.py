"""The output buffer, over a real pair of sockets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from servescope.errors import ClientDisconnectedError, ClientGoneError
from servescope.hosting.exchange import Exchange
from servescope.request_fields import RequestFlag
from servescope.serving.connection import now_ns
from servescope.serving.models.asyncio.output import HIGH_WATER, LOW_WATER, OutputBuffer
from servescope.serving.models.asyncio.watch import Watch
from tests.serving.models.asyncio.idle_site import idle_site

TIMEOUT_NS = 60_000_000_000
MUCH = bytes(range(256)) * 8192  # 2 MiB, more than a pair of sockets takes


@pytest.fixture
def pair():
    """A buffer with its socket, the client's, what the loop watches, and an exchange."""
    loop = asyncio.new_event_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    watched: list[int] = []
    exchange = Exchange()
    exchange.open(idle_site(), ("", 0), None, None, 0, 0, 0, RequestFlag(0), 0)
    exchange.head_ready_ns = now_ns()
    writable = Watch(
        ours.fileno(),
        lambda descriptor, _report: watched.append(descriptor),
        watched.remove,
        lambda: None,
    )
    output = OutputBuffer(ours, loop, writable, TIMEOUT_NS)
    with closing(loop), ours, theirs:
        yield SimpleNamespace(
            output=output, theirs=theirs, ours=ours, watched=watched, exchange=exchange, loop=loop
        )


def read_all(pair: Any, size: int) -> bytes:
    """Read `size` bytes at the client while the buffer is flushed as the loop would have it."""
    got = bytearray()
    while len(got) < size:
        got += pair.theirs.recv(65_536)
        if pair.output.pending:
            pair.output.flush(pair.exchange)
    return bytes(got)


def test_what_the_client_takes_is_not_kept(pair):
    assert pair.output.send(pair.exchange, b"hello")
    assert pair.theirs.recv(10) == b"hello"
    assert not pair.output.pending
    assert not pair.watched
    assert pair.exchange.bytes_sent == 5
    assert pair.exchange.last_sent_ns >= pair.exchange.head_ready_ns
    assert pair.exchange.write_ns == pair.exchange.last_sent_ns - pair.exchange.head_ready_ns


def test_the_rest_is_kept_and_comes_in_order(pair):
    before = now_ns()
    assert not pair.output.send(pair.exchange, MUCH)
    assert not pair.output.send(pair.exchange, b"behind")
    assert pair.watched == [pair.ours.fileno()]
    assert before + TIMEOUT_NS <= pair.output.deadline_ns <= now_ns() + TIMEOUT_NS
    assert read_all(pair, len(MUCH) + 6) == MUCH + b"behind"
    assert not pair.watched
    assert pair.exchange.bytes_sent == len(MUCH) + 6


def test_it_is_congested_until_little_is_pending(pair):
    pair.output.send(pair.exchange, MUCH)
    assert len(pair.output.pending) > HIGH_WATER
    assert pair.output.is_congested
    read_all(pair, len(MUCH))
    assert not pair.output.is_congested


def test_an_app_that_waits_goes_on_once_little_is_pending(pair):
    pair.output.send(pair.exchange, MUCH)
    waiting = pair.loop.create_task(pair.output.drain())
    pair.loop.run_until_complete(asyncio.sleep(0))
    assert not waiting.done()
    read_all(pair, len(MUCH))
    pair.loop.run_until_complete(waiting)
    assert len(pair.output.pending) <= LOW_WATER


def test_an_app_that_waits_is_told_of_the_close(pair):
    pair.output.send(pair.exchange, MUCH)
    waiting = pair.loop.create_task(pair.output.drain())
    pair.loop.run_until_complete(asyncio.sleep(0))
    pair.output.close()
    with pytest.raises(ClientDisconnectedError):
        pair.loop.run_until_complete(waiting)
    assert not pair.output.pending


def test_sending_to_a_client_that_has_gone(pair):
    pair.theirs.close()
    with pytest.raises(ClientGoneError):
        pair.output.send(pair.exchange, b"hello")


def test_flushing_to_a_client_that_has_gone(pair):
    pair.output.send(pair.exchange, MUCH)
    pair.theirs.close()
    with pytest.raises(ClientGoneError):
        pair.output.flush(pair.exchange)


def test_a_limit_of_stalls_holds_from_now_on(pair):
    pair.output.send(pair.exchange, MUCH)
    pair.output.limit_stall(1_000)
    assert pair.output.deadline_ns <= now_ns() + 1_000
    pair.output.limit_stall(TIMEOUT_NS)  # never a longer one
    pair.theirs.recv(1_000_000)
    pair.output.flush(pair.exchange)
    assert pair.output.deadline_ns <= now_ns() + 1_000


def test_a_watch_that_has_ended_stays_off(pair):
    watch = Watch(7, lambda descriptor, _report: pair.watched.append(descriptor), id, lambda: None)
    watch.on()
    watch.end()
    watch.on()
    assert (pair.watched, watch.is_on) == ([7], False)

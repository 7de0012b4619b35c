"""The model `sequential` gives way to who waits, and says so before it does."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from servescope.records.listeners import AppKind, ConcurrencyModel
from servescope.serving.models.sequential import GIVE_WAY_NS
from tests.contracts.harness import ModelHarness, wait_until
from tests.serving.raw_client import GET, asking, connect, read_all, read_responses

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

GIVE_WAY_S = GIVE_WAY_NS / 1e9


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ModelHarness]:
    harness = ModelHarness(tmp_path, ConcurrencyModel.SEQUENTIAL, AppKind.WSGI)
    yield harness
    harness.close()


def head(client: socket.socket) -> bytes:
    """The bytes of one response, head and body, as they come in one piece."""
    return client.recv(65_536)


def test_who_is_alone_keeps_the_connection(harness):
    listener = harness.start()
    with connect(listener) as client:
        for _ in range(5):
            client.sendall(GET)
            assert b"Connection: close" not in head(client)


def test_while_somebody_waits_the_end_is_announced(harness):
    listener = harness.start()
    with connect(listener) as first, connect(listener) as second:
        second.sendall(GET)
        first.sendall(GET)
        answer = read_all(first)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert b"Connection: close" not in head(second), "nobody waits any more"
    records = harness.records(2)
    assert (records["status"] == 200).all()


def test_somebody_who_comes_while_the_app_runs_is_seen_by_the_head(harness):
    listener = harness.start()
    with connect(listener) as first:
        first.sendall(harness.wait_request())
        wait_until(lambda: harness.entered() == 1, "the app")
        with connect(listener):
            harness.leave()
            assert b"\r\nConnection: close\r\n" in read_all(first)


def test_what_was_pipelined_is_answered_before_the_end(harness):
    listener = harness.start()
    with connect(listener) as first, connect(listener):
        first.sendall(b"".join(asking(b"/%d" % i, GET) for i in range(20)))
        answer = read_all(first)
    assert answer.count(b"HTTP/1.1 200 ") == 20
    assert answer.count(b"Connection: close") == 1
    assert answer.rindex(b"HTTP/1.1 200 ") < answer.index(b"Connection: close")


def test_who_was_told_to_stay_gives_way_after_a_second_of_idleness_only(harness):
    listener = harness.start()
    with connect(listener) as first:
        first.sendall(GET)
        assert b"Connection: close" not in head(first)
        began = time.monotonic()
        with connect(listener) as second:
            second.sendall(GET)
            assert read_all(first) == b""
            waited = time.monotonic() - began
            assert GIVE_WAY_S - 0.1 < waited < GIVE_WAY_S + 1.0
            assert read_responses(second, 1)[0][0] == 200


def test_a_request_before_that_second_is_answered_with_the_announcement(harness):
    listener = harness.start()
    with connect(listener) as first:
        first.sendall(GET)
        head(first)
        with connect(listener) as second:
            second.sendall(GET)
            threading.Event().wait(0.5 * GIVE_WAY_S)
            first.sendall(GET)
            answer = read_all(first)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"\r\nConnection: close\r\n" in answer
            assert read_responses(second, 1)[0][0] == 200


def test_clients_that_heed_the_announcement_lose_no_request(harness):
    """Eight clients that never send again what they sent: each request is answered."""
    listener = harness.start()
    failed: list[str] = []

    def ask(_: int) -> None:
        client, rest, told_s = connect(listener), 40, time.monotonic()
        while rest:
            was_idle = time.monotonic() - told_s > 0.8 * GIVE_WAY_S
            client.sendall(GET)
            answer = head(client)
            told_s = time.monotonic()
            if not answer and was_idle:  # this machine held it up
                client.close()
                client = connect(listener)
                continue
            if not answer.startswith(b"HTTP/1.1 200 "):
                failed.append(repr(answer))
                break
            rest -= 1
            if b"Connection: close" in answer:
                client.close()
                client = connect(listener)
        client.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert len(harness.records(8 * 40)) == 320

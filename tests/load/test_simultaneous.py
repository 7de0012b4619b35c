"""Requests that are sent at one moment, to a tiny real server."""

from __future__ import annotations

import socket

import pytest

from servescope.errors import LoadRefusedError
from servescope.load.simultaneous import answered_ms
from tests.load.conftest import OK, never_answers
from tests.waiting import wait_until

REQUESTS = 5


def address_of(server):
    return "127.0.0.1", server.port


def test_each_request_has_a_connection_and_the_times_ascend(serve):
    server = serve(closes=True)
    found = answered_ms(address_of(server), "/a?b=c", REQUESTS, 20)
    assert (len(found), server.requests, server.connections) == (REQUESTS,) * 3
    assert found == sorted(found)
    assert found[0] > 0
    head = server.last_request.split(b"\r\n")
    assert head[0] == b"GET /a?b=c HTTP/1.1"
    assert b"Connection: close" in head


def test_no_request_waits_for_the_answer_of_another(serve):
    def answer_all_together(server, _number):
        wait_until(lambda: server.requests == REQUESTS, "all requests")
        return OK

    server = serve(answer_all_together, closes=True)
    assert len(answered_ms(address_of(server), "/", REQUESTS, 20)) == REQUESTS


@pytest.mark.parametrize(
    ("behaviour", "refusal"),
    [
        (lambda _server, _number: b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "'HTTP/1.1 503"),
        (lambda _server, _number: b"no HTTP", "'no HTTP'"),
        (lambda _server, _number: None, "the server answered ''"),
    ],
    ids=["another status", "no HTTP", "nothing"],
)
def test_another_answer_than_200_is_an_error(serve, behaviour, refusal):
    with pytest.raises(LoadRefusedError, match=refusal):
        answered_ms(address_of(serve(behaviour, closes=True)), "/", 2, 20)


def test_a_missing_answer_is_an_error_in_time(serve):
    with pytest.raises(LoadRefusedError, match=r"not every response was there after 0\.1 s"):
        answered_ms(address_of(serve(never_answers)), "/", 2, 0.1)


def test_a_port_where_nobody_listens_is_an_error():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(LoadRefusedError, match="a request could not be sent: Connection ref"):
            answered_ms(bound.getsockname(), "/", 1, 20)

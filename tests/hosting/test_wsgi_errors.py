"""Apps that fail, and clients that leave."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest

from servescope.hosting.conversation import Need
from servescope.request_fields import RequestFlag
from tests.hosting.wsgi_client import Client, Environ, Response, answer_with

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("how", ["call", "first block", "no start", "header", "status", "twice"])
def test_a_failing_app_is_a_500_without_a_traceback(how: str, caplog: pytest.LogCaptureFixture):
    def app(_environ: Environ, start_response: Any) -> Iterator[bytes] | list[bytes]:
        if how == "call":
            raise ZeroDivisionError("the secret")
        if how == "no start":
            return [b"x"]
        if how == "status":
            start_response("teapot", [])
        if how == "header":
            start_response("200 OK", [("X", "a\r\nb")])
        if how == "twice":
            start_response("200 OK", [])
            start_response("200 OK", [])
        return iter_failing()

    def iter_failing() -> Iterator[bytes]:
        if how == "first block":
            raise ZeroDivisionError("the secret")
        yield b"x"

    client = Client(app)
    with caplog.at_level(logging.ERROR):
        exchange = client.call()
    response = Response(b"".join(client.sends))
    assert response.status == exchange.status == 500
    assert b"secret" not in response.content
    assert b"Traceback" not in response.content
    assert response.headers["connection"] == "close"
    assert exchange.flags & RequestFlag.APP_ERROR
    assert "Traceback" in caplog.text


def test_an_error_after_the_head_breaks_the_response_off(caplog: pytest.LogCaptureFixture):
    def app(_environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"some"
        raise ZeroDivisionError

    client = Client(app)
    with caplog.at_level(logging.ERROR):
        exchange = client.call()
    assert not Response(b"".join(client.sends)).is_complete
    assert exchange.flags & RequestFlag.APP_ERROR
    assert not exchange.keep_alive
    assert client.conversation.finish_cycle(9) is Need.CLOSE


def test_exc_info_replaces_the_head_that_was_not_sent():
    def app(_environ: Environ, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-Before", "1")])
        try:
            int("x")
        except ValueError:
            start_response("503 Sorry", [("X-After", "1")], sys.exc_info())
        return [b"sorry"]

    response = Client(app).response()
    assert response.status == 503
    assert "x-after" in response.headers
    assert "x-before" not in response.headers


def test_exc_info_after_the_head_raises_it_again(caplog: pytest.LogCaptureFixture):
    raised: list[BaseException] = []

    def app(_environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"some"
        try:
            int("x")
        except ValueError:
            try:
                start_response("500 Oops", [], sys.exc_info())
            except ValueError as error:
                raised.append(error)
                raise

    with caplog.at_level(logging.ERROR):
        assert Client(app).call().status == 200
    assert len(raised) == 1


class Closing:
    def __init__(self, blocks: list[bytes], *, fails: bool = False) -> None:
        self.blocks = iter(blocks)
        self.fails = fails
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self.blocks

    def close(self) -> None:
        self.closed += 1
        if self.fails:
            raise ZeroDivisionError


@pytest.mark.parametrize("gone_after", [0, 1, 99])
def test_close_is_called_once_whatever_happens(gone_after: int):
    result = Closing([b"a", b"b"])

    def app(_environ: Environ, start_response: Any) -> Closing:
        start_response("200 OK", [])
        return result

    exchange = Client(app, gone_after).call()
    assert result.closed == 1
    assert bool(exchange.flags & RequestFlag.ABORTED) is (gone_after < 99)
    assert exchange.keep_alive is (gone_after == 99)


def test_an_error_in_close_does_not_spoil_the_response(caplog: pytest.LogCaptureFixture):
    def app(_environ: Environ, start_response: Any) -> Closing:
        start_response("200 OK", [("Content-Length", "1")])
        return Closing([b"a"], fails=True)

    with caplog.at_level(logging.ERROR):
        response = Client(app).response()
    assert (response.status, response.content, response.is_complete) == (200, b"a", True)
    assert "ZeroDivisionError" in caplog.text


def test_less_than_announced_closes(caplog: pytest.LogCaptureFixture):
    client = Client(answer_with(b"a", b"b", headers=[("Content-Length", "5")]))
    with caplog.at_level(logging.WARNING):
        exchange = client.call()
    assert "3 bytes less than its Content-Length" in caplog.text
    assert not exchange.keep_alive


def test_a_single_block_shorter_than_announced_closes_too(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        exchange = Client(answer_with(b"a", headers=[("Content-Length", "5")])).call()
    assert "4 bytes less" in caplog.text
    assert not exchange.keep_alive


def test_more_than_announced_is_cut():
    response = Client(answer_with(b"abc", b"def", headers=[("Content-Length", "4")])).response()
    assert response.content == b"abcd"

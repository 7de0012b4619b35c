"""Responses that have no content: not a byte may follow their head, whichever way it came."""

from __future__ import annotations

import io
import os
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from servescope.hosting.asgi.http import PART, START
from servescope.hosting.conversation import Need
from servescope.hosting.open_file import OpenFile
from servescope.request_fields import RequestFlag
from tests.descriptors import open_descriptors
from tests.hosting.asgi.asgi_client import Hand
from tests.hosting.wsgi_client import Client, Environ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servescope.hosting.exchange import Exchange

FILE = b"0123456789"
CASES = {
    "204": (b"GET", 204),
    "205": (b"GET", 205),
    "304": (b"GET", 304),
    "HEAD": (b"HEAD", 200),
    "HEAD 404": (b"HEAD", 404),
}
LENGTHS: dict[str, list[tuple[str, str]]] = {
    "no length": [],
    "its length": [("Content-Length", str(len(FILE)))],
    "a length in bytes": [(b"Content-Length", b"10")],  # type: ignore[list-item]
    "another length": [("Content-Length", "3")],
}


def as_file(environ: Environ, _write: Any) -> Any:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the wrapper closes it
    file.write(FILE)
    file.seek(0)
    return environ["wsgi.file_wrapper"](file)


def as_what_is_like_a_file(environ: Environ, _write: Any) -> Any:
    return environ["wsgi.file_wrapper"](io.BytesIO(FILE))


def as_one_block(_environ: Environ, _write: Any) -> Any:
    return [FILE]


def as_blocks(_environ: Environ, _write: Any) -> Any:
    return [FILE[:4], FILE[4:]]


def as_a_generator(_environ: Environ, _write: Any) -> Any:
    return iter([FILE[:4], FILE[4:]])


def as_writes(_environ: Environ, write: Any) -> Any:
    write(FILE[:4])
    write(FILE[4:])
    return []


def without_end(_environ: Environ, _write: Any) -> Iterator[bytes]:
    while True:
        yield FILE


WAYS = [
    as_file,
    as_what_is_like_a_file,
    as_one_block,
    as_blocks,
    as_a_generator,
    as_writes,
    without_end,
]


def asking(method: bytes) -> bytes:
    return method + b" / HTTP/1.1\r\nHost: h\r\n\r\n"


def assert_head_alone(out: bytes, status: int) -> None:
    head, _, content = out.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert content == b""
    lines = head.lower().split(b"\r\n")
    assert not [line for line in lines if line.startswith(b"transfer-encoding")]
    lengths = [line for line in lines if line.startswith(b"content-length")]
    if status == 204:
        assert lengths == [], "RFC 9110 section 8.6"
    if status == 205:
        assert lengths == [b"content-length: 0"], "RFC 9110 section 15.3.6"


@pytest.mark.parametrize("headers", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize(("method", "status"), CASES.values(), ids=CASES)
def test_wsgi(
    method: bytes, status: int, way: Callable[[Environ, Any], Any], headers: list[tuple[str, str]]
):
    def app(environ: Environ, start_response: Any) -> Any:
        return way(environ, start_response(f"{status} Phrase", list(headers)))

    before = open_descriptors()
    client = Client(app)
    exchange = client.call(asking(method) + asking(b"GET"))
    assert_head_alone(b"".join(client.sends), status)
    assert client.lasts == [True]
    assert not exchange.flags & (RequestFlag.ABORTED | RequestFlag.APP_ERROR)
    assert client.conversation.finish_cycle(9) is Need.RUN, "the next request is served"
    assert open_descriptors() <= before


@pytest.mark.parametrize("headers", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("parts", [[FILE], [FILE[:4], FILE[4:]], [FILE[:4], b""]])
@pytest.mark.parametrize(("method", "status"), CASES.values(), ids=CASES)
def test_asgi(method: bytes, status: int, parts: list[bytes], headers: list[Any]):
    raw = [
        tuple(text if isinstance(text, bytes) else text.encode() for text in pair)
        for pair in headers
    ]

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": START, "status": status, "headers": raw})
        for at, part in enumerate(parts, 1):
            await send({"type": PART, "body": part, "more_body": at < len(parts)})

    hand = Hand(app, asking(method)).step()
    assert hand.error is None
    assert_head_alone(hand.out, status)
    assert len(hand.channel.sends) == 1
    assert hand.conversation.finish_cycle(9) is Need.READ


@pytest.mark.parametrize(("method", "status"), CASES.values(), ids=CASES)
def test_an_error_page(method: bytes, status: int):
    client = Client(lambda *_: [])
    client.site.application = Answering(lambda exchange: exchange.respond_error(status, "Why."))
    client.call(asking(method))
    assert_head_alone(b"".join(client.sends), status)


@pytest.mark.parametrize(("method", "status"), CASES.values(), ids=CASES)
def test_a_file_of_an_application(method: bytes, status: int):
    def answer(exchange: Exchange) -> None:
        with OpenFile(os.memfd_create("file")) as file:
            os.write(file.fileno(), FILE)
            exchange.respond_file(status, [], file, 0, len(FILE))

    before = open_descriptors()
    client = Client(lambda *_: [])
    client.site.application = Answering(answer)
    client.call(asking(method))
    assert_head_alone(b"".join(client.sends), status)
    assert open_descriptors() <= before


class Answering:
    """An Application that is a function."""

    accepts_body = True

    def __init__(self, answer: Callable[[Exchange], None]) -> None:
        self._answer = answer

    def __call__(self, exchange: Exchange) -> None:
        self._answer(exchange)


# A file has the length that the head tells, and a descriptor one owner.


@pytest.mark.parametrize("length", ["3", b"3"], ids=["text", "bytes"])
def test_a_file_is_cut_at_the_length_announced(length: Any):
    name: Any = "Content-Length" if isinstance(length, str) else b"Content-Length"

    def app(environ: Environ, start_response: Any) -> Any:
        start_response("200 Fine", [(name, length)])
        return as_file(environ, None)

    client = Client(app)
    client.call()
    head, _, content = b"".join(client.sends).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 Fine\r\n")
    assert content == FILE[:3]
    assert client.conversation.finish_cycle(9) is Need.READ


@pytest.mark.parametrize("length", ["30", b"30"], ids=["text", "bytes"])
def test_a_file_shorter_than_announced_closes(length: Any, caplog: pytest.LogCaptureFixture):
    name: Any = "Content-Length" if isinstance(length, str) else b"Content-Length"

    def app(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [(name, length)])
        return as_file(environ, None)

    client = Client(app)
    client.call()
    assert b"".join(client.sends).endswith(b"\r\n\r\n" + FILE)
    assert "20 bytes less than its Content-Length" in caplog.text
    assert client.conversation.finish_cycle(9) is Need.CLOSE


REFUSED: dict[str, tuple[Any, Any]] = {
    "a header with a line break": ("200 OK", [("X", "a\r\nb")]),
    "a header as int": ("200 OK", [("X", 1)]),
    "a length that is none": ("200 OK", [("Content-Length", "ten")]),
    "two lengths": ("200 OK", [("Content-Length", "3"), ("Content-Length", "3")]),
    "a status": ("teapot", []),
}


@pytest.mark.parametrize(("status", "headers"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_refused_head_loses_no_descriptor(status: str, headers: Any, method: bytes):
    def app(environ: Environ, start_response: Any) -> Any:
        start_response(status, headers)
        return as_file(environ, None)

    before = open_descriptors()
    for _ in range(3):
        client = Client(app)
        client.call(asking(method))
        assert b"".join(client.sends).startswith(b"HTTP/1.1 500 ")
    assert open_descriptors() <= before


def test_a_file_without_a_start_loses_no_descriptor():
    before = open_descriptors()
    client = Client(lambda environ, _start_response: as_file(environ, None))
    client.call()
    assert b"".join(client.sends).startswith(b"HTTP/1.1 500 ")
    assert open_descriptors() <= before

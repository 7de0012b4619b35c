"""The guarantees of PEP 3333 to an app beyond the common case, clause by clause."""

from __future__ import annotations

import io
import tempfile
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import pytest

from tests.hosting.wsgi_client import Client, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BODY = b"one\ntwo\r\nthree"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
PLAIN = [("Content-Type", "text/plain")]


@pytest.mark.parametrize(
    ("read", "found"),
    [
        (lambda body: body.read(), BODY),
        (lambda body: body.read(4), b"one\n"),
        (lambda body: body.read(4) + body.read(1000) + body.read(1), BODY),
        (lambda body: body.readline() + body.readline(), b"one\ntwo\r\n"),
        (lambda body: body.readline(2), b"on"),
        (lambda body: b"|".join(body.readlines()), b"one\n|two\r\n|three"),
        (b"|".join, b"one\n|two\r\n|three"),
        (lambda _body: b"", b""),  # nobody has to read it
    ],
)
def test_the_input_stream_reads_as_a_file(read: Callable[[Any], bytes], found: bytes):
    """Section "Input and Error Streams"; the end is an empty read, never a wait."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        content = read(environ["wsgi.input"])
        start_response("200 OK", PLAIN)
        return [content]

    assert Client(app).response(POST).content == found


def test_the_validator_finds_no_fault_with_a_body():
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        content = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.errors"].write("")
        environ["wsgi.errors"].flush()
        start_response("200 OK", PLAIN)
        return [content]

    assert Client(validator(app)).response(POST).content == BODY


def test_an_app_may_start_its_response_with_its_first_block():
    """Section "The start_response() Callable": before the iterable yields its first bytestring."""

    def app(_environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("201 Created", PLAIN)
        yield b"made"

    response = Client(app).response()
    assert (response.status, response.content) == (201, b"made")


def test_empty_blocks_send_no_head_yet():
    """Section "Handling the Exception": until the first non-empty block the head can change."""

    def app(_environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b""
        yield b""
        try:
            int("found out late")
        except ValueError as error:
            start_response("503 Later", PLAIN, (type(error), error, error.__traceback__))
        yield b"later"

    response = Client(app).response()
    assert (response.status, response.content) == (503, b"later")


def test_the_lists_of_the_app_stay_its_own():
    headers = [("Content-Type", "text/plain"), ("X-One", "1")]
    blocks = [b"a", b"b"]

    def app(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", headers)
        return blocks

    client = Client(app)
    for _ in range(2):
        client.sends.clear()
        client.lasts.clear()
        assert client.response().content == b"ab"
    assert headers == [("Content-Type", "text/plain"), ("X-One", "1")]
    assert blocks == [b"a", b"b"]


def test_each_request_has_an_environ_of_its_own():
    """Section "environ Variables": the app may change it in any way; a dict, not a subclass."""
    seen = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append((type(environ), "added" in environ, environ["PATH_INFO"]))
        environ["added"] = True
        environ["PATH_INFO"] = "/elsewhere"
        start_response("200 OK", PLAIN)
        return [b""]

    client = Client(app)
    client.call()
    client.call()
    assert seen == [(dict, False, "/")] * 2


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize(("announced", "content"), [(None, b"0123456789"), ("4", b"0123")])
def test_a_wrapped_file_ends_at_its_announced_length_and_is_closed(
    method: bytes, announced: str | None, content: bytes
):
    """Section "Optional Platform-Specific File Handling"."""
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        file.seek(0)

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            length = [] if announced is None else [("Content-Length", announced)]
            start_response("200 OK", PLAIN + length)
            return environ["wsgi.file_wrapper"](file)

        client = Client(app)
        client.call(method + b" / HTTP/1.1\r\nHost: h\r\n\r\n")
        data = b"".join(client.sends)
        assert file.closed
    if method == b"HEAD":
        assert data.endswith(b"\r\n\r\n")
        assert data.count(b"\r\n\r\n") == 1
    else:
        assert Response(data).content == content


def test_a_file_like_without_close_or_descriptor_is_read():
    class Endless:
        def __init__(self) -> None:
            self._left = io.BytesIO(b"x" * 10)

        def read(self, size: int) -> bytes:
            return self._left.read(size)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", PLAIN)
        wrapper = environ["wsgi.file_wrapper"](Endless(), 3)
        assert not hasattr(wrapper, "close")
        return wrapper

    assert Client(app).response().content == b"x" * 10


@pytest.mark.parametrize("gone_after", [0, 1, 2])
def test_an_app_whose_client_left_is_closed_in_the_middle(gone_after: int):
    """Section "Specification Details": close() is called, whether or not all was iterated."""
    ended = []

    def app(_environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        try:
            for number in range(1_000_000):
                ended[:] = [f"block {number}"]
                yield b"x"
        finally:
            ended.append("closed")

    client = Client(app)
    client.gone_after = gone_after
    client.call()
    assert ended == [f"block {gone_after}", "closed"]

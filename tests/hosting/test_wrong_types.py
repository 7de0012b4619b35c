"""An app that gives what PEP 3333 or ASGI does not allow: nothing of it is half sent."""

from __future__ import annotations

import array
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from servescope.hosting.asgi.http import PART, START, HttpState
from servescope.hosting.asgi.websocket import ACCEPT, CLOSE, DENIAL_START, SEND, SocketState
from servescope.hosting.conversation import Need
from tests.hosting.asgi.asgi_client import UPGRADE, Hand
from tests.hosting.faults import failures
from tests.hosting.wsgi_client import GET, Client, Environ, Response, answer_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NO_CONTENT: dict[str, Any] = {
    "text": "text",
    "empty text": "",
    "None": None,
    "int": 5,
    "zero": 0,
    "float": 1.5,
    "list": [b"x"],
    "dict": {},
    "array": array.array("I", [1, 2]),
    "object": object(),
}
"""Values that are no content: some are false, an array exports a buffer."""

LIKE_BYTES: dict[str, Any] = {
    "bytearray": bytearray(b"\x01\x00\x00\x00"),
    "memoryview": memoryview(b"\x01\x00\x00\x00"),
    "wide memoryview": memoryview(array.array("I", [1])),
    "strided memoryview": memoryview(b"\x01_\x00_\x00_\x00_")[::2],
}
"""Four bytes each, whatever their `len`."""

no_content = pytest.mark.parametrize("content", NO_CONTENT.values(), ids=NO_CONTENT)
like_bytes = pytest.mark.parametrize("content", LIKE_BYTES.values(), ids=LIKE_BYTES)


class Lying(bytes):
    """Says that it is longer than it is, and more."""

    def __len__(self) -> int:
        return 99

    def __bytes__(self) -> bytes:
        return b"something else"

    def __radd__(self, _other: bytes) -> bytes:
        return b"HTTP/1.1 200 OK\r\n\r\n"


def assert_500(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """A whole 500 and nothing else; the connection ends with it."""
    response = Response(b"".join(client.sends))
    assert (response.status, response.is_complete) == (500, True)
    assert client.lasts == [True]
    assert len(failures(caplog)) == 1
    assert client.conversation.finish_cycle(9) is Need.LINGER


@no_content
def test_a_single_block(content: Any, caplog: pytest.LogCaptureFixture):
    client = Client(answer_with(content))
    client.call(GET + GET)
    assert_500(client, caplog)


@no_content
def test_a_first_block(content: Any, caplog: pytest.LogCaptureFixture):
    client = Client(answer_with(content, b"x"))
    client.call(GET + GET)
    assert_500(client, caplog)


@no_content
def test_a_later_block(content: Any, caplog: pytest.LogCaptureFixture):
    client = Client(answer_with(b"some", content))
    client.call(GET + GET)
    response = Response(b"".join(client.sends))
    assert (response.status, response.content, response.is_complete) == (200, b"some", False)
    assert len(failures(caplog)) == 1
    assert client.conversation.finish_cycle(9) is Need.CLOSE


@pytest.mark.parametrize(
    "result",
    [None, 5, "text", b"bytes", object()],
    ids=["None", "int", "text", "bytes", "object"],
)
def test_the_result_of_the_call(result: Any, caplog: pytest.LogCaptureFixture):
    def app(_environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [])
        return result

    client = Client(app)
    client.call(GET + GET)
    assert_500(client, caplog)


@no_content
def test_what_write_is_given(content: Any, caplog: pytest.LogCaptureFixture):
    def app(_environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [])(content)
        return [b"x"]

    client = Client(app)
    client.call(GET + GET)
    assert_500(client, caplog)


def test_an_app_may_catch_it_and_go_on():
    """The head was not sent with the part that was refused, so it goes out with the next one."""

    def app(_environ: Environ, start_response: Any) -> Any:
        write = start_response("200 OK", [])
        with pytest.raises(ValueError, match="content is bytes, the app gave str"):
            write("text")
        write(b"bytes")
        return []

    response = Client(app).response()
    assert (response.status, response.content, response.is_complete) == (200, b"bytes", True)


@pytest.mark.parametrize("blocks", [1, 2])
@like_bytes
def test_what_is_like_bytes_is_sent_whole(content: Any, blocks: int):
    client = Client(answer_with(*[content] * blocks))
    response = client.response()
    assert response.content == b"\x01\x00\x00\x00" * blocks
    assert response.is_complete
    assert client.conversation.finish_cycle(9) is Need.READ


@pytest.mark.parametrize("blocks", [1, 2])
def test_bytes_of_an_odd_class_are_what_they_hold(blocks: int):
    response = Client(answer_with(*[Lying(b"abc")] * blocks)).response()
    assert response.content == b"abc" * blocks
    assert response.is_complete


STARTS: dict[str, tuple[Any, Any]] = {
    "status as int": (200, []),
    "status as an HTTPStatus": (HTTPStatus.OK, []),
    "status as bytes": (b"200 OK", []),
    "no status": (None, []),
    "status as a list": (["200 OK"], []),
    "status without a phrase": ("200", []),
    "status of two digits": ("20 OK", []),
    "status with a line break": ("200 OK\r\nX: y", []),
    "interim status": ("100 Continue", []),
    "switching protocols": ("101 Switching Protocols", []),
    "early hints": ("103 Early Hints", []),
    "no headers": ("200 OK", None),
    "headers as int": ("200 OK", 5),
    "headers as text": ("200 OK", "X: y"),
    "headers as a dict": ("200 OK", {"Name": "value"}),
    "a header of three": ("200 OK", [("X", "y", "z")]),
    "a header of one": ("200 OK", [("X",)]),
    "a header that is None": ("200 OK", [None]),
    "a name as int": ("200 OK", [(1, "y")]),
    "a value as int": ("200 OK", [("Content-Length", 4)]),
    "a value that is None": ("200 OK", [("X", None)]),
    "a name as text, its value as bytes": ("200 OK", [("X", b"y")]),
    "a value with a line break": ("200 OK", [("X", "y\r\n\r\nHTTP/1.1 200 OK")]),
    "a value beyond Latin-1": ("200 OK", [("X", "\u20ac")]),
    "an empty name": ("200 OK", [("", "y")]),
    "a length that is none": ("200 OK", [("Content-Length", "four")]),
    "a length below zero": ("200 OK", [("Content-Length", "-4")]),
    "a length in other digits": ("200 OK", [("Content-Length", "\uff14")]),
    "two lengths": ("200 OK", [("Content-Length", "4"), ("Content-Length", "4")]),
}


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "in parts"])
@pytest.mark.parametrize(("status", "headers"), STARTS.values(), ids=STARTS)
def test_an_unfit_start(
    status: Any, headers: Any, is_stream: bool, caplog: pytest.LogCaptureFixture
):
    def app(_environ: Environ, start_response: Any) -> Any:
        start_response(status, headers)
        return iter([b"ab", b"cd"]) if is_stream else [b"abcd"]

    client = Client(app)
    client.call(GET + GET)
    assert_500(client, caplog)


def test_an_unfit_start_that_is_caught_leaves_nothing_behind(caplog: pytest.LogCaptureFixture):
    def app(_environ: Environ, start_response: Any) -> Any:
        with pytest.raises(TypeError):
            start_response("200 OK", None)
        return [b"without a head"]

    client = Client(app)
    client.call()
    assert_500(client, caplog)


def test_more_than_announced_ends_the_iteration():
    """PEP 3333: a server "should stop iterating [...] when enough data has been sent"."""
    given = []

    def blocks() -> Iterator[bytes]:
        while True:
            given.append(1)
            yield b"ab"

    def app(_environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "3")])
        return blocks()

    client = Client(app)
    assert client.response().content == b"aba"
    assert len(given) == 3
    assert client.conversation.finish_cycle(9) is Need.READ


# ASGI


def asgi_app(*messages: Any) -> Callable[..., Any]:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


HEAD = {"type": START, "status": 200, "headers": []}


def assert_asgi_500(hand: Hand, caplog: pytest.LogCaptureFixture) -> None:
    response = Response(hand.out)
    assert (response.status, response.is_complete) == (500, True)
    assert len(hand.channel.sends) == 1
    assert len(failures(caplog)) == 1
    assert hand.conversation.finish_cycle(9) is Need.LINGER


@pytest.mark.parametrize("more", [False, True])
@no_content
def test_asgi_a_first_part(content: Any, more: bool, caplog: pytest.LogCaptureFixture):
    hand = Hand(asgi_app(HEAD, {"type": PART, "body": content, "more_body": more})).step()
    assert_asgi_500(hand, caplog)


@no_content
def test_asgi_a_later_part(content: Any, caplog: pytest.LogCaptureFixture):
    first = {"type": PART, "body": b"some", "more_body": True}
    hand = Hand(asgi_app(HEAD, first, {"type": PART, "body": content})).step()
    response = Response(hand.out)
    assert (response.content, response.is_complete) == (b"some", False)
    assert len(failures(caplog)) == 1
    assert hand.conversation.finish_cycle(9) is Need.CLOSE


@pytest.mark.parametrize("more", [False, True])
@like_bytes
def test_asgi_what_is_like_bytes_is_sent_whole(content: Any, more: bool):
    messages = [HEAD, {"type": PART, "body": content, "more_body": more}]
    if more:
        messages.append({"type": PART})
    hand = Hand(asgi_app(*messages)).step()
    response = Response(hand.out)
    assert (response.content, response.is_complete) == (b"\x01\x00\x00\x00", True)
    assert hand.conversation.finish_cycle(9) is Need.READ


ASGI_STARTS: dict[str, dict[str, Any]] = {
    "status as text": {"status": "200"},
    "status as float": {"status": 200.0},
    "no status": {"status": None},
    "interim status": {"status": 103},
    "status beyond 599": {"status": 600},
    "True as a status": {"status": True},
    "no headers": {"headers": None},
    "headers as int": {"headers": 5},
    "headers as text": {"headers": "x: y"},
    "headers as a dict": {"headers": {b"name": b"value"}},
    "a header of three": {"headers": [(b"x", b"y", b"z")]},
    "an empty header": {"headers": [()]},
    "a header that is None": {"headers": [None]},
    "a name as text": {"headers": [("x", b"y")]},
    "a value as text": {"headers": [(b"x", "y")]},
    "a later value as text": {"headers": [(b"a", b"b"), (b"x", "y")]},
    "a value as int": {"headers": [(b"content-length", 4)]},
    "a value that is None": {"headers": [(b"x", None)]},
    "a value with a line break": {"headers": [(b"x", b"y\r\nz: 1")]},
    "a length that is none": {"headers": [(b"content-length", b"four")]},
}


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("start", ASGI_STARTS.values(), ids=ASGI_STARTS)
def test_asgi_an_unfit_start(start: Any, more: bool, caplog: pytest.LogCaptureFixture):
    part = {"type": PART, "body": b"abcd", "more_body": more}
    hand = Hand(asgi_app({**HEAD, **start}, part)).step()
    assert_asgi_500(hand, caplog)


@pytest.mark.parametrize(
    "message", [None, 5, "text", [], {}, {"type": None}, {"type": []}, {"type": b"x"}], ids=repr
)
def test_asgi_what_is_no_message(message: Any, caplog: pytest.LogCaptureFixture):
    assert_asgi_500(Hand(asgi_app(message)).step(), caplog)


def test_asgi_a_status_may_be_an_enum():
    hand = Hand(asgi_app({**HEAD, "status": HTTPStatus.CREATED}, {"type": PART})).step()
    assert hand.out.startswith(b"HTTP/1.1 201 Created\r\n")
    assert type(hand.exchange.status) is int


def test_asgi_a_part_that_is_refused_can_be_followed_by_a_right_one():
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(HEAD)
        for more in (True, False):
            with pytest.raises(ValueError, match="content is bytes"):
                await send({"type": PART, "body": "text", "more_body": more})
            await send({"type": PART, "body": b"bytes", "more_body": more})

    hand = Hand(app).step()
    assert Response(hand.out).content == b"bytesbytes"
    assert hand.call.state is HttpState.ENDED


def test_asgi_a_send_that_breaks_is_not_tried_again():
    """It may be out, in part or whole: what follows would be taken for the next response."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(HEAD)
        for _ in range(2):
            try:
                await send({"type": PART, "body": b"once"})
            except Exception:
                logging.getLogger("app").exception("swallowed")

    hand = Hand(app)
    sends = hand.channel.sends

    def breaking(data: bytes, *, last: bool) -> None:
        del last
        sends.append(data)
        raise RuntimeError("a fault of the server's own")

    hand.channel.send = breaking  # type: ignore[method-assign]
    hand.step()
    assert len(sends) == 1
    assert hand.conversation.finish_cycle(9) is Need.CLOSE


SOCKET_MESSAGES: dict[str, dict[str, Any]] = {
    "text as bytes": {"type": SEND, "text": b"x"},
    "text as int": {"type": SEND, "text": 5},
    "bytes as text": {"type": SEND, "bytes": "x"},
    "bytes as int": {"type": SEND, "bytes": 5},
    "text that is no Unicode": {"type": SEND, "text": "\ud800"},
    "neither": {"type": SEND},
    "both": {"type": SEND, "text": "x", "bytes": b"x"},
    "a code as text": {"type": CLOSE, "code": "1000"},
    "a code as float": {"type": CLOSE, "code": 1000.0},
    "a code of the wire": {"type": CLOSE, "code": 1006},
    "a code beyond all": {"type": CLOSE, "code": 70_000},
    "a reason as bytes": {"type": CLOSE, "reason": b"x"},
    "a reason as int": {"type": CLOSE, "reason": 5},
    "a reason that is no Unicode": {"type": CLOSE, "reason": "\ud800"},
}


@pytest.mark.parametrize("message", SOCKET_MESSAGES.values(), ids=SOCKET_MESSAGES)
def test_websocket_an_unfit_message(message: Any, caplog: pytest.LogCaptureFixture):
    hand = Hand(asgi_app({"type": ACCEPT}, message), UPGRADE, accept=True).step()
    assert hand.channel.frames == b"\x88\x02\x03\xf3", "1011 and nothing before it"
    assert len(failures(caplog)) == 1


@pytest.mark.parametrize("message", SOCKET_MESSAGES.values(), ids=SOCKET_MESSAGES)
def test_websocket_an_app_may_catch_it_and_go_on(message: Any):
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": ACCEPT})
        with pytest.raises((TypeError, ValueError)):
            await send(message)
        await send({"type": SEND, "text": "hi"})
        await send({"type": CLOSE})

    hand = Hand(app, UPGRADE, accept=True).step()
    assert hand.error is None
    assert hand.channel.frames == b"\x81\x02hi\x88\x02\x03\xe8"


@like_bytes
def test_websocket_what_is_like_bytes_is_sent_whole(content: Any):
    hand = Hand(asgi_app({"type": ACCEPT}, {"type": SEND, "bytes": content}), UPGRADE, accept=True)
    hand.step()
    assert hand.channel.frames.startswith(b"\x82\x04\x01\x00\x00\x00")


ACCEPTS: dict[str, dict[str, Any]] = {
    "a protocol that was not offered": {"subprotocol": "v3"},
    "a protocol as bytes": {"subprotocol": b"v1"},
    "no headers": {"headers": None},
    "a name as text": {"headers": [("x", b"y")]},
    "a value as text": {"headers": [(b"x", "y")]},
    "a value with a line break": {"headers": [(b"x", b"y\r\nz: 1")]},
}


@pytest.mark.parametrize("accept", ACCEPTS.values(), ids=ACCEPTS)
def test_websocket_an_unfit_accept(accept: Any, caplog: pytest.LogCaptureFixture):
    hand = Hand(asgi_app({"type": ACCEPT, **accept}), UPGRADE, accept=True).step()
    assert_asgi_500(hand, caplog)
    assert hand.host.traffic.open_now == 0


def test_websocket_a_denial_that_is_refused_may_still_be_accepted():
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        with pytest.raises(ValueError, match="status"):
            await send({"type": DENIAL_START, "status": "404"})
        await send({"type": ACCEPT})

    hand = Hand(app, UPGRADE, accept=True).step()
    assert hand.out.startswith(b"HTTP/1.1 101 ")
    assert hand.channel.frames == b"\x88\x02\x03\xe8", "closed when the app returned"
    assert hand.call._state is SocketState.CLOSED

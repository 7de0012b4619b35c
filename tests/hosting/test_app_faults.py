"""An app that raises, whatever and wherever: a 500 or a break, one line of log, and no more."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from servescope.hosting.asgi.http import PART, START
from servescope.hosting.asgi.lifespan import LifespanState
from servescope.hosting.asgi.websocket import ACCEPT, DENIAL_BODY, DENIAL_START
from servescope.hosting.conversation import Need
from servescope.request_fields import RequestFlag
from tests.hosting.asgi.asgi_client import UPGRADE, Hand
from tests.hosting.asgi.test_lifespan import live, step
from tests.hosting.faults import FAULTS, failures
from tests.hosting.wsgi_client import GET, Client, Environ, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    WsgiApp = Callable[[Environ, Any], Any]

LINE = "listener wsgi: the application failed on GET /"
every_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


def in_the_call(fault: type[BaseException]) -> WsgiApp:
    def app(_environ: Environ, _start_response: Any) -> Any:
        raise fault

    return app


def after_the_start(fault: type[BaseException]) -> WsgiApp:
    def app(_environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "9")])
        raise fault

    return app


class Blocks:
    """An iterable that raises where it is told to."""

    def __init__(self, fault: type[BaseException], where: str) -> None:
        self.fault, self.where = fault, where
        self.left = [b"a", b"b"]

    def __iter__(self) -> Blocks:
        if self.where == "iter":
            raise self.fault
        return self

    def __next__(self) -> bytes:
        if self.where == "first block" or (self.where == "second block" and len(self.left) == 1):
            raise self.fault
        if not self.left:
            raise StopIteration
        return self.left.pop(0)

    def close(self) -> None:
        if self.where == "close":
            raise self.fault


def in_blocks(where: str) -> Callable[[type[BaseException]], WsgiApp]:
    def make(fault: type[BaseException]) -> WsgiApp:
        def app(_environ: Environ, start_response: Any) -> Any:
            start_response("200 OK", [])
            return Blocks(fault, where)

        return app

    return make


class File:
    """Like a file, of which nothing can be read."""

    def __init__(self, fault: type[BaseException]) -> None:
        self.fault = fault

    def read(self, _size: int) -> bytes:
        raise self.fault


def in_a_read(fault: type[BaseException]) -> WsgiApp:
    def app(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](File(fault))

    return app


def in_a_finally(fault: type[BaseException]) -> WsgiApp:
    def app(_environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            yield b"a"
            yield b"b"
        finally:
            raise fault

    return app


def in_a_write(fault: type[BaseException]) -> WsgiApp:
    def app(_environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [])(b"a")
        raise fault

    return app


BEFORE_THE_HEAD = {
    "call": in_the_call,
    "after start_response": after_the_start,
    "iter": in_blocks("iter"),
    "first block": in_blocks("first block"),
    "read of a file": in_a_read,
}
AFTER_THE_HEAD = {
    "second block": in_blocks("second block"),
    "finally of a generator": in_a_finally,
    "after a write": in_a_write,
}


NEXT_IS_CALLED = {"first block", "second block", "read of a file"}
"""Where a StopIteration is no failure but an end."""


def cases(places: dict[str, Callable[[type[BaseException]], WsgiApp]]) -> Any:
    return pytest.mark.parametrize(
        "app",
        [
            pytest.param(make(fault), id=f"{name} in {place}")
            for place, make in places.items()
            for name, fault in FAULTS.items()
            if not (fault is StopIteration and place in NEXT_IS_CALLED)
        ],
    )


def test_the_line_about_a_failed_request_holds_no_secret(caplog: pytest.LogCaptureFixture):
    Client(in_the_call(ZeroDivisionError)).response(
        b"GET /in?user=ann&token=s3cretVa1ue HTTP/1.1\r\nHost: h\r\n\r\n"
    )
    assert failures(caplog) == [f"{LINE}in?user=ann&token=[masked]"]
    assert "s3cretVa1ue" not in caplog.text


@cases(BEFORE_THE_HEAD)
def test_before_the_head_it_is_a_500(app: WsgiApp, caplog: pytest.LogCaptureFixture):
    client = Client(app)
    exchange = client.call()
    response = Response(b"".join(client.sends))
    assert (response.status, response.headers["connection"]) == (500, "close")
    assert response.is_complete
    assert failures(caplog) == [LINE]
    assert exchange.flags & RequestFlag.APP_ERROR
    assert client.conversation.finish_cycle(9) is Need.LINGER


@cases(AFTER_THE_HEAD)
def test_after_the_head_the_response_is_broken_off(app: WsgiApp, caplog: pytest.LogCaptureFixture):
    client = Client(app)
    exchange = client.call()
    response = Response(b"".join(client.sends))
    assert response.status == 200
    assert not response.is_complete
    assert failures(caplog) == [LINE]
    assert exchange.flags & RequestFlag.APP_ERROR
    assert client.conversation.finish_cycle(9) is Need.CLOSE


@every_fault
def test_after_the_response_it_costs_nobody_anything(
    fault: type[BaseException], caplog: pytest.LogCaptureFixture
):
    client = Client(in_blocks("close")(fault))
    exchange = client.call(GET + GET)
    response = Response(b"".join(client.sends))
    assert (response.status, response.content, response.is_complete) == (200, b"ab", True)
    assert failures(caplog) == [LINE]
    assert exchange.flags & RequestFlag.APP_ERROR, "the record may still be open"
    assert not exchange.flags & RequestFlag.ABORTED
    assert client.conversation.finish_cycle(9) is Need.RUN, "the next request"


def test_a_close_that_raises_too_is_told_in_the_same_line(caplog: pytest.LogCaptureFixture):
    class Both(Blocks):
        def close(self) -> None:
            raise SystemExit("second")

    def app(_environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Both(KeyboardInterrupt, "first block")

    assert Client(app).response().status == 500
    assert failures(caplog) == [LINE]
    assert "KeyboardInterrupt" in caplog.text
    assert "SystemExit: second" in caplog.text


@pytest.mark.parametrize("gone_after", [0, 1, 2])
def test_a_close_that_raises_after_the_client_left_closes(
    gone_after: int, caplog: pytest.LogCaptureFixture
):
    client = Client(in_blocks("close")(SystemExit), gone_after)
    exchange = client.call()
    assert exchange.aborted
    assert exchange.flags & RequestFlag.ABORTED
    assert failures(caplog) == [LINE]
    assert client.conversation.finish_cycle(9) is Need.CLOSE


def test_an_app_that_swallows_the_loss_of_its_client_does_not_keep_the_connection():
    def app(_environ: Environ, start_response: Any) -> Any:
        write = start_response("200 OK", [])
        for _ in range(2):
            with suppress(Exception):
                write(b"a")
        return []

    client = Client(app, 1)
    client.call()
    assert client.conversation.finish_cycle(9) is Need.CLOSE


class SinkError(RuntimeError):
    """A fault of the server's own, in the middle of a send."""


@pytest.mark.parametrize("blocks", [[b"whole"], [b"in", b"parts"]], ids=["whole", "in parts"])
@pytest.mark.parametrize("breaks_at", [0, 1])
def test_a_send_that_breaks_closes_the_connection(
    blocks: list[bytes], breaks_at: int, caplog: pytest.LogCaptureFixture
):
    """Nobody knows how much of it is out: neither a 500 nor a next response may follow."""

    class Breaking(Client):
        def send(self, data: bytes, *, last: bool) -> None:
            if len(self.sends) == breaks_at:
                self.sends.append(data)
                raise SinkError
            super().send(data, last=last)

    def app(_environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [])
        return blocks

    client = Breaking(app)
    client.call()
    is_whole = len(client.sends) == 1 and breaks_at == 1
    assert len(client.sends) == breaks_at + 1 - is_whole
    assert failures(caplog) == ([] if is_whole else [LINE])
    assert client.conversation.finish_cycle(9) is (Need.READ if is_whole else Need.CLOSE)


def test_a_view_kept_of_the_body_is_no_trouble():
    """BytesIO refuses to close while somebody holds its buffer."""
    kept = []

    def app(environ: Environ, start_response: Any) -> Any:
        kept.append(environ["wsgi.input"].getbuffer())
        start_response("200 OK", [])
        return [bytes(kept[0])]

    client = Client(app)
    post = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
    assert client.response(post).content == b"abc"
    assert client.conversation.finish_cycle(9) is Need.READ


# ASGI: the coroutine in each state. (A StopIteration becomes a RuntimeError, PEP 479.)


HEAD = {"type": START, "status": 200, "headers": []}


def asgi_app(fault: type[BaseException], *messages: dict[str, Any]) -> Any:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        raise fault

    return app


@every_fault
@pytest.mark.parametrize("messages", [[], [HEAD]], ids=["waiting", "started"])
def test_asgi_before_the_head_it_is_a_500(messages: list[Any], fault: Any, caplog: Any):
    hand = Hand(asgi_app(fault, *messages)).step()
    assert Response(hand.out).status == 500
    assert failures(caplog) == ["listener asgi: the application failed on GET /a%20b?q=1"]
    assert hand.exchange.flags & RequestFlag.APP_ERROR
    assert hand.conversation.finish_cycle(9) is Need.LINGER


@every_fault
def test_asgi_after_the_head_the_response_is_broken_off(fault: Any, caplog: Any):
    part = {"type": PART, "body": b"some", "more_body": True}
    hand = Hand(asgi_app(fault, HEAD, part)).step()
    assert not Response(hand.out).is_complete
    assert len(failures(caplog)) == 1
    assert hand.conversation.finish_cycle(9) is Need.CLOSE


@every_fault
def test_asgi_after_the_response_it_costs_nobody_anything(fault: Any, caplog: Any):
    hand = Hand(asgi_app(fault, HEAD, {"type": PART, "body": b"all"})).step()
    assert Response(hand.out).content == b"all"
    assert len(failures(caplog)) == 1
    assert hand.exchange.flags & RequestFlag.APP_ERROR, "the record may still be open"
    assert hand.conversation.finish_cycle(9) is Need.READ


@every_fault
def test_a_websocket_that_is_not_accepted_is_a_500(fault: Any, caplog: Any):
    hand = Hand(asgi_app(fault), UPGRADE, accept=True).step()
    assert Response(hand.out).status == 500
    assert failures(caplog) == ["listener asgi: the application failed on the WebSocket /chat"]


@every_fault
def test_an_open_websocket_is_closed_with_1011(fault: Any, caplog: Any):
    hand = Hand(asgi_app(fault, {"type": ACCEPT}), UPGRADE, accept=True).step()
    assert hand.channel.frames == b"\x88\x02\x03\xf3"
    assert len(failures(caplog)) == 1


@every_fault
@pytest.mark.parametrize("is_whole", [False, True])
def test_a_denial_that_fails_is_told_once(fault: Any, is_whole: bool, caplog: Any):
    messages = [{"type": DENIAL_START, "status": 404, "headers": []}]
    if is_whole:
        messages.append({"type": DENIAL_BODY, "body": b"no"})
    hand = Hand(asgi_app(fault, *messages), UPGRADE, accept=True).step()
    assert Response(hand.out).status == (404 if is_whole else 500)
    assert len(failures(caplog)) == 1


@every_fault
def test_a_lifespan_that_cannot_start_is_done_without(fault: Any, caplog: Any):
    """ASGI, lifespan: "If an exception is raised [...] the server must continue"."""
    caplog.set_level("INFO")
    lifespan, host, _ = live(asgi_app(fault))
    assert lifespan.state is LifespanState.ABSENT
    assert host.state is None
    assert len(caplog.records) == 1
    is_loud = caplog.records[0].levelname == "ERROR"
    assert is_loud is not issubclass(fault, Exception)


@every_fault
def test_a_lifespan_that_breaks_at_its_end_is_told(fault: Any, caplog: Any):
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise fault

    lifespan, _, running = live(app)
    lifespan.stop().send(None)
    step(lifespan, running)
    assert lifespan.state is LifespanState.DOWN
    assert [record.levelname for record in caplog.records] == ["ERROR"]

from __future__ import annotations

import asyncio
import inspect

import pytest

from servescope.errors import ClientDisconnectedError
from servescope.hosting.asgi.host import DONE, HIGH_WATER, AsgiHost, Waiters
from servescope.hosting.asgi.http import PART, START, HttpCall, HttpState
from servescope.hosting.conversation import DRAIN_BYTES, Need
from servescope.request_fields import RequestFlag
from tests.hosting.asgi.asgi_client import GET, POST, Hand, HandWaiter

HEAD = {"type": START, "status": 200, "headers": [(b"content-type", b"text/plain")]}


def body(data: bytes = b"", *, more: bool = False) -> dict:
    return {"type": PART, "body": data, "more_body": more}


def answering(*messages):
    async def app(_scope, _receive, send):
        for message in messages:
            await send(message)

    return app


def test_the_scope_of_a_request():
    hand = Hand(answering(HEAD, body(b"hi")))
    scope = dict(hand.call.scope)
    assert scope.pop("headers") == [(b"host", b"h"), (b"x-twice", b"1"), (b"x-twice", b"2")]
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"q=1",
        "root_path": "",
        "client": ("192.0.2.7", 4321),
        "server": ("127.0.0.1", 8001),
        "extensions": {},
    }
    hand.running.close()


def test_the_state_of_the_lifespan_is_copied_into_each_scope():
    hand = Hand(answering(HEAD, body()))
    hand.host.state = {"pool": 1}
    scope = hand.host.http_scope(hand.exchange)
    scope["state"]["mine"] = 2
    assert hand.host.http_scope(hand.exchange)["state"] == {"pool": 1}
    hand.running.close()


def test_head_and_body_leave_in_one_send():
    hand = Hand(answering(HEAD, body(b"hi"))).step()
    [sent] = hand.channel.sends
    assert sent.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 2\r\n")
    assert sent.endswith(b"\r\n\r\nhi")
    assert hand.exchange.is_ended
    assert hand.error is None


def test_parts_are_chunked():
    hand = Hand(answering(HEAD, body(b"one", more=True), body(b"two", more=True), body())).step()
    assert hand.out.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert hand.exchange.is_ended


ILLEGAL = [
    (state, kind)
    for state in HttpState
    for kind in (START, PART)
    if kind not in HttpCall.SENDS[state]
]
PATHS = {
    HttpState.WAITING: (),
    HttpState.STARTED: (HEAD,),
    HttpState.STREAMING: (HEAD, body(b"x", more=True)),
    HttpState.ENDED: (HEAD, body(b"x")),
}


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize(("state", "kind"), ILLEGAL)
def test_what_is_not_in_the_table_raises_in_the_app(state, kind, more, caplog):
    message = HEAD if kind == START else body(more=more)
    hand = Hand(answering(*PATHS[state], message)).step()
    assert isinstance(hand.error, RuntimeError)
    assert "may not send" in caplog.text


@pytest.mark.parametrize(
    "message",
    [
        {"type": START, "status": 99},
        {"type": START, "status": 101},
        {"type": START, "status": "200"},
        {"type": "http.response.trailers"},
        {"type": START, "status": 200.0},
        {"type": START, "status": 200, "headers": [(b"x", b"a\r\nb: c")]},
        {"type": START, "status": 200, "headers": [("x", "text")]},
        {"type": START, "status": 200, "headers": [(b"x", "text")]},
    ],
)
def test_an_unfit_message_is_an_error_of_the_app(message, caplog):
    hand = Hand(answering(message, body(b"x"))).step()
    assert hand.error is not None
    assert hand.out.startswith(b"HTTP/1.1 500 ")
    assert hand.exchange.flags & RequestFlag.APP_ERROR
    assert "failed on GET" in caplog.text


def test_the_model_is_told_when_the_app_has_returned():
    hand = Hand(answering(HEAD, body(b"x")))
    assert hand.channel.finished is None
    assert hand.step().channel.finished is hand.call


def test_what_an_app_changes_in_its_scope_is_not_in_the_next_one():
    hand = Hand(answering(HEAD, body(b"x"))).step()
    first = hand.host.http_scope(hand.exchange)
    second = hand.host.http_scope(hand.exchange)
    assert first == second
    first["headers"].append((b"x", b"1"))
    first["asgi"]["version"] = "0"
    first["extensions"]["x"] = {}
    first["path"] = "/elsewhere"
    first["more"] = 1
    assert hand.host.http_scope(hand.exchange) == second


def test_an_app_that_raises_before_the_head_is_answered_with_500(caplog):
    async def app(*_call):
        raise ZeroDivisionError("on purpose")

    hand = Hand(app).step()
    assert hand.out.startswith(b"HTTP/1.1 500 ")
    assert b"\r\nConnection: close\r\n" in hand.out
    assert "on purpose" in caplog.text


@pytest.mark.parametrize("messages", [(), (HEAD,), (HEAD, body(b"x", more=True))])
def test_an_app_that_leaves_early(messages, caplog):
    hand = Hand(answering(*messages)).step()
    if len(messages) < 2:
        assert hand.out.startswith(b"HTTP/1.1 500 ")
    else:
        assert hand.exchange.aborted, "only the end of the connection tells"
    assert "without a whole response" in caplog.text


async def upload(_scope, receive, send):
    data, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        data += message["body"]
        more = message["more_body"]
    await send(HEAD)
    await send(body(data))


def test_a_body_is_taken_while_it_arrives():
    hand = Hand(upload, POST + b"ab").step()
    assert not hand.is_finished
    hand.take(hand.conversation.receive_early(b"cd", 2, 0))
    hand.step()
    hand.take(hand.conversation.receive_early(b"ef", 3, 0))
    hand.step()
    assert hand.out.endswith(b"\r\n\r\nabcdef")
    assert hand.exchange.bytes_received == len(POST) + 6


def test_a_request_without_a_body_has_one_empty_part_then_waits():
    seen = []

    async def app(_scope, receive, send):
        seen.append(await receive())
        await send(HEAD)
        await send(body(b"x"))
        seen.append(await receive())

    Hand(app).step()
    assert seen == [
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
    ]


def test_an_app_that_falls_behind_stops_the_reading_and_starts_it_again():
    seen = []

    async def app(_scope, receive, _send):
        seen.append(await receive())

    hand = Hand(app, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 999999\r\n\r\n")
    assert hand.call.wants_data
    hand.call.feed(b"x" * HIGH_WATER)
    assert not hand.call.wants_data
    hand.step()
    assert len(seen[0]["body"]) == HIGH_WATER
    assert hand.call.wants_data
    assert hand.channel.wanted == 1


def test_a_congested_client_makes_the_app_wait():
    hand = Hand(answering(HEAD, body(b"one", more=True), body(b"two")))
    hand.channel.is_congested = True
    hand.step()
    assert not hand.is_finished
    assert not hand.out.endswith(b"two\r\n0\r\n\r\n")
    hand.channel.is_congested = False
    hand.channel.drained.wake()
    hand.step()
    assert hand.is_finished
    assert hand.out.endswith(b"3\r\ntwo\r\n0\r\n\r\n")


def test_without_a_client_send_raises_an_os_error_and_nothing_is_logged(caplog):
    hand = Hand(answering(HEAD, body(b"x")))
    hand.channel.is_gone = True
    hand.step()
    assert isinstance(hand.error, ClientDisconnectedError)
    assert isinstance(hand.error, OSError)
    assert hand.exchange.flags & RequestFlag.ABORTED
    assert hand.exchange.aborted
    assert not caplog.records


def test_half_a_body_and_the_end_is_a_disconnect_but_a_whole_one_is_not():
    hand = Hand(upload, POST + b"ab").step()
    hand.call.disconnect()
    hand.step()
    assert hand.is_finished
    whole = Hand(upload, POST + b"abcdef")
    whole.call.disconnect()  # a client that closes its side still gets its answer
    whole.step()
    assert whole.out.endswith(b"abcdef")


def test_each_who_waits_is_woken_and_each_can_be_cancelled():
    waiters = Waiters(HandWaiter)
    first, second = waiters.wait(), waiters.wait()
    first.send(None)
    second.send(None)
    first.close()
    waiters.wake()
    with pytest.raises(StopIteration):
        second.send(None)


def test_what_send_gives_is_a_coroutine_to_whoever_asks():
    async def run():
        await DONE
        await asyncio.create_task(DONE)
        await asyncio.gather(DONE, DONE)

    asyncio.run(run())
    assert inspect.isawaitable(DONE)
    with pytest.raises(ValueError, match="x"):
        DONE.throw(ValueError("x"))


@pytest.mark.parametrize("parts", [[body()], [body(more=True), body()]])
def test_a_head_that_is_given_nothing_announces_no_length(parts):
    hand = Hand(answering(HEAD, *parts), GET.replace(b"GET", b"HEAD")).step()
    assert b"content-length" not in hand.out.lower()
    assert b"transfer-encoding" not in hand.out.lower()
    assert b"connection: close" not in hand.out.lower()


def lengthy(length, *fields):
    fields = b"".join(b"%b\r\n" % field for field in fields)
    return b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n%b\r\n" % (length, fields)


EXPECTS = b"Expect: 100-continue"
CHUNKS = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "later", "is_kept"),
    [
        (lengthy(DRAIN_BYTES), b"", True),
        (lengthy(DRAIN_BYTES + 1), b"", False),
        (lengthy(DRAIN_BYTES + 1) + b"x", b"", True),
        (lengthy(DRAIN_BYTES + 2), b"x", False),
        (lengthy(DRAIN_BYTES + 2), b"xx", True),
        (CHUNKS + b"1\r\nx\r\n", b"", False),
        (CHUNKS + b"1\r\nx\r\n", b"0\r\n\r\n", True),
        (lengthy(3, EXPECTS), b"", False),
        (lengthy(3, EXPECTS), b"x", True),
        (lengthy(3, EXPECTS) + b"x", b"", True),
        (lengthy(3, b"Connection: close"), b"xyz", False),
    ],
)
@pytest.mark.parametrize("parts", [[body(b"hi")], [body(b"h", more=True), body(b"i")]])
def test_an_answer_before_the_body_says_whether_the_connection_is_kept(data, later, is_kept, parts):
    hand = Hand(answering(HEAD, *parts), data)
    if later:
        hand.take(hand.conversation.receive_early(later, 2, 0))
    hand.step()
    assert (b"\r\nConnection: close\r\n" not in hand.out) is is_kept
    hand.exchange.is_recorded = True
    need = hand.conversation.finish_cycle(3)
    assert (need is Need.READ) is is_kept
    assert not (is_kept and hand.conversation.interim), "no 100 behind the answer"


def test_a_body_that_comes_unasked_makes_the_100_superfluous():
    hand = Hand(answering(HEAD, body(b"x")), lengthy(3, EXPECTS))
    hand.take(hand.conversation.receive_early(b"abc", 2, 0))
    assert hand.conversation.take_interim() == b""
    hand.running.close()


def test_an_app_that_asks_for_the_body_after_all_keeps_the_connection():
    hand = Hand(answering(HEAD, body(b"x")), lengthy(3, EXPECTS))
    assert not hand.exchange.may_keep_alive
    assert hand.conversation.take_interim() != b""
    assert hand.exchange.may_keep_alive
    hand.running.close()


def test_the_route_is_that_of_the_start():
    async def app(scope, _receive, send):
        scope["servescope.route"] = "/mine"
        await send(HEAD)
        await send(body(b""))

    assert Hand(app, GET).step().exchange.route == "/mine"


def test_a_head_that_comes_again_gives_each_host_a_scope_of_its_own():
    async def app(scope, _receive, send):
        scope["headers"].clear()
        scope["asgi"].clear()
        await send(HEAD)
        await send(body(b"x"))

    first = Hand(app).step()
    head = first.exchange.head
    other = AsgiHost(app)
    again = first.host.http_scope(first.exchange)
    assert again["headers"] == list(head.headers)
    assert again["asgi"]["version"] == "3.0"
    first.exchange.site.scheme = "https"
    assert first.host.http_scope(first.exchange)["scheme"] == "http", "from memory"
    assert other.http_scope(first.exchange)["scheme"] == "https", "not from another's"

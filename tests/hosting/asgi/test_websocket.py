from __future__ import annotations

import pytest

from servescope.errors import ClientDisconnectedError
from servescope.hosting.asgi.host import HIGH_WATER
from servescope.hosting.asgi.websocket import (
    ACCEPT,
    CLOSE,
    DENIAL_BODY,
    DENIAL_START,
    SEND,
    WEBSOCKET_SENDS,
    SocketState,
)
from tests.hosting.asgi.asgi_client import UPGRADE, Hand

MASK = b"\x00" * 4


def frame(opcode: int, payload: bytes = b"") -> bytes:
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + MASK + payload


def opened(app) -> Hand:
    hand = Hand(app, UPGRADE, accept=True).step()
    assert hand.out.startswith(b"HTTP/1.1 101 ")
    assert hand.channel.has_switched
    return hand


async def echo(_scope, receive, send):
    assert (await receive()) == {"type": "websocket.connect"}
    await send({"type": ACCEPT, "subprotocol": "v2", "headers": [(b"x-a", b"b")]})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": SEND, **{k: v for k, v in message.items() if k != "type"}})
    echo.end = message


def test_the_scope():
    scope = Hand(echo, UPGRADE, accept=True)
    assert scope.call.scope["type"] == "websocket"
    assert scope.call.scope["scheme"] == "ws"
    assert scope.call.scope["subprotocols"] == ["v1", "v2"]
    assert "method" not in scope.call.scope
    scope.running.close()


def test_a_conversation_of_messages():
    hand = opened(echo)
    assert b"\r\nSec-WebSocket-Protocol: v2\r\n" in hand.out
    assert b"\r\nx-a: b\r\n" in hand.out
    assert hand.exchange.status == 101
    traffic = hand.host.traffic
    assert traffic.open_now == 1
    sent = frame(1, b"hi") + frame(2, b"\x00\x01") + frame(9, b"?")
    hand.call.feed(sent)
    hand.step()
    assert hand.channel.frames == b"\x8a\x01?" + b"\x81\x02hi" + b"\x82\x02\x00\x01"
    hand.call.feed(frame(8, b"\x03\xe9bye"))
    hand.step()
    assert hand.is_finished
    assert hand.call.is_over
    assert echo.end == {"type": "websocket.disconnect", "code": 1001, "reason": "bye"}
    assert (traffic.open_now, traffic.messages_received, traffic.messages_sent) == (0, 2, 2)
    assert traffic.bytes_received == len(sent) + 11
    assert traffic.bytes_sent == len(hand.channel.frames)


def test_the_request_is_recorded_once_the_handshake_is_answered():
    hand = opened(echo)
    assert hand.exchange.is_ended
    assert len(hand.channel.sends) == 1
    assert hand.exchange.head_ready_ns
    hand.running.close()


PATHS = {
    SocketState.CONNECTING: (),
    SocketState.OPEN: ({"type": ACCEPT},),
    SocketState.DENYING: ({"type": DENIAL_START, "status": 401},),
    SocketState.CLOSED: ({"type": ACCEPT}, {"type": CLOSE}),
}
ILLEGAL = [
    (state, kind)
    for state in SocketState
    for kind in (ACCEPT, SEND, CLOSE, DENIAL_START, DENIAL_BODY)
    if (state, kind) not in WEBSOCKET_SENDS
]


@pytest.mark.parametrize(("state", "kind"), ILLEGAL)
def test_what_is_not_in_the_table_raises_in_the_app(state, kind, caplog):
    async def app(_scope, _receive, send):
        for message in (*PATHS[state], {"type": kind, "text": "x", "status": 401}):
            await send(message)

    hand = Hand(app, UPGRADE, accept=True).step()
    assert isinstance(hand.error, RuntimeError)
    assert "may not send" in caplog.text


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([{"type": CLOSE}], b"403"),
        ([{"type": DENIAL_START, "status": 401}, {"type": DENIAL_BODY, "body": b"no"}], b"401"),
        ([{"type": DENIAL_START, "status": 401}], b"500"),
        ([], b"500"),
        ([{"type": ACCEPT, "subprotocol": "v3"}], b"500"),
    ],
)
def test_a_handshake_that_is_not_accepted(messages, status):
    async def app(_scope, _receive, send):
        for message in messages:
            await send(message)

    hand = Hand(app, UPGRADE, accept=True).step()
    assert hand.out.startswith(b"HTTP/1.1 " + status)
    assert not hand.channel.has_switched
    assert hand.host.traffic.open_now == 0


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ({"type": CLOSE}, b"\x88\x02\x03\xe8"),
        ({"type": CLOSE, "code": 4001, "reason": "why"}, b"\x88\x05\x0f\xa1why"),
        ({"type": CLOSE, "code": 1005}, b"\x88\x02\x03\xf3"),
        ({"type": SEND}, b"\x88\x02\x03\xf3"),
        ({"type": SEND, "text": "a", "bytes": b"b"}, b"\x88\x02\x03\xf3"),
    ],
)
def test_how_an_app_closes(message, sent):
    async def app(_scope, _receive, send):
        await send({"type": ACCEPT})
        await send(message)

    hand = opened(app)
    assert hand.channel.frames == sent
    assert hand.call.is_closing
    assert not hand.call.is_over
    hand.call.feed(frame(8, sent[2:4]))
    assert hand.call.is_over


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        ({"type": CLOSE}, 1000, ""),
        ({"type": CLOSE, "code": None, "reason": None}, 1000, ""),
        ({"type": CLOSE, "code": 4001, "reason": "why"}, 4001, "why"),
    ],
)
def test_an_app_is_told_how_it_closed(message, code, reason):
    seen = []

    async def app(_scope, receive, send):
        await receive()
        await send({"type": ACCEPT})
        await send(message)
        seen.append(await receive())

    opened(app)
    assert seen == [{"type": "websocket.disconnect", "code": code, "reason": reason}]


@pytest.mark.parametrize("is_cut", [False, True], ids=["one-body", "body-in-two"])
def test_a_waiting_receive_learns_that_the_denial_has_ended(is_cut):
    seen, bodies = [], [{"body": b"no"}]
    if is_cut:
        bodies = [{"body": b"n", "more_body": True}, {"body": b"o"}]

    async def app(_scope, receive, send):
        await receive()
        await send({"type": DENIAL_START, "status": 401})
        seen.append(await receive())

    hand = Hand(app, UPGRADE, accept=True).step()
    for body in bodies:
        assert not hand.step().is_finished
        # As another task of the app does while this one waits.
        run(hand.call.send({"type": DENIAL_BODY, **body}))
    hand.step()
    assert seen == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]
    assert hand.is_finished
    assert hand.out.startswith(b"HTTP/1.1 401 ")


def run(awaitable) -> None:
    """Await what does not wait."""
    with pytest.raises(StopIteration):
        awaitable.send(None)


def test_an_app_that_raises_closes_with_1011(caplog):
    async def app(_scope, _receive, send):
        await send({"type": ACCEPT})
        raise ZeroDivisionError("on purpose")

    assert opened(app).channel.frames == b"\x88\x02\x03\xf3"
    assert "on purpose" in caplog.text


def test_an_app_that_returns_closes_with_1000():
    async def app(_scope, _receive, send):
        await send({"type": ACCEPT})

    assert opened(app).channel.frames == b"\x88\x02\x03\xe8"


def test_the_server_going_away_is_told_both():
    hand = opened(echo)
    hand.call.close()
    hand.step()
    assert hand.channel.frames == b"\x88\x02\x03\xe9"
    assert echo.end["code"] == 1001
    assert hand.call.is_closing


def test_a_lost_connection_is_1006_and_send_raises():
    seen = []

    async def app(_scope, receive, send):
        await receive()
        await send({"type": ACCEPT})
        seen.append(await receive())
        await send({"type": CLOSE})

    hand = opened(app)
    hand.call.disconnect()
    hand.step()
    assert seen == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]
    assert hand.error is None, "closing what is closed is no error"

    async def insist(_scope, receive, send):
        await receive()
        await send({"type": ACCEPT})
        await receive()
        await send({"type": SEND, "text": "still there?"})

    hand = opened(insist)
    hand.call.disconnect()
    hand.step()
    assert isinstance(hand.error, ClientDisconnectedError)


def test_an_app_that_falls_behind_stops_the_reading_and_starts_it_again():
    hand = opened(echo)
    messages = 0
    while hand.call.wants_data:
        hand.call.feed(frame(1, b"x" * 100))
        messages += 1
    assert messages < HIGH_WATER / 1000
    hand.step()
    assert hand.call.wants_data
    assert hand.channel.wanted == 1
    hand.running.close()


def test_a_silent_client_is_asked_once_then_given_up():
    hand = opened(echo)
    assert hand.call.expire() is False
    assert hand.channel.frames == b"\x89\x00"
    hand.call.feed(frame(10))
    assert hand.call.expire() is False
    assert hand.call.expire() is True
    hand.running.close()

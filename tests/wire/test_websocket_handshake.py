from __future__ import annotations

import pytest

from servescope.errors import ProtocolError
from servescope.wire.http1_client import request_bytes
from servescope.wire.http1_events import RequestHead
from servescope.wire.http1_response import ResponseError
from servescope.wire.http1_rules import Limits
from servescope.wire.http1_server import Http1Server
from servescope.wire.websocket_handshake import (
    Deflate,
    asks_for_websocket,
    client_fields,
    client_key,
    read_handshake,
    why_not_opened,
)

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
VALID = (
    (b"host", b"h"),
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-key", KEY),
    (b"sec-websocket-version", b"13"),
)


def head(*extra, method="GET", without=(), minor_version=1, body_length=0) -> RequestHead:
    headers = [field for field in VALID if field[0] not in without]
    return RequestHead(
        method, "/", minor_version, [*headers, *extra], True, False, body_length
    )  # fmt: skip


@pytest.mark.parametrize(
    ("upgrade", "connection", "asks"),
    [
        (b"websocket", b"upgrade", True),
        (b"WebSocket", b"keep-alive, Upgrade", True),
        (b"h2c, websocket", b"Upgrade", True),
        (b"h2c", b"Upgrade", False),
        (b"websocket", b"keep-alive", False),
        (b"websockets", b"upgrade", False),
    ],
)
def test_who_asks_for_a_websocket(upgrade, connection, asks):
    fields = ((b"upgrade", upgrade), (b"connection", connection))
    assert asks_for_websocket(head(*fields, without=(b"upgrade", b"connection"))) is asks


def test_an_upgrade_of_http_1_0_means_nothing():
    assert not asks_for_websocket(head(minor_version=0))
    assert not asks_for_websocket(head(without=(b"upgrade",)))


def test_the_proof_is_that_of_the_rfc():
    handshake = read_handshake(head())
    assert handshake.accept == ACCEPT
    response = handshake.response(b"today", None, [])
    assert response.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nSec-WebSocket-Accept: " + ACCEPT + b"\r\n" in response
    assert b"Sec-WebSocket-Extensions" not in response
    assert response.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        (head(method="POST"), 405),
        (head(body_length=3), 400),
        (head(body_length=None), 400),
        (head(without=(b"sec-websocket-version",)), 426),
        (head((b"sec-websocket-version", b"8"), without=(b"sec-websocket-version",)), 426),
        (head((b"sec-websocket-version", b"13")), 426),
        (head(without=(b"sec-websocket-key",)), 400),
        (head((b"sec-websocket-key", KEY)), 400),
        (head((b"sec-websocket-key", b"c2hvcnQ="), without=(b"sec-websocket-key",)), 400),
        (head((b"sec-websocket-key", b"!" * 24), without=(b"sec-websocket-key",)), 400),
        (head((b"sec-websocket-protocol", b"chat, two words")), 400),
    ],
)
def test_what_is_no_handshake(broken, status):
    with pytest.raises(ProtocolError) as caught:
        read_handshake(broken)
    assert caught.value.status == status


def test_subprotocols_keep_their_order_and_only_an_offered_one_is_agreed():
    fields = ((b"sec-websocket-protocol", b"chat, superchat"), (b"sec-websocket-protocol", b"v2"))
    handshake = read_handshake(head(*fields))
    assert handshake.subprotocols == ("chat", "superchat", "v2")
    assert b"\r\nSec-WebSocket-Protocol: v2\r\n" in handshake.response(b"", "v2", [])
    with pytest.raises(ResponseError):
        handshake.response(b"", "v3", [])


def test_headers_of_the_app_go_along_but_not_those_of_the_handshake():
    handshake = read_handshake(head())
    response = handshake.response(b"", None, [(b"set-cookie", b"a=b"), (b"Upgrade", b"h2c")])
    assert b"\r\nset-cookie: a=b\r\n" in response
    assert b"h2c" not in response
    with pytest.raises(ResponseError):
        handshake.response(b"", None, [(b"x", b"a\r\nb: c")])


@pytest.mark.parametrize("name", [b"Server", b"date", b"Sec-WebSocket-Protocol"])
@pytest.mark.parametrize("subprotocol", ["chat", None])
def test_no_field_of_the_answer_is_there_twice(name: bytes, subprotocol: str | None):
    handshake = read_handshake(head((b"sec-websocket-protocol", b"chat, other")))
    response = handshake.response(b"today", subprotocol, [(name, b"other")])
    lines = response.split(b"\r\n")[1:-2]
    fields = {key.lower(): value for key, _, value in (line.partition(b": ") for line in lines)}
    assert len(fields) == len(lines)
    given = {name.lower(): b"other"} if name != b"Sec-WebSocket-Protocol" else {}
    agreed = {b"sec-websocket-protocol": b"chat"} if subprotocol else {}
    assert fields == {
        b"upgrade": b"websocket",
        b"connection": b"Upgrade",
        b"sec-websocket-accept": ACCEPT,
        b"server": b"servescope",
        b"date": b"today",
        **agreed,
        **given,
    }


@pytest.mark.parametrize(
    ("offer", "agreed"),
    [
        (b"permessage-deflate", Deflate(False, False, 12, None)),
        (b"permessage-deflate; client_max_window_bits", Deflate(False, False, 12, 12)),
        (b"permessage-deflate; client_max_window_bits=10", Deflate(False, False, 12, 10)),
        (b'permessage-deflate; server_max_window_bits="10"', Deflate(False, False, 10, None)),
        (
            b"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            Deflate(True, True, 12, None),
        ),
        (b"permessage-deflate; server_max_window_bits=8", None),
        (b"permessage-deflate; server_max_window_bits=16", None),
        (b"permessage-deflate; server_max_window_bits=010", None),
        (b"permessage-deflate; server_max_window_bits", None),
        (b"permessage-deflate; server_no_context_takeover=1", None),
        (b"permessage-deflate; unknown", None),
        (b"permessage-deflate; client_max_window_bits; client_max_window_bits", None),
        (
            b"permessage-deflate; unknown, permessage-deflate",
            Deflate(False, False, 12, None),
        ),
        (b"x-webkit-deflate-frame", None),
    ],
)
def test_what_is_agreed_about_compression(offer, agreed):
    assert read_handshake(head((b"sec-websocket-extensions", offer))).deflate == agreed


def test_compression_can_be_left_out():
    offer = (b"sec-websocket-extensions", b"permessage-deflate")
    assert read_handshake(head(offer), compress=False).deflate is None


def test_the_agreement_is_told():
    offer = (b"sec-websocket-extensions", b"permessage-deflate; client_max_window_bits")
    response = read_handshake(head(offer)).response(b"", None, [])
    told = b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
    assert b"\r\nSec-WebSocket-Extensions: " + told + b"\r\n" in response


PROOF = (b"sec-websocket-accept", ACCEPT)
UPGRADE = (b"upgrade", b"WebSocket")
CONNECTION = (b"connection", b"keep-alive, upgrade")
ANSWER = [UPGRADE, CONNECTION, PROOF]
NO_PROOF = "Sec-WebSocket-Accept of the answer does not prove"


def test_a_client_asks_in_a_form_that_the_server_accepts() -> None:
    request = request_bytes("/chat", "h", headers=client_fields(client_key(b"the sample nonce")))
    server = Http1Server(Limits())
    server.receive_data(request)
    asked = server.next_event()
    assert isinstance(asked, RequestHead)
    assert asks_for_websocket(asked)
    handshake = read_handshake(asked)
    assert (handshake.accept, handshake.deflate) == (ACCEPT, None)


@pytest.mark.parametrize(
    ("status", "headers", "sentence"),
    [
        (101, ANSWER, ""),
        (101, [*ANSWER, (b"connection", b"x")], ""),
        (404, ANSWER, "the answer to the handshake has status 404, not 101"),
        (101, [CONNECTION, PROOF], "Upgrade of the answer does not name websocket alone"),
        (101, [(b"upgrade", b"h2c"), CONNECTION, PROOF], "Upgrade of the answer does not name"),
        (
            101,
            [(b"upgrade", b"websocket, h2c"), CONNECTION, PROOF],
            "does not name websocket alone",
        ),
        (101, [UPGRADE, PROOF], "Connection of the answer does not name upgrade"),
        (101, [UPGRADE, (b"connection", b"upgraded"), PROOF], "Connection of the answer does not"),
        (101, [UPGRADE, CONNECTION], NO_PROOF),
        (101, [UPGRADE, CONNECTION, (PROOF[0], b"x")], NO_PROOF),
        (101, [*ANSWER, PROOF], NO_PROOF),
        (101, [*ANSWER, (b"sec-websocket-extensions", b"x")], "an extension that was not offered"),
        (101, [*ANSWER, (b"sec-websocket-protocol", b"x")], "a subprotocol that was not offered"),
    ],
)
def test_an_answer_opens_the_websocket_only_with_its_proof(
    status: int, headers: list[tuple[bytes, bytes]], sentence: str
) -> None:
    found = why_not_opened(status, headers, KEY.decode())
    assert sentence in found
    assert bool(found) == bool(sentence)

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import events as frames
from wsproto.connection import Connection, ConnectionType
from wsproto.extensions import PerMessageDeflate

from servescope.wire.websocket import (
    MAX_FINAL_BLOCKS,
    BytesReceived,
    CloseReceived,
    Failed,
    OpenWebSocket,
    PingReceived,
    TextReceived,
    WebSocketState,
    is_close_code,
)
from servescope.wire.websocket_handshake import Deflate
from tests.wire.websocket_cases import (
    AGREED,
    ALONE,
    EXCHANGES,
    FAULTS,
    MAX_MESSAGE,
    deflated,
    deflated_to_an_end,
    frame,
)


def listen(data: bytes, cuts=(), server: OpenWebSocket | None = None) -> tuple[list, bytes]:
    """All events of these bytes, cut where `cuts` says, and the replies."""
    server = server or OpenWebSocket()
    found = []
    edges = [0, *sorted(cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        server.receive_data(data[start:end])
        while (event := server.next_event()) is not None:
            found.append(event)
    return found, server.take_replies()


def code_of(replies: bytes) -> int:
    """Code of an unmasked Close at the end of the replies."""
    at = replies.rindex(b"\x88")
    return int.from_bytes(replies[at + 2 : at + 4])


@pytest.mark.parametrize("name", EXCHANGES)
def test_events_whole_byte_by_byte_and_with_junk_behind(name):
    data, deflate, expected = EXCHANGES[name]
    assert listen(data, server=OpenWebSocket(deflate))[0] == expected
    assert listen(data, range(1, len(data)), OpenWebSocket(deflate))[0] == expected
    junk = frame(1, b"end")
    ends = isinstance(expected[-1], CloseReceived)
    behind = [] if ends else [TextReceived("end")]
    assert listen(data + junk, server=OpenWebSocket(deflate))[0] == expected + behind


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_once_and_ends_it(name):
    data, code = FAULTS[name]
    for cuts in ((), range(1, len(data))):
        server = OpenWebSocket(max_message=MAX_MESSAGE)
        found, replies = listen(data + frame(1, b"late"), cuts, server)
        assert [event.code for event in found if isinstance(event, Failed)] == [code]
        assert isinstance(found[-1], Failed)
        assert code_of(replies) == code
        assert server.state is WebSocketState.CLOSED


def test_few_bytes_that_inflate_to_many_are_refused():
    server = OpenWebSocket(Deflate(False, False, 12, 10), max_message=100_000)
    bomb = frame(2, deflated(b"\x00" * 50_000_000), rsv=4)
    assert len(bomb) < 60_000
    found, replies = listen(bomb, server=server)
    assert [event.code for event in found] == [1009]
    assert code_of(replies) == 1009


def test_what_does_not_inflate_is_refused():
    found, _ = listen(frame(2, b"\xff" * 9, rsv=4), server=OpenWebSocket(AGREED))
    assert [event.code for event in found] == [1007]


def test_many_final_blocks_are_refused():
    """Each needs a new inflater: 16 MiB of them would hold the loop for seconds."""
    empty = deflated_to_an_end(b"", behind=b"")
    most = frame(2, empty * MAX_FINAL_BLOCKS, rsv=4)
    assert listen(most + most, server=OpenWebSocket(AGREED))[0] == [BytesReceived(b"")] * 2
    more = frame(2, empty * (MAX_FINAL_BLOCKS + 1), rsv=4)
    found, replies = listen(more, server=OpenWebSocket(AGREED))
    assert [event.code for event in found] == [1008]
    assert code_of(replies) == 1008


def test_final_blocks_that_inflate_to_many_are_refused():
    server = OpenWebSocket(AGREED, max_message=100_000)
    bomb = frame(2, deflated_to_an_end(b"\x00" * 60_000, behind=b"") * 2, rsv=4)
    assert [event.code for event in listen(bomb, server=server)[0]] == [1009]


def test_a_message_of_exactly_the_bound_passes():
    for data, deflate in ((b"x" * 1000, None), (b"x" * 1000, ALONE)):
        sent = frame(2, deflated(data), rsv=4) if deflate else frame(2, data)
        server = OpenWebSocket(deflate, max_message=1000)
        assert listen(sent + sent, server=server)[0] == [BytesReceived(data)] * 2


def test_pings_and_closes_are_answered_in_order():
    _, replies = listen(frame(9, b"one") + frame(9, b"two") + frame(8, b"\x03\xe9"))
    assert replies == b"\x8a\x03one" + b"\x8a\x03two" + b"\x88\x02\x03\xe9"


def test_after_our_close_only_the_peers_is_reported():
    server = OpenWebSocket()
    assert server.close(1001, "going") == b"\x88\x07\x03\xe9going"
    assert server.state is WebSocketState.CLOSING
    assert server.close(1000) == b""
    found, replies = listen(frame(1, b"late") + frame(9) + frame(8, b"\x03\xe9"), server=server)
    assert found == [CloseReceived(1001, "")]
    assert replies == b""
    assert server.state is WebSocketState.CLOSED


@pytest.mark.parametrize(
    ("code", "fits"),
    [(999, False), (1000, True), (1004, False), (1005, False), (1006, False), (1013, True),
     (1015, False), (2999, False), (3000, True), (4999, True), (5000, False)],
)  # fmt: skip
def test_codes_a_close_may_carry(code, fits):
    assert is_close_code(code) is fits
    if not fits:
        with pytest.raises(ValueError, match=str(code)):
            OpenWebSocket().close(code)


def test_the_error_names_the_codes_a_close_may_carry():
    with pytest.raises(ValueError, match="no code for a Close") as refused:
        OpenWebSocket().close(1005)
    spans = re.findall(r"([0-9]+) to ([0-9]+)", str(refused.value))
    named = {code for first, last in spans for code in range(int(first), int(last) + 1)}
    assert named == {code for code in range(10_000) if is_close_code(code)}


@pytest.mark.parametrize(
    ("code", "reason"),
    [("1000", ""), (1000.0, ""), (None, ""), (1000, b"x"), (1000, 5), (1000, "\ud800")],
    ids=["code as text", "code as float", "no code", "reason as bytes", "as int", "no Unicode"],
)
def test_a_close_that_is_none_leaves_it_open(code, reason):
    server = OpenWebSocket()
    with pytest.raises((TypeError, ValueError)):
        server.close(code, reason)
    assert server.state is WebSocketState.OPEN
    assert server.text("hi") == b"\x81\x02hi"
    assert server.close(1000) == b"\x88\x02\x03\xe8"


def test_a_long_reason_is_cut_at_a_character():
    reply = OpenWebSocket().close(1000, "é" * 100)
    assert reply[4:].decode() == "é" * 61


def client_of(deflate: Deflate | None) -> Connection:
    extension = PerMessageDeflate()
    if deflate is not None:
        extension.finalize(deflate.header().decode())
    return Connection(ConnectionType.CLIENT, [extension] if deflate else [])


messages = st.lists(st.one_of(st.text(max_size=400), st.binary(max_size=400)), max_size=6)


@given(messages=messages, deflate=st.sampled_from([None, AGREED, ALONE]), data=st.data())
def test_any_cut_of_the_same_bytes_gives_the_same_messages(messages, deflate, data):
    client = client_of(deflate)
    sent = bytearray()
    for message in messages:
        kind = frames.TextMessage if isinstance(message, str) else frames.BytesMessage
        half = len(message) // 2
        sent += client.send(kind(data=message[:half], message_finished=False))
        sent += client.send(frames.Ping(payload=b"p"))
        sent += client.send(kind(data=message[half:]))
    cuts = data.draw(st.lists(st.integers(0, len(sent)), max_size=12))
    found, _ = listen(bytes(sent), cuts, OpenWebSocket(deflate))
    kept = [event for event in found if not isinstance(event, PingReceived)]
    assert [getattr(event, "text", getattr(event, "data", None)) for event in kept] == messages
    assert len(found) == 2 * len(messages)


def test_where_bad_text_was_cut_is_not_told():
    noise = b"\x01\x82\x00\x00\x00\x00\x00\xf5"
    assert listen(noise, [7]) == listen(noise)


@given(noise=st.binary(max_size=200), data=st.data())
def test_any_cut_of_noise_ends_alike(noise, data):
    cuts = data.draw(st.lists(st.integers(0, len(noise)), max_size=8))
    assert listen(noise, cuts) == listen(noise)


@given(messages=messages, deflate=st.sampled_from([None, AGREED, ALONE]))
def test_what_is_sent_arrives(messages, deflate):
    server, client = OpenWebSocket(deflate), client_of(deflate)
    for message in messages:
        sent = server.text(message) if isinstance(message, str) else server.binary(message)
        client.receive_data(sent)
    found = [event.data for event in client.events()]
    assert [bytes(got) if isinstance(got, bytearray) else got for got in found] == messages


@given(st.lists(st.text(max_size=300), max_size=8), st.lists(st.integers(0, 3000), max_size=8))
def test_both_roles_understand_each_other_under_any_chunking(
    texts: list[str], cuts: list[int]
) -> None:
    client, server = OpenWebSocket(is_client=True), OpenWebSocket()
    sent = b"".join([*map(client.text, texts), client.ping(b"?"), client.close(1000, "done")])
    found, replies = listen(sent, [cut for cut in sorted(cuts) if cut < len(sent)], server)
    assert found == [*map(TextReceived, texts), PingReceived(b"?"), CloseReceived(1000, "done")]
    assert listen(replies, server=client)[0] == [CloseReceived(1000, "done")]  # the pong is dropped

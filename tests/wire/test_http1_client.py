"""The client role: one request out, responses in, whatever the chunking."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.errors import ProtocolError
from servescope.wire.http1_client import (
    MAX_KEPT_CONTENT,
    ClientConnection,
    Response,
    request_bytes,
)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"

# name → (bytes of one final response, status, whether the connection persists)
WHOLE: dict[str, tuple[bytes, int, bool]] = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, True),
    "empty": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, True),
    "chunked": (
        CHUNKED + b"5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
        200,
        True,
    ),
    "trailers": (
        CHUNKED + b"1\r\na\r\n0\r\nDigest: x\r\n\r\n",
        200,
        True,
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n", 204, True),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, True),
    "interim": (
        INTERIM + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        200,
        True,
    ),
    "close": (
        b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
        503,
        False,
    ),
    "1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, False),
    "1.0 kept": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        200,
        True,
    ),
}
UNTIL_CLOSE = {
    "no length": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end",
    "1.0": b"HTTP/1.0 200 OK\r\n\r\n",
    "interim first": b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello",
    "coding other than chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
}
BROKEN = {
    "garbage": b"\x16\x03\x01\x00garbage",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "bad status": b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
    "status below 100": b"HTTP/1.1 099 What\r\nContent-Length: 0\r\n\r\n",
    "length and chunks": CHUNKED[:-2] + b"Content-Length: 3\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "bad chunk": CHUNKED + b"zz\r\n",
    "upgrade not asked for": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    b"Connection: upgrade\r\n\r\n",
    "101 without upgrade": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
}


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def events_of(pieces: list[bytes]) -> list[Any]:
    """Responses and, at the end, the error; a broken connection takes nothing more."""
    connection, events = ClientConnection(), []
    try:
        for piece in pieces:
            response = connection.receive(piece)
            if response is not None:
                events.append(response)
    except ProtocolError:
        events.append("broken")
    connection.close()
    return events


@pytest.mark.parametrize("name", WHOLE)
def test_response_is_whole_with_its_last_byte_and_not_before(name: str) -> None:
    data, status, persists = WHOLE[name]
    connection = ClientConnection()
    for position in range(len(data) - 1):
        assert connection.receive(data[position : position + 1]) is None
    assert connection.receive(data[-1:]) == Response(status, persists, len(data))
    assert connection.bytes_received == 0


@given(
    st.lists(st.sampled_from([case for case in WHOLE.values() if case[2]]), min_size=1, max_size=5),
    st.lists(st.integers(0, 2000), max_size=12),
)
def test_any_chunking_gives_the_same_events(
    cases: list[tuple[bytes, int, bool]], cuts: list[int]
) -> None:
    # A response answers a request: a piece never reaches into the response after it.
    pieces = [piece for data, *_ in cases for piece in pieces_of(data, cuts)]
    expected = [Response(status, persists, len(data)) for data, status, persists in cases]
    assert events_of(pieces) == expected


@given(st.sampled_from(list(BROKEN)), st.lists(st.integers(0, 2000), max_size=12))
def test_what_is_no_response_breaks_the_connection_under_any_chunking(
    name: str, cuts: list[int]
) -> None:
    assert events_of(pieces_of(BROKEN[name], cuts)) == ["broken"]


@given(
    st.sampled_from(list(WHOLE)),
    st.sampled_from([b"junk", b"HTTP/1.1 200 OK\r\nContent-Le", WHOLE["length"][0]]),
    st.lists(st.integers(0, 2000), max_size=12),
)
def test_bytes_that_answer_no_request_end_the_connection(
    name: str, excess: bytes, cuts: list[int]
) -> None:
    data, status, _ = WHOLE[name]
    connection = ClientConnection()
    responses = (connection.receive(piece) for piece in pieces_of(data + excess, cuts))
    first = next(response for response in responses if response is not None)
    assert first.status == status
    if first.bytes_received > len(data):  # the excess came in the same piece
        assert not first.keep_alive
        with pytest.raises(ProtocolError):
            connection.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("name", UNTIL_CLOSE)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_response_without_length_ends_with_the_connection(name: str, step: int) -> None:
    data = UNTIL_CLOSE[name]
    connection = ClientConnection()
    for start in range(0, len(data), step):
        assert connection.receive(data[start : start + step]) is None
    assert connection.receive_eof() == Response(200, keep_alive=False, bytes_received=len(data))
    assert connection.receive_eof() is None


@pytest.mark.parametrize("name", WHOLE)
def test_close_before_the_end_is_no_response(name: str) -> None:
    data = WHOLE[name][0]
    for length in range(len(data)):
        connection = ClientConnection()
        connection.receive(data[:length])
        assert connection.receive_eof() is None


def test_bytes_of_a_response_under_way_are_told() -> None:
    connection = ClientConnection()
    assert connection.bytes_received == 0
    connection.receive(b"HTTP/1.1 200 OK\r\n")
    assert connection.bytes_received == 17


def test_request_is_serialised_once_as_told() -> None:
    assert request_bytes("/a?b=c", "127.0.0.1:80", headers=[("User-Agent", "x y")]) == (
        b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:80\r\nUser-Agent: x y\r\n\r\n"
    )
    assert request_bytes("/", "h", keep_alive=False).endswith(b"\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize(
    ("target", "host", "headers", "method"),
    [
        ("/a b", "h", [], "GET"),
        ("/a\r\nX: y", "h", [], "GET"),
        ("/é", "h", [], "GET"),
        ("", "h", [], "GET"),
        ("/", "h\r\nX: y", [], "GET"),
        ("/", "h", [("X", "a\r\nY: b")], "GET"),
        ("/", "h", [("X y", "a")], "GET"),
        ("/", "h", [("X", "a\x00")], "GET"),
        ("/", "h", [], "GET /"),
    ],
)
def test_what_would_not_be_one_request_is_refused(
    target: str, host: str, headers: list[tuple[str, str]], method: str
) -> None:
    with pytest.raises(ValueError, match=r"malformed|visible"):
        request_bytes(target, host, headers=headers, method=method)


def test_content_is_sent_with_its_length_and_a_method_that_means_some_says_so_without() -> None:
    posted = request_bytes("/", "h", method="POST", content=b"a=b")
    assert posted == b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na=b"
    assert request_bytes("/", "h", method="PUT").endswith(b"\r\nContent-Length: 0\r\n\r\n")
    assert b"Content-Length" not in request_bytes("/", "h", method="DELETE")


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
def test_fields_that_frame_the_content_are_not_for_the_caller(name: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        request_bytes("/", "h", headers=[(name, "1")])


TO_HEAD = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", True),
    "chunked": (CHUNKED, True),
    "no length": (b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n", True),
    "interim": (INTERIM + b"HTTP/1.1 404 No\r\nContent-Length: 9\r\n\r\n", True),
    "close": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", False),
    "close on the first of two lines": (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: x-foo\r\n\r\n",
        False,
    ),
    "close on the second of two lines": (
        b"HTTP/1.1 200 OK\r\nConnection: x-foo\r\nConnection: x-bar, Close\r\n\r\n",
        False,
    ),
    "an option with close in its name": (
        b"HTTP/1.1 200 OK\r\nConnection: x-closed\r\n\r\n",
        True,
    ),
    "1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n", False),
}


@pytest.mark.parametrize("name", TO_HEAD)
def test_an_answer_to_head_ends_with_its_head(name: str) -> None:
    data, persists = TO_HEAD[name]
    connection = ClientConnection()
    connection.expect(content=False)
    for _ in range(2 if persists else 1):
        for position in range(len(data) - 1):
            assert connection.receive(data[position : position + 1]) is None
        response = connection.receive(data[-1:])
        assert response is not None
        assert (response.keep_alive, response.bytes_received) == (persists, len(data))
    if persists:  # the next request may be another
        connection.expect()
        assert connection.receive(WHOLE["length"][0]) == Response(*WHOLE["length"][1:], 43)


def test_content_in_answer_to_head_answers_no_request() -> None:
    connection = ClientConnection()
    connection.expect(content=False)
    response = connection.receive(WHOLE["length"][0])
    assert response is not None
    assert not response.keep_alive


@given(st.lists(st.integers(0, 2000), max_size=12))
def test_fields_and_content_are_kept_where_that_was_asked_for(cuts: list[int]) -> None:
    data = (
        INTERIM
        + CHUNKED[:-2]
        + b"X-Id: \t7 8 \t\r\n\r\n5\r\nhello\r\n3\r\n !!\r\n0\r\nT: x\r\n\r\n"
    )
    connection = ClientConnection()
    connection.expect(keeps=True)
    for _ in range(2):
        (response,) = filter(None, map(connection.receive, pieces_of(data, cuts)))
        assert response.headers == ((b"transfer-encoding", b"chunked"), (b"x-id", b"7 8"))
        assert response.content == b"hello !!"
    connection.expect()
    assert connection.receive(WHOLE["length"][0]) == Response(*WHOLE["length"][1:], 43)


def test_content_that_the_end_delimits_is_kept_too() -> None:
    connection = ClientConnection()
    connection.expect(keeps=True)
    connection.receive(UNTIL_CLOSE["no length"])
    response = connection.receive_eof()
    assert response is not None
    assert response.content == b"until the end"


def test_kept_content_is_bounded() -> None:
    connection = ClientConnection()
    connection.expect(keeps=True)
    connection.receive(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (3 * MAX_KEPT_CONTENT))
    for _ in range(48):
        response = connection.receive(bytes(MAX_KEPT_CONTENT // 16))
    assert response is not None
    assert MAX_KEPT_CONTENT < len(response.content) <= MAX_KEPT_CONTENT * 17 // 16


@pytest.mark.parametrize("behind", [b"", b"\x81\x01a"])
def test_an_upgrade_that_was_asked_for(behind: bytes) -> None:
    connection = ClientConnection()
    connection.expect(keeps=True, upgrade=True)
    head = b"HTTP/1.1 101 Ok\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    response = connection.receive(head + behind)
    assert response is not None
    assert (response.status, response.keep_alive, response.content) == (101, False, behind)
    assert dict(response.headers)[b"upgrade"] == b"websocket"

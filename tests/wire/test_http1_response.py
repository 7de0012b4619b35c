from __future__ import annotations

from typing import Any

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servescope.wire import http1_response
from servescope.wire.http1_response import (
    Headers,
    ResponseError,
    ResponseFraming,
    as_content,
    check_status,
    plan_head,
    reason_phrase,
)

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"


class Client:
    """The response that a client makes of the bytes, by llhttp."""

    def __init__(self, data: bytes) -> None:
        self.headers: dict[str, str] = {}
        self.content = b""
        self.is_complete = False
        self.parser = httptools.HttpResponseParser(self)
        self.parser.feed_data(data)
        self.status = self.parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        assert name.decode().lower() not in self.headers, "no field twice"
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, data: bytes) -> None:
        self.content += data

    def on_message_complete(self) -> None:
        self.is_complete = True


def whole(  # one response in one piece
    headers: Headers, content: bytes, *, minor: int = 1, status: int = 200, keep: bool = True
) -> tuple[Client, ResponseFraming]:
    framing = ResponseFraming(minor, is_head=False, keep_alive=keep)
    head = framing.head(status, reason_phrase(status), headers, DATE, len(content))
    return Client(head + framing.content(content) + framing.end()), framing


def test_a_known_length_is_announced():
    client, framing = whole([("Content-Type", "text/plain")], b"hello")
    assert client.headers == {
        "content-type": "text/plain",
        "content-length": "5",
        "server": "servescope",
        "date": DATE.decode(),
    }
    assert client.content == b"hello"
    assert client.is_complete
    assert framing.keep_alive
    assert framing.is_satisfied


def test_date_and_server_of_the_app_win():
    client, _ = whole([("Date", "today"), ("Server", "mine")], b"")
    assert client.headers["date"] == "today"
    assert client.headers["server"] == "mine"


@pytest.mark.parametrize("parts", [[], [b"a"], [b"a", b"", b"bc" * 40_000]])
def test_an_unknown_length_is_chunked(parts: list[bytes]):
    framing = ResponseFraming(1, is_head=False, keep_alive=True)
    data = framing.head(200, "OK", [], DATE, None)
    data += b"".join(framing.content(part) for part in parts) + framing.end()
    client = Client(data)
    assert client.content == b"".join(parts)
    assert client.is_complete
    assert client.headers["transfer-encoding"] == "chunked"
    assert framing.keep_alive


@settings(deadline=None)
@given(st.lists(st.binary(max_size=50)))
def test_chunked_content_is_what_the_app_gave(parts: list[bytes]):
    framing = ResponseFraming(1, is_head=False, keep_alive=True)
    data = framing.head(200, "OK", [], DATE, None)
    data += b"".join(framing.content(part) for part in parts) + framing.end()
    assert Client(data).content == b"".join(parts)


def test_for_a_1_0_client_the_end_of_the_connection_is_the_end():
    framing = ResponseFraming(0, is_head=False, keep_alive=True)
    data = framing.head(200, "OK", [], DATE, None) + framing.content(b"abc") + framing.end()
    assert b"chunked" not in data
    assert data.endswith(b"\r\n\r\nabc")
    assert b"\r\nConnection: close\r\n" in data
    assert not framing.keep_alive


def test_a_1_0_client_that_keeps_alive_is_told_so():
    client, framing = whole([], b"x", minor=0)
    assert client.headers["connection"] == "keep-alive"
    assert framing.keep_alive


def test_close_is_announced():
    assert whole([], b"", keep=False)[0].headers["connection"] == "close"


def test_an_app_may_ask_to_close_and_sets_no_framing():
    client, framing = whole([("Connection", "close"), ("Transfer-Encoding", "gzip")], b"x")
    assert client.headers["connection"] == "close"
    assert "transfer-encoding" not in client.headers
    assert not framing.keep_alive


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_content(status: int):
    framing = ResponseFraming(1, is_head=False, keep_alive=True)
    data = framing.head(status, "", [], DATE, 3) + framing.content(b"abc") + framing.end()
    assert data.endswith(b"\r\n\r\n")
    assert b"Content-Length" not in data
    assert framing.keep_alive


def test_head_announces_the_length_and_sends_nothing():
    framing = ResponseFraming(1, is_head=True, keep_alive=True)
    data = framing.head(200, "OK", [], DATE, 3) + framing.content(b"abc") + framing.end()
    assert b"Content-Length: 3\r\n" in data
    assert data.endswith(b"\r\n\r\n")
    assert framing.is_satisfied


@pytest.mark.parametrize(
    ("headers", "length", "announced"),
    [
        ([], 0, None),  # the app gave nothing to HEAD: a GET's content may be any
        ([], None, None),
        ([("Content-Length", "0")], 0, b"0"),
        ([("Content-Length", "7")], 0, b"7"),
    ],
)
def test_head_announces_no_length_that_is_not_known(headers, length, announced):
    framing = ResponseFraming(1, is_head=True, keep_alive=True)
    head = framing.head(200, "OK", headers, DATE, length)
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    assert fields.get(b"Content-Length") == announced
    assert b"Transfer-Encoding" not in fields
    assert framing.keep_alive
    assert framing.is_satisfied


@pytest.mark.parametrize(
    ("value", "closes"),
    [("close", True), ("X-A,  CLOSE", True), ("x-close", False), ("disclose, keep-alive", False)],
)
def test_the_connection_options_of_an_app_are_whole_tokens(value: str, closes: bool):
    client, framing = whole([("Connection", value)], b"x")
    assert client.headers.get("connection") == ("close" if closes else None)
    assert framing.keep_alive is not closes


@pytest.mark.parametrize(("status", "offered"), [(426, "h2c, websocket"), (200, None)])
def test_protocols_are_offered_where_one_is_demanded(status: int, offered: str | None):
    client, framing = whole([("Upgrade", "h2c, websocket")], b"x", status=status)
    assert client.headers.get("upgrade") == offered
    assert client.headers.get("connection") == (offered and "Upgrade")
    assert framing.keep_alive


def test_content_beyond_the_announced_length_is_cut_and_what_lacks_is_known():
    framing = ResponseFraming(1, is_head=False, keep_alive=True)
    framing.head(200, "OK", [("Content-Length", "3")], DATE, None)
    assert framing.content(b"ab") == b"ab"
    assert framing.missing_bytes == 1
    assert framing.content(b"cde") == b"c"
    assert framing.is_satisfied


@pytest.mark.parametrize(
    "header",
    [
        ("X", "a\r\nSet-Cookie: b"),
        ("X", "a\nb"),
        ("X", "a\0"),
        ("X", "\u20ac"),
        ("X\r\nY", "a"),
        ("X Y", "a"),
        ("", "a"),
        ("Content-Length", "-1"),
        ("Content-Length", "\u0663"),
    ],
)
def test_headers_that_would_break_the_response_are_refused(header: tuple[str, str]):
    framing = ResponseFraming(1, is_head=False, keep_alive=True)
    with pytest.raises(ResponseError):
        framing.head(200, "OK", [header], DATE, 0)


@pytest.mark.parametrize("status", ["200 OK", "299 ", "404 Not Found"])
def test_statuses(status: str):
    assert check_status(status) == int(status[:3])


@pytest.mark.parametrize(
    "status", ["200", "20 OK", "600 X", "100 Continue", "200 a\r\nb", "", "abc d"]
)
def test_what_is_no_status(status: str):
    with pytest.raises(ResponseError):
        check_status(status)


HEADER_SETS = [
    [],
    [("Content-Type", "text/plain"), ("Content-Length", "3")],
    [("Content-Type", "text/plain"), ("Connection", "close")],
    [("Date", "then"), ("Server", "other")],
    [("X-Long", "v" * 3_000)],
]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([200, 204, 304, 404]),
            st.sampled_from(HEADER_SETS),
            st.sampled_from([DATE, b"Mon, 07 Nov 1994 08:49:37 GMT"]),
            st.sampled_from([None, 3]),
            st.integers(0, 1),
            st.booleans(),
            st.booleans(),
        ),
        max_size=20,
    )
)
def test_a_remembered_head_is_what_it_was_the_first_time(cases: list[tuple[Any, ...]]):
    for status, headers, date, length, minor, is_head, keep in cases:
        seen = []
        for forget in (True, False, False):
            if forget:
                http1_response._plans.clear()
            framing = ResponseFraming(minor, is_head=is_head, keep_alive=keep)
            head = framing.head(status, None, headers, date, length)
            raw = tuple((name.encode(), value.encode()) for name, value in headers)
            again = ResponseFraming(minor, is_head=is_head, keep_alive=keep)
            assert again.head(status, None, raw, date, length) == head, "bytes mean the same"
            tail = framing.content(b"abc") + framing.end()
            seen.append((head, framing.keep_alive, framing.is_satisfied, tail))
        assert seen[0] == seen[1] == seen[2]
        assert (b"then" in head) or (date in head)


@pytest.mark.parametrize("headers", HEADER_SETS)
@pytest.mark.parametrize("is_head", [True, False])
@pytest.mark.parametrize("content", [b"", b"abc", b"ab", b"abcd"])
def test_a_whole_response_is_its_head_and_its_content(
    headers: list[tuple[str, str]], is_head: bool, content: bytes
):
    one = ResponseFraming(1, is_head=is_head, keep_alive=True)
    parts = one.head(200, "OK", headers, DATE, len(content)) + one.content(content) + one.end()
    plan = plan_head((200, "OK", tuple(headers), len(content), b""), 1, is_head)
    assert plan.head(DATE, one.keep_alive) + plan.body(content) == parts
    assert (plan.length or 0) - len(plan.body(content)) == (one.missing_bytes or 0)


def test_pairs_may_be_lists_and_mixtures_are_refused():
    framing = ResponseFraming(1, is_head=False, keep_alive=True)
    pairs: Any = [[b"x-a", b"1"], [b"x-b", b"2"]]
    assert b"\r\nx-a: 1\r\nx-b: 2\r\n" in framing.head(200, None, pairs, DATE, 0)
    mixed: Any = [("x-a", b"1")]
    with pytest.raises(ResponseError, match="neither text nor bytes"):
        framing.head(200, None, mixed, DATE, 0)


@pytest.mark.parametrize("headers", [[], [("Content-Length", "5")]], ids=["none", "a length"])
@pytest.mark.parametrize("minor", [0, 1])
def test_reset_content_has_none(headers: Headers, minor: int):
    """RFC 9110 section 15.3.6."""
    client, framing = whole(headers, b"hello", status=205, minor=minor)
    assert client.headers["content-length"] == "0"
    assert "transfer-encoding" not in client.headers
    assert client.content == b""
    assert framing.is_satisfied


@pytest.mark.parametrize(
    ("status", "is_head", "length", "admitted"),
    [(200, False, "10", 10), (200, False, "3", 3), (200, False, "30", 10), (200, True, "10", 0)]
    + [(status, False, "10", 0) for status in (204, 205, 304)],
)
def test_as_much_of_a_file_is_admitted_as_the_head_has_room_for(
    status: int, is_head: bool, length: str, admitted: int
):
    framing = ResponseFraming(1, is_head=is_head, keep_alive=True)
    framing.head(status, None, [("Content-Length", length)], DATE, 10)
    assert framing.admit_file(10) == admitted
    assert framing.missing_bytes in {None, max(int(length) - 10, 0)}


@pytest.mark.parametrize("status", [200, None, b"200 OK", ("200 OK",)], ids=repr)
def test_a_status_is_text(status: Any):
    with pytest.raises(ResponseError, match="a status is text"):
        check_status(status)


@pytest.mark.parametrize(
    "part", [bytearray(b"ab"), memoryview(b"a_b_")[::2]], ids=["bytearray", "view"]
)
def test_content_that_is_like_bytes(part: Any):
    assert as_content(part) == b"ab"


@pytest.mark.parametrize("part", ["ab", None, 0, [b"ab"]], ids=repr)
def test_content_that_is_none(part: Any):
    with pytest.raises(ResponseError, match=f"the app gave {type(part).__name__}"):
        as_content(part)

"""A remembered head gives the same events as one that is read for the first time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servescope.wire.http1_events import EndOfMessage, Event, Refusal, RequestHead
from servescope.wire.http1_known_heads import LONGEST_KNOWN, MOST_KNOWN, KnownHeads
from servescope.wire.http1_rules import Limits
from servescope.wire.http1_server import Http1Server, State

HEADS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /other?q=1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    b"GET http://b.example/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
]


def events(data: bytes, known: KnownHeads, cut: int, limits: Limits | None = None) -> list[Event]:
    server = Http1Server(limits or Limits(), known)
    found: list[Event] = []
    for part in (data[:cut], data[cut:]):
        if part:
            server.receive_data(part)
        while isinstance(event := server.next_event(), Event):
            found.append(event)
            if isinstance(event, EndOfMessage):
                server.start_next_cycle()
    return found


@given(st.lists(st.tuples(st.sampled_from(HEADS), st.integers(0, 60)), min_size=1, max_size=12))
def test_memory_changes_no_event(requests: list[tuple[bytes, int]]):
    known = KnownHeads()
    for data, cut in requests:
        assert events(data, known, cut) == events(data, KnownHeads(), cut)


@given(st.lists(st.tuples(st.sampled_from(HEADS), st.integers(0, 60)), min_size=1, max_size=12))
def test_a_known_request_taken_whole_gives_the_same_events(requests: list[tuple[bytes, int]]):
    """On one connection: parts that are no known request are received as ever."""
    known = KnownHeads()
    for data in HEADS:
        events(data, known, 0)
    one, other = Http1Server(Limits(), known), Http1Server(Limits(), KnownHeads())
    seen: list[tuple[Event, int]] = []
    expected: list[tuple[Event, int]] = []
    for data, cut in requests:
        for part in filter(None, (data[:cut], data[cut:])):
            head = one.receive_whole(part)
            if head is None:
                one.receive_data(part)
                seen += drained(one)
            else:
                seen += [(head, len(part)), (EndOfMessage(), len(part))]
            other.receive_data(part)
            expected += drained(other)
            assert seen == expected
            assert standing(one) == standing(other)


def standing(server: Http1Server) -> tuple[State, bool, bool]:
    return server.state, server.keep_alive, server.is_between


def drained(server: Http1Server) -> list[tuple[Event, int]]:
    """The events there are, each with the bytes of the message so far."""
    found: list[tuple[Event, int]] = []
    while isinstance(event := server.next_event(), Event):
        found.append((event, server.message_bytes))
        if isinstance(event, EndOfMessage):
            server.start_next_cycle()
    return found


def test_only_a_known_request_without_a_body_is_taken_whole():
    known = KnownHeads()
    server = Http1Server(Limits(), known)
    assert server.receive_whole(HEADS[0]) is None, "not known yet"
    for data in HEADS:
        events(data, known, 0)
    assert server.receive_whole(HEADS[5]) is None, "has a body"
    assert server.receive_whole(HEADS[0] + HEADS[1]) is None, "two requests"
    server.receive_data(b"GET")
    assert server.receive_whole(HEADS[0]) is None, "behind the beginning of another request"


@given(st.lists(st.sampled_from(HEADS[:7]), min_size=1, max_size=8), st.integers(0, 500))
def test_memory_changes_no_event_of_pipelined_requests(requests: list[bytes], cut: int):
    known = KnownHeads()
    data = b"".join(requests)
    first, again, fresh = (
        events(data, memory, min(cut, len(data))) for memory in (known, known, KnownHeads())
    )
    assert first == again == fresh


def test_what_comes_again_is_the_same_object():
    known = KnownHeads()
    [head, _], [again, _] = events(HEADS[0], known, 0), events(HEADS[0], known, 9)
    assert isinstance(head, RequestHead)
    assert again is head
    [other, _] = events(HEADS[1], known, 0)
    assert isinstance(other, RequestHead)
    assert other.headers is head.headers, "the same lines behind another request line"


def test_a_refused_head_is_refused_again():
    known = KnownHeads()
    for _ in range(3):
        [refusal] = events(HEADS[9], known, 0)
        assert isinstance(refusal, Refusal)
        assert refusal.status == 400
    assert known.find(HEADS[9]) is None


def test_an_error_behind_a_remembered_head_names_its_request():
    known = KnownHeads()
    for _ in range(2):
        refusal = events(HEADS[8], known, 0)[-1]
        assert isinstance(refusal, Refusal)
        assert (refusal.status, refusal.method, refusal.target) == (400, "POST", "/")


@pytest.mark.parametrize("size", [10, LONGEST_KNOWN])
def test_the_memory_is_bounded(size: int):
    known = KnownHeads()
    for number in range(MOST_KNOWN * 2 + 5):
        line = b"X-%d: %b\r\n" % (number, b"v" * size)
        events(HEADS[0][:-2] + line + b"\r\n", known, 0)
    assert len(known._heads) <= MOST_KNOWN
    assert len(known._blocks) <= MOST_KNOWN
    assert bool(known._heads) is (size < LONGEST_KNOWN)

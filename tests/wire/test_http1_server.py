"""Each case runs whole, byte by byte, and with trailing bytes; hypothesis cuts at random."""

from __future__ import annotations

import functools
import itertools

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servescope.wire.http1_events import BodyData, EndOfMessage, Event, Idle, Refusal, RequestHead
from servescope.wire.http1_rules import KNOWN_METHODS, Limits, Rule
from servescope.wire.http1_server import Http1Server
from tests.wire.feeding import byte_by_byte, events_under

LIMITS = Limits(max_target=64, max_header_count=5, max_head=512, max_body=32)
HOST = b"Host: a.example\r\n"


events_of = functools.partial(events_under, LIMITS)


def request(*lines: bytes, line: bytes = b"GET / HTTP/1.1", body: bytes = b"") -> bytes:
    return line + b"\r\n" + b"".join(one + b"\r\n" for one in lines) + b"\r\n" + body


UNKNOWN_METHODS = ["MKREDIRECTREF", "BREW", "get", "M-SEARCH", "!#$%&'*+-.^_`|~0aZ", "X" * 32]
CHUNKED = b"Transfer-Encoding: chunked"
POST = b"POST / HTTP/1.1"
H = b"Host: a"

REFUSED = {
    "tls hello": (b"\x16\x03\x01\x02\x00\x01\x00", Rule.FIRST_BYTE),
    "leading space": (b" GET / HTTP/1.1\r\n" + HOST + b"\r\n", Rule.FIRST_BYTE),
    "lone CR first": (b"\rGET / HTTP/1.1\r\n" + HOST + b"\r\n", Rule.FIRST_BYTE),
    "http 0.9": (b"GET /\r\n\r\n", Rule.REQUEST_LINE),
    "two spaces": (request(H, line=b"GET  / HTTP/1.1"), Rule.REQUEST_LINE),
    "tab": (request(H, line=b"GET\t/ HTTP/1.1"), Rule.REQUEST_LINE),
    "space at the end": (request(H, line=b"GET / HTTP/1.1 "), Rule.REQUEST_LINE),
    "space in target": (request(H, line=b"GET /a b HTTP/1.1"), Rule.REQUEST_LINE),
    "high byte in target": (request(H, line=b"GET /\xff HTTP/1.1"), Rule.REQUEST_LINE),
    "control in target": (request(H, line=b"GET /\x01 HTTP/1.1"), Rule.REQUEST_LINE),
    "lower-case protocol": (request(H, line=b"GET / http/1.1"), Rule.REQUEST_LINE),
    "version with leading zero": (request(H, line=b"GET / HTTP/01.1"), Rule.REQUEST_LINE),
    "other protocol": (request(H, line=b"DESCRIBE /x RTSP/1.0"), Rule.REQUEST_LINE),
    "bare LF request line": (b"GET / HTTP/1.1\nHost: a\n\n", Rule.BARE_LF),
    "bare LF header": (b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", Rule.BARE_LF),
    "bare LF end": (b"GET / HTTP/1.1\r\nHost: a\r\n\n", Rule.BARE_LF),
    "fragment": (request(H, line=b"GET /#x HTTP/1.1"), Rule.FRAGMENT),
    "escape without digits": (request(H, line=b"GET /%zz HTTP/1.1"), Rule.TARGET_ESCAPE),
    "escape at the end": (request(H, line=b"GET /%?q=1 HTTP/1.1"), Rule.TARGET_ESCAPE),
    "relative target": (request(H, line=b"GET x HTTP/1.1"), Rule.TARGET_FORM),
    "star for GET": (request(H, line=b"GET * HTTP/1.1"), Rule.TARGET_FORM),
    "ftp": (request(H, line=b"GET ftp://a/ HTTP/1.1"), Rule.TARGET_FORM),
    "no authority": (request(H, line=b"GET http:///x HTTP/1.1"), Rule.TARGET_FORM),
    "user in authority": (request(H, line=b"GET http://u@a/ HTTP/1.1"), Rule.TARGET_FORM),
    "long target": (request(H, line=b"GET /" + b"x" * 64 + b" HTTP/1.1"), Rule.TARGET_LENGTH),
    "endless target": (b"GET /" + b"x" * 500, Rule.TARGET_LENGTH),
    "long method": (request(H, line=b"M" * 33 + b" / HTTP/1.1"), Rule.METHOD),
    "endless method": (b"M" * 200, Rule.METHOD),
    "no token": (request(H, line=b"MK(COL / HTTP/1.1"), Rule.REQUEST_LINE),
    "connect": (request(H, line=b"CONNECT a:80 HTTP/1.1"), Rule.METHOD),
    "http 2": (request(H, line=b"GET / HTTP/2.0"), Rule.VERSION),
    "http 2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Rule.VERSION),
    "http 1.2": (request(H, line=b"GET / HTTP/1.2"), Rule.VERSION),
    "large head": (request(H, b"X: " + b"x" * 512), Rule.HEAD_SIZE),
    "endless head": (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200, Rule.HEAD_SIZE),
    "many headers": (request(H, *[b"X: y"] * 5), Rule.HEADER_COUNT),
    "space before colon": (request(b"Host : a"), Rule.HEADER_SYNTAX),
    "no colon": (request(H, b"X"), Rule.HEADER_SYNTAX),
    "empty name": (request(H, b": x"), Rule.HEADER_SYNTAX),
    "obs-fold": (request(H, b"X: a", b" b"), Rule.HEADER_SYNTAX),
    "fold first": (request(b" X: a", H), Rule.HEADER_SYNTAX),
    "NUL in value": (request(H, b"X: a\x00b"), Rule.HEADER_SYNTAX),
    "bare CR in value": (request(H, b"X: a\rb"), Rule.HEADER_SYNTAX),
    "brace in name": (request(H, b"X{}: a"), Rule.HEADER_SYNTAX),
    "no host": (request(), Rule.HOST_MISSING),
    "two hosts": (request(H, b"Host: b"), Rule.HOST_REPEATED),
    "same host twice": (request(H, H), Rule.HOST_REPEATED),
    "two hosts on 1.0": (request(H, H, line=b"GET / HTTP/1.0"), Rule.HOST_REPEATED),
    "host with path": (request(b"Host: a/b"), Rule.HOST_SYNTAX),
    "host with user": (request(b"Host: u@a"), Rule.HOST_SYNTAX),
    "host with space": (request(b"Host: a b"), Rule.HOST_SYNTAX),
    "host list": (request(b"Host: a, b:80:90"), Rule.HOST_SYNTAX),
    "two lengths": (
        request(H, b"Content-Length: 1", b"Content-Length: 2", line=POST),
        Rule.LENGTH_REPEATED,
    ),
    "same length twice": (
        request(H, b"Content-Length: 1", b"Content-Length: 1", line=POST),
        Rule.LENGTH_REPEATED,
    ),
    "length list": (request(H, b"Content-Length: 1, 1", line=POST), Rule.LENGTH_SYNTAX),
    "signed length": (request(H, b"Content-Length: +1", line=POST), Rule.LENGTH_SYNTAX),
    "negative length": (request(H, b"Content-Length: -1", line=POST), Rule.LENGTH_SYNTAX),
    "hexadecimal length": (request(H, b"Content-Length: 0x1", line=POST), Rule.LENGTH_SYNTAX),
    "empty length": (request(H, b"Content-Length:", line=POST), Rule.LENGTH_SYNTAX),
    "overflowing length": (request(H, b"Content-Length: " + b"9" * 30, line=POST), Rule.BODY_SIZE),
    "length, then coding": (
        request(H, b"Content-Length: 1", CHUNKED, line=POST),
        Rule.LENGTH_AND_CODING,
    ),
    "coding, then length": (
        request(H, CHUNKED, b"Content-Length: 1", line=POST),
        Rule.LENGTH_AND_CODING,
    ),
    "two codings": (
        request(H, b"Transfer-Encoding: gzip, chunked", line=POST),
        Rule.CODING_UNKNOWN,
    ),
    "chunked twice": (request(H, CHUNKED, CHUNKED, line=POST), Rule.CODING_SYNTAX),
    "chunked, chunked": (
        request(H, b"Transfer-Encoding: chunked, chunked", line=POST),
        Rule.CODING_SYNTAX,
    ),
    "chunked not last": (
        request(H, b"Transfer-Encoding: chunked, gzip", line=POST),
        Rule.CODING_SYNTAX,
    ),
    "only gzip": (request(H, b"Transfer-Encoding: gzip", line=POST), Rule.CODING_SYNTAX),
    "vertical tab in coding": (
        request(H, b"Transfer-Encoding: \x0bchunked", line=POST),
        Rule.HEADER_SYNTAX,
    ),
    "coding on 1.0": (request(H, CHUNKED, line=b"POST / HTTP/1.0"), Rule.CODING_VERSION),
    "other expectation": (request(H, b"Expect: tea"), Rule.EXPECTATION),
    "large body": (request(H, b"Content-Length: 33", line=POST), Rule.BODY_SIZE),
    "large chunk": (request(H, CHUNKED, line=POST, body=b"21\r\n"), Rule.BODY_SIZE),
    "many chunks": (request(H, CHUNKED, line=POST, body=b"1\r\nx\r\n" * 33), Rule.BODY_SIZE),
    "signed chunk": (request(H, CHUNKED, line=POST, body=b"+1\r\nx\r\n"), Rule.CHUNK_SIZE),
    "0x chunk": (request(H, CHUNKED, line=POST, body=b"0x1\r\nx\r\n"), Rule.CHUNK_SIZE),
    "empty size": (request(H, CHUNKED, line=POST, body=b"\r\nx\r\n"), Rule.CHUNK_SIZE),
    "space before size": (request(H, CHUNKED, line=POST, body=b" 1\r\nx\r\n"), Rule.CHUNK_SIZE),
    "space after size": (request(H, CHUNKED, line=POST, body=b"1 \r\nx\r\n"), Rule.CHUNK_SIZE),
    "size ends in LF": (request(H, CHUNKED, line=POST, body=b"1\nx\r\n"), Rule.CHUNK_SIZE),
    "extension with LF": (request(H, CHUNKED, line=POST, body=b"1;a\nx\r\n"), Rule.CHUNK_SIZE),
    "extension with CR": (request(H, CHUNKED, line=POST, body=b"1;a\rb\r\n"), Rule.CHUNK_SIZE),
    "17 digits": (request(H, CHUNKED, line=POST, body=b"0" * 16 + b"1\r\nx"), Rule.CHUNK_SIZE),
    "long extension": (
        request(H, CHUNKED, line=POST, body=b"1;" + b"x" * 600),
        Rule.CHUNK_OVERHEAD,
    ),
    "chunk too long": (request(H, CHUNKED, line=POST, body=b"1\r\nxy\r\n"), Rule.CHUNK_END),
    "chunk ends in LF": (request(H, CHUNKED, line=POST, body=b"1\r\nx\n"), Rule.CHUNK_END),
    "chunk ends in CR x": (request(H, CHUNKED, line=POST, body=b"1\r\nx\rx"), Rule.CHUNK_END),
    "trailer without colon": (request(H, CHUNKED, line=POST, body=b"0\r\nX\r\n\r\n"), Rule.TRAILER),
    "folded trailer": (
        request(H, CHUNKED, line=POST, body=b"0\r\nX: a\r\n b\r\n\r\n"),
        Rule.TRAILER,
    ),
    "trailer with LF": (request(H, CHUNKED, line=POST, body=b"0\r\nX: a\n\r\n"), Rule.TRAILER),
    "end with LF": (request(H, CHUNKED, line=POST, body=b"0\r\n\n"), Rule.TRAILER),
    "large trailer": (
        request(H, CHUNKED, line=POST, body=b"0\r\n" + b"X: " + b"y" * 600),
        Rule.TRAILER,
    ),
}

# The error that ends a body early may follow valid content, so only the last event is compared.


@pytest.mark.parametrize(("data", "rule"), REFUSED.values(), ids=REFUSED)
def test_refuses(data: bytes, rule: Rule):
    whole = events_of([data])
    last = whole[-1]
    assert isinstance(last, Refusal)
    assert (last.status, last.reason) == rule.value
    assert events_of(byte_by_byte(data)) == whole
    assert events_of([data + request(H)]) == whole, "nothing is read after a refusal"


def test_every_rule_has_a_case_that_breaks_it():
    assert {rule for _, rule in REFUSED.values()} == set(Rule)


def head_of(data: bytes) -> RequestHead:
    event = events_of([data])[0]
    assert isinstance(event, RequestHead), event
    return event


ACCEPTED = {
    "plain": (request(H), [b""]),
    "empty line first": (b"\r\n\r\n" + request(H), [b""]),
    "1.0 without host": (request(line=b"GET / HTTP/1.0"), [b""]),
    "empty host": (request(b"Host:"), [b""]),
    "host with port": (request(b"Host: a:80"), [b""]),
    "host in brackets": (request(b"Host: [::1]:80"), [b""]),
    "length": (request(H, b"Content-Length: 3", line=POST, body=b"abc"), [b"abc"]),
    "zero length": (request(H, b"Content-Length: 0", line=POST), [b""]),
    "longest body": (request(H, b"Content-Length: 32", line=POST, body=b"x" * 32), [b"x" * 32]),
    "longest target": (request(H, line=b"GET /" + b"x" * 63 + b" HTTP/1.1"), [b""]),
    "chunks": (
        request(H, CHUNKED, line=POST, body=b"3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\n\r\n"),
        [b"abc0123456789"],
    ),
    "chunked by another case": (
        request(H, b"transfer-encoding: CHUNKED", line=POST, body=b"0\r\n\r\n"),
        [b""],
    ),
    "chunk data like a head": (
        request(H, CHUNKED, line=POST, body=b"6\r\n\r\n0\r\n\r\r\n0\r\n\r\n"),
        [b"\r\n0\r\n\r"],
    ),
    "upgrade is ignored": (request(H, b"Connection: upgrade", b"Upgrade: websocket"), [b""]),
    "obs-text": (request(H, b"X: \xe9"), [b""]),
    "pipelined": (
        request(H, b"Content-Length: 3", line=POST, body=b"abc")
        + request(H, line=b"GET /2 HTTP/1.1"),
        [b"abc", b""],
    ),
    "pipelined behind chunks": (
        request(H, CHUNKED, line=POST, body=b"1\r\nx\r\n0\r\nT: v\r\n\r\n") + request(H),
        [b"x", b""],
    ),
    "nothing after close": (request(H, b"Connection: x, Close") + request(H), [b""]),
    "nothing after 1.0": (request(H, line=b"GET / HTTP/1.0") + request(H), [b""]),
}


def bodies_of(events: list[Event]) -> list[bytes]:
    bodies: list[bytes] = []
    for event in events:
        assert not isinstance(event, Refusal), event
        if isinstance(event, RequestHead):
            bodies.append(b"")
        elif isinstance(event, BodyData):
            bodies[-1] += event.data
    return bodies


@pytest.mark.parametrize(("data", "bodies"), ACCEPTED.values(), ids=ACCEPTED)
def test_accepts(data: bytes, bodies: list[bytes]):
    whole = events_of([data])
    assert bodies_of(whole) == bodies
    assert sum(isinstance(event, EndOfMessage) for event in whole) == len(bodies)
    assert events_of(byte_by_byte(data)) == whole
    assert events_of([data + b"GET /half"])[: len(whole)] == whole


EVERY_CASE = [data for data, _ in (*REFUSED.values(), *ACCEPTED.values())]


@settings(deadline=None)
@given(st.data())
def test_events_do_not_depend_on_the_cut(data: st.DataObject):
    stream = b"".join(data.draw(st.lists(st.sampled_from(EVERY_CASE), min_size=1, max_size=3)))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    edges = [0, *cuts, len(stream)]
    parts = [stream[a:b] for a, b in itertools.pairwise(edges)]
    assert events_of(parts) == events_of([stream])


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from(EVERY_CASE))
def test_garbage_never_raises_and_never_hangs(garbage: bytes, case: bytes):
    for stream in (garbage, case + garbage, case[: len(garbage)] + garbage):
        assert events_of(byte_by_byte(stream)) == events_of([stream])


CHUNK_PIECES = (
    [b"1\r\nx\r\n", b"3\r\nabc\r\n", b"02;e=1\r\n\r\n\r\n", b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n"] * 3
) + [b"0", b"1", b"\r\n", b"\n", b"\r", b";", b" ", b"x"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(CHUNK_PIECES), max_size=6).map(b"".join))
def test_chunks_are_read_as_llhttp_reads_them_or_refused(body: bytes):
    """The strict llhttp takes each message for whole that we do, with the same content."""
    data = request(H, CHUNKED, line=POST, body=body)
    ours = events_of([data])
    if len(ours) < 2 or isinstance(ours[-1], Refusal) or EndOfMessage not in map(type, ours):
        return
    seen = _WithLlhttp()
    parser = httptools.HttpRequestParser(seen)
    end = body.rfind(b"\r\n") + 2
    parser.feed_data(request(H, CHUNKED, line=POST, body=body[:end]))
    assert seen.content == bodies_of(ours)[0]
    assert seen.is_complete


class _WithLlhttp:
    def __init__(self) -> None:
        self.content = b""
        self.is_complete = False

    def on_body(self, data: bytes) -> None:
        self.content += data

    def on_message_complete(self) -> None:
        self.is_complete = True


def test_a_head_says_what_was_asked():
    head = head_of(
        request(
            b"hOST: a",
            b"X-Y:  v \t",
            b"Expect: 100-Continue",
            b"Content-Length: 2",
            line=b"PUT /p?q=%20 HTTP/1.1",
        )
    )
    assert (head.method, head.target, head.minor_version) == ("PUT", "/p?q=%20", 1)
    assert head.headers[:2] == ((b"host", b"a"), (b"x-y", b"v"))
    assert head.header(b"x-y") == b"v"
    assert head.header(b"none") is None
    assert (head.keep_alive, head.expects_continue, head.body_length) == (True, True, 2)


@pytest.mark.parametrize(
    ("line", "option", "kept"),
    [
        (b"GET / HTTP/1.1", b"x", True),
        (b"GET / HTTP/1.1", b"close", False),
        (b"GET / HTTP/1.1", b"keep-alive, CLOSE", False),
        (b"GET / HTTP/1.0", b"x", False),
        (b"GET / HTTP/1.0", b"Keep-Alive", True),
        (b"GET / HTTP/1.0", b"keep-alive, close", False),
    ],
)
def test_keep_alive(line: bytes, option: bytes, kept: bool):
    assert head_of(request(H, b"Connection: " + option, line=line)).keep_alive is kept


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://b.example/p?q", "/p?q"),
        (b"HTTP://b.example", "/"),
        (b"http://b.example?q", "/?q"),
    ],
)
def test_an_absolute_target_replaces_the_host(target: bytes, path: str):
    head = head_of(request(H, line=b"GET " + target + b" HTTP/1.1"))
    assert head.target == path
    assert [value for name, value in head.headers if name == b"host"] == [b"b.example"]


def test_star_is_for_options():
    assert head_of(request(H, line=b"OPTIONS * HTTP/1.1")).target == "*"


def test_trailers_end_the_message():
    *_, last = events_of([request(H, CHUNKED, line=POST, body=b"0\r\nA: 1\r\nb:2 \r\n\r\n")])
    assert last == EndOfMessage(((b"a", b"1"), (b"b", b"2")))


@pytest.mark.parametrize("method", [*sorted(KNOWN_METHODS), *UNKNOWN_METHODS])
def test_every_token_is_a_method(method: str):
    line = method.encode() + b" / HTTP/1.1"
    assert head_of(request(H, line=line)).method == method
    assert head_of(request(H, b"X-Known: no", line=line)).headers[1] == (b"x-known", b"no")


@pytest.mark.parametrize("method", UNKNOWN_METHODS)
@pytest.mark.parametrize("name", [name for name in REFUSED if REFUSED[name][0][:4] == b"POST"])
def test_what_llhttp_refuses_is_refused_behind_any_method(name: str, method: str):
    data, rule = REFUSED[name]
    *_, last = events_of([method.encode() + data[4:]])
    assert isinstance(last, Refusal)
    assert (last.status, last.reason) == rule.value


def test_the_next_request_waits_until_the_response_was_given():
    server = Http1Server(LIMITS)
    server.receive_data(request(H) + request(H, line=b"GET /2 HTTP/1.1"))
    assert isinstance(server.next_event(), RequestHead)
    assert isinstance(server.next_event(), EndOfMessage)
    assert server.next_event() is Idle.PAUSED
    assert server.message_bytes == len(request(H))
    server.start_next_cycle()
    event = server.next_event()
    assert isinstance(event, RequestHead)
    assert event.target == "/2"


def test_counts_the_bytes_of_each_message():
    data = request(H, CHUNKED, line=POST, body=b"3;x\r\nabc\r\n0\r\n\r\n")
    server = Http1Server(LIMITS)
    server.receive_data(data + request(H))
    while not isinstance(server.next_event(), Idle):
        pass
    assert server.message_bytes == len(data)

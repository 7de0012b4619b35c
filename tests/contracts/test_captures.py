"""Captured requests: every model shows the bytes that a proxy in front of it saw, and no secret."""

from __future__ import annotations

import base64
import socket
import time
from typing import TYPE_CHECKING

import pytest

from servescope.capturing.files import CaptureFolder
from servescope.records.captures import CaptureFilter, CaptureOrder
from servescope.records.listeners import AppKind, ConcurrencyModel
from tests.contracts.harness import ModelHarness
from tests.hosting.asgi.test_websocket import frame
from tests.recording_proxy import RecordingProxy
from tests.serving.raw_client import (
    CLOSING,
    GET,
    HANDSHAKE,
    asking,
    connect,
    exchange,
    read_responses,
)
from tests.waiting import eventually, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servescope.capturing.files import CaptureFile
    from servescope.serving import RunningListener

SECRET = b"s3cretVa1ue"
MARK = CaptureFilter(header="x-mark")
PLAIN = CLOSING.replace(b"\r\n\r\n", b"\r\nX-Mark: 1\r\n\r\n")


@pytest.fixture
def proxies() -> Iterator[Callable[[RunningListener], RecordingProxy]]:
    started: list[RecordingProxy] = []

    def start(listener: RunningListener) -> RecordingProxy:
        started.append(RecordingProxy(listener.address))
        return started[-1]

    yield start
    for proxy in started:
        proxy.close()


def order(count: int = 1, seconds: float = 60.0, wanted: CaptureFilter = MARK) -> CaptureOrder:
    return CaptureOrder(7, count, time.time() + seconds, wanted)


def begin(listener: RunningListener, wanted: CaptureOrder) -> None:
    """Switch the capture on, and see that every process of the listener knows.

    A process hears of changes in their order, and of who is denied everybody sees.
    """
    listener.change_captures(wanted)
    for denied, status in ([listener.address[0]], b" 403 "), ([], b" 200 "):
        listener.change_access(denied, [])
        eventually(lambda status=status: status in exchange(listener, CLOSING)[:20])


def folder(harness: ModelHarness) -> CaptureFolder:
    return CaptureFolder(harness.rings.parent)


def ours(harness: ModelHarness) -> list[CaptureFile]:
    """The files of the order."""
    return [one for one in folder(harness).files() if one.order_id == 7]


def captured(harness: ModelHarness, count: int = 1) -> list[dict]:
    """The documents of the order, once there are so many."""
    wait_until(lambda: len(ours(harness)) >= count, f"{count} captures")
    found = [folder(harness).read(one.capture_id) for one in ours(harness)]
    assert len(found) == count
    return sorted(found, key=lambda one: one["end_s"])


def newest_captured(harness: ModelHarness) -> dict:
    """The document that was written last, after the ones that were seen."""
    seen = harness.seen_captures
    found = eventually(lambda: {one.capture_id for one in ours(harness)} - seen, step=0.002)
    [capture_id] = found
    seen.add(capture_id)
    return folder(harness).read(capture_id)


def body_of(message: dict) -> bytes:
    return base64.b64decode(message["body"]["kept"])


def whole(message: dict) -> bytes:
    return message["head"].encode("latin-1") + body_of(message)


def posting(fields: bytes) -> bytes:
    """A POST to `/echo` with some fields more."""
    request = asking(b"/echo", PLAIN).replace(b"GET", b"POST")
    return request.replace(b"X-Mark", fields + b"X-Mark")


REQUESTS = {
    "no body": (PLAIN,),
    "a body in pieces": (
        posting(b"Content-Type: text/plain\r\nContent-Length: 11\r\n"),
        b"hello",
        b" world",
    ),
    "a chunked body": (
        posting(b"Content-Type: text/x\r\nTransfer-Encoding: chunked\r\n"),
        b"5\r\nhel",
        b"lo\r\n6\r\n world\r\n0\r\n\r\n",
    ),
    "a long response in parts": (asking(b"/stream", PLAIN),),
}


def test_the_bytes_are_those_that_a_proxy_saw(harness, proxies):
    listener = harness.start()
    begin(listener, order(len(REQUESTS)))
    for name, pieces in REQUESTS.items():
        proxy = proxies(listener)
        answer = proxy.exchange(*pieces)
        document = newest_captured(harness)
        request, response = document["request"], document["response"]
        assert whole(request) == bytes(proxy.sent) == b"".join(pieces), name
        assert answer == bytes(proxy.received)
        assert answer.startswith(whole(response)), name
        assert response["body"]["size"] == len(answer) - len(response["head"]), name
        assert response["body"]["is_cut"] == (name == "a long response in parts")
    assert len(ours(harness)) == len(REQUESTS)


def test_the_steps_are_told_in_their_order_and_their_sum_is_the_request(harness):
    listener = harness.start()
    begin(listener, order())
    exchange(listener, asking(b"/pause", PLAIN))
    [document] = captured(harness)
    names = [name for _, name, _ in document["steps"]]
    steps = {name: at_ns for at_ns, name, _ in document["steps"]}
    if harness.kind is AppKind.WSGI:
        expected = ["parse", "read", "taken", "environ", "call", "start_response", "transmit"]
        assert [name for name in names if name in expected] == expected
        assert steps["start_response"] - steps["call"] >= 20e6
        assert document["environ"]["PATH_INFO"] == "/pause"
        assert document["start_response"]["status"] == "200 OK"
    moments = [at_ns for at_ns, _, _ in document["steps"]]
    assert moments == sorted(moments)
    assert steps["transmit"] >= steps["call"]
    assert document["thread"].startswith("it-")
    assert document["loaded_s"] <= document["end_s"]


def test_a_piece_that_a_wsgi_app_gives_is_told_before_it_is_sent(harness):
    listener = harness.start()
    begin(listener, order())
    exchange(listener, asking(b"/stream", PLAIN))
    [document] = captured(harness)
    names = [name for _, name, _ in document["steps"] if name in {"returned", "piece", "send"}]
    if harness.kind is AppKind.WSGI:
        assert names[:3] == ["returned", "piece", "send"]
        assert names.count("piece") > 1
    else:
        assert "piece" not in names


def test_a_detail_of_the_request_log_names_the_capture(harness):
    listener = harness.start()
    begin(listener, order())
    exchange(listener, PLAIN)
    [document] = captured(harness)
    [file] = ours(harness)
    details = harness.details()
    assert [one.capture_id for one in details if one.capture_id == file.capture_id]
    assert document["route"] in {one.route for one in details}


def test_each_of_several_requests_sent_ahead_has_its_own_bytes(harness):
    listener = harness.start()
    begin(listener, order(3))
    marked = GET.replace(b"\r\n\r\n", b"\r\nX-Mark: 1\r\n\r\n")
    echo = asking(b"/echo", marked).replace(b"GET", b"POST")
    echo = echo.replace(b"X-Mark", b"Content-Type: text/plain\r\nContent-Length: 3\r\nX-Mark")
    sent = [asking(b"/one", marked), echo + b"two", asking(b"/three", marked)]
    with connect(listener) as sock:
        sock.sendall(b"".join(sent))
        read_responses(sock, 3)
    assert [whole(one["request"]) for one in captured(harness, 3)] == sent


def test_no_more_are_captured_than_were_asked_for_and_none_without_the_header(harness):
    listener = harness.start()
    begin(listener, order(2))
    for request in (CLOSING, PLAIN, PLAIN, PLAIN, CLOSING):
        exchange(listener, request)
    assert len(captured(harness, 2)) == 2


def test_only_a_route_is_kept_where_that_is_asked_for(harness):
    listener = harness.start()
    begin(listener, order(5, wanted=CaptureFilter(route="/pause")))
    for path in (b"/", b"/pause", b"/echo", b"/pause"):
        exchange(listener, asking(path))
    assert [one["target"] for one in captured(harness, 2)] == ["/pause", "/pause"]


def test_a_request_that_was_not_slow_enough_is_not_kept(harness):
    listener = harness.start()
    begin(listener, order(5, wanted=CaptureFilter(slower_than_s=100.0)))
    exchange(listener, PLAIN)
    begin(listener, order(1))
    exchange(listener, asking(b"/later", PLAIN))
    assert [one["target"] for one in captured(harness)] == ["/later"]


def test_a_request_that_was_refused_shows_what_was_sent(harness):
    listener = harness.start()
    begin(listener, order(wanted=CaptureFilter(header="x-mark")))
    listener.change_captures(order(50, wanted=CaptureFilter()))

    def refused() -> list[dict]:
        exchange(listener, b"GET / HTTP/1.1\r\nX-One: 1\r\n\r\n")
        return [folder(harness).read(one.capture_id) for one in ours(harness)]

    document = eventually(refused)[0]
    assert document["status"] == 400
    assert document["request"]["head"] == "GET / HTTP/1.1\r\nX-One: 1\r\n\r\n"
    assert document["response"]["head"].startswith("HTTP/1.1 400 ")


SECRETIVE = (
    b"POST /echo?token=%b HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Mark: 1\r\n"
    b"Authorization: Bearer %b\r\nCookie: a=%b\r\nProxy-Authorization: Basic %b\r\n"
    b"Content-Type: %%b\r\n%%b\r\n" % (SECRET, SECRET, SECRET, base64.b64encode(b"me:" + SECRET))
)
FORM = b"name=me&password=%b&a=1" % SECRET
JSON = b'{"name": "me", "credentials": {"token": "%b"}}' % SECRET
PARTS = b'--xx\r\nContent-Disposition: form-data; name="password"\r\n\r\n%b\r\n--xx--\r\n' % SECRET


CONTENTS = {
    b"application/x-www-form-urlencoded": FORM,
    b"application/json": JSON,
    b"multipart/form-data; boundary=xx": PARTS,
    b"application/octet-stream": FORM,
}


def in_pieces(content: bytes, *, is_chunked: bool) -> tuple[bytes, list[bytes]]:
    """The framing of some content that is cut within its secret, and the pieces."""
    half = content.index(SECRET) + 5
    parts = [content[:half], content[half:]]
    if not is_chunked:
        return b"Content-Length: %d\r\n" % len(content), parts
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts]
    return b"Transfer-Encoding: chunked\r\n", [*chunks, b"0\r\n\r\n"]


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunks"])
def test_no_secret_is_in_the_data_folder(harness, is_chunked):
    listener = harness.start()
    begin(listener, order(len(CONTENTS)))
    for content_type, content in CONTENTS.items():
        framing, pieces = in_pieces(content, is_chunked=is_chunked)
        with connect(listener) as sock:
            for piece in (SECRETIVE % (content_type, framing), *pieces):
                sock.sendall(piece)
            while sock.recv(65_536):
                pass
        document = newest_captured(harness)
        is_known = content_type != b"application/octet-stream"
        assert (document["request"]["body"]["kept"] is not None) == is_known
        assert SECRET not in repr(document).encode()
        for message in ("request", "response"):
            kept = base64.b64decode(document[message]["body"]["kept"] or "")
            assert not any(part in kept for part in (SECRET, SECRET[:5], SECRET[5:]))
    details = harness.details()
    assert "/echo?token=[masked]" in {one.target for one in details}
    files = [path for path in harness.rings.parent.rglob("*") if path.is_file()]
    assert [path for path in files if holds(path, SECRET)] == []


def holds(path, secret: bytes) -> bool:
    data = path.read_bytes()
    ways = {secret, base64.b64encode(b"me:" + secret), secret[:5], secret[5:]}
    return any(way in data for way in ways)


def test_a_file_is_shown_with_its_first_bytes(harness, proxies):
    files = harness.signals / "site"
    files.mkdir()
    (files / "page.txt").write_bytes(b"line of the file\n" * 5_000)
    (files / "picture.png").write_bytes(b"\x89PNG" * 100)
    listener = harness.start(str(files), AppKind.STATIC)
    proxy = proxies(listener)
    begin(listener, order(2))
    answer = proxy.exchange(asking(b"/page.txt", PLAIN))
    proxy.exchange(asking(b"/picture.png", PLAIN))
    text, picture = captured(harness, 2)
    assert answer.startswith(whole(text["response"]))
    assert len(body_of(text["response"])) == 16_384
    assert text["response"]["body"]["size"] == 85_000
    assert picture["response"]["body"]["kept"] is None
    assert picture["response"]["body"]["size"] == 400


ASGI_APP = "tests.serving.asgi_apps_for_listeners:app"
TEXT, CLOSE = 1, 8


@pytest.fixture
def asgi_harness(tmp_path) -> Iterator[ModelHarness]:
    harness = ModelHarness(tmp_path, ConcurrencyModel.ASYNCIO, AppKind.ASGI)
    yield harness
    harness.close()


def converse(proxy: RecordingProxy, *messages: bytes) -> None:
    """Open a WebSocket, send texts and wait for the echo of each, then close it."""
    handshake = HANDSHAKE.replace(b"\r\n\r\n", b"\r\nX-Mark: 1\r\nCookie: a=%b\r\n\r\n" % SECRET)
    with socket.create_connection(proxy.address, timeout=20) as sock:
        sock.sendall(handshake)
        with sock.makefile("rb") as file:
            while file.readline() != b"\r\n":
                pass
            for message in messages:
                sock.sendall(frame(TEXT, message))
                assert file.read(2 + len(message))[2:] == message
            sock.sendall(frame(CLOSE, (1000).to_bytes(2)))
            file.read()


def test_a_websocket_is_shown_frame_by_frame(asgi_harness, proxies):
    listener = asgi_harness.start(ASGI_APP)
    begin(listener, order())
    proxy = proxies(listener)
    login = b'{"user": "me", "password": "%b"}' % SECRET
    converse(proxy, b"hello", login)

    def ended() -> dict | None:
        [document] = captured(asgi_harness)
        return document if len(document["frames"]) == 6 else None

    document = eventually(ended)
    received = [one[2] for one in document["frames"] if not one[1]]
    sent = [one[2] for one in document["frames"] if one[1]]
    assert received == sent == [TEXT, TEXT, CLOSE]
    lengths = [one[5] for one in document["frames"] if not one[1]]
    assert lengths == [5, len(login), 2]
    # The frames and the two heads are all that the proxy saw.
    head = document["request"]["head"].encode("latin-1").replace(b"[masked]", SECRET)
    assert len(proxy.sent) == len(head) + sum(6 + length for length in lengths)
    told = [(is_sent, one) for _, is_sent, one in document["events"]]
    assert [one["type"] for _, one in told] == [
        *("websocket.connect", "websocket.accept"),
        *("websocket.receive", "websocket.send") * 2,
        "websocket.disconnect",
    ]
    texts = [one["text"] for _, one in told if one.get("text")]
    assert texts == ["hello"] * 2 + ['{"user": "me", "password": "[masked]"}'] * 2
    assert document["status"] == 101
    assert document["scope"]["type"] == "websocket"
    files = [path for path in asgi_harness.rings.parent.rglob("*") if path.is_file()]
    assert [path for path in files if holds(path, SECRET)] == []


def test_each_message_of_an_asgi_app_is_told(asgi_harness):
    listener = asgi_harness.start()
    begin(listener, order())
    sent = posting(b"Content-Type: text/plain\r\nContent-Length: 5\r\n") + b"hello"
    exchange(listener, sent)
    [document] = captured(asgi_harness)
    told = [(is_sent, one) for _, is_sent, one in document["events"]]
    assert told == [
        (False, {"type": "http.request", "body": "5 bytes", "more_body": "False"}),
        (
            True,
            {
                "type": "http.response.start",
                "status": "200",
                "headers": [["content-type", "text/plain"]],
            },
        ),
        (True, {"type": "http.response.body", "body": "5 bytes", "more_body": "False"}),
    ]
    assert document["scope"]["path"] == "/echo"
    assert ["x-mark", "1"] in document["scope"]["headers"]

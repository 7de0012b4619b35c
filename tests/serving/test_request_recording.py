"""The route, method and protocol a request is counted under, also when its head came before."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from servescope.hosting.conversation import Conversation, Need
from servescope.hosting.site import Site
from servescope.recording.detail_reader import DetailReader
from servescope.recording.recorder import Recorder
from servescope.recording.ring_reader import RingReader
from servescope.records.listeners import ListenerOptions
from servescope.request_fields import Method, Protocol
from servescope.serving.request_recording import RequestRecording
from tests.hosting.response_sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servescope.hosting.exchange import Exchange

GET = b"GET /users/17?page=2 HTTP/1.1\r\nHost: h\r\n\r\n"
OLD = b"HEAD /users/18 HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n"


class Routing:
    """Tells the next of its routes for each request."""

    accepts_body = True

    def __init__(self) -> None:
        self.routes: list[str] = []

    def __call__(self, exchange: Exchange) -> None:
        exchange.route = self.routes.pop(0)
        exchange.respond(200, [], b"x")


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path, capacity=64)
    yield recorder
    recorder.close()


def recorded(recorder: Recorder, requests: list[tuple[bytes, str]]) -> list[tuple[str, int, int]]:
    """Route, method and protocol of each; the routes are those the app tells."""
    application = Routing()
    site = Site("s", application, ListenerOptions())
    recording = RequestRecording(recorder, "s")
    conversation = Conversation(site, ("192.0.2.7", 4321), 0)
    sink = Sink()
    for data, route in requests:
        application.routes.append(route)
        assert conversation.receive(data, 1, 0) is Need.RUN
        conversation.run(sink)
        exchange = conversation.exchange
        assert exchange is not None
        recording.record(exchange)
        recording.record(exchange)  # the second time is none
        assert conversation.finish_cycle(9) is Need.READ
    reader = RingReader(recorder.ring.path)
    records = reader.drain(0, 2**62, 0.0).records
    found = [
        (reader.routes[int(one["route"])], int(one["method"]), int(one["protocol"]))
        for one in records
    ]
    reader.close()
    return found


@pytest.mark.parametrize(
    ("complete_ns", "read_ns", "queue_ns"),
    [(1_001, 1_000, 3_999), (0, 4_999, 0)],
    ids=["waits for a thread", "waits for its body"],
)
def test_a_request_that_is_broken_off_while_it_waits_was_not_in_the_app(
    recorder: Recorder, complete_ns: int, read_ns: int, queue_ns: int
):
    site = Site("s", Routing(), ListenerOptions())
    conversation = Conversation(site, ("192.0.2.7", 4321), 0)
    conversation.receive(GET, 1, 0)
    exchange = conversation.exchange
    assert exchange is not None
    exchange.complete_ns, exchange.last_sent_ns = complete_ns, 5_000
    RequestRecording(recorder, "s").record(exchange)
    reader = RingReader(recorder.ring.path)
    (record,) = reader.drain(0, 2**62, 0.0).records
    reader.close()
    assert record["stages_ns"].tolist() == [0, read_ns, queue_ns, 0, 0, 0]


def test_a_head_that_comes_again_is_counted_as_before(recorder: Recorder):
    get = ("/users/{id}", Method.GET, Protocol.HTTP_1_1)
    head = ("/users/{id}", Method.HEAD, Protocol.HTTP_1_0)
    found = recorded(recorder, [(GET, ""), (OLD, ""), (GET, ""), (OLD, "")])
    assert found == [get, head, get, head]


def test_what_the_app_tells_wins_each_time(recorder: Recorder):
    told = ["/a", "/a", "", "/b", "/a", ""]
    found = recorded(recorder, [(GET, route) for route in told])
    assert [route for route, _, _ in found] == [route or "/users/{id}" for route in told]


def test_two_listeners_do_not_share_what_is_noted(recorder: Recorder, tmp_path: Path):
    site = Site("s", Routing(), ListenerOptions())
    site.application.routes = ["", ""]
    other = Recorder(tmp_path / "other", capacity=64)
    other.route_id(other.listener_id("before"), "/before")  # so that the numbers differ
    recordings = [RequestRecording(recorder, "one"), RequestRecording(other, "two")]
    conversation = Conversation(site, ("192.0.2.7", 4321), 0)
    for recording in recordings:
        conversation.receive(GET, 1, 0)
        conversation.run(Sink())
        assert conversation.exchange is not None
        recording.record(conversation.exchange)
        conversation.finish_cycle(9)
    for owner in (recorder, other):
        reader = RingReader(owner.ring.path)
        [record] = reader.drain(0, 2**62, 0.0).records
        assert reader.routes[int(record["route"])] == "/users/{id}"
        reader.close()
    other.close()


def test_a_detail_tells_connection_thread_and_trace_and_no_secret(recorder: Recorder):
    application = Routing()
    application.routes = ["/", "/"]
    recording = RequestRecording(recorder, "it")
    conversation = Conversation(Site("it", application, ListenerOptions()), ("192.0.2.7", 4711), 0)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    for target in (b"/?token=s3cretVa1ue", b"/"):
        field = b"traceparent: 00-%b-00f067aa0ba902b7-01\r\n" % trace.encode()
        request = b"GET %b HTTP/1.1\r\nHost: h\r\n%b\r\n" % (target, field)
        assert conversation.receive(request, 0, 0) is Need.RUN
        conversation.run(Sink())
        recording.record(conversation.exchange)
        conversation.finish_cycle(0)
    reader = DetailReader(recorder.details.path)
    first, second = reader.drain(0)[0]
    reader.close()
    assert (first.target, first.requests_before) == ("/?token=[masked]", 0)
    assert (second.target, second.requests_before) == ("/", 1)
    for detail in (first, second):
        assert (detail.client, detail.client_port) == ("192.0.2.7", 4711)
        assert (detail.thread, detail.pid) == (threading.current_thread().name, os.getpid())
        assert detail.trace_id == trace

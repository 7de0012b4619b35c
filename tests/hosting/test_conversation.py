from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from servescope.hosting.conversation import (
    BODY_PROGRESS,
    DRAIN_BYTES,
    DRAIN_NS,
    Conversation,
    Need,
)
from servescope.hosting.site import Site
from servescope.records.listeners import ListenerOptions
from servescope.request_fields import RequestFlag
from tests.hosting.response_sink import Sink

if TYPE_CHECKING:
    from servescope.hosting.exchange import Exchange

S = 1_000_000_000
GET = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"


class Echo:
    """Answers with method, target and body."""

    def __init__(self, *, accepts_body: bool = True) -> None:
        self.accepts_body = accepts_body
        self.calls: list[str] = []

    def __call__(self, exchange: Exchange) -> None:
        self.calls.append(exchange.target)
        content = exchange.body.read() if exchange.body else b""
        exchange.respond(200, [], exchange.method.encode() + content)


class WholeSink(Sink):
    """Takes responses that leave in one send, and no other."""

    def send(self, data: bytes, *, last: bool) -> None:
        assert last
        super().send(data, last=last)


def talk(app: Echo | None = None, *, denied: bool = False, **options: Any) -> Conversation:
    site = Site("x", app or Echo(), ListenerOptions(**options))
    if denied:
        site.denies = {"127.0.0.1"}.__contains__
    return Conversation(site, ("127.0.0.1", 5), 0)


def answer(conversation: Conversation, now_s: float = 1) -> tuple[bytes, Need]:
    sink = WholeSink()
    conversation.run(sink)
    return sink.out, conversation.finish_cycle(int(now_s * S))


def test_requests_one_after_the_other():
    conversation = talk()
    for _ in range(3):
        assert conversation.is_idle
        assert conversation.receive(GET[:10], 1, 0) is Need.READ
        assert not conversation.is_idle
        assert conversation.receive(GET[10:], 2, 0) is Need.RUN
        out, need = answer(conversation)
        assert out.startswith(b"HTTP/1.1 200 OK\r\n")
        assert need is Need.READ


def test_pipelined_requests_are_answered_in_order():
    app = Echo()
    conversation = talk(app)
    need = conversation.receive(GET + POST + b"\r\nabc" + GET[:5], 1, 0)
    outs = []
    while need is Need.RUN:
        out, need = answer(conversation)
        outs.append(out.rpartition(b"\r\n\r\n")[2])
    assert outs == [b"GET", b"POSTabc"]
    assert need is Need.READ
    assert not conversation.is_idle
    assert conversation.receive(GET[5:], 2, 0) is Need.RUN


def test_what_waited_behind_another_request_counts_as_queue():
    conversation = talk()
    conversation.receive(GET + GET, 5, 7)
    answer(conversation)
    second = conversation.exchange
    assert second is not None
    assert (second.first_byte_ns, second.complete_ns, second.kernel_ns) == (5, 5, 7)
    assert second.flags == RequestFlag(0)


def test_the_first_request_of_a_connection_is_marked():
    conversation = talk()
    conversation.receive(GET, 1, 0)
    assert conversation.exchange is not None
    assert conversation.exchange.flags == RequestFlag.NEW_CONNECTION


def test_a_refusal_waits_for_the_requests_before_it():
    conversation = talk()
    assert conversation.receive(GET + b"BAD\r\n\r\n", 1, 0) is Need.RUN
    out, need = answer(conversation)
    assert out.startswith(b"HTTP/1.1 200")
    assert need is Need.RUN
    out, need = answer(conversation)
    assert out.startswith(b"HTTP/1.1 400")
    assert b"\r\nConnection: close\r\n" in out
    assert need is Need.LINGER


def test_deadlines():
    conversation = talk(head_seconds=10, body_seconds=30, keep_alive_seconds=76)
    assert conversation.deadline_ns == 10 * S
    conversation.receive(POST[:5], 3 * S, 0)
    assert conversation.deadline_ns == 13 * S
    conversation.receive(POST[5:], 9 * S, 0)
    assert conversation.deadline_ns == 13 * S, "half a head renews nothing"
    conversation.receive(b"\r\na", 10 * S, 0)
    assert conversation.deadline_ns == 40 * S
    conversation.receive(b"b", 11 * S, 0)
    assert conversation.deadline_ns == 40 * S, "a byte of body renews nothing"
    conversation.receive(b"c", 12 * S, 0)
    assert answer(conversation, 13)[1] is Need.READ
    assert conversation.deadline_ns == (13 + 76) * S


def test_progress_renews_the_deadline_of_a_body():
    conversation = talk(body_seconds=30)
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"
    conversation.receive(head, 0, 0)
    conversation.receive(b"x" * BODY_PROGRESS, 20 * S, 0)
    assert conversation.deadline_ns == 50 * S


@pytest.mark.parametrize("begun", [GET[:5], POST + b"\r\na"])
def test_half_a_request_gets_408(begun: bytes):
    conversation = talk()
    conversation.receive(begun, 1, 0)
    assert conversation.expire() is Need.RUN
    exchange = conversation.exchange
    assert exchange is not None
    assert exchange.flags & RequestFlag.TIMED_OUT
    out, need = answer(conversation)
    assert out.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert need is Need.LINGER


def test_an_idle_connection_ends_without_a_word():
    conversation = talk()
    assert conversation.expire() is Need.CLOSE
    conversation.receive(GET, 1, 0)
    answer(conversation)
    assert conversation.expire() is Need.CLOSE


def test_a_stray_empty_line_is_not_the_beginning_of_a_request():
    conversation = talk()
    conversation.receive(POST + b"\r\nabc\r\n", 1, 0)  # old clients send one behind a body
    assert answer(conversation)[1] is Need.READ
    assert conversation.is_idle


def test_100_continue_is_sent_once_and_only_when_it_is_waited_for():
    conversation = talk()
    head = POST + b"Expect: 100-continue\r\n\r\n"
    assert conversation.receive(head, 1, 0) is Need.READ
    assert conversation.take_interim() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert conversation.take_interim() == b""
    assert conversation.receive(b"abc", 1, 0) is Need.RUN
    answer(conversation)
    conversation.receive(head + b"abc", 1, 0)
    assert conversation.take_interim() == b"", "the body came without waiting"


def test_a_body_nobody_wants_is_not_asked_for():
    app = Echo(accepts_body=False)
    conversation = talk(app)
    assert conversation.receive(POST + b"Expect: 100-continue\r\n\r\n", 1, 0) is Need.RUN
    assert conversation.take_interim() == b""
    out, need = answer(conversation)
    assert b"Connection: close" in out
    assert need is Need.LINGER


def post(length: int) -> bytes:
    return b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % length


def test_a_short_body_nobody_wants_is_drained_and_the_connection_kept():
    app = Echo(accepts_body=False)
    conversation = talk(app)
    assert conversation.receive(post(DRAIN_BYTES) + b"x", 1, 0) is Need.RUN
    out, need = answer(conversation)
    assert b"Connection: close" not in out
    assert need is Need.READ
    assert conversation.is_idle, "a stop does not wait for it"
    rest = b"x" * (DRAIN_BYTES - 1)
    assert conversation.receive(rest[1:], 2, 0) is Need.READ
    assert conversation.receive(rest[:1] + GET, 3, 0) is Need.RUN
    assert conversation.exchange is not None
    assert conversation.exchange.first_byte_ns == 3
    assert answer(conversation)[1] is Need.READ
    assert app.calls == ["/x", "/x"]


def test_a_body_that_came_with_its_head_is_drained_at_once():
    app = Echo(accepts_body=False)
    conversation = talk(app)
    need = conversation.receive((post(3) + b"abc") * 3, 1, 0)
    for _ in range(3):
        assert need is Need.RUN
        need = answer(conversation, now_s=2)[1]
    assert need is Need.READ
    assert conversation.deadline_ns == 2 * S + ListenerOptions().keep_alive_seconds * S
    assert conversation.is_idle
    assert len(app.calls) == 3


def test_a_rest_that_does_not_come_ends_in_silence():
    conversation = talk(Echo(accepts_body=False))
    conversation.receive(post(3) + b"a", 1, 0)
    assert answer(conversation, now_s=1)[1] is Need.READ
    assert conversation.deadline_ns == 1 * S + DRAIN_NS
    assert conversation.receive(b"b", 2 * S, 0) is Need.READ
    assert conversation.deadline_ns == 1 * S + DRAIN_NS, "a byte renews nothing"
    assert conversation.expire() is Need.CLOSE
    assert conversation.receive_eof() is Need.CLOSE


@pytest.mark.parametrize(
    "data",
    [
        post(DRAIN_BYTES + 1),
        b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        POST + b"Expect: 100-continue\r\n\r\nabc",
    ],
)
def test_a_body_that_is_not_drained_is_announced_to_end_the_connection(data: bytes):
    conversation = talk(Echo(accepts_body=False))
    assert conversation.receive(data, 1, 0) is Need.RUN
    out, need = answer(conversation)
    assert b"\r\nConnection: close\r\n" in out
    assert need is Need.LINGER


def test_what_is_left_of_a_body_is_no_more_to_ask():
    conversation = talk(Echo(accepts_body=False))
    conversation.receive(post(3) + b"abc", 1, 0)
    assert not conversation.has_more
    conversation = talk(Echo(accepts_body=False))
    conversation.receive(post(3) + b"abc" + GET[:1], 1, 0)
    assert conversation.has_more


@pytest.mark.parametrize("data", [GET, POST + b"\r\nabc"])
def test_a_denied_address_gets_403_and_the_app_is_not_called(data: bytes):
    app = Echo()
    conversation = talk(app, denied=True)
    assert conversation.receive(data, 1, 0) is Need.RUN
    out, need = answer(conversation)
    assert out.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert need is Need.LINGER
    assert app.calls == []


def test_what_the_client_closes_is_closed_at_once():
    conversation = talk()
    conversation.receive(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 1, 0)
    out, need = answer(conversation)
    assert b"\r\nConnection: close\r\n" in out
    assert need is Need.CLOSE


def test_a_bound_on_requests_is_announced():
    conversation = talk(keep_alive_requests=2)
    conversation.receive(GET, 1, 0)
    assert answer(conversation)[1] is Need.READ
    conversation.receive(GET, 1, 0)
    out, need = answer(conversation)
    assert b"\r\nConnection: close\r\n" in out
    assert need is Need.LINGER


def test_a_draining_site_closes_after_the_response():
    site = Site("x", Echo(), ListenerOptions())
    conversation = Conversation(site, ("127.0.0.1", 5), 0)
    conversation.receive(GET, 1, 0)
    site.draining = True
    out, need = answer(conversation)
    assert b"\r\nConnection: close\r\n" in out
    assert need is Need.LINGER


def test_a_connection_there_is_no_room_for_gets_503():
    conversation = talk()
    assert conversation.refuse(503, "Full.", 1) is Need.RUN
    out, need = answer(conversation)
    assert out.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nRetry-After: 1\r\n" in out
    assert out.endswith(b"Full.\n")
    assert need is Need.LINGER


def test_a_client_that_leaves_ends_it():
    conversation = talk()
    conversation.receive(GET[:5], 1, 0)
    assert conversation.receive_eof() is Need.CLOSE


def test_bytes_received_are_those_of_each_request():
    conversation = talk()
    conversation.receive(POST + b"\r\nabc" + GET, 1, 0)
    sizes = []
    for _ in range(2):
        assert conversation.exchange is not None
        sizes.append(conversation.exchange.bytes_received)
        answer(conversation)
    assert sizes == [len(POST) + 5, len(GET)]

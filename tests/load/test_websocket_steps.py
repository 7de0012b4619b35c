"""WebSocket steps on real sockets: handshake, messages one by one, close, and each way to fail."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from servescope.load.report import Flows, StepKind
from servescope.records.load import LoadPlan
from servescope.records.scenarios import (
    Constant,
    DataRows,
    Flow,
    RequestStep,
    Scenario,
    WebSocketStep,
)
from servescope.wire.http1_events import RequestHead
from servescope.wire.http1_rules import Limits
from servescope.wire.http1_server import Http1Server
from servescope.wire.websocket import CloseReceived, OpenWebSocket, PongReceived, TextReceived
from servescope.wire.websocket_handshake import read_handshake

from .conftest import Outcome, TinyServer
from .test_loop import NOTHING_FAILED, all_failed
from .test_phases import check_law

pytestmark = pytest.mark.real_time

Run = Callable[[LoadPlan, int], Outcome]
CLOSE = b"close"


def greets(websocket: OpenWebSocket) -> bytes:
    return websocket.text("hello") + websocket.ping(b"?")


class EchoServer:
    """Says each message again; `reply` may say nothing or end the connection instead.

    `greeting` goes out together with the 101; the pong to a ping of `CLOSE` is answered by a Close.
    """

    def __init__(
        self,
        reply: Callable[[OpenWebSocket, str], bytes | None],
        greeting: Callable[[OpenWebSocket], bytes],
    ) -> None:
        self.reply = reply
        self.greeting = greeting
        self.messages: list[str] = []
        self.closes: list[int] = []
        self._sockets: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._sockets.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            server = Http1Server(Limits())
            server.receive_data(connection.recv(65_536))
            head = server.next_event()
            assert isinstance(head, RequestHead)
            websocket = OpenWebSocket()
            opening = read_handshake(head).response(b"today", None, ())
            connection.sendall(opening + self.greeting(websocket))
            while data := connection.recv(65_536):
                websocket.receive_data(data)
                while (event := websocket.next_event()) is not None:
                    if isinstance(event, TextReceived):
                        self.messages.append(event.text)
                        answer = self.reply(websocket, event.text)
                        if answer is None:
                            return
                        connection.sendall(answer)
                    elif isinstance(event, CloseReceived):
                        self.closes.append(event.code)
                    elif event == PongReceived(CLOSE):
                        connection.sendall(websocket.close(1001, "restart"))
                connection.sendall(websocket.take_replies())

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._threads[0].join()
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()


@pytest.fixture
def echo() -> Iterator[Callable[..., EchoServer]]:
    servers: list[EchoServer] = []

    def start(
        reply: Callable[..., bytes | None] = OpenWebSocket.text,
        greeting: Callable[..., bytes] = greets,
    ) -> EchoServer:
        servers.append(EchoServer(reply, greeting))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def plan_of(*steps: RequestStep | WebSocketStep, **options: object) -> LoadPlan:
    data = DataRows(("who",), (("ann",), ("bob",)))
    scenario = Scenario(Constant(20, 0.25), (Flow(steps),), data=data, **options)
    return LoadPlan("files", scenario)


CHAT = WebSocketStep("chat", "/ws", ("hi {who}", "bye"))


def test_each_message_waits_for_one_in_return(
    echo: Callable[..., EchoServer], run_plan: Run
) -> None:
    server = echo()
    outcome = run_plan(plan_of(CHAT), server.port)
    result = outcome.result
    handshake, messages = result.steps
    assert (handshake.name, handshake.kind) == ("chat", StepKind.WEBSOCKET)
    assert (messages.name, messages.kind) == ("chat: messages", StepKind.MESSAGE)
    assert (handshake.answered, handshake.statuses) == (5, {"101": 5})
    assert (messages.sent, messages.answered, messages.failed) == (10, 10, NOTHING_FAILED)
    assert messages.bytes_received == 3 * 6 + 2 * 6 + 5 * 3
    assert (result.sent, result.answered, result.failed) == (5, 5, NOTHING_FAILED)
    assert result.flows == Flows(5, 5, 0, 0)
    assert sorted(server.messages) == sorted(["hi ann", "hi bob"] * 2 + ["hi ann"] + ["bye"] * 5)
    assert set(server.closes) == {1000}
    assert len(outcome.records) == 5  # a conversation is one request, as at the server
    check_law(result)
    total_s = sum(phase.seconds for phase in messages.phases.values())
    assert total_s == pytest.approx(messages.latency_ms.mean * 10 / 1e3, rel=1e-6)


def test_messages_are_so_far_apart(echo: Callable[..., EchoServer], run_plan: Run) -> None:
    step = WebSocketStep("chat", "/ws", ("1", "2", "3"), seconds_between=0.1)
    result = run_plan(plan_of(step), echo().port).result
    assert result.steps[1].answered == 15
    assert result.seconds >= 0.2 + 0.2  # the last flow begins after 0.2 s and pauses twice
    assert result.steps[1].latency_ms.p50 < 90


def test_a_flow_goes_on_after_a_conversation(
    echo: Callable[..., EchoServer], run_plan: Run
) -> None:
    result = run_plan(plan_of(CHAT, WebSocketStep("again", "/ws", ())), echo().port).result
    assert [step.answered for step in result.steps] == [5, 10, 5, 0]
    assert result.flows == Flows(5, 5, 0, 0)


def test_an_answer_that_opens_no_websocket_is_a_failure_of_its_own(
    serve: Callable[..., TinyServer], run_plan: Run
) -> None:
    result = run_plan(plan_of(CHAT), serve().port).result
    assert result.failed == all_failed("websocket", 5)
    words = "the answer to the handshake has status 200, not 101"
    assert result.steps[0].examples == {"websocket": words}
    assert result.flows == Flows(5, 0, 5, 0)


def test_a_server_that_leaves_before_the_reply(
    echo: Callable[..., EchoServer], run_plan: Run
) -> None:
    server = echo(lambda websocket, text: None if text == "bye" else websocket.text(text))
    result = run_plan(plan_of(CHAT), server.port).result
    messages = result.steps[1]
    assert (messages.sent, messages.answered) == (10, 5)
    assert messages.failed == all_failed("websocket", 5)
    assert messages.examples == {"websocket": "the connection ended"}
    assert (result.answered, result.flows) == (5, Flows(5, 0, 5, 0))


def test_a_close_before_the_reply_says_its_code(
    echo: Callable[..., EchoServer], run_plan: Run
) -> None:
    server = echo(lambda websocket, _text: websocket.close(1013, "later"))
    messages = run_plan(plan_of(CHAT), server.port).result.steps[1]
    assert messages.examples == {"websocket": "the server closed the WebSocket: 1013 later"}


def closes_with_the_reply(websocket: OpenWebSocket, text: str) -> bytes:
    return websocket.text(text) + websocket.close(1001, "restart")


def closes_in_the_pause(websocket: OpenWebSocket, text: str) -> bytes:
    """The pong shows that the reply was read."""
    return websocket.text(text) + websocket.ping(CLOSE)


CLOSINGS = pytest.mark.parametrize(
    ("reply", "seconds_between"),
    [(closes_with_the_reply, 0.0), (closes_with_the_reply, 0.3), (closes_in_the_pause, 0.3)],
    ids=["with the reply", "with the reply before a pause", "in the pause"],
)


@CLOSINGS
def test_a_close_with_messages_left_fails_the_flow(
    echo: Callable[..., EchoServer],
    run_plan: Run,
    reply: Callable[..., bytes],
    seconds_between: float,
) -> None:
    step = WebSocketStep("chat", "/ws", ("1", "2", "3"), seconds_between=seconds_between)
    result = run_plan(plan_of(step), echo(reply).port).result
    messages = result.steps[1]
    assert (messages.sent, messages.answered) == (10, 5)
    assert messages.failed == all_failed("websocket", 5)
    assert messages.examples == {"websocket": "the server closed the WebSocket: 1001 restart"}
    assert result.flows == Flows(5, 0, 5, 0)


@CLOSINGS
def test_a_close_after_the_last_reply_completes_the_step(
    echo: Callable[..., EchoServer],
    run_plan: Run,
    reply: Callable[..., bytes],
    seconds_between: float,
) -> None:
    step = WebSocketStep("chat", "/ws", ("1",), seconds_between=seconds_between)
    again = WebSocketStep("again", "/ws", ("2",), seconds_between=seconds_between)
    result = run_plan(plan_of(step, again), echo(reply).port).result
    assert [step.answered for step in result.steps] == [5, 5, 5, 5]
    assert [step.failed for step in result.steps] == [NOTHING_FAILED] * 4
    assert result.flows == Flows(5, 5, 0, 0)


@pytest.mark.parametrize(
    ("messages", "failed"), [(("hi", "bye"), 5), ((), 0)], ids=["messages", "none"]
)
def test_a_close_with_the_handshake_ends_the_step(
    echo: Callable[..., EchoServer], run_plan: Run, messages: tuple[str, ...], failed: int
) -> None:
    server = echo(greeting=lambda websocket: websocket.close(1000))
    result = run_plan(plan_of(WebSocketStep("chat", "/ws", messages)), server.port).result
    assert result.answered == 5
    assert result.steps[1].failed == all_failed("websocket", failed)
    assert result.flows == Flows(5, 5 - failed, failed, 0)


def test_a_message_without_a_reply_times_out(
    echo: Callable[..., EchoServer], run_plan: Run
) -> None:
    server = echo(lambda *_: b"")
    result = run_plan(plan_of(CHAT, timeout_seconds=0.3), server.port).result
    messages = result.steps[1]
    assert messages.failed == all_failed("timed_out", 5)
    assert messages.latency_ms.p50 >= 300
    assert result.failed == NOTHING_FAILED

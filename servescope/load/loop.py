"""The generator's loop: flows start when they are due, requests are sent and answers read.

Theory of operation. One thread, one epoll set. Each turn of the loop takes up the flows that came
due (`models`: by a schedule, or when a user comes to it), hands their requests to an idle
connection or a new one, reads what arrived, and sleeps until the next is due. A request for which
there is no connection waits in order; its latency runs already, for it counts from the *intended*
time (no coordinated omission). The naive latency, from the actual send, is kept beside it to show
the difference. A later step of a flow is due when the one before it has ended.

The sleep is `select` on the epoll descriptor itself: its timeout has microseconds, where that of
`epoll_wait` is rounded up to milliseconds. To sleep and wake costs more than to send and receive,
so when the next request is due within `DEFER_NS`, responses wait in the kernel until then: it has
stamped their arrival, and the stamp ends the latency.

A kept connection which the server closes while it is idle is simply replaced. When a *reused* one
breaks after the request was sent and before any byte of a response, the request is sent once more
on a fresh connection, as RFC 9112 section 9.3.1 allows for an idempotent method: it remains one
request, with its first intended and send times, and what its first try took is `blocked`. On a
fresh connection the same counts as RESET.

Behind TLS the handshake of a fresh connection comes first (`tls_connections`), while the latency of
its request runs already. A WebSocket takes over the connection of its handshake
(`websocket_conversation`).
"""

from __future__ import annotations

import heapq
import select
import time
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Final

from servescope.errors import ProtocolError, UnfitValueError
from servescope.load.awaited import Awaited, awaited_requests
from servescope.load.exchange import Exchange
from servescope.load.failure_examples import KEPT_BYTES, start_of, why_not_written, words_of
from servescope.load.models import NEVER_NS
from servescope.load.slow_reading import FIRST_BYTES, SlowReading
from servescope.load.websocket_conversation import WebSocketConversation
from servescope.records.load import LoadOutcome
from servescope.sockets.timestamps import CONTROL_BYTES, arrival_ns
from servescope.wire.websocket_handshake import why_not_opened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from servescope.load.connection_pool import ConnectionPool
    from servescope.load.connections import Connection
    from servescope.load.flows import ActiveFlow
    from servescope.load.models import Arrivals
    from servescope.load.step_tally import StepTally
    from servescope.load.tally import Tally
    from servescope.records.scenarios import Scenario
    from servescope.wire.http1_client import Response

_NS: Final = 1_000_000_000
_IN: Final = select.EPOLLIN
_OUT: Final = select.EPOLLOUT
_PAUSED: Final = select.EPOLLET  # only an error or a hang-up, once
_FIRST_ERROR_STATUS: Final = 400

TICK_NS: Final = _NS
STOP_GRACE_NS: Final = 500_000_000
"""How long requests in flight may still be answered after a stop."""

DEFER_NS: Final = 1_000_000
"""When the next request is due within this, responses wait until then to be read."""

CLOSE_NS: Final = _NS
"""How long a WebSocket waits for the server's Close before its connection is closed."""

SLOW_PARTS: Final = 20
"""In how many parts a slow client sends a request, the last `send_seconds` after the first."""

START_DELAY_NS: Final = 2_000_000  # the first request shall not be late for our own preparations


class LoadLoop:
    """Carries out one scenario to its end.

    `on_tick(now_ns)` is called at the start and once a second; `on_control()` whenever the
    descriptor `control` is readable. With `is_stepwise` an answer may make a request due at once,
    and none waits to be read.
    """

    def __init__(
        self,
        scenario: Scenario,
        arrivals: Arrivals,
        pool: ConnectionPool,
        tally: Tally,
        *,
        is_stepwise: bool,
    ) -> None:
        self._arrivals = arrivals
        self._pool = pool
        self._tally = tally
        self._is_stepwise = is_stepwise
        self._keep_alive = scenario.keep_alive
        self._timeout_ns = int(scenario.timeout_seconds * _NS)
        self._schedule_ns = int(scenario.schedule.seconds * _NS)
        # Often enough that a timeout is noticed within 2 % of itself.
        self._sweep_every_ns = min(max(self._timeout_ns // 50, 2_000_000), 100_000_000)
        self._epoll = select.epoll()
        self._connections = pool.by_fd
        self._idle = pool.idle
        self._waiting: deque[Exchange] = deque()
        self._timers: list[tuple[int, int, Callable[[Connection, int], None], Connection]] = []
        self._numbers = count()  # make entries of the heap differ
        self._next_sweep_ns = self._next_tick_ns = 0
        self._stop_by_ns = NEVER_NS
        self._saw_close_delimited = False
        self.start_ns = 0

    @property
    def stopped(self) -> bool:
        """Whether a stop was asked for."""
        return self._stop_by_ns != NEVER_NS

    @property
    def waiting(self) -> int:
        """Requests that wait for a connection, since all that may be are in use."""
        return len(self._waiting)

    @property
    def awaited(self) -> Awaited | None:
        """The requests that have not ended; None where all have.

        It looks at each connection, as often as a progress is told.
        """
        in_flight = [
            connection.exchange
            for connection in self._connections.values()
            if connection.exchange is not None and connection.conversation is None
        ]
        return awaited_requests(in_flight, self._waiting, self._tally.sent)

    @property
    def schedule_seconds(self) -> float:
        """For how long requests came due: as planned, or until a stop was asked for."""
        if not self.stopped:
            return self._schedule_ns / _NS
        until_stop_ns = self._stop_by_ns - STOP_GRACE_NS - self.start_ns
        return min(max(until_stop_ns, 0), self._schedule_ns) / _NS

    def stop(self) -> None:
        """Send nothing more; those in flight have `STOP_GRACE_NS` to be answered."""
        if self.stopped:
            return
        self._stop_by_ns = time.monotonic_ns() + STOP_GRACE_NS
        self._arrivals.stop()
        self._timers.clear()
        self._next_sweep_ns = 0
        for exchange in self._waiting:
            self._cancel(exchange)
        self._waiting.clear()

    def run(
        self,
        control: int,
        on_control: Callable[[], None],
        on_tick: Callable[[int], None],
    ) -> None:
        """Start every flow and wait until each has ended.

        Raises LoadRefusedError when the server turns out to be another one.
        """
        self._epoll.register(control, _IN)
        self.start_ns = time.monotonic_ns() + START_DELAY_NS
        self._tally.begin(self.start_ns + self._schedule_ns)
        self._arrivals.begin(self.start_ns)
        self._next_tick_ns = self.start_ns + TICK_NS
        on_tick(self.start_ns)
        try:
            self._loop(control, on_control, on_tick)
        finally:
            self._pool.close_all()
            self._epoll.close()

    def _loop(
        self, control: int, on_control: Callable[[], None], on_tick: Callable[[int], None]
    ) -> None:
        clock, poll, descriptor = time.monotonic_ns, self._epoll.poll, [self._epoll.fileno()]
        arrivals = self._arrivals
        while True:
            now = clock()
            self._tally.count_in_flight(now)
            self._do_what_is_due(now, on_tick)
            events = poll(0)
            for fd, mask in events:
                if fd == control:
                    on_control()
                else:
                    self._on_event(fd, mask)
            pause = min(arrivals.next_due_ns, self._next_sweep_ns, self._next_tick_ns) - clock()
            if self._timers:
                pause = min(pause, self._timers[0][0] - clock())
            if 0 < pause < DEFER_NS and self._may_defer():
                time.sleep(pause / _NS)
            elif not events:
                if self._is_over():
                    break
                if pause > 0:
                    select.select(descriptor, (), (), pause / _NS)

    def _is_over(self) -> bool:
        arrivals = self._arrivals
        return arrivals.next_due_ns == NEVER_NS and arrivals.started == self._tally.flows_ended

    def _may_defer(self) -> bool:
        """Whether responses may wait in the kernel until the next request is due.

        Not when a connection that is read would carry a waiting request, or go on with its
        handshake, and not when the end of responses is a close, which the kernel does not stamp.
        """
        pool = self._pool
        return not (
            self._waiting
            or pool.opening
            or self._is_stepwise
            or self._saw_close_delimited
            or len(self._connections) >= pool.limit
        )

    def _do_what_is_due(self, now: int, on_tick: Callable[[int], None]) -> None:
        if now >= self._arrivals.next_due_ns:
            self._arrivals.take_up(self._take_up)
        while self._timers and now >= self._timers[0][0]:
            due_ns, _, do, connection = heapq.heappop(self._timers)
            if not connection.is_closed:
                do(connection, due_ns)
        if now >= self._next_sweep_ns:
            self._sweep(now)
        if now >= self._next_tick_ns:
            # Ticks that were missed, say while the process was stopped, are left out.
            self._next_tick_ns += TICK_NS * ((now - self._next_tick_ns) // TICK_NS + 1)
            on_tick(now)
        if self._waiting:
            self._launch_waiting()

    def _at(
        self, due_ns: int, do: Callable[[Connection, int], None], connection: Connection
    ) -> None:
        """Do something with a connection at that time, if it is still open then."""
        if not self.stopped:
            heapq.heappush(self._timers, (due_ns, next(self._numbers), do, connection))

    # Flows

    def _take_up(self, flow: ActiveFlow, intended_ns: int, lag_ns: int) -> None:
        """The flow's present step is due."""
        step = flow.steps[flow.position]
        self._tally.take_up(step.tally, lag_ns)
        data = step.constant
        if data is None or flow.missing:
            try:
                data = flow.render() if not flow.missing else b""
            except (UnfitValueError, KeyError) as error:
                flow.missing = why_not_written(error)
            if flow.missing:
                exchange = Exchange(flow, step, b"", intended_ns)
                self._fail(exchange, None, LoadOutcome.VALUE, time.monotonic_ns(), flow.missing)
                return
        exchange = Exchange(flow, step, data or b"", intended_ns)
        exchange.number = self._tally.sent
        if self._waiting or not self._launch(exchange):
            self._tally.blocked += 1
            self._waiting.append(exchange)

    def _go_on(self, flow: ActiveFlow, now: int) -> None:
        """A step of the flow has ended well, at `now`."""
        if flow.position + 1 >= len(flow.steps):
            self._tally.flows_ended += 1
            self._arrivals.flow_ended(flow, now)
        elif self.stopped:
            self._tally.flows_ended += 1
            self._tally.flows_cancelled += 1
        else:
            flow.position += 1
            self._take_up(flow, now, time.monotonic_ns() - now)

    def _fail(
        self,
        exchange: Exchange,
        connection: Connection | None,
        outcome: LoadOutcome,
        now: int,
        example: str,
    ) -> None:
        """Count a request that failed: it ends its flow."""
        self._tally.failed(exchange, connection, outcome, now, example)
        self._flow_failed(exchange.flow, now)

    def _flow_failed(self, flow: ActiveFlow, now: int) -> None:
        self._tally.flows_ended += 1
        self._tally.flows_failed += 1
        self._arrivals.flow_ended(flow, now)

    def _cancel(self, exchange: Exchange | None) -> None:
        """A stop ends a flow: its request is given up, or it is between two messages."""
        if exchange is not None:
            self._tally.cancel()
        self._tally.flows_ended += 1
        self._tally.flows_cancelled += 1

    # Requests

    def _launch_waiting(self) -> None:
        waiting = self._waiting
        while waiting and self._launch(waiting[0]):
            waiting.popleft()

    def _launch(self, exchange: Exchange) -> bool:
        """Put a request on a connection; False when there is none to be had."""
        user = exchange.flow.user
        connection: Connection | None
        if exchange.step.read_ns:
            connection = self._pool.take_slow(user)
        elif self._idle and user is None:
            connection = self._idle.pop()
        else:
            connection = self._pool.take(user)
        if connection is None:
            return False
        self._carry(connection, exchange)
        return True

    def _carry(self, connection: Connection, exchange: Exchange) -> None:
        connection.exchange = exchange
        step = exchange.step
        if not (step.is_plain and connection.http.is_plain):
            connection.http.expect(
                content=step.has_content, keeps=step.is_kept, upgrade=step.upgrades
            )
        exchange.assigned_ns = 0 if connection.established else connection.opened_ns
        if step.read_ns:
            connection.read_bytes = FIRST_BYTES
        if step.send_ns:
            self._send_slowly(connection, exchange)
        else:
            self._send(connection, exchange.data)

    def _send_slowly(self, connection: Connection, exchange: Exchange) -> None:
        """Send a request part by part, as a client behind a slow line does."""
        data = exchange.data
        part = -(-len(data) // SLOW_PARTS)
        exchange.later = data[part:]
        every_ns = exchange.step.send_ns // max(-(-len(data) // part) - 1, 1)

        def send_next(connection: Connection, due_ns: int) -> None:
            if connection.exchange is not exchange:  # it was answered before it was whole
                return
            following, exchange.later = exchange.later[:part], exchange.later[part:]
            if exchange.later:
                self._at(due_ns + every_ns, send_next, connection)
            self._send(connection, connection.unsent + following)

        self._at(time.monotonic_ns() + every_ns, send_next, connection)
        self._send(connection, data[:part])

    def _send(self, connection: Connection, data: bytes) -> None:
        """Send what the kernel takes.

        On a connection just opened this is tried at once: over loopback it is mostly established
        when connect(2) returns, which saves a turn of the loop.
        """
        now = time.monotonic_ns()
        try:
            taken = connection.send(data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            self._broke(connection, now, words_of(error))
            return
        exchange = connection.exchange
        if exchange is not None:
            if not exchange.assigned_ns:
                exchange.assigned_ns = now
            if taken:
                if not connection.established:
                    self._pool.establish(connection, now)
                if not exchange.sent_ns:
                    exchange.sent_ns = now
                if taken == len(data):
                    exchange.handed_ns = time.monotonic_ns()
        connection.unsent = data[taken:] if taken < len(data) else b""
        interest = _IN if taken == len(data) or connection.awaits_peer else _IN | _OUT
        if interest != connection.interest:
            self._pool.watch(self._epoll, connection, interest)

    def _on_event(self, fd: int, mask: int) -> None:
        connection = self._connections.get(fd)
        if connection is None:  # an event before it in the same turn closed it
            return
        if connection.unsent and mask != _IN and not (self._send_rest(connection) and mask & _IN):
            return
        if connection.read_bytes <= 0:  # a slow client, which has not come to read on
            self._pool.watch(self._epoll, connection, _PAUSED)
            return
        end = "the connection ended"
        try:
            data, control_data, _, _ = connection.receive(connection.read_bytes, CONTROL_BYTES)
        except BlockingIOError:
            if connection.unsent:  # the handshake went on
                self._send(connection, connection.unsent)
            return
        except OSError as error:
            # Not even a response that the end delimits is whole (RFC 9112 section 8).
            data, control_data, end = None, (), words_of(error)
        now = time.monotonic_ns()
        if connection.conversation is not None:
            self._take_frames(connection, data or b"", control_data, now, end)
        elif connection.exchange is None:  # closed while idle, or spoke unasked: of no further use
            self._pool.discard_idle(connection)
        elif data is None:
            self._broke(connection, now, end)
        else:
            self._take(connection, connection.exchange, data, control_data, now)

    def _send_rest(self, connection: Connection) -> bool:
        """Send what the kernel had not taken; whether the connection is still open."""
        self._send(connection, connection.unsent)
        if connection.conversation is not None:
            self._send_frames(connection)
        return not connection.is_closed

    def _take(
        self,
        connection: Connection,
        exchange: Exchange,
        data: bytes,
        control_data: Sequence[tuple[int, int, bytes]],
        now: int,
    ) -> None:
        """Bytes of the response that is awaited, or the end."""
        if not data:
            response = connection.http.receive_eof()
            if response is None:
                self._broke(connection, now, "the connection ended before a whole answer")
                return
            self._saw_close_delimited = True
        else:
            try:
                response = connection.http.receive(data)
            except ProtocolError as error:
                example = f"{error}: {start_of(exchange.first_bytes or data)}"
                self._end(connection, exchange, LoadOutcome.PROTOCOL, now, example)
                return
        if response is None:
            if not exchange.first_bytes:
                exchange.first_bytes = data[:KEPT_BYTES]
                exchange.first_byte_ns = self._arrived(connection, exchange, control_data, now)
            if exchange.step.read_ns:
                self._read_slowly(connection, exchange, data, now)
            return
        end = self._arrived(connection, exchange, control_data, now)
        if response.status >= _FIRST_ERROR_STATUS:
            example = start_of(exchange.first_bytes or data)
            exchange.step.tally.note(f"status_{response.status}", example)
        if exchange.step.upgrades:
            self._upgraded(connection, exchange, response, end)
        else:
            self._answered(connection, exchange, response, end)

    def _read_slowly(
        self, connection: Connection, exchange: Exchange, data: bytes, now: int
    ) -> None:
        """Some of an answer was read; a slow client reads the next part a while later."""
        reading = exchange.reading
        if reading is None:
            exchange.reading = reading = SlowReading(data, exchange.step.read_ns)
            connection.read_bytes = 0
            self._at(now + reading.every_ns, self._read_next_part, connection)
        else:
            connection.read_bytes -= len(data)
        if connection.read_bytes <= 0:
            self._pool.watch(self._epoll, connection, _PAUSED)

    def _read_next_part(self, connection: Connection, due_ns: int) -> None:
        exchange = connection.exchange
        if exchange is not None and exchange.reading is not None:
            connection.read_bytes += exchange.reading.part_bytes
            self._at(due_ns + exchange.reading.every_ns, self._read_next_part, connection)
            self._pool.watch(self._epoll, connection, _IN)

    def _arrived(
        self,
        connection: Connection,
        exchange: Exchange,
        control_data: Sequence[tuple[int, int, bytes]],
        now: int,
    ) -> int:
        """When the kernel had these bytes; a slow client has them when it reads them."""
        if exchange.step.read_ns:
            return now
        arrived = arrival_ns(control_data) - self._tally.wall_offset_ns
        if connection.served:
            least = exchange.sent_ns
        else:  # it may have been sent before, on another connection
            least = connection.opened_ns + connection.connect_ns
        # A stamp outside of these bounds tells of a stepped wall clock, or there was none.
        least = max(least, exchange.first_byte_ns)
        return arrived if least <= arrived <= now else now

    def _answered(
        self, connection: Connection, exchange: Exchange, response: Response, end: int
    ) -> None:
        self._tally.answered(exchange, connection, response, end)
        flow = exchange.flow
        if exchange.step.is_kept:
            flow.take(response)
        connection.exchange = None
        is_whole = not (connection.unsent or exchange.later)
        if self._keep_alive and response.keep_alive and is_whole and not exchange.step.read_ns:
            connection.served += 1
            self._pool.release(connection)
        else:
            self._pool.close(connection)
        self._go_on(flow, end)

    def _broke(self, connection: Connection, now: int, example: str) -> None:
        """The connection ended without a whole response."""
        exchange = connection.exchange
        if connection.conversation is not None or exchange is None:
            self._conversation_ended(connection, LoadOutcome.WEBSOCKET, now, example)
        elif not connection.established:
            self._end(connection, exchange, connection.early_end, now, example)
        elif (
            connection.served
            and not exchange.resent
            and exchange.step.is_idempotent
            and not connection.http.bytes_received
        ):
            self._pool.close(connection)
            self._tally.resent += 1
            exchange.resent = True
            exchange.handed_ns = 0
            self._carry(self._pool.open(exchange.flow.user), exchange)
        else:
            self._end(connection, exchange, LoadOutcome.RESET, now, example)

    def _end(
        self,
        connection: Connection,
        exchange: Exchange,
        outcome: LoadOutcome,
        now: int,
        example: str,
    ) -> None:
        """Count a request that failed, and give up its connection."""
        connection.exchange = None
        self._tally.failed(exchange, connection, outcome, now, example)
        self._pool.close(connection)
        self._flow_failed(exchange.flow, now)

    # WebSockets

    def _upgraded(
        self, connection: Connection, exchange: Exchange, response: Response, end: int
    ) -> None:
        """The answer to a handshake is whole."""
        flow = exchange.flow
        refusal = why_not_opened(response.status, response.headers, flow.websocket_key)
        if refusal:
            self._end(connection, exchange, LoadOutcome.WEBSOCKET, end, refusal)
            return
        self._tally.answered(exchange, connection, response, end)
        flow.take(response)
        connection.exchange = None
        connection.conversation = conversation = WebSocketConversation(flow, exchange.step)
        conversation.receive(response.content)
        if conversation.ended:
            self._conversation_ended(connection, LoadOutcome.WEBSOCKET, end, conversation.ended)
        else:
            self._say_next(connection, end)

    def _say_next(self, connection: Connection, due_ns: int) -> None:
        """The next message is due, or the Close after the last."""
        conversation = connection.conversation
        assert conversation is not None  # noqa: S101 - it was opened
        flow, step = conversation.flow, conversation.step
        try:
            frame = conversation.say_next()
        except (UnfitValueError, KeyError) as error:
            flow.missing = why_not_written(error)
            now = time.monotonic_ns()
            self._conversation_ended(connection, LoadOutcome.VALUE, now, flow.missing)
            return
        now = time.monotonic_ns()
        if frame:
            row = _messages_of(conversation)
            row.sent += 1
            connection.exchange = Exchange(flow, step, frame, due_ns)
            connection.exchange.assigned_ns = now
            self._send_frames(connection)
            return
        self._at(now + CLOSE_NS, self._give_up, connection)
        self._send_frames(connection)
        self._go_on(flow, due_ns)

    def _send_frames(self, connection: Connection) -> None:
        conversation = connection.conversation
        if conversation is not None and conversation.outgoing and not connection.unsent:
            frames = bytes(conversation.outgoing)
            conversation.outgoing.clear()
            self._send(connection, frames)

    def _take_frames(
        self,
        connection: Connection,
        data: bytes,
        control_data: Sequence[tuple[int, int, bytes]],
        now: int,
        end: str,
    ) -> None:
        """Bytes of an open WebSocket, or the end."""
        conversation, exchange = connection.conversation, connection.exchange
        assert conversation is not None  # noqa: S101 - who calls has looked
        was_closing = conversation.is_closing
        if data:
            conversation.receive(data)
        ended = conversation.ended or ("" if data else end)
        if was_closing:
            if ended:
                self._pool.close(connection)
            return
        if exchange is not None and conversation.received >= 0:
            at = self._arrived(connection, exchange, control_data, now)
            row = _messages_of(conversation)
            self._tally.message_answered(row, exchange, conversation.received, at)
            connection.exchange = None
            if ended:
                self._conversation_ended(connection, LoadOutcome.WEBSOCKET, at, ended)
                return
            pause_ns = conversation.step.pause_ns
            self._send_frames(connection)
            if connection.is_closed:
                return
            if pause_ns:
                self._at(at + pause_ns, self._say_next, connection)
            else:
                self._say_next(connection, at)
            return
        if exchange is not None and data and not exchange.first_byte_ns:
            exchange.first_byte_ns = self._arrived(connection, exchange, control_data, now)
        if ended:
            self._conversation_ended(connection, LoadOutcome.WEBSOCKET, now, ended)
        else:
            self._send_frames(connection)

    def _conversation_ended(
        self, connection: Connection, outcome: LoadOutcome, now: int, example: str
    ) -> None:
        """A WebSocket ended otherwise than by our Close and the server's.

        That is a failure unless its last message had one in return.
        """
        conversation, exchange = connection.conversation, connection.exchange
        assert conversation is not None  # noqa: S101 - who calls has looked
        connection.exchange = None
        self._pool.close(connection)
        if exchange is None and conversation.has_said_all:
            if not conversation.is_closing:  # else its flow has gone on
                self._go_on(conversation.flow, now)
            return
        row = _messages_of(conversation)
        if exchange is None:  # the next message could not be sent
            row.sent += 1
            exchange = Exchange(conversation.flow, conversation.step, b"", now)
        self._tally.message_failed(row, exchange, outcome, now, example)
        self._flow_failed(conversation.flow, now)

    def _give_up(self, connection: Connection, now: int) -> None:
        """The server has not answered a Close."""
        del now
        self._pool.close(connection)

    # Timeouts

    def _sweep(self, now: int) -> None:
        """End what is past its timeout and, after a stop, what had its grace."""
        self._next_sweep_ns = now + self._sweep_every_ns
        if now < self._stop_by_ns:
            self._next_sweep_ns = min(self._next_sweep_ns, self._stop_by_ns)
        oldest = now - self._timeout_ns
        while self._waiting and self._waiting[0].intended_ns <= oldest:
            late = self._waiting.popleft()
            self._fail(late, None, LoadOutcome.TIMED_OUT, now, "no connection was to be had")
        given_up = now >= self._stop_by_ns
        for connection in list(self._connections.values()):
            if connection.is_idle or connection.is_closed:
                continue
            exchange, conversation = connection.exchange, connection.conversation
            if exchange is not None and exchange.intended_ns <= oldest:
                if conversation is not None:
                    self._conversation_ended(connection, LoadOutcome.TIMED_OUT, now, _NO_MESSAGE)
                else:
                    example = _how_far(connection, exchange)
                    self._end(connection, exchange, LoadOutcome.TIMED_OUT, now, example)
            elif given_up:
                self._pool.close(connection)
                if conversation is None:
                    self._cancel(exchange)
                elif exchange is not None or not conversation.is_closing:
                    self._cancel(None)


_NO_MESSAGE: Final = "no message came in return"


def _messages_of(conversation: WebSocketConversation) -> StepTally:
    row = conversation.step.messages_tally
    assert row is not None  # noqa: S101 - a step with messages has it
    return row


def _how_far(connection: Connection, exchange: Exchange) -> str:
    """Where a request that timed out stood."""
    if not connection.established:
        return "the connection was not established"
    if exchange.later:
        return "the request was not sent whole by then"
    if connection.unsent:
        return "the server did not read all of the request"
    if exchange.first_byte_ns:
        return f"the answer had begun: {start_of(exchange.first_bytes)}"
    return "no byte of an answer had come"

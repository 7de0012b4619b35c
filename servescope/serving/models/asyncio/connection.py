"""A connection on an event loop: reads, runs, writes, waits.

Theory of operation. The loop tells when the socket can be read or written; all reading is by
recvmsg, so that the kernel's stamp comes along (asyncio's transports hide it). Which phase follows
which is the Conversation's matter; the phases stand in `loop_phases`. While a request runs the
connection is read on, to hear of a client that leaves; what came of the next request waits in the
conversation, and no more is read until it is its turn.
"""

from __future__ import annotations

import select
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from servescope.errors import ProtocolError
from servescope.hosting.asgi.http import HttpCall
from servescope.hosting.asgi.websocket import WebSocketCall
from servescope.hosting.conversation import Need
from servescope.records import RequestFlag
from servescope.serving.connection import LINGER, READ_BYTES, STOP_LINGER, now_ns
from servescope.serving.models.asyncio.phases import (
    HALF_CLOSED_NS,
    LEAVING_NS,
    NEVER_NS,
    Keeper,
    Phase,
)
from servescope.serving.models.asyncio.websocket import LoopWebSocket
from servescope.sockets.timestamps import receive
from servescope.wire.http1_events import BodyData, EndOfMessage, Refusal
from servescope.wire.websocket_handshake import (
    REFUSAL_FIELDS,
    asks_for_websocket,
    read_handshake,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servescope.hosting.asgi.host import AsgiHost
    from servescope.hosting.exchange import Exchange
    from servescope.wire.http1_events import Event

_NO_FLAGS: Final = RequestFlag(0)
# A member looked up on its Enum class costs three times a global in Python 3.11.
_READING: Final = Phase.READING
_RUNNING: Final = Phase.RUNNING
_SOCKET: Final = Phase.SOCKET
_LINGER: Final = Phase.LINGER
_READ: Final = Need.READ
_RUN: Final = Need.RUN
_LINGER_ON: Final = Need.LINGER
_CLOSE: Final = Need.CLOSE


class LoopConnection(LoopWebSocket):
    """One accepted socket on the loop; the Channel of its ASGI calls. Call `attach` first."""

    __slots__ = ("_driver", "_ended_ns", "_host")

    def attach(self, keeper: Keeper) -> None:
        """Let `keeper` keep it."""
        self.prepare(keeper)
        self._call = None
        self._ended_ns = 0  # since when the client's side has ended, and nothing has changed since
        self._driver = keeper.driver
        self._host = keeper.host
        self.deadline_ns = self.conversation.deadline_ns

    # Reading.

    def take_arrived(self) -> None:
        """Read once, and do what follows from it; a fault costs this connection only."""
        try:
            if self.phase is not _READING:
                self._take_out_of_turn()
                return
            try:
                data, kernel_ns = receive(self._socket, READ_BYTES)
            except BlockingIOError:
                self.read_on()
                return
            except OSError:
                data, kernel_ns = b"", 0
            if data:
                self.carry_out(self.conversation.receive(data, now_ns(), kernel_ns))
            else:
                self.carry_out(self.conversation.receive_eof())
        except BaseException:  # noqa: BLE001 - the loop's boundary: the fault costs its connection only
            self._keeper.give_up(self)

    def _take_out_of_turn(self) -> None:
        """Read what is no request whose turn it is."""
        if self.phase is _LINGER:
            if self.discard():
                self.close()
            else:
                self.read_anew()
            return
        found = self.read()
        if found is None:
            self.read_on()
        elif self.phase is _RUNNING:
            self._take_while_running(*found)
        elif self.phase is _SOCKET:
            self._take_frames(found[0])
        else:
            self._pause_reading()

    def _take_while_running(self, data: bytes, kernel_ns: int) -> None:
        call = self._call
        if not data:
            self._pause_reading()  # the end can be read again and again
            if self.has_hung_up():
                self.close()
            else:
                self._note_end()
            return
        self._feed(self.conversation.receive_early(data, now_ns(), kernel_ns))
        if not isinstance(call, HttpCall) or not (call.awaits_body and call.wants_data):
            self._pause_reading()
        elif self._is_reading:
            self.read_anew()

    def _note_end(self) -> None:
        """The client has ended its side: it has gone, or it only reads on."""
        call = self._call
        self._ended_ns = now_ns()
        if call is not None and (isinstance(call, WebSocketCall) or call.awaits_body):
            call.disconnect(cut_off=False)  # there is no use in half of it
        self._set_deadline()

    def _expire_end(self) -> None:
        """The client's side has ended, and the app was silent for a while; see `HALF_CLOSED_NS`."""
        call, now = self._call, now_ns()
        self._set_deadline()
        if now < self.deadline_ns:
            return
        if call is None or call.is_gone or self._is_behind:
            self.close()
        else:
            call.disconnect(cut_off=False)
            self._ended_ns = now
            self._set_deadline()

    @property
    def _is_behind(self) -> bool:
        """Whether the app has not taken the body, so that there is more to tell it than the end."""
        return isinstance(self._call, HttpCall) and self._call.awaits_body

    @property
    def is_unread(self) -> bool:
        """Whether the loop does not tell of the client while it is served, for it is not read."""
        return not self._is_reading and (self.phase is _RUNNING or self.phase is _SOCKET)

    def notice(self, events: int) -> None:
        """What poll(2) tells of a client while `is_unread`."""
        if events & ~select.POLLRDHUP:  # a reset
            self.close()
        elif self.phase is _RUNNING and not self._ended_ns:
            self._ended_ns = now_ns()  # behind what was not read yet
            self._set_deadline()

    def _feed(self, events: Iterable[Event]) -> None:
        """Hand parts of the body to the app."""
        call = self._call
        for event in events:
            if isinstance(event, BodyData):
                if isinstance(call, HttpCall):
                    call.feed(event.data)
            elif isinstance(event, EndOfMessage):
                if isinstance(call, HttpCall):
                    call.complete_body()
            elif isinstance(event, Refusal):
                self._cut_short(event.status, event.reason)
        self._set_deadline()

    def _cut_short(self, status: int, reason: str, flags: RequestFlag = _NO_FLAGS) -> None:
        """The request's body is at fault: answer in the app's place, or break off."""
        exchange, call = self.conversation.exchange, self._call
        if exchange is None or call is None:
            return
        call.disconnect(cut_off=True)
        self._keeper.cancel_if_unaware(call)
        exchange.flags |= flags
        exchange.may_keep_alive = False
        if exchange.status:
            exchange.aborted = True
        else:
            exchange.respond_error(status, reason)
        self._advance_soon()

    def _set_deadline(self) -> None:
        if self._pending:
            return  # the write's deadline holds
        exchange = self.conversation.exchange
        if self._ended_ns and exchange is not None:
            is_told = self._call is None or self._call.is_gone or self._is_behind
            silence_ns = LEAVING_NS if is_told else HALF_CLOSED_NS
            self.deadline_ns = max(self._ended_ns, exchange.last_sent_ns) + silence_ns
            return
        awaits_body = isinstance(self._call, HttpCall) and self._call.awaits_body
        self.deadline_ns = (
            self.conversation.deadline_ns if awaits_body and self._is_reading else NEVER_NS
        )

    # Running.

    def carry_out(self, need: Need | None) -> None:
        """Do what the conversation needs, and go on as long as that needs no waiting."""
        is_part = need is _READ
        while need is _RUN:
            need = self._run()
        if need is _READ:
            conversation = self.conversation
            if conversation.interim:
                self.send_interim(conversation.take_interim())
            self.phase = _READING
            self.deadline_ns = conversation.deadline_ns
            if not self._is_reading:
                self.read_on()
            elif is_part:
                self.read_anew()
        elif need is _LINGER_ON:
            self._linger()
        elif need is _CLOSE:
            self.close()

    def _linger(self) -> None:
        self.phase = _LINGER
        self.begin_linger(STOP_LINGER if self._keeper.is_stopping else LINGER)
        self.read_on()

    def _run(self) -> Need | None:
        """Answer the request at hand; None when the answer takes its time."""
        conversation = self.conversation
        exchange = conversation.exchange or self._exchange()
        host = self._host
        if exchange.refusal is not None:
            self.phase = _RUNNING
            conversation.run(self)
        elif host is None:
            exchange.complete_ns = exchange.complete_ns or now_ns()
            self._run_on_thread(self._answer)
            return None
        else:
            self.phase = _RUNNING
            exchange.sink = self
            exchange.taken_ns = now_ns()
            self._is_driving = True
            try:
                self._run_app(host, exchange)
            finally:
                self._is_driving = False
            if exchange.is_recorded and self.phase is _RUNNING and not self.is_closed:
                self._call = None  # the usual: the response is out
                return conversation.finish_cycle(exchange.last_sent_ns)
        need = self._after_sending()
        if need is None and not self.is_closed:
            was_reading = self._is_reading
            self.read_on()
            if self.phase is _RUNNING:
                if was_reading:
                    self._take_out_of_turn()  # a reset that came with the request: see `read_anew`
                self._set_deadline()
        return need

    def _run_app(self, host: AsgiHost, exchange: Exchange) -> None:
        head = exchange.head
        call: HttpCall | WebSocketCall
        if head is not None and head.has_upgrade and asks_for_websocket(head):
            try:
                call = WebSocketCall(host, exchange, self, read_handshake(head))
            except ProtocolError as error:
                exchange.may_keep_alive = False
                headers = REFUSAL_FIELDS.get(HTTPStatus(error.status))
                exchange.respond_error(error.status, error.reason, headers)
                return
            self._call = call
        else:
            self._call = call = HttpCall()
            call.open(host.http_scope(exchange), exchange, self)
            if head is not None and head.body_length != 0:
                self._feed(self.conversation.body_events(now_ns()))
        try:
            app = host.app  # of its instance, not of its class: quicker apart from the call
            coroutine = app(call.scope, call.receive, call.send)
        except BaseException as error:  # noqa: BLE001 - the app's boundary: no app at all, maybe
            call.finish(error)
            return
        self._driver.drive(coroutine, call)

    def call_finished(self, call: object) -> None:
        """The app has returned at last (see Channel)."""
        if call is self._call:
            self._advance_soon()

    def _advance_soon(self) -> None:
        # Not at once: we may be inside the app's task, and what comes next may be its next call.
        if not self._is_driving:
            self._keeper.loop.call_soon(self._keeper.guard, self, self._advance)

    def _has_ended(self) -> None:
        self._advance_soon()

    def _flush_guarded(self) -> None:
        self._keeper.guard(self, self._flush_or_continue)

    def _flush_or_continue(self) -> None:
        """The client takes more."""
        if self.phase is Phase.WRITING:
            self._continue_unsent()
        elif not self._flush():
            self.close()

    def _advance(self) -> None:
        if self.phase is _RUNNING and not self.is_closed:
            self.carry_out(self._after_sending())

    def _after_sending(self) -> Need | None:
        """What comes next when the response is out, or broken off; None while it is neither."""
        exchange = self.conversation.exchange
        if self.phase is not _RUNNING or exchange is None or self.is_closed:
            return None
        if not exchange.aborted and (self._pending or not exchange.is_ended):
            return None
        if not exchange.is_recorded:
            self.record_if_not_yet()
        if self._pending:
            self.drop_pending()
        self._call = None
        self._ended_ns = 0
        return self.conversation.finish_cycle(now_ns())

    def want_data(self) -> None:
        """The app waits for the client (see Channel)."""
        interim = self.conversation.take_interim()
        if interim:
            self.send_interim(interim)
        if not self._is_reading and self.phase in {_RUNNING, _SOCKET}:
            self._ended_ns = 0  # it will be read again
            self.read_on()
            if self.phase is _RUNNING:
                # The app kept the client waiting: the client has its whole time again.
                self.conversation.deadline_ns = now_ns() + self._keeper.body_ns
                self._set_deadline()

    def _has_flushed(self) -> None:
        if isinstance(self._call, WebSocketCall) and self.phase is _SOCKET:
            self._frames_are_out(self._call)
            self.want_data()
            return
        self._set_deadline()
        self._advance()

    # The end.

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self.phase in {_RUNNING, Phase.THREAD, Phase.WRITING}

    def expire(self) -> None:
        """The deadline has passed."""
        if self.phase is Phase.THREAD:
            return  # it was the one of what the thread does now
        if self._pending or self.unsent is not None:
            self.close(RequestFlag.ABORTED | RequestFlag.TIMED_OUT)
        elif self.phase is _READING:
            self.carry_out(self.conversation.expire())
        elif self.phase is _RUNNING and self._ended_ns:
            self._expire_end()
        elif self.phase is _RUNNING:
            self.deadline_ns = NEVER_NS
            self._cut_short(
                HTTPStatus.REQUEST_TIMEOUT,
                "The request's body did not arrive in time.",
                RequestFlag.TIMED_OUT,
            )
        elif isinstance(self._call, WebSocketCall) and self.phase is _SOCKET:
            self._ping(self._call)
        else:
            self.close()

    def refuse(self) -> None:
        """Answer what the conversation was told to refuse."""
        self.carry_out(Need.RUN)

    def begin_stop(self) -> None:
        """The listener stops: say good-bye on a WebSocket, close what is idle."""
        if isinstance(self._call, WebSocketCall) and self.phase is _SOCKET:
            self._say_goodbye(self._call)
        elif self.phase is _LINGER:
            self.shorten_linger(STOP_LINGER)
        elif self.phase is _READING and self.conversation.is_idle:
            found = self.read()  # a request may have arrived just now
            if found is None or not found[0]:
                self.close()
            else:
                self.carry_out(self.conversation.receive(found[0], now_ns(), found[1]))

    def close(self, flags: RequestFlag = RequestFlag.ABORTED) -> None:
        """Close the socket; what was being answered is recorded with `flags`, the app told.

        A connection that a thread has is broken off, and closed once the thread is done with it.
        """
        if self.is_closed:
            return
        if self.phase is Phase.THREAD:
            self.abort()
            return
        self._pause_reading()
        self.record_broken_off(flags)
        call, self._call = self._call, None
        super().close()
        if call is not None:
            call.disconnect(cut_off=True)
            self._keeper.cancel_if_unaware(call)
        self._keeper.forget(self)

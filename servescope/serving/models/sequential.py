"""The model `sequential`: one connection at a time, the loop of a first server in a textbook.

Clients that connect meanwhile wait in the accept queue, and a slow client holds up all the others:
this model shows the purpose of the other models.

A kept connection gives way when somebody else waits; without that a browser, which opens several,
would lock itself out. Whether somebody does is asked right before the head of each response, which
then announces `Connection: close`: a client that has read this sends nothing more that could be
lost (RFC 9112 section 9.6). Requests that it has pipelined by then are still answered. Only a
client that was told that the connection stays, before anybody came, can lose it unannounced: when
it has been idle for `GIVE_WAY_NS`, as it can after the listener's idle limit (section 9.5).
"""

from __future__ import annotations

import os
import select
import threading
from typing import Final

from servescope.errors import ClientGoneError
from servescope.hosting.conversation import Need
from servescope.hosting.unfailing_log import UnfailingLogger
from servescope.request_fields import RequestFlag
from servescope.serving.acceptor import Acceptor
from servescope.serving.connection import (
    STOP_LINGER,
    Connection,
    Linger,
    left_by_clients,
    now_ns,
    requests_in_stage,
)
from servescope.serving.model import Assignment, Load
from servescope.sockets.cpu_affinity import pin_this_thread

GIVE_WAY_NS: Final = 1_000_000_000
"""How long a kept connection may be idle while somebody else waits."""

LINGER: Final = Linger(500_000_000, 5_000_000_000)
"""How long to read on after a response that closes the connection: everybody waits for it."""

_MS: Final = 1_000_000
_NS: Final = 1_000_000_000
_log = UnfailingLogger(__name__)


class _OthersWait:
    """True while somebody waits in the accept queue and the client at hand has no more to ask."""

    def __init__(self, model: Sequential) -> None:
        self._model = model

    def __bool__(self) -> bool:
        connection = self._model.connection
        has_more = connection is not None and connection.conversation.has_more
        return not has_more and self._model.others_wait()


class Sequential:
    """Serves an assignment in one thread; see `serving.model.Model`."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._acceptor = Acceptor(assignment, Connection)
        self._listening = assignment.listening.fileno()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stop_at_ns = 0  # when the grace is over; 0 while nobody asked for the stop
        self._is_retired = False
        self.connection: Connection | None = None  # the one at hand
        self._queue = select.poll()
        self._queue.register(self._listening, select.POLLIN)
        assignment.site.draining = _OthersWait(self)
        self._is_busy = False
        name = f"{assignment.site.name}-sequential"
        self._thread = threading.Thread(target=self._serve_forever, name=name, daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def load(self) -> Load:
        """Whether somebody is being served."""
        connection = self.connection
        at_hand = [] if connection is None else [connection]
        in_stage = requests_in_stage(at_hand)
        # Nobody else is served while it reads, either.
        is_busy = self._is_busy or any(in_stage.values())
        return Load(
            int(connection is not None),
            int(is_busy),
            0,
            int(self._is_busy),
            in_stage=in_stage,
            left_connections=left_by_clients(at_hand),
            accepted=self._acceptor.accepted,
        )

    def others_wait(self) -> bool:
        """Whether somebody waits in the accept queue; for the model's own thread."""
        return not self._is_retired and bool(self._queue.poll(0))

    def _serve_forever(self) -> None:
        pin_this_thread(self._assignment.options.pin_core)
        while True:
            stop_at_ns = self._stop_at_ns  # asked before: clients connected by then are served
            connection = None if self._is_retired else self._acceptor.accept()
            if connection is None:
                if stop_at_ns or self._is_retired:
                    self._assignment.listening.close()
                    return
                paused_ns = max(self._acceptor.paused_until_ns - now_ns(), 0)
                if paused_ns:
                    self._wait({self._wake: select.POLLIN}, paused_ns)
                else:
                    self._wait({self._wake: select.POLLIN, self._listening: select.POLLIN}, None)
                continue
            self.connection = connection
            try:
                self._serve(connection)
            except BaseException:  # noqa: BLE001 - the loop's boundary: the fault costs its connection only
                _log.exception("listener %s: a connection failed", self._assignment.site.name)
            finally:
                self._is_busy = False
                self.connection = None
                connection.break_off(RequestFlag.ABORTED)
                connection.close()

    def _wait(self, events: dict[int, int], timeout_ns: int | None) -> set[int]:
        """Descriptors that are ready within the time; the wake-up of the stop is one of them."""
        poll = select.poll()
        for descriptor, mask in events.items():
            poll.register(descriptor, mask)
        # Rounded up: a deadline is passed when the wait is over.
        timeout_ms = None if timeout_ns is None else max(timeout_ns, 0) // _MS + 1
        return {descriptor for descriptor, _ in poll.poll(timeout_ms)}

    def _serve(self, connection: Connection) -> None:
        """The whole conversation with one client."""
        conversation = connection.conversation
        need = self._receive(connection, is_kept=False)
        while True:
            match need:
                case Need.READ:
                    interim = conversation.take_interim()
                    if interim:
                        connection.send_interim(interim)
                    need = self._receive(connection, is_kept=True)
                case Need.RUN:
                    need = self._answer(connection)
                case Need.LINGER:
                    self._linger(connection)
                    return
                case Need.CLOSE:
                    return

    def _receive(self, connection: Connection, *, is_kept: bool) -> Need:
        """Wait for bytes until the conversation's deadline; `is_kept`: it had an answer already."""
        conversation = connection.conversation
        give_way_at_ns = now_ns() + GIVE_WAY_NS
        while True:
            stop_at_ns = self._stop_at_ns  # asked before: requests sent by then are answered
            found = connection.read()
            if found is not None:
                data, kernel_ns = found
                if not data:
                    return conversation.receive_eof()
                return conversation.receive(data, now_ns(), kernel_ns)
            deadline_ns = conversation.deadline_ns
            events = {connection.descriptor: select.POLLIN}
            if conversation.is_idle:
                if stop_at_ns:
                    return Need.CLOSE
                events[self._wake] = select.POLLIN
                if is_kept and self.others_wait():
                    deadline_ns = min(deadline_ns, give_way_at_ns)
                elif is_kept and not self._is_retired:
                    events[self._listening] = select.POLLIN
            left_ns = deadline_ns - now_ns()
            if left_ns <= 0:
                return conversation.expire()
            ready = self._wait(events, left_ns)
            if self._wake in ready:
                os.eventfd_read(self._wake)  # the flags tell what it was for

    def _answer(self, connection: Connection) -> Need:
        exchange = connection.conversation.exchange
        if exchange is not None and not exchange.complete_ns:
            exchange.complete_ns = now_ns()
        self._is_busy = True
        connection.conversation.run(connection)
        try:
            while connection.unsent is not None:
                left_ns = connection.deadline_ns - now_ns()
                if left_ns <= 0:
                    connection.break_off(RequestFlag.ABORTED | RequestFlag.TIMED_OUT)
                    return Need.CLOSE
                if self._wait({connection.descriptor: select.POLLOUT}, left_ns):
                    connection.send_unsent()  # which renews the deadline
        except ClientGoneError:
            return Need.CLOSE
        self._is_busy = False
        connection.record_if_not_yet()
        return connection.conversation.finish_cycle(now_ns())

    def _linger(self, connection: Connection) -> None:
        connection.begin_linger(LINGER)
        while not connection.discard():
            if self._stop_at_ns:
                connection.shorten_linger(STOP_LINGER)
            left_ns = connection.deadline_ns - now_ns()
            if left_ns <= 0:
                return
            self._wait({connection.descriptor: select.POLLIN}, left_ns)

    def retire(self) -> None:
        """Leave the accept queue to somebody else; see `Model`."""
        self._assignment.site.draining = True
        self._is_retired = True
        os.eventfd_write(self._wake, 1)

    def disown(self) -> None:
        """Let go, in a forked child, of what is the parent's; see `Model`."""
        self._assignment.site.is_left_to_parent = True
        if self._wake >= 0:
            os.close(self._wake)
        if self.connection is not None:
            self.connection.disown()

    def stop(self, grace_seconds: float) -> None:
        """Serve who has connected, then end; bounded by the grace."""
        self._assignment.site.draining = True
        self._stop_at_ns = now_ns() + int(grace_seconds * _NS)
        os.eventfd_write(self._wake, 1)
        self._thread.join(grace_seconds)
        if self._thread.is_alive():
            connection = self.connection
            if connection is not None:
                connection.abort()
            self._thread.join(0.5)
        if self._thread.is_alive():
            _log.warning("listener %s: still in the app", self._assignment.site.name)
            self._assignment.listening.close()
            return  # the thread may still wait for the wake-up's descriptor
        wake, self._wake = self._wake, -1
        os.close(wake)

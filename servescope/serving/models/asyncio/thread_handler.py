"""Requests of an event loop's connection that are answered on a thread: a WSGI app, a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servescope.errors import ClientGoneError
from servescope.request_fields import RequestFlag
from servescope.serving.connection import now_ns
from servescope.serving.models.asyncio.phases import NEVER_NS, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from servescope.hosting.conversation import Need
    from servescope.hosting.exchange import Exchange
    from servescope.serving.models.asyncio.connection import LoopConnection


class ThreadHandler:
    """Hands a request to a thread, and sends on the loop what its client is slow to read.

    While the phase is THREAD the connection is the thread's: the loop does not even look, no
    deadline runs, and a close only breaks it off. `take_back` makes it the loop's again.

    `run_on_thread` does something on a thread, then lets the loop call `take_back`, or `abandon`
    once the loop has ended.
    """

    __slots__ = ("_run_on_thread", "connection")

    def __init__(
        self,
        connection: LoopConnection,
        run_on_thread: Callable[[ThreadHandler, Callable[[], None]], None],
    ) -> None:
        self.connection = connection
        self._run_on_thread = run_on_thread

    def answer(self, exchange: Exchange) -> Need | None:
        """See RequestHandler. A refusal, which is short, is answered at once."""
        if exchange.refusal is not None:
            self.connection.enter(Phase.WRITING, self)
            self.connection.conversation.run(self.connection)
            return self._next_need()
        exchange.complete_ns = exchange.complete_ns or now_ns()
        self._hand_over(self._run_application)
        return None

    def _hand_over(self, act: Callable[[], None]) -> None:
        connection = self.connection
        connection.enter(Phase.THREAD, self)
        connection.deadline_ns = NEVER_NS
        connection.readable.off()
        connection.writable.off()
        self._run_on_thread(self, act)

    def take_back(self) -> None:
        """The thread has done its part; from here on the connection is the loop's.

        One that was cut off meanwhile is closed, be it that the thread had not begun.
        """
        self.connection.enter(Phase.WRITING, self)
        if self.connection.was_cut_off:
            self.connection.close()
        else:
            self.connection.carry_out(self._next_need())

    def abandon(self) -> None:
        """The loop ended before it could take the connection back: close it."""
        self.connection.enter(Phase.WRITING, self)
        self.connection.close()

    def _next_need(self) -> Need | None:
        """Go on writing (None), or finish the request."""
        connection = self.connection
        if connection.unsent is not None:
            connection.readable.off()
            connection.renew_write_deadline()
            connection.writable.on()
            return None
        connection.writable.off()
        connection.record_if_not_yet()
        return connection.conversation.finish_cycle(now_ns())

    # On the thread.

    def _run_application(self) -> None:
        self.connection.conversation.run(self.connection)

    def _send_part_of_file(self) -> None:
        try:
            self.connection.send_unsent()
        except ClientGoneError:
            self.connection.break_off(RequestFlag.ABORTED)

    # See Handler.

    def on_readable(self) -> None:
        """Leave it in the kernel until the response is out."""
        self.connection.readable.off()

    def on_writable(self) -> None:
        """Send more of a response whose end is known."""
        connection = self.connection
        if connection.unsent is not None and connection.unsent.file is not None:
            self._hand_over(self._send_part_of_file)  # a disk must not hold up the loop
            return
        try:
            connection.send_unsent()
        except ClientGoneError:
            connection.break_off(RequestFlag.ABORTED)
            connection.close()
            return
        if connection.unsent is None:
            connection.carry_out(self._next_need())

    def on_half_close(self) -> None:
        """Send the rest all the same: the client may read on."""

    def on_deadline(self) -> None:
        """Give up a client that stalls."""
        if (
            self.connection.phase is Phase.WRITING
        ):  # else it was the deadline before the thread's turn
            self.connection.close(RequestFlag.ABORTED | RequestFlag.TIMED_OUT)

    def on_stop(self) -> None:
        """Finish within the grace."""

    def on_close(self) -> None:
        """Nothing is held."""

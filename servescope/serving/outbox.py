"""Whole responses that leave together, at the end of a turn of an event loop.

Theory of operation. To send to a process that sleeps means to wake it, on another core by an
interrupt; that can cost as much as the sending. A process that holds many of our connections, a
reverse proxy or a load generator, sleeps again after each response that comes by itself, but is
woken once by those that come together. So while responses are ready within `CLOSE_NS` of one
another, they are put here, and leave when the loop's turn is over; the first one after a pause
leaves at once. Transports of uvloop do the same with all they write. Here nothing waits longer than
for `LONGEST_NS` and whatever else the loop was running then.

The wait counts as `write`: the response is ready, and not all of it is with the kernel.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

CLOSE_NS: Final = 50_000
"""Responses that follow one another as closely as this leave together."""

LONGEST_NS: Final = 100_000
"""How long after the first one the next is no longer waited for."""


class Sender(Protocol):
    """A connection with a response to send."""

    def send_boxed(self) -> None:
        """Send the response; the connection may not go on yet."""

    def leave_box(self) -> None:
        """Send the response, if it was not sent, and go on."""


class Outbox:
    """The responses of one loop that wait for the end of its turn; used on its thread only.

    `give_up` is told of a sender that raised, with the exception at hand.
    """

    __slots__ = ("_give_up", "_leaves_by_ns", "_loop", "_senders", "_sent", "busy_until_ns")

    def __init__(self, loop: asyncio.AbstractEventLoop, give_up: Callable[[Any], None]) -> None:
        self._loop = loop
        self._give_up = give_up
        self._senders: list[Sender] = []
        self._sent = 0  # how many of these have sent already
        self._leaves_by_ns = 0
        self.busy_until_ns = 0
        """A response that is ready before this moment is worth putting here."""

    def put(self, sender: Sender, now_ns: int) -> None:
        """Let it send later."""
        senders = self._senders
        if now_ns > self._leaves_by_ns:
            self._leaves_by_ns = now_ns + LONGEST_NS
            if not senders:
                self._loop.call_soon(self.empty)
            for waiting in senders[self._sent :]:
                waiting.send_boxed()  # nobody can go on now, while an app is being called
            self._sent = len(senders)
        senders.append(sender)
        self.busy_until_ns = now_ns + CLOSE_NS

    def empty(self) -> None:
        """The turn is over: let them all send and go on."""
        senders, self._senders = self._senders, []
        self._leaves_by_ns = self._sent = 0
        for sender in senders:
            try:
                sender.leave_box()
            except Exception:  # noqa: BLE001 - the loop's boundary: it costs this connection only
                self._give_up(sender)
        self.busy_until_ns = perf_counter_ns() + CLOSE_NS

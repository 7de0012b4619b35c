"""One HTTP request to an ASGI app: its receive and its send."""

from __future__ import annotations

import logging
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from servescope.errors import ClientDisconnectedError, ClientGoneError
from servescope.hosting.asgi import DONE, HIGH_WATER, NOBODYS, Waiters, route_of
from servescope.records import RequestFlag

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from servescope.hosting.asgi import AsgiHost, Channel, Message, Scope
    from servescope.hosting.exchange import Exchange
    from servescope.wire.http1_response import RawHeaders

_log = logging.getLogger(__name__)


class HttpState(IntEnum):
    """Where the response of the app stands."""

    WAITING = 0
    STARTED = 1  # the app told the head, which waits for the first part of the body
    STREAMING = 2  # the head is out
    ENDED = 3


START: Final = "http.response.start"
PART: Final = "http.response.body"
LAST: Final = "http.response.body, last"
"""What the table calls an `http.response.body` without `more_body`."""

HTTP_SENDS: Final = {
    (HttpState.WAITING, START): HttpState.STARTED,
    (HttpState.STARTED, PART): HttpState.STREAMING,
    (HttpState.STARTED, LAST): HttpState.ENDED,
    (HttpState.STREAMING, PART): HttpState.STREAMING,
    (HttpState.STREAMING, LAST): HttpState.ENDED,
}
"""What an app may send when, and what comes of it; all else raises RuntimeError in the app."""

# A member looked up on its Enum class costs three times a global in Python 3.11.
_WAITING: Final = HttpState.WAITING
_STARTED: Final = HttpState.STARTED
_ENDED: Final = HttpState.ENDED
_FIRST_FINAL_STATUS: Final = 200
_LAST_STATUS: Final = 599
_GONE: Final = "the client has closed the connection"


# The table by state, for the hot path: a pair as a key is a new tuple each time.
_NEXT: Final = {
    state: {kind: after for (before, kind), after in HTTP_SENDS.items() if before is state}
    for state in HttpState
}


class HttpCall:
    """The app's side of one request. The model feeds the body and calls `finish` at the end."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_channel",
        "_exchange",
        "_headers",
        "_is_body_complete",
        "_is_body_told",
        "_is_cut_off",
        "_is_gone",
        "_keys",
        "_status",
        "_waiters",
        "scope",
        "state",
    )

    def __init__(self, scope: Scope, exchange: Exchange, channel: Channel) -> None:
        self.scope = scope
        self.state = _WAITING
        self._exchange = exchange
        self._channel = channel
        self._keys = len(scope)
        self._body: list[bytes] | None = None
        self._body_bytes = 0
        head = exchange.head
        self._is_body_complete = head is None or head.body_length == 0
        self._is_body_told = False
        self._is_gone = False  # the client will send no more, but may still read
        self._is_cut_off = False  # nothing can be sent any more
        # From STARTED on.
        self._status: int
        self._headers: RawHeaders
        self._waiters: Waiters | None = None

    @classmethod
    def of(cls, host: AsgiHost, exchange: Exchange, channel: Channel) -> HttpCall:
        """The call for a request."""
        return cls(host.http_scope(exchange), exchange, channel)

    # What the model tells.

    @property
    def wants_data(self) -> bool:
        """Whether more of the body may be read: the app is not too far behind."""
        return self._body_bytes < HIGH_WATER

    @property
    def awaits_body(self) -> bool:
        """Whether the request's body is still to come."""
        return not self._is_body_complete

    def feed(self, data: bytes) -> None:
        """A part of the request's body."""
        if self._body is None:
            self._body = []
        self._body.append(data)
        self._body_bytes += len(data)
        self._wake()

    def complete_body(self) -> None:
        """The request's body has ended."""
        self._is_body_complete = True
        self._wake()

    def disconnect(self, *, cut_off: bool = False) -> None:
        """The client has closed its side; `cut_off`: the connection, so that `send` fails."""
        self._is_gone = True
        self._is_cut_off |= cut_off
        self._wake()

    def _wake(self) -> None:
        if self._waiters is not None:
            self._waiters.wake()

    # What the app calls.

    async def receive(self) -> Message:
        """The next `http.request`; `http.disconnect` after the response, or without a client."""
        while True:
            if self._is_cut_off or self.state is _ENDED:
                return {"type": "http.disconnect"}
            if self._is_gone and not self._is_body_complete:
                return {"type": "http.disconnect"}
            if self._body or (self._is_body_complete and not self._is_body_told):
                return self._take_body()
            if self._is_gone:
                return {"type": "http.disconnect"}
            if not self._is_body_complete:
                self._channel.want_data()
            if self._waiters is None:
                self._waiters = Waiters(self._channel.make_waiter)
            await self._waiters.wait()

    def _take_body(self) -> Message:
        data = b"".join(self._body) if self._body else b""  # a single part is not copied
        self._body = None
        was_behind = not self.wants_data
        self._body_bytes = 0
        self._is_body_told = self._is_body_complete
        if was_behind and not self._is_body_complete:
            self._channel.want_data()
        return {"type": "http.request", "body": data, "more_body": not self._is_body_complete}

    def send(self, message: Message) -> Coroutine[Any, Any, None]:
        """Take a message of the app; await what it gives.

        Raises RuntimeError for a message out of turn, ClientDisconnectedError without a client.
        """
        kind = message["type"]
        if kind == PART and not message.get("more_body"):
            kind = LAST
        state = _NEXT[self.state].get(kind)
        if state is None:
            raise RuntimeError(f"the app may not send {kind} when the response is {self.state!r}")
        if self._is_cut_off:
            raise ClientDisconnectedError(_GONE)
        if state is _STARTED:  # nothing is sent yet
            self._start(message)
            self.state = state
            return DONE
        exchange = self._exchange
        body = message.get("body", b"")
        try:
            if state is not _ENDED:
                self._send_part(body)
            elif self.state is _STARTED:
                exchange.respond(self._status, self._headers, body)
            else:
                exchange.send_part(b"", body)
                exchange.end()
        except ClientGoneError:
            exchange.aborted = True
            exchange.flags |= RequestFlag.ABORTED
            self.disconnect(cut_off=True)
            raise ClientDisconnectedError(_GONE) from None
        self.state = state
        if self._channel.is_congested:
            return self._channel.drain()
        if state is _ENDED and self._waiters is not None:
            self._waiters.wake()
        return DONE

    def _start(self, message: Message) -> None:
        status = message["status"]
        if not isinstance(status, int) or not _FIRST_FINAL_STATUS <= status <= _LAST_STATUS:
            raise ValueError(f"{status!r} is no status of a final response")
        headers = tuple(message.get("headers", ()))
        if headers and not isinstance(headers[0][0], bytes):
            raise TypeError(f"header {headers[0]!r}: names and values are bytes")
        self._status = status
        self._headers = headers
        # What tells of a route is put into the scope.
        if len(self.scope) != self._keys or status in NOBODYS:
            self._exchange.route = route_of(self.scope, status)

    def _send_part(self, body: bytes) -> None:
        """A part of the body that is not the last; the first one takes the head along."""
        exchange = self._exchange
        head = b""
        if self.state is _STARTED:
            head = exchange.render_head(self._status, self._headers, None)
        exchange.send_part(head, body)

    def finish(self, error: BaseException | None) -> None:
        """The app has returned, or raised: close what it left open. Raises nothing."""
        if error is not None or self.state is not _ENDED:
            self._close_what_is_open(error)
        if self._waiters is not None:
            self._waiters.wake()
        self._channel.call_finished(self)

    def _close_what_is_open(self, error: BaseException | None) -> None:
        exchange = self._exchange
        is_open = self.state is not _ENDED and not self._is_cut_off
        if error is not None and not (self._is_gone and isinstance(error, OSError)):
            _log.error(
                "listener %s: the application failed on %s %s",
                exchange.site.name,
                exchange.method,
                exchange.target,
                exc_info=error,
            )
        elif is_open and self._is_gone and not self._is_body_complete:
            # Half a request, and no more to come: nothing an app could answer, nobody's fault.
            is_open = False
            exchange.aborted = True
            exchange.flags |= RequestFlag.ABORTED
        elif error is None and is_open:
            _log.error(
                "listener %s: the application left %s %s without a whole response",
                exchange.site.name,
                exchange.method,
                exchange.target,
            )
        self.state = _ENDED
        if is_open:
            try:
                exchange.fail()
            except ClientGoneError:
                exchange.aborted = True
                exchange.flags |= RequestFlag.ABORTED
        elif error is not None and not exchange.aborted:
            exchange.flags |= RequestFlag.APP_ERROR

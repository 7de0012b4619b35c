"""One HTTP request to an ASGI app: its receive and its send."""

from __future__ import annotations

from enum import IntEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from servescope.errors import ClientDisconnectedError, ClientGoneError
from servescope.forked_child import end_forked_child
from servescope.hosting.asgi.host import DONE, HIGH_WATER, Waiters, is_of_a_lost_client
from servescope.hosting.unfailing_log import UnfailingLogger
from servescope.recording.routes import asgi_route
from servescope.request_fields import RequestFlag

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from servescope.hosting.asgi.host import Channel, Message, Scope
    from servescope.hosting.exchange import Exchange
    from servescope.wire.http1_response import RawHeaders

    _Act = Callable[[Any, Message], Coroutine[Any, Any, None]]

_log = UnfailingLogger(__name__)


class HttpState(IntEnum):
    """Where the response of the app stands."""

    WAITING = 0
    STARTED = 1  # the app told the head, which waits for the first part of the body
    STREAMING = 2  # the head is out
    ENDED = 3
    CUT_OFF = 4  # nothing can be sent any more, and not all was


START: Final = "http.response.start"
PART: Final = "http.response.body"

# Looked up once: see `serving.models.asyncio.connection`.
_WAITING: Final = HttpState.WAITING
_STARTED: Final = HttpState.STARTED
_STREAMING: Final = HttpState.STREAMING
_ENDED: Final = HttpState.ENDED
_CUT_OFF: Final = HttpState.CUT_OFF
_OVER: Final = (_ENDED, _CUT_OFF)
_FIRST_FINAL_STATUS: Final = 200
_LAST_STATUS: Final = 599
_GONE: Final = "the client has closed the connection"


def route_of(scope: Scope, status: int) -> str:
    """The route that an app names; empty, so that the folded target stands in, where that raises.

    The app may have put anything into its scope, or have emptied it.
    """
    try:
        return asgi_route(scope, status)
    except BaseException:  # noqa: BLE001 - the boundary to the app: its objects are looked at
        return ""


class Inbox:
    """The client's messages beside the head, as `receive` gives them out.

    Made when there is something to hold: most requests have no body, and most apps do not ask.
    """

    __slots__ = (
        "_parts",
        "is_aware",
        "is_complete",
        "is_gone",
        "is_told",
        "size",
        "waiters",
        "was_cancelled",
    )

    def __init__(self, waiters: Waiters, *, is_complete: bool) -> None:
        self._parts: list[bytes] = []
        self.size = 0  # bytes not given out yet
        self.is_complete = is_complete  # the body has ended
        self.is_told = False  # the app knows that
        self.is_gone = False  # the client will send no more, but may still read
        self.is_aware = False  # the app knows that
        self.was_cancelled = False  # because it could not know
        self.waiters = waiters

    @property
    def is_full(self) -> bool:
        """Whether the app is too far behind for more of the body to be read."""
        return self.size >= HIGH_WATER

    @property
    def has_news(self) -> bool:
        """Whether there is something of the body to give out, be it only its end."""
        return bool(self._parts) or (self.is_complete and not self.is_told)

    def put(self, data: bytes) -> None:
        """A part of the body has come."""
        self._parts.append(data)
        self.size += len(data)
        self.waiters.wake()

    def take(self) -> bytes:
        """All that has come since the last time."""
        data = b"".join(self._parts)  # a single part is not copied
        self._parts.clear()
        self.size = 0
        self.is_told = self.is_complete
        return data


class HttpCall:
    """The app's side of one request. The model feeds the body and calls `finish` at the end.

    Made in two steps, the second of which is `open` (see Exchange).
    """

    __slots__ = (
        "_channel",
        "_exchange",
        "_headers",
        "_inbox",
        "_status",
        "scope",
        "state",
    )

    def open(self, scope: Scope, exchange: Exchange, channel: Channel) -> None:
        """The app is about to be called."""
        self.scope = scope
        self.state = _WAITING
        self._exchange = exchange
        self._channel = channel
        self._inbox: Inbox | None = None
        # From STARTED on.
        self._status: int
        self._headers: RawHeaders

    # Called by the model.

    @property
    def wants_data(self) -> bool:
        """Whether more of the body may be read: the app is not too far behind."""
        return self._inbox is None or not self._inbox.is_full

    @property
    def awaits_body(self) -> bool:
        """Whether the request's body is still to come."""
        if self._inbox is not None:
            return not self._inbox.is_complete
        head = self._exchange.head
        return head is not None and head.has_body

    @property
    def is_gone(self) -> bool:
        """Whether the app is told, once it asks, that its client has gone."""
        return self._inbox is not None and self._inbox.is_gone

    @property
    def is_unaware(self) -> bool:
        """Whether the response was cut off, and the app waits elsewhere, not knowing it."""
        return self.state is _CUT_OFF and self._inbox is not None and not self._inbox.is_aware

    def note_cancelled(self) -> None:
        """The app is cancelled, since it is unaware."""
        self._opened_inbox().is_aware = self._opened_inbox().was_cancelled = True

    def _opened_inbox(self) -> Inbox:
        if self._inbox is None:
            waiters = Waiters(self._channel.output.make_waiter)
            self._inbox = Inbox(waiters, is_complete=not self.awaits_body)
        return self._inbox

    def feed(self, data: bytes) -> None:
        """A part of the request's body."""
        self._opened_inbox().put(data)

    def complete_body(self) -> None:
        """The request's body has ended."""
        inbox = self._opened_inbox()
        inbox.is_complete = True
        inbox.waiters.wake()

    def disconnect(self, *, cut_off: bool = False) -> None:
        """The client has closed its side; `cut_off`: the connection, so that `send` fails."""
        if cut_off and self.state is not _ENDED:
            self.state = _CUT_OFF
        inbox = self._opened_inbox()
        inbox.is_gone = True
        inbox.waiters.wake()

    # Called by the app.

    async def receive(self) -> Message:
        """The next `http.request`; `http.disconnect` after the response, or without a client."""
        inbox = self._opened_inbox()
        while True:
            # The content of a client that has gone is of use only when it is complete.
            has_rest = inbox.has_news and (inbox.is_complete or not inbox.is_gone)
            if self.state in _OVER or (inbox.is_gone and not has_rest):
                inbox.is_aware = True
                return {"type": "http.disconnect"}
            if has_rest:
                return self._take_body(inbox)
            if not inbox.is_complete:
                self._channel.want_data()
            await inbox.waiters.wait()

    def _take_body(self, inbox: Inbox) -> Message:
        was_behind = inbox.is_full
        data = inbox.take()
        if was_behind and not inbox.is_complete:
            self._channel.want_data()
        return {"type": "http.request", "body": data, "more_body": not inbox.is_complete}

    def send(self, message: Message) -> Coroutine[Any, Any, None]:
        """Take a message of the app; await what it gives.

        Raises RuntimeError for a message out of turn, ClientDisconnectedError without a client.
        """
        act = self.SENDS[self.state].get(message["type"])
        if act is None:
            kind, state = message["type"], self.state
            raise RuntimeError(f"the app may not send {kind} when the response is {state!r}")
        return act(self, message)

    def _start(self, message: Message) -> Coroutine[Any, Any, None]:
        """The head: it is kept until the first part of the body shows how to frame it."""
        status = message["status"]
        if not isinstance(status, int) or not _FIRST_FINAL_STATUS <= status <= _LAST_STATUS:
            raise ValueError(f"{status!r} is no status of a final response")
        headers = tuple(message.get("headers", ()))
        if headers and not isinstance(headers[0][0], bytes):
            raise TypeError(f"header {headers[0]!r}: names and values are bytes")
        self._status = status if type(status) is int else int(status)  # an HTTPStatus, say
        self._headers = headers
        self._exchange.route = route_of(self.scope, self._status)
        self.state = _STARTED
        return DONE

    def _send_first(self, message: Message) -> Coroutine[Any, Any, None]:
        """The first part of the body, which takes the head along; often it is the whole."""
        exchange = self._exchange
        body = message.get("body", b"")
        try:
            if message.get("more_body"):
                exchange.respond_in_parts(self._status, self._headers, body)
                self.state = _STREAMING
            else:
                exchange.respond(self._status, self._headers, body)
                self.state = _ENDED
        except ClientGoneError:
            self._lose_client()
        except BaseException:
            if exchange.status:  # it broke while it was sent: the app may not begin anew
                self.state = _CUT_OFF
            raise
        if self._inbox is not None or self._channel.output.is_congested:
            return self._after_part()
        return DONE

    def _send_next(self, message: Message) -> Coroutine[Any, Any, None]:
        """Another part of the body."""
        exchange = self._exchange
        is_last = not message.get("more_body")
        try:
            exchange.send_part(message.get("body", b""))
            if is_last:
                exchange.end()
                self.state = _ENDED
        except ClientGoneError:
            self._lose_client()
        return self._after_part()

    def _after_part(self) -> Coroutine[Any, Any, None]:
        if self.state is _ENDED and self._inbox is not None:
            self._inbox.waiters.wake()  # with `http.disconnect`
        return self._drain() if self._channel.output.is_congested else DONE

    async def _drain(self) -> None:
        try:
            await self._channel.output.drain()
        except ClientDisconnectedError:
            self._opened_inbox().is_aware = True
            raise

    def _miss_client(self, _message: Message) -> NoReturn:
        """Nobody is there to take it."""
        self._opened_inbox().is_aware = True
        raise ClientDisconnectedError(_GONE)

    def _lose_client(self) -> NoReturn:
        self.disconnect(cut_off=True)
        self._opened_inbox().is_aware = True
        raise ClientDisconnectedError(_GONE) from None

    def finish(self, error: BaseException | None) -> None:
        """The app has returned, or raised: close what it left open. Raises nothing."""
        if error is not None or self.state is not _ENDED:
            self._close_what_is_open(error)
        if self._inbox is not None:
            self._inbox.waiters.wake()

    def finish_late(self, error: BaseException | None) -> None:
        """The same when the app was waited for."""
        try:
            self.finish(error)
        finally:
            self._channel.call_finished(self)

    def _close_what_is_open(self, error: BaseException | None) -> None:
        exchange = self._exchange
        inbox = self._opened_inbox()
        is_open = self.state not in _OVER
        if exchange.site.is_left_to_parent:
            end_forked_child(error)
        is_known = inbox.was_cancelled or (
            error is not None and inbox.is_gone and is_of_a_lost_client(error)
        )
        if error is not None and not is_known:
            _log.error(
                "listener %s: the application failed on %s %s",
                exchange.site.name,
                exchange.method,
                exchange.masked_target,
                exc_info=error,
            )
        elif is_open and inbox.is_gone and (inbox.is_aware or not inbox.is_complete):
            # Nobody's fault: the app ended because its client has gone, or had half a request.
            is_open = False
            exchange.aborted = True
            exchange.flags |= RequestFlag.ABORTED
        elif error is None and is_open:
            _log.error(
                "listener %s: the application left %s %s without a whole response",
                exchange.site.name,
                exchange.method,
                exchange.masked_target,
            )
        self.state = _ENDED
        if not exchange.route:  # the app ended before its response began
            exchange.route = route_of(self.scope, HTTPStatus.INTERNAL_SERVER_ERROR)
        if is_open:
            try:
                exchange.fail()
            except ClientGoneError as gone:
                exchange.break_off(gone)
        elif error is not None and not exchange.aborted:
            exchange.flags |= RequestFlag.APP_ERROR

    SENDS: ClassVar[dict[HttpState, dict[str, _Act]]] = {
        HttpState.WAITING: {START: _start},
        HttpState.STARTED: {PART: _send_first},
        HttpState.STREAMING: {PART: _send_next},
        HttpState.ENDED: {},
        HttpState.CUT_OFF: {START: _miss_client, PART: _miss_client},
    }
    """Legal messages of an app by state, and their effect; others raise RuntimeError in the app."""

"""A recorder for ASGI 3 apps: `app = ServescopeMiddleware(app)`.

Requests and WebSocket connections are recorded; lifespan and any scope type it does not know pass
untouched, and so does any message it does not know. A WebSocket is recorded when it ends, with the
duration of its handshake: an hour's chat is no slow request.
"""

from __future__ import annotations

from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from servescope.middleware.app_recording import (
    FAILED,
    NO_FLAGS,
    OTHER_METHOD,
    AppRecording,
    ClientFacts,
    Labels,
    Times,
    name_of,
)
from servescope.recording.detail_threshold import FIRST_ERROR_STATUS
from servescope.recording.record_layout import OTHER_ROUTE_NAME
from servescope.recording.routes import asgi_route
from servescope.request_fields import METHODS, Method, Protocol, RequestFlag

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from pathlib import Path

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_PROTOCOLS: Final = {"1.1": Protocol.HTTP_1_1, "1.0": Protocol.HTTP_1_0}
_SWITCHING: Final = int(HTTPStatus.SWITCHING_PROTOCOLS)


class ServescopeMiddleware:
    """Records what `app` answers; `listener` is the name it has on the pages."""

    def __init__(
        self, app: AsgiApp, *, listener: str = "", data_dir: Path | str | None = None
    ) -> None:
        self.app = app
        self.recording = AppRecording(listener or name_of(app), data_dir)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app, and let its exceptions through."""
        kind = scope["type"]
        call: _Call
        if kind == "http":
            call = _Request(self.recording, scope, receive, send)
        elif kind == "websocket":
            call = _WebSocket(self.recording, scope, receive, send)
        else:
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, call.receive, call.send)
        except BaseException as error:
            call.fail(error)
            raise
        call.app_returned()


class _Call:
    """One call of the app: what is known of it so far, and its record once it has ended."""

    __slots__ = (
        "_began_s",
        "_flags",
        "_head_s",
        "_is_recorded",
        "_receive",
        "_received",
        "_recording",
        "_route",
        "_scope",
        "_send",
        "_sent",
        "_status",
        "_write_s",
    )

    def __init__(self, recording: AppRecording, scope: Scope, receive: Receive, send: Send) -> None:
        self._recording = recording
        self._scope = scope
        self._receive = receive
        self._send = send
        self._is_recorded = False
        self._route = ""  # until the response begins
        self._flags = NO_FLAGS
        self._status = self._received = self._sent = 0
        self._head_s = self._write_s = 0.0
        self._began_s = perf_counter()

    async def receive(self) -> Message:
        """The server's `receive`, looked at on its way to the app."""
        raise NotImplementedError

    async def send(self, message: Message) -> None:
        """The server's `send`, looked at on its way from the app."""
        raise NotImplementedError

    def app_returned(self) -> None:
        """The app is done; the server ends a response that it left open."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """The app raised, or the server cancelled it because the client had left."""
        if self._is_recorded:
            return
        if not isinstance(error, Exception):
            self._flags |= RequestFlag.ABORTED
        elif not self._flags & RequestFlag.ABORTED:
            self._flags |= RequestFlag.APP_ERROR
            if not self._head_s:
                self._status = FAILED
        self._finish()

    def _begin_response(self, status: int) -> None:
        self._status = status
        self._head_s = perf_counter()
        self._find_route()

    def _find_route(self) -> None:
        try:
            self._route = asgi_route(self._scope, self._status)
        except Exception as error:  # noqa: BLE001 - the boundary to the app: its objects are asked
            self._recording.give_up_on(error)
            self._route = OTHER_ROUTE_NAME

    def _finish(self) -> None:
        self._is_recorded = True
        if not self._route:
            self._find_route()
        recording, scope, status, sent = self._recording, self._scope, self._status, self._sent
        flags, received = self._flags, self._received
        try:
            times = self._times()
            method = scope.get("method")  # none: a WebSocket
            kind = self._route, status, method, scope.get("http_version")
            known = recording.known.get(kind)
            if known is None:
                known = recording.learn(kind, _labels(*kind))
            end_ns = recording.record(known.key, flags, received, sent, *times)
            if end_ns or status >= FIRST_ERROR_STATUS or not status:
                recording.record_detail(
                    end_ns, known, flags, received, sent, times, lambda: _tell_client(scope)
                )
        except Exception as error:  # noqa: BLE001 - the boundary to the app, whose answer is out
            recording.give_up_on(error)

    def _times(self) -> Times:
        ended_s = perf_counter()
        return Times(0.0, self._began_s, self._head_s or ended_s, self._write_s, ended_s)


class _Request(_Call):
    """An HTTP request. Its end is the last message of the response, not the return of the app."""

    __slots__ = ()

    async def receive(self) -> Message:
        """Count the request's body; see the client leave."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
        elif message["type"] == "http.disconnect":
            self._flags |= RequestFlag.ABORTED
        return message

    async def send(self, message: Message) -> None:
        """Note head, bytes and end; the time inside the server's `send` is `write`."""
        kind = message["type"]
        if kind == "http.response.start":
            self._begin_response(message["status"])
        before = perf_counter()
        try:
            await self._send(message)
        except OSError:  # ASGI 2.4: the client has left
            self._flags |= RequestFlag.ABORTED
            raise
        if not self._head_s:
            return
        self._write_s += perf_counter() - before
        if kind == "http.response.body":
            if self._scope["method"] != "HEAD":
                self._sent += len(message.get("body", b""))
        elif kind == "http.response.zerocopysend":
            self._sent += message.get("count") or 0
        elif kind != "http.response.pathsend":  # a whole file in one message
            return
        if not message.get("more_body", False) and not self._is_recorded:
            self._finish()

    def app_returned(self) -> None:
        """Record a response that was never begun or never ended."""
        if self._is_recorded:
            return
        if not self._flags & RequestFlag.ABORTED:
            self._flags |= RequestFlag.APP_ERROR
            self._status = self._status or FAILED
        self._finish()


class _WebSocket(_Call):
    """A WebSocket connection: its handshake's duration, its whole life's bytes."""

    __slots__ = ()

    async def receive(self) -> Message:
        """Count what the client says; see it leave before it has an answer."""
        message = await self._receive()
        kind = message["type"]
        if kind == "websocket.receive":
            self._received += _message_bytes(message)
        elif kind == "websocket.disconnect" and not self._head_s:
            self._flags |= RequestFlag.ABORTED
        return message

    async def send(self, message: Message) -> None:
        """Note how the handshake is answered; count what the app says."""
        kind = message["type"]
        if not self._head_s:
            if kind == "websocket.accept":
                self._begin_response(_SWITCHING)
            elif kind == "websocket.close":
                self._begin_response(int(HTTPStatus.FORBIDDEN))
            elif kind == "websocket.http.response.start":
                self._begin_response(message["status"])
        try:
            await self._send(message)
        except OSError:  # ASGI 2.4: the client has left
            self._flags |= RequestFlag.ABORTED
            raise
        if kind == "websocket.send":
            self._sent += _message_bytes(message)
        elif kind == "websocket.http.response.body":
            self._sent += len(message.get("body", b""))

    def app_returned(self) -> None:
        """The connection is over."""
        # Neither accepted nor refused, while the client waited for it: servers answer 500.
        if not self._head_s and not self._flags & RequestFlag.ABORTED:
            self._flags |= RequestFlag.APP_ERROR
            self._status = FAILED
        self._finish()

    def _times(self) -> Times:
        """Those of the handshake, as if it had ended now: the life of a connection is no stage."""
        ended_s = perf_counter()
        taken_s = (self._head_s or ended_s) - self._began_s
        return Times(0.0, ended_s - taken_s, ended_s, 0.0, ended_s)


def _labels(route: str, status: int, method: str | None, version: str | None) -> Labels:
    """The labels that app and server gave; a WebSocket begins as a GET (RFC 6455 section 4.1)."""
    protocol = _PROTOCOLS.get(version or "", Protocol.UNKNOWN)
    if method is None:
        # A handshake that is refused stays HTTP.
        return Labels(
            route, Method.GET, Protocol.WEBSOCKET if status == _SWITCHING else protocol, status
        )
    return Labels(route, METHODS.get(method, OTHER_METHOD), protocol, status)


def _tell_client(scope: Scope) -> ClientFacts:
    raw: bytes | None = scope.get("raw_path")  # ASGI leaves a server free to tell it
    path = raw.decode("latin-1") if raw else quote(scope.get("path", ""))
    query = scope.get("query_string")
    target = f"{path}?{query.decode('latin-1')}" if query else path
    client = scope.get("client")
    fields = {name: value.decode("latin-1") for name, value in scope["headers"]}
    return ClientFacts(
        target,
        client[0] if client else "",
        client[1] if client else 0,
        fields.get(b"user-agent", ""),
        fields.get(b"traceparent", ""),
    )


def _message_bytes(message: Message) -> int:
    data = message.get("bytes")
    if data is None:
        data = (message.get("text") or "").encode()
    return len(data)

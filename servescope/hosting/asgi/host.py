"""Hosting an ASGI 3 application: scopes, and the seam to the model.

Theory of operation. A call of the app is a coroutine, and a sans-IO layer has no event loop: the
model drives it, as an `HttpCall`, a `WebSocketCall` or a `Lifespan`, each with a `scope`, a
`receive` and a `send` for the app and a `finish` for the driver. To wait, a call awaits what the
model's `Channel` makes; to send, it uses the channel as the ResponseSink it is. `send` is a plain
function that hands out the shared `DONE` unless the app must wait for a slow client: so a response
costs no coroutine. A table in the module of each call says which messages an app may send in which
state.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.parse import unquote

from servescope.hosting.exchange import ResponseSink
from servescope.hosting.forwarding import tell_scope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from servescope.hosting.exchange import Exchange
    from servescope.hosting.site import Site
    from servescope.wire.http1_events import RequestHead

    Message = dict[str, Any]
    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    AsgiCallable = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

HTTP_SPEC_VERSION: Final = "2.3"
"""Of the HTTP message format. `send` raises OSError when the client has gone, which is new in 2.4;
but Starlette takes that for a promise that it need not listen for `http.disconnect` any more, and a
stream that waits for its own data would hear of nothing. Told 2.3, it listens."""

WEBSOCKET_SPEC_VERSION: Final = "2.4"
"""Of the WebSocket message format."""

HIGH_WATER: Final = 65_536
"""Bytes received and not yet taken by the app beyond which the connection is not read."""

_ASGI: Final = {"version": "3.0", "spec_version": HTTP_SPEC_VERSION}


class _Done(Coroutine[Any, Any, None]):
    """An awaitable that is done: stateless, so one serves all. A Coroutine, for `create_task`."""

    __slots__ = ()

    # Of C, as nothing is to be done: a function would cost a call for each `await`.
    __await__ = cast("Callable[[Any], Generator[Any, None, None]]", ().__iter__)

    def send(self, _value: Any) -> Any:
        """Do the one step there is."""
        raise StopIteration

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> Any:
        """Let an exception pass."""
        error = kind if value is None else value
        if isinstance(error, type):
            error = error()
        raise error if traceback is None else error.with_traceback(traceback)

    def close(self) -> None:
        """Nothing is held."""


DONE: Final = _Done()


def is_of_a_lost_client(error: BaseException) -> bool:
    """Whether it is what `send` raises without a client, also in the group of a task group."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_of_a_lost_client(one) for one in error.exceptions)
    return isinstance(error, OSError)


class Waiter(Protocol):
    """Something a coroutine can await until it is told to go on: an asyncio.Future is one."""

    def __await__(self) -> Generator[Any, None, Any]: ...

    def done(self) -> bool:
        """Whether nobody waits any more."""

    def set_result(self, result: Any, /) -> Any:
        """Let the waiting coroutine go on."""


class Output(Protocol):
    """The bytes of a channel that its client has not taken yet."""

    is_congested: bool  # they are many: the app should wait before it sends more

    def make_waiter(self) -> Waiter:
        """A new waiter."""

    async def drain(self) -> None:
        """Wait while congested. Raises ClientDisconnectedError when the client leaves instead."""


class Channel(ResponseSink, Protocol):
    """The interface of the model to a call beside a way out: waiting, in both directions.

    `send` never waits: `output` keeps what the client does not take.
    """

    @property
    def output(self) -> Output:
        """The bytes that were given to `send` and are still here."""

    def want_data(self) -> None:
        """The app waits for bytes of the client: read on, and send a 100 that is still due."""

    def switch_protocols(self) -> None:
        """The 101 is out: the client's bytes from here on are for the WebSocket call."""

    def send_frames(self, data: bytes) -> None:
        """Send frames of an open WebSocket. Raises ClientGoneError."""

    def call_finished(self, call: object) -> None:
        """The app, which was waited for, has returned; the call has closed what it left open."""


class Waiters:
    """Those who wait for one thing; each has a waiter of its own, so that each can be cancelled."""

    __slots__ = ("_make", "_waiting")

    def __init__(self, make: Callable[[], Waiter]) -> None:
        self._make = make
        self._waiting: list[Waiter] = []

    async def wait(self) -> None:
        """Wait for the next `wake`."""
        waiter = self._make()
        self._waiting.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def wake(self) -> None:
        """Let all who wait now go on."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)


@dataclass(slots=True)
class WebSocketTraffic:
    """Totals of all WebSockets of a host since its start; bytes are those of frames."""

    open_now: int = 0
    closed: int = 0
    closed_ns: int = 0  # how long the closed ones had been open, all together
    messages_received: int = 0
    messages_sent: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0


class AsgiHost:
    """An ASGI app as the Application of a site; only a model with an event loop can call it.

    `state` is the lifespan's: each request gets a shallow copy. None: the app has no lifespan.
    """

    accepts_body = True
    streams_body = True

    def __init__(self, app: AsgiCallable) -> None:
        self.app = app
        self.state: dict[str, Any] | None = None
        self.traffic = WebSocketTraffic()

    def __call__(self, exchange: Exchange) -> None:
        """Refuse: there is no loop here."""
        raise TypeError(f"{exchange.site.name} hosts an ASGI app, which the model asyncio calls")

    def http_scope(self, exchange: Exchange) -> Scope:
        """The scope of a request (ASGI HTTP specification, "HTTP connection scope")."""
        head = exchange.head
        if head is None:
            raise ValueError("an ASGI app needs a request")
        template = head.notes.get(self)
        if template is None:
            head.notes[self] = template = _scope_template(head, exchange.site)
        scope: Scope = template.copy()
        # Apps and middleware may change these.
        scope["asgi"] = _ASGI.copy()
        scope["headers"] = list(head.headers)
        scope["extensions"] = {}
        scope["client"] = exchange.client if exchange.client[0] else None  # None: a unix socket
        if exchange.forwarded is not None:
            tell_scope(scope, exchange.forwarded)
        if self.state is not None:
            scope["state"] = self.state.copy()
        return scope

    def websocket_scope(self, exchange: Exchange, subprotocols: tuple[str, ...]) -> Scope:
        """The scope of a WebSocket (ASGI WebSocket specification)."""
        scope = self.http_scope(exchange)
        del scope["method"]
        scope["type"] = "websocket"
        scope["asgi"]["spec_version"] = WEBSOCKET_SPEC_VERSION
        scope["scheme"] = "wss" if scope["scheme"] == "https" else "ws"
        scope["subprotocols"] = list(subprotocols)
        scope["extensions"] = {"websocket.http.response": {}}
        return scope


def _scope_template(head: RequestHead, site: Site) -> Scope:
    """The part of a scope that is the same whenever this head comes, and does not change.

    The keys of each request's own values are there already: a dict that grows is copied once more.
    """
    path, _, query = head.target.partition("?")
    return {
        "type": "http",
        "asgi": None,
        "http_version": "1.1" if head.minor_version else "1.0",
        "method": head.method,
        "scheme": site.scheme,
        "path": unquote(path) if "%" in path else path,
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": None,
        "client": None,
        "server": (site.address, None if site.is_unix else site.port),
        "extensions": None,
    }

"""The bundled ASGI app: what an event loop is good at, without a framework.

A hello page, JSON, server-sent events, a WebSocket echo, a chat room, something slow, something
that computes. It knows nothing of Servescope and runs under any ASGI server; one courtesy to the
host: the route's template stands in `scope["servescope.route"]`.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import deque
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from servescope.addresses import host_and_port
from servescope.demo.timed_work import (
    DEFAULT_CPU_MS,
    DEFAULT_WAIT_MS,
    MAX_CPU_MS,
    MAX_WAIT_MS,
    use_cpu,
    whole_number_of,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]

ROUTE_KEY: Final = "servescope.route"  # read by the host; harmless to any other server
MAX_BLOCK_MS: Final = 1_000
LONGEST_MESSAGE: Final = 500  # characters of a chat message
HISTORY: Final = 20
TICK_S: Final = 1.0
_FOLDER: Final = Path(__file__).parent
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".ico": "image/x-icon"}
_HTML: Final = "text/html; charset=utf-8"
_JSON: Final = "application/json"
_SECURITY: Final = (
    (
        b"content-security-policy",
        b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)


class DeliberateError(Exception):
    """The error that `/error` raises: a fault in the app, on request."""


class Problem(Exception):  # noqa: N818 - the term of RFC 9457
    """The request cannot be answered as it is."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def _page(name: str, title: str, **values: object) -> bytes:
    pages = _FOLDER / "asgi_pages"
    safe = {key: escape(str(value)) for key, value in values.items()}
    main = Template((pages / f"{name}.html").read_text()).substitute(safe)
    base = Template((pages / "base.html").read_text())
    return base.substitute(title=escape(title), main=main).encode()


async def _respond(
    send: Send, content: bytes, content_type: str, status: int = 200, *, cache: bool = False
) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(content)).encode()),
        *_SECURITY,
    ]
    if cache:
        headers.append((b"cache-control", b"max-age=3600"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _respond_json(send: Send, value: Any, status: int = 200) -> None:
    await _respond(send, json.dumps(value, indent=2).encode() + b"\n", _JSON, status)


def _milliseconds(scope: Scope, name: str, most: int, usual: int) -> int:
    values = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    try:
        return whole_number_of(values.get(name, [str(usual)])[0], name, most)
    except ValueError as fault:
        raise Problem(HTTPStatus.BAD_REQUEST, str(fault)) from None


def _header(scope: Scope, name: bytes) -> str:
    found = (value for known, value in scope["headers"] if known == name)
    return str(next(found, b"").decode("latin-1"))


class Room:
    """The people in the chat and the last messages; used on one event loop."""

    def __init__(self) -> None:
        self._people: dict[str, Send] = {}
        self._history: deque[dict[str, Any]] = deque(maxlen=HISTORY)
        self._next = 1

    async def enter(self, send: Send) -> str:
        """Let somebody in; return the name they got."""
        who = f"guest {self._next}"
        self._next += 1
        self._people[who] = send
        welcome = {
            "kind": "welcome",
            "who": who,
            "history": list(self._history),
            "people": len(self._people),
        }
        await send({"type": "websocket.send", "text": json.dumps(welcome)})
        await self.tell({"kind": "notice", "text": f"{who} came in."}, but=who)
        return who

    async def say(self, who: str, text: str) -> None:
        """Tell everybody what somebody said."""
        message = {"kind": "said", "who": who, "text": text}
        self._history.append(message)
        await self.tell(message)

    async def leave(self, who: str) -> None:
        """Somebody has left."""
        self._people.pop(who, None)
        await self.tell({"kind": "notice", "text": f"{who} left."})

    async def tell(self, message: dict[str, Any], but: str = "") -> None:
        """Send to all; a client that cannot be reached is leaving anyway."""
        text = json.dumps({**message, "people": len(self._people)})
        others = [send for name, send in self._people.items() if name != but]
        await asyncio.gather(
            *(_tell_one(send, {"type": "websocket.send", "text": text}) for send in others)
        )


async def _tell_one(send: Send, message: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(5):
            await send(message)
    except (OSError, RuntimeError, TimeoutError):
        return


class DemoApp:
    """The ASGI application; each instance has a chat room of its own."""

    def __init__(self) -> None:
        self._room = Room()
        self._started = time.monotonic()
        self._static = {
            f"/static/{path.name}": (path.read_bytes(), _TYPES[path.suffix])
            for path in sorted((_FOLDER / "static").iterdir())
            if path.suffix in _TYPES
        }
        self._routes: dict[str, Endpoint] = {
            "/": self._hello,
            "/whoami": self._whoami,
            "/events": self._events,
            "/slow": self._slow,
            "/block": self._block,
            "/cpu": self._cpu,
            "/mixed": self._mixed,
            "/error": self._error,
            "/chat": self._chat,
            "/favicon.ico": self._favicon,
        }
        self._sockets: dict[str, Endpoint] = {"/ws/echo": self._echo, "/ws/chat": self._talk}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one scope (ASGI 3)."""
        match scope["type"]:
            case "lifespan":
                await self._live(scope, receive, send)
            case "websocket":
                await self._open(scope, receive, send)
            case "http":
                await self._answer(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self._started = time.monotonic()
        if "state" in scope:
            scope["state"]["started"] = datetime.now(UTC).isoformat(timespec="seconds")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._find(scope)(scope, receive, send)
        except Problem as problem:
            await self._explain(scope, send, problem.status, problem.detail)
        except DeliberateError:  # no traceback in the log: people load `/error`
            await self._explain(
                scope,
                send,
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "This route raises an exception on every request.",
            )

    def _find(self, scope: Scope) -> Endpoint:
        path = scope["path"]
        endpoint = self._routes.get(path)
        route = path
        if endpoint is None and path in self._static:
            endpoint, route = self._file, "/static/{name}"
        if endpoint is None and path.startswith("/items/") and path[7:].isdecimal():
            endpoint, route = self._item, "/items/{id}"
        if endpoint is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no page at this address.")
        scope[ROUTE_KEY] = route
        if scope["method"] not in {"GET", "HEAD"}:
            raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, "This address answers GET and HEAD only.")
        return endpoint

    async def _explain(self, scope: Scope, send: Send, status: HTTPStatus, detail: str) -> None:
        if "text/html" in _header(scope, b"accept"):
            side = "server" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "client"
            page = _page(
                "problem",
                f"{status} {status.phrase}",
                status=int(status),
                phrase=status.phrase,
                detail=detail,
                side=side,
            )
            await _respond(send, page, _HTML, status)
        else:
            problem = {
                "type": "about:blank",
                "title": status.phrase,
                "status": int(status),
                "detail": detail,
            }
            content = json.dumps(problem).encode() + b"\n"
            await _respond(send, content, "application/problem+json", status)

    async def _hello(self, scope: Scope, _receive: Receive, send: Send) -> None:
        loop = type(asyncio.get_running_loop())
        host, port = scope.get("server") or ("localhost", 80)
        address = host_and_port(host, port) if port is not None else host  # a unix socket's path
        page = _page(
            "hello",
            "Hello from an ASGI app",
            server=address,
            process=os.getpid(),
            loop=loop.__module__.partition(".")[0],
            uptime=f"{time.monotonic() - self._started:,.0f} s",
            host=_header(scope, b"host") or address,
        )
        await _respond(send, page, _HTML)

    async def _whoami(self, scope: Scope, _receive: Receive, send: Send) -> None:
        address, port = scope.get("client") or (None, None)
        shown = ("type", "asgi", "http_version", "method", "scheme", "path", "root_path", "server")
        told = {
            "address": address,
            "port": port,
            "headers": {
                name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
            },
            "scope": {name: scope[name] for name in shown if name in scope},
            "state": dict(scope.get("state") or {}),
            "answered_by": {"process": os.getpid()},
        }
        await _respond_json(send, told)

    async def _item(self, scope: Scope, _receive: Receive, send: Send) -> None:
        number = int(scope["path"].rpartition("/")[2][:18])
        await _respond_json(send, {"id": number, "is_even": number % 2 == 0})

    async def _slow(self, scope: Scope, _receive: Receive, send: Send) -> None:
        asked_ms = _milliseconds(scope, "ms", MAX_WAIT_MS, DEFAULT_WAIT_MS)
        began = time.monotonic()
        await asyncio.sleep(asked_ms / 1e3)
        waited_ms = round((time.monotonic() - began) * 1e3, 3)
        await _respond_json(send, {"asked_ms": asked_ms, "waited_ms": waited_ms})

    async def _block(self, scope: Scope, _receive: Receive, send: Send) -> None:
        asked_ms = _milliseconds(scope, "ms", MAX_BLOCK_MS, 200)
        time.sleep(asked_ms / 1e3)  # noqa: ASYNC251 - the mistake this route is there to show
        await _respond_json(send, {"blocked_ms": asked_ms})

    async def _cpu(self, scope: Scope, _receive: Receive, send: Send) -> None:
        asked_ms = _milliseconds(scope, "ms", MAX_CPU_MS, DEFAULT_CPU_MS)
        cpu_ms = use_cpu(asked_ms)  # on the event loop: everybody waits meanwhile
        await _respond_json(send, {"asked_ms": asked_ms, "cpu_ms": round(cpu_ms, 3)})

    async def _mixed(self, scope: Scope, _receive: Receive, send: Send) -> None:
        asked_cpu_ms = _milliseconds(scope, "cpu_ms", MAX_CPU_MS, DEFAULT_CPU_MS)
        asked_wait_ms = _milliseconds(scope, "wait_ms", MAX_WAIT_MS, DEFAULT_WAIT_MS)
        cpu_ms = use_cpu(asked_cpu_ms)
        began = time.monotonic()
        await asyncio.sleep(asked_wait_ms / 1e3)
        waited_ms = (time.monotonic() - began) * 1e3
        asked = {"asked_cpu_ms": asked_cpu_ms, "asked_wait_ms": asked_wait_ms}
        told = {**asked, "cpu_ms": round(cpu_ms, 3), "waited_ms": round(waited_ms, 3)}
        await _respond_json(send, told)

    async def _error(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        raise DeliberateError("/error was asked for")

    async def _file(self, scope: Scope, _receive: Receive, send: Send) -> None:
        content, content_type = self._static[scope["path"]]
        await _respond(send, content, content_type, cache=True)

    async def _favicon(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        icon = (_FOLDER / "site" / "favicon.ico").read_bytes()
        await _respond(send, icon, _TYPES[".ico"], cache=True)

    async def _events(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """A tick each second until the client leaves (HTML standard, "Server-sent events")."""
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body"})
            return
        number = 0
        while True:
            number += 1
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            data = json.dumps({"number": number, "time": now})
            text = f"event: tick\nid: {number}\ndata: {data}\n\n"
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
            await asyncio.sleep(TICK_S)

    async def _chat(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        page = _page("chat", "Chat", history=HISTORY, longest=LONGEST_MESSAGE)
        await _respond(send, page, _HTML)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._sockets.get(scope["path"])
        await receive()
        if endpoint is None or not _is_same_origin(scope):
            await send({"type": "websocket.close"})
            return
        scope[ROUTE_KEY] = scope["path"]
        await send({"type": "websocket.accept"})
        await endpoint(scope, receive, send)

    async def _echo(self, _scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})

    async def _talk(self, _scope: Scope, receive: Receive, send: Send) -> None:
        who = await self._room.enter(send)
        try:
            while (message := await receive())["type"] == "websocket.receive":
                text = (message.get("text") or "").strip()[:LONGEST_MESSAGE]
                if text:
                    await self._room.say(who, text)
        finally:
            await self._room.leave(who)


def _is_same_origin(scope: Scope) -> bool:
    """Whether the page that opens a WebSocket is ours; other clients send no Origin (RFC 6455)."""
    origin = _header(scope, b"origin")
    return not origin or origin.partition("://")[2] == _header(scope, b"host")


app = DemoApp()

"""ASGI apps the listener tests name as `module:attribute`."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import anyio

entered = threading.Semaphore(0)
"""Released when a request is inside `/wait` or a stream, or a socket is open."""

leave = threading.Event()
"""Lets the requests inside `/wait` end."""

left: list[str] = []
"""The events that apps saw at their end."""

Scope = dict[str, Any]


async def _respond(send: Any, body: bytes, status: int = 200) -> None:
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _read(receive: Any) -> bytes:
    data, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            left.append("disconnect in the body")
            raise ConnectionError("the client left")
        data += message["body"]
        more = message["more_body"]
    return data


async def _wait() -> None:
    entered.release()
    while not leave.is_set():  # noqa: ASYNC110 - another thread sets it
        await asyncio.sleep(0.002)


async def _stream(scope: Scope, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    sent = 0
    try:
        for number in range(200):
            await send({"type": "http.response.body", "body": b"y" * 100_000, "more_body": True})
            sent = number
            if scope["path"] == "/events":
                entered.release()
                await asyncio.sleep(0.01)
    except OSError:
        left.append(f"gone after {sent}")
        raise
    await send({"type": "http.response.body", "body": b""})


async def _current_task(send: Any) -> None:
    seen = []
    with anyio.move_on_after(0.005) as scope:
        await anyio.sleep(5)
    seen.append(str(scope.cancelled_caught))
    try:
        async with asyncio.timeout(0.005):
            await asyncio.sleep(5)
    except TimeoutError:
        seen.append("timeout")
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))
    seen.append("group")
    await _respond(send, " ".join(seen).encode())


async def app(scope: Scope, receive: Any, send: Any) -> None:
    """`/wait`, `/sleep`, `/fail`, `/half`, `/stream`, `/events`, `/large`, `/echo`, `/slow-echo`,
    `/gone`, `/after`, `/task`, `/pause`; a WebSocket echo; else a greeting."""
    if scope["type"] == "websocket":
        await _socket(scope, receive, send)
        return
    if scope["type"] != "http":
        raise AssertionError(scope["type"])
    path = scope["path"]
    if path == "/fail":
        raise ZeroDivisionError("on purpose")
    if path in {"/stream", "/events"}:
        await _stream(scope, send)
    elif path == "/task":
        await _current_task(send)
    elif path == "/half":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ZeroDivisionError("half way")
    elif path == "/gone":
        await _read(receive)
        entered.release()
        left.append((await receive())["type"])
    elif path == "/after":
        await _respond(send, b"first")
        await _wait()
        left.append("after")
    else:
        await _plain(path, receive, send)


async def _plain(path: str, receive: Any, send: Any) -> None:
    body = b"hello from " + path.encode()
    if path == "/wait":
        await _wait()
    elif path == "/sleep":
        entered.release()
        await asyncio.sleep(60)
    elif path == "/pause":
        await asyncio.sleep(0.02)
    elif path == "/block":
        entered.release()
        leave.wait(20)
    elif path == "/large":
        body = b"x" * 20_000_000
    elif path == "/echo":
        body = await _read(receive)
    elif path == "/slow-echo":
        first = await receive()
        await _wait()
        body = first["body"] + (await _read(receive) if first["more_body"] else b"")
        body = str(len(body)).encode()
    await _respond(send, body)


async def _socket(scope: Scope, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    if scope["path"] == "/refuse":
        await send({"type": "websocket.close"})
        return
    if scope["path"] == "/fail":
        raise ZeroDivisionError("on purpose")
    await send({"type": "websocket.accept"})
    entered.release()
    if scope["path"] == "/flood":
        for _ in range(400):
            await send({"type": "websocket.send", "bytes": b"z" * 100_000})
        await send({"type": "websocket.close"})
        return
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4000, "reason": "asked"})
            return
        if message.get("text") == "fail":
            raise ZeroDivisionError("on purpose")
        await send({**message, "type": "websocket.send"})
    left.append(f"socket {message['code']}")


calls: list[str] = []
"""The actions of the lifespan apps."""


async def with_lifespan(scope: Scope, receive: Any, send: Any) -> None:
    """Tells what its lifespan put into the state."""
    if scope["type"] != "lifespan":
        scope["state"]["mine"] = "x"
        await _respond(send, str(sorted(scope["state"].items())).encode())
        return
    assert (await receive())["type"] == "lifespan.startup"
    calls.append("startup")
    scope["state"]["pool"] = 7
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    calls.append("shutdown")
    await send({"type": "lifespan.shutdown.complete"})


async def cannot_start(scope: Scope, receive: Any, send: Any) -> None:
    """Says so."""
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


async def hangs_at_shutdown(scope: Scope, receive: Any, send: Any) -> None:
    """Never ends."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.sleep(60)


async def deaf(scope: Scope, receive: Any, send: Any) -> None:
    """Opens a WebSocket and takes nothing from it."""
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    await asyncio.sleep(60)


def no_app(_scope: Scope, _receive: Any, _send: Any) -> None:
    """No coroutine function."""
    time.sleep(0)

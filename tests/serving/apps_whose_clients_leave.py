"""ASGI apps that wait while their clients leave, each in a way of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse as FastApiStream
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

entered = threading.Semaphore(0)
"""Released when an app is about to wait."""

leave = threading.Event()
"""Lets the apps that look at it go on."""

ends: list[str] = []
"""How apps ended."""

Scope = dict[str, Any]
START = {"type": "http.response.start", "status": 200, "headers": []}


def part(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def for_ever() -> None:
    """Wait for what never comes, as a stream without news does."""
    entered.release()
    try:
        await asyncio.Queue[None]().get()
    except asyncio.CancelledError:
        ends.append("cancelled")
        raise


async def until_left() -> None:
    entered.release()
    while not leave.is_set():  # noqa: ASYNC110 - another thread sets it
        await asyncio.sleep(0.002)


async def plain(scope: Scope, receive: Any, send: Any) -> None:
    """Waits: `/before` and `/after` its head, amid its `/stream`, and for its client's end, to work
    on (`/listen`); has a `/group` of tasks that send. `/slow` and `/paused` answers have an end."""
    if scope["type"] == "websocket":
        await websocket(scope, receive, send)
        return
    path = scope["path"]
    if path == "/before":
        await for_ever()
    if path == "/slow":
        await until_left()
    await send(START)
    if path == "/after":
        await for_ever()
    await send(part(b"first"))
    if path == "/stream":
        await for_ever()
    elif path == "/paused":
        await until_left()
    elif path == "/listen":
        entered.release()
        while (await receive())["type"] != "http.disconnect":
            pass
        await until_left()
        ends.append("worked on")
    elif path == "/group":
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_sending(send))
            await until_left()
    await send(part(b" last", more=False))


async def blocking(scope: Scope, _receive: Any, send: Any) -> None:
    """Holds up the loop, and then answers `/whole` or in parts."""
    path = scope["path"]
    entered.release()
    leave.wait(20)
    await send(START)
    if path != "/whole":
        await send(part(b"first"))
    await send(part(b"last", more=False))


def wsgi(_environ: Scope, start_response: Any) -> Iterator[bytes]:
    """A stream that waits after its first part, and then has no end."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        yield b"first"
        entered.release()
        leave.wait(20)
        while True:
            yield b"more"
    finally:
        ends.append("closed")


def late(_environ: Scope, start_response: Any) -> Iterator[bytes]:
    """A stream that waits before its first part."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    entered.release()
    leave.wait(20)
    yield b"first"
    yield b"last"


async def keep_sending(send: Any) -> None:
    while True:
        await send(part(b"more"))
        await asyncio.sleep(0.01)


async def websocket(scope: Scope, receive: Any, send: Any) -> None:
    """Waits for itself: before the handshake is answered, or once the socket is open."""
    await receive()
    if scope["path"] == "/before":
        await for_ever()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/close":
        await until_left()
        await send({"type": "websocket.close"})
        return
    await for_ever()


async def news() -> AsyncIterator[bytes]:
    yield b"first"
    await for_ever()


async def no_news() -> AsyncIterator[bytes]:
    await for_ever()
    yield b"never"


async def paused() -> AsyncIterator[bytes]:
    yield b"first"
    await until_left()
    yield b" last"


async def work() -> None:
    await until_left()
    ends.append("worked on")


STREAMS = {"/stream": news, "/after": no_news, "/paused": paused}


async def stream(request: Request) -> StreamingResponse:
    return StreamingResponse(STREAMS[request.url.path]())


async def working(_request: Request) -> StreamingResponse:
    return StreamingResponse(iter([b"whole"]), background=BackgroundTask(work))


starlette = Starlette(
    routes=[*(Route(path, stream) for path in STREAMS), Route("/background", working)]
)
fastapi = FastAPI()


@fastapi.get("/stream")
async def fastapi_stream() -> FastApiStream:
    """A stream without news."""
    return FastApiStream(news())


@fastapi.get("/after")
async def fastapi_without_news() -> FastApiStream:
    """A stream that has not begun."""
    return FastApiStream(no_news())

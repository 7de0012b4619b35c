"""Apps that raise what the path names, where it says: `/first block/SystemExit`."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.hosting.faults import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOW_S = 0.003
"""So that the leader of a pool leaves the path to a worker."""


class Blocks:
    """Raises in its second block, or when it is closed."""

    def __init__(self, place: str, fault: type[BaseException]) -> None:
        self._place = place
        self._fault = fault

    def __iter__(self) -> Iterator[bytes]:
        yield b"some"
        if self._place == "second":
            raise self._fault

    def close(self) -> None:
        """PEP 3333."""
        if self._place == "close":
            raise self._fault


def app(environ: dict[str, Any], start_response: Any) -> Any:
    """A greeting at `/`."""
    place, _, name = environ["PATH_INFO"].removeprefix("/").partition("/")
    if environ["QUERY_STRING"] == "slow":
        time.sleep(SLOW_S)
    fault = FAULTS.get(name)
    if fault is None or place == "call":
        if fault is not None:
            raise fault
        start_response("200 OK", [("Content-Length", "5")])
        return [b"hello"]
    start_response("200 OK", [])
    if place == "text":
        return ["text"]
    return Blocks(place, fault)


async def asgi_app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """The same; the faults before and behind what it waits for."""
    if scope["type"] == "lifespan":
        raise SystemExit("no lifespan")
    place, _, name = unquote(scope["path"]).removeprefix("/").partition("/")
    fault = FAULTS.get(name)
    if scope["query_string"] == b"slow":
        await asyncio.sleep(SLOW_S)
    if fault is not None and place == "call":
        raise fault
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        if fault is not None:
            raise fault
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if fault is not None and place == "second":
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        raise fault
    body = "text" if place == "text" else b"hello"
    await send({"type": "http.response.body", "body": body})
    if fault is not None:
        raise fault


def calling(scope: dict[str, Any], receive: Any, send: Any) -> Any:
    """Raises where it is called, before there is a coroutine."""
    name = scope["path"].rpartition("/")[2] if scope["type"] == "http" else "SystemExit"
    if name in FAULTS:
        raise FAULTS[name]
    return asgi_app(scope, receive, send)


# The harm that an app may do to the loop it runs on.


async def _exit() -> None:
    raise SystemExit("in the background")


async def _interrupt() -> None:
    raise KeyboardInterrupt


def _raise(fault: type[BaseException]) -> None:
    raise fault("in a callback")


background: set[asyncio.Task[None]] = set()


def _cancel_all() -> None:
    me = asyncio.current_task()
    for task in asyncio.all_tasks():
        if task is not me:
            task.cancel()


async def on_the_loop(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Does to its loop what the path names, and answers."""
    loop = asyncio.get_running_loop()
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        _cancel_all()
        await send({"type": "lifespan.shutdown.complete"})
        return
    match scope["path"]:
        case "/task exits":
            background.add(loop.create_task(_exit()))
        case "/task is interrupted":
            background.add(loop.create_task(_interrupt()))
        case "/callback exits":
            loop.call_soon(_raise, SystemExit)
        case "/callback is interrupted":
            loop.call_later(0.001, _raise, KeyboardInterrupt)
        case "/callback raises":
            loop.call_soon(_raise, BaseException)
        case "/loop is stopped":
            loop.stop()
        case "/all tasks are cancelled":
            _cancel_all()
        case "/the handler exits":
            loop.set_exception_handler(lambda *_: _raise(SystemExit))
            loop.call_soon(_raise, ValueError)
    await asyncio.sleep(0.002)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})

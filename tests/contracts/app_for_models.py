"""A WSGI and an ASGI app that may run in another process than their tests: steered by files."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Environ = dict[str, Any]


BLOCK = b"y" * 100_000
BLOCKS = 200
OF_PROCESS = {
    "/pid": os.getpid,
    "/is-collected": lambda: any(one is globals() for one in gc.get_objects()),
}
"""The figures of a process itself: its pid, and whether collections of garbage walk over this."""


def _enter(folder: str) -> Path:
    """Tell the test that a request is inside; the file that lets it leave."""
    (Path(folder) / f"entered-{time.monotonic_ns()}").touch()
    return Path(folder) / "leave"


def _wait(folder: str) -> None:
    leave = _enter(folder)
    deadline = time.monotonic() + 20
    while not leave.exists() and time.monotonic() < deadline:
        time.sleep(0.005)


def _waiting_body(folder: str) -> Iterator[bytes]:
    yield b"begun"
    _wait(folder)
    yield b"ended"


def app(environ: Environ, start_response: Any) -> Any:
    """Answers `/wait`, `/pause`, `/fail` and the paths below, others with a greeting.

    `/wait?folder` makes a file `entered-…` there and waits for the file `leave`; `/wait-in-body`
    does so once its head is out.
    """
    path = environ["PATH_INFO"]
    body: Any = [b"hello from " + path.encode("latin-1")]
    if path == "/wait":
        _wait(environ["QUERY_STRING"])
    elif path == "/wait-in-body":
        body = _waiting_body(environ["QUERY_STRING"])
    elif path == "/pause":
        time.sleep(0.02)
    elif path == "/fail":
        raise ZeroDivisionError("on purpose")
    elif path == "/echo":
        body = [environ["wsgi.input"].read()]
    elif path == "/stream":
        body = repeat(BLOCK, BLOCKS)
    elif path == "/large":
        body = [BLOCK * BLOCKS]
    elif path in OF_PROCESS:
        body = [str(OF_PROCESS[path]()).encode()]
    elif path == "/environ":
        body = [str(environ.get(environ["QUERY_STRING"])).encode()]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return body


async def asgi_app(scope: Environ, receive: Any, send: Any) -> None:
    """The same."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    path = scope["path"]
    parts = [b"hello from " + path.encode("latin-1")]
    if path == "/wait":
        await _wait_on_loop(scope)
    elif path == "/pause":
        await asyncio.sleep(0.02)
    elif path == "/fail":
        raise ZeroDivisionError("on purpose")
    elif path == "/echo":
        parts = [await _whole_body(receive)]
    elif path == "/stream":
        parts = [BLOCK] * BLOCKS + [b""]
    elif path == "/large":
        parts = [BLOCK * BLOCKS]
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if path == "/wait-in-body":
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await _wait_on_loop(scope)
    for number, part in enumerate(parts, 1):
        more = number < len(parts)
        await send({"type": "http.response.body", "body": part, "more_body": more})


async def _wait_on_loop(scope: Environ) -> None:
    leave = _enter(scope["query_string"].decode())
    deadline = time.monotonic() + 20
    while not leave.exists() and time.monotonic() < deadline:  # noqa: ASYNC110 - a file
        await asyncio.sleep(0.005)


async def _whole_body(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client left")
        body += message["body"]
        more = message["more_body"]
    return body

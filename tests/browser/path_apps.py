"""Apps whose requests are held in a chosen stage; hosted by the dashboard of test_path_picture."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PART = b"x" * 262_144
LARGE_PARTS = 40
"""10 MiB: more than the sockets of both sides hold."""

SLOW_S = 0.4
BODY_PARTS = 4


def app(environ: dict[str, Any], start_response: Any) -> Any:
    """`/slow`, `/hang`, `/slow-body`, `/large`, `/stream`; else a greeting."""
    path = environ["PATH_INFO"]
    environ["wsgi.input"].read()
    body: Any = [b"hello"]
    if path == "/slow":
        time.sleep(SLOW_S)
    elif path == "/hang":
        time.sleep(60)
    elif path == "/slow-body":
        body = _slow_body()
    elif path == "/large":
        body = [PART * LARGE_PARTS]
    elif path == "/stream":
        body = iter([PART] * LARGE_PARTS)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return body


def _slow_body() -> Iterator[bytes]:
    for _ in range(BODY_PARTS):
        time.sleep(SLOW_S / BODY_PARTS)
        yield b"part"


async def asgi_app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """`/slow`, `/slow-body`, `/large`, `/block`, `/compute`, `/upload`; else a greeting."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    path = scope["path"]
    await _prepare(path, receive)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if path == "/slow-body":
        for _ in range(BODY_PARTS):
            await asyncio.sleep(SLOW_S / BODY_PARTS)
            await send({"type": "http.response.body", "body": b"part", "more_body": True})
    for _ in range(LARGE_PARTS if path == "/large" else 0):
        await send({"type": "http.response.body", "body": PART, "more_body": True})
    await send({"type": "http.response.body", "body": b"hello"})


async def _prepare(path: str, receive: Any) -> None:
    """All that the response head waits for."""
    if path == "/slow":
        await asyncio.sleep(SLOW_S)
    elif path == "/block":
        time.sleep(SLOW_S / 2)  # noqa: ASYNC251 - the mistake that the situation is about
    elif path == "/compute":
        _compute(SLOW_S / 2)
    elif path == "/upload":
        while (await receive()).get("more_body"):
            pass


def _compute(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        sum(range(1000))

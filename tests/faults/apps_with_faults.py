"""A WSGI and an ASGI app with the same paths, most of them troublesome."""

from __future__ import annotations

import asyncio
import os
import time
from itertools import repeat

BLOCK = b"x" * 50_000
LARGE = 100  # blocks


def app(environ, start_response):
    """`/pause`, `/slow`, `/never`, `/fail`, `/echo`, `/large`, `/endless`, `/pid`, or hello."""
    path = environ["PATH_INFO"]
    body = [b"hello"]
    if path == "/pause":
        time.sleep(0.005)
    elif path == "/slow":
        time.sleep(0.3)
    elif path == "/never":
        time.sleep(30)
    elif path == "/fail":
        raise ZeroDivisionError("on purpose")
    elif path == "/echo":
        body = [environ["wsgi.input"].read()]
    elif path == "/large":
        body = repeat(BLOCK, LARGE)
    elif path == "/endless":
        body = repeat(BLOCK)
    elif path == "/pid":
        body = [b"%d" % os.getpid()]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return body


async def asgi_app(scope, receive, send):
    """The same, on an event loop."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    path = scope["path"]
    body, blocks = b"hello", 0
    if path == "/pause":
        await asyncio.sleep(0.005)
    elif path == "/slow":
        await asyncio.sleep(0.3)
    elif path == "/never":
        await asyncio.sleep(30)
    elif path == "/fail":
        raise ZeroDivisionError("on purpose")
    elif path == "/echo":
        body = await _whole_body(receive)
        if body is None:
            return
    elif path in {"/large", "/endless"}:
        blocks = LARGE if path == "/large" else 1_000_000
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(blocks):
        await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
    await send({"type": "http.response.body", "body": b"" if blocks else body})


async def _whole_body(receive):
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body

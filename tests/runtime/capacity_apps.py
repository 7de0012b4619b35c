"""Apps whose capacity follows from their code."""

from __future__ import annotations

import asyncio
import time

WAIT_S = 0.02


def waiting(_environ, start_response):
    """Waits 20 ms without the processor: each thread answers 50 requests per second."""
    time.sleep(WAIT_S)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"waited\n"]


def computing(_environ, start_response):
    """Some 20 ms of Python, during which it holds the GIL."""
    total = sum(number * number for number in range(300_000))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d\n" % total]


_places = asyncio.Semaphore(2)  # as a pool of two connections to a database


async def pooled(scope, _receive, send):
    """Waits 20 ms in one of two places: 100 requests per second, however many come at once."""
    if scope["type"] != "http":
        return
    async with _places:
        await asyncio.sleep(WAIT_S)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"waited\n"})

"""The same stream of server-sent events as a WSGI app and as an ASGI app.

`/` is a page of one line, every other path the stream: an event each half second, for ten seconds
(HTML standard, "Server-sent events").
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

EVERY_S: Final = 0.5
EVENTS: Final = 20
_STREAM: Final = "text/event-stream"
_PAGE: Final = b"A page of one line.\n"


def _event(number: int) -> bytes:
    return f"event: tick\ndata: {number}\n\n".encode()


def _ticks() -> Iterator[bytes]:
    """The thread that iterates sleeps here: WSGI has no other way to wait."""
    for number in range(1, EVENTS + 1):
        yield _event(number)
        time.sleep(EVERY_S)


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer one request (PEP 3333)."""
    if environ["PATH_INFO"] == "/":
        length = ("Content-Length", str(len(_PAGE)))
        start_response("200 OK", [("Content-Type", "text/plain"), length])
        return [_PAGE]
    start_response("200 OK", [("Content-Type", _STREAM), ("Cache-Control", "no-store")])
    return _ticks()


async def asgi_app(
    scope: dict[str, Any],
    _receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer one request (ASGI 3); without lifespan."""
    if scope["type"] != "http":
        raise ValueError(f"this app has no {scope['type']}")
    is_page = scope["path"] == "/"
    headers = [(b"content-type", b"text/plain" if is_page else _STREAM.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if is_page:
        await send({"type": "http.response.body", "body": _PAGE})
        return
    for number in range(1, EVENTS + 1):
        event = {"type": "http.response.body", "body": _event(number), "more_body": True}
        await send(event)
        await asyncio.sleep(EVERY_S)  # the loop does something else meanwhile
    await send({"type": "http.response.body"})

"""An ASGI app that lets its test act before and after it has sent its response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def _nothing() -> None:
    """Act in no way."""


before: Callable[[], Any] = _nothing
after: Callable[[], Any] = _nothing
body = b"seen"


async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Answer with `body`."""
    if scope["type"] != "http":
        raise AssertionError(scope["type"])
    before()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
    after()

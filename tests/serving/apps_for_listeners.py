"""WSGI apps the listener tests name as `module:attribute`."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Environ = dict[str, Any]

entered = threading.Semaphore(0)
"""Released when a request is inside `/wait`."""

leave = threading.Event()
"""Lets the requests inside `/wait` end."""


def app(environ: Environ, start_response: Any) -> Any:
    """`/wait`, `/pause`, `/fail`, `/stream`, `/large`, `/echo`, else a greeting."""
    path = environ["PATH_INFO"]
    if path == "/wait":
        entered.release()
        leave.wait(20)
    elif path == "/pause":
        time.sleep(0.02)
    elif path == "/fail":
        raise ZeroDivisionError("on purpose")
    elif path == "/stream":
        start_response("200 OK", [])
        return stream()
    elif path == "/large":
        start_response("200 OK", [])
        return [b"x" * 20_000_000]
    elif path == "/echo":
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello from " + path.encode("latin-1")]


def stream() -> Iterator[bytes]:
    """Twenty megabytes in blocks."""
    for _ in range(200):
        yield b"y" * 100_000

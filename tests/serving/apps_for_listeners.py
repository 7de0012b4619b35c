"""WSGI apps the listener tests name as `module:attribute`."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Environ = dict[str, Any]

entered = threading.Semaphore(0)
"""Released when a request is inside `/wait`."""

leave = threading.Event()
"""Lets the requests inside `/wait` end."""

turns: list[str] = []
"""The queries of `/turn`, in the order in which they were answered."""

at_turn: dict[str, Callable[[], None]] = {}
"""The actions by query: each is called once, at the turn of its query."""


def app(environ: Environ, start_response: Any) -> Any:
    """`/wait`, `/pause`, `/turn`, `/fail`, `/stream`, `/large`, `/echo`, else a greeting."""
    path = environ["PATH_INFO"]
    if path == "/wait":
        entered.release()
        leave.wait(20)
    elif path == "/pause":
        time.sleep(0.02)
    elif path == "/turn":
        take_turn(environ["QUERY_STRING"])
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


def take_turn(who: str) -> None:
    turns.append(who)
    at_turn.pop(who, lambda: None)()


def stream() -> Iterator[bytes]:
    """Twenty megabytes in blocks."""
    for _ in range(200):
        yield b"y" * 100_000

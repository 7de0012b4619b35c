"""A WSGI app that serves one request at a time and takes an exact time for it: `/serve?ms=20`.

Theory of queues knows a service time and nothing else, so this app counts the server's own work as
part of it: of requests that follow each other without a pause, each ends `ms` after the one before.
For a server with one thread alone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from servescope.demo.timed_work import whole_number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MOST_MS: Final = 2_000
_NS_PER_MS: Final = 1_000_000
_NO_PAUSE_NS: Final = 3 * _NS_PER_MS
"""A request that is taken this soon after the one before has waited for it."""


class OnePlace:
    """The app; it remembers when the request before this one ended."""

    def __init__(self) -> None:
        self._ended_ns = 0

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        try:
            given = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)["ms"][0]
            asked_ms = whole_number_of(given, "ms", MOST_MS)
        except (KeyError, ValueError):
            return self._respond(start_response, "400 Bad Request", b"ms is missing or too much\n")
        now_ns = time.monotonic_ns()
        begin_ns = self._ended_ns if now_ns - self._ended_ns < _NO_PAUSE_NS else now_ns
        self._ended_ns = begin_ns + asked_ms * _NS_PER_MS
        time.sleep(max(0, self._ended_ns - now_ns) / 1e9)
        return self._respond(start_response, "200 OK", f"{asked_ms} ms\n".encode())

    @staticmethod
    def _respond(
        start_response: Callable[..., Any], status: str, content: bytes
    ) -> Iterable[bytes]:
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(content)))]
        start_response(status, headers)
        return [content]


app = OnePlace()

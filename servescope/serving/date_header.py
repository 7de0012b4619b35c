"""The Date header field, rendered once a second."""

from __future__ import annotations

import time

from servescope.wire.http_date import http_date


class DateHeader:
    """Callable that gives the field's value now. Threads may race: both render the same."""

    __slots__ = ("_current",)

    def __init__(self) -> None:
        self._current = (0, b"")

    def __call__(self) -> bytes:
        """The value for the current second."""
        second = int(time.time())
        known, value = self._current
        if known != second:
            value = http_date(second).encode()
            self._current = (second, value)
        return value

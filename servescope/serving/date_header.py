"""The Date header field, rendered once a second."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from servescope.wire.http_date import http_date

if TYPE_CHECKING:
    from collections.abc import Callable


def date_header() -> Callable[[], bytes]:
    """Make a function that gives the field's value now. Threads may race: both render the same."""
    # A closure, as it is called for each response: calling an object costs three times as much.
    current = (0.0, 0.0, b"")

    def date() -> bytes:
        nonlocal current
        now = time()
        since, until, value = current
        if not since <= now < until:  # a clock set back counts as well
            second = int(now)
            value = http_date(second).encode()
            current = (float(second), second + 1.0, value)
        return value

    return date

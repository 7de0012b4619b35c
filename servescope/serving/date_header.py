"""The Date header field, rendered once a second."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING

from servescope.wire.http_date import http_date

if TYPE_CHECKING:
    from collections.abc import Callable


_SECOND_NS = 1_000_000_000


def date_header() -> Callable[[int], bytes]:
    """Make a function that gives the field's value at a moment of the monotonic clock, in ns.

    The wall clock is asked when its second should be over; when it is set, the date follows within
    a second. Threads may race: both render the same.
    """
    # A closure, as it is called for each response: calling an object costs three times as much.
    current = (0, b"")

    def date(now_ns: int) -> bytes:
        nonlocal current
        until_ns, value = current
        if now_ns >= until_ns:
            second, into_second_ns = divmod(time_ns(), _SECOND_NS)
            value = http_date(second).encode()
            current = (now_ns + _SECOND_NS - into_second_ns, value)
        return value

    return date

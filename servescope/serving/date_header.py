"""The Date header field, rendered once a second."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING

from servescope.wire.http_date import http_date

if TYPE_CHECKING:
    from collections.abc import Callable


_SECOND_NS = 1_000_000_000


def date_header() -> Callable[[int], tuple[bytes, int]]:
    """Make the `date` of ResponseSinks, for a monotonic clock in ns.

    The wall clock is asked when its second should be over; when it is set, the date follows within
    a second. Threads may race: both render the same.
    """
    current = (b"", 0)

    def date(now_ns: int) -> tuple[bytes, int]:
        nonlocal current
        if now_ns >= current[1]:
            second, into_second_ns = divmod(time_ns(), _SECOND_NS)
            current = http_date(second).encode(), now_ns + _SECOND_NS - into_second_ns
        return current

    return date

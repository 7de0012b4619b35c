"""The requests kept in detail: errors, up to a number, the slowest of each second, some others.

A request without an answer, whose status is 0, counts as an error.
"""

from __future__ import annotations

import time
from typing import Final

DETAILS_PER_SECOND: Final = 20
"""How many ordinary requests a second are kept in detail, beside errors and the slowest."""

ERRORS_PER_SECOND: Final = 100
FIRST_ERROR_STATUS: Final = 400
_SECOND_NS: Final = 1_000_000_000


class DetailThreshold:
    """Until when no detail is wanted but of an error, or of a request that took longer.

    A recorder compares a request with `until_ns` (or `until_s`), `above_ns` and the status first,
    and asks `wants` only when one of them is exceeded. Threads may race here: the worst is a detail
    more or less in a second.
    """

    __slots__ = (
        "_errors",
        "_kept",
        "_second_began_ns",
        "_second_ends_ns",
        "_slowest_ns",
        "above_ns",
        "until_ns",
        "until_s",
    )

    def __init__(self) -> None:
        # At most a second from now on, whatever the wall clock does.
        self.until_ns = 0  # by time.perf_counter_ns
        self.until_s = 0.0  # the same, by time.perf_counter
        self.above_ns = 0.0  # a duration
        self._kept = self._errors = 0
        self._slowest_ns = 0.0
        self._second_began_ns = self._second_ends_ns = 0  # epoch ns; of the latest answers

    def wants(self, status: int, total_ns: float, end_ns: int) -> bool:
        """Whether to keep this request in detail: an error, the slowest of its second, or few yet.

        `end_ns` is epoch time, and tells which second this is.
        """
        if not self._second_began_ns <= end_ns < self._second_ends_ns:
            self._second_began_ns = end_ns // _SECOND_NS * _SECOND_NS
            self._second_ends_ns = self._second_began_ns + _SECOND_NS
            self._kept = self._errors = 0
            self._slowest_ns = self.above_ns = 0.0
        is_error = status >= FIRST_ERROR_STATUS or not status
        if is_error and self._errors < ERRORS_PER_SECOND:
            self._errors += 1
            return True
        if total_ns > self._slowest_ns:
            self._slowest_ns = total_ns
            return True
        if self._kept < DETAILS_PER_SECOND:
            self._kept += 1
            return True
        self.above_ns = self._slowest_ns
        self.until_ns = time.perf_counter_ns() + self._second_ends_ns - end_ns
        self.until_s = self.until_ns / _SECOND_NS
        return False

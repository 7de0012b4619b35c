"""A warning that repeats is logged once a minute, with the number of times it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import logging

    from servescope.hosting.unfailing_log import UnfailingLogger

INTERVAL_NS: Final = 60_000_000_000


class QuietLog:
    """One kind of warning; used by one thread."""

    __slots__ = ("_log", "_next_ns", "_suppressed")

    def __init__(self, log: logging.Logger | UnfailingLogger) -> None:
        self._log = log
        self._next_ns = 0
        self._suppressed = 0

    def warning(self, now_ns: int, message: str, *arguments: object) -> None:
        """Log, or count when the last one is less than a minute old."""
        if now_ns < self._next_ns:
            self._suppressed += 1
            return
        self._next_ns = now_ns + INTERVAL_NS
        if self._suppressed:
            message += " (and %d times more since the last such line)"
            arguments = (*arguments, self._suppressed)
            self._suppressed = 0
        self._log.warning(message, *arguments)

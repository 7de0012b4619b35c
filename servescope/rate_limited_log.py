"""Log lines that repeat: one a minute of each kind, with the number of lines it stands for."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Hashable

INTERVAL_S: Final = 60.0
MOST_KINDS: Final = 256
"""Kinds that are told apart within a minute; those beyond share one line."""

_OTHERS: Final = "others"


class RateLimitedLog:
    """Logs the first line of a kind at once, then at most one in INTERVAL_S; any thread may call.

    A line that comes after others were left out tells how many.
    """

    def __init__(
        self,
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[Hashable, tuple[float, int]] = {}  # next line at, left out since

    def line(
        self, level: int, kind: Hashable, message: str, *arguments: object, **extra: Any
    ) -> None:
        """Log the line, or count it; `extra` goes to `logging.Logger.log`."""
        left_out = self._due(kind)
        if left_out is None:
            return
        if left_out:
            message += " (and %d more since the last such line)"
            arguments = (*arguments, left_out)
        self._log.log(level, message, *arguments, **extra)

    def _due(self, kind: Hashable) -> int | None:
        """How many were left out before a line that may be written now; None when it may not."""
        now = self._clock()
        with self._lock:
            if kind not in self._kinds and len(self._kinds) >= MOST_KINDS:
                self._kinds = {
                    known: entry for known, entry in self._kinds.items() if entry[0] > now
                }
                if len(self._kinds) >= MOST_KINDS:
                    kind = _OTHERS
            next_at, left_out = self._kinds.get(kind, (now, 0))
            if now < next_at:
                self._kinds[kind] = (next_at, left_out + 1)
                return None
            self._kinds[kind] = (now + INTERVAL_S, 0)
            return left_out

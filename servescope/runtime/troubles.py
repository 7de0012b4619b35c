"""The log of listeners that are not as they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Sequence

    from servescope.records import ListenerStatus


class Troubles:
    """Tells a log what keeps each listener from its wish: once, until it is something else."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._told: dict[str, str] = {}

    def tell(self, statuses: Sequence[ListenerStatus]) -> None:
        """Log what is new."""
        for status in statuses:
            if status.message and status.message != self._told.get(status.name):
                self._log.warning(
                    "listener %s is %s: %s", status.name, status.state, status.message
                )
        self._told = {status.name: status.message for status in statuses if status.message}

"""The rounds of a process: reconcile desired with actual state, and a heartbeat a second."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from servescope.errors import ServescopeError

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

ROUND_S: Final = 0.2
"""How often desired and actual state are reconciled, and the election is held."""

HEARTBEAT_S: Final = 1.0


class ReconcileLoop:
    """One thread calls `run_once` every ROUND_S; nothing that goes wrong in a round ends it.

    An error that lasts, such as a full disk, is logged once, not in each round.
    """

    def __init__(self, reconcile: Callable[[], None], heartbeat: Callable[[], None]) -> None:
        self._reconcile = reconcile
        self._heartbeat = heartbeat
        self._next_heartbeat = 0.0
        self._problem = ""

    def run_once(self) -> None:
        """Reconcile, and write a heartbeat when one is due."""
        try:
            self._reconcile()
            if time.monotonic() >= self._next_heartbeat:
                self._heartbeat()
                self._next_heartbeat = time.monotonic() + HEARTBEAT_S
                self._problem = ""
        except ServescopeError as error:
            self._next_heartbeat = time.monotonic() + HEARTBEAT_S
            if str(error) != self._problem:
                logger.warning("%s", error)
            self._problem = str(error)
        except Exception:
            # The boundary of the process's loop: a defect is logged, the process goes on.
            logger.exception("the runtime failed in this round")

"""The leader's part of a capture: it counts the files, ends the capture, and bounds the folder."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from servescope.capturing.files import CaptureBounds, CaptureFolder
from servescope.errors import CaptureError
from servescope.records.captures import CaptureState

if TYPE_CHECKING:
    from pathlib import Path

    from servescope.control.captures import Captures
    from servescope.records.captures import Capture
    from servescope.settings import Settings

logger = logging.getLogger(__name__)

PRUNE_S: Final = 5.0
"""How often the folder is brought within its bounds."""

_MIB: Final = 1024 * 1024
_HOUR_S: Final = 3_600.0


class CaptureReconciler:
    """Reconciles the capture that a person wants with the files there are; the folder's owner.

    One thread calls `reconcile`, a few times a second.
    """

    def __init__(self, captures: Captures, folder: Path, settings: Settings) -> None:
        self._captures = captures
        self._folder = CaptureFolder(folder)
        self._bounds = CaptureBounds(
            settings.keep_captures,
            settings.keep_captures_mib * _MIB,
            settings.keep_captures_hours * _HOUR_S,
        )
        self._order_id = 0
        self._seen: set[int] = set()  # captures of that order, also those that were pruned since
        self._next_prune = 0.0
        self._problem = ""

    def reconcile(self) -> None:
        """Count what was captured, end what is complete or overdue, prune. Raises StoreError."""
        active = self._captures.active()
        try:
            if active is not None:
                self._follow(active)
            if time.monotonic() >= self._next_prune:
                self._next_prune = time.monotonic() + PRUNE_S
                self._folder.prune(self._bounds)
            self._problem = ""
        except CaptureError as error:
            if str(error) != self._problem:
                logger.warning("%s", error)
            self._problem = str(error)

    def _follow(self, active: Capture) -> None:
        order = active.order
        if order.id != self._order_id:
            self._order_id, self._seen = order.id, set()
        for file in self._folder.files():
            if file.order_id != order.id or file.capture_id in self._seen:
                continue
            if len(self._seen) < order.count:
                self._seen.add(file.capture_id)
            else:  # several processes capture at once: each keeps within the count of its own
                self._folder.delete(file)
        captured = max(active.captured, len(self._seen))
        if captured != active.captured:
            self._captures.write_progress(order.id, captured)
        now = time.time()
        if captured >= order.count:
            self._captures.end(order.id, CaptureState.COMPLETE, now)
        elif now >= order.until_s:
            self._captures.end(order.id, CaptureState.EXPIRED, now)

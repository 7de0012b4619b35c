"""One process's recorder: its ring and its detail ring, and which requests are kept in detail."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from servescope.errors import DataFolderError
from servescope.forked_child import disown_in_children, no_fork
from servescope.recording.details import DetailWriter
from servescope.recording.ring import CAPACITY, RingKind, RingWriter
from servescope.recording.slots import Quiet

if TYPE_CHECKING:
    from pathlib import Path

DETAILS_PER_SECOND: Final = 20
"""How many ordinary requests a second are kept in detail, beside every error and the slowest."""

ERRORS_PER_SECOND: Final = 100
FIRST_ERROR_STATUS: Final = 400
_SECOND_NS: Final = 1_000_000_000
RINGS: Final = "rings"
"""The folder, within the data folder, that holds every process's rings."""

RING_SUFFIX: Final = ".ring"
DETAIL_SUFFIX: Final = ".detail"
SAMPLES_SUFFIX: Final = ".samples"


class Recorder:
    """Opens the two rings of this process start in `folder`.

    `record`, `record_outlined`, `listener_id` and `route_id` are those of `RingWriter`,
    `record_call` that of `Slots.call_recorder`.
    Raises DataFolderError when the folder cannot be written.
    """

    def __init__(
        self, folder: Path, kind: RingKind = RingKind.SERVER, capacity: int = CAPACITY
    ) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataFolderError(f"cannot make the folder {folder}: {error.strerror}") from error
        stem = f"{os.getpid()}-{time.time_ns()}"
        with no_fork():
            self.ring = RingWriter(folder / (stem + RING_SUFFIX), kind, capacity)
            try:
                self.details = DetailWriter(folder / (stem + DETAIL_SUFFIX))
            except DataFolderError:
                self.ring.close()
                self.ring.path.unlink(missing_ok=True)
                raise
            disown_in_children(self)
        self.record = self.ring.record
        self.record_outlined = self.ring.record_outlined
        self.listener_id = self.ring.listener_id
        self.route_id = self.ring.route_id
        self.write_detail = self.details.write
        self._kept = self._errors = 0
        self._slowest_ns = 0.0
        self._second_began_ns = self._second_ends_ns = 0  # of the latest answers
        self.quiet = Quiet()
        self.record_call = self.ring.slots.call_recorder(self.quiet)

    def wants_detail(self, status: int, total_ns: float, end_ns: int) -> bool:
        """Whether to keep this request in detail: an error, the slowest of its second, or few yet.

        Threads may race here: the worst is a detail more or less in a second.
        """
        if not self._second_began_ns <= end_ns < self._second_ends_ns:
            self._second_began_ns = end_ns // _SECOND_NS * _SECOND_NS
            self._second_ends_ns = self._second_began_ns + _SECOND_NS
            self._kept = self._errors = 0
            self._slowest_ns = self.quiet.above_ns = 0.0
        if status >= FIRST_ERROR_STATUS and self._errors < ERRORS_PER_SECOND:
            self._errors += 1
            return True
        is_slowest = total_ns > self._slowest_ns
        if is_slowest:
            self._slowest_ns = total_ns
        elif self._kept < DETAILS_PER_SECOND:
            self._kept += 1
        else:
            quiet = self.quiet
            quiet.above_ns = self._slowest_ns
            quiet.until_ns = time.perf_counter_ns() + self._second_ends_ns - end_ns
            quiet.until_s = quiet.until_ns / _SECOND_NS
            return False
        return True

    def close(self) -> None:
        """Give up both rings; the collector drains and deletes them."""
        self.ring.close()
        self.details.close()

    def disown(self) -> None:
        """Let go, in a forked child, of what its parent goes on writing to."""
        self.ring.disown()
        self.details.disown()

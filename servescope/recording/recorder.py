"""One process's recorder: its ring of records and its ring of details."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from servescope.errors import DataFolderError
from servescope.forked_child import disown_in_children, no_fork
from servescope.recording.detail_threshold import DetailThreshold
from servescope.recording.detail_writer import DetailWriter
from servescope.recording.ring_file import RingKind
from servescope.recording.ring_writer import CAPACITY, RingWriter

if TYPE_CHECKING:
    from pathlib import Path

RINGS: Final = "rings"
"""The folder, within the data folder, that holds every process's rings."""

RING_SUFFIX: Final = ".ring"
DETAIL_SUFFIX: Final = ".detail"
SAMPLES_SUFFIX: Final = ".samples"


class Recorder:
    """Opens the two rings of this process start in `folder`.

    `record`, `record_request`, `listener_id` and `route_id` are those of `RingWriter`,
    `record_call` that of `Slots.call_recorder`, `write_detail` that of `DetailWriter`; a detail is
    written where `wants_detail`, `DetailThreshold.wants`, says so.
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
        self.detail_threshold = DetailThreshold()
        self.record = self.ring.record
        self.record_request = self.ring.record_request
        self.record_call = self.ring.slots.call_recorder(self.detail_threshold)
        self.listener_id = self.ring.listener_id
        self.route_id = self.ring.route_id
        self.wants_detail = self.detail_threshold.wants
        self.write_detail = self.details.write

    def close(self) -> None:
        """Give up both rings; the collector drains and deletes them."""
        self.ring.close()
        self.details.close()

    def disown(self) -> None:
        """Let go, in a forked child, of what its parent goes on writing to."""
        self.ring.disown()
        self.details.disown()

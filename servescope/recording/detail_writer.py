"""The writer of a ring of request details."""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING, Final

from servescope.recording import ring_file
from servescope.recording.detail_layout import (
    CAPACITY,
    ORIGIN,
    ORIGIN_OFFSET,
    SLOT_BYTES,
    TEXT_LENGTHS,
    TEXT_LENGTHS_OFFSET,
    TEXT_LIMITS,
    TEXTS_OFFSET,
    DetailTexts,
    Origin,
)
from servescope.recording.record_layout import (
    KEYED_SLOT,
    MAX_U32,
    OTHER_ROUTE,
    OTHER_ROUTE_NAME,
    SEQUENCE,
    SEQUENCE_OFFSET,
    route_id_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_UNKNOWN_ORIGIN: Final = Origin()


class DetailWriter:
    """Writes details into a ring file of its own; any thread may call `write`.

    Raises DataFolderError when the file cannot be made.
    """

    def __init__(self, path: Path, capacity: int = CAPACITY) -> None:
        self.path = path
        header = ring_file.Header(
            ring_file.RingKind.DETAIL, SLOT_BYTES, capacity, os.getpid(), time.time_ns()
        )
        self._mapping, self._descriptor = ring_file.create(path, header)
        self._take = itertools.count().__next__
        self._mask = capacity - 1

    def write(
        self,
        end_ns: int,
        request_key: int,
        flags: int,
        bytes_received: int,
        bytes_sent: int,
        stages_ns: Sequence[float],
        texts: DetailTexts,
        origin: Origin = _UNKNOWN_ORIGIN,
    ) -> None:
        """Add the detail of a request: its record, as it was recorded, its texts and its origin.

        Texts are cut to what the slot holds. Where the record has no number for its route, the
        detail does not name it either.
        """
        if route_id_of(request_key) == OTHER_ROUTE:
            texts = texts._replace(route=OTHER_ROUTE_NAME)
        encoded = [
            text.encode("utf-8", "replace")[:limit]
            for text, limit in zip(texts, TEXT_LIMITS, strict=True)
        ]
        number = self._take()
        offset = ring_file.SLOTS_OFFSET + (number & self._mask) * SLOT_BYTES
        KEYED_SLOT.pack_into(
            self._mapping,
            offset,
            end_ns,
            request_key,
            flags,
            min(bytes_received, MAX_U32),
            bytes_sent,
            *stages_ns,
            0,
        )
        TEXT_LENGTHS.pack_into(
            self._mapping, offset + TEXT_LENGTHS_OFFSET, *(len(text) for text in encoded)
        )
        ORIGIN.pack_into(self._mapping, offset + ORIGIN_OFFSET, *origin)
        joined = b"".join(encoded)
        start = offset + TEXTS_OFFSET
        self._mapping[start : start + len(joined)] = joined
        SEQUENCE.pack_into(self._mapping, offset + SEQUENCE_OFFSET, number + 1)

    def close(self) -> None:
        """Give up the writer's lock."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:  # a number closed twice may be somebody else's by then
            ring_file.release(descriptor)

    def disown(self) -> None:
        """Let go of an inherited ring in a forked child; the parent's lock stays its own."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            ring_file.disown(self._mapping, descriptor)

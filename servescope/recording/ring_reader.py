"""The reader of a ring of 64-byte request records.

That a reader in another process sees a record whole once it sees its sequence rests on stores being
seen in the order in which they were made: so on x86 (total store order, Intel SDM volume 3A section
9.2). Processors with weaker order, ARM among them, do not promise it; `stores_are_ordered` tells.
"""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.recording import ring_file
from servescope.recording.record_layout import OTHER_ROUTE, OTHER_ROUTE_NAME, SLOT

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RECORD_DTYPE: Final = np.dtype(
    [
        ("end_ns", "=u8"),
        ("listener", "=u2"),
        ("route", "=u2"),
        ("method", "u1"),
        ("protocol", "u1"),
        ("status", "=u2"),
        ("flags", "=u2"),
        ("reserved", "=u2"),
        ("bytes_received", "=u4"),
        ("bytes_sent", "=u8"),
        ("stages_ns", "=f4", (6,)),
        ("sequence", "=u8"),
    ]
)
"""A record, as `record_layout.SLOT` has it."""

HOLE_PATIENCE_S: Final = 2.0
"""How long a reader waits for a slot that was taken and not written before it counts it lost."""

_STEP: Final = 4096  # records looked at in one go
_LOOK_AHEAD: Final = 1024  # more slots than threads that can be between taking and writing one
_FUTURE_NS: Final = 2_000_000_000


def stores_are_ordered(machine: str | None = None) -> bool:
    """Whether this machine, or the one named, shows stores to other cores in program order."""
    return (machine or platform.machine()).lower() in {"x86_64", "amd64", "i386", "i686"}


@dataclass(frozen=True, slots=True)
class Drained:
    """The result of one pass over a ring: records of `RECORD_DTYPE`, in order of sequence."""

    records: NDArray[np.void]
    cursor: int
    lost: int
    held_back: bool = False  # the record at the cursor is complete, but ended too late for now


class RingReader:
    """Follows one ring with a cursor: the number of records already taken or given up.

    Raises RingError when the file is not a ring of this version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mapping, self.header, self._descriptor = ring_file.attach(path, SLOT.size)
        self._slots: NDArray[np.void] = np.frombuffer(
            self._mapping, RECORD_DTYPE, self.header.capacity, ring_file.SLOTS_OFFSET
        )
        self._names_offset = 0
        self._hole: tuple[int, float] | None = None
        self.listeners: dict[int, str] = {0: "unknown"}
        self.routes: dict[int, str] = {OTHER_ROUTE: OTHER_ROUTE_NAME}

    def writer_is_gone(self) -> bool:
        """Whether the writing process has ended."""
        return ring_file.writer_is_gone(self._descriptor)

    def drain(self, cursor: int, until_ns: int, now_s: float, limit: int = 2**20) -> Drained:
        """Take what is complete and ended before `until_ns` (wall clock), at most `limit` records.

        Records up to 2 s past `until_ns` wait for the next pass; those further ahead come from a
        clock that was set back, and are taken. `now_s` is monotonic: it times holes.
        """
        parts: list[NDArray[np.void]] = []
        lost = taken = 0
        held_back = False
        while taken < limit:
            block = self._complete(cursor, min(_STEP, limit - taken))
            if block.size:
                end = block["end_ns"].astype(np.int64)
                later = (end >= until_ns) & (end < until_ns + _FUTURE_NS)
                keep = int(later.argmax()) if later.any() else block.size
                parts.append(block[:keep])
                cursor += keep
                taken += keep
                if keep < block.size:
                    held_back = True
                    break
                continue
            skipped = self._skip(cursor, now_s)
            if not skipped:
                break
            lost += skipped
            cursor += skipped
        self._read_names()
        if parts:
            with suppress(OSError):  # pages are larger here
                ring_file.unmap_pages(self._mapping)
        records = np.concatenate(parts) if parts else np.empty(0, RECORD_DTYPE)
        return Drained(records, cursor, lost, held_back)

    def _complete(self, cursor: int, most: int) -> NDArray[np.void]:
        """Copy the run of complete records that begins at the cursor, up to the end of the file."""
        start = cursor & (self.header.capacity - 1)
        count = min(most, self.header.capacity - start)
        expected = np.arange(cursor + 1, cursor + 1 + count, dtype=np.uint64)
        window = self._slots[start : start + count]
        count = _run_length(window["sequence"] == expected)
        block = window[:count].copy()
        # Slots that the writer began to overwrite while we copied no longer bear our sequence.
        return block[: _run_length(window["sequence"][:count] == expected[:count])]

    def _skip(self, cursor: int, now_s: float) -> int:
        """How many records to give up at the cursor: overrun, or a hole that stays; else 0."""
        capacity = self.header.capacity
        found = int(self._slots["sequence"][cursor & (capacity - 1)])
        if found > cursor + 1:
            newest = int(self._slots["sequence"].max())
            # Leave the writer an eighth of a lap, so that it does not catch us again at once.
            return max(newest - capacity + capacity // 8 - cursor, 1)
        ahead = np.arange(cursor + 1, cursor + 1 + min(_LOOK_AHEAD, capacity // 2), dtype=np.int64)
        # A later lap's record is a sign of life as well: the one that we waited for is gone.
        written = self._slots["sequence"][ahead & (capacity - 1)] >= (ahead + 1).astype(np.uint64)
        if not written.any():
            self._hole = None
            return 0
        if self._hole is None or self._hole[0] != cursor:
            self._hole = (cursor, now_s)
        if now_s - self._hole[1] < HOLE_PATIENCE_S and not self.writer_is_gone():
            return 0
        self._hole = None
        return int(written.argmax()) + 1

    def _read_names(self) -> None:
        for kind, number, name, offset in ring_file.names_from(self._mapping, self._names_offset):
            table = self.listeners if kind == ring_file.NameKind.LISTENER else self.routes
            table[number] = name
            self._names_offset = offset

    def close(self) -> None:
        del self._slots
        with suppress(BufferError):  # a caller still holds a view: the last one unmaps
            self._mapping.close()
        os.close(self._descriptor)


def _run_length(matches: NDArray[np.bool_]) -> int:
    """Length of the run of True that begins the array."""
    return int(matches.argmin()) if not matches.all() else matches.size

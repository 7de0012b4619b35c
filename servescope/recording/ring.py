"""Writer and reader of the ring of 64-byte request records.

That a reader in another process sees a record whole once it sees its sequence rests on stores being
seen in the order in which they were made: so on x86 (total store order, Intel SDM volume 3A section
9.2). Processors with weaker order, ARM among them, do not promise it; `stores_are_ordered` tells.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.recording import mapping as ring_file
from servescope.recording.record_layout import RECORD_DTYPE, SLOT, outline
from servescope.recording.slots import Slots

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CAPACITY: Final = 2**17
"""Slots of a server's ring: 8 MiB, 26 s at 5,000 requests/s."""

MAX_ROUTES: Final = 500
OTHER_ROUTE: Final = 0
OTHER_ROUTE_NAME: Final = "other"

HOLE_PATIENCE_S: Final = 2.0
"""How long a reader waits for a slot that was taken and not written before it counts it lost."""

_STEP: Final = 4096  # records looked at in one go
_LOOK_AHEAD: Final = 1024  # more slots than threads that can be between taking and writing one
_FUTURE_NS: Final = 2_000_000_000
_MAX_U16: Final = 0xFFFF


def stores_are_ordered(machine: str | None = None) -> bool:
    """Whether this machine, or the one named, shows stores to other cores in program order."""
    return (machine or platform.machine()).lower() in {"x86_64", "amd64", "i386", "i686"}


class RingKind(IntEnum):
    """Whose records a ring holds."""

    SERVER = 0
    LOAD = 1
    DETAIL = 2
    SAMPLES = 3


class NameKind(IntEnum):
    """What a name in the ring's table names."""

    LISTENER = 1
    ROUTE = 2


class RingWriter:
    """One process's ring. `record_outlined` may be called from any thread of it.

    Raises DataFolderError when the file cannot be made.
    """

    def __init__(self, path: Path, kind: RingKind, capacity: int = CAPACITY) -> None:
        self.path = path
        header = ring_file.Header(kind, SLOT.size, capacity, os.getpid(), time.time_ns())
        self._mapping, self._descriptor = ring_file.create(path, header)
        self._lock = threading.Lock()
        self._listeners: dict[str, int] = {}
        self._routes: dict[str, int] = {}
        self._routes_of: dict[int, set[str]] = {}
        self.slots = Slots(self._mapping, capacity)
        self.record_outlined = self.slots.outlined_recorder()
        """record_outlined(end_ns, outline, flags, bytes_received, bytes_sent, kernel_ns, read_ns,
        queue_ns, app_ns, body_ns, write_ns)."""

    def record(
        self,
        end_ns: int,
        listener_id: int,
        route_id: int,
        method: int,
        protocol: int,
        status: int,
        *rest: float,
    ) -> None:
        """Record what was not outlined; `rest` as `record_outlined` takes it from `flags` on."""
        outlined = outline(listener_id, route_id, method, protocol, status)
        self.record_outlined(end_ns, outlined, *rest)

    def listener_id(self, name: str) -> int:
        """The number of a listener in this ring's records, from 1."""
        with self._lock:
            return self._intern(self._listeners, NameKind.LISTENER, name)

    def route_id(self, listener_id: int, route: str) -> int:
        """The number of a route; `OTHER_ROUTE` after a listener's first 500, or a full table."""
        known = self._routes_of.get(listener_id)
        if known is not None and route in known:
            return self._routes[route]
        with self._lock:
            known = self._routes_of.setdefault(listener_id, set())
            if len(known) >= MAX_ROUTES:
                return OTHER_ROUTE
            number = self._intern(self._routes, NameKind.ROUTE, route)
            if number != OTHER_ROUTE:
                known.add(route)
            return number

    def _intern(self, table: dict[str, int], kind: NameKind, name: str) -> int:
        number = table.get(name)
        if number is None:
            number = len(table) + 1
            if number > _MAX_U16 or not ring_file.append_name(self._mapping, kind, number, name):
                return 0
            table[name] = number
        return number

    def close(self) -> None:
        """Give up the writer's lock; what is recorded after that may be lost.

        The mapping lives on until the last thread lets go of it.
        """
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:  # a number closed twice may be somebody else's by then
            ring_file.release(descriptor)

    def disown(self) -> None:
        """Let go of an inherited ring in a forked child; the parent's lock stays its own."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            ring_file.disown(self._mapping, descriptor)


@dataclass(frozen=True, slots=True)
class Drained:
    """What one pass over a ring brought: records of `RECORD_DTYPE`, in order of sequence."""

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
        # What the writer began to overwrite while we copied no longer bears our sequence.
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
        # A later lap's record is a sign of life as well: what we waited for is gone.
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
            table = self.listeners if kind == NameKind.LISTENER else self.routes
            table[number] = name
            self._names_offset = offset

    def close(self) -> None:
        """Unmap the ring."""
        del self._slots
        with suppress(BufferError):  # a caller still holds a view: the last one unmaps
            self._mapping.close()
        os.close(self._descriptor)


def _run_length(matches: NDArray[np.bool_]) -> int:
    """Length of the run of True that begins the array."""
    return int(matches.argmin()) if not matches.all() else matches.size

"""The detail ring: target, client and user agent of a sampled set of requests."""

from __future__ import annotations

import itertools
import os
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.recording import mapping as ring_file
from servescope.recording.record_layout import SEQUENCE, SEQUENCE_OFFSET, SLOT
from servescope.recording.ring import RingKind
from servescope.records import Method, RequestDetail, RequestFlag, RequestRecord

if TYPE_CHECKING:
    from pathlib import Path

SLOT_BYTES: Final = 512
CAPACITY: Final = 2**12
_LENGTHS: Final = struct.Struct("<HHHHH")  # listener, route, target, client, user agent
_SEQUENCE_COLUMN: Final = np.dtype(
    {
        "names": ["sequence"],
        "formats": ["=u8"],
        "offsets": [SEQUENCE_OFFSET],
        "itemsize": SLOT_BYTES,
    }
)
_TEXT_OFFSET: Final = SLOT.size + _LENGTHS.size
_METHODS: Final = {int(method): method for method in Method}
_LIMITS: Final = (32, 96, 200, 46, SLOT_BYTES - _TEXT_OFFSET - 32 - 96 - 200 - 46)


class DetailWriter:
    """Writes `RequestDetail`s into a ring file of its own; any thread may call `write`."""

    def __init__(self, path: Path, capacity: int = CAPACITY) -> None:
        self.path = path
        header = ring_file.Header(
            RingKind.DETAIL, SLOT_BYTES, capacity, os.getpid(), time.time_ns()
        )
        self._mapping, self._descriptor = ring_file.create(path, header)
        self._take = itertools.count().__next__
        self._mask = capacity - 1

    def write(self, detail: RequestDetail) -> None:
        """Add one detail; texts are cut to what the slot holds."""
        record = detail.record
        texts = [
            text.encode("utf-8", "replace")[:limit]
            for text, limit in zip(
                (detail.listener, detail.route, detail.target, detail.client, detail.user_agent),
                _LIMITS,
                strict=True,
            )
        ]
        number = self._take()
        offset = ring_file.SLOTS_OFFSET + (number & self._mask) * SLOT_BYTES
        SLOT.pack_into(
            self._mapping,
            offset,
            record.end_ns,
            record.listener_id,
            record.route_id,
            record.method,
            record.protocol,
            record.status,
            record.flags,
            min(record.bytes_received, 0xFFFFFFFF),
            record.bytes_sent,
            *record.stages_ns,
            0,
        )
        _LENGTHS.pack_into(self._mapping, offset + SLOT.size, *(len(text) for text in texts))
        joined = b"".join(texts)
        start = offset + _TEXT_OFFSET
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


class DetailReader:
    """Follows a detail ring; the cursor is the number of details already taken or given up.

    Raises RingError when the file is not a detail ring of this version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mapping, self.header, self._descriptor = ring_file.attach(path, SLOT_BYTES)

    def writer_is_gone(self) -> bool:
        """Whether the writing process has ended."""
        return ring_file.writer_is_gone(self._descriptor)

    def drain(self, cursor: int, limit: int = CAPACITY) -> tuple[list[RequestDetail], int]:
        """Take what is complete, oldest first; return it and the new cursor.

        Details are a sample: what was overwritten or half written is passed over uncounted.
        """
        taken: list[RequestDetail] = []
        newest = self._newest(cursor)
        cursor = max(cursor, newest - self.header.capacity)
        while cursor < newest and len(taken) < limit:
            detail = self._read(cursor)
            if detail is not None:
                taken.append(detail)
            cursor += 1
        if taken:
            with suppress(OSError):  # pages are larger here
                ring_file.unmap_pages(self._mapping)
        return taken, cursor

    def _newest(self, cursor: int) -> int:
        """The highest sequence in the ring; looks one step ahead first, the usual case."""
        if self._sequence(cursor) < cursor + 1 and self._sequence(cursor + 1) < cursor + 2:
            return cursor
        sequences = np.frombuffer(
            self._mapping, _SEQUENCE_COLUMN, self.header.capacity, ring_file.SLOTS_OFFSET
        )["sequence"]
        return int(sequences.max())

    def _sequence(self, number: int) -> int:
        offset = ring_file.SLOTS_OFFSET + (number & (self.header.capacity - 1)) * SLOT_BYTES
        (sequence,) = SEQUENCE.unpack_from(self._mapping, offset + SEQUENCE_OFFSET)
        return int(sequence)

    def _read(self, number: int) -> RequestDetail | None:
        offset = ring_file.SLOTS_OFFSET + (number & (self.header.capacity - 1)) * SLOT_BYTES
        slot = self._mapping[offset : offset + SLOT_BYTES]
        (
            end_ns,
            listener,
            route,
            method,
            protocol,
            status,
            flags,
            received,
            sent,
            *ns,
            sequence,
        ) = SLOT.unpack_from(slot)
        torn = sequence != number + 1 or self._sequence(number) != sequence
        if torn or method not in _METHODS:
            return None
        texts, start = [], _TEXT_OFFSET
        for length in _LENGTHS.unpack_from(slot, SLOT.size):
            texts.append(slot[start : start + length].decode("utf-8", "replace"))
            start += length
        record = RequestRecord(
            end_ns=end_ns,
            listener_id=listener,
            route_id=route,
            method=_METHODS[method],
            protocol=protocol,
            status=status,
            flags=RequestFlag(flags),
            bytes_received=received,
            bytes_sent=sent,
            stages_ns=(ns[0], ns[1], ns[2], ns[3], ns[4], ns[5]),
        )
        return RequestDetail(record, *texts)

    def close(self) -> None:
        """Unmap the ring."""
        self._mapping.close()
        os.close(self._descriptor)

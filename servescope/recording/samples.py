"""The samples ring: the gauges of a process that serves by itself, for whoever collects.

One slot a second holds all samples of that second as JSON. They go the way of the records: the
collector follows with a cursor that it commits with its frame, so an increase counts once, whoever
leads meanwhile. After a lap (`CAPACITY` seconds without a collector) the oldest are passed over.
"""

from __future__ import annotations

import itertools
import json
import os
import struct
import time
from typing import TYPE_CHECKING, Final

from servescope.forked_child import disown_in_children, no_fork
from servescope.recording import ring_file
from servescope.records.metrics import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SLOT_BYTES: Final = 8_192
CAPACITY: Final = 64
_HEAD: Final = struct.Struct("@QII")  # sequence, length, epoch second
_SEQUENCE: Final = struct.Struct("@Q")
_ROOM: Final = SLOT_BYTES - _HEAD.size


class SampleWriter:
    """Writes a process's samples into a ring file of its own; one thread calls `write`.

    Raises DataFolderError when the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        header = ring_file.Header(
            ring_file.RingKind.SAMPLES, SLOT_BYTES, CAPACITY, os.getpid(), time.time_ns()
        )
        with no_fork():
            self._mapping, self._descriptor = ring_file.create(path, header)
            disown_in_children(self)
        self._take = itertools.count().__next__

    def write(self, second: int, samples: Iterable[Sample]) -> None:
        """Add the samples of an epoch second: those that the slot has room for."""
        texts, used = [], 2
        for one in samples:
            text = json.dumps([one.metric, one.value, one.labels]).encode()
            used += len(text) + 1
            if used > _ROOM:
                break
            texts.append(text)
        joined = b"[" + b",".join(texts) + b"]"
        number = self._take()
        offset = _offset(number)
        _SEQUENCE.pack_into(self._mapping, offset, 0)
        start = offset + _HEAD.size
        self._mapping[start : start + len(joined)] = joined
        _HEAD.pack_into(self._mapping, offset, 0, len(joined), second)
        _SEQUENCE.pack_into(self._mapping, offset, number + 1)

    def close(self) -> None:
        """Give up the writer's lock; the collector takes the rest and deletes the file."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:  # a number closed twice may be somebody else's by then
            ring_file.release(descriptor)

    def disown(self) -> None:
        """Let go of an inherited ring in a forked child; the parent's lock stays its own."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            ring_file.disown(self._mapping, descriptor)


class SampleReader:
    """Follows a samples ring; the cursor is the number of seconds already taken or passed over.

    Raises RingError when the file is not a samples ring of this version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mapping, self.header, self._descriptor = ring_file.attach(path, SLOT_BYTES)

    def writer_is_gone(self) -> bool:
        """Whether the writing process has ended."""
        return ring_file.writer_is_gone(self._descriptor)

    def drain(self, cursor: int, until_s: int) -> tuple[list[tuple[int, list[Sample]]], int]:
        """The samples of seconds before `until_s`, by second, oldest first; the new cursor."""
        newest = max(self._sequence(number) for number in range(CAPACITY))
        cursor = max(cursor, newest - CAPACITY)
        taken = []
        while cursor < newest:
            found = self._read(cursor)
            if found is not None:
                if found[0] >= until_s:
                    break
                taken.append(found)
            cursor += 1
        return taken, cursor

    def _sequence(self, number: int) -> int:
        (sequence,) = _SEQUENCE.unpack_from(self._mapping, _offset(number))
        return int(sequence)

    def _read(self, number: int) -> tuple[int, list[Sample]] | None:
        offset = _offset(number)
        sequence, length, second = _HEAD.unpack_from(self._mapping, offset)
        start = offset + _HEAD.size
        text = self._mapping[start : start + length]
        if sequence != number + 1 or self._sequence(number) != sequence:
            return None  # overwritten meanwhile
        return second, [
            Sample(metric, value, tuple((name, told) for name, told in labels))
            for metric, value, labels in json.loads(text)
        ]

    def close(self) -> None:
        """Unmap the ring."""
        self._mapping.close()
        os.close(self._descriptor)


def _offset(number: int) -> int:
    return ring_file.SLOTS_OFFSET + number % CAPACITY * SLOT_BYTES

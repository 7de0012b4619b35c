"""The reader of a ring of request details."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.recording import ring_file
from servescope.recording.detail_layout import (
    CAPACITY,
    FORMER_SLOT_BYTES,
    FORMER_TEXT_LENGTHS,
    FORMER_TEXTS_OFFSET,
    NO_TRACE,
    ORIGIN,
    ORIGIN_OFFSET,
    SLOT_BYTES,
    TEXT_LENGTHS,
    TEXT_LENGTHS_OFFSET,
    TEXTS_OFFSET,
    UNKNOWN_COUNT,
    DetailTexts,
    Origin,
)
from servescope.recording.record_layout import SEQUENCE, SEQUENCE_OFFSET, SLOT
from servescope.records.requests import RequestDetail, RequestRecord
from servescope.request_fields import Method, RequestFlag

if TYPE_CHECKING:
    from pathlib import Path

_METHODS: Final = {int(method): method for method in Method}


class DetailReader:
    """Follows a detail ring; the cursor is the number of details already taken or given up.

    An app that records may have been started before an update, so rings of the former version are
    read as well. Raises RingError when the file is a detail ring of neither.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mapping, self.header, self._descriptor = ring_file.attach(
            path, SLOT_BYTES, FORMER_SLOT_BYTES
        )
        self._slot_bytes = self.header.slot_bytes
        self._sequence_column = np.dtype(
            {
                "names": ["sequence"],
                "formats": ["=u8"],
                "offsets": [SEQUENCE_OFFSET],
                "itemsize": self._slot_bytes,
            }
        )

    def writer_is_gone(self) -> bool:
        """Whether the writing process has ended."""
        return ring_file.writer_is_gone(self._descriptor)

    def drain(self, cursor: int, limit: int = CAPACITY) -> tuple[list[RequestDetail], int]:
        """Take what is complete, oldest first; return it and the new cursor.

        Details are a sample: overwritten and half-written ones are passed over uncounted.
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
            self._mapping, self._sequence_column, self.header.capacity, ring_file.SLOTS_OFFSET
        )["sequence"]
        return int(sequences.max())

    def _offset(self, number: int) -> int:
        return ring_file.SLOTS_OFFSET + (number & (self.header.capacity - 1)) * self._slot_bytes

    def _sequence(self, number: int) -> int:
        offset = self._offset(number)
        (sequence,) = SEQUENCE.unpack_from(self._mapping, offset + SEQUENCE_OFFSET)
        return int(sequence)

    def _read(self, number: int) -> RequestDetail | None:
        offset = self._offset(number)
        slot = self._mapping[offset : offset + self._slot_bytes]
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
        return self._detail(record, slot)

    def _detail(self, record: RequestRecord, slot: bytes) -> RequestDetail:
        origin = Origin()
        lengths, start = FORMER_TEXT_LENGTHS, FORMER_TEXTS_OFFSET
        if self._slot_bytes == SLOT_BYTES:
            lengths, start = TEXT_LENGTHS, TEXTS_OFFSET
            origin = Origin(*ORIGIN.unpack_from(slot, ORIGIN_OFFSET))
        texts = []
        for length in lengths.unpack_from(slot, TEXT_LENGTHS_OFFSET):
            texts.append(slot[start : start + length].decode("utf-8", "replace"))
            start += length
        before = origin.requests_before
        return RequestDetail(
            record,
            *DetailTexts(*texts),
            pid=self.header.pid,
            client_port=origin.client_port,
            cipher_suite=origin.cipher_suite,
            requests_before=None if before == UNKNOWN_COUNT else before,
            trace_id="" if origin.trace_id == NO_TRACE else origin.trace_id.hex(),
            capture_id=origin.capture_id,
        )

    def close(self) -> None:
        """Unmap the ring."""
        self._mapping.close()
        os.close(self._descriptor)

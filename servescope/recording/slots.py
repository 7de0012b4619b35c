"""The 64 bytes of a request record, and the hot paths that write them."""

from __future__ import annotations

import itertools
import struct
import sys
from dataclasses import dataclass
from time import time_ns
from typing import TYPE_CHECKING, Final

import numpy as np

from servescope.recording import mapping as ring_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap

SLOT: Final = struct.Struct("@QHHBBHHxxIQ6fQ")
"""One record, its sequence last. In native order, because that packs floats a fifth faster, and no
other machine reads it."""

_OUTLINED_SLOT: Final = struct.Struct("@QQHxxIQ6fQ")
"""The same 64 bytes, with what repeats from request to request packed before (`outline`).
`pack_into` clears the slot and then writes field after field, all under the GIL, so that one call
leaves either a whole record or none."""

_CALL_SLOT: Final = struct.Struct("@QQHxxIQf8x3fQ")
"""The same once more, without the two stages that who calls an app cannot tell."""

_OUTLINE: Final = struct.Struct("@HHBBH")
SEQUENCE: Final = struct.Struct("@Q")
SEQUENCE_OFFSET: Final = SLOT.size - SEQUENCE.size
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
READY_SLOTS: Final = 1024
"""So many slots' pages, 64 KiB, are made ready in one go."""

_MADV_POPULATE_WRITE: Final = 23  # include/uapi/asm-generic/mman-common.h; since Linux 5.14
_SLOT_SHIFT: Final = SLOT.size.bit_length() - 1
_MAX_U32: Final = 0xFFFFFFFF
_SURELY_FITS: Final = 2**30 - 1
"""Up to here CPython compares whole numbers without a call; `min()` would cost 60 ns each time."""


def outline(listener_id: int, route_id: int, method: int, protocol: int, status: int) -> int:
    """Five fields of a record as the one number that the recorders take."""
    packed = _OUTLINE.pack(listener_id, route_id, method, protocol, status)
    return int.from_bytes(packed, sys.byteorder)


@dataclass(slots=True)
class Quiet:
    """Until when no request is wanted in detail but a failed one, or one longer than the slowest.

    At most for a second, whatever the wall clock does.
    """

    until_ns: int = 0  # by time.perf_counter_ns
    until_s: float = 0.0  # the same for who goes by time.perf_counter
    above_ns: float = 0.0


class Slots:
    """The slots of a ring that is being written. Recorders may be called from any thread."""

    def __init__(self, memory: mmap, capacity: int) -> None:
        self._memory = memory
        self._mask = capacity - 1
        self._numbers = itertools.count()  # next() of it is one step under the GIL
        self._ready = min(READY_SLOTS, capacity)
        self._can_make_ready = sys.platform == "linux"
        self._make_ready(-self._ready)

    def _make_ready(self, number: int) -> None:
        """Make the pages of the next slots but `_ready` writable, before they are written.

        The first store into a page of a file faults, and again each time that the page was written
        back: 6 us each, and within an app, which finds the processor's caches full of the kernel's
        code afterwards, 35 us. Asked for together they take 3 us each (madvise(2)).
        """
        if not self._can_make_ready:
            return
        start = ring_file.SLOTS_OFFSET + (((number + self._ready) & self._mask) << _SLOT_SHIFT)
        try:
            self._memory.madvise(_MADV_POPULATE_WRITE, start, self._ready << _SLOT_SHIFT)
        except (OSError, ValueError):  # an older kernel, or larger pages: they fault one by one
            self._can_make_ready = False

    def outlined_recorder(self) -> Callable[..., None]:
        """Build the hot path as a closure: locals instead of attributes, no bound method."""
        numbers, make_ready = self._numbers, self._make_ready
        pack_slot = _OUTLINED_SLOT.pack_into
        memory, mask, base = self._memory, self._mask, ring_file.SLOTS_OFFSET
        last_ready = self._ready - 1

        def record_outlined(
            end_ns: int,
            outlined: int,
            flags: int,
            bytes_received: int,
            bytes_sent: int,
            kernel_ns: float,
            read_ns: float,
            queue_ns: float,
            app_ns: float,
            body_ns: float,
            write_ns: float,
        ) -> None:
            number = next(numbers)
            if not number & last_ready:
                make_ready(number)
            pack_slot(
                memory,
                base + ((number & mask) << _SLOT_SHIFT),
                end_ns,
                outlined,
                flags,
                bytes_received if bytes_received <= _SURELY_FITS else min(bytes_received, _MAX_U32),
                bytes_sent,
                kernel_ns,
                read_ns,
                queue_ns,
                app_ns,
                body_ns,
                write_ns,
                number + 1,
            )

        return record_outlined

    def call_recorder(self, quiet: Quiet) -> Callable[..., int]:
        """The same for whoever calls an app, and knows nothing but when it did.

        Times are floats in seconds, as `time.perf_counter` tells them: they cost less to subtract
        and to pack than whole numbers of nanoseconds do. It takes and writes its slot itself: by
        way of `record_outlined` a request within Flask took half a microsecond more.
        """
        numbers, make_ready = self._numbers, self._make_ready
        pack_slot = _CALL_SLOT.pack_into
        memory, mask, base = self._memory, self._mask, ring_file.SLOTS_OFFSET
        last_ready = self._ready - 1

        def record_call(
            outlined: int,
            flags: int,
            bytes_received: int,
            bytes_sent: int,
            kernel_ns: float,
            began_s: float,
            head_s: float,
            write_s: float,
            ended_s: float,
        ) -> int:
            """Record a call that ends now; its end (epoch ns) where details of it may be wanted.

            Else 0. `write_s` is the time that sending took in sum: `body` is the rest after
            `head_s`.
            """
            body_s = ended_s - head_s - write_s
            end_ns = time_ns()
            number = next(numbers)
            if not number & last_ready:
                make_ready(number)
            pack_slot(
                memory,
                base + ((number & mask) << _SLOT_SHIFT),
                end_ns,
                outlined,
                flags,
                bytes_received if bytes_received <= _SURELY_FITS else min(bytes_received, _MAX_U32),
                bytes_sent,
                kernel_ns,
                (head_s - began_s) * 1e9,
                body_s * 1e9 if body_s > 0.0 else 0.0,
                write_s * 1e9,
                number + 1,
            )
            total_ns = kernel_ns + (ended_s - began_s) * 1e9
            if ended_s > quiet.until_s or total_ns > quiet.above_ns:
                return end_ns
            return 0

        return record_call

"""The 64-byte slots of a ring that is being written, and what fills one for each request."""

from __future__ import annotations

import itertools
import sys
from time import time_ns
from typing import TYPE_CHECKING, Final

from servescope.recording import ring_file
from servescope.recording.record_layout import CALL_SLOT, KEYED_SLOT, MAX_U32, SLOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap

    from servescope.recording.detail_threshold import DetailThreshold

READY_SLOTS: Final = 1024
"""So many slots' pages, 64 KiB, are made ready in one go."""

_SLOT_SHIFT: Final = SLOT.size.bit_length() - 1
_MADV_POPULATE_WRITE: Final = 23  # include/uapi/asm-generic/mman-common.h; since Linux 5.14
_SURELY_FITS: Final = 2**30 - 1
"""A smaller number needs no `min()`, with which a record takes 0.36 µs in place of 0.26: the
`record_request` of `benchmarks/recording.py` on one thread (CPython 3.11)."""


class Slots:
    """The slots of a ring that is being written. Its recorders may be called from any thread.

    The recorders are closures: local variables in place of attributes.
    """

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
        code afterwards, 35 us. Asked for together they take 3 us each (madvise(2)). As many behind
        are taken out of this process's memory; a thread that is late with one maps it again.
        """
        if not self._can_make_ready:
            return
        size = self._ready << _SLOT_SHIFT
        try:
            self._memory.madvise(_MADV_POPULATE_WRITE, self._offset(number + self._ready), size)
            if self._mask >= 4 * self._ready:  # else these are those
                ring_file.unmap_pages(self._memory, self._offset(number - 2 * self._ready), size)
        except (OSError, ValueError):  # an older kernel, or larger pages: they fault one by one
            self._can_make_ready = False

    def _offset(self, number: int) -> int:
        """Where the slot of a record's number begins in the file."""
        return ring_file.SLOTS_OFFSET + ((number & self._mask) << _SLOT_SHIFT)

    def request_recorder(self) -> Callable[..., None]:
        """Make the recorder of a server, which knows all six stages."""
        numbers, make_ready = self._numbers, self._make_ready
        pack_slot = KEYED_SLOT.pack_into
        memory, mask, base = self._memory, self._mask, ring_file.SLOTS_OFFSET
        last_ready = self._ready - 1

        def record_request(
            end_ns: int,
            request_key: int,
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
                request_key,
                flags,
                bytes_received if bytes_received <= _SURELY_FITS else min(bytes_received, MAX_U32),
                bytes_sent,
                kernel_ns,
                read_ns,
                queue_ns,
                app_ns,
                body_ns,
                write_ns,
                number + 1,
            )

        return record_request

    def call_recorder(self, threshold: DetailThreshold) -> Callable[..., int]:
        """Make the recorder of somebody who calls an app, and knows nothing but when it did.

        Its times are floats in seconds, as those of `time.perf_counter`: they cost less to subtract
        and to pack than whole numbers of nanoseconds do. It takes and writes its slot itself: by
        way of `request_recorder` a request within Flask took half a microsecond more.
        """
        numbers, make_ready = self._numbers, self._make_ready
        pack_slot = CALL_SLOT.pack_into
        memory, mask, base = self._memory, self._mask, ring_file.SLOTS_OFFSET
        last_ready = self._ready - 1

        def record_call(
            request_key: int,
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
                request_key,
                flags,
                bytes_received if bytes_received <= _SURELY_FITS else min(bytes_received, MAX_U32),
                bytes_sent,
                kernel_ns,
                (head_s - began_s) * 1e9,
                body_s * 1e9 if body_s > 0.0 else 0.0,
                write_s * 1e9,
                number + 1,
            )
            total_ns = kernel_ns + (ended_s - began_s) * 1e9
            if ended_s > threshold.until_s or total_ns > threshold.above_ns:
                return end_ns
            return 0

        return record_call

"""The 64-byte slots of a ring that is being written, and the hot path that fills one."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Final

from servescope.recording import mapping as ring_file
from servescope.recording.record_layout import MAX_U32, OUTLINED_SLOT, SLOT_SHIFT, SURELY_FITS

try:
    from servescope.recording._call_recorder import Quiet, call_recorder
except ImportError:  # not compiled for this Python
    from servescope.recording.call_recorder import Quiet, call_recorder

if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap

__all__ = ["READY_SLOTS", "Quiet", "Slots"]

READY_SLOTS: Final = 1024
"""So many slots' pages, 64 KiB, are made ready in one go."""

_MADV_POPULATE_WRITE: Final = 23  # include/uapi/asm-generic/mman-common.h; since Linux 5.14


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
        code afterwards, 35 us. Asked for together they take 3 us each (madvise(2)). As many behind
        are taken out of this process's memory; a thread that is late with one maps it again.
        """
        if not self._can_make_ready:
            return
        size = self._ready << SLOT_SHIFT
        try:
            self._memory.madvise(_MADV_POPULATE_WRITE, self._offset(number + self._ready), size)
            if self._mask >= 4 * self._ready:  # else these are those
                ring_file.unmap_pages(self._memory, self._offset(number - 2 * self._ready), size)
        except (OSError, ValueError):  # an older kernel, or larger pages: they fault one by one
            self._can_make_ready = False

    def _offset(self, number: int) -> int:
        """Where the slot of a record's number begins in the file."""
        return ring_file.SLOTS_OFFSET + ((number & self._mask) << SLOT_SHIFT)

    def outlined_recorder(self) -> Callable[..., None]:
        """Build the hot path as a closure: locals instead of attributes, no bound method."""
        numbers, make_ready = self._numbers, self._make_ready
        pack_slot = OUTLINED_SLOT.pack_into
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
                base + ((number & mask) << SLOT_SHIFT),
                end_ns,
                outlined,
                flags,
                bytes_received if bytes_received <= SURELY_FITS else min(bytes_received, MAX_U32),
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
        """What records the calls of an app: see `servescope.recording.call_recorder`."""
        return call_recorder(
            memory=self._memory,
            offset=ring_file.SLOTS_OFFSET,
            capacity=self._mask + 1,
            ready=self._ready,
            numbers=self._numbers,
            make_ready=self._make_ready,
            quiet=quiet,
        )
